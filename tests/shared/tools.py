"""What the tests of shared caches have in common."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil  # type: ignore[import-untyped]  # it ships no types
import psycopg
import sqlalchemy as sa

import feedkit
from feedkit import NotFound, Settings
from feedkit.metrics import Metric
from tests.servers import ask

SETTINGS = Settings(sqlite_synchronous="OFF", redis_timeout_ms=5000, shared_wait_ms=2000)
Feed = feedkit.Feed[str]


class Counted:
    """What metrics say of the shared cache."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], int] = {}

    def count(self, metric: Metric, amount: int, label: str = "") -> None:
        self.counts[metric.name, label] = self.counts.get((metric.name, label), 0) + amount

    def observe(self, metric: Metric, value: float, label: str = "") -> None:
        pass

    def hits(self, cache: str) -> tuple[int, int]:
        """Hits and misses."""
        return self.counts.get(("cache_hits", cache), 0), self.counts.get(("cache_misses", cache), 0)


def texts(page: feedkit.Page[Any]) -> list[str]:
    return [item.post.text for item in page]


def seen(feed: Feed, viewer: str, author: str) -> list[str]:
    """What a viewer sees of an author, each surface by itself."""
    try:
        return texts(feed.profile(viewer, author)) + texts(feed.home(viewer))
    except NotFound:
        return []


@contextmanager
def out_of_reach(*feeds: Feed) -> Iterator[None]:
    """Redis does not answer these processes, as after a failure a moment ago."""
    places: list[Any] = [feed.runtime()._place for feed in feeds]
    for place in places:
        place.rest.until = float("inf")
    yield
    for place in places:
        place.rest.until = 0


def prepared(feed: Feed) -> int:
    """Bob follows Ada, and sees what she wrote for followers and for a list that he is on."""
    feed.follow("bob", "ada")
    made = feed.lists.create("ada", "close")
    feed.lists.add("ada", made.id, ["bob"])
    post = feed.publish("ada", text="secret", audience="list", list=made.id)
    assert seen(feed, "bob", "ada") == ["secret", "secret"]
    return post.id


def list_of(feed: Feed) -> int:
    return feed.lists.of("ada")[0].id


# read replicas


class Used:
    """How many reads replicas have served, and how many they might have."""

    def __init__(self) -> None:
        self.reads = {"used": 0, "not_used": 0}

    def count(self, metric: Metric, amount: int, label: str = "") -> None:
        if metric.name == "replica_reads":
            self.reads[label] += amount

    def observe(self, metric: Metric, value: float, label: str = "") -> None:
        pass

    def by(self, work: Callable[[], Any]) -> tuple[int, int]:
        """Reads that were served by a replica during some work, and by the primary though a replica might have."""
        self.reads = {"used": 0, "not_used": 0}
        work()
        return self.reads["used"], self.reads["not_used"]


@contextmanager
def paused(replica: str) -> Iterator[None]:
    """It replays nothing meanwhile."""
    ask(replica, "SELECT pg_wal_replay_pause()")
    deadline = time.monotonic() + 10
    while ask(replica, "SELECT pg_get_wal_replay_pause_state()") != "paused":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    try:
        yield
    finally:
        ask(replica, "SELECT pg_wal_replay_resume()")


@contextmanager
def frozen(replica: str) -> Iterator[None]:
    """The whole server stands still, with its connections open, as a machine that swaps itself to death."""
    with psycopg.connect(
        sa.make_url(replica).set(drivername="postgresql").render_as_string(hide_password=False)
    ) as connection:
        server = psutil.Process(connection.info.backend_pid).parent()
    assert server is not None
    family = [server, *server.children(recursive=True)]
    for process in family:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)
