"""Posts as they change: locks, edits, revisions, drafts and what is due."""

import json
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import sqlalchemy as sa

from feedkit.ids import BACKDATED_NODE, EPOCH_MS, MAX_ID, position_of
from feedkit.idset import Ids
from feedkit.model import Media, MediaStatus, Post, Revision
from feedkit.storage.sql.dialects import Dialect, columns
from feedkit.storage.sql.posts import POST, SqlPosts, media_rows, ref_conflict, to_row
from feedkit.storage.sql.prepared import Prepared, Tx
from feedkit.storage.sql.tables import Tables, drafts, posts_moved

_SEQUENCES = 1 << 12
_LAST_SEQUENCE = _SEQUENCES - 1
SCHEDULE = "schedule"
"""The lock of whoever publishes what is due, and takes free positions."""


class SqlLives:
    """See `feedkit.storage.lives.LifeStore`."""

    def __init__(self, tables: Tables, dialect: Dialect, posts: SqlPosts) -> None:
        self._posts, self._dialect = posts, dialect
        table, media, revisions = tables.posts, tables.post_media, tables.post_revisions
        self._table = table
        prepare = dialect.prepare
        whole = sa.select(*columns(table, POST))
        mine = table.c.id == sa.bindparam("post_id")
        self._lock = prepare(whole.where(mine).with_for_update())
        self._changes: dict[tuple[str, ...], Prepared] = {}
        self._drop_media = prepare(media.delete().where(media.c.post_id == sa.bindparam("post_id")))
        self._insert_media = prepare(dialect.insert(media, [column.name for column in media.columns]))
        fields = [column.name for column in revisions.columns]
        self._add_revision = prepare(dialect.insert(revisions, fields))
        self._revisions = prepare(
            sa.select(*columns(revisions, fields[1:]))
            .where(revisions.c.post_id == sa.bindparam("post_id"))
            .order_by(revisions.c.number)
        )
        drafted = drafts(table)
        own = drafted & (table.c.author_id == sa.bindparam("author")) & (table.c.id < sa.bindparam("before"))
        newest_first = whole.where(own).order_by(table.c.id.desc()).limit(sa.bindparam("at_most"))
        self._drafts = prepare(newest_first)
        some = sa.select(table.c.id).where(own).limit(sa.bindparam("at_most")).subquery()
        self._count_drafts = prepare(sa.select(sa.func.count()).select_from(some))
        due = drafted & (table.c.scheduled_at <= sa.bindparam("now_ms"))
        self._due = prepare(
            whole.where(due)
            .order_by(table.c.scheduled_at, table.c.id)
            .limit(sa.bindparam("at_most"))
            .with_for_update(skip_locked=True)
        )
        waits = table.c.scheduled_at.is_not(None)
        self._next_due = prepare(sa.select(sa.func.min(table.c.scheduled_at)).where(waits))
        # Every id is a position, of its own post or of none; others are taken by those that were moved.
        ids, moved = table.c.id, posts_moved(table)
        self._taken = prepare(
            sa.union(
                sa.select(ids).where(dialect.is_in(ids, "ids")),
                sa.select(table.c.position).where(dialect.is_in(table.c.position, "ids"), moved),
            )
        )
        firsts = dialect.id_rows("ids")
        top: sa.BindParameter[int] = sa.bindparam("top")
        self._highest = prepare(
            sa.union_all(
                sa.select(sa.func.max(ids)).where(ids <= top),
                sa.select(sa.func.max(table.c.position)).where(table.c.position <= top, moved),
            )
        )
        last_of_each = (
            sa.select(sa.func.max(column))
            .where(column >= firsts.c.value, column <= firsts.c.value + _LAST_SEQUENCE, condition)
            .scalar_subquery()
            for column, condition in ((ids, sa.true()), (table.c.position, moved))
        )
        self._last_of_each = prepare(sa.select(firsts.c.value, *last_of_each))
        self._by_ref = prepare(whole.where(dialect.is_in_texts(table.c.ref, "refs")))
        lists = tables.lists
        owned = (lists.c.id == sa.bindparam("list_id")) & (lists.c.owner_id == sa.bindparam("user_id"))
        self._owned = prepare(sa.select(sa.literal(1)).where(owned))

    def lock(self, tx: Tx, post_id: int) -> Post | None:
        posts, _ = self._posts.decoded(tx, self._lock.rows(tx, {"post_id": post_id}))
        return posts[0] if posts else None

    def change(self, tx: Tx, before: Post, after: Post) -> None:
        old, new = to_row(before), to_row(after)
        changed = {name: value for name, value in new.items() if value != old[name]}
        if changed:
            statement = self._change(tuple(changed))
            values = {f"new_{name}": value for name, value in changed.items()}
            try:
                statement.run(tx, {"post_id": after.id, **values})
            except sa.exc.IntegrityError as error:
                if "ref" not in changed:
                    raise
                raise ref_conflict() from error
        if after.media != before.media:
            self._drop_media.run(tx, {"post_id": after.id})
            if after.media:
                self._insert_media.run_many(tx, media_rows(after.id, after.media))

    def add_revision(self, tx: Tx, post_id: int, revision: Revision) -> None:
        row = {
            "post_id": post_id,
            "number": revision.number,
            "text": revision.text,
            "media": json.dumps([one.to_dict() for one in revision.media], ensure_ascii=False),
            "extra": revision.extra_json,
            "until": revision.until_ms,
        }
        self._add_revision.run(tx, row)

    def revisions(self, tx: Tx, post_id: int) -> list[Revision]:
        return [
            revision
            for row in self._revisions.rows(tx, {"post_id": post_id})
            if (revision := _revision(*row)) is not None
        ]

    def drafts(self, tx: Tx, author_id: int, before: int, limit: int) -> list[Post]:
        rows = self._drafts.rows(tx, {"author": author_id, "before": before, "at_most": limit})
        return self._posts.decoded(tx, rows)[0]

    def count_drafts(self, tx: Tx, author_id: int, at_most: int) -> int:
        counted = {"author": author_id, "before": MAX_ID, "at_most": at_most}
        return int(self._count_drafts.scalar(tx, counted))

    def claim_due(self, tx: Tx, now_ms: int, limit: int) -> list[Post] | None:
        if not self._dialect.try_lock(tx, SCHEDULE):
            return None
        return self._posts.decoded(tx, self._due.rows(tx, {"now_ms": now_ms, "at_most": limit}))[0]

    def next_due(self, tx: Tx) -> int | None:
        due: int | None = self._next_due.scalar(tx)
        return due

    def free_positions(self, tx: Tx, instants: Sequence[int]) -> list[int]:
        nth = np.arange(len(instants), dtype=np.int64)
        ticks = np.array(instants, dtype=np.int64) * _SEQUENCES
        while True:
            ticks = np.maximum.accumulate(ticks - nth) + nth  # each above the one before
            wanted = _positions(ticks)
            taken = self._among(tx, wanted)
            if not taken:
                found: list[int] = wanted.tolist()
                return found
            crowded = np.unique(np.array(taken, dtype=np.int64) & ~_LAST_SEQUENCE)
            last = self._last_of_each.rows(tx, {"ids": self._dialect.bind_ids(crowded)})
            filled = {first: max(filter(None, (own, moved))) for first, own, moved in last}
            full = np.isin(wanted & ~_LAST_SEQUENCE, crowded)
            least = [filled[first] - first + 1 for first in (wanted[full] & ~_LAST_SEQUENCE).tolist()]
            ticks[full] = np.maximum(ticks[full], ticks[full] // _SEQUENCES * _SEQUENCES + least)

    def _among(self, tx: Tx, wanted: Ids) -> list[int]:
        """Which of these positions, ascending, are taken; most often all are above every one that is."""
        if not len(wanted):
            return []
        highest = max(found or 0 for found in self._highest.column(tx, {"top": int(wanted[-1])}))
        asked = wanted[: wanted.searchsorted(highest, side="right")]
        return sorted(self._taken.column(tx, {"ids": self._dialect.bind_ids(asked)})) if len(asked) else []

    def by_refs(self, tx: Tx, refs: Sequence[str]) -> list[Post]:
        return self._posts.decoded(tx, self._by_ref.rows(tx, {"refs": self._dialect.bind_texts(refs)}))[0]

    def owns_list(self, tx: Tx, user_id: int, list_id: int) -> bool:
        return self._owned.first(tx, {"list_id": list_id, "user_id": user_id}) is not None

    def _change(self, names: tuple[str, ...]) -> Prepared:
        statement = self._changes.get(names)
        if statement is None:
            table = self._table
            mine = table.c.id == sa.bindparam("post_id")
            new: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in names}
            statement = self._changes[names] = self._dialect.prepare(table.update().where(mine).values(new))
        return statement


def _positions(ticks: Ids) -> Ids:
    """The positions of (milliseconds * 4096 + sequence) on the node that is never leased."""
    milliseconds, sequences = np.divmod(ticks, _SEQUENCES)
    first, next_one = (position_of(EPOCH_MS + nth, BACKDATED_NODE) for nth in range(2))
    positions: Ids = first + (milliseconds - EPOCH_MS) * (next_one - first) + sequences
    return positions


def _revision(number: int, text: str, media: str, extra: str, until: int) -> Revision | None:
    """None for one that cannot be decoded, as of later code."""
    try:
        return Revision(number, text, tuple(_medium(one) for one in json.loads(media)), extra, until)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None


def _medium(stored: dict[str, Any]) -> Media:
    known: dict[str, Any] = {field.name: stored.get(field.name) for field in attrs.fields(Media)}
    return Media(**{**known, "status": MediaStatus(stored["status"])})
