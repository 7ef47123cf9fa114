"""A feed over a bus: groups that are handed everything, from a log that stays the source."""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis

import feedkit
from feedkit import (
    ConfigurationError,
    Event,
    EventKind,
    InvalidArgument,
    LimitExceeded,
    ManualClock,
    NotFound,
    OutOfReach,
    Settings,
    Unavailable,
)
from feedkit.metrics import Metric
from feedkit.storage.base import Tx
from feedkit.storage.memory_bus import MemoryBus
from feedkit.testing import START
from tests.redis_servers import command, run_redis

FAST: dict[str, Any] = {"sqlite_synchronous": "OFF", "bus_partitions": 3, "bus_retry_ms": 1}
REFUSED = [None, 5, "Search", "a b", "x" * 33, "", "-a"]


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'feedkit.db'}"


@contextmanager
def connected(target: str, bus: object = "memory://", **settings: Any) -> Iterator[feedkit.Feed[str]]:
    with feedkit.connect(target, bus=bus, settings=Settings(**{**FAST, **settings})) as feed:
        yield feed


@pytest.fixture(params=["memory", "redis"])
def feed(request: pytest.FixtureRequest, target: str) -> Iterator[feedkit.Feed[str]]:
    bus = "memory://" if request.param == "memory" else request.getfixturevalue("redis_url")
    with connected(target, bus) as feed:
        yield feed


def publish(feed: feedkit.Feed[str], *texts: str, author: str = "ada") -> list[int]:
    return [feed.publish(author, text=text).id for text in texts]


def consumed(feed: feedkit.Feed[str], group: str = "search") -> list[int]:
    """The posts that a group is told were published, until nothing is left."""
    found: list[Event] = []
    assert feed.bus.consume(group, found.extend).done
    return [event.object_id for event in found if event.kind is EventKind.POST_PUBLISHED]


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


# ---------------------------------------------------------------- groups


def test_a_group_is_handed_what_happens_from_its_subscription_on(feed: feedkit.Feed[str]) -> None:
    publish(feed, "before")
    feed.bus.subscribe("search")
    posts = publish(feed, *"abc")
    feed.bus.subscribe("search")  # again: it stays as it is
    feed.bus.subscribe("mail")
    later = publish(feed, "d")

    assert feed.bus.groups() == ["mail", "search"]
    assert feed.bus.lag("search").behind == 4
    assert consumed(feed, "search") == posts + later
    assert consumed(feed, "mail") == later
    assert consumed(feed, "search") == []


def test_events_tell_who_did_what(feed: feedkit.Feed[str]) -> None:
    feed.bus.subscribe("audit")
    feed.follow("bob", "ada")
    post = feed.publish("ada", text="Hello")
    feed.react("bob", post.id, "like")
    feed.delete("ada", post.id)
    found: list[Event] = []
    feed.bus.consume("audit", found.extend)

    ada, bob = (feed.users.get(["ada", "bob"])[key].id for key in ("ada", "bob"))
    told = [(event.kind, event.actor_id, event.object_id) for event in sorted(found, key=lambda e: e.number)]
    assert told == [
        (EventKind.FOLLOW_ADDED, bob, ada),
        (EventKind.POST_PUBLISHED, ada, post.id),
        (EventKind.REACTION_ADDED, bob, post.id),
        (EventKind.POST_DELETED, ada, post.id),
    ]
    assert found[0].to_dict().items() >= {"kind": found[0].kind.value, "number": found[0].number}.items()


def test_whoever_unsubscribes_holds_nothing_back(feed: feedkit.Feed[str]) -> None:
    feed.bus.subscribe("search")
    feed.bus.subscribe("gone")
    publish(feed, *"abc")
    assert len(consumed(feed)) == 3
    assert feed.bus.lag("search").held == 3

    assert feed.bus.unsubscribe("gone") is True
    assert feed.bus.unsubscribe("gone") is False
    publish(feed, "d")
    consumed(feed)
    assert feed.bus.lag("search").held == 0
    with pytest.raises(NotFound, match=r"subscribe\('gone'\)"):
        feed.bus.lag("gone")


