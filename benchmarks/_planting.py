"""Fast SQL that gives a database a history, for the setup of benchmarks only.

It leaves the rows and the events that the verbs would have left, a hundred times faster; the counts follow
when the log is drained. The tables are made by `feed.migrate()` before.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import attrs

from feedkit.codec import encode
from feedkit.ids import position_of
from feedkit.model import Audience, EventKind, Route

NODE = 1000
"""The node of every planted id: one that a new database does not lease for a long time."""

_EVENT = (
    "INSERT INTO feedkit_events (kind, actor_id, object_id, position, data, at) VALUES (?, ?, ?, ?, ?, ?)"
)
_USER = "INSERT INTO feedkit_users (id, key, handle, status, created_at) VALUES (?, ?, ?, 'active', ?)"
_LINK = "INSERT INTO feedkit_associations (id1, kind, id2, time) VALUES (?, ?, ?, ?)"
_COUNT = "INSERT INTO feedkit_counts (object_id, kind, value) VALUES (?, ?, ?)"
_COMMENT = """
    INSERT INTO feedkit_comments (id, post_id, parent_id, path, author_id, text, created_at)
    VALUES (?, ?, 0, ?, ?, 'well said', ?)
"""
_POST = """
    INSERT INTO feedkit_posts (id, position, author_id, kind, schema_version, text, extra, status, audience,
                               media_count, created_at, published_at)
    VALUES (?, ?, ?, 'post', 1, ?, '{}', 'published', ?, 0, ?, ?)
"""


@attrs.frozen
class Planted:
    """A post of the past: `at_ms` in Unix milliseconds, each its own."""

    author_id: int
    text: str
    audience: Audience
    at_ms: int

    @property
    def id(self) -> int:
        return position_of(self.at_ms, NODE)


Target = Path | str
"""Where a feed is: a file of SQLite, or the URL of a PostgreSQL."""


class Planter:
    """Plants over one connection of sqlite3 or psycopg."""

    def __init__(self, connection: Any) -> None:
        self._cursor, self._is_sqlite = connection.cursor(), isinstance(connection, sqlite3.Connection)

    def users(self, names: Sequence[str], at_ms: int) -> dict[str, int]:
        """Users with these keys, one millisecond apart; their ids."""
        ids = {name: position_of(at_ms + nth, NODE) for nth, name in enumerate(names)}
        self._many(_USER, ((user_id, name.encode(), name.title(), at_ms) for name, user_id in ids.items()))
        return ids

    def follows(self, pairs: Sequence[tuple[int, int]], at_ms: int, *, told: bool = True) -> None:
        """(follower, followee) pairs; unless `told`, without their events, as if the log had been pruned."""
        there = [(follower, "follows", followee, at_ms) for follower, followee in pairs]
        back = [(followee, "followed_by", follower, at_ms) for follower, followee in pairs]
        self._many(_LINK, sorted(there + back))  # in the order of the table, which is its own index
        if not told:
            return
        kind = EventKind.FOLLOW_ADDED.value
        self._many(_EVENT, ((kind, follower, followee, 0, None, at_ms) for follower, followee in pairs))

    def counts(self, object_id: int, kind: str, value: int) -> None:
        """A counter that the log no longer tells of."""
        self._many(_COUNT, [(object_id, kind, value)])

    def posts(self, posts: Sequence[Planted], *, told: bool = True) -> None:
        """Posts, oldest first, as if they had been pushed; unless `told`, as if the log had been pruned."""
        data = {audience: encode(1, [Route.PUSH.value, audience.value]) for audience in Audience}
        self._many(
            _POST,
            (
                (one.id, one.id, one.author_id, one.text, one.audience.value, one.at_ms, one.at_ms)
                for one in posts
            ),
        )
        if not told:
            return
        kind = EventKind.POST_PUBLISHED.value
        self._many(
            _EVENT, ((kind, one.author_id, one.id, one.id, data[one.audience], one.at_ms) for one in posts)
        )

    def reactions(self, reactions: Iterable[tuple[int, str, int]], at_ms: int) -> None:
        """(user, kind, post) each."""
        rows = list(reactions)
        there = [(user, f"reacted:{kind}", post, at_ms) for user, kind, post in rows]
        back = [(post, f"reacted_by:{kind}", user, at_ms) for user, kind, post in rows]
        self._many(_LINK, sorted(there + back))
        kinds = {kind for _, kind, _ in rows}
        data = {kind: encode(2, [Route.PUSH.value, Audience.PUBLIC.value, kind, []]) for kind in kinds}
        told = EventKind.REACTION_ADDED.value
        self._many(_EVENT, ((told, user, post, 0, data[kind], at_ms) for user, kind, post in rows))

    def comments(self, comments: Sequence[tuple[int, int, int, int]]) -> None:
        """(id, post, author, time) each, all of them on the post itself."""
        self._many(
            _COMMENT,
            ((one, post, one.to_bytes(8, "big"), author, at_ms) for one, post, author, at_ms in comments),
        )
        told = EventKind.COMMENT_ADDED.value
        plain = [Route.PUSH.value, Audience.PUBLIC.value, ""]
        self._many(
            _EVENT,
            (
                (told, author, one, 0, encode(2, [*plain, [["post", post]]]), at_ms)
                for one, post, author, at_ms in comments
            ),
        )

    def saves(self, saves: Sequence[tuple[int, int]], at_ms: int) -> None:
        """(user, post) each."""
        there = [(user, "saves", post, at_ms) for user, post in saves]
        back = [(post, "saved_by", user, at_ms) for user, post in saves]
        self._many(_LINK, sorted(there + back))
        told = EventKind.SAVE_ADDED.value
        self._many(_EVENT, ((told, user, post, 0, None, at_ms) for user, post in saves))

    def _many(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        self._cursor.executemany(statement if self._is_sqlite else statement.replace("?", "%s"), rows)


@contextmanager
def planting(target: Target) -> Iterator[Planter]:
    """Plant into this database, in one transaction."""
    with closing(connected(target)) as connection, connection:
        yield Planter(connection)
        if isinstance(target, str):
            connection.execute("ANALYZE")  # as PostgreSQL does by itself, a minute later


def connected(target: Target) -> Any:
    """A connection of the driver's own."""
    if isinstance(target, Path):
        return sqlite3.connect(target)
    import psycopg

    return psycopg.connect(target.replace("+psycopg", ""))


def copied(path: Path, target: Path) -> Path:
    """A copy of a database that may be open."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = WAL")
    return target


def plan_of(connection: sqlite3.Connection, query: str, values: Mapping[str, object]) -> list[str]:
    """How SQLite goes about a query, step by step."""
    return [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", values)]
