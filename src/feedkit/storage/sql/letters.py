"""Dead letters: events that a consumer could not handle."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from feedkit.storage.letters import Letter
from feedkit.storage.sql.dialects import Dialect, columns
from feedkit.storage.sql.prepared import Tx
from feedkit.storage.sql.tables import Tables


class SqlLetters:
    """See `feedkit.storage.letters.LetterStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        letters = tables.dead_letters
        self._dialect = dialect
        insert = dialect.insert(letters, Letter._fields)
        newer = {name: insert.excluded[name] for name in ("event", "tries", "reason", "at")}
        key = [letters.c.consumer, letters.c.number]
        self._add = dialect.prepare(insert.on_conflict_do_update(index_elements=key, set_=newer))
        mine = letters.c.consumer == sa.bindparam("of_consumer")
        chosen = dialect.is_in(letters.c.number, "numbers")
        found = sa.select(*columns(letters, Letter._fields)).where(mine).order_by(letters.c.number)
        above = letters.c.number > sa.bindparam("above")
        self._after = dialect.prepare(found.where(above).limit(sa.bindparam("at_most")))
        self._get_many = dialect.prepare(found.where(chosen))
        self._consumers = dialect.prepare(sa.select(letters.c.consumer).distinct())
        some = sa.select(letters.c.number).where(mine).limit(sa.bindparam("at_most")).subquery()
        self._count = dialect.prepare(sa.select(sa.func.count()).select_from(some))
        self._remove = dialect.prepare(letters.delete().where(mine & chosen))

    def add(self, tx: Tx, letter: Letter) -> None:
        self._add.run(tx, letter._asdict())

    def after(self, tx: Tx, consumer: str, number: int, limit: int) -> list[Letter]:
        bound = {"of_consumer": consumer, "above": number, "at_most": limit}
        return [_letter(row) for row in self._after.rows(tx, bound)]

    def get_many(self, tx: Tx, consumer: str, numbers: Sequence[int]) -> list[Letter]:
        bound = {"of_consumer": consumer, "numbers": self._dialect.bind_ids(numbers)}
        return [_letter(row) for row in self._get_many.rows(tx, bound)]

    def consumers(self, tx: Tx) -> list[str]:
        return self._consumers.column(tx)

    def count(self, tx: Tx, consumer: str, at_most: int) -> int:
        return int(self._count.scalar(tx, {"of_consumer": consumer, "at_most": at_most}))

    def remove(self, tx: Tx, consumer: str, numbers: Sequence[int]) -> int:
        bound = {"of_consumer": consumer, "numbers": self._dialect.bind_ids(numbers)}
        return self._remove.run(tx, bound)


def _letter(row: Any) -> Letter:
    consumer, number, event, *rest = row
    return Letter(consumer, number, bytes(event), *rest)
