"""Workers that are killed, stopped and overtaken: nothing is lost, and nothing comes twice (F01, F02, F06)."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time

import pytest

import feedkit
from tests.workers.conftest import Place, is_all_delivered, texts, until

CRASHING = "import tests.workers.crashing\n"
LARGE, SMALL = 120, 10
POINTS = [
    "RedisMarks.turn:before:2",
    "RedisMarks.turn:after:2",
    "Delivery.deliver:before:2",
    "RedisTimelines.deliver:before:2",
    "RedisTimelines.deliver:after:2",
    "Delivery.deliver:after:2",
    "SharedDelivery._begin:before:1",
    "SharedDelivery._begin:after:1",
    "RedisMarks.advance:before:2",
    "RedisMarks.advance:after:2",
    "SharedDelivery._remember:before:2",
    "SharedDelivery._remember:after:2",
    "ChunkWork._claim:before:1",
    "ChunkWork._claim:after:2",
    "RedisMarks.part:before:1",
    "RedisMarks.part:after:2",
    "Delivery.deliver_chunk:after:1",
    "RedisTimelines.deliver:before:6",
    "SqlChunks.done:before:2",
    "SqlChunks.done:after:2",
    "RedisMarks.finish:before:1",
    "RedisMarks.finish:after:1",
    "SqlChunks.remove:before:1",
    "SqlChunks.remove:after:1",
    "Worker._run:after:2",
]


def with_readers(feed: feedkit.Feed[str]) -> dict[str, list[str]]:
    """A celebrity and somebody else, whose followers hold inboxes."""
    readers = {
        "star": [f"fan{nth}" for nth in range(LARGE)],
        "ada": [f"friend{nth}" for nth in range(SMALL)],
    }
    for author, followers in readers.items():
        for follower in followers:
            feed.follow(follower, author)
    for follower in readers["ada"]:
        feed.follow(follower, "star")
    feed.drain()
    for followers in readers.values():
        for follower in followers:
            feed.home(follower)
    return readers


def assert_each_sees_all_once(
    feed: feedkit.Feed[str], readers: dict[str, list[str]], stars: list[str], adas: list[str]
) -> None:
    for reader in readers["star"]:
        assert sorted(texts(feed.home(reader, limit=50))) == sorted(stars)
    for reader in readers["ada"]:
        assert sorted(texts(feed.home(reader, limit=50))) == sorted([*stars, *adas])
    report = feed.check(sample=1000)
    assert (report.missing, report.doubled, report.unexpected) == (0, 0, 0)


@pytest.mark.parametrize("point", POINTS)
def test_f01_a_worker_that_is_killed_at_any_step_of_a_delivery(
    point: str, place: Place, feed: feedkit.Feed[str]
) -> None:
    # given: a worker that is going to end itself there
    readers = with_readers(feed)
    doomed = place.worker(before=CRASHING, environ={"CRASH_AT": point})
    # when
    for nth in range(2):
        feed.publish("star", text=f"s{nth}")
        feed.publish("ada", text=f"a{nth}")
        time.sleep(0.05)
    deadline = time.monotonic() + 45
    nth = 2
    while doomed.is_alive:  # some points are reached only with more to do
        assert time.monotonic() < deadline, f"never came to {point}"
        feed.publish("ada", text=f"a{nth}")
        feed.publish("star", text=f"s{nth}")
        nth += 1
        time.sleep(0.3)
    assert doomed.wait() == -signal.SIGKILL
    # then: pages are right at once, though nobody delivers
    stars, adas = [f"s{n}" for n in range(nth)], [f"a{n}" for n in range(nth)]
    for reader in (readers["star"][0], readers["ada"][0]):
        wanted = stars if reader.startswith("fan") else [*stars, *adas]
        assert sorted(texts(feed.home(reader, limit=50))) == sorted(wanted)
    # and then: the next worker makes it good
    place.worker("--concurrency", "2")
    until(lambda: is_all_delivered(feed))
    assert_each_sees_all_once(feed, readers, stars, adas)


def test_f02_a_publisher_that_is_killed_right_after_its_commit(place: Place, feed: feedkit.Feed[str]) -> None:
    readers = with_readers(feed)
    place.worker()
    program = f"""
    import os, signal, feedkit
    from feedkit.log.waking import Alarm
    Alarm.ring = lambda self: os.kill(os.getpid(), signal.SIGKILL)  # before anybody is told
    feed = feedkit.connect({place.url!r}, redis={place.redis!r}, deliver="worker")
    feed.publish("ada", text="last words")
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert run.returncode == -signal.SIGKILL
    until(lambda: is_all_delivered(feed))
    assert_each_sees_all_once(feed, readers, [], ["last words"])


def test_f06_a_chunk_that_a_twin_has_claimed_meanwhile(place: Place, feed: feedkit.Feed[str]) -> None:
    # given: a worker that falls asleep in the middle of a chunk, for longer than its lease
    readers = with_readers(feed)
    slow = place.worker(before=CRASHING, environ={"CRASH_AT": "RedisTimelines.deliver:before:3:stop"})
    feed.publish("star", text="s")
    until(lambda: is_stopped(slow.running.pid))
    # when
    place.worker()
    until(lambda: is_all_delivered(feed))
    # then: the late one has no effect, and goes on with other things
    slow.running.send_signal(signal.SIGCONT)
    feed.publish("star", text="t")
    until(lambda: is_all_delivered(feed))
    assert_each_sees_all_once(feed, readers, ["s", "t"], [])
    slow.stop()


def test_a_worker_that_is_killed_in_its_turn_keeps_nobody_waiting_for_long(
    place: Place, feed: feedkit.Feed[str]
) -> None:
    readers = with_readers(feed)
    doomed = place.worker(before=CRASHING, environ={"CRASH_AT": "RedisMarks.advance:before:2"})
    adas: list[str] = []
    while doomed.is_alive:
        adas.append(f"a{len(adas)}")
        feed.publish("ada", text=adas[-1])
        time.sleep(0.1)
    killed_at = time.monotonic()
    assert feed.drain(max_seconds=30).done
    assert time.monotonic() - killed_at < 6  # the turn lapses after two
    assert_each_sees_all_once(feed, readers, [], adas)


def is_stopped(pid: int) -> bool:
    """Whether a process has been stopped by a signal."""
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - no file
        return stat.read().rpartition(")")[2].split()[0] == "T"
