"""What a feed must show, worked out again from the tables alone: the judge of `feedkit replay`.

It shares no code with the reading, fan-out and visibility of feedkit, and speaks to the database
through its DBAPI: each question is one SQL statement that says the whole rule.
"""

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

LOGGED_OUT = 0
"""The viewer id of somebody who is not logged in."""

Execute = Callable[[str, Mapping[str, Any]], Sequence[Sequence[Any]]]
"""Runs a statement with parameters named `:like_this` and gives its rows."""

SAID_OFTEN = {
    "{by_somebody}": "JOIN {users} account ON account.id = post.author_id AND account.status = 'active'",
    "{seen}": """
          post.status = 'published' AND post.deleted_at IS NULL AND post.published_at <= :now
          AND (post.audience = 'public'
               OR post.author_id = :viewer
               OR post.audience = 'followers' AND EXISTS (
                   SELECT 1 FROM {associations} follow
                   WHERE follow.id1 = :viewer AND follow.kind = 'follows' AND follow.id2 = post.author_id))
          AND NOT EXISTS (SELECT 1 FROM {associations} block
                          WHERE block.kind = 'blocks' AND (block.id1 = :viewer AND block.id2 = post.author_id
                                                           OR block.id1 = post.author_id AND block.id2 = :viewer))
        """,
    # Whoever asks for all of an author asks twice: databases have an index of posts and one of replies.
    "{their}": """
          JOIN {users} account ON account.id = author.id AND account.status = 'active'
          JOIN {posts} post ON post.author_id = author.id
          WHERE post.status = 'published' AND post.deleted_at IS NULL AND post.published_at <= :now
          AND (post.audience IN ('public', 'followers') OR post.author_id = :viewer)
        """,
    "{not_muted}": """
          NOT EXISTS (SELECT 1 FROM {associations} mute
                      WHERE mute.id1 = :viewer AND mute.kind = 'mutes' AND mute.id2 = post.author_id)
        """,
}
"""Parts of statements, written `{like_this}` in them."""
_TABLES = re.compile(r"\{(\w+)\}")
_PARAMETERS = re.compile(r":(\w+)")


