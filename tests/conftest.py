"""Fixtures that every test may use: real databases, and a watch over leaked threads."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy.engine import make_url

from tests import redis_servers
from tests.redis_servers import run_cluster, run_redis
from tests.scratch import write_to_memory
from tests.servers import (
    ServerUnavailable,
    caught_up,
    connections_left,
    fresh_database,
    run_postgres,
    run_replica,
)

pytest.register_assert_rewrite(
    "feedkit.testing.contracts"
)  # as their failures have to tell what was compared

ROOT = Path(__file__).parents[1]
# Processes that tests start share their helpers as well.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))

write_to_memory()

IN_CI = os.environ.get("CI", "").lower() not in {"", "0", "false"}
POSTGRES_FIXTURES = {"postgres_url", "postgres_database"}
REDIS_FIXTURES = {"redis_url", "redis_cluster_url"}
# Begun first, or in the end one worker is left with them while the others have nothing to do.
LONGEST = {"test_state_machine"}
# Threads of the test tools themselves, by the start of their names.
TOOL_THREADS = ("execnet", "pytest_timeout")

# Time limits per example measure the machine; each test has a time limit as a whole.
hypothesis.settings.register_profile("feedkit", deadline=None, print_blob=True)
hypothesis.settings.load_profile("feedkit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if POSTGRES_FIXTURES & fixtures:
            item.add_marker(pytest.mark.postgres)
        if REDIS_FIXTURES & fixtures:
            item.add_marker(pytest.mark.redis)
    items.sort(key=lambda item: item.path.stem not in LONGEST)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL server of this test process: the URL of its database `postgres`."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(run_postgres())
        except ServerUnavailable as error:
            if IN_CI:
                pytest.fail(str(error), pytrace=False)
            pytest.skip(str(error))
        yield url


@pytest.fixture(scope="session")
def replica_url(postgres_url: str) -> Iterator[str]:
    """A real server that replays what that of this test process writes: the URL of its database `postgres`."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(run_replica(postgres_url))
        except ServerUnavailable as error:
            if IN_CI:
                pytest.fail(str(error), pytrace=False)
            pytest.skip(str(error))
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Redis of this test process."""
    yield from _redis(run_redis())


@pytest.fixture(scope="session")
def redis_cluster_url() -> Iterator[str]:
    """A real Redis cluster of three primaries: the URL of one of them."""
    yield from _redis(run_cluster())


def _redis(server: AbstractContextManager[str]) -> Iterator[str]:
    with ExitStack() as stack:
        try:
            url = stack.enter_context(server)
        except redis_servers.ServerUnavailable as error:
            if IN_CI:
                pytest.fail(str(error), pytrace=False)
            pytest.skip(str(error))
        yield url


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database; a test that stays connected to it fails."""
    with fresh_database(postgres_url) as url:
        yield url
        left = connections_left(url)
    if left:
        pytest.fail("connections left open:\n" + "\n".join(left), pytrace=False)


@pytest.fixture
def replica(postgres_database: str, replica_url: str) -> str:
    """The URL of a copy of this test's database."""
    name = make_url(postgres_database).database
    url = make_url(replica_url).set(database=name).render_as_string(hide_password=False)
    caught_up(postgres_database, url)
    return url


@pytest.fixture(params=["sqlite-file", "memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def backend_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty truth, once per driver."""
    if request.param == "sqlite-file":
        return f"sqlite:///{tmp_path / 'feedkit.db'}"
    if request.param == "memory":
        return "memory://"
    url: str = request.getfixturevalue("postgres_database")
    return url


@pytest.fixture(autouse=True)
def _no_leaked_threads() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    if left := threads_left(before):
        pytest.fail(f"threads left running: {', '.join(left)}", pytrace=False)


def threads_left(before: set[threading.Thread], *, grace_s: float = 2.0) -> list[str]:
    """Names of threads that were started since `before` and do not end within the grace period."""
    deadline = time.monotonic() + grace_s
    while True:
        left = [
            thread.name
            for thread in threading.enumerate()
            if thread not in before and not thread.name.startswith(TOOL_THREADS)
        ]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.01)
