"""Cases F02, F05, F06 and F07 over a bus: processes that are really killed, stopped and late."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa

import feedkit
from feedkit import Event, EventKind, LimitExceeded, Settings, Unavailable
from tests.cases.bus_process import SETTINGS
from tests.redis_servers import command, run_redis

PROCESS = Path(__file__).with_name("bus_process.py")
KILLED = -signal.SIGKILL


@pytest.fixture
def feed(url: str, redis_url: str) -> Iterator[feedkit.Feed[str]]:
    with connected(url, redis_url) as feed:
        yield feed


@contextmanager
def connected(url: str, bus: str, **settings: Any) -> Iterator[feedkit.Feed[str]]:
    with feedkit.connect(url, bus=bus, settings=Settings(**{**SETTINGS, **settings})) as feed:
        feed.migrate()
        yield feed


def started(url: str, bus: str, what: str, **how: Any) -> "subprocess.Popen[str]":
    words = [sys.executable, str(PROCESS), url, bus, what, json.dumps(how)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def run(url: str, bus: str, what: str, **how: Any) -> tuple[int, list[Any]]:
    """How a process ended, and what it said."""
    process = started(url, bus, what, **how)
    said, _ = process.communicate(timeout=60)
    return process.returncode, [json.loads(line) if line[0] == "[" else line for line in said.splitlines()]


class Seen:
    """A handler that remembers the texts of posts, and fails where it is told to."""

    def __init__(self, feed: feedkit.Feed[str], *bad: str) -> None:
        self.feed, self.bad = feed, set(bad)
        self.events: list[Event] = []
        self.texts: list[str] = []
        self.tries = 0

    def __call__(self, events: Sequence[Event]) -> None:
        posts = [event for event in events if event.kind is EventKind.POST_PUBLISHED]
        items = self.feed.posts.get(None, [event.object_id for event in posts])
        texts = [item.post.text for item in items if item]
        if self.bad & {*texts}:
            self.tries += 1
            raise ValueError(f"what is {self.bad & {*texts}}?")
        self.events += events
        self.texts += texts


def everything(feed: feedkit.Feed[str], seen: Seen, group: str = "search") -> feedkit.ConsumeResult:
    """Consume until nothing is left, however often something has to rest or a lease to lapse."""
    deadline = time.monotonic() + 30
    while not (result := feed.bus.consume(group, seen)).done and time.monotonic() < deadline:
        time.sleep(0.02)
    return result


# F02: kill -9 the publisher between commit and hand-off


def test_f02_what_a_killed_publisher_has_committed_is_handed_over(
    feed: feedkit.Feed[str], url: str, redis_url: str
) -> None:
    feed.bus.subscribe("search")
    code, said = run(url, redis_url, "publish", author="ada", texts=["1", "2"])
    assert (code, said) == (KILLED, ["published"])

    seen = Seen(feed)
    assert everything(feed, seen).done
    assert seen.texts == ["1", "2"]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(
    ("of", "method"),
    [("bus", "publish"), ("bus", "fetch"), ("bus", "acknowledge"), ("relay", "_remember"), ("bus", "trim")],
)
def test_f02_whoever_is_killed_on_the_way_loses_nothing(
    feed: feedkit.Feed[str], url: str, redis_url: str, of: str, method: str, before: bool
) -> None:
    feed.bus.subscribe("search")
    feed.bus.subscribe("slow")  # handles nothing yet
    for number in range(20):
        feed.publish(f"author {number % 3}", text=str(number))
    code, said = run(url, redis_url, "relay", group="search", of=of, method=method, before=before, at=1)
    if method == "trim":  # happens only once all groups have come further
        assert (code, said) == (KILLED, []) or said == ["ended"]
    else:
        assert (code, said) == (KILLED, [])

    for group in ("search", "slow"):
        seen = Seen(feed)
        assert everything(feed, seen, group).done
        if group == "slow":
            assert sorted(seen.texts, key=int) == [str(number) for number in range(20)]
            for author in range(3):
                its = [text for text in seen.texts if int(text) % 3 == author]
                assert its == sorted(its, key=int)
    assert feed.bus.lag("search").to_dict() == {"behind": 0, "taken": 0, "held": 0, "dead": 0}


def test_f02_nothing_is_handed_over_that_was_not_committed(url: str, redis_url: str) -> None:
    engine = sa.create_engine(url)
    with connected(url, redis_url) as feed:
        feed.bus.subscribe("search")
        feed.publish("ada", text="first")
        seen = Seen(feed)
        with engine.connect() as connection:
            feed.publish("ada", text="regretted", connection=connection)
            connection.rollback()
            feed.publish("ada", text="kept", connection=connection)
            assert everything(feed, seen).done
            assert seen.texts == ["first"]
            connection.commit()
        assert everything(feed, seen).done
        assert seen.texts == ["first", "kept"]
    engine.dispose()


# F05: a backlog longer than the stream's bound


def test_f05_a_backlog_longer_than_the_bound_waits_in_the_log(url: str) -> None:
    with (
        run_redis() as bus,
        redis.Redis.from_url(bus) as client,
        connected(url, bus, bus_events_max=5, log_batch=7) as feed,
    ):
        # given
        feed.bus.subscribe("search")
        feed.bus.subscribe("slow")
        for number in range(60):
            feed.publish(f"author {number % 5}", text=str(number))

        # when
        assert not feed.drain().done, "it says that not all could be handed over"
        fast, slow = Seen(feed), Seen(feed)
        feed.bus.consume("search", fast)

        # then
        held = lengths(client)
        assert max(held) == 5
        assert 0 < len(fast.texts) < 60, "the fast one waits for the slow one"
        lag = feed.bus.lag("slow")
        assert (lag.behind >= 60, lag.held) == (True, sum(held))
        deadline = time.monotonic() + 30
        while len(slow.texts) < 60 and time.monotonic() < deadline:
            feed.bus.consume("slow", slow)
            feed.bus.consume("search", fast)
            assert max(lengths(client)) <= 5
        for seen in (fast, slow):
            assert sorted(seen.texts, key=int) == [str(number) for number in range(60)]
        assert feed.drain().done


def lengths(client: redis.Redis) -> list[int]:
    """Of the streams of a server that has no other feed."""
    return [client.xlen(key) for key in client.scan_iter("*:bus:*", _type="stream")]


def test_f05_a_bus_that_is_out_of_memory_gets_the_rest_when_there_is_room(url: str) -> None:
    with run_redis() as bus, connected(url, bus) as feed:
        feed.bus.subscribe("search")
        feed.publish("ada", text="1")
        port = int(bus.rpartition(":")[2].partition("/")[0])
        feed.drain()
        command(port, "CONFIG", "SET", "maxmemory", "1")
        feed.publish("ada", text="2")
        assert not feed.drain().done
        command(port, "CONFIG", "SET", "maxmemory", "0")
        seen = Seen(feed)
        assert everything(feed, seen).done
        assert seen.texts == ["1", "2"]


# F06: a slow worker whose work a twin claims


def test_f06_the_late_acknowledgement_of_a_stopped_worker_does_nothing(
    feed: feedkit.Feed[str], url: str, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    # given
    feed.bus.subscribe("search")
    for text in "abc":
        feed.publish("ada", text=text)
    slow = started(url, redis_url, "handle", group="search", sleep_at=1, seconds=0.1)
    assert slow.stdout is not None
    assert json.loads(slow.stdout.readline()) == ["began", 1]
    os.kill(slow.pid, signal.SIGSTOP)

    # when
    seen = Seen(feed)
    assert everything(feed, seen).done, "once the lease has lapsed"
    feed.publish("ada", text="d")
    hub = feed.runtime().hub
    assert hub is not None
    hub.relay.run()
    batch = hub.bus.fetch("search", 0, 10, 60_000)
    assert batch is not None

    # then
    os.kill(slow.pid, signal.SIGCONT)
    said = [json.loads(line) for line in slow.stdout]
    slow.stdout.close()
    assert slow.wait(30) == 0
    assert next(word for word in said if word[0] == "handled") == ["handled", 1]
    assert feed.bus.lag("search").taken == 1, "the twin has it still"
    assert hub.bus.acknowledge(batch)
    assert seen.texts == ["a", "b", "c"]


def test_f06_what_a_killed_worker_held_is_done_by_another(
    feed: feedkit.Feed[str], url: str, redis_url: str
) -> None:
    feed.bus.subscribe("search")
    for text in "abc":
        feed.publish("ada", text=text)
    code, said = run(url, redis_url, "handle", group="search", die_at=2)
    assert (code, said[-1]) == (KILLED, ["began", 2])

    seen = Seen(feed)
    assert everything(feed, seen).done
    assert seen.texts == ["a", "b", "c"]
    assert feed.dead_letters.page("bus:search") == []


# F07: an event no consumer can handle


def test_f07_what_cannot_be_handled_is_a_dead_letter_and_the_rest_flows_on(feed: feedkit.Feed[str]) -> None:
    # given
    feed.bus.subscribe("search")
    for number in range(12):
        feed.publish("ada", text=str(number))
    seen = Seen(feed, "4")

    # when
    result = everything(feed, seen)

    # then
    assert (result.done, feed.bus.lag("search").dead) == (True, 1)
    assert seen.texts == [str(number) for number in range(12) if number != 4]
    assert seen.tries == 1 + 5, "once among others, and five times alone"
    (letter,) = feed.dead_letters.page("bus:search")
    assert (letter.consumer, letter.tries) == ("bus:search", 5)
    assert letter.reason.startswith("ValueError in __call__, line "), "without '4', which somebody wrote"
    assert letter.event.kind is EventKind.POST_PUBLISHED
    assert feed.posts.get(None, [letter.event.object_id])[0].post.text == "4"  # type: ignore[union-attr]

    # and when it can be handled
    assert feed.dead_letters.retry("bus:search", handler=seen) == 0
    assert feed.dead_letters.page("bus:search")[0].tries == 6
    seen.bad.clear()
    assert feed.dead_letters.retry("bus:search", handler=seen) == 1
    assert seen.texts[-1] == "4"
    assert feed.dead_letters.page("bus:search") == []


def test_f07_an_event_that_brings_workers_down_is_given_up_as_well(url: str, redis_url: str) -> None:
    with connected(url, redis_url) as feed:
        feed.bus.subscribe("search")
        for text in "abcd":
            feed.publish("ada", text=text)
        deaths = 0
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            code, said = run(url, redis_url, "handle", group="search", die_at=2)
            deaths += code == KILLED
            if code == 0 and said[-1][1]["done"]:
                break
            time.sleep(0.3)
        assert deaths == 5
        (letter,) = feed.dead_letters.page("bus:search")
        assert (letter.number, letter.tries) == (2, 6)
        assert "ended or took too long" in letter.reason
        assert feed.bus.lag("search").behind == 0


def test_f07_nobody_is_blamed_where_nothing_can_be_handled(feed: feedkit.Feed[str]) -> None:
    feed.bus.subscribe("search")
    feed.publish("ada", text="a")
    outages = 0

    def down(_: Sequence[Event]) -> None:
        nonlocal outages
        outages += 1
        raise Unavailable("the search server is down")

    for _ in range(10):
        assert not feed.bus.consume("search", down).done
        time.sleep(0.01)
    assert outages > 5
    seen = Seen(feed)
    assert everything(feed, seen).done
    assert (seen.texts, feed.dead_letters.page("bus:search")) == (["a"], [])


def test_f07_a_consumer_that_fails_at_everything_stops(url: str, redis_url: str) -> None:
    with connected(url, redis_url, bus_tries=1, dead_letters_max=2) as feed:
        feed.bus.subscribe("search")
        texts = [str(number) for number in range(5)]
        for text in texts:
            feed.publish("ada", text=text)
        seen = Seen(feed, *texts)
        with pytest.raises(LimitExceeded, match="2 dead letters"):
            feed.bus.consume("search", seen)
        letters = feed.dead_letters.page("bus:search")
        assert [letter.number for letter in letters] == [1, 2]
        seen.bad.clear()
        assert feed.dead_letters.discard("bus:search", [letter.number for letter in letters]) == 2
        assert everything(feed, seen).done
        assert seen.texts == ["2", "3", "4"]
