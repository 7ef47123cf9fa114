"""Words that the tests of relations share."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

import feedkit
from feedkit.model import Assoc
from tests.cases.case_tools import TABLES

Feed = feedkit.Feed[str]


def links(feed: Feed, kind: Assoc) -> set[tuple[str, str]]:
    """Every association of one kind, by the keys of both ends, as it is stored."""
    links, users = TABLES.associations, TABLES.users
    with feed.runtime().truth._database.engine.connect() as connection:
        names = {row.id: row.key.decode() for row in connection.execute(sa.select(users.c.id, users.c.key))}
        rows = connection.execute(sa.select(links.c.id1, links.c.id2).where(links.c.kind == kind.value))
        return {(names[row.id1], names[row.id2]) for row in rows}


def users_of(page: feedkit.UserPage[str]) -> list[str]:
    return page.keys


def walked(feed: Feed, verb: str, *args: Any, limit: int = 3) -> list[str]:
    """Everybody on a list, page after page."""
    page = getattr(feed, verb)(*args, limit=limit)
    found = list(page.keys)
    while page.next_cursor is not None:
        page = getattr(feed, verb)(*args, limit=limit, cursor=page.next_cursor)
        found += page.keys
    return found


def waiting(feed: Feed, owner: str) -> list[tuple[str, str]]:
    return [(request.user.key, request.kind) for request in feed.requests(owner)]


def counts(feed: Feed, user: str) -> tuple[int, int, int]:
    """Followers, following, friends."""
    feed.drain()
    of = feed.profile(user, user).counts
    return of.followers, of.following, of.friends


def suspend(feed: Feed, key: str, *, status: str = "suspended") -> None:
    runtime = feed.runtime()
    (user_id,) = runtime.directory.find_many([key], "key")
    assert user_id is not None
    runtime.user_writing.patch(user_id, {"status": status})


def befriend(feed: Feed, one: str, other: str) -> None:
    feed.befriend(one, other)
    feed.accept(other, one)


def users_of_requests(feed: Feed, owner: str) -> list[str]:
    """Page by page of one."""
    page = feed.requests(owner, limit=1)
    found = [request.user.key for request in page]
    while page.next_cursor is not None:
        page = feed.requests(owner, limit=1, cursor=page.next_cursor)
        found += [request.user.key for request in page]
    return found


def links_of_lists(feed: Feed) -> int:
    links = TABLES.associations
    with feed.runtime().truth._database.engine.connect() as connection:
        kinds = links.c.kind.in_([Assoc.LISTS.value, Assoc.LISTED_IN.value])
        return int(connection.scalar(sa.select(sa.func.count()).select_from(links).where(kinds)) or 0)


def check_laws(feed: Feed, everybody: tuple[str, ...]) -> None:
    follows = links(feed, Assoc.FOLLOWS)
    back = {(b, a) for a, b in follows}
    assert links(feed, Assoc.FRIENDS) == follows & back
    for kind in (Assoc.FOLLOWS, Assoc.REQUESTS, Assoc.ASKS, Assoc.BLOCKS, Assoc.FRIENDS):
        assert links(feed, kind.inverse) == {(b, a) for a, b in links(feed, kind)}, kind
    assert not links(feed, Assoc.REQUESTS) & follows
    assert not (links(feed, Assoc.ASKS) & follows & back)
    blocks = links(feed, Assoc.BLOCKS)
    for kind in (Assoc.FOLLOWS, Assoc.REQUESTS, Assoc.ASKS):
        assert not links(feed, kind) & (blocks | {(b, a) for a, b in blocks}), kind
    for key in everybody:
        expected = (
            sum(b == key for _, b in follows),
            sum(a == key for a, _ in follows),
            sum(a == key for a, _ in follows & back),
        )
        assert counts(feed, key) == expected
