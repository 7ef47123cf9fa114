"""Words that the cases share."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

import feedkit
from feedkit.storage.sql.tables import Tables

START = datetime(2026, 1, 1, tzinfo=UTC)
TABLES = Tables("feedkit")


@contextmanager
def opened(url: str | sa.Engine, **kwargs: Any) -> Iterator[feedkit.Feed[str]]:
    """A feed that delivers when read, migrated."""
    with feedkit.connect(url, **{"deliver": "inline", **kwargs}) as feed:
        feed.migrate()
        yield feed


def ids(page: feedkit.Page[Any]) -> list[int]:
    """The ids on a page, in order."""
    return [item.post.id for item in page]


def everything(feed: feedkit.Feed[str], viewer: str, limit: int = 10) -> list[int]:
    """A whole home feed, page after page."""
    page = feed.home(viewer, limit=limit)
    found = ids(page)
    while page.next_cursor is not None:
        page = feed.home(viewer, limit=limit, cursor=page.next_cursor)
        found += ids(page)
    return found


def news(feed: feedkit.Feed[str], viewer: str, cursor: str, limit: int = 10) -> tuple[list[int], str]:
    """All that is newer than a page, and the cursor for the next poll."""
    page = feed.home(viewer, cursor=cursor, limit=limit)
    found, newer = ids(page), page.newer_cursor
    while page.next_cursor is not None:
        page = feed.home(viewer, cursor=page.next_cursor, limit=limit)
        found += ids(page)
    return found, newer


def both_paths(feed: feedkit.Feed[str], viewer: str, limit: int = 10) -> list[int]:
    """A whole home feed from the resident inbox, which has to be the same as the recomputed one."""
    resident = everything(feed, viewer, limit)
    feed.wipe()
    assert everything(feed, viewer, limit) == resident
    return resident


def rows(engine: sa.Engine, name: str) -> int:
    """How many rows a table holds."""
    with engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(getattr(TABLES, name))) or 0)


def all_rows(engine: sa.Engine) -> dict[str, int]:
    """How many rows every table holds that a verb may write to."""
    names = ("users", "posts", "post_media", "associations", "events")
    return {name: rows(engine, name) for name in names}
