"""Journals: what was asked for under which key, and what staff did."""

from typing import Any

import sqlalchemy as sa

from feedkit.storage.lives import Act
from feedkit.storage.sql.dialects import Dialect, columns
from feedkit.storage.sql.prepared import Tx
from feedkit.storage.sql.tables import Tables


class SqlJournals:
    """See `feedkit.storage.lives.JournalStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        keys, audit = tables.idempotency, tables.audit
        insert = dialect.insert(keys, [column.name for column in keys.columns])
        again = {name: insert.excluded[name] for name in ("digest", "result_id", "at")}
        # One statement: whoever comes second waits here for the first to commit, and finds its row.
        self._claim = dialect.prepare(
            insert.on_conflict_do_update(
                index_elements=[keys.c.actor_id, keys.c.key],
                set_=again,
                where=keys.c.at < sa.bindparam("lapsed_before"),
            )
        )
        mine = (keys.c.actor_id == sa.bindparam("actor_id")) & (keys.c.key == sa.bindparam("of_key"))
        self._claimed = dialect.prepare(sa.select(keys.c.digest, keys.c.result_id).where(mine))
        # By the rows' own places: SQLite would look up a pair of columns by the first of them alone.
        row: sa.ColumnElement[Any] = sa.literal_column("rowid" if dialect.name == "sqlite" else "ctid")
        oldest = (
            sa.select(row)
            .select_from(keys)
            .where(keys.c.at < sa.bindparam("before_ms"))
            .order_by(keys.c.at)
            .limit(sa.bindparam("at_most"))
            .with_for_update(skip_locked=True)
        )
        self._prune = dialect.prepare(keys.delete().where(row.in_(oldest)))
        act = dialect.insert(audit, Act._fields)
        self._audit = dialect.prepare(act.on_conflict_do_nothing())  # the same act, tried again
        acts = sa.select(*columns(audit, Act._fields)).where(audit.c.id < sa.bindparam("before"))
        newest = acts.order_by(audit.c.id.desc()).limit(sa.bindparam("at_most"))
        self._acts = dialect.prepare(newest)
        self._acts_on = dialect.prepare(newest.where(audit.c.object_id == sa.bindparam("of_object")))

    def claim_key(
        self, tx: Tx, actor_id: int, key: str, *, digest: bytes, result_id: int, now_ms: int, ttl_ms: int
    ) -> tuple[bytes, int] | None:
        row = {"actor_id": actor_id, "key": key, "digest": digest, "result_id": result_id, "at": now_ms}
        if self._claim.run(tx, {**row, "lapsed_before": now_ms - ttl_ms}):
            return None
        found = self._claimed.first(tx, {"actor_id": actor_id, "of_key": key})
        assert found is not None  # noqa: S101 - the claim above has locked it
        return bytes(found[0]), int(found[1])

    def prune_keys(self, tx: Tx, before_ms: int, limit: int) -> int:
        return self._prune.run(tx, {"before_ms": before_ms, "at_most": limit})

    def audit(self, tx: Tx, act: Act) -> None:
        self._audit.run(tx, act._asdict())

    def acts(self, tx: Tx, object_id: int | None, before: int, limit: int) -> list[Act]:
        bounds = {"before": before, "at_most": limit}
        if object_id is None:
            rows = self._acts.rows(tx, bounds)
        else:
            rows = self._acts_on.rows(tx, {**bounds, "of_object": object_id})
        return [Act(*row) for row in rows]
