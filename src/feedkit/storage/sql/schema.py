"""The life of a namespace's tables: made, brought up to date, removed."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import sqlalchemy as sa

from feedkit.errors import ConfigurationError, SchemaMissing
from feedkit.storage.sql.database import Database
from feedkit.storage.sql.dialects import tx_of
from feedkit.storage.sql.inside import Inside
from feedkit.storage.sql.prepared import Tx
from feedkit.storage.sql.tables import SCHEMA_VERSION, Tables

_VERSION = "schema_version"
_FIRST = 1


class Schema:
    """The tables of one namespace as a whole."""

    def __init__(self, tables: Tables, database: Database | Inside) -> None:
        self._tables, self._database = tables, database

    def migrate(self, check: Callable[[dict[str, str]], None], found: Callable[[Tx], None]) -> None:
        """Make the tables, or bring older ones up to date; safe in several processes at once.

        `check` is given the facts that the database holds about itself, before anything is changed, and raises
        where this is the wrong one; `found` writes those facts that are not there.

        Raises:
            SchemaMissing: the tables are older, and Alembic is not installed.
            ConfigurationError: the tables are newer than this code.
        """
        self._database.on_connection(lambda connection: self._migrate(connection, check, found))

    def drop(self) -> None:
        """Remove the tables and everything in them. Raises ConfigurationError where they are newer than this code."""
        self._database.on_connection(self._drop)

    def _migrate(
        self, connection: sa.Connection, check: Callable[[dict[str, str]], None], found: Callable[[Tx], None]
    ) -> None:
        with self._database.dialect.migrating(connection):
            with _step(connection):
                facts = self._facts(connection)
                if facts is not None:
                    check(facts)
                version = SCHEMA_VERSION if facts is None else int(facts[_VERSION])
                _refuse_newer(version)
                if version == SCHEMA_VERSION:
                    self._tables.metadata.create_all(connection)
                self._stamp(connection, version)
            if version < SCHEMA_VERSION:
                self._upgrade(connection, version)
            with _step(connection):
                found(tx_of(connection))

    def _upgrade(self, connection: sa.Connection, version: int) -> None:
        try:
            from feedkit.storage.sql.migrations import runner
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] not in ("alembic", "mako"):
                raise
            raise SchemaMissing(
                f"the database has schema {version}, this feedkit needs {SCHEMA_VERSION}, and Alembic, which brings it "
                'up to date, is not installed; pip install "feedkit[migrate]", then run `feedkit migrate`'
            ) from error
        runner.upgrade(connection, self._tables.namespace, self._tables.revision.name)
        meta = self._tables.meta
        with _step(connection):
            newest = meta.update().where(meta.c.name == _VERSION).values(value=str(SCHEMA_VERSION))
            connection.execute(newest)

    def _drop(self, connection: sa.Connection) -> None:
        with self._database.dialect.migrating(connection), _step(connection):
            facts = self._facts(connection)
            _refuse_newer(_FIRST if facts is None else int(facts[_VERSION]))
            self._tables.metadata.drop_all(connection)
            self._tables.revision.drop(connection, checkfirst=True)

    def _facts(self, connection: sa.Connection) -> dict[str, str] | None:
        """What the database holds about itself, `schema_version` at least; None where there are no tables."""
        meta = self._tables.meta
        if not sa.inspect(connection).has_table(meta.name):
            return None
        stored = {row.name: row.value for row in connection.execute(sa.select(meta.c.name, meta.c.value))}
        return {_VERSION: str(_FIRST), **stored}

    def _stamp(self, connection: sa.Connection, version: int) -> None:
        """Tell Alembic where the tables stand, unless it has been told."""
        revision = self._tables.revision
        revision.create(connection, checkfirst=True)
        if connection.scalar(sa.select(revision.c.version_num)) is None:
            connection.execute(revision.insert().values(version_num=f"{version:04}"))


def _step(connection: sa.Connection) -> AbstractContextManager[object]:
    """A transaction of its own, or a part of the one that is open."""
    return nullcontext() if connection.in_transaction() else connection.begin()


def _refuse_newer(version: int) -> None:
    if version > SCHEMA_VERSION:
        raise ConfigurationError(
            f"the database has schema {version}, this feedkit makes {SCHEMA_VERSION}; upgrade the feedkit package"
        )
