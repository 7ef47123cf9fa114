"""A feed whose inboxes and outboxes are in Redis: shared, delivered to once, and never missed."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import redis

import feedkit
from feedkit import ConfigurationError, ManualClock, Settings
from feedkit.testing import START
from tests.redis_servers import command, run_redis

SETTINGS = Settings(sqlite_synchronous="OFF", redis_timeout_ms=5000)


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'feedkit.db'}"


@pytest.fixture
def feed(target: str, redis_url: str) -> Iterator[feedkit.Feed[str]]:
    with feedkit.connect(target, redis=redis_url, settings=SETTINGS) as feed:
        yield feed


@pytest.fixture
def twin(feed: feedkit.Feed[str], target: str, redis_url: str) -> Iterator[feedkit.Feed[str]]:
    """The same feed in another process, as far as feedkit can tell."""
    with feedkit.connect(target, redis=redis_url, settings=SETTINGS) as twin:
        yield twin


def texts(page: feedkit.Page[Any]) -> list[str]:
    return [item.post.text for item in page]


def publish(feed: feedkit.Feed[str], *names: str, author: str = "ada") -> None:
    for name in names:
        feed.publish(author, text=name)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


def stop(port: int, *how: str) -> None:
    with suppress(OSError, IndexError):
        command(port, "SHUTDOWN", *how)


def lengths(client: Any, kind: str) -> list[int]:
    """Elements of each timeline of a kind on a server that has no other feed."""
    return sorted(client.llen(key) for key in client.scan_iter(f"*:{kind}:*"))


def rested(feed: feedkit.Feed[str]) -> None:
    """Ask Redis again at once, though it was out of reach a moment ago."""
    place = feed.runtime()._place
    assert place is not None
    place.rest.until = 0


# ---------------------------------------------------------------- sharing


def test_what_one_process_has_built_another_finds(target: str) -> None:
    with run_redis() as url, ExitStack() as stack:
        one, other = (
            stack.enter_context(feedkit.connect(target, redis=url, settings=SETTINGS)) for _ in range(2)
        )
        one.follow("bob", "ada")
        publish(one, "1", "2")
        assert texts(one.home("bob")) == ["2", "1"]

        before = one.runtime().truth.times_read(), other.runtime().stores.inboxes.owners()
        assert texts(other.home("bob")) == ["2", "1"]
        assert before[1] == other.runtime().stores.inboxes.owners() == one.runtime().stores.inboxes.owners()


def test_a_post_is_delivered_once_for_all_processes(target: str) -> None:
    with run_redis() as url, ExitStack() as stack:
        feeds = [stack.enter_context(feedkit.connect(target, redis=url, settings=SETTINGS)) for _ in range(3)]
        client = stack.enter_context(redis.Redis.from_url(url))
        feeds[0].follow("bob", "ada")
        for feed in feeds:
            assert texts(feed.home("bob")) == []
        for number in range(6):
            publish(feeds[number % 3], str(number))
            for feed in feeds:
                assert texts(feed.home("bob"))[0] == str(number)
        assert lengths(client, "i") == [1 + 6], "the block, and each post once"


def test_a_restriction_holds_at_the_next_read_of_any_process(
    feed: feedkit.Feed[str], twin: feedkit.Feed[str]
) -> None:
    for other in ("ada", "cyd"):
        feed.follow("bob", other)
    publish(feed, "a")
    publish(feed, "c", author="cyd")
    assert texts(feed.home("bob")) == texts(twin.home("bob")) == ["c", "a"]

    feed.block("ada", "bob")
    assert texts(twin.home("bob")) == ["c"]
    twin.unfollow("bob", "cyd")
    assert texts(feed.home("bob")) == []


def test_who_follows_gets_what_was_there(feed: feedkit.Feed[str], twin: feedkit.Feed[str]) -> None:
    publish(feed, "old")
    assert texts(twin.home("bob")) == []
    feed.follow("bob", "ada")
    assert texts(twin.home("bob")) == ["old"]


def test_what_was_deleted_leaves_the_inbox(feed: feedkit.Feed[str], twin: feedkit.Feed[str]) -> None:
    feed.follow("bob", "ada")
    post = feed.publish("ada", text="regretted")
    publish(feed, "kept")
    assert texts(twin.home("bob")) == ["kept", "regretted"]
    feed.delete("ada", post.id)
    assert texts(twin.home("bob")) == ["kept"]
    inbox = feed.runtime().stores.inboxes.read(feed.runtime().stores.inboxes.owners()[0])
    assert inbox is not None
    assert feed.check(sample=10).ok


def test_a_process_of_its_own_delivers(feed: feedkit.Feed[str], target: str, redis_url: str) -> None:
    feed.follow("bob", "ada")
    assert texts(feed.home("bob")) == []
    publish(feed, *"abc")
    worker = textwrap.dedent(f"""
        import feedkit
        with feedkit.connect({target!r}, redis={redis_url!r}) as feed:
            result = feed.drain()
            print(result.deliveries, result.done)
    """)
    said = subprocess.run([sys.executable, "-c", worker], check=True, capture_output=True, text=True).stdout
    assert said.split() == ["3", "True"]
    assert feed.drain().deliveries == 0
    assert texts(feed.home("bob")) == ["c", "b", "a"]


def test_a_thread_delivers(target: str, redis_url: str) -> None:
    with feedkit.connect(
        target, redis=redis_url, deliver="thread", settings=Settings(poll_interval_ms=5)
    ) as feed:
        feed.follow("bob", "ada")
        feed.home("bob")
        publish(feed, "1")
        deadline = time.monotonic() + 10
        while not feed.runtime().fanout.delivery.delivered and time.monotonic() < deadline:
            time.sleep(0.01)
        assert feed.runtime().fanout.delivery.delivered == 1
        assert texts(feed.home("bob")) == ["1"]


def test_many_readers_of_one_cold_inbox_and_many_posts_at_once(
    feed: feedkit.Feed[str], twin: feedkit.Feed[str]
) -> None:
    feed.follow("bob", "ada")
    publish(feed, "first")
    wrong: list[object] = []

    def read(own: feedkit.Feed[str]) -> None:
        for _ in range(10):
            published = len(done)
            seen = texts(own.home("bob", limit=100))
            if "first" not in seen or len(seen) < 1 + published:
                wrong.append(seen)

    done: list[int] = []
    readers = [threading.Thread(target=read, args=(own,)) for own in (feed, twin) * 4]
    for reader in readers:
        reader.start()
    for number in range(20):
        publish(feed, str(number))
        done.append(number)
    for reader in readers:
        reader.join()
    assert wrong == []
    assert texts(feed.home("bob", limit=100)) == texts(twin.home("bob", limit=100))
    assert feed.check(sample=10).ok


# ---------------------------------------------------------------- loss (F03, F04, F08)


def test_f03_a_redis_that_was_emptied_is_made_good(target: str) -> None:
    with run_redis() as url, feedkit.connect(target, redis=url, settings=SETTINGS) as feed:
        feed.follow("bob", "ada")
        publish(feed, *"abc")
        assert texts(feed.home("bob")) == ["c", "b", "a"]
        command(port_of(url), "FLUSHALL")
        page = feed.home("bob")
        assert (texts(page), page.degraded) == (["c", "b", "a"], False)
        publish(feed, "d")
        assert texts(feed.home("bob")) == ["d", "c", "b", "a"]
        assert feed.check(sample=100).missing == 0


@pytest.mark.parametrize("posts_since", [0, 1, 5])
def test_f03_a_redis_that_was_set_back_is_noticed(
    posts_since: int, target: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "redis"
    folder.mkdir()
    options = ("--dbfilename", "dump.rdb")
    with run_redis(*options, directory=folder) as url:
        feed = feedkit.connect(target, redis=url, settings=SETTINGS)
        feed.follow("bob", "ada")
        publish(feed, *"abc")
        assert texts(feed.home("bob")) == ["c", "b", "a"]
        feed.drain()
        command(port_of(url), "SAVE")
        shutil.copy(folder / "dump.rdb", folder / "old.rdb")
        since = [str(number) for number in range(posts_since)]
        publish(feed, *since)
        wanted = [*reversed(since), "c", "b", "a"]
        assert texts(feed.home("bob")) == wanted
        stop(port_of(url), "NOSAVE")
    (folder / "old.rdb").replace(folder / "dump.rdb")
    with run_redis(*options, directory=folder, port=port_of(url)), feed, caplog.at_level(logging.WARNING):
        rested(feed)
        page = feed.home("bob")
        assert (texts(page), page.degraded) == (wanted, False)
        assert ("set back" in caplog.text) is bool(posts_since)
        publish(feed, "after")
        assert texts(feed.home("bob")) == ["after", *wanted]
        report = feed.check(sample=100)
        assert (report.missing, report.unexpected) == (0, 0)


def test_f04_a_promoted_replica_that_missed_posts_is_noticed(target: str) -> None:
    at_once = ("--repl-diskless-sync-delay", "0")  # newer servers wait 5 s for more replicas to come
    with run_redis() as replica:
        with run_redis(*at_once) as first, feedkit.connect(target, redis=first, settings=SETTINGS) as feed:
            feed.follow("bob", "ada")
            publish(feed, "a")
            assert texts(feed.home("bob")) == ["a"]
            command(port_of(replica), "REPLICAOF", "127.0.0.1", str(port_of(first)))
            with redis.Redis.from_url(first) as client:
                assert client.wait(1, 10_000) == 1
            command(port_of(replica), "REPLICAOF", "NO", "ONE")
            publish(feed, "b")
            assert texts(feed.home("bob")) == ["b", "a"]
        with feedkit.connect(target, redis=replica, settings=SETTINGS) as feed:
            assert texts(feed.home("bob")) == ["b", "a"]
            assert feed.check(sample=100).missing == 0


def test_a_redis_that_is_down_costs_speed_and_nothing_else(target: str) -> None:
    with run_redis() as url:
        feed = feedkit.connect(target, redis=url, settings=SETTINGS)
        feed.follow("bob", "ada")
        publish(feed, "a")
        assert not feed.home("bob").degraded
    publish(feed, "b")
    page = feed.home("bob")
    assert (texts(page), page.degraded) == (["b", "a"], True)
    assert texts(feed.profile("bob", "ada")) == ["b", "a"]
    assert not feed.drain(max_seconds=5).done
    feed.block("ada", "bob")
    assert texts(feed.home("bob")) == []
    feed.unblock("ada", "bob")
    feed.follow("bob", "ada")
    with run_redis(port=port_of(url)), feed:
        rested(feed)
        page = feed.home("bob")
        assert (texts(page), page.degraded) == (["b", "a"], False)
        assert feed.drain().done
        assert feed.check(sample=100).ok


def test_a_feed_opens_while_redis_is_down(target: str) -> None:
    with run_redis() as url:
        pass
    with feedkit.connect(target, redis=url, settings=SETTINGS) as feed:
        feed.follow("bob", "ada")
        publish(feed, "a")
        page = feed.home("bob")
        assert (texts(page), page.degraded) == (["a"], True)
        with run_redis(port=port_of(url)):
            rested(feed)
            page = feed.home("bob")
            assert (texts(page), page.degraded) == (["a"], False)


def test_f08_a_full_redis_takes_what_it_missed_when_there_is_room(target: str) -> None:
    with run_redis() as url, feedkit.connect(target, redis=url, settings=SETTINGS) as feed:
        feed.follow("bob", "ada")
        publish(feed, "a")
        feed.home("bob")
        command(port_of(url), "CONFIG", "SET", "maxmemory", "1")
        publish(feed, "b")
        page = feed.home("bob")
        assert (texts(page), page.degraded) == (["b", "a"], True)
        assert not feed.drain(max_seconds=5).done
        command(port_of(url), "CONFIG", "SET", "maxmemory", "0")
        assert feed.drain().done
        page = feed.home("bob")
        assert (texts(page), page.degraded) == (["b", "a"], False)


def test_a_log_that_was_pruned_below_the_delivery_starts_it_afresh(target: str) -> None:
    settings = Settings(sqlite_synchronous="OFF", event_retention_s=0, prune_every=1)
    clock = ManualClock(START)
    with run_redis() as url, feedkit.connect(target, redis=url, settings=settings, clock=clock) as feed:
        feed.follow("bob", "ada")
        publish(feed, "a")
        assert texts(feed.home("bob")) == ["a"]
        with feedkit.connect(target, settings=settings, clock=clock) as without:
            publish(without, *"bcd")
            clock.advance(seconds=60)
            publish(without, "e")
            without.drain()
        assert texts(feed.home("bob")) == ["e", "d", "c", "b", "a"]
        assert feed.check(sample=10).ok


def test_a_turn_that_nobody_ends_lapses(target: str) -> None:
    with run_redis() as url, feedkit.connect(target, redis=url, settings=SETTINGS) as feed:
        feed.follow("bob", "ada")
        publish(feed, "a")
        feed.home("bob")
        with redis.Redis.from_url(url) as client:
            (mark,) = client.scan_iter("*:mark")
            client.set(mark.replace(b":mark", b":turn"), "of a process that died", px=300)
            publish(feed, "b")
            page = feed.home("bob")
            assert texts(page) == ["b", "a"]
            assert feed.drain(max_seconds=10).done
            assert not feed.home("bob").degraded


# ---------------------------------------------------------------- wiring


@pytest.mark.parametrize("wrong", ["localhost:6379", "http://localhost", 6379, object()])
def test_what_is_no_redis_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigurationError, match="redis must be"):
        feedkit.connect("memory://", redis=wrong)


def test_connect_opens_nothing(tmp_path: Path) -> None:
    feed = feedkit.connect(f"sqlite:///{tmp_path}/x.db", redis="redis://127.0.0.1:1")
    assert threading.active_count() == len(threading.enumerate())
    feed.close()


def test_without_redis_its_client_is_not_imported() -> None:
    program = (
        "import feedkit, sys; feedkit.connect('memory://').home('bob'); sys.exit('redis' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_feeds_of_one_redis_do_not_meet(tmp_path: Path, redis_url: str) -> None:
    feeds = [
        feedkit.connect(f"sqlite:///{tmp_path}/{name}.db", redis=redis_url, settings=SETTINGS)
        for name in ("one", "other")
    ]
    for number, feed in enumerate(feeds):
        feed.follow("bob", "ada")
        publish(feed, str(number))
    assert [texts(feed.home("bob")) for feed in feeds] == [["0"], ["1"]]
    feeds[0].wipe()
    assert [texts(feed.home("bob")) for feed in feeds] == [["0"], ["1"]]
    for feed in feeds:
        feed.close()


def test_explain_tells_of_an_inbox_in_redis(feed: feedkit.Feed[str]) -> None:
    feed.follow("bob", "ada")
    post = feed.publish("ada", text="a")
    feed.home("bob")
    assert feed.explain("bob", post.id).in_home
