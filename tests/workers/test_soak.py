"""The short form of `make soak`."""

import pytest

from tests.workers.soaking import soaking


@pytest.mark.timeout(300)
@pytest.mark.postgres
@pytest.mark.redis
def test_load_and_trouble_for_a_while_lose_nothing_and_double_nothing() -> None:
    with soaking(seed=3) as soak:
        report = soak.run(seconds=25)

    assert report["ok"], report
    assert report["posts"] > 50
    assert report["killed"] > 3
