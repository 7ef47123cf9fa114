"""The servers and guards that other tests stand on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from urllib.parse import unquote

import pytest
from sqlalchemy import Engine, NullPool, create_engine, make_url, text

from tests.conftest import threads_left
from tests.redis_servers import command
from tests.servers import connections_left, fresh_database

ROOT = Path(__file__).parent.parent


def engine_of(url: str) -> Engine:
    return create_engine(url, poolclass=NullPool)


def scalar(url: str, statement: str) -> object:
    with engine_of(url).connect() as connection:
        return connection.execute(text(statement)).scalar_one()


def wait_until_gone(directory: Path, *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while directory.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not directory.exists()


def test_a_real_postgres_answers(postgres_database: str) -> None:
    assert str(scalar(postgres_database, "SELECT version()")).startswith("PostgreSQL ")
    assert int(str(scalar(postgres_database, "SHOW max_connections"))) >= 200


def test_databases_are_isolated(postgres_url: str, postgres_database: str) -> None:
    with fresh_database(postgres_url) as other, engine_of(postgres_database).begin() as connection:
        connection.execute(text("CREATE TABLE posts (id bigint)"))
        connection.commit()

        assert scalar(postgres_database, "SELECT to_regclass('posts')::text") == "posts"
        assert scalar(other, "SELECT to_regclass('posts')::text") is None


def test_a_database_is_dropped_under_a_connection(postgres_url: str) -> None:
    with fresh_database(postgres_url) as url:
        held = create_engine(url)
        with held.connect() as connection:
            connection.execute(text("SELECT 1"))
        assert connections_left(url, grace_s=0) != []
    name = make_url(url).database

    assert scalar(postgres_url, f"SELECT count(*) FROM pg_database WHERE datname = '{name}'") == 0
    held.dispose()


def test_a_closed_connection_is_not_left(postgres_database: str) -> None:
    scalar(postgres_database, "SELECT 1")

    assert connections_left(postgres_database) == []


@pytest.mark.usefixtures("postgres_url")  # where no server can start, nothing needs to end
def test_a_server_ends_with_a_killed_owner() -> None:
    owner = textwrap.dedent("""
        import time
        from tests.servers import run_postgres
        with run_postgres() as url:
            print(url, flush=True)
            time.sleep(600)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", owner], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        sockets = Path(unquote(str(make_url(url).query["host"])))
        assert scalar(url, "SELECT 1") == 1

        os.kill(process.pid, signal.SIGKILL)

    assert wait_until_gone(sockets, within_s=30)


@pytest.mark.usefixtures("redis_url")  # where no server can start, nothing needs to end
def test_a_redis_ends_with_a_killed_owner() -> None:
    owner = textwrap.dedent("""
        import time
        from tests.redis_servers import run_redis
        with run_redis() as url:
            print(url, flush=True)
            time.sleep(600)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", owner], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2].partition("/")[0])
        assert command(port, "PING") == b"+PONG\r\n"

        os.kill(process.pid, signal.SIGKILL)

    assert until_gone(port, within_s=30)


def until_gone(port: int, *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            command(port, "PING")
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_a_cluster_of_three_shares_all_slots(redis_cluster_url: str) -> None:
    port = int(redis_cluster_url.rpartition(":")[2].partition("/")[0])
    state = command(port, "CLUSTER", "INFO")
    assert b"cluster_slots_ok:16384" in state
    assert b"cluster_size:3" in state


def test_every_driver_gets_an_empty_truth(backend_url: str, tmp_path: Path) -> None:
    driver = make_url(backend_url).drivername

    assert driver in {"sqlite", "memory", "postgresql+psycopg"}
    if driver == "sqlite":
        assert make_url(backend_url).database == str(tmp_path / "feedkit.db")


def test_a_leaked_thread_is_noticed_until_it_ends() -> None:
    before = set(threading.enumerate())
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="leak", daemon=True)

    thread.start()
    assert threads_left(before, grace_s=0.05) == ["leak"]

    release.set()
    thread.join()
    assert threads_left(before, grace_s=0) == []