def test_a_group_that_is_unsubscribed_at_work_stops(feed: feedkit.Feed[str]) -> None:
    feed.bus.subscribe("search")
    publish(feed, *"abc")
    with pytest.raises(NotFound):
        feed.bus.consume("search", lambda _: feed.bus.unsubscribe("search"))
    assert feed.bus.groups() == []


@pytest.mark.parametrize("group", REFUSED)
def test_names_of_groups_are_checked(group: Any) -> None:
    with connected("memory://") as feed, pytest.raises(InvalidArgument, match="group must be 1"):
        feed.bus.subscribe(group)


def test_a_handler_has_to_be_callable() -> None:
    with connected("memory://") as feed, pytest.raises(InvalidArgument, match="handler must be a function"):
        feed.bus.consume("search", [])  # type: ignore[arg-type]


def test_consuming_ends_when_its_time_is_over(feed: feedkit.Feed[str]) -> None:
    feed.bus.subscribe("search")
    for number in range(20):
        publish(feed, str(number), author=f"author {number}")
    started = time.monotonic()
    result = feed.bus.consume("search", lambda _: time.sleep(0.05), max_seconds=0.01)
    assert (result.done, time.monotonic() - started < 5) == (False, True)


# ---------------------------------------------------------------- wiring


def test_a_feed_without_a_bus_says_what_to_pass() -> None:
    with feedkit.connect("memory://") as feed, pytest.raises(ConfigurationError, match="connect\\(bus="):
        feed.bus.subscribe("search")


@pytest.mark.parametrize("bus", ["kafka://x", 7, MemoryBus])
def test_what_is_no_bus_is_refused(bus: object) -> None:
    with pytest.raises(ConfigurationError, match="bus must be a URL") as refused:
        feedkit.connect("memory://", bus=bus)
    assert refused.value.argument == "bus"


def test_a_driver_of_the_hosts_own_is_taken(target: str) -> None:
    bus = MemoryBus(2, 10)
    with connected(target, bus) as feed:
        feed.bus.subscribe("search")
        (post,) = publish(feed, "a")
        assert feed.drain().done
        assert bus.state({}).held == 1
        assert consumed(feed) == [post]


