"""Workers: processes that deliver for all."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import redis
import sqlalchemy as sa

import feedkit
from feedkit import PullAll, PushAll
from tests.redis_servers import command
from tests.workers.conftest import Place, audience, is_all_delivered, run_command, texts, until


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
    assert sum(shares) == 1200
    assert min(shares) > 0


def test_ordinary_posts_do_not_wait_for_a_large_delivery(place: Place, feed: feedkit.Feed[str]) -> None:
    """Nobody delivers chunks here: the mark goes on all the same, and readers merge in what is listed."""
    readers = audience(feed, 120)
    feed.follow("reader5", "bob")
    feed.drain()
    for reader in readers:
        feed.home(reader)
    feed.publish("ada", text="large")
    feed.publish("bob", text="small")
    runtime = feed.runtime()
    assert runtime.log.step(share=False)
    assert runtime.fanout.chunks is not None
    assert runtime.fanout.chunks.is_left()
    with place.connect(deliver="inline") as other:
        inbox = other.runtime().stores.inboxes.read(other.users.get(["reader5"])["reader5"].id)
        assert inbox is not None
        assert len(inbox.entries) == 2
        assert texts(other.home("reader5")) == ["small", "large"]
    feed.drain()
    assert not runtime.fanout.chunks.is_left()
    with redis.Redis.from_url(place.redis) as client:
        (mark,) = client.scan_iter("*:mark")
        assert client.get(mark)[8:].count(b":") == 1
    assert feed.check(sample=1000).ok


def test_a_deletion_reaches_a_large_audience(place: Place, feed: feedkit.Feed[str]) -> None:
    readers = audience(feed, 120)
    feed.drain()
    for reader in readers:
        feed.home(reader)
    post = feed.publish("ada", text="large")
    feed.drain()
    feed.delete("ada", post.id)
    assert texts(feed.home("reader5")) == []
    feed.drain()
    assert feed.check(sample=1000).to_dict().items() >= {"unexpected": 0, "missing": 0}.items()


def test_a_worker_that_is_told_to_stop_leaves_nothing_claimed(place: Place, feed: feedkit.Feed[str]) -> None:
    # given: leases that outlast the test, and a worker that is busy for long
    place.settings["chunk_lease_ms"] = 600_000
    slowly = """
    import time
    from feedkit.fanout.delivery import Delivery
    chunk = Delivery.deliver_chunk
    Delivery.deliver_chunk = lambda self, one: (time.sleep(0.3), chunk(self, one))[1]
    """
    audience(feed, 400)
    feed.drain()
    worker = place.worker(before=slowly)
    feed.publish("ada", text="large")
    until(lambda: chunks(place, "done = 1") > 0)
    # when
    worker.stop(timeout_s=5)
    # then
    left = chunks(place, "done = 0")
    assert chunks(place, "done = 0 AND until_ms > 0") == 0
    assert feed.drain(max_seconds=10).done
    assert left == 0 or chunks(place, "TRUE") == 0
    assert feed.check(sample=500).ok


def chunks(place: Place, which: str) -> int:
    engine = sa.create_engine(place.url)
    with engine.connect() as connection:
        count = connection.scalar(sa.text(f"SELECT count(*) FROM feedkit_chunks WHERE {which}"))
    engine.dispose()
    return int(count or 0)


def test_f08_a_full_redis_stops_no_post_and_the_backlog_drains(place: Place, feed: feedkit.Feed[str]) -> None:
    port = int(place.redis.rpartition(":")[2].partition("/")[0])
    readers = audience(feed, 120)
    feed.drain()
    for reader in readers:
        feed.home(reader)
    place.worker()
    command(port, "CONFIG", "SET", "maxmemory", "1")
    for nth in range(20):
        feed.publish("ada", text=str(nth))
    wanted = [str(nth) for nth in reversed(range(20))]
    assert texts(feed.home("reader3")) == wanted
    time.sleep(0.5)
    assert not is_all_delivered(feed)
    command(port, "CONFIG", "SET", "maxmemory", "0")
    until(lambda: is_all_delivered(feed))
    page = feed.home("reader3")
    assert (texts(page), page.degraded) == (wanted, False)
    assert feed.check(sample=500).ok


def test_f10_a_policy_that_is_switched_off_and_on_again_under_traffic(place: Place) -> None:
    place.settings["pull_grace_s"] = 1
    written: list[str] = []
    for policy in (PushAll(), PullAll(), PushAll()):
        name = type(policy).__name__
        with place.connect(policy=policy) as feed:
            if not written:
                audience(feed, 60)
            worker = place.worker("--adopt", more=f", policy=feedkit.{name}()")
            ends = time.monotonic() + 5
            while time.monotonic() < ends:
                written.append(f"{name} {len(written)}")
                feed.publish("ada", text=written[-1])
                page = feed.home(f"reader{len(written) % 60}", limit=100)
                assert texts(page) == written[:-101:-1]
                time.sleep(0.05)
            until(lambda feed=feed: is_all_delivered(feed))  # type: ignore[misc]
            report = feed.check(sample=100)
            assert (report.missing, report.doubled) == (0, 0)
            worker.stop()


def test_work_ends_when_it_is_told_to(feed: feedkit.Feed[str]) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    started = time.monotonic()
    feed.work(stop=stop, concurrency=3)
    assert time.monotonic() - started < 3


def test_a_post_wakes_a_worker(place: Place, feed: feedkit.Feed[str]) -> None:
    place.settings["poll_interval_ms"] = 20_000
    feed.follow("bob", "ada")
    feed.drain()
    worker = place.worker()
    time.sleep(2)
    feed.publish("ada", text="a")
    until(lambda: is_all_delivered(feed), within_s=5)
    worker.kill()


def test_a_backlog_is_told_of(place: Place, feed: feedkit.Feed[str]) -> None:
    audience(feed, 120)
    feed.drain()
    assert feed.backlog().to_dict() == {
        "events": 0,
        "oldest_s": 0.0,
        "large": 0,
        "holder": "",
        "dead_letters": {"timelines": 0, "counters": 0, "pulled-list": 0},
    }
    feed.publish("ada", text="a")
    time.sleep(0.1)
    said = feed.backlog()
    assert said.events >= 1
    assert 0.1 <= said.oldest_s < 60
    sleepy = place.worker(
        before="import tests.workers.crashing\n",
        environ={"CRASH_AT": "RedisTimelines.deliver:before:2:stop"},
    )
    until(lambda: f":{sleepy.running.pid}:" in feed.backlog().holder and feed.backlog().events == 0)
    assert feed.backlog().large == 1
    assert run_command(place, "backlog")["large"] == 1


def test_a_worker_over_a_sqlite_file(tmp_path: Path, redis_url: str) -> None:
    url = f"sqlite:///{tmp_path / 'feed.db'}"
    around: dict[str, Any] = {"redis": redis_url, "deliver": "worker"}
    stop = threading.Event()
    with feedkit.connect(url, **around) as feed, feedkit.connect(url, **around) as worker:
        feed.follow("bob", "ada")
        working = threading.Thread(target=lambda: worker.work(stop=stop))
        working.start()
        try:
            feed.publish("ada", text="a")
            until(lambda: is_all_delivered(feed))
            assert texts(feed.home("bob")) == ["a"]
        finally:
            stop.set()
            working.join()


def test_a_large_delivery_in_a_cluster(tmp_path: Path, redis_cluster_url: str) -> None:
    settings = feedkit.Settings(chunk_followers=20, delivery_chunk=7)
    around: dict[str, Any] = {"redis": redis_cluster_url, "settings": settings}
    with feedkit.connect(f"sqlite:///{tmp_path / 'feed.db'}", **around) as feed:
        readers = audience(feed, 70)
        feed.drain()
        for reader in readers:
            feed.home(reader)
        post = feed.publish("ada", text="a")
        feed.publish("ada", text="b")
        assert feed.runtime().log.step(share=False)
        assert texts(feed.home("reader9")) == ["b", "a"]
        assert feed.drain().done
        assert (
            feed.check(sample=100).to_dict().items() >= {"missing": 0, "unexpected": 0, "doubled": 0}.items()
        )
        prefix = feed.runtime()._place().prefix  # type: ignore[misc]  # others have marks there, too
        with redis.RedisCluster.from_url(redis_cluster_url) as client:
            marks = [client.get(key) for key in client.scan_iter(f"{prefix}:mark:*")]
            assert len(marks) == 64
            assert all(mark[8:].count(b":") == 1 for mark in marks)
            assert list(client.scan_iter(f"{prefix}:part:*")) == []
            feed.delete("ada", post.id)
            assert feed.drain().done
            assert all(texts(feed.home(reader)) == ["b"] for reader in readers)
            assert list(client.scan_iter(f"{prefix}:part:*")) == []
