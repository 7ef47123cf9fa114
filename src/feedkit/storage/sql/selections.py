"""Feeds that are asked for each time: tags, threads, the parts of a profile."""

from collections.abc import Mapping, Set
from typing import Any

import sqlalchemy as sa

from feedkit.model import Audience, Post
from feedkit.storage.selections import Part, Span
from feedkit.storage.sql.dialects import Dialect
from feedkit.storage.sql.events import published_by_events
from feedkit.storage.sql.prepared import Tx
from feedkit.storage.sql.tables import Tables, part_index, parts_of_profiles, posts_that_stand


class SqlSelections:
    """See `feedkit.storage.selections.SelectionStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        posts, tags, media = tables.posts, tables.post_tags, tables.post_media
        stands = posts_that_stand(posts)
        late = posts.c.id.in_(published_by_events(tables.events, dialect))
        under_tag = (
            (tags.c.tag == sa.bindparam("tag"))
            & (posts.c.id == tags.c.post_id)
            & (posts.c.audience == Audience.PUBLIC.value)
        )
        self._tagged = _Selection(dialect, tags.c.position, under_tag & stands, late)
        by_author = posts.c.author_id == sa.bindparam("author")
        self._parts = {
            part: _Selection(
                dialect,
                posts.c.position,
                by_author & belongs & stands,
                late,
                index=part_index(posts.name, part),
            )
            for part, belongs in parts_of_profiles(posts).items()
        }
        self._showing = {
            name: _Selection(dialect, posts.c.position, _shows(posts, media, name) & stands, late)
            for name in ("url", "content_hash")
        }
        answers = posts.c.reply_to == sa.bindparam("post_id")
        self._replies = _Selection(dialect, posts.c.position, answers & stands, late, ascending=True)
        shares = (posts.c.repost_of == sa.bindparam("post_id")) & by_author & stands
        self._repost_by = dialect.prepare(sa.select(posts.c.id).where(shares).order_by(posts.c.id).limit(1))
        self._ancestors = dialect.prepare(_ancestors(posts))

    def tagged(self, tx: Tx, tag: str, span: Span) -> list[int]:
        return self._tagged.of(tx, {"tag": tag}, span)

    def part(self, tx: Tx, author_id: int, part: Part, span: Span) -> list[int]:
        return self._parts[part].of(tx, {"author": author_id}, span)

    def showing(self, tx: Tx, column: str, value: str, span: Span) -> list[int]:
        return self._showing[column].of(tx, {"value": value}, span)

    def replies(self, tx: Tx, post_id: int, span: Span) -> list[int]:
        return self._replies.of(tx, {"post_id": post_id}, span)

    def repost_by(self, tx: Tx, author_id: int, post_id: int) -> int | None:
        found: int | None = self._repost_by.scalar(tx, {"author": author_id, "post_id": post_id})
        return found

    def ancestors(self, tx: Tx, post_id: int, at_most: int) -> list[int]:
        return self._ancestors.column(tx, {"post_id": post_id, "at_most": at_most})


class SqlTags:
    """See `feedkit.storage.selections.TagStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        tags = tables.post_tags
        new = dialect.insert(tags, ["tag", "position", "post_id"])
        self._add = dialect.prepare(new.on_conflict_do_nothing())
        this = (tags.c.tag == sa.bindparam("of_tag")) & (tags.c.position == sa.bindparam("at"))
        self._remove = dialect.prepare(tags.delete().where(this))

    def change(self, tx: Tx, post: Post, gone: Set[str], new: Set[str]) -> None:
        if gone:
            self._remove.run_many(tx, [{"of_tag": tag, "at": post.position} for tag in sorted(gone)])
        if new:
            row = {"position": post.position, "post_id": post.id}
            self._add.run_many(tx, [{"tag": tag, **row} for tag in sorted(new)])


class _Selection:
    """The positions that meet a condition, as two statements: all of them, and those that were published late."""

    def __init__(
        self,
        dialect: Dialect,
        position: sa.Column[int],
        condition: Any,
        late: Any,
        *,
        ascending: bool = False,
        index: str = "",
    ) -> None:
        span = (position < sa.bindparam("before")) & (position >= sa.bindparam("floor"))
        chosen = sa.select(position).where(condition, span)
        ordered = chosen.order_by(position if ascending else position.desc()).limit(sa.bindparam("at_most"))
        # SQLite takes any of several indexes that would do, also one that holds far more than what is looked for.
        hinted = ordered.with_hint(position.table, f'INDEXED BY "{index}"', "sqlite") if index else ordered
        self._all = dialect.prepare(hinted)
        self._late = dialect.prepare(ordered.where(late))

    def of(self, tx: Tx, which: Mapping[str, Any], span: Span) -> list[int]:
        bounds = {**which, "before": span.before, "floor": span.floor, "at_most": span.limit}
        if span.late is None:
            return self._all.column(tx, bounds)
        above, up_to = span.late
        return self._late.column(tx, {**bounds, "above": above, "up_to": up_to})


def _shows(posts: sa.Table, media: sa.Table, column: str) -> Any:
    return posts.c.id.in_(sa.select(media.c.post_id).where(media.c[column] == sa.bindparam("value")))


def _ancestors(posts: sa.Table) -> Any:
    start = sa.select(posts.c.reply_to.label("id"), sa.literal_column("1").label("depth")).where(
        posts.c.id == sa.bindparam("post_id"), posts.c.reply_to.is_not(None)
    )
    chain = start.cte("chain", recursive=True)
    above = sa.select(posts.c.reply_to, chain.c.depth + sa.literal_column("1")).where(
        posts.c.id == chain.c.id, posts.c.reply_to.is_not(None), chain.c.depth < sa.bindparam("at_most")
    )
    chain = chain.union_all(above)
    return sa.select(chain.c.id).order_by(chain.c.depth)
