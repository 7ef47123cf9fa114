"""How SQLite is spoken to."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

from feedkit.storage.sql.connections import SqliteConnections
from feedkit.storage.sql.dialects.base import Dialect
from feedkit.storage.sql.prepared import Tx, translated

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

    def highest_of_each(
        self, rows: sa.FromClause, parts: Sequence[sa.Select[Any]], most: Any
    ) -> sa.FromClause:
        # There is no LATERAL, but a function that makes rows may be given what depends on the rows before.
        merged = (
            sa.union_all(*(part.correlate(rows) for part in parts)).order_by(sa.desc("value")).limit(most)
        )
        array = (
            sa.select(sa.func.json_group_array(merged.subquery("merged").c.value))
            .correlate(rows)
            .scalar_subquery()
        )
        return sa.func.json_each(array).table_valued("value", name="highest")

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

    def now_ms(self) -> sa.ColumnElement[int]:
        return sa.literal_column("CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)", sa.BigInteger)

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

    def missing_folder(self, error: BaseException, url: sa.URL) -> str | None:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_CANTOPEN or not url.database:
            return None
        folder = Path(url.database).parent.absolute()
        return None if folder.is_dir() else str(folder)

    def is_schema_missing(self, error: BaseException) -> bool:
        return isinstance(error, sqlite3.OperationalError) and "no such table" in str(error)


def begin(connection: sa.Connection) -> None:
    """Make sure that a Connection to SQLite is inside a real transaction, so that a savepoint is one."""
    raw: Any = connection.connection.dbapi_connection
    if not isinstance(raw, sqlite3.Connection):
        return
    if not connection.in_transaction():
        connection.exec_driver_sql("SELECT 1")  # a host's own "begin" listener comes first
    if not raw.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
