"""Posts and their media."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import attrs
import numpy as np
import sqlalchemy as sa

from feedkit.clock import YEAR_1_MS, YEAR_9999_MS
from feedkit.errors import Conflict
from feedkit.ids import MAX_ID
from feedkit.idset import Ids
from feedkit.model import Audience, Entity, Media, MediaStatus, Post, PostStatus
from feedkit.storage.entries import Entries, merge, of_rows
from feedkit.storage.selections import WHOLE, Part
from feedkit.storage.sql.dialects import Dialect, columns
from feedkit.storage.sql.prepared import Prepared, Row, Tx
from feedkit.storage.sql.tables import Tables, parts_of_profiles, posts_moved, posts_that_stand


class _PostRow(NamedTuple):
    """A row of posts, as it is stored."""

    id: int
    position: int | None
    author_id: int
    created_at: int
    kind: str
    schema_version: int
    text: str
    extra: str
    status: str
    audience: str
    ref: str | None
    reply_to: int | None
    media_count: int
    published_at: int | None
    deleted_at: int | None
    edited_at: int | None
    expires_at: int | None
    scheduled_at: int | None
    revision: int
    list_id: int | None
    repost_of: int | None
    quote_of: int | None
    fallback: str | None
    entities: str | None


POST = _PostRow._fields
"""The columns that `SqlPosts.decoded` takes."""
_MEDIA = ("post_id", "ordinal", *(field.name for field in attrs.fields(Media)))


class SqlPosts:
    """See `feedkit.storage.base.PostStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        posts, media = tables.posts, tables.post_media
        self._bind = dialect.bind_ids
        prepare = dialect.prepare
        self._insert = prepare(dialect.insert(posts, [column.name for column in posts.columns]))
        self._insert_media = prepare(dialect.insert(media, [column.name for column in media.columns]))
        self._ref_taken = prepare(sa.select(posts.c.id).where(posts.c.ref == sa.bindparam("ref")))
        whole = sa.select(*columns(posts, POST))
        # One is looked up by itself: to open a list of ids takes SQLite longer than to find the post.
        self._one = prepare(whole.where(posts.c.id == sa.bindparam("post_id")))
        self._by_id = prepare(whole.where(dialect.is_in(posts.c.id, "ids")))
        self._at_their_id = prepare(
            whole.where(dialect.is_in(posts.c.id, "ids"), posts.c.position == posts.c.id)
        )
        self._moved = prepare(whole.where(dialect.is_in(posts.c.position, "ids"), posts_moved(posts)))
        self._media_of = prepare(
            sa.select(*columns(media, _MEDIA))
            .where(dialect.is_in(media.c.post_id, "ids"))
            .order_by(media.c.post_id, media.c.ordinal)
        )
        self._delete = prepare(_delete(posts))
        self._recent = prepare(
            _newest_of_each(posts, dialect, lambda one: posts_that_stand(one) & _goes_to_viewer(one))
        )
        theirs = dialect.is_in(posts.c.author_id, "ids") & (posts.c.repost_of == sa.bindparam("post_id"))
        self._reposts = prepare(
            sa.select(posts.c.position)
            .where(theirs, posts.c.position < sa.bindparam("before"), posts_that_stand(posts))
            .order_by(posts.c.position.desc())
            .limit(sa.bindparam("limit"))
        )
        self._newest_of_each = prepare(_newest_of_each(posts, dialect, posts_that_stand))

    def insert(self, tx: Tx, post: Post) -> None:
        if post.ref is not None and self._ref_taken.first(tx, {"ref": post.ref}):
            raise ref_conflict()
        try:
            self._insert.run(tx, to_row(post))
        except sa.exc.IntegrityError as error:
            if post.ref is None:
                raise
            raise ref_conflict() from error  # another transaction took it after we looked
        if post.media:
            self._insert_media.run_many(tx, media_rows(post.id, post.media))

    def get(self, tx: Tx, post_id: int) -> Post | None:
        posts, _ = self.decoded(tx, self._one.rows(tx, {"post_id": post_id}))
        return posts[0] if posts else None

    def get_many(self, tx: Tx, post_ids: Sequence[int]) -> tuple[list[Post], int]:
        posts, unreadable = self._load(tx, self._by_id, post_ids)
        return posts, len(unreadable)

    def at_positions(self, tx: Tx, positions: Sequence[int]) -> tuple[list[Post], list[int]]:
        posts, unreadable = self._load(tx, self._at_their_id, positions)
        others = {*positions}.difference(unreadable, [post.position for post in posts])
        if others:
            moved, torn = self._load(tx, self._moved, sorted(others))
            return posts + moved, unreadable + torn
        return posts, unreadable

    def delete(self, tx: Tx, post_id: int, author_id: int, now_ms: int) -> tuple[int, Audience] | None:
        row = self._delete.first(tx, {"post_id": post_id, "by_author": author_id, "now_ms": now_ms})
        return None if row is None else (row[0], Audience(row[1]))

    def recent(self, tx: Tx, authors: Ids, *, before: int, floor: int, limit: int, viewer_id: int) -> Entries:
        """Merge the newest few of each author, and ask again only those who may have more above the cut.

        The threshold algorithm of Fagin, Lotem and Naor (2003), with batches.
        """
        found: list[Entries] = []
        each = limit if len(authors) == 1 else min(limit, 4 + 2 * limit // max(len(authors), 1))
        while len(authors):
            bounds = {"before": before, "floor": floor, "each": each, "limit": limit, "viewer": viewer_id}
            part = of_rows(self._recent.rows(tx, {"authors": self._bind(authors), **bounds}))
            found.append(part)
            merged = merge(found)
            cut = int(merged.positions[limit - 1]) if len(merged) >= limit else floor
            authors = _may_have_more(part, each, cut) if each < limit else authors[:0]
            each = min(limit, each * 4)
        return merge(found)[:limit]

    def reposts(self, tx: Tx, post_id: int, authors: Ids, *, before: int, limit: int) -> list[int]:
        bounds = {"post_id": post_id, "before": before, "limit": limit}
        return self._reposts.column(tx, {"ids": self._bind(authors), **bounds})

    def newest_of_each(self, tx: Tx, authors: Ids, each: int) -> Entries:
        bounds = {"before": MAX_ID, "floor": 0, "each": each, "limit": each * len(authors)}
        return of_rows(self._newest_of_each.rows(tx, {"authors": self._bind(authors), **bounds}))

    def _load(self, tx: Tx, statement: Prepared, keys: Sequence[int]) -> tuple[list[Post], list[int]]:
        return self.decoded(tx, statement.rows(tx, {"ids": self._bind(keys)}))

    def decoded(self, tx: Tx, found: Iterable[Row]) -> tuple[list[Post], list[int]]:
        """The posts of rows with the columns `POST`, in their order; the positions of those that are none."""
        rows = [_PostRow(*row) for row in found]
        with_media = [row.id for row in rows if row.media_count]
        media = self._load_media(tx, with_media) if with_media else {}
        posts, unreadable = [], []
        for row in rows:
            try:
                posts.append(_to_post(row, media.get(row.id, ())))
            except (ValueError, TypeError, OverflowError, RecursionError):
                unreadable.append(row.position or 0)
        return posts, unreadable

    def _load_media(self, tx: Tx, post_ids: Sequence[int]) -> dict[int, list[Sequence[Any]]]:
        media: dict[int, list[Sequence[Any]]] = {}
        for post_id, _ordinal, *fields in self._media_of.rows(tx, {"ids": self._bind(post_ids)}):
            media.setdefault(post_id, []).append(fields)
        return media


def _delete(posts: sa.Table) -> Any:
    standing = (
        (posts.c.id == sa.bindparam("post_id"))
        & (posts.c.author_id == sa.bindparam("by_author"))
        & posts.c.deleted_at.is_(None)
    )
    gone = posts.update().where(standing).values(deleted_at=sa.bindparam("now_ms"))
    return gone.returning(posts.c.position, posts.c.audience)


def _newest_of_each(posts: sa.Table, dialect: Dialect, condition: Callable[[sa.FromClause], Any]) -> Any:
    """(position, author_id) of the newest `:each` of every author in `:authors`, the newest `:limit` of all."""
    authors = dialect.id_rows("authors")
    parts = [_positions(posts.alias(part.value), part, authors, condition) for part in WHOLE]
    newest = dialect.highest_of_each(authors, parts, sa.bindparam("each"))
    position = newest.c.value.label("position")
    entries = sa.select(position, authors.c.value).select_from(authors.join(newest, sa.true()))
    return entries.order_by(position.desc()).limit(sa.bindparam("limit"))


def _positions(
    posts: sa.FromClause, part: Part, authors: sa.FromClause, condition: Callable[[sa.FromClause], Any]
) -> sa.Select[Any]:
    span = (posts.c.position < sa.bindparam("before")) & (posts.c.position >= sa.bindparam("floor"))
    theirs = (posts.c.author_id == authors.c.value) & span & condition(posts) & parts_of_profiles(posts)[part]
    return sa.select(posts.c.position.label("value")).where(theirs)


def _goes_to_viewer(posts: sa.FromClause) -> Any:
    return (posts.c.audience != Audience.ONLY_ME.value) | (posts.c.author_id == sa.bindparam("viewer"))


def _may_have_more(part: Entries, each: int, cut: int) -> Ids:
    authors, last, counts = np.unique(part.authors[::-1], return_index=True, return_counts=True)
    oldest = part.positions[::-1][last]
    return authors[(counts >= each) & (oldest > cut)]


def to_row(post: Post) -> dict[str, Any]:
    """A post as it is stored, but for its media."""
    return {
        "id": post.id,
        "position": post.position or None,
        "ref": post.ref,
        "author_id": post.author_id,
        "kind": post.kind,
        "schema_version": post.schema_version,
        "text": post.text,
        "extra": post.extra_json,
        "status": post.status.value,
        "audience": post.audience.value,
        "reply_to": post.reply_to,
        "media_count": len(post.media),
        "created_at": post.created_ms,
        "published_at": post.published_ms,
        "deleted_at": post.deleted_ms,
        "edited_at": post.edited_ms,
        "expires_at": post.expires_ms,
        "scheduled_at": post.scheduled_ms,
        "revision": post.revision,
        "list_id": post.list_id,
        "repost_of": post.repost_of,
        "quote_of": post.quote_of,
        "fallback": post.fallback,
        "entities": entities_to_json(post.entities),
    }


def media_rows(post_id: int, media: Sequence[Media]) -> list[dict[str, Any]]:
    """The media of a post as they are stored."""
    return [{"post_id": post_id, "ordinal": nth, **one.to_dict()} for nth, one in enumerate(media)]


def _to_post(row: _PostRow, media: Iterable[Sequence[Any]]) -> Post:
    if row.extra != "{}" and not isinstance(json.loads(row.extra), dict):
        raise ValueError("extra is not an object")
    return Post(
        id=row.id,
        position=row.position or 0,
        author_id=row.author_id,
        created_ms=_instant(row.created_at),
        kind=row.kind,
        schema_version=row.schema_version,
        text=row.text,
        extra_json=row.extra,
        status=PostStatus(row.status),
        audience=Audience(row.audience),
        ref=row.ref,
        reply_to=row.reply_to,
        media=tuple(_medium(*fields) for fields in media),
        published_ms=_instant_or_none(row.published_at),
        deleted_ms=_instant_or_none(row.deleted_at),
        edited_ms=_instant_or_none(row.edited_at),
        expires_ms=_instant_or_none(row.expires_at),
        scheduled_ms=_instant_or_none(row.scheduled_at),
        revision=row.revision,
        list_id=row.list_id,
        repost_of=row.repost_of,
        quote_of=row.quote_of,
        fallback=row.fallback,
        entities=() if row.entities is None else _entities(row.entities),
    )


def _medium(url: str, *fields: Any) -> Media:
    *others, status = fields
    return attrs.evolve(Media(url, *others), status=MediaStatus(status))


def entities_to_json(entities: Sequence[Entity]) -> str | None:
    """Entities as they are stored beside a text; None for none."""
    if not entities:
        return None
    return json.dumps([attrs.astuple(entity) for entity in entities], ensure_ascii=False)


def _entities(stored: str) -> tuple[Entity, ...]:
    return tuple(Entity(*fields) for fields in json.loads(stored))


def _instant_or_none(ms: int | None) -> int | None:
    return None if ms is None else _instant(ms)


def _instant(ms: int) -> int:
    if not YEAR_1_MS <= ms <= YEAR_9999_MS:
        raise ValueError("not an instant")
    return ms


def ref_conflict() -> Conflict:
    """What to raise where a `ref` is taken."""
    return Conflict(
        "ref is taken by another post of this feed; a ref names one post only, choose another", argument="ref"
    )
