"""The media of posts, looked up by what they are."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from feedkit.storage.sql.dialects import Dialect
from feedkit.storage.sql.prepared import Prepared, Tx
from feedkit.storage.sql.tables import Tables


class SqlMedia:
    """See `feedkit.storage.lives.MediaStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        media = tables.post_media
        self._media, self._dialect = media, dialect
        of_url = media.c.url == sa.bindparam("url")
        next_ones = sa.select(media.c.post_id).where(of_url & (media.c.post_id > sa.bindparam("after")))
        self._showing = dialect.prepare(
            next_ones.distinct().order_by(media.c.post_id).limit(sa.bindparam("at_most"))
        )
        self._set: dict[str, Prepared] = {}

    def update(self, tx: Tx, url: str, fields: Mapping[str, Any], after: int, limit: int) -> list[int]:
        post_ids = self._showing.column(tx, {"url": url, "after": after, "at_most": limit})
        for name, value in fields.items() if post_ids else ():
            bound = {"of_url": url, "ids": self._dialect.bind_ids(post_ids), "new_value": value}
            self._setter(name).run(tx, bound)
        return post_ids

    def _setter(self, name: str) -> Prepared:
        if name not in self._set:
            media = self._media
            these = (media.c.url == sa.bindparam("of_url")) & self._dialect.is_in(media.c.post_id, "ids")
            new: dict[str, Any] = {name: sa.bindparam("new_value")}
            self._set[name] = self._dialect.prepare(media.update().where(these).values(new))
        return self._set[name]
