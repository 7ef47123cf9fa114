"""What SQLite and PostgreSQL have in common, and the names of what they differ in."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import sqlalchemy as sa

from feedkit.storage.sql.prepared import Prepared, Tx

T = TypeVar("T")


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
    def highest_of_each(
        self, rows: sa.FromClause, parts: Sequence[sa.Select[Any]], most: Any
    ) -> sa.FromClause:
        """For each of `rows`, to be joined to them, the highest `most` of what some statements find.

        They have one column, `value`, name `rows`, and each is read from an index, from above and no further.
        """

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

    def unhurried(self, connection: sa.Connection) -> AbstractContextManager[object]:  # noqa: ARG002 - only servers fall silent
        """Wait for as long as it takes on this connection meanwhile."""
        return nullcontext()

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
    def now_ms(self) -> sa.ColumnElement[int]:
        """The clock of the database, in Unix milliseconds: one for all processes."""

    @abstractmethod
    def migrating(self, connection: sa.Connection) -> AbstractContextManager[None]:
        """Keep everybody else from changing the tables meanwhile."""

    @abstractmethod
    def is_contention(self, error: BaseException) -> bool:
        """Whether the same work may succeed when tried again: busy, deadlock, serialization failure."""

    @abstractmethod
    def is_outage(self, error: BaseException) -> bool:
        """Whether the database itself is in trouble, and not what we asked of it."""

    def missing_folder(self, error: BaseException, url: sa.URL) -> str | None:  # noqa: ARG002 - servers have none
        """The folder whose lack an error comes from."""
        return None

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


def tx_of(connection: sa.Connection) -> Tx:
    """What statements run on, of a Connection of SQLAlchemy's."""
    return Tx(connection.connection.dbapi_connection, connection.invalidate)


def columns(table: sa.Table, names: Sequence[str]) -> list[sa.Column[Any]]:
    """Some columns of a table, by name."""
    return [table.c[name] for name in names]


def _parameter(name: str) -> tuple[str, sa.BindParameter[Any]]:
    column, _, parameter = name.partition("=")
    return column, sa.bindparam(parameter or column)
