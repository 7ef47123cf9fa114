"""F15: workers and readers whose way to Redis fails: publishing goes on, pages are whole, and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.proxy import Proxy, around_redis
from tests.workers.conftest import Place, audience, is_all_delivered, texts, until

TIMEOUT_S = 0.3
BOUND_S = 4 * TIMEOUT_S + 0.8


@pytest.fixture
def proxy(place: Place) -> Iterator[Proxy]:
    """What everybody reaches Redis through."""
    place.settings["redis_timeout_ms"] = int(TIMEOUT_S * 1000)
    with around_redis(place.redis) as (proxy, through):
        place.redis = through
        yield proxy
        proxy.heal()
        for worker in place.started:
            worker.end()


def test_f15_a_large_delivery_over_a_network_in_trouble(place: Place, proxy: Proxy) -> None:
    with place.connect() as feed:
        # given
        readers = audience(feed, 120)
        feed.drain()
        for reader in readers:
            feed.home(reader)
        place.worker("--concurrency", "2")
        place.worker("--concurrency", "2")
        feed.publish("ada", text="before")
        until(lambda: is_all_delivered(feed))

        # when
        written = ["before"]
        for nth in range(24):
            match nth % 4:
                case 0:
                    proxy.silence(requests=nth % 8 == 0)
                case 1:
                    proxy.strand()
                case 2:
                    proxy.reset(after=40 * nth)
                case _:
                    proxy.heal()
            feed.publish("ada", text=str(nth))
            written.insert(0, str(nth))
            started = time.monotonic()
            assert texts(feed.home(readers[nth], limit=100)) == written
            assert time.monotonic() - started < BOUND_S
            time.sleep(0.1)
        proxy.heal()

        # then
        until(lambda: is_all_delivered(feed))
        until(lambda: not feed.home("reader1").degraded)
        for reader in readers:
            page = feed.home(reader, limit=100)
            assert (texts(page), page.degraded) == (written, False)
        report = feed.check(sample=200)
        assert (report.missing, report.unexpected, report.doubled) == (0, 0, 0)
