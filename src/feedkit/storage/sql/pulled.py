"""The list of authors whose outboxes are merged in at read time."""

from collections.abc import Sequence

import numpy as np
import sqlalchemy as sa

from feedkit.idset import Ids
from feedkit.model import Count
from feedkit.storage.base import AuthorLoad
from feedkit.storage.sql.dialects import Dialect
from feedkit.storage.sql.prepared import Tx
from feedkit.storage.sql.tables import Tables


class SqlPulled:
    """See `feedkit.storage.base.PulledStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        pulled, counts = tables.pulled, tables.counts
        self._dialect = dialect
        followers = sa.select(counts.c.value).where(
            counts.c.object_id == sa.bindparam("author_id"), counts.c.kind == Count.FOLLOWERS.value
        )
        self._followers = dialect.prepare(followers)
        # KEY SHARE: whoever takes the author off the list waits for this transaction; `resume` does not.
        listing = sa.select(pulled.c.resumed_at).where(pulled.c.author_id == sa.bindparam("author_id"))
        self._listing = dialect.prepare(listing.with_for_update(read=True, key_share=True))
        ids = dialect.id_rows("ids")
        of_author = (counts.c.object_id == ids.c.value) & (counts.c.kind == Count.FOLLOWERS.value)
        self._load_many = dialect.prepare(
            sa.select(
                ids.c.value, sa.func.coalesce(counts.c.value, 0), pulled.c.author_id, pulled.c.resumed_at
            )
            .select_from(ids)
            .outerjoin(counts, of_author)
            .outerjoin(pulled, pulled.c.author_id == ids.c.value)
        )
        start = dialect.insert(pulled, ["author_id", "listed_at"])
        self._start = dialect.prepare(start.on_conflict_do_nothing())
        mine = pulled.c.author_id == sa.bindparam("author")
        self._set_resumed = dialect.prepare(
            pulled.update().where(mine).values(resumed_at=sa.bindparam("resumed"))
        )
        self._all = dialect.prepare(sa.select(pulled.c.author_id).order_by(pulled.c.author_id))
        leaving = (
            sa.select(pulled.c.author_id)
            .where(pulled.c.resumed_at < sa.bindparam("before_ms"))
            .limit(sa.bindparam("at_most"))
            .with_for_update(skip_locked=True)  # one that is being posted to right now can leave later
        )
        self._end = dialect.prepare(
            pulled.delete().where(pulled.c.author_id.in_(leaving)).returning(pulled.c.author_id)
        )

    def load_listed(self, tx: Tx, author_id: int) -> AuthorLoad | None:
        listing = self._listing.first(tx, {"author_id": author_id})
        if listing is None:
            return None
        followers = self._followers.scalar(tx, {"author_id": author_id}) or 0
        return AuthorLoad(followers, listed=True, resumed=listing[0] is not None)

    def load_many(self, tx: Tx, author_ids: Sequence[int]) -> dict[int, AuthorLoad]:
        if not author_ids:
            return {}
        rows = self._load_many.rows(tx, {"ids": self._dialect.bind_ids(author_ids)})
        return {
            author_id: AuthorLoad(followers, listed is not None, resumed_at is not None)
            for author_id, followers, listed, resumed_at in rows
        }

    def start(self, tx: Tx, author_id: int, now_ms: int) -> bool:
        if self._start.run(tx, {"author_id": author_id, "listed_at": now_ms}):
            return True
        self._set_resumed.run(tx, {"author": author_id, "resumed": None})
        return False

    def resume(self, tx: Tx, author_id: int, now_ms: int) -> None:
        self._set_resumed.run(tx, {"author": author_id, "resumed": now_ms})

    def end(self, tx: Tx, resumed_before_ms: int, limit: int) -> list[int]:
        return self._end.column(tx, {"before_ms": resumed_before_ms, "at_most": limit})

    def all(self, tx: Tx) -> Ids:
        return np.array(self._all.column(tx), dtype=np.int64)
