"""How PostgreSQL is spoken to."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from feedkit.errors import Unavailable
from feedkit.storage.sql import arrays
from feedkit.storage.sql.dialects.base import Dialect, tx_of
from feedkit.storage.sql.prepared import Tx

T = TypeVar("T")

_MIGRATION_WAIT_S = 600
_MIGRATION_POLL_S = 0.2


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

    def highest_of_each(
        self, rows: sa.FromClause, parts: Sequence[sa.Select[Any]], most: Any
    ) -> sa.FromClause:
        bounded = [  # each by itself: the planner would rather read all of few rows, and expects few
            sa.select(
                part.correlate(rows).order_by(sa.desc("value")).limit(most).lateral(f"part{nth}").c.value
            )
            for nth, part in enumerate(parts)
        ]
        return sa.union_all(*bounded).order_by(sa.desc("value")).limit(most).lateral("highest")

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

    def unhurried(self, connection: sa.Connection) -> AbstractContextManager[object]:
        if self.sa_dialect.driver != "psycopg":
            return nullcontext()
        from feedkit.storage.sql.patience import unhurried  # the driver is an extra

        return unhurried(connection.connection.dbapi_connection)

    def is_in_transaction(self, tx: Tx) -> bool:
        return not tx.raw.autocommit

    def isolation(self) -> sa.ColumnElement[str]:
        return sa.func.current_setting("transaction_isolation", type_=sa.Text)

    def now_ms(self) -> sa.ColumnElement[int]:
        return sa.cast(sa.func.extract("epoch", sa.func.clock_timestamp()) * 1000, sa.BigInteger)

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


def _asked(connection: sa.Connection, question: str, parameters: dict[str, Any]) -> bool:
    """The answer to a question, in a transaction of its own."""
    if connection.in_transaction():
        connection.rollback()
    with connection.begin():
        return bool(connection.scalar(sa.text(question), parameters))
