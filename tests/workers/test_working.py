"""Workers: processes that deliver for all."""

from __future__ import annotations

import feedkit
from tests.workers.conftest import Place, is_all_delivered, texts, until


def audience(feed: feedkit.Feed[str], count: int, author: str = "ada") -> list[str]:
    """So many followers, each of whom holds an inbox."""
    readers = [f"reader{nth}" for nth in range(count)]
    for reader in readers:
        feed.follow(reader, author)
    return readers


def test_a_worker_delivers_what_others_publish(place: Place, feed: feedkit.Feed[str]) -> None:
    worker = place.worker()
    feed.follow("bob", "ada")
    until(lambda: is_all_delivered(feed))
    assert texts(feed.home("bob")) == []
    feed.publish("ada", text="a")
    page = feed.home("bob")
    assert (texts(page), page.degraded) == (["a"], False)
    until(lambda: is_all_delivered(feed))
    done = worker.stop()
    assert done["deliveries"] == 1


def test_two_workers_share_one_large_delivery(place: Place, feed: feedkit.Feed[str]) -> None:
    readers = audience(feed, 400)
    workers = [place.worker("--concurrency", "2") for _ in range(2)]
    until(lambda: is_all_delivered(feed))
    for reader in readers:
        feed.home(reader)
    for nth in range(3):
        feed.publish("ada", text=str(nth))
    assert texts(feed.home("reader7")) == ["2", "1", "0"]
    until(lambda: is_all_delivered(feed))
    assert all(texts(feed.home(reader)) == ["2", "1", "0"] for reader in readers)
    assert feed.check(sample=1000).to_dict().items() >= {"missing": 0, "doubled": 0, "unexpected": 0}.items()
    shares = [worker.stop()["deliveries"] for worker in workers]
    print(shares)
    assert sum(shares) == 1200
    assert min(shares) > 0
