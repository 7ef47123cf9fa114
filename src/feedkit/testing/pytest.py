"""A pytest plugin for hosts: `pytest_plugins = ["feedkit.testing.pytest"]`.

`feedkit_clock` stands still until told; `feedkit_feed` is an empty feed in memory on that clock.
"""

from collections.abc import Iterator

import pytest

from feedkit import testing
from feedkit.clock import ManualClock
from feedkit.engine import Feed


@pytest.fixture
def feedkit_clock() -> ManualClock:
    """A clock that moves only when told: `feedkit_clock.advance(hours=25)`."""
    return ManualClock(testing.START)


@pytest.fixture
def feedkit_feed(feedkit_clock: ManualClock) -> Iterator[Feed[str]]:
    """An empty feed in memory whose users are named by strings; closed after the test."""
    with testing.memory(clock=feedkit_clock) as feed:
        yield feed
