"""Deliveries over large audiences: what they are, and who has which chunk of them."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from feedkit.ids import MAX_ID
from feedkit.model import Assoc
from feedkit.storage.chunks import Chunk, Large, LargeKind
from feedkit.storage.sql.dialects import Dialect, columns
from feedkit.storage.sql.prepared import Tx
from feedkit.storage.sql.tables import Tables

_CUT = ("chunks", "cut_to")
_KNOWN = (LargeKind.PUSH, LargeKind.PURGE)


class SqlChunks:
    """See `feedkit.storage.chunks.ChunkStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        large, chunks, links = tables.deliveries, tables.chunks, tables.associations
        prepare, now = dialect.prepare, dialect.now_ms()
        begin = dialect.insert(large, [*Large._fields, "cut_to"])
        self._begin = prepare(begin.on_conflict_do_nothing(index_elements=[large.c.number]))
        oldest_first = sa.select(*columns(large, Large._fields)).order_by(large.c.number)
        self._under_way = prepare(oldest_first)
        one = large.c.number == sa.bindparam("of_number")
        self._one = prepare(oldest_first.where(one))
        undone = chunks.c.done == sa.literal_column("0")
        lease: dict[str, Any] = {
            "owner": sa.bindparam("new_owner"),
            "until_ms": now + sa.bindparam("lease_ms", type_=sa.BigInteger),
        }
        known = sa.or_(*(large.c.kind == sa.literal_column(f"'{kind}'") for kind in _KNOWN))
        of_known = sa.exists().where(large.c.number == chunks.c.number, known)
        left = sa.select(chunks.c.number, chunks.c.nth).where(undone, chunks.c.until_ms < now, of_known)
        left = left.order_by(chunks.c.number, chunks.c.nth).limit(sa.literal_column("1"))
        self._left = prepare(left.with_for_update(skip_locked=True))
        that = (chunks.c.number == sa.bindparam("of_number")) & (chunks.c.nth == sa.bindparam("of_nth"))
        claimed = chunks.update().where(that).values(**lease, tries=chunks.c.tries + sa.literal_column("1"))
        self._claim = prepare(claimed.returning(chunks.c.after_id, chunks.c.up_to_id, chunks.c.tries))
        # Whoever comes while somebody cuts waits for that moment: there is more to be cut.
        uncut = oldest_first.add_columns(large.c.cut_to).where(large.c.cut_to < sa.bindparam("everybody"))
        self._uncut = prepare(uncut.where(known).limit(sa.literal_column("1")).with_for_update())
        self._cut = prepare(
            large.update().where(one).values({name: sa.bindparam(f"new_{name}") for name in _CUT})
        )
        fields = ["number", "nth", "after_id", "up_to_id", "owner", "tries", "done"]
        self._add = prepare(dialect.insert(chunks, fields).values(until_ms=lease["until_ms"]))
        followers = sa.select(links.c.id2).where(
            links.c.id1 == sa.bindparam("author"),
            links.c.kind == Assoc.FOLLOWED_BY.value,
            links.c.id2 > sa.bindparam("after"),
        )
        nth = followers.order_by(links.c.id2).limit(sa.literal_column("1")).offset(sa.bindparam("passed"))
        self._nth_follower = prepare(nth)
        mine = that & (chunks.c.owner == sa.bindparam("of_owner")) & undone
        self._renew = prepare(chunks.update().where(mine).values(until_ms=lease["until_ms"]))
        self._release = prepare(chunks.update().where(mine).values(until_ms=0))
        self._done = prepare(chunks.update().where(mine).values(done=1))
        open_chunk = sa.exists().where(chunks.c.number == large.c.number, undone)
        all_cut = large.c.cut_to >= sa.bindparam("everybody")
        self._finished = prepare(oldest_first.where(all_cut, ~open_chunk, known))
        of_delivery = chunks.c.number == sa.bindparam("of_number")
        self._remove_chunks = prepare(chunks.delete().where(of_delivery))
        self._remove = prepare(large.delete().where(one))
        self._redo = prepare(chunks.update().where(of_delivery).values(done=0, until_ms=0))
        held = sa.select(chunks.c.owner).where(chunks.c.number == large.c.number, undone)
        first = held.order_by(chunks.c.nth).limit(sa.literal_column("1")).scalar_subquery()
        self._waiting = prepare(oldest_first.add_columns(sa.func.coalesce(first, "")))

    def begin(self, tx: Tx, large: Large) -> None:
        self._begin.run(tx, {**large._asdict(), "kind": large.kind.value, "cut_to": 0})

    def under_way(self, tx: Tx) -> list[Large]:
        return [_large(row) for row in self._under_way.rows(tx)]

    def claim(self, tx: Tx, owner: str, *, lease_ms: int, followers: int) -> Chunk | None:
        lease = {"new_owner": owner, "lease_ms": lease_ms}
        left = self._left.first(tx)
        if left is None:
            return self._cut_next(tx, owner, lease_ms, followers)
        number, nth = left
        rows = self._claim.first(tx, {"of_number": number, "of_nth": nth, **lease})
        found = self._one.first(tx, {"of_number": number})
        if rows is None or found is None:
            return None
        after_id, up_to_id, tries = rows
        return Chunk(_large(found), nth, after_id, up_to_id, owner, tries)

    def renew(self, tx: Tx, chunk: Chunk, lease_ms: int) -> bool:
        return self._renew.run(tx, {**_mine(chunk), "lease_ms": lease_ms}) > 0

    def release(self, tx: Tx, chunk: Chunk) -> None:
        self._release.run(tx, _mine(chunk))

    def done(self, tx: Tx, chunk: Chunk) -> bool:
        return self._done.run(tx, _mine(chunk)) > 0

    def finished(self, tx: Tx) -> list[Large]:
        return [_large(row) for row in self._finished.rows(tx, {"everybody": MAX_ID})]

    def remove(self, tx: Tx, number: int) -> None:
        self._remove_chunks.run(tx, {"of_number": number})
        self._remove.run(tx, {"of_number": number})

    def redo(self, tx: Tx, number: int) -> None:
        self._redo.run(tx, {"of_number": number})

    def waiting(self, tx: Tx) -> Sequence[tuple[Large, str]]:
        return [(_large(row), owner) for *row, owner in self._waiting.rows(tx)]

    def _cut_next(self, tx: Tx, owner: str, lease_ms: int, followers: int) -> Chunk | None:
        row = self._uncut.first(tx, {"everybody": MAX_ID})
        if row is None:
            return None
        *fields, after_id = row
        large = _large(fields)
        passed = {"author": large.author_id, "after": after_id, "passed": followers - 1}
        last = self._nth_follower.scalar(tx, passed)
        up_to_id = MAX_ID if last is None else int(last)
        cut = {"new_chunks": large.chunks + 1, "new_cut_to": up_to_id}
        self._cut.run(tx, {"of_number": large.number, **cut})
        chunk = Chunk(large, large.chunks, after_id, up_to_id, owner, 1)
        added = {"number": large.number, "nth": chunk.nth, "after_id": after_id, "up_to_id": up_to_id}
        self._add.run(tx, {**added, "owner": owner, "tries": 1, "done": 0, "lease_ms": lease_ms})
        return chunk


def _large(row: Any) -> Large:
    number, author_id, kind, entries, at, chunks = row
    known = LargeKind(kind) if kind in _KNOWN else LargeKind.UNKNOWN
    return Large(number, author_id, known, bytes(entries), at, chunks)


def _mine(chunk: Chunk) -> dict[str, Any]:
    return {"of_number": chunk.large.number, "of_nth": chunk.nth, "of_owner": chunk.owner}
