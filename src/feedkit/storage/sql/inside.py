"""Truth as a transaction of the host's sees it, what it has not committed included."""

import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa

from feedkit.errors import InvalidArgument, SchemaMissing
from feedkit.storage.sql.database import Database
from feedkit.storage.sql.joining import Joining
from feedkit.storage.sql.prepared import Tx

T = TypeVar("T")


class Inside:
    """What `Database` does, on one connection of the host's.

    Args:
        database: for the dialect, and how errors are told.
        joining: runs what reads and what writes.
        connection: the host's.
        alone: whether nobody waits for its transaction. If somebody may, nothing is done to the log that others would
            have to wait for, and what asks for a transaction of its own is refused.
    """

    in_memory = False

    def __init__(
        self,
        database: Database,
        joining: Joining,
        connection: object,
        *,
        alone: bool,
    ) -> None:
        self.engine, self.dialect, self.mapping = database.engine, database.dialect, database.mapping
        self._joining, self._connection, self._alone = joining, connection, alone
        self._times_read = 0

    def read(self, work: Callable[[Tx], T]) -> T:
        self._times_read += 1
        with self.mapping():
            return self._joining.read(self._connection, work)

    def times_read(self) -> int:
        return self._times_read

    def write(
        self,
        work: Callable[[Tx], T],
        *,
        within: Tx | None = None,
        landed: Callable[[Tx], T | None] | None = None,  # noqa: ARG002 - nothing is tried again
    ) -> T:
        if within is not None:
            return work(within)
        if not self._alone:
            raise InvalidArgument(
                "this needs a transaction of its own, and yours, which has changed a feed, is still open; commit first"
            )
        with self.mapping():
            return self._joining.write(self._connection, work)

    def try_write(self, work: Callable[[Tx], T]) -> T | None:
        return self.write(work) if self._alone else None

    def version(self) -> None:
        """Only a query could tell."""

    def on_connection(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` on the host's connection, lent to SQLAlchemy."""
        with self.mapping(), self._joining.reading(self._connection) as tx:
            if not isinstance(tx.raw, sqlite3.Connection) or tx.raw.in_transaction:
                raise SchemaMissing(
                    "feedkit's tables are missing or outdated, and cannot be made inside a transaction; migrate before"
                )
            with _lent(tx.raw).connect() as connection:
                return work(connection)

    def close(self) -> None:
        """The connection is the host's."""

    before_fork = after_fork = forget = close


def _lent(raw: Any) -> sa.Engine:
    """An engine around one connection, which it neither resets nor closes."""
    engine = sa.create_engine(
        "sqlite://", creator=lambda: raw, poolclass=sa.NullPool, pool_reset_on_return=None
    )
    engine.dialect.do_close = lambda dbapi_connection: None  # type: ignore[method-assign]  # noqa: ARG005
    return engine
