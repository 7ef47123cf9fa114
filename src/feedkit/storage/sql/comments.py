"""Comments, in threads."""

import struct
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from feedkit.idset import Ids
from feedkit.model import Comment, Count, UserStatus
from feedkit.storage.engaging import Mark
from feedkit.storage.sql.dialects import Dialect, columns
from feedkit.storage.sql.prepared import Row, Tx
from feedkit.storage.sql.tables import Tables

_COLUMNS = (
    "id",
    "post_id",
    "author_id",
    "created_at",
    "text",
    "parent_id",
    "path",
    "edited_at",
    "deleted_at",
)
_BELOW = b"\xff"  # past every path that goes on, since ids are positive


class SqlComments:
    """See `feedkit.storage.engaging.CommentStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        comments = tables.comments
        self._bind = dialect.bind_ids
        prepare = dialect.prepare
        whole = sa.select(*columns(comments, _COLUMNS))
        self._insert = prepare(dialect.insert(comments, [column.name for column in comments.columns]))
        self._one = prepare(whole.where(comments.c.id == sa.bindparam("comment_id")))
        self._get_many = prepare(whole.where(dialect.is_in(comments.c.id, "ids")))
        standing = (comments.c.id == sa.bindparam("comment_id")) & comments.c.deleted_at.is_(None)
        change = comments.update().where(standing)
        self._edit = prepare(
            change.values(
                text=sa.bindparam("new_text"), edited_at=sa.bindparam("now_ms", type_=sa.BigInteger)
            )
        )
        self._delete = prepare(change.values(deleted_at=sa.bindparam("now_ms", type_=sa.BigInteger)))

        answers = (comments.c.post_id == sa.bindparam("of_post")) & (
            comments.c.parent_id == sa.bindparam("parent")
        )
        at_most: Any = sa.bindparam("at_most")
        newest = answers & (comments.c.id < sa.bindparam("before"))
        self._newest = prepare(whole.where(newest).order_by(comments.c.id.desc()).limit(at_most))
        oldest = answers & (comments.c.id > sa.bindparam("after"))
        self._oldest = prepare(whole.where(oldest).order_by(comments.c.id).limit(at_most))
        ids = sa.select(comments.c.id).where(answers).order_by(comments.c.id.desc())
        self._nth_newest = prepare(ids.limit(1).offset(sa.bindparam("passed_over")))
        self._top = prepare(_top(tables, answers))
        self._answered = prepare(_answered(tables, dialect))

    def insert(self, tx: Tx, comment: Comment) -> None:
        self._insert.run(
            tx,
            {
                "id": comment.id,
                "post_id": comment.post_id,
                "parent_id": comment.parent_id or 0,
                "path": _to_bytes(comment.path),
                "author_id": comment.author_id,
                "text": comment.text,
                "created_at": comment.created_ms,
                "edited_at": None,
                "deleted_at": None,
            },
        )

    def get(self, tx: Tx, comment_id: int) -> Comment | None:
        row = self._one.first(tx, {"comment_id": comment_id})
        return None if row is None else _to_comment(row)

    def get_many(self, tx: Tx, comment_ids: Sequence[int]) -> list[Comment]:
        return [_to_comment(row) for row in self._get_many.rows(tx, {"ids": self._bind(comment_ids)})]

    def edit(self, tx: Tx, comment_id: int, text: str, now_ms: int) -> bool:
        return self._edit.run(tx, {"comment_id": comment_id, "new_text": text, "now_ms": now_ms}) > 0

    def delete(self, tx: Tx, comment_id: int, now_ms: int) -> bool:
        return self._delete.run(tx, {"comment_id": comment_id, "now_ms": now_ms}) > 0

    def newest(self, tx: Tx, post_id: int, parent_id: int, before: int, limit: int) -> list[Comment]:
        some = {"of_post": post_id, "parent": parent_id, "before": before, "at_most": limit}
        return [_to_comment(row) for row in self._newest.rows(tx, some)]

    def oldest(self, tx: Tx, post_id: int, parent_id: int, after: int, limit: int) -> list[Comment]:
        some = {"of_post": post_id, "parent": parent_id, "after": after, "at_most": limit}
        return [_to_comment(row) for row in self._oldest.rows(tx, some)]

    def top(
        self, tx: Tx, post_id: int, parent_id: int, *, lowest: int, before: Mark, limit: int
    ) -> list[tuple[int, Comment]]:
        some = {"of_post": post_id, "parent": parent_id, "lowest": lowest, "at_most": limit}
        ranked = self._top.rows(tx, {**some, "rank": before[0], "before": before[1]})
        return [(row[-1], _to_comment(row[:-1])) for row in ranked]

    def nth_newest(self, tx: Tx, post_id: int, parent_id: int, nth: int) -> int:
        some = {"of_post": post_id, "parent": parent_id, "passed_over": nth - 1}
        return self._nth_newest.scalar(tx, some) or 0

    def answered(self, tx: Tx, comment_ids: Sequence[int], hidden: Ids, now_ms: int) -> set[int]:
        given = {"ids": self._bind(comment_ids), "hidden": self._bind(hidden), "now_ms": now_ms}
        return set(self._answered.column(tx, given))


def _top(tables: Tables, answers: Any) -> Any:
    """The counter alone is looked up for every answer, so that only those of the page are read as a whole."""
    comments, counts = tables.comments, tables.counts
    reactions = (
        sa.select(counts.c.value)
        .where(counts.c.object_id == comments.c.id, counts.c.kind == Count.REACTIONS.value)
        .scalar_subquery()
    )
    ranked = (
        sa.select(comments.c.id, sa.func.coalesce(reactions, 0).label("reactions"))
        .where(answers, comments.c.id >= sa.bindparam("lowest"))
        .subquery("ranked")
    )
    rank: Any = sa.bindparam("rank")
    below = (ranked.c.reactions == rank) & (ranked.c.id < sa.bindparam("before"))
    best = (
        sa.select(ranked)
        .where((ranked.c.reactions < rank) | below)
        .order_by(ranked.c.reactions.desc(), ranked.c.id.desc())
        .limit(sa.bindparam("at_most"))
        .subquery("best")
    )
    return (
        sa.select(*columns(comments, _COLUMNS), best.c.reactions)
        .join(best, best.c.id == comments.c.id)
        .order_by(best.c.reactions.desc(), best.c.id.desc())
    )


def _answered(tables: Tables, dialect: Dialect) -> Any:
    comments, users = tables.comments, tables.users
    below = comments.alias("below")
    paths = sa.LargeBinary()
    end = sa.cast(comments.c.path.concat(sa.literal(_BELOW, paths)), paths)
    now_ms = sa.bindparam("now_ms", type_=sa.BigInteger)
    shown = (
        sa.select(sa.literal(1))
        .join(users, users.c.id == below.c.author_id)
        .where(
            below.c.post_id == comments.c.post_id,
            below.c.path > comments.c.path,
            below.c.path < end,
            below.c.deleted_at.is_(None),
            ~dialect.is_in(below.c.author_id, "hidden"),
            (users.c.status == UserStatus.ACTIVE.value) | (users.c.suspended_until <= now_ms),
        )
        .exists()
    )
    return sa.select(comments.c.id).where(dialect.is_in(comments.c.id, "ids"), shown)


def _to_comment(row: Row) -> Comment:
    comment_id, post_id, author_id, created_ms, text, parent_id, path, edited_ms, deleted_ms = row
    return Comment(
        comment_id,
        post_id,
        author_id,
        created_ms,
        text,
        parent_id or None,
        _to_ids(bytes(path)),
        edited_ms,
        deleted_ms,
    )


def _to_bytes(path: Sequence[int]) -> bytes:
    return struct.pack(f">{len(path)}Q", *path)


def _to_ids(path: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(path) // 8}Q", path)
