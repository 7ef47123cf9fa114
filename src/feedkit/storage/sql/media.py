"""The media of posts, looked up by what they are."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from feedkit.storage.sql.dialects import Dialect
from feedkit.storage.sql.prepared import Prepared, Tx
from feedkit.storage.sql.tables import Tables, posts_that_stand

_LOOKED_UP_BY = ("url", "content_hash")


class SqlMedia:
    """See `feedkit.storage.lives.MediaStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        media, posts = tables.post_media, tables.posts
        self._media, self._dialect = media, dialect
        of_url = media.c.url == sa.bindparam("url")
        next_ones = sa.select(media.c.post_id).where(of_url & (media.c.post_id > sa.bindparam("after")))
        self._showing = dialect.prepare(
            next_ones.distinct().order_by(media.c.post_id).limit(sa.bindparam("at_most"))
        )
        self._set: dict[str, Prepared] = {}
        self._newest = {
            name: dialect.prepare(
                sa.select(posts.c.position)
                .where(
                    posts.c.id.in_(sa.select(media.c.post_id).where(media.c[name] == sa.bindparam("value"))),
                    posts_that_stand(posts),
                    posts.c.position < sa.bindparam("before"),
                    posts.c.position >= sa.bindparam("floor"),
                )
                .order_by(posts.c.position.desc())
                .limit(sa.bindparam("at_most"))
            )
            for name in _LOOKED_UP_BY
        }

    def update(self, tx: Tx, url: str, fields: Mapping[str, Any], after: int, limit: int) -> list[int]:
        post_ids = self._showing.column(tx, {"url": url, "after": after, "at_most": limit})
        for name, value in fields.items() if post_ids else ():
            bound = {"of_url": url, "ids": self._dialect.bind_ids(post_ids), "new_value": value}
            self._setter(name).run(tx, bound)
        return post_ids

    def positions(self, tx: Tx, column: str, value: str, *, before: int, floor: int, limit: int) -> list[int]:
        bounds = {"value": value, "before": before, "floor": floor, "at_most": limit}
        return self._newest[column].column(tx, bounds)

    def _setter(self, name: str) -> Prepared:
        if name not in self._set:
            media = self._media
            these = (media.c.url == sa.bindparam("of_url")) & self._dialect.is_in(media.c.post_id, "ids")
            new: dict[str, Any] = {name: sa.bindparam("new_value")}
            self._set[name] = self._dialect.prepare(media.update().where(these).values(new))
        return self._set[name]
