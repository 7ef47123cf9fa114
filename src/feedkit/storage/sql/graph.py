"""Associations between users, each beside its inverse row."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from feedkit.codec import decode, encode
from feedkit.ids import MAX_ID
from feedkit.idset import Ids
from feedkit.model import Assoc, has_lapsed
from feedkit.relations import Relations, Tie, no_relations, relations_of
from feedkit.storage.relating import NO_REPOSTS, Place
from feedkit.storage.sql.dialects import Dialect
from feedkit.storage.sql.prepared import Row, Tx
from feedkit.storage.sql.tables import Tables

_TIES: dict[str, Tie] = {
    Assoc.FOLLOWS: Tie.FOLLOWS,
    Assoc.BLOCKS: Tie.BLOCKED,
    Assoc.BLOCKED_BY: Tie.BLOCKED,
    Assoc.MUTES: Tie.MUTES,
    Assoc.FRIENDS: Tie.FRIENDS,
}
_DATA_SCHEMA = 1
GATE = "graph"
"""The lock of whoever changes very many relations at once; those who change one are within it."""
_DONE = (Assoc.FOLLOWS, Assoc.REQUESTS, Assoc.FRIENDS, Assoc.MUTES)
_BLOCKS = (Assoc.BLOCKS, Assoc.BLOCKED_BY)
_BETWEEN_USERS = [
    kind
    for one in (Assoc.FOLLOWS, Assoc.REQUESTS, Assoc.ASKS, Assoc.FRIENDS, Assoc.BLOCKS, Assoc.MUTES)
    for kind in dict.fromkeys((one, one.inverse))
]


class SqlGraph:
    """See `feedkit.storage.relating.GraphStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        links = tables.associations
        self._dialect = dialect
        prepare = dialect.prepare
        there = ["id1=from_id", "kind=of_kind", "id2=to_id", "time=now_ms", "data"]
        back = ["id1=to_id", "kind=inverse", "id2=from_id", "time=now_ms", "data"]
        self._add = prepare(dialect.insert(links, there, back).on_conflict_do_nothing())
        both = _both_rows(links)
        self._remove = prepare(links.delete().where(both))
        self._change = prepare(links.update().where(both).values(data=sa.bindparam("new_data")))

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
        self._relations_with_one = prepare(ties.where(links.c.id2 == sa.bindparam("to_id")))
        self._range = prepare(
            sa.select(links.c.id2)
            .where(of_kind & (links.c.id2 > sa.bindparam("after")))
            .order_by(links.c.id2)
            .limit(sa.bindparam("at_most"))
        )
        self._newest = prepare(_newest(links, of_kind, links.c.time))
        # No index gives the order here: planners would walk all of a long list for the few that are asked for.
        some_ends = of_kind & dialect.is_in(links.c.id2, "ids")
        self._newest_among = prepare(_newest(links, some_ends, links.c.time + sa.literal_column("0")))
        self._newest_of_each = prepare(_newest_of_each(links, dialect))
        between = of_one & _is_one_of(links.c.kind, _BETWEEN_USERS) & dialect.is_in(links.c.id2, "ids")
        self._between_many = prepare(sa.select(links.c.id2, links.c.kind, links.c.data).where(between))
        self._with_data = prepare(
            sa.select(links.c.id2, links.c.data)
            .where(of_kind & links.c.data.is_not(None))
            .order_by(links.c.id2)
        )
        self._among = prepare(
            sa.select(links.c.id2).where(of_kind & dialect.is_in(links.c.id2, "ids")).order_by(links.c.id2)
        )
        self._audiences = prepare(
            sa.select(links.c.id1, links.c.id2)
            .where(dialect.is_in(links.c.id1, "ids"), links.c.kind == Assoc.FOLLOWED_BY.value)
            .limit(sa.bindparam("at_most"))
        )

    def add(self, tx: Tx, id1: int, kind: Assoc, id2: int, now_ms: int, *, data: int = 0) -> bool:
        row = {**_pair(id1, kind, id2), "now_ms": now_ms, "data": _encode_data(data)}
        return self._add.run(tx, row) > 0

    def add_many(self, tx: Tx, id1: int, kind: Assoc, others: Ids, now_ms: int) -> Ids:
        new = np.setdiff1d(others, self.among(tx, id1, kind, others))
        rows = [{**_pair(id1, kind, id2), "now_ms": now_ms, "data": None} for id2 in new.tolist()]
        if rows:
            self._add.run_many(tx, rows)
        return new

    def change(self, tx: Tx, id1: int, kind: Assoc, id2: int, data: int) -> None:
        self._change.run(tx, {**_pair(id1, kind, id2), "new_data": _encode_data(data)})

    def remove(self, tx: Tx, id1: int, kind: Assoc, id2: int) -> bool:
        return self._remove.run(tx, _pair(id1, kind, id2)) > 0

    def remove_many(self, tx: Tx, id1: int, kind: Assoc, others: Ids) -> Ids:
        there = self.among(tx, id1, kind, others)
        if len(there):
            self._remove.run_many(tx, [_pair(id1, kind, id2) for id2 in there.tolist()])
        return there

    def lock_pair(self, tx: Tx, id1: int, id2: int) -> None:
        self._dialect.lock_within(tx, GATE, f"pair:{min(id1, id2)}:{max(id1, id2)}")

    def lock_kind(self, tx: Tx, id1: int, kind: Assoc) -> None:
        self._dialect.lock(tx, f"{kind}:{id1}")

    def between_many(self, tx: Tx, id1: int, others: Ids) -> dict[int, dict[Assoc, int]]:
        held: dict[int, dict[Assoc, int]] = {int(other): {} for other in others}
        bound = {"from_id": id1, "ids": self._dialect.bind_ids(others)}
        for id2, kind, data in self._between_many.rows(tx, bound):
            held[id2][Assoc(kind)] = decode_data(data)
        return held

    def lapsed_mutes(self, tx: Tx, id1: int, now_ms: int) -> Ids:
        mutes = self._with_data.rows(tx, {"from_id": id1, "of_kind": Assoc.MUTES.value})
        return np.array([id2 for id2, data in mutes if has_lapsed(decode_data(data), now_ms)], dtype=np.int64)

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
        if len(others) == 1:
            one = {"from_id": viewer_id, "to_id": int(others[0])}
            return _folded(viewer_id, self._relations_with_one.rows(tx, one), now_ms)
        some = {"from_id": viewer_id, "ids": self._dialect.bind_ids(others)}
        return _folded(viewer_id, self._relations_with.rows(tx, some), now_ms)

    def range(self, tx: Tx, id1: int, kind: Assoc, after: int, limit: int) -> Ids:
        chunk = {"from_id": id1, "of_kind": kind.value, "after": after, "at_most": limit}
        return np.array(self._range.column(tx, chunk), dtype=np.int64)

    def newest(
        self, tx: Tx, id1: int, kind: Assoc, before: Place, limit: int, among: Ids | None = None
    ) -> list[Place]:
        bound = {"from_id": id1, "of_kind": kind.value, "at_most": limit}
        bound |= {"before_time": before[0], "before_id": before[1]}
        if among is None:
            return self._newest.rows(tx, bound)
        return self._newest_among.rows(tx, {**bound, "ids": self._dialect.bind_ids(among)})

    def newest_of_each(self, tx: Tx, those: Ids, kind: Assoc, each: int) -> list[int]:
        bound = {"ids": self._dialect.bind_ids(those), "of_kind": kind.value, "each": each}
        return self._newest_of_each.column(tx, bound)

    def among(self, tx: Tx, id1: int, kind: Assoc, others: Ids) -> Ids:
        pairs = {"from_id": id1, "of_kind": kind.value, "ids": self._dialect.bind_ids(others)}
        return np.array(self._among.column(tx, pairs), dtype=np.int64)

    def small_audiences(self, tx: Tx, authors: Sequence[int], limit: int) -> list[Row] | None:
        pairs = self._audiences.rows(tx, {"ids": self._dialect.bind_ids(authors), "at_most": limit + 1})
        return None if len(pairs) > limit else pairs


def _folded(viewer_id: int, rows: Sequence[Row], now_ms: int) -> Relations:
    if not rows:
        return no_relations(viewer_id)
    held: defaultdict[Tie, list[int]] = defaultdict(list)
    lists: list[int] = []
    until_ms = MAX_ID
    for kind, other, data in rows:
        if kind == Assoc.LISTED_IN:
            lists.append(other)
            continue
        if data is not None:
            given = decode_data(data)
            if kind == Assoc.MUTES:
                if has_lapsed(given, now_ms):
                    continue
                until_ms = min(until_ms, given or MAX_ID)
            elif kind == Assoc.FOLLOWS and given & NO_REPOSTS:
                held[Tie.NO_REPOSTS].append(other)
        held[_TIES[kind]].append(other)
    return relations_of(viewer_id, held, lists=lists, until_ms=until_ms)


def _encode_data(data: int) -> bytes | None:
    return encode(_DATA_SCHEMA, data) if data else None


def decode_data(data: bytes | None) -> int:
    """The number beside an association; 0 where there is none, or none that can be read."""
    value = None if data is None else decode(_DATA_SCHEMA, bytes(data))
    return value if isinstance(value, int) else 0


def _pair(id1: int, kind: Assoc, id2: int) -> dict[str, Any]:
    return {"from_id": id1, "of_kind": kind.value, "inverse": kind.inverse.value, "to_id": id2}


def _newest(links: sa.Table, condition: Any, time: Any) -> Any:
    """(time, id2) of the newest `:at_most` below `:before_time` and `:before_id`."""
    below = sa.tuple_(time, links.c.id2) < sa.tuple_(sa.bindparam("before_time"), sa.bindparam("before_id"))
    newest_first = sa.select(links.c.time, links.c.id2).where(condition & below)
    return newest_first.order_by(time.desc(), links.c.id2.desc()).limit(sa.bindparam("at_most"))


def _is_one_of(column: sa.Column[str], kinds: Iterable[str]) -> Any:
    """Spelt out, since an IN is completed at every execution."""
    return sa.or_(*(column == str(kind) for kind in kinds))


def _both_rows(links: sa.Table) -> Any:
    there, back = (
        (links.c.id1 == sa.bindparam(id1))
        & (links.c.kind == sa.bindparam(kind))
        & (links.c.id2 == sa.bindparam(id2))
        for id1, kind, id2 in (("from_id", "of_kind", "to_id"), ("to_id", "inverse", "from_id"))
    )
    return there | back


def _newest_of_each(links: sa.Table, dialect: Dialect) -> Any:
    """The other ends of the newest `:each` associations of every one of `:ids`."""
    those, one = dialect.id_rows("ids"), links.alias("one")
    newest = (
        sa.select(one.c.id2)
        .where(one.c.id1 == those.c.value, one.c.kind == sa.bindparam("of_kind"))
        .order_by(one.c.time.desc(), one.c.id2.desc())
        .limit(sa.bindparam("each"))
    )
    if dialect.name == "postgresql":
        each = newest.lateral("each_one")
        return sa.select(each.c.id2).select_from(those.join(each, sa.true()))
    # SQLite has no LATERAL; a correlated IN on the key is planned as the same nested loop.
    of_one = (links.c.id1 == those.c.value) & (links.c.kind == sa.bindparam("of_kind"))
    return sa.select(links.c.id2).select_from(
        those.join(links, of_one & links.c.id2.in_(newest.correlate(those)))
    )
