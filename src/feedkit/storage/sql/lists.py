"""Lists of people, by owner and name; their members are associations."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from feedkit.errors import Conflict, NotFound
from feedkit.model import Assoc, UserList
from feedkit.storage.sql.dialects import Dialect
from feedkit.storage.sql.prepared import Prepared, Tx
from feedkit.storage.sql.tables import Tables


class SqlLists:
    """See `feedkit.storage.relating.ListStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        lists, links = tables.lists, tables.associations
        self._dialect = dialect
        prepare = dialect.prepare
        self._insert = prepare(dialect.insert(lists, ["id", "owner_id", "name", "created_at=created_ms"]))
        this = lists.c.id == sa.bindparam("list_id")
        self._rename = prepare(lists.update().where(this).values(name=sa.bindparam("new_name")))
        self._delete = prepare(lists.delete().where(this))
        whole = sa.select(lists.c.id, lists.c.name, lists.c.created_at)
        owned = lists.c.owner_id == sa.bindparam("owner")
        self._get = prepare(whole.where(this & owned))
        self._of = prepare(whole.where(owned))
        member_of = (
            (links.c.id1 == sa.bindparam("member"))
            & (links.c.kind == Assoc.LISTED_IN.value)
            & (links.c.id2 == lists.c.id)
        )
        self._with_member = prepare(
            sa.select(lists.c.id).where(owned, sa.exists().where(member_of)).order_by(lists.c.id)
        )

    def lock(self, tx: Tx, owner_ids: Sequence[int]) -> None:
        for owner_id in sorted(owner_ids):  # one order everywhere: no deadlocks
            self._dialect.lock(tx, f"lists:{owner_id}")

    def insert(self, tx: Tx, made: UserList, owner_id: int) -> None:
        row = {"id": made.id, "owner_id": owner_id, "name": made.name, "created_ms": made.created_ms}
        _write(self._insert, tx, row)

    def rename(self, tx: Tx, list_id: int, name: str) -> None:
        _write(self._rename, tx, {"list_id": list_id, "new_name": name})

    def delete(self, tx: Tx, list_id: int) -> None:
        self._delete.run(tx, {"list_id": list_id})

    def get(self, tx: Tx, owner_id: int, list_id: int) -> UserList:
        row = self._get.first(tx, {"owner": owner_id, "list_id": list_id})
        if row is None:
            raise NotFound("list_id names no list of this owner", argument="list_id")
        return UserList(*row)

    def of(self, tx: Tx, owner_id: int) -> list[UserList]:
        # Sorted here: databases collate names in ways of their own.
        found = [UserList(*row) for row in self._of.rows(tx, {"owner": owner_id})]
        return sorted(found, key=lambda one: one.name)

    def with_member(self, tx: Tx, owner_id: int, member_id: int) -> list[int]:
        return self._with_member.column(tx, {"owner": owner_id, "member": member_id})


def _write(statement: Prepared, tx: Tx, row: dict[str, Any]) -> None:
    try:
        statement.run(tx, row)
    except sa.exc.IntegrityError as error:
        raise Conflict(
            "name is taken by another list of this owner; choose another", argument="name"
        ) from error
