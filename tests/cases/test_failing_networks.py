"""F15: what stands between feedkit and Redis is slow, falls silent, or resets connections in the middle of a reply."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

import feedkit
from feedkit import Settings
from feedkit.storage.redis.cache import RedisCache
from feedkit.storage.redis.marks import RedisMarks
from feedkit.storage.redis.timelines import INBOXES, RedisTimelines
from tests.proxy import Proxy, around_redis

T = TypeVar("T")
Feed = feedkit.Feed[str]
TIMEOUT_S = 0.3
BOUND_S = 4 * TIMEOUT_S + 0.8
"""For a whole page: twice to connect and to answer, and what the machine is busy with besides."""
SHARING = {"chunk_followers": 1, "delivery_chunk": 1}
"""Every delivery to more than one is large."""


class Network:
    """Processes of one feed, as far as feedkit can tell, that reach Redis through a proxy."""

    def __init__(self, target: str, proxy: Proxy, redis: str, stack: ExitStack) -> None:
        self.target, self.proxy, self.redis, self._stack = target, proxy, redis, stack

    def process(self, *, timeout_s: float = TIMEOUT_S, **given: Any) -> Feed:
        bounds = {"redis_timeout_ms": int(timeout_s * 1000), "inbox_tail": 20, **given}
        settings = Settings(sqlite_synchronous="OFF", **bounds)
        return self._stack.enter_context(feedkit.connect(self.target, redis=self.redis, settings=settings))

    def heal(self, *feeds: Feed) -> None:
        """All is well again, and nobody leaves Redis alone any longer."""
        self.proxy.heal()
        for feed in feeds:
            place = feed.runtime()._place
            assert place is not None
            place.rest.until = 0


@pytest.fixture
def network(tmp_path: Path, redis_url: str) -> Iterator[Network]:
    with ExitStack() as stack:
        proxy, through = stack.enter_context(around_redis(redis_url))
        yield Network(f"sqlite:///{tmp_path / 'feed.db'}", proxy, through, stack)
        proxy.heal()


def texts(page: feedkit.Page[Any]) -> list[str]:
    return [item.post.text for item in page]


def told(feed: Feed, viewer: str = "bob") -> tuple[list[str], bool]:
    """What a page shows, and whether it says that it is degraded."""
    page = feed.home(viewer, limit=100)
    return texts(page), page.degraded


def timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.monotonic()
    return work(), time.monotonic() - started


def lived(feed: Feed, posts: int = 3) -> list[str]:
    """Bob and Eve follow Ada and hold inboxes; what a page shows."""
    for reader in ("bob", "eve"):
        feed.follow(reader, "ada")
        feed.home(reader)
    for nth in range(posts):
        feed.publish("ada", text=str(nth))
    wanted = [str(nth) for nth in reversed(range(posts))]
    assert told(feed) == told(feed, "eve") == (wanted, False)
    return wanted


def is_whole(feed: Feed) -> bool:
    """Whether nothing was lost, nor is left to be delivered."""
    report = feed.check(sample=100)
    return feed.drain().done and (report.missing, report.unexpected, report.doubled) == (0, 0, 0)


def inbox_of(feed: Feed, viewer: str) -> Any:
    """What Redis holds."""
    return feed.runtime().stores.inboxes.read(feed.users.get([viewer])[viewer].id)


# ---------------------------------------------------------------- slow


def test_f15_half_a_second_each_way_within_the_time_out_costs_time_alone(network: Network) -> None:
    feed = network.process(timeout_s=5)
    wanted = lived(feed)
    network.proxy.delay(0.5)
    _, published_s = timed(lambda: feed.publish("cyd", text="of no concern"))
    assert published_s < 0.5, "no trip"
    network.process(timeout_s=5)
    page, read_s = timed(lambda: told(feed))
    assert page[0] == wanted
    assert read_s < 25, "a page of a reader who delivers takes some 15 trips of a second"
    page, read_s = timed(lambda: told(feed))
    assert page == (wanted, False)
    assert 1 <= read_s < 3, "the next one takes one"


@pytest.mark.parametrize("is_new", [False, True], ids=["at work", "new process"])
def test_f15_half_a_second_each_way_beyond_the_time_out_is_a_degraded_page(
    network: Network, is_new: bool
) -> None:
    feed = network.process()
    wanted = lived(feed)
    reader = network.process() if is_new else feed
    network.proxy.delay(0.5)
    feed.publish("ada", text="new")
    wanted = ["new", *wanted]
    page, read_s = timed(lambda: told(reader))
    assert page == (wanted, True)
    assert read_s < BOUND_S
    page, read_s = timed(lambda: told(reader))
    assert page == (wanted, True)
    assert read_s < TIMEOUT_S, "nobody waits again so soon"
    network.heal(feed, reader)
    assert told(reader) == told(feed) == (wanted, False)
    assert is_whole(reader)


# ---------------------------------------------------------------- silent


@pytest.mark.parametrize("is_new", [False, True], ids=["at work", "new process"])
@pytest.mark.parametrize("requests", [True, False], ids=["nothing arrives", "nothing is answered"])
def test_f15_a_redis_that_never_answers_is_waited_for_once(
    network: Network, is_new: bool, requests: bool
) -> None:
    # given
    feed = network.process()
    wanted = lived(feed)
    reader = network.process() if is_new else feed
    reader.runtime()
    feed.publish("ada", text="before")
    network.proxy.silence(requests=requests)

    # when: eight readers come at once, and later one after the other
    with ThreadPoolExecutor(8) as pool:
        pages = [pool.submit(timed, partial(told, reader)) for _ in range(8)]
        for page, read_s in (page.result(30) for page in pages):
            assert page == (["before", *wanted], True)
            assert read_s < BOUND_S
    _, published_s = timed(lambda: feed.publish("ada", text="meanwhile"))
    assert published_s < TIMEOUT_S
    later = [timed(partial(told, reader)) for _ in range(20)]
    assert all(page == (["meanwhile", "before", *wanted], True) for page, _ in later)
    assert sorted(read_s for _, read_s in later)[-2] < TIMEOUT_S

    # then: what was held back arrives late, on connections that nobody uses any more
    network.heal(feed, reader)
    for one in (feed, reader):
        assert told(one) == told(one, "eve") == (["meanwhile", "before", *wanted], False)
    assert is_whole(feed)


def test_f15_while_one_finds_out_whether_redis_is_back_the_others_do_not_wait(network: Network) -> None:
    feed = network.process(timeout_s=1)
    wanted = lived(feed)
    network.proxy.silence()
    told(feed)
    place = feed.runtime()._place
    assert place is not None
    place.rest.until = time.monotonic() - 0.001  # it has rested for long enough
    with ThreadPoolExecutor(10) as pool:
        pages = [pool.submit(timed, partial(told, feed)) for _ in range(10)]
        results = [page.result(30) for page in pages]
    assert all(page == (wanted, True) for page, _ in results)
    assert sum(read_s > 0.8 for _, read_s in results) == 1


@pytest.mark.parametrize("after", [1, 60, 700, 3000])
def test_f15_silence_in_the_middle_of_a_reply(network: Network, after: int) -> None:
    feed = network.process()
    wanted = lived(feed, posts=100)
    network.proxy.silence(after=after, requests=False)
    page, read_s = timed(lambda: told(feed))
    assert page == (wanted, page[1])
    assert read_s < BOUND_S
    assert page[1] or after == 3000, "100 entries are 2,200 bytes"
    network.heal(feed)
    feed.publish("ada", text="new")
    assert told(feed) == told(feed, "eve") == (["new", *wanted][:100], False)
    assert is_whole(feed)


# ---------------------------------------------------------------- reset


ASKED = (
    *(RedisTimelines.begin, RedisTimelines.install, RedisTimelines.deliver, RedisTimelines.append),
    *(RedisTimelines.remove, RedisTimelines.read_many, RedisMarks.advance, RedisMarks.finish),
    *(RedisCache.look, RedisCache.lease, RedisCache.fill, RedisCache.bury, RedisCache.lift),
)


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.__qualname__)
def test_f15_whatever_is_asked_again_because_the_answer_was_lost_is_done_once(
    network: Network, monkeypatch: pytest.MonkeyPatch, asked: Callable[..., Any]
) -> None:
    # given
    feed = network.process(**SHARING)
    wanted = lived(feed)

    # when
    lost: list[int] = []

    def losing(*args: Any, **kwargs: Any) -> Any:
        lost.append(1)
        network.proxy.reset(once=True)
        return asked(*args, **kwargs)

    monkeypatch.setattr(f"{asked.__module__}.{asked.__qualname__}", losing)
    feed.wipe()
    assert told(feed) == (wanted, False)
    feed.publish("cyd", text="old")
    assert feed.follow("bob", "cyd").status == "active"
    post = feed.publish("ada", text="regretted")
    feed.publish("ada", text="new")
    assert feed.drain().done
    assert told(feed, "eve") == (["new", "regretted", *wanted], False)
    feed.delete("ada", post.id)
    assert feed.block("eve", "ada").guarded
    assert feed.drain().done
    network.proxy.heal()
    monkeypatch.undo()

    # then
    assert lost
    assert inbox_of(feed, "bob") is not None, "nobody has to wait until an unfinished build lapses"
    for one in (feed, network.process(**SHARING)):
        assert told(one) == (["new", "old", *wanted], False)
        assert told(one, "eve") == ([], False)
    assert is_whole(feed)


def test_f15_a_reset_in_the_middle_of_any_reply_is_made_good_at_once(network: Network) -> None:
    feed = network.process()
    wanted = lived(feed)
    for after in range(0, 300, 6):
        feed.publish("ada", text=f"cut {after}")
        wanted.insert(0, f"cut {after}")
        network.proxy.reset(after=after, once=True)
        assert told(feed) == (wanted, False)
        network.proxy.heal()
        assert told(feed, "eve") == (wanted, False)
    assert is_whole(feed)


def test_f15_connections_that_are_always_reset_cost_no_more_than_speed(network: Network) -> None:
    feed = network.process()
    wanted = lived(feed)
    for after in (0, 1, 30, 100, 200):
        reader = network.process()
        feed.publish("ada", text=f"cut {after}")
        wanted.insert(0, f"cut {after}")
        network.proxy.reset(after=after)
        for one in (reader, feed):
            page, read_s = timed(partial(told, one))
            assert page[0] == wanted
            assert read_s < BOUND_S
        network.heal(feed, reader)
        assert told(reader) == told(feed) == (wanted, False)
    assert is_whole(feed)


def test_f15_no_reply_reaches_the_wrong_reader(network: Network) -> None:
    """Five readers and a network in trouble: each page holds what its reader follows, all of it and nothing else."""
    readers = [f"reader {nth}" for nth in range(5)]
    feed, other = network.process(timeout_s=0.1), network.process(timeout_s=0.1)
    written = dict.fromkeys(readers, 0)
    for reader in readers:
        feed.follow(reader, f"author of {reader}")
        feed.home(reader)
    wrong: list[object] = []
    is_over = threading.Event()

    def read(own: Feed, reader: str) -> None:
        while not is_over.is_set():
            before = written[reader]
            (page, _), read_s = timed(partial(told, own, reader))
            numbers = [int(text.removeprefix(f"{reader}: ")) for text in page if text.startswith(reader)]
            if len(numbers) != len(page) or numbers != [*range(len(numbers))][::-1] or len(numbers) < before:
                wrong.append((reader, before, page))
            if read_s > BOUND_S:
                wrong.append((reader, read_s))

    rng, ends = random.Random(15), time.monotonic() + 4
    with ThreadPoolExecutor(10) as pool:
        reading = [pool.submit(read, own, reader) for own in (feed, other) for reader in readers]
        while time.monotonic() < ends:
            for reader in rng.sample(readers, 2):
                feed.publish(f"author of {reader}", text=f"{reader}: {written[reader]}")
                written[reader] += 1
            trouble = rng.choice(["heal", "delay", "silence", "mute", "strand", "reset", "reset once"])
            _trouble(network.proxy, trouble, rng.randrange(400))
            time.sleep(0.05)
            network.heal(feed, other)
        is_over.set()
        for one in reading:
            one.result(30)
    network.heal(feed, other)
    assert wrong == []
    assert is_whole(other)
    for reader in readers:
        page, degraded = told(feed, reader)
        assert (len(page), degraded) == (min(written[reader], 100), False)


def _trouble(proxy: Proxy, name: str, after: int) -> None:
    match name:
        case "delay":
            proxy.delay(0.01)
        case "silence":
            proxy.silence()
        case "mute":
            proxy.silence(after=after, requests=False)
        case "strand":
            proxy.strand()
        case "reset":
            proxy.reset(after=after)
        case "reset once":
            proxy.reset(after=after, once=True)


def test_f15_a_removal_that_arrives_late_takes_nothing_out_that_has_come_back(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: the route changes at the very moment when notes of a removal are sent
    feed = network.process()
    wanted = lived(feed)
    post = feed.home("bob").items[0].post
    remove = RedisTimelines.remove

    def remove_slowly(self: RedisTimelines, *args: Any) -> None:
        if self._kind == INBOXES:
            network.proxy.strand()
        remove(self, *args)

    monkeypatch.setattr(RedisTimelines, "remove", remove_slowly)
    feed.staff("me", reason="a mistake").remove(post.id)
    assert told(feed) == (wanted[1:], False)
    feed.staff("me", reason="it was one").restore(post.id)
    assert told(feed) == (wanted, False)

    # when: what was sent on the old way arrives
    network.proxy.heal()
    network.proxy.wait_until_over(connections=1)

    # then
    assert told(feed) == told(feed, "eve") == (wanted, False)
    assert is_whole(feed)
