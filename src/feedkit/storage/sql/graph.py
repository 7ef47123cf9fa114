"""Associations between users, each beside its inverse row."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from feedkit.codec import decode, encode
from feedkit.ids import MAX_ID
from feedkit.idset import Ids
from feedkit.model import Assoc
from feedkit.storage.sql.dialects import Dialect
from feedkit.storage.sql.prepared import Row, Tx
from feedkit.storage.sql.tables import Tables
from feedkit.visibility import Relations, Tie, relations_of

_TIES: dict[str, Tie] = {
    Assoc.FOLLOWS: Tie.FOLLOWS,
    Assoc.BLOCKS: Tie.BLOCKED,
    Assoc.BLOCKED_BY: Tie.BLOCKED,
    Assoc.MUTES: Tie.MUTES,
    Assoc.FRIENDS: Tie.FRIENDS,
}
_DATA_SCHEMA = 1
NO_REPOSTS = 1
"""A bit in the data of a follow."""
_DONE = (Assoc.FOLLOWS, Assoc.REQUESTS, Assoc.FRIENDS, Assoc.MUTES)
_BLOCKS = (Assoc.BLOCKS, Assoc.BLOCKED_BY)


class SqlGraph:
    """See `feedkit.storage.base.GraphStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        links = tables.associations
        self._dialect = dialect
        prepare = dialect.prepare
        there = ["id1=from_id", "kind=of_kind", "id2=to_id", "time=now_ms", "data"]
        back = ["id1=to_id", "kind=inverse", "id2=from_id", "time=now_ms", "data"]
        self._add = prepare(dialect.insert(links, there, back).on_conflict_do_nothing())
        self._remove = prepare(_remove_both(links))

        of_one = links.c.id1 == sa.bindparam("from_id")
        of_kind = of_one & (links.c.kind == sa.bindparam("of_kind"))
        blocks = of_one & _is_one_of(links.c.kind, _BLOCKS)
        self._blocked = prepare(
            sa.select(sa.literal(1)).where(blocks & (links.c.id2 == sa.bindparam("to_id")))
        )
        done = of_one & _is_one_of(links.c.kind, _DONE) & (links.c.id2 == sa.bindparam("to_id"))
        self._between = prepare(sa.select(links.c.kind, links.c.time, links.c.data).where(done))
        some = sa.select(links.c.id2).where(of_kind).limit(sa.bindparam("at_most")).subquery()
        self._count = prepare(sa.select(sa.func.count()).select_from(some))
        relations = of_one & _is_one_of(links.c.kind, [*_TIES, Assoc.LISTED_IN])
        ties = sa.select(links.c.kind, links.c.id2, links.c.data).where(relations)
        self._relations = prepare(ties)
        self._relations_with = prepare(ties.where(dialect.is_in(links.c.id2, "ids")))
        self._range = prepare(
            sa.select(links.c.id2)
            .where(of_kind & (links.c.id2 > sa.bindparam("after")))
            .order_by(links.c.id2)
            .limit(sa.bindparam("at_most"))
        )
        self._among = prepare(
            sa.select(links.c.id2).where(of_kind & dialect.is_in(links.c.id2, "ids")).order_by(links.c.id2)
        )
        self._audiences = prepare(
            sa.select(links.c.id1, links.c.id2)
            .where(dialect.is_in(links.c.id1, "ids"), links.c.kind == Assoc.FOLLOWED_BY.value)
            .limit(sa.bindparam("at_most"))
        )

    def add(self, tx: Tx, id1: int, kind: Assoc, id2: int, now_ms: int, *, data: int | None = None) -> bool:
        stored = None if data is None else encode(_DATA_SCHEMA, data)
        return self._add.run(tx, {**_pair(id1, kind, id2), "now_ms": now_ms, "data": stored}) > 0

    def remove(self, tx: Tx, id1: int, kind: Assoc, id2: int) -> bool:
        return self._remove.run(tx, _pair(id1, kind, id2)) > 0

    def lock_pair(self, tx: Tx, id1: int, id2: int) -> None:
        self._dialect.lock(tx, f"pair:{min(id1, id2)}:{max(id1, id2)}")

    def is_blocked(self, tx: Tx, id1: int, id2: int) -> bool:
        return self._blocked.first(tx, {"from_id": id1, "to_id": id2}) is not None

    def between(self, tx: Tx, id1: int, id2: int) -> dict[Assoc, tuple[int, int | None]]:
        rows = self._between.rows(tx, {"from_id": id1, "to_id": id2})
        return {Assoc(kind): (time, None if data is None else decode_data(data)) for kind, time, data in rows}

    def count(self, tx: Tx, id1: int, kind: Assoc, at_most: int) -> int:
        return int(self._count.scalar(tx, {"from_id": id1, "of_kind": kind.value, "at_most": at_most}))

    def relations(self, tx: Tx, viewer_id: int, now_ms: int) -> Relations:
        return _folded(viewer_id, self._relations.rows(tx, {"from_id": viewer_id}), now_ms)

    def relations_with(self, tx: Tx, viewer_id: int, others: Sequence[int], now_ms: int) -> Relations:
        some = {"from_id": viewer_id, "ids": self._dialect.bind_ids(others)}
        return _folded(viewer_id, self._relations_with.rows(tx, some), now_ms)

    def range(self, tx: Tx, id1: int, kind: Assoc, after: int, limit: int) -> Ids:
        chunk = {"from_id": id1, "of_kind": kind.value, "after": after, "at_most": limit}
        return np.array(self._range.column(tx, chunk), dtype=np.int64)

    def among(self, tx: Tx, id1: int, kind: Assoc, others: Ids) -> Ids:
        pairs = {"from_id": id1, "of_kind": kind.value, "ids": self._dialect.bind_ids(others)}
        return np.array(self._among.column(tx, pairs), dtype=np.int64)

    def small_audiences(self, tx: Tx, authors: Sequence[int], limit: int) -> list[Row] | None:
        pairs = self._audiences.rows(tx, {"ids": self._dialect.bind_ids(authors), "at_most": limit + 1})
        return None if len(pairs) > limit else pairs


def _folded(viewer_id: int, rows: Iterable[Row], now_ms: int) -> Relations:
    held: dict[Tie, list[int]] = {tie: [] for tie in Tie}
    lists: list[int] = []
    until_ms = MAX_ID
    for kind, other, data in rows:
        if kind == Assoc.LISTED_IN:
            lists.append(other)
            continue
        if data is not None:
            given = decode_data(data)
            if kind == Assoc.MUTES and given <= now_ms:
                continue
            if kind == Assoc.MUTES:
                until_ms = min(until_ms, given)
            elif kind == Assoc.FOLLOWS and given & NO_REPOSTS:
                held[Tie.NO_REPOSTS].append(other)
        held[_TIES[kind]].append(other)
    return relations_of(viewer_id, held, lists=lists, until_ms=until_ms)


def decode_data(data: bytes) -> int:
    """The number beside an association; 0 where it cannot be read."""
    value = decode(_DATA_SCHEMA, bytes(data))
    return value if isinstance(value, int) else 0


def _pair(id1: int, kind: Assoc, id2: int) -> dict[str, Any]:
    return {"from_id": id1, "of_kind": kind.value, "inverse": kind.inverse.value, "to_id": id2}


def _is_one_of(column: sa.Column[str], kinds: Iterable[str]) -> Any:
    """Spelt out, since an IN is completed at every execution."""
    return sa.or_(*(column == str(kind) for kind in kinds))


def _remove_both(links: sa.Table) -> Any:
    there, back = (
        (links.c.id1 == sa.bindparam(id1))
        & (links.c.kind == sa.bindparam(kind))
        & (links.c.id2 == sa.bindparam(id2))
        for id1, kind, id2 in (("from_id", "of_kind", "to_id"), ("to_id", "inverse", "from_id"))
    )
    return links.delete().where(there | back)
