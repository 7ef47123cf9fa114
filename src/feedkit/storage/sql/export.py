"""Walks over the tables that hold what people made, in the order of their keys."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from feedkit.storage.exporting import Row
from feedkit.storage.selections import WHOLE
from feedkit.storage.sql.dialects import Dialect
from feedkit.storage.sql.graph import decode_data
from feedkit.storage.sql.prepared import Tx
from feedkit.storage.sql.tables import Tables, drafts, parts_of_profiles, posts_that_stand, posts_withdrawn

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
            noun: dialect.prepare(_walk(table, list(table.primary_key), sa.true()))
            for noun, table in self._tables.items()
        }
        self._bind = dialect.bind_ids
        self._parts = {
            part: (dialect.prepare(_walk(table, key, theirs)), key)
            for part, (table, key, theirs) in _parts(tables, dialect).items()
        }

    def after(self, tx: Tx, noun: str, last: Row | None, limit: int) -> list[Row]:
        key = list(self._tables[noun].primary_key)
        rows = self._of_all[noun].rows(tx, {**_behind(key, last), "at_most": limit})
        return _as_rows(self._tables[noun], rows)

    def part_after(
        self, tx: Tx, part: str, whose: int | Sequence[int], last: Row | None, limit: int, *, before: int
    ) -> list[Row]:
        statement, key = self._parts[part]
        bound = {"whose": whose} if isinstance(whose, int) else {"ids": self._bind(whose)}
        rows = statement.rows(tx, {**_behind(key, last), **bound, "before": before, "at_most": limit})
        return _as_rows(key[0].table, rows)


def _behind(key: Sequence[sa.Column[Any]], last: Row | None) -> dict[str, Any]:
    return {
        f"last_{column.name}": _LOWEST[column.type.python_type] if last is None else last[column.name]
        for column in key
    }


def _as_rows(table: Any, rows: Sequence[tuple[Any, ...]]) -> list[Row]:
    names = [column.name for column in table.columns]
    found: list[Row] = [dict(zip(names, row, strict=True)) for row in rows]
    return [_decoded(row) for row in found] if "id1" in names else found


def _decoded(relation: Row) -> Row:
    data = relation["data"]
    return {**relation, "data": None if data is None else decode_data(data)}


def _walk(table: sa.Table, key: Sequence[sa.Column[Any]], condition: Any) -> Any:
    last = [sa.bindparam(f"last_{column.name}", type_=column.type) for column in key]
    further = sa.tuple_(*key) > sa.tuple_(*last) if len(key) > 1 else key[0] > last[0]
    return sa.select(table).where(further, condition).order_by(*key).limit(sa.bindparam("at_most"))


def _parts(tables: Tables, dialect: Dialect) -> dict[str, tuple[sa.Table, list[sa.Column[Any]], Any]]:
    """Of each part its table, the order in which it is walked, and what belongs to it: what an index holds in order."""
    whose: Any = sa.bindparam("whose")
    users, lists, posts, comments = tables.users, tables.lists, tables.posts, tables.comments
    links, media, revisions = tables.associations, tables.post_media, tables.post_revisions
    theirs = posts.c.author_id == whose
    standing = posts_that_stand(posts) & (posts.c.position < sa.bindparam("before"))
    profiles = parts_of_profiles(posts)
    return {
        "user": (users, [users.c.id], users.c.id == whose),
        "list": (lists, [lists.c.name], lists.c.owner_id == whose),
        "relation": (links, [links.c.kind, links.c.id2], links.c.id1 == whose),
        "draft": (posts, [posts.c.id], theirs & drafts(posts)),
        "withdrawn": (posts, [posts.c.id], theirs & posts_withdrawn(posts)),
        **{part: (posts, [posts.c.position], theirs & standing & profiles[part]) for part in WHOLE},
        "media": (media, list(media.primary_key), dialect.is_in(media.c.post_id, "ids")),
        "revision": (revisions, list(revisions.primary_key), dialect.is_in(revisions.c.post_id, "ids")),
        "comment": (comments, [comments.c.id], comments.c.author_id == whose),
    }
