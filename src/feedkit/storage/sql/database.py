"""Connections, transactions and retries: how work is run on an engine, whoever made it."""

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import attrs
import sqlalchemy as sa

from feedkit.errors import ConfigurationError, InvalidArgument, SchemaMissing, Unavailable
from feedkit.settings import Settings
from feedkit.storage.sql.dialects import Dialect, dialect_of
from feedkit.storage.sql.prepared import Tx
from feedkit.storage.sql.watch import SqliteWatch

T = TypeVar("T")
MEMORY_URL = "memory://"


@attrs.frozen
class Connector:
    """How a host connects to PostgreSQL, by way of psycopg; each call opens a connection that nobody else uses.

    Where it is not `pooled`, none stays open for longer than the work that needs it.
    """

    connect: Callable[[], Any]
    pooled: bool = True


class _Reads(threading.local):
    by_this_thread = 0


class Database:
    """Runs reads and writes on one engine.

    A file of SQLite or a PostgreSQL is reached through a pool. `memory://` is one SQLite connection,
    used by one thread at a time.
    """

    def __init__(
        self, target: "str | sa.URL | sa.Engine | Connector", namespace: str, settings: Settings
    ) -> None:
        self._settings = settings
        self._owned = not isinstance(target, sa.Engine)
        self.engine = target if isinstance(target, sa.Engine) else _open(target, settings)
        self.in_memory = self.engine.dialect.name == "sqlite" and _is_memory(self.engine)
        self.dialect: Dialect = dialect_of(
            self.engine,
            namespace,
            settings.busy_timeout_ms,
            keep_open=self._owned and not self.in_memory,  # a host may dispose of its own pool at any time
        )
        if self.in_memory and not self._owned:
            raise ConfigurationError(
                "target is an Engine in memory, whose one connection feedkit and you would share; pass "
                '"memory://" for a feed of its own, or an Engine of a file',
                argument="target",
            )
        self._alone: AbstractContextManager[object] = threading.RLock() if self.in_memory else nullcontext()
        self._commits = 0
        self._reads = _Reads()
        is_file = self.engine.dialect.name == "sqlite" and not self.in_memory
        self._watch = SqliteWatch(self.engine) if is_file else None

    @property
    def driver_error(self) -> type[Exception]:
        """What errors of the driver have in common."""
        error: type[Exception] = self.engine.dialect.loaded_dbapi.Error
        return error

    def read(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on a connection that only reads; repeated where that may help."""
        self._reads.by_this_thread += 1
        return self._repeat(lambda _attempt: self._read_once(work))

    def count_read(self) -> None:
        """Count what this thread reads elsewhere."""
        self._reads.by_this_thread += 1

    def times_read(self) -> int:
        """How often this thread has read."""
        return self._reads.by_this_thread

    def write(
        self,
        work: Callable[[Tx], T],
        *,
        within: Tx | None = None,
        landed: Callable[[Tx], T | None] | None = None,
    ) -> T:
        """Run `work` in a transaction of its own, or in the one that is open."""
        if within is not None:
            return work(within)

        def attempt(attempt: int) -> T:
            if attempt and landed:
                return self._transact(
                    lambda tx: work(tx) if (done := landed(tx)) is None else done, wait=True
                )
            return self._transact(work, wait=True)

        return self._repeat(attempt)

    def try_write(self, work: Callable[[Tx], T]) -> T | None:
        """Run `work` in a transaction of its own, or give None where the write lock is not to be had at once."""
        try:
            return self._transact(work, wait=False)
        except sa.exc.TimeoutError:
            return None
        except sa.exc.DBAPIError as error:
            if self._may_pass(error):
                return None
            raise self._mapped(error) from error

    def version(self) -> int | None:
        """Changes with every commit of anybody; None where only a query could tell."""
        if self._watch is not None:
            return self._watch.version()
        return self._commits if self.in_memory else None

    def close(self) -> None:
        """Close what was opened here."""
        if self._watch is not None:
            self._watch.close()
        self.dialect.close()
        if self._owned:
            self.engine.dispose()

    def before_fork(self) -> None:
        """Leave no connection to a SQLite file open, and let nobody begin to write, until `after_fork`.

        SQLite counts the locks of a process in memory of its own. A child that inherits the count believes
        that it holds what its parent does, and takes no locks at all.
        """
        if self._watch is not None:
            self.dialect.pause()
            self._watch.close()
            self.engine.dispose()

    def after_fork(self) -> None:
        """In the parent: go on."""
        self.dialect.resume()

    def forget(self) -> None:
        """After a fork, in the child: leave the parent's connections alone and start with none."""
        self._left_behind = self.engine.pool  # kept, so that nothing of the parent's is closed from here
        self.engine.dispose(close=False)

    def on_connection(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` on a Connection of SQLAlchemy's, where it sees to its transactions itself."""
        return self._repeat(lambda _attempt: self._on_connection_once(work))

    def _on_connection_once(self, work: Callable[[sa.Connection], T]) -> T:
        with self._alone, self.engine.connect() as connection, self.dialect.unhurried(connection):
            try:
                return work(connection)
            finally:
                self._commits += 1

    def _read_once(self, work: Callable[[Tx], T]) -> T:
        with self._alone:
            return self.dialect.read(self.engine, work)

    def _transact(self, work: Callable[[Tx], T], *, wait: bool) -> T:
        with self._alone:
            done = self.dialect.transact(self.engine, work, wait=wait)
            self._commits += 1
            return done

    @contextmanager
    def mapping(self) -> Iterator[None]:
        """Errors of the database as feedkit's, where nothing is tried again."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise self._mapped(error) from error

    def _repeat(self, attempt: Callable[[int], T]) -> T:
        for tries in range(self._settings.retries + 1):
            try:
                return attempt(tries)
            except sa.exc.TimeoutError as error:
                raise Unavailable(
                    "every connection of the pool stayed in use; try again, or give the engine a larger pool",
                    retry_after_s=1.0,
                ) from error
            except sa.exc.DBAPIError as error:
                if (
                    tries == self._settings.retries
                    or not self._may_pass(error)
                    or self._is_silent(error, tries)
                ):
                    raise self._mapped(error) from error
                time.sleep(self._settings.retry_backoff_ms / 1000 * 2**tries * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        raise AssertionError("unreachable")

    def _may_pass(self, error: sa.exc.DBAPIError) -> bool:
        cause = error.orig
        return error.connection_invalidated or (cause is not None and self.dialect.is_contention(cause))

    def _is_silent(self, error: sa.exc.DBAPIError, tries: int) -> bool:
        """Whether the server does not answer on new connections either; one that idled may have been forgotten."""
        return tries > 0 and getattr(error.orig, "took_too_long", False)

    def _mapped(self, error: sa.exc.DBAPIError) -> Exception:
        cause = error.orig
        if cause is not None and self.dialect.is_schema_missing(cause):
            return SchemaMissing()
        if cause is not None and self.dialect.is_aborted(cause):
            return InvalidArgument(
                "connection: its transaction has failed already; roll it back before anything else",
                argument="connection",
            )
        if cause is not None and (folder := self.dialect.missing_folder(cause, self.engine.url)):
            return ConfigurationError(
                f"target: there is no folder {folder} for the file of SQLite; make it, or correct the path, of which "
                "an absolute one begins with four slashes: sqlite:////var/lib/app.db",
                argument="target",
            )
        if self._may_pass(error) or (cause is not None and self.dialect.is_outage(cause)):
            return Unavailable(
                "the database could not be reached, did not answer, or stayed busy through every retry; try again, or "
                "raise the settings busy_timeout_ms, postgres_timeout_ms and retries",
                retry_after_s=1.0,
            )
        return error


def _open(target: "str | sa.URL | Connector", settings: Settings) -> sa.Engine:
    if isinstance(target, Connector):
        pool = None if target.pooled else sa.NullPool
        return sa.create_engine("postgresql+psycopg://", creator=target.connect, poolclass=pool)
    if str(target) == MEMORY_URL:
        engine = sa.create_engine(
            "sqlite://", poolclass=sa.StaticPool, connect_args={"check_same_thread": False}
        )
        _tune(engine, settings)
        return engine
    try:
        url = sa.make_url(target)
        if url.drivername in ("postgres", "postgresql"):
            url = url.set(drivername="postgresql+psycopg")
        if url.get_backend_name() != "sqlite":
            return _of_server(url, settings)
        if url.host:  # "sqlite://social.db" would be a database in memory
            raise sa.exc.ArgumentError(url.host)
        if _is_memory_name(url.database):
            return _open(MEMORY_URL, settings)
        engine = sa.create_engine(
            url, connect_args={"check_same_thread": False, "timeout": settings.busy_timeout_ms / 1000}
        )
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
        raise ConfigurationError(_bad_target(error, str(target)), argument="target") from error
    _tune(engine, settings)
    return engine


def _of_server(url: sa.URL, settings: Settings) -> sa.Engine:
    engine = sa.create_engine(url)
    if engine.dialect.driver == "psycopg":
        from feedkit.storage.sql.patience import make_patient  # the driver is an extra

        make_patient(engine, settings.postgres_timeout_ms / 1000)
    return engine


def _bad_target(error: Exception, target: str) -> str:
    if isinstance(error, ImportError) and target.startswith(
        ("postgresql://", "postgresql+psycopg://", "postgres:")
    ):
        return f'target: the database driver is not installed ({error}); pip install "feedkit[postgres]"'
    return (
        'target must be "memory://", "sqlite:///file.db", "postgresql+psycopg://user@host/name" or a SQLAlchemy '
        "Engine to one of these; this one is not a URL of that form"
    )


def _tune(engine: sa.Engine, settings: Settings) -> None:
    @sa.event.listens_for(engine, "connect")
    def _on_connect(raw: sqlite3.Connection, _record: Any) -> None:
        raw.execute(f"PRAGMA busy_timeout = {settings.busy_timeout_ms}")
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute(
            "PRAGMA cache_size = -32768"
        )  # KiB; SQLite's own 2 MiB do not hold the indexes of one town
        raw.execute(
            "PRAGMA wal_autocheckpoint = 16000"
        )  # pages, 64 MiB: a hot page is written back once, not often
        raw.execute(f"PRAGMA synchronous = {settings.sqlite_synchronous}")


def _is_memory_name(database: str | None) -> bool:
    return database in (None, "", ":memory:")


def _is_memory(engine: sa.Engine) -> bool:
    return _is_memory_name(engine.url.database)