def test_a_client_of_the_hosts_stays_open(target: str, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        with connected(target, client) as feed:
            feed.bus.subscribe("search")
            assert consumed(feed) == []
        assert client.ping()


def test_f09_an_evicting_redis_holds_inboxes_and_is_refused_as_a_bus(target: str) -> None:
    with (
        run_redis("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru") as url,
        feedkit.connect(target, redis=url, bus=url, settings=Settings(**FAST)) as feed,
    ):
        feed.follow("bob", "ada")
        publish(feed, "a")
        page = feed.home("bob")
        assert ([item.post.text for item in page], page.degraded) == (["a"], False)
        feed.bus.subscribe("search")
        with pytest.raises(ConfigurationError, match="maxmemory-policy to noeviction"):
            feed.bus.consume("search", print)


def test_whoever_drains_fills_the_bus(feed: feedkit.Feed[str]) -> None:
    feed.bus.subscribe("search")
    publish(feed, *"ab")
    assert feed.bus.lag("search").held == 0
    assert feed.drain().done
    assert feed.bus.lag("search").held == 2


def test_a_thread_fills_the_bus(target: str) -> None:
    settings = Settings(**FAST, poll_interval_ms=5)
    with feedkit.connect(target, bus="memory://", deliver="thread", settings=settings) as feed:
        feed.bus.subscribe("search")
        publish(feed, "a")
        deadline = time.monotonic() + 10
        while not feed.bus.lag("search").held and time.monotonic() < deadline:
            time.sleep(0.01)
        assert feed.bus.lag("search").held == 1


def test_a_bus_that_is_down_costs_nothing_but_the_handing_over(target: str) -> None:
    with run_redis() as url:
        feed = feedkit.connect(target, bus=url, settings=Settings(**FAST))
        feed.bus.subscribe("search")
    with feed:
        posts = publish(feed, "a")
        assert len(feed.home("ada")) == 1
        assert not feed.drain().done
        with pytest.raises(OutOfReach):
            feed.bus.consume("search", print)
        with run_redis(port=port_of(url)):
            deadline = time.monotonic() + 10
            while not feed.drain().done and time.monotonic() < deadline:
                time.sleep(0.1)  # nobody waits for it again for a second
            assert consumed(feed) == posts


def test_a_handler_that_is_interrupted_gives_back_what_it_had(feed: feedkit.Feed[str]) -> None:
    feed.bus.subscribe("search")
    posts = publish(feed, *"abc")

    def interrupted(_: Sequence[Event]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        feed.bus.consume("search", interrupted)
    assert consumed(feed) == posts, "at once, and no lease has to lapse"


# ---------------------------------------------------------------- loss, of the bus and of truth


@pytest.mark.parametrize("how", ["flushed", "wiped"])
def test_a_bus_that_was_emptied_is_filled_anew_with_what_was_not_handled(target: str, how: str) -> None:
    with run_redis() as url, connected(target, url) as feed:
        feed.bus.subscribe("search")
        feed.bus.subscribe("slow")
        first = publish(feed, *"abc")
        assert consumed(feed) == first
        second = publish(feed, *"de")
        feed.drain()

        if how == "wiped":
            feed.wipe()
        else:
            command(port_of(url), "FLUSHALL")

        assert consumed(feed, "slow") == first + second
        assert consumed(feed) == second
        assert feed.bus.lag("search").held == 0


def test_a_bus_that_was_set_back_is_filled_from_where_it_stands(target: str, tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    folder.mkdir()
    with run_redis("--dbfilename", "dump.rdb", directory=folder) as url:
        feed = feedkit.connect(target, bus=url, settings=Settings(**FAST))
        feed.bus.subscribe("search")
        feed.bus.subscribe("slow")
        first = publish(feed, *"abc")
        feed.drain()
        command(port_of(url), "SAVE")
        shutil.copy(folder / "dump.rdb", folder / "old.rdb")
        second = publish(feed, *"de")
        assert consumed(feed) == first + second
        with suppress(OSError, IndexError):
            command(port_of(url), "SHUTDOWN", "NOSAVE")
    (folder / "old.rdb").replace(folder / "dump.rdb")
    with run_redis("--dbfilename", "dump.rdb", directory=folder, port=port_of(url)), feed:
        third = publish(feed, "f")
        assert consumed(feed, "slow") == first + second + third
        found = consumed(feed)
        assert set(third) <= set(found) <= {*first, *second, *third}, "what it had handled may come again"


def test_truth_that_was_set_back_is_noticed(
    tmp_path: Path, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    # given
    file = tmp_path / "feedkit.db"
    with connected(f"sqlite:///{file}", redis_url) as feed:
        feed.bus.subscribe("search")
        first = publish(feed, *"abc")
        assert consumed(feed) == first
    shutil.copy(file, tmp_path / "old.db")
    with connected(f"sqlite:///{file}", redis_url) as feed:
        publish(feed, *"defgh")
        consumed(feed)

    # when
    (tmp_path / "old.db").replace(file)
    with connected(f"sqlite:///{file}", redis_url) as feed, caplog.at_level(logging.WARNING):
        after = publish(feed, "i")

        # then
        assert consumed(feed) == after
        assert "truth was set back" in caplog.text
        assert consumed(feed) == []


def test_the_log_is_kept_for_the_slowest_group(target: str) -> None:
    clock = ManualClock(START)
    settings = Settings(**FAST, event_retention_s=0, prune_every=1)
    with feedkit.connect(target, bus="memory://", clock=clock, settings=settings) as feed:
        feed.bus.subscribe("search")
        feed.bus.subscribe("slow")
        posts = publish(feed, *"abc")
        assert consumed(feed) == posts
        clock.advance(hours=1)
        publish(feed, "d")
        feed.drain()
        assert len(log(feed)) == 4
        assert consumed(feed, "slow")[:3] == posts
        consumed(feed)
        clock.advance(hours=1)
        publish(feed, "e")
        feed.drain()
        assert len(log(feed)) < 4


def test_a_group_is_told_where_the_log_has_a_gap(target: str, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody has pruned the log by hand: whoever follows it has to start afresh."""
    with connected(target) as feed:
        feed.bus.subscribe("search")
        publish(feed, *"abc")
        truth = feed.runtime().truth

        def prune_by_hand(tx: Tx) -> None:
            tx.cursor().execute("DELETE FROM feedkit_events WHERE id <= 2")

        truth.write(prune_by_hand)
        found: list[Event] = []
        assert feed.bus.consume("search", found.extend).done
        told = sorted((event.number, event.kind) for event in found)
        assert told == [(2, EventKind.UNKNOWN), (3, EventKind.POST_PUBLISHED)]
        assert "out of reach" in caplog.text


def log(feed: feedkit.Feed[str]) -> list[Event]:
    truth = feed.runtime().truth
    return truth.read(lambda tx: truth.events.after(tx, 0, 1000))


# ---------------------------------------------------------------- dead letters


def broken(_: Sequence[Event]) -> None:
    raise ValueError("what somebody wrote")


def test_dead_letters_come_in_pages(target: str) -> None:
    with connected(target, bus_tries=1, page_limit_default=2) as feed:
        feed.bus.subscribe("search")
        publish(feed, *"abcde")
        result = feed.bus.consume("search", broken)
        assert (result.done, result.dead) == (True, 5)
        page = feed.dead_letters.page("bus:search")
        assert [letter.number for letter in page] == [1, 2]
        further = feed.dead_letters.page("bus:search", after=2, limit=10)
        assert [letter.number for letter in further] == [3, 4, 5]
        assert page[0].to_dict()["event"] == page[0].event.to_dict()
        assert feed.dead_letters.discard("bus:search", [1, 5, 9]) == 2
        assert feed.bus.lag("search").dead == feed.backlog().dead_letters["bus:search"] == 3


def test_a_reason_tells_what_came_up_and_where_and_nothing_that_somebody_wrote(target: str) -> None:
    with connected(target, bus_tries=1) as feed:
        feed.bus.subscribe("search")
        publish(feed, "a")
        feed.bus.consume("search", broken)
        (letter,) = feed.dead_letters.page("bus:search")
        assert letter.reason == f"ValueError in broken, line {broken.__code__.co_firstlineno + 1}"


def test_letters_are_handled_once_more_all_or_some(target: str) -> None:
    with connected(target, bus_tries=1) as feed:
        feed.bus.subscribe("search")
        publish(feed, *"abcde")
        feed.bus.consume("search", broken)
        found: list[int] = []

        def clumsy(events: Sequence[Event]) -> None:
            found.extend(event.number for event in events)
            if found[-1] == 3:
                raise ValueError

        assert feed.dead_letters.retry("bus:search", [4, 2, 4, 77], handler=clumsy) == 2
        assert found == [2, 4]
        assert feed.dead_letters.retry("bus:search", handler=clumsy) == 2
        assert found == [2, 4, 1, 3, 5], "what fails once more keeps nothing behind it"
        (letter,) = feed.dead_letters.page("bus:search")
        assert (letter.number, letter.tries) == (3, 2)
        assert letter.reason.startswith("ValueError in clumsy")
        assert feed.dead_letters.retry("bus:search", [], handler=clumsy) == 0


def test_where_nothing_can_be_handled_letters_stay_as_they_were(target: str) -> None:
    with connected(target, bus_tries=1) as feed:
        feed.bus.subscribe("search")
        publish(feed, *"ab")
        feed.bus.consume("search", broken)
        before = feed.dead_letters.page("bus:search")

        def down(_: Sequence[Event]) -> None:
            raise Unavailable("the search server is down")

        with pytest.raises(Unavailable):
            feed.dead_letters.retry("bus:search", handler=down)
        assert feed.dead_letters.page("bus:search") == before


def test_a_group_and_a_consumer_of_the_log_may_have_one_name(target: str) -> None:
    with connected(target, bus_tries=1) as feed:
        feed.bus.subscribe("counters")
        post = publish(feed, "a")[0]
        feed.react("bob", post, "like")
        feed.drain()
        feed.bus.consume("counters", broken)
        assert feed.dead_letters.page("counters") == []
        assert feed.dead_letters.retry("counters") == 0
        assert len(feed.dead_letters.page("bus:counters")) == 2
        assert feed.post("bob", post).counts.reactions == 1


def test_letters_outlive_their_group_and_tell_of_it(target: str) -> None:
    with connected(target, bus_tries=1) as feed:
        feed.bus.subscribe("search")
        feed.bus.subscribe("mail")
        publish(feed, "a")
        feed.bus.consume("search", broken)
        of_the_log = ["timelines", "counters", "pulled-list"]
        assert feed.dead_letters.consumers() == [*of_the_log, "bus:mail", "bus:search"]
        feed.bus.unsubscribe("search")
        feed.bus.unsubscribe("mail")
        assert feed.dead_letters.consumers() == [*of_the_log, "bus:search"]
        assert feed.dead_letters.retry("bus:search", handler=lambda _: None) == 1
        assert feed.dead_letters.consumers() == of_the_log


def test_letters_are_asked_for_with_what_they_need(target: str) -> None:
    with connected(target) as feed:
        feed.bus.subscribe("search")
        with pytest.raises(
            InvalidArgument, match=r"consumer must be one of timelines, .*, bus:search; got 'search'"
        ):
            feed.dead_letters.page("search")
        with pytest.raises(InvalidArgument, match="pass the handler of that group"):
            feed.dead_letters.retry("bus:search")
        with pytest.raises(InvalidArgument, match="handler must be left out"):
            feed.dead_letters.retry("counters", handler=print)
        with pytest.raises(InvalidArgument, match="numbers must be an int, got str"):
            feed.dead_letters.retry("counters", ["7"])  # type: ignore[list-item]
        with pytest.raises(LimitExceeded, match="batch_max"):
            feed.dead_letters.discard("counters", [*range(501)])


def test_what_a_group_gives_up_is_counted(target: str) -> None:
    counted: Counter[tuple[str, str]] = Counter()

    class Counting:
        def count(self, metric: Metric, amount: int, label: str = "") -> None:
            counted[metric.name, label] += amount

        def observe(self, *_: Any) -> None:
            pass

    settings = Settings(**{**FAST, "bus_tries": 1})
    with feedkit.connect(target, bus="memory://", settings=settings, metrics=Counting()) as feed:
        feed.bus.subscribe("search")
        publish(feed, *"ab")
        feed.bus.consume("search", broken)
    assert counted["dead_letters", "bus:search"] == 2


def test_what_fails_is_tried_again_after_a_while(target: str) -> None:
    with connected(target, bus_retry_ms=200, bus_tries=3) as feed:
        feed.bus.subscribe("search")
        publish(feed, "a")
        moments: list[float] = []

        def broken(_: Sequence[Event]) -> None:
            moments.append(time.monotonic())
            raise ValueError

        deadline = time.monotonic() + 10
        while not feed.bus.consume("search", broken).done and time.monotonic() < deadline:
            time.sleep(0.01)
        pauses = [later - earlier for earlier, later in pairwise(moments)]
        assert len(pauses) == 2
        assert pauses[0] >= 0.2
        assert pauses[1] >= 0.4


def test_nobody_is_given_up_unheard_since_a_worker_went_down_with_others(target: str) -> None:
    """Which of a batch it was nobody knows, so each has one more try, alone."""
    with connected(target, bus_tries=1, bus_lease_ms=10) as feed:
        feed.bus.subscribe("search")
        posts = publish(feed, *"abc")
        hub = feed.runtime().hub
        assert hub is not None
        hub.relay.run()
        abandoned = hub.bus.fetch("search", 0, 10, 10)
        assert abandoned is not None
        assert len(abandoned.entries) == 3
        time.sleep(0.02)
        assert consumed(feed) == posts
        assert feed.dead_letters.page("bus:search") == []
