"""Counters that grow by deltas."""

from collections.abc import Mapping

import sqlalchemy as sa

from feedkit.model import Count
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
        of_one = sa.select(counts.c.kind, counts.c.value).where(counts.c.object_id == sa.bindparam("of"))
        self._get = dialect.prepare(of_one)

    def add(self, tx: Tx, deltas: Mapping[tuple[int, Count], int]) -> None:
        rows = [
            {"object_id": object_id, "kind": kind.value, "value": delta}
            for (object_id, kind), delta in sorted(deltas.items())  # one order everywhere: no deadlocks
            if delta
        ]
        if rows:
            self._add.run_many(tx, rows)

    def get(self, tx: Tx, object_id: int) -> dict[str, int]:
        return dict(self._get.rows(tx, {"of": object_id}))
