"""Users, and the directory from the host's keys to ids."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from feedkit.model import UserStatus
from feedkit.storage.base import UserRow
from feedkit.storage.sql import arrays
from feedkit.storage.sql.dialects import Dialect, columns
from feedkit.storage.sql.prepared import Tx
from feedkit.storage.sql.tables import Tables

_PATCHABLE = ("handle", "display_name", "time_zone", "private", "status", "suspended_until")
_ROW = [field.name for field in attrs.fields(UserRow)]

_ARRAY_MAX = 20_000
_KEY_NAMES = [f"key{nth}" for nth in range(100)]


class SqlUsers:
    """See `feedkit.storage.base.UserStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        users = tables.users
        self._bind, self._bind_texts = dialect.bind_ids, dialect.bind_texts
        self._by_key = dialect.prepare(sa.select(users.c.id).where(users.c.key == sa.bindparam("of_key")))
        several, self._bind_keys, self._keys_at_once = _among_keys(users.c.key, dialect)
        self._by_keys = dialect.prepare(sa.select(users.c.key, users.c.id).where(several))
        mine = users.c.id == sa.bindparam("user_id")
        self._patch = {
            name: dialect.prepare(users.update().where(mine).values({name: sa.bindparam("new_value")}))
            for name in _PATCHABLE
        }
        new = dialect.insert(users, ["id", "key", "status", "created_at"])
        self._add = dialect.prepare(new.on_conflict_do_nothing())
        whole = sa.select(*columns(users, _ROW))
        self._one = dialect.prepare(whole.where(mine))
        self._by_id = dialect.prepare(whole.where(dialect.is_in(users.c.id, "ids")))
        one_of_each = sa.select(users.c.handle, sa.func.min(users.c.id)).where(
            dialect.is_in_texts(users.c.handle, "handles")
        )
        alone = sa.func.count() == sa.literal_column("1")
        self._with_handles = dialect.prepare(one_of_each.group_by(users.c.handle).having(alone))
        after = sa.select(users.c.id).where(users.c.id > sa.bindparam("after"))
        self._after = dialect.prepare(after.order_by(users.c.id).limit(sa.bindparam("at_most")))

    def ids_of(self, tx: Tx, keys: Sequence[bytes]) -> dict[bytes, int]:
        if len(keys) == 1:
            user_id = self._by_key.scalar(tx, {"of_key": keys[0]})
            return {} if user_id is None else {keys[0]: user_id}
        found: dict[bytes, int] = {}
        for start in range(0, len(keys), self._keys_at_once):
            several = self._bind_keys(keys[start : start + self._keys_at_once])
            found |= {bytes(key): user_id for key, user_id in self._by_keys.rows(tx, several)}
        return found

    def add(self, tx: Tx, rows: Mapping[int, bytes | None], now_ms: int) -> None:
        status = UserStatus.ACTIVE.value
        self._add.run_many(
            tx,
            [
                {"id": user_id, "key": key, "status": status, "created_at": now_ms}
                for user_id, key in rows.items()
            ],
        )

    def patch(self, tx: Tx, user_id: int, fields: Mapping[str, str | int | None]) -> None:
        for name, value in fields.items():
            self._patch[name].run(tx, {"user_id": user_id, "new_value": value})

    def get(self, tx: Tx, user_id: int) -> UserRow | None:
        row = self._one.first(tx, {"user_id": user_id})
        return None if row is None else UserRow(*row)

    def get_many(self, tx: Tx, user_ids: Sequence[int]) -> list[UserRow]:
        return [UserRow(*row) for row in self._by_id.rows(tx, {"ids": self._bind(user_ids)})]

    def with_handles(self, tx: Tx, handles: Sequence[str]) -> dict[str, int]:
        return dict(self._with_handles.rows(tx, {"handles": self._bind_texts(handles)}))

    def ids_after(self, tx: Tx, after: int, limit: int) -> list[int]:
        return self._after.column(tx, {"after": after, "at_most": limit})


def _among_keys(
    column: sa.Column[bytes], dialect: Dialect
) -> tuple[Any, Callable[[Sequence[bytes]], dict[str, Any]], int]:
    """Whether `column` is among many keys, what binds these, and how many it takes at once."""
    if dialect.name == "postgresql":
        array = sa.bindparam("keys", type_=postgresql.ARRAY(sa.LargeBinary))
        return column == sa.any_(array), lambda keys: {"keys": arrays.of_bytes(keys)}, _ARRAY_MAX
    # SQLite has no arrays of bytes. There may be fewer keys than parameters.
    return (
        column.in_([sa.bindparam(name) for name in _KEY_NAMES]),
        lambda keys: dict(zip(_KEY_NAMES, chain(keys, repeat(keys[0])), strict=False)),
        len(_KEY_NAMES),
    )
