"""What differs between SQLite and PostgreSQL: one module each beside the abstract one."""

import sqlalchemy as sa

from feedkit.errors import ConfigurationError
from feedkit.storage.sql.connections import SqliteConnections
from feedkit.storage.sql.dialects.base import Dialect, columns, tx_of
from feedkit.storage.sql.dialects.postgresql import PostgresDialect
from feedkit.storage.sql.dialects.sqlite import SqliteDialect, begin

__all__ = [
    "Dialect",
    "PostgresDialect",
    "SqliteDialect",
    "begin",
    "columns",
    "dialect_of",
    "language_of",
    "tx_of",
]


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


def language_of(sa_dialect: sa.Dialect, namespace: str) -> Dialect:
    """What statements are written in for such a database; it opens no connection."""
    if sa_dialect.name == "sqlite":
        return SqliteDialect(sa_dialect, 0, None)
    return PostgresDialect(sa_dialect, namespace)
