"""What differs between SQLite and PostgreSQL, in one place."""

import hashlib
import json
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from copy import copy
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

from feedkit.errors import ConfigurationError, Unavailable
from feedkit.storage.sql import arrays
from feedkit.storage.sql.connections import SqliteConnections
from feedkit.storage.sql.prepared import Prepared, Tx, translated

T = TypeVar("T")

_OUTAGES = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
)
_MIGRATION_WAIT_S = 600
_MIGRATION_POLL_S = 0.2


class Dialect(ABC):
    """How one database is spoken to."""

    name: str
    numbers_at_insert: bool
    """Whether an event's id is its number already, because writers follow one another."""

    def __init__(self, sa_dialect: sa.Dialect) -> None:
        self.sa_dialect = sa_dialect

    def prepare(self, statement: Any) -> Prepared:
        """A statement to be run often."""
        return Prepared(statement, self.sa_dialect)

    @abstractmethod
    def id_rows(self, parameter: str) -> sa.FromClause:
        """A list of ids handed in as one parameter, as rows with a column `value`."""

    @abstractmethod
    def bind_ids(self, values: Iterable[int]) -> Any:
        """The value to bind to such a parameter."""

    def is_in(self, column: sa.ColumnElement[int], parameter: str) -> sa.ColumnElement[bool]:
        """Whether `column` is among the ids bound to `parameter`."""
        return column.in_(sa.select(self.id_rows(parameter).c.value))

    @abstractmethod
    def is_in_texts(self, column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
        """Whether `column` is among the strings bound to `parameter`."""

    @abstractmethod
    def bind_texts(self, values: Iterable[str]) -> Any:
        """The value to bind to such a parameter."""

    def insert(self, table: sa.Table, *rows: Sequence[str]) -> Any:
        """An INSERT that knows ON CONFLICT.

        Each of `rows` names a parameter per column: `name`, or `name=parameter` where they differ.
        """
        values = [dict(_parameter(name) for name in row) for row in rows]
        return self._insert(table).values(values if len(values) > 1 else values[0])

    @abstractmethod
    def _insert(self, table: sa.Table) -> Any:
        """SQLAlchemy's INSERT of this database."""

    @abstractmethod
    def transact(self, engine: sa.Engine, work: Callable[[Tx], T], *, wait: bool) -> T:
        """Run `work` in a transaction of a writer, committed at the end, rolled back on an error.

        Without `wait`, a lock that somebody else holds is an error at once.
        """

    def close(self) -> None:  # noqa: B027 - PostgreSQL keeps nothing open beside the pool
        """Close what is kept open beside the engine's pool."""

    def pause(self) -> None:  # noqa: B027 - as above
        """Close it, and let nobody open it again before `resume`."""

    def resume(self) -> None:  # noqa: B027 - as above
        """Go on."""

    @abstractmethod
    def read(self, engine: sa.Engine, work: Callable[[Tx], T]) -> T:
        """Run `work` on a connection for reading; each statement sees what was committed before it."""

    @abstractmethod
    def is_in_transaction(self, tx: Tx) -> bool:
        """Whether a transaction is open, or a statement would open one."""

    isolation_joined: str
    """The isolation level in which a host's transaction is joined."""

    @abstractmethod
    def isolation(self) -> sa.ColumnElement[str]:
        """The isolation level of the transaction that asks."""

    @abstractmethod
    def migrating(self, connection: sa.Connection) -> AbstractContextManager[None]:
        """Keep everybody else from changing the tables meanwhile."""

    @abstractmethod
    def is_contention(self, error: BaseException) -> bool:
        """Whether the same work may succeed when tried again: busy, deadlock, serialization failure."""

    @abstractmethod
    def is_outage(self, error: BaseException) -> bool:
        """Whether the database itself is in trouble, and not what we asked of it."""

    def is_aborted(self, error: BaseException) -> bool:
        """Whether the transaction had failed before."""
        return getattr(error, "sqlstate", None) == "25P02"

    @abstractmethod
    def is_schema_missing(self, error: BaseException) -> bool:
        """Whether a table is not there."""

    def try_lock(self, tx: Tx, name: str) -> bool:  # noqa: ARG002 - SQLite's writers follow one another
        """Take a named lock until the transaction ends, or give False at once."""
        return True

    def lock(self, tx: Tx, name: str, *, at_most_ms: int = 0) -> None:  # noqa: B027 - as above
        """Take a named lock until the transaction ends; contention where it takes longer than `at_most_ms`."""

    def lock_within(self, tx: Tx, gate: str, name: str) -> None:  # noqa: B027 - as above
        """Take a named lock, and wait before for whoever has the lock of the `gate`; many may be within."""


class _SqliteCompiler(SQLiteCompiler):
    """Writes hints, which SQLAlchemy knows and leaves out for SQLite: INDEXED BY."""

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        return text


class SqliteDialect(Dialect):
    """Writers take the write lock before they look, so nothing that was read can be stale when written."""

    name = "sqlite"
    isolation_joined = "serializable"
    numbers_at_insert = True

    def __init__(self, sa_dialect: sa.Dialect, busy_timeout_ms: int, own: SqliteConnections | None) -> None:
        sa_dialect = copy(sa_dialect)  # the engine's own stays as it is
        sa_dialect.statement_compiler = _SqliteCompiler
        super().__init__(sa_dialect)
        self._busy_timeout_ms = busy_timeout_ms
        self._own = own

    def id_rows(self, parameter: str) -> sa.FromClause:
        return sa.func.json_each(sa.bindparam(parameter, type_=sa.Text)).table_valued(
            "value", name=f"{parameter}_rows"
        )

    def bind_ids(self, values: Iterable[int]) -> str:
        return str([int(value) for value in values])  # which is JSON, and quicker than `json.dumps`

    def is_in_texts(self, column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
        return self.is_in(column, parameter)

    def bind_texts(self, values: Iterable[str]) -> str:
        return json.dumps(list(values))

    def _insert(self, table: sa.Table) -> Any:
        return sqlite.insert(table)

    def transact(self, engine: sa.Engine, work: Callable[[Tx], T], *, wait: bool) -> T:
        if self._own is not None:
            return self._own.write(lambda tx: self._commit(tx, work, wait=wait), wait=wait)
        with self._pooled(engine) as tx:
            return self._commit(tx, work, wait=wait)

    def _commit(self, tx: Tx, work: Callable[[Tx], T], *, wait: bool) -> T:
        self._begin(tx, wait=wait)
        try:
            done = work(tx)
            self._execute(tx, "COMMIT")
            return done
        except BaseException:
            with suppress(sqlite3.ProgrammingError):  # it broke, and is closed already
                tx.raw.rollback()
            raise

    def close(self) -> None:
        if self._own is not None:
            self._own.close()

    def pause(self) -> None:
        if self._own is not None:
            self._own.pause()

    def resume(self) -> None:
        if self._own is not None:
            self._own.resume()

    def read(self, engine: sa.Engine, work: Callable[[Tx], T]) -> T:
        if self._own is not None:
            return self._own.read(work)
        with self._pooled(engine) as tx:
            return work(tx)

    @contextmanager
    def _pooled(self, engine: sa.Engine) -> Iterator[Tx]:
        fairy = self._checked_out(engine)
        try:
            yield Tx(fairy.dbapi_connection, fairy.invalidate)
        finally:
            fairy.close()

    def _checked_out(self, engine: sa.Engine) -> sa.PoolProxiedConnection:
        """From the pool; a Connection of SQLAlchemy's costs three times as much."""
        try:
            return engine.raw_connection()
        except sqlite3.Error as error:
            raise sa.exc.OperationalError("connect", None, error) from error

    def _begin(self, tx: Tx, *, wait: bool) -> None:
        if tx.raw.in_transaction:  # a host's own "connect" or "begin" listener has been here
            tx.raw.rollback()
        if wait:
            self._execute(tx, "BEGIN IMMEDIATE")
            return
        tx.raw.execute("PRAGMA busy_timeout = 0")
        try:
            self._execute(tx, "BEGIN IMMEDIATE")
        finally:
            tx.raw.execute(f"PRAGMA busy_timeout = {self._busy_timeout_ms}")

    def _execute(self, tx: Tx, sql: str) -> None:
        try:
            tx.raw.execute(sql)
        except sqlite3.Error as error:
            raise translated(error, self.sa_dialect, tx, sql) from error

    def is_in_transaction(self, tx: Tx) -> bool:
        return bool(tx.raw.in_transaction)

    def isolation(self) -> sa.ColumnElement[str]:
        return sa.literal_column(f"'{self.isolation_joined}'", sa.Text)

    @contextmanager
    def migrating(self, connection: sa.Connection) -> Iterator[None]:
        """All of it in one transaction: a writer is alone."""
        with connection.begin():
            begin(connection)
            yield

    def is_contention(self, error: BaseException) -> bool:
        code = getattr(error, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

    def is_outage(self, error: BaseException) -> bool:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        return isinstance(error, sqlite3.DatabaseError) and code & 0xFF in _OUTAGES

    def is_schema_missing(self, error: BaseException) -> bool:
        return isinstance(error, sqlite3.OperationalError) and "no such table" in str(error)


class PostgresDialect(Dialect):
    """Plain READ COMMITTED; what must not interleave takes an advisory lock of this namespace."""

    name = "postgresql"
    isolation_joined = "read committed"
    numbers_at_insert = False

    def __init__(self, sa_dialect: sa.Dialect, namespace: str) -> None:
        super().__init__(sa_dialect)
        self._namespace = namespace
        self._lock = self.prepare(sa.text("SELECT pg_advisory_xact_lock(:key)"))
        both = "SELECT pg_advisory_xact_lock_shared(:gate), pg_advisory_xact_lock(:key)"
        self._lock_within = self.prepare(sa.text(both))
        self._set_lock_timeout = self.prepare(sa.text("SELECT set_config('lock_timeout', :timeout, true)"))
        self._try_lock = self.prepare(sa.text("SELECT pg_try_advisory_xact_lock(:key)"))

    def id_rows(self, parameter: str) -> sa.FromClause:
        array = sa.bindparam(parameter, type_=postgresql.ARRAY(sa.BigInteger))
        return sa.func.unnest(array).table_valued("value", name=f"{parameter}_rows").render_derived()

    def bind_ids(self, values: Iterable[int]) -> str:
        return arrays.of_numbers(values)

    def is_in(self, column: sa.ColumnElement[int], parameter: str) -> sa.ColumnElement[bool]:
        return column == sa.any_(sa.bindparam(parameter, type_=postgresql.ARRAY(sa.BigInteger)))

    def is_in_texts(self, column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
        return column == sa.any_(sa.bindparam(parameter, type_=postgresql.ARRAY(sa.Text)))

    def bind_texts(self, values: Iterable[str]) -> str:
        return arrays.of_texts(list(values))

    def _insert(self, table: sa.Table) -> Any:
        return postgresql.insert(table)

    def transact(self, engine: sa.Engine, work: Callable[[Tx], T], *, wait: bool) -> T:  # noqa: ARG002 - it waits for rows only
        with engine.connect() as connection:
            connection.execution_options(isolation_level="READ COMMITTED")
            with connection.begin():
                return work(tx_of(connection))

    def read(self, engine: sa.Engine, work: Callable[[Tx], T]) -> T:
        with engine.connect() as connection:
            # No BEGIN and no ROLLBACK: one round trip instead of three.
            return work(tx_of(connection.execution_options(isolation_level="AUTOCOMMIT")))

    def is_in_transaction(self, tx: Tx) -> bool:
        return not tx.raw.autocommit

    def isolation(self) -> sa.ColumnElement[str]:
        return sa.func.current_setting("transaction_isolation", type_=sa.Text)

    @contextmanager
    def migrating(self, connection: sa.Connection) -> Iterator[None]:
        """A lock of the session, so that what changes the tables may commit step by step.

        It is asked for again and again. Who waits inside a statement holds a snapshot, and whoever builds an
        index beside writers waits for all snapshots: the two would wait for each other.
        """
        connection.execution_options(isolation_level="READ COMMITTED")
        key = {"key": self._lock_key("schema")}
        until = time.monotonic() + _MIGRATION_WAIT_S
        while not _asked(connection, "SELECT pg_try_advisory_lock(:key)", key):
            if time.monotonic() > until:
                raise Unavailable(
                    "another process has been migrating all the while; try again when it is done"
                )
            time.sleep(_MIGRATION_POLL_S)
        try:
            yield
        finally:
            try:
                _asked(connection, "SELECT pg_advisory_unlock(:key)", key)
            except sa.exc.SQLAlchemyError:
                connection.invalidate()  # the lock goes with its session, which must not return to the pool

    def is_contention(self, error: BaseException) -> bool:
        return getattr(error, "sqlstate", None) in ("40001", "40P01", "55P03")

    def is_outage(self, error: BaseException) -> bool:
        return isinstance(error, self.sa_dialect.loaded_dbapi.OperationalError)

    def is_schema_missing(self, error: BaseException) -> bool:
        return getattr(error, "sqlstate", None) == "42P01"

    def try_lock(self, tx: Tx, name: str) -> bool:
        return bool(self._try_lock.scalar(tx, {"key": self._lock_key(name)}))

    def lock(self, tx: Tx, name: str, *, at_most_ms: int = 0) -> None:
        if at_most_ms:
            self._set_lock_timeout.rows(tx, {"timeout": f"{at_most_ms}ms"})
        self._lock.rows(tx, {"key": self._lock_key(name)})

    def lock_within(self, tx: Tx, gate: str, name: str) -> None:
        self._lock_within.rows(tx, {"gate": self._lock_key(gate), "key": self._lock_key(name)})

    def _lock_key(self, name: str) -> int:
        digest = hashlib.blake2b(f"feedkit:{self._namespace}:{name}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)


def dialect_of(engine: sa.Engine, namespace: str, busy_timeout_ms: int, *, keep_open: bool) -> Dialect:
    """The dialect of an engine. Raises ConfigurationError for any other database.

    `keep_open`: whether connections to a SQLite file may be kept open, outside the engine's pool.
    """
    match engine.dialect.name:
        case "sqlite":
            own = SqliteConnections(engine, busy_timeout_ms) if keep_open else None
            return SqliteDialect(engine.dialect, busy_timeout_ms, own)
        case "postgresql":
            return PostgresDialect(engine.dialect, namespace)
        case other:
            message = (
                f"target must be a SQLite or PostgreSQL database, got {other!r}; pass the URL of one of these"
            )
            raise ConfigurationError(message, argument="target")


def _asked(connection: sa.Connection, question: str, parameters: dict[str, Any]) -> bool:
    """The answer to a question, in a transaction of its own."""
    if connection.in_transaction():
        connection.rollback()
    with connection.begin():
        return bool(connection.scalar(sa.text(question), parameters))


def tx_of(connection: sa.Connection) -> Tx:
    """What statements run on, of a Connection of SQLAlchemy's."""
    return Tx(connection.connection.dbapi_connection, connection.invalidate)


def begin(connection: sa.Connection) -> None:
    """Make sure that a Connection to SQLite is inside a real transaction, so that a savepoint is one."""
    raw: Any = connection.connection.dbapi_connection
    if not isinstance(raw, sqlite3.Connection):
        return
    if not connection.in_transaction():
        connection.exec_driver_sql("SELECT 1")  # a host's own "begin" listener comes first
    if not raw.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _parameter(name: str) -> tuple[str, sa.BindParameter[Any]]:
    column, _, parameter = name.partition("=")
    return column, sa.bindparam(parameter or column)


def columns(table: sa.Table, names: Sequence[str]) -> list[sa.Column[Any]]:
    """Some columns of a table, by name."""
    return [table.c[name] for name in names]
