"""What people did to posts and comments: reactions and saves, as associations."""

from collections.abc import Sequence

import sqlalchemy as sa

from feedkit.model import Assoc, Own
from feedkit.storage.base import REACTED
from feedkit.storage.sql.dialects import Dialect
from feedkit.storage.sql.prepared import Tx
from feedkit.storage.sql.tables import Tables

_PAST_REACTED = "reacted;"  # the first string past everything that begins with "reacted:"


class SqlEngagement:
    """See `feedkit.storage.base.EngagementStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        links = tables.associations
        self._bind = dialect.bind_ids
        kinds = ((links.c.kind >= REACTED) & (links.c.kind < _PAST_REACTED)) | (
            links.c.kind == Assoc.SAVES.value
        )
        mine = (links.c.id1 == sa.bindparam("viewer")) & dialect.is_in(links.c.id2, "ids") & kinds
        self._own = dialect.prepare(sa.select(links.c.id2, links.c.kind).where(mine).order_by(links.c.kind))

    def own(self, tx: Tx, viewer_id: int, object_ids: Sequence[int]) -> dict[int, Own]:
        reacted: dict[int, tuple[str, ...]] = {}
        saved: set[int] = set()
        for object_id, kind in self._own.rows(tx, {"viewer": viewer_id, "ids": self._bind(object_ids)}):
            if kind == Assoc.SAVES:
                saved.add(object_id)
            else:
                reacted[object_id] = (*reacted.get(object_id, ()), kind.removeprefix(REACTED))
        return {one: Own(reacted.get(one, ()), one in saved) for one in saved | set(reacted)}
