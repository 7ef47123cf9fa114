"""What the cases share: a fresh database of each kind, and other processes over it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

PROCESS = Path(__file__).with_name("process.py")


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database that several processes can open."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'feed.db'}"
    return str(request.getfixturevalue("pg_url"))


@pytest.fixture
def pg_url(postgres_database: str) -> str:
    """A fresh PostgreSQL database where nobody waits for a lock for ever: a deadlock is an error."""
    url = sa.make_url(postgres_database).update_query_dict({"options": "-clock_timeout=2000"})
    return url.render_as_string(hide_password=False)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A fresh SQLite file."""
    return f"sqlite:///{tmp_path / 'feed.db'}"


@pytest.fixture
def host(url: str) -> Iterator[sa.Engine]:
    """The host's own way into the database of `url`."""
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


class Process:
    """Another operating system process with a feed of its own; it answers one line of JSON per call."""

    def __init__(self, url: str, **kwargs: Any) -> None:
        self._running = subprocess.Popen(
            [sys.executable, str(PROCESS), url, json.dumps(kwargs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def call(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        """Have it call a verb of its feed. Raises what it raised, as RuntimeError."""
        assert self._running.stdin
        assert self._running.stdout
        self._running.stdin.write(json.dumps([verb, args, kwargs]) + "\n")
        self._running.stdin.flush()
        answer = json.loads(self._running.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["value"]

    def kill(self) -> None:
        """As `kill -9`: it gets no chance to tidy up."""
        self._running.kill()
        self._running.wait()
        for pipe in (self._running.stdin, self._running.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def start(url: str) -> Iterator[Callable[..., Process]]:
    """Starts processes over the database of `url`; they end with the test."""
    started: list[Process] = []

    def begin(**kwargs: Any) -> Process:
        started.append(Process(url, **kwargs))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
