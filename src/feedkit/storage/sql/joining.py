"""Work of feedkit's inside a transaction of the host's: one savepoint of it, or reads that see what it has written."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TypeVar

import sqlalchemy as sa

from feedkit.storage.sql.dialects import Dialect
from feedkit.storage.sql.hosts import (
    DriversConnection,
    HostConnection,
    host_connection,
    plain_cursor,
    refused,
    text_as_str,
)
from feedkit.storage.sql.prepared import Tx, translated

T = TypeVar("T")
_DATABASES = {"sqlite3": "sqlite", "psycopg": "postgresql", "psycopg2": "postgresql"}


class Joining:
    """Runs work inside transactions of the host's."""

    def __init__(self, sa_dialect: sa.Dialect, dialect: Dialect, meta: sa.Table) -> None:
        self._sa_dialect, self._dialect = sa_dialect, dialect
        of_install = sa.select(meta.c.value, dialect.isolation()).where(meta.c.name == "install_id")
        self._where = dialect.prepare(of_install)
        self._take_write_lock = dialect.prepare(meta.delete().where(meta.c.name.is_(None)))

    def run(self, connection: object, work: Callable[[Tx], T], install_id: str | None = None) -> T:
        """Run `work` as one savepoint. Raises InvalidArgument where `connection` cannot be joined.

        `install_id` tells which database it has to be; None where the connection itself defines that.
        """
        host = host_connection(connection)
        with self._statements(host) as tx:
            host.check()
            with host.savepoint(tx):
                self._check_place(tx, install_id)
                return work(tx)

    def read(self, connection: object, work: Callable[[Tx], T]) -> T:
        """Run `work`, which only reads; a transaction that is open goes on whatever comes of it."""
        with self.reading(connection) as tx:
            if not self._dialect.is_in_transaction(tx):
                return work(tx)
            with DriversConnection(tx.raw).savepoint(tx):
                return work(tx)

    def write(self, connection: object, work: Callable[[Tx], T]) -> T:
        """Run `work` as a savepoint that the host is not told of, or on SQLite in a transaction if there is none."""
        with self.reading(connection) as tx:
            if self._dialect.is_in_transaction(tx):
                with DriversConnection(tx.raw).savepoint(tx):
                    return work(tx)
            with tx.raw:  # commits, or rolls back
                tx.raw.execute("BEGIN IMMEDIATE")
                return work(tx)

    def reading(self, connection: object) -> AbstractContextManager[Tx]:
        """A connection of the host's as it is."""
        return self._statements(host_connection(connection))

    @contextmanager
    def _statements(self, host: HostConnection) -> Iterator[Tx]:
        raw = host.raw
        self._check_driver(raw)
        tx = Tx(raw, host.broke, partial(plain_cursor, raw))
        try:
            with text_as_str(raw):
                yield tx
        except self._sa_dialect.loaded_dbapi.Error as error:  # of a savepoint
            raise translated(error, self._sa_dialect, tx, "SAVEPOINT") from error

    def _check_driver(self, raw: object) -> None:
        wanted = getattr(self._sa_dialect.loaded_dbapi, "Connection", object)
        if not isinstance(raw, wanted):
            driver = type(raw).__module__.partition(".")[0]
            raise refused(
                f"is to {_DATABASES.get(driver, driver)} by way of {driver}, this feed keeps truth in "
                f"{self._sa_dialect.name} by way of {self._sa_dialect.driver}; pass a connection to the feed's own "
                "database"
            )

    def _check_place(self, tx: Tx, install_id: str | None) -> None:
        try:
            if self._dialect.name == "sqlite":
                # Before anything is read: who reads first and writes then is refused if others wrote in between.
                self._take_write_lock.run(tx)
            found = self._where.first(tx)
        except sa.exc.DBAPIError as error:
            if error.orig is None or not self._dialect.is_schema_missing(error.orig):
                raise
            found = None
        if found is None or found[0] != (install_id or found[0]):
            raise refused(
                "is to another database than this feed's; pass a connection to the database (and schema) where "
                "feedkit's tables are"
            )
        if found[1] != self._dialect.isolation_joined:
            raise refused(
                f"is in {found[1].upper()}; feedkit joins {self._dialect.isolation_joined.upper()} alone, where a "
                "block that was committed a moment ago is seen: begin the transaction in that isolation level"
            )