class Recompute:
    """The pages of one namespace as they must be at this moment, as post ids, newest first.

    `database` is a path of SQLite, a `sqlite:///` or `postgresql://` URL, or for a database that takes
    no second connection a function that executes (see `Execute`). Close it, or use it in a `with`.
    """

    HOME: ClassVar[str] = """
        WITH author AS (
            SELECT :viewer AS id
            UNION
            SELECT follow.id2 FROM {associations} follow
            WHERE follow.id1 = :viewer AND follow.kind = 'follows'
              AND NOT EXISTS (SELECT 1 FROM {associations} mute
                              WHERE mute.id1 = :viewer AND mute.kind = 'mutes' AND mute.id2 = follow.id2)
              AND NOT EXISTS (SELECT 1 FROM {associations} block
                              WHERE block.id1 = :viewer AND block.kind = 'blocks' AND block.id2 = follow.id2)
              AND NOT EXISTS (SELECT 1 FROM {associations} block
                              WHERE block.id1 = follow.id2 AND block.kind = 'blocks' AND block.id2 = :viewer)
        )
        SELECT post.id, post.position FROM author {their} AND post.reply_to IS NULL
        UNION ALL
        SELECT post.id, post.position FROM author {their} AND post.reply_to IS NOT NULL
        ORDER BY 2 DESC
        """

    PROFILE: ClassVar[str] = """
        SELECT post.id FROM {posts} post {by_somebody}
        WHERE post.author_id = :author AND post.reply_to IS NULL AND {seen}
        ORDER BY post.position DESC
        """

    SHOWN: ClassVar[str] = "SELECT post.id FROM {posts} post {by_somebody} WHERE post.id = :post AND {seen}"

    REPLIES: ClassVar[str] = """
        SELECT post.id FROM {posts} post {by_somebody}
        WHERE post.reply_to = :post AND {seen} AND {not_muted}
        ORDER BY post.position
        """

    ABOVE: ClassVar[str] = """
        WITH RECURSIVE above AS (
            SELECT reply_to AS id, 1 AS steps FROM {posts} WHERE id = :post
            UNION ALL
            SELECT post.reply_to, above.steps + 1 FROM above
            JOIN {posts} post ON post.id = above.id {by_somebody}
            WHERE {seen} AND {not_muted}
        )
        SELECT post.id FROM above
        JOIN {posts} post ON post.id = above.id {by_somebody}
        WHERE above.steps <= :deepest AND {seen} AND {not_muted}
        ORDER BY above.steps DESC
        """

    def __init__(self, database: str | Execute, namespace: str = "feedkit") -> None:
        self._namespace = namespace
        self._close: Callable[[], object] = _nothing
        if not isinstance(database, str):
            self._execute, self._percent = database, False
        elif database.startswith("postgresql"):
            self._execute, self._close = _postgresql(database)
            self._percent = True
        else:
            self._execute, self._close = _sqlite(database)
            self._percent = False

    def home(self, viewer_id: int, now_ms: int | None = None) -> list[int]:
        """A home feed to its very end: one's own posts and those of followees, without the hidden ones.

        `now_ms` (Unix milliseconds) leaves out what was published later.
        """
        return self._ids(self.HOME, viewer=viewer_id, now=_moment(now_ms))

    def profile(self, viewer_id: int | None, author_id: int, now_ms: int | None = None) -> list[int]:
        """Everything of one author but replies that the viewer may see; None is a logged-out viewer."""
        viewer = LOGGED_OUT if viewer_id is None else viewer_id
        return self._ids(self.PROFILE, viewer=viewer, author=author_id, now=_moment(now_ms))

    def thread(
        self, viewer_id: int | None, post_id: int, depth: int, now_ms: int | None = None
    ) -> list[int] | None:
        """What a post answers, `depth` posts up at most, the post, and all direct replies that the viewer may see.

        None where they may not see the post itself.
        """
        seen = {
            "viewer": LOGGED_OUT if viewer_id is None else viewer_id,
            "post": post_id,
            "now": _moment(now_ms),
        }
        if not self._ids(self.SHOWN, **seen):
            return None
        return [*self._ids(self.ABOVE, deepest=depth, **seen), post_id, *self._ids(self.REPLIES, **seen)]

    def rows(self, statement: str, **parameters: int) -> Sequence[Sequence[Any]]:
        """Any statement: tables are written `{posts}`, parameters `:viewer`."""
        for short, whole in SAID_OFTEN.items():
            statement = statement.replace(short, whole)
        if self._percent:
            statement = _PARAMETERS.sub(r"CAST(%(\1)s AS bigint)", statement)
        return self._execute(_TABLES.sub(self._table, statement), parameters)

    def close(self) -> None:
        """Close the connection that was opened here."""
        self._close()

    def __enter__(self) -> "Recompute":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ids(self, statement: str, **parameters: int) -> list[int]:
        return [row[0] for row in self.rows(statement, **parameters)]

    def _table(self, name: re.Match[str]) -> str:
        quoted = f"{self._namespace}_{name[1]}".replace('"', '""')
        return '"' + (quoted.replace("%", "%%") if self._percent else quoted) + '"'


def _sqlite(database: str) -> tuple[Execute, Callable[[], object]]:
    path = re.sub(r"^sqlite(\+\w+)?:///|\?.*$", "", database) if database.startswith("sqlite") else database
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute("PRAGMA query_only = ON")

    def execute(statement: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        return connection.execute(statement, parameters).fetchall()

    return execute, connection.close


def _postgresql(url: str) -> tuple[Execute, Callable[[], object]]:
    import psycopg

    connection = psycopg.connect(re.sub(r"^postgresql\+\w+:", "postgresql:", url), autocommit=True)

    def execute(statement: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        return connection.execute(statement.encode(), parameters).fetchall()

    return execute, connection.close


def _moment(now_ms: int | None) -> int:
    return 2**62 if now_ms is None else now_ms


def _nothing() -> None:
    pass
