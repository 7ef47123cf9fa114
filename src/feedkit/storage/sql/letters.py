"""Dead letters: events that a consumer could not handle."""

from collections.abc import Sequence

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
        above = mine & (letters.c.number > sa.bindparam("above"))
        found = sa.select(*columns(letters, Letter._fields)).where(above).order_by(letters.c.number)
        self._after = dialect.prepare(found.limit(sa.bindparam("at_most")))
        some = sa.select(letters.c.number).where(mine).limit(sa.bindparam("at_most")).subquery()
        self._count = dialect.prepare(sa.select(sa.func.count()).select_from(some))
        chosen = dialect.is_in(letters.c.number, "numbers")
        self._remove = dialect.prepare(letters.delete().where(mine & chosen))

    def add(self, tx: Tx, letter: Letter) -> None:
        self._add.run(tx, letter._asdict())

    def after(self, tx: Tx, consumer: str, number: int, limit: int) -> list[Letter]:
        rows = self._after.rows(tx, {"of_consumer": consumer, "above": number, "at_most": limit})
        return [Letter(name, nth, bytes(event), *rest) for name, nth, event, *rest in rows]

    def count(self, tx: Tx, consumer: str, at_most: int) -> int:
        return int(self._count.scalar(tx, {"of_consumer": consumer, "at_most": at_most}))

    def remove(self, tx: Tx, consumer: str, numbers: Sequence[int]) -> int:
        bound = {"of_consumer": consumer, "numbers": self._dialect.bind_ids(numbers)}
        return self._remove.run(tx, bound)
