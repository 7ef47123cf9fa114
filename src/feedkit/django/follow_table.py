"""A table of follows that a site keeps itself, read as `feed.graph.reconcile` takes it."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from feedkit.errors import InvalidArgument

_PAGE = 10_000


def follows_of(connection: Any, source: str, key: type) -> Iterator[tuple[Any, Any]]:
    """The pairs of `source`, "table:follower:followee", in ascending order of follower.

    `key` is the type of the feed's user keys. They are read page by page: a cursor that stays open would keep
    SQLite from writing on the same connection, and PostgreSQL from forgetting old rows. Raises InvalidArgument.
    """
    table, follower, followee = _existing(connection, source)
    pair = f"{follower}{_by_bytes(connection, key)}, {followee}{_by_bytes(connection, key)}"
    pairs = _read(
        connection,
        f"SELECT {follower}, {followee} FROM {table}",  # noqa: S608 - names that exist, quoted
        f"WHERE ({pair}) > (%s, %s)",
        f"ORDER BY {pair} LIMIT {_PAGE}",
    )
    return ((_key(one, key), _key(other, key)) for one, other in pairs)


def _existing(connection: Any, source: str) -> list[str]:
    """The quoted names of a table and two of its columns."""
    names = source.split(":")
    if len(names) != 3 or not all(names):
        message = "source must be table:follower:followee, such as social_follow:user_id:target_id"
        raise InvalidArgument(message, argument="source")
    table, *columns = names
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor, include_views=True):
            raise InvalidArgument(f"source: there is no table {table}", argument="source")
        known = [column.name for column in connection.introspection.get_table_description(cursor, table)]
    for column in columns:
        if column not in known:
            message = f"source: {table} has no column {column}; it has {', '.join(known)}"
            raise InvalidArgument(message, argument="source")
    return [connection.ops.quote_name(name) for name in names]


def _by_bytes(connection: Any, key: type) -> str:
    if key is not str:
        return ""
    return ' COLLATE "C"' if connection.vendor == "postgresql" else " COLLATE BINARY"


def _read(connection: Any, select: str, after: str, order: str) -> Iterator[tuple[Any, Any]]:
    rows = _rows(connection, f"{select} {order}", ())
    while rows:
        yield from rows
        rows = _rows(connection, f"{select} {after} {order}", rows[-1])


def _rows(connection: Any, statement: str, given: tuple[Any, ...]) -> list[tuple[Any, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        found: list[tuple[Any, Any]] = cursor.fetchall()
        return found


def _key(stored: Any, key: type) -> Any:
    """Django stores a UUID as text where the database has no type for it."""
    return UUID(stored) if key is UUID and isinstance(stored, str) else stored
