"""What a database holds about itself: facts decided at migrate, cursor keys, and leases of node ids."""

import secrets
import uuid
from typing import Any

import sqlalchemy as sa

from feedkit.cursor import CursorKey
from feedkit.errors import NodesExhausted, SchemaMissing
from feedkit.ids import LEASABLE_NODES, Lease
from feedkit.storage.sql.dialects import Dialect
from feedkit.storage.sql.prepared import Tx
from feedkit.storage.sql.tables import SCHEMA_VERSION, Tables

_KEY_IDS = 1 << 16
_SECRET_BYTES = 32


class SqlInstall:
    """See `feedkit.storage.base.InstallStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        meta, keys, prepare = tables.meta, tables.secrets, dialect.prepare
        self._dialect = dialect
        self._add_fact = prepare(dialect.insert(meta, ["name", "value"]).on_conflict_do_nothing())
        fact = dialect.insert(meta, ["name", "value"])
        newer = fact.on_conflict_do_update(index_elements=[meta.c.name], set_={"value": fact.excluded.value})
        self._replace_fact = prepare(newer)
        self._facts = prepare(sa.select(meta.c.name, meta.c.value))
        oldest_first = (keys.c.created_at, keys.c.id)
        self._keys = prepare(sa.select(keys.c.id, keys.c.secret, keys.c.created_at).order_by(*oldest_first))
        self._add_key = prepare(dialect.insert(keys, ["id", "secret", "created_at"]))
        self._drop_key = prepare(keys.delete().where(keys.c.id == sa.bindparam("key_id")))

    def found(self, tx: Tx, key_type: str) -> None:
        """Write the facts of a new install; one that is there stays as it is."""
        facts = {
            "install_id": uuid.uuid4().hex,
            "key_type": key_type,
            "schema_version": str(SCHEMA_VERSION),
        }
        self._add_fact.run_many(tx, [{"name": name, "value": value} for name, value in facts.items()])

    def facts(self, tx: Tx) -> dict[str, str]:
        found: dict[str, str] = dict(self._facts.rows(tx))
        if "schema_version" not in found:
            raise SchemaMissing()
        return found

    def state(self, tx: Tx, name: str, value: str, *, anew: bool = False) -> None:
        (self._replace_fact if anew else self._add_fact).run(tx, {"name": name, "value": value})

    def cursor_keys(self, tx: Tx) -> list[CursorKey]:
        return [CursorKey(key_id, bytes(secret)) for key_id, secret, _ in self._keys.rows(tx)]

    def add_cursor_key(self, tx: Tx, now_ms: int, keep: int) -> None:
        self._dialect.lock(tx, "cursor-keys")
        rows = self._keys.rows(tx)
        last_id, _, last_made = rows[-1] if rows else (0, b"", 0)
        new = {
            "id": (last_id + 1) % _KEY_IDS,
            "secret": secrets.token_bytes(_SECRET_BYTES),
            "created_at": max(now_ms, last_made + 1),  # the newest signs, whatever the clock says
        }
        self._add_key.run(tx, new)
        for key_id, _, _ in rows[: max(0, len(rows) + 1 - keep)]:
            self._drop_key.run(tx, {"key_id": key_id})


class SqlNodes:
    """See `feedkit.storage.base.NodeStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        nodes, prepare = tables.nodes, dialect.prepare
        self._dialect = dialect
        lapsed = sa.select(nodes.c.node, nodes.c.until_ms).where(
            nodes.c.until_ms < sa.bindparam("ended_before_ms")
        )
        self._lapsed = prepare(lapsed.order_by(nodes.c.until_ms, nodes.c.node).limit(1))
        self._highest = prepare(sa.select(sa.func.coalesce(sa.func.max(nodes.c.node), -1)))
        self._add = prepare(dialect.insert(nodes, ["node", "owner", "until_ms"]))
        of_node = nodes.c.node == sa.bindparam("of_node")
        new: dict[str, Any] = {"owner": sa.bindparam("new_owner"), "until_ms": sa.bindparam("new_until_ms")}
        self._take = prepare(nodes.update().where(of_node).values(new))
        mine = of_node & (nodes.c.owner == sa.bindparam("of_owner"))
        self._reserve = prepare(nodes.update().where(mine).values(until_ms=sa.bindparam("new_until_ms")))

    def acquire(self, tx: Tx, now_ms: int, duration_ms: int, *, ahead_ms: int = 0) -> Lease:
        self._dialect.lock(tx, "nodes")
        owner = secrets.token_hex(16)
        lapsed = self._lapsed.first(tx, {"ended_before_ms": now_ms + ahead_ms})
        if lapsed is None:
            return self._first_lease(tx, owner, now_ms, duration_ms)
        node, ended_ms = lapsed
        floor_ms = max(now_ms, ended_ms + 1)
        lease = Lease(node, owner, floor_ms, floor_ms + duration_ms)
        self._take.run(tx, {"of_node": node, "new_owner": owner, "new_until_ms": lease.until_ms})
        return lease

    def renew(self, tx: Tx, lease: Lease, now_ms: int, duration_ms: int) -> Lease | None:
        until_ms = max(now_ms, lease.until_ms) + duration_ms
        if not self._set_until(tx, lease, until_ms):
            return None
        return Lease(lease.node, lease.owner, lease.floor_ms, until_ms)

    def release(self, tx: Tx, lease: Lease) -> None:
        self._set_until(tx, lease, lease.until_ms)

    def _set_until(self, tx: Tx, lease: Lease, until_ms: int) -> bool:
        mine = {"of_node": lease.node, "of_owner": lease.owner}
        return self._reserve.run(tx, {**mine, "new_until_ms": until_ms}) > 0

    def _first_lease(self, tx: Tx, owner: str, now_ms: int, duration_ms: int) -> Lease:
        node = self._highest.scalar(tx) + 1
        if node >= LEASABLE_NODES:
            raise NodesExhausted()
        lease = Lease(node, owner, now_ms, now_ms + duration_ms)
        self._add.run(tx, {"node": node, "owner": owner, "until_ms": lease.until_ms})
        return lease
