"""Counters that grow by deltas."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from feedkit.storage.base import COUNTED
from feedkit.storage.sql.dialects import Dialect
from feedkit.storage.sql.prepared import Tx
from feedkit.storage.sql.tables import Tables


class SqlCounts:
    """See `feedkit.storage.base.CountStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        counts = tables.counts
        insert = dialect.insert(counts, ["object_id", "kind", "value"])
        self._add = dialect.prepare(
            insert.on_conflict_do_update(
                index_elements=[counts.c.object_id, counts.c.kind],
                set_={"value": counts.c.value + insert.excluded.value},
            )
        )
        self._bind = dialect.bind_ids
        some = sa.select(counts).where(dialect.is_in(counts.c.object_id, "ids"))
        self._get_many = dialect.prepare(some)

    def add(self, tx: Tx, deltas: Mapping[tuple[int, str], int]) -> None:
        rows = [
            {"object_id": object_id, "kind": str(kind), "value": delta}
            for (object_id, kind), delta in sorted(deltas.items())  # one order everywhere: no deadlocks
            if delta or kind == COUNTED
        ]
        if rows:
            self._add.run_many(tx, rows)

    def get_many(self, tx: Tx, object_ids: Sequence[int]) -> dict[int, dict[str, int]]:
        found: dict[int, dict[str, int]] = {}
        for object_id, kind, value in self._get_many.rows(tx, {"ids": self._bind(object_ids)}):
            found.setdefault(object_id, {})[kind] = value
        return found
