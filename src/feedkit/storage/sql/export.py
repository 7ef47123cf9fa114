"""Walks over the tables that hold what people made, in the order of their keys."""

from typing import Any

import sqlalchemy as sa

from feedkit.storage.exporting import Row
from feedkit.storage.sql.dialects import Dialect
from feedkit.storage.sql.graph import decode_data
from feedkit.storage.sql.prepared import Prepared, Tx
from feedkit.storage.sql.tables import Tables

_LOWEST = {int: -1, str: ""}


class SqlExport:
    """See `feedkit.storage.exporting.ExportStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        self._tables: dict[str, sa.Table] = {
            "user": tables.users,
            "list": tables.lists,
            "relation": tables.associations,
            "post": tables.posts,
            "media": tables.post_media,
            "revision": tables.post_revisions,
            "comment": tables.comments,
            "audit": tables.audit,
        }
        self.nouns = tuple(self._tables)
        self._of_all = {
            noun: dialect.prepare(_walk(table, sa.true())) for noun, table in self._tables.items()
        }
        theirs = _made_by(tables, sa.bindparam("user_id"))
        self._of_one: dict[str, Prepared] = {
            noun: dialect.prepare(_walk(self._tables[noun], condition)) for noun, condition in theirs.items()
        }

    def after(
        self, tx: Tx, noun: str, last: Row | None, limit: int, *, user_id: int | None = None
    ) -> list[Row]:
        statement = self._of_all[noun] if user_id is None else self._of_one.get(noun)
        if statement is None:
            return []
        table = self._tables[noun]
        bounds = {
            f"last_{column.name}": _LOWEST[column.type.python_type] if last is None else last[column.name]
            for column in table.primary_key
        }
        rows = statement.rows(tx, {**bounds, "user_id": user_id, "at_most": limit})
        names = [column.name for column in table.columns]
        found: list[Row] = [dict(zip(names, row, strict=True)) for row in rows]
        return [_decoded(row) for row in found] if noun == "relation" else found


def _decoded(relation: Row) -> Row:
    data = relation["data"]
    return {**relation, "data": None if data is None else decode_data(data)}


def _walk(table: sa.Table, condition: Any) -> Any:
    key = list(table.primary_key)
    last = [sa.bindparam(f"last_{column.name}", type_=column.type) for column in key]
    further = sa.tuple_(*key) > sa.tuple_(*last) if len(key) > 1 else key[0] > last[0]
    return sa.select(table).where(further, condition).order_by(*key).limit(sa.bindparam("at_most"))


def _made_by(tables: Tables, user_id: Any) -> dict[str, Any]:
    """What a user made, and how others stand to them: whoever reads it chooses."""
    lists, posts = tables.lists, tables.posts
    own_lists = sa.select(lists.c.id).where(lists.c.owner_id == user_id)
    own_posts = sa.select(posts.c.id).where(posts.c.author_id == user_id)
    links = tables.associations
    return {
        "user": tables.users.c.id == user_id,
        "list": lists.c.owner_id == user_id,
        "relation": (links.c.id1 == user_id) | links.c.id1.in_(own_lists),
        "post": posts.c.author_id == user_id,
        "media": tables.post_media.c.post_id.in_(own_posts),
        "revision": tables.post_revisions.c.post_id.in_(own_posts),
        "comment": tables.comments.c.author_id == user_id,
    }
