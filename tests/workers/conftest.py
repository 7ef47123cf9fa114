"""A feed over real servers, and real `feedkit worker` processes beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import feedkit
from feedkit import Settings
from tests.redis_servers import run_redis

SETTINGS: dict[str, Any] = {
    "chunk_followers": 50,
    "delivery_chunk": 20,
    "chunk_lease_ms": 1000,
    "poll_interval_ms": 50,
    "redis_timeout_ms": 5000,
    "sqlite_synchronous": "OFF",
}
FEED = """
import feedkit
feed = feedkit.connect({url!r}, redis={redis!r}, deliver="worker", settings=feedkit.Settings(**{settings!r}){more})
"""


class Place:
    """Where a feed is: its servers, and a module that worker processes import it from."""

    def __init__(self, folder: Path, url: str, redis: str) -> None:
        self.folder, self.url, self.redis = folder, url, redis
        self.settings = dict(SETTINGS)
        self.started: list[Worker] = []

    def connect(self, **kwargs: Any) -> feedkit.Feed[str]:
        """The feed, in this process."""
        options = {"deliver": "worker", "redis": self.redis, "settings": Settings(**self.settings), **kwargs}
        return feedkit.connect(self.url, **options)

    def worker(
        self, *arguments: str, before: str = "", more: str = "", environ: dict[str, str] | None = None
    ) -> Worker:
        """A worker process; `before` is run in it first, `more` are further arguments of `connect`."""
        name = f"myfeed{len(self.started)}"
        code = FEED.format(url=self.url, redis=self.redis, settings=self.settings, more=more)
        (self.folder / f"{name}.py").write_text(textwrap.dedent(before) + code)
        self.started.append(Worker(self.folder, f"{name}:feed", arguments, environ or {}))
        return self.started[-1]


class Worker:
    """`feedkit worker` as a process of its own."""

    def __init__(self, folder: Path, feed: str, arguments: tuple[str, ...], environ: dict[str, str]) -> None:
        command = [sys.executable, "-m", "feedkit.cli", "--feed", feed, "worker", "--json", *arguments]
        self.log = (folder / f"{feed.partition(':')[0]}.log").open("w+")
        self.running = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )

    @property
    def is_alive(self) -> bool:
        return self.running.poll() is None

    def kill(self) -> None:
        """As kill -9."""
        self.running.kill()
        self.running.wait()

    def stop(self, timeout_s: float = 20) -> dict[str, Any]:
        """Tell it to stop, as a supervisor does; what it says it has done."""
        self.running.send_signal(signal.SIGTERM)
        said, _ = self.running.communicate(timeout=timeout_s)
        assert self.running.returncode == 0, self.complaints()
        return dict(json.loads(said.splitlines()[-1]))

    def wait(self, timeout_s: float = 30) -> int:
        return self.running.wait(timeout_s)

    def complaints(self) -> str:
        self.log.seek(0)
        return self.log.read()

    def end(self) -> None:
        if self.is_alive:
            self.kill()
        assert self.running.stdout is not None
        self.running.stdout.close()
        self.log.close()


@pytest.fixture
def place(tmp_path: Path, postgres_database: str) -> Iterator[Place]:
    """PostgreSQL and a Redis of its own."""
    with run_redis() as redis:
        place = Place(tmp_path, postgres_database, redis)
        with place.connect() as feed:
            feed.migrate()
        yield place
        for worker in place.started:
            worker.end()


@pytest.fixture
def feed(place: Place) -> Iterator[feedkit.Feed[str]]:
    with place.connect() as feed:
        yield feed


def until(holds: Callable[[], bool], *, within_s: float = 45.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)


def is_all_delivered(feed: feedkit.Feed[str]) -> bool:
    """Whether nothing is left to be delivered, by whomever."""
    runtime = feed.runtime()
    assert runtime.fanout.sharing is not None
    assert runtime.fanout.chunks is not None
    number = runtime.tail.catch_up()
    return runtime.fanout.sharing.delivery.delivered_to() >= number and not runtime.fanout.chunks.is_left()


def texts(page: feedkit.Page[Any]) -> list[str]:
    return [item.post.text for item in page]


def audience(feed: feedkit.Feed[str], count: int, author: str = "ada") -> list[str]:
    """So many followers, each of whom holds an inbox."""
    readers = [f"reader{nth}" for nth in range(count)]
    for reader in readers:
        feed.follow(reader, author)
    return readers


def run_command(place: Place, *arguments: str) -> dict[str, Any]:
    where = ("--db", place.url, "--redis", place.redis, "--json")
    run = subprocess.run(
        [sys.executable, "-m", "feedkit.cli", *arguments, *where], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout.splitlines()[-1]))
