"""What connect takes, when it opens what, and what is closed again."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import feedkit
from feedkit import (
    Closed,
    ConfigurationError,
    InvalidCursor,
    KeyTypeMismatch,
    NotFound,
    SchemaMissing,
    UserCounts,
)
from tests.cases.case_tools import both_paths, everything, ids, news, opened

# targets


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"key": bytes}, "key"),
        ({"key": "str"}, "key"),
        ({"deliver": "never"}, "deliver"),
        ({"namespace": "Bad Name"}, "namespace"),
        ({"namespace": ""}, "namespace"),
        ({"namespace": "x" * 25}, "namespace"),
    ],
)
def test_what_connect_cannot_work_with_is_refused_at_once(arguments: dict[str, Any], argument: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        feedkit.connect("memory://", **arguments)
    assert refused.value.argument == argument


@pytest.mark.parametrize(
    "target",
    [
        None,
        5,
        "",
        "social.db",
        "sqlite:social.db",
        "sqlite:/social.db",
        "sqlite://social.db",
        "memory",
        "mysql://a/b",
    ],
)
def test_a_target_that_is_none_is_refused_and_no_posts_get_lost(target: Any) -> None:
    with (
        feedkit.connect(target) as feed,
        pytest.raises(ConfigurationError, match=r"sqlite:///file\.db") as refused,
    ):
        feed.publish("ada", text="Where am I?")
    assert refused.value.argument == "target"


# opening and closing


def test_a_file_whose_folder_is_missing_is_no_outage(tmp_path: Path) -> None:
    with feedkit.connect(f"sqlite:///{tmp_path}/nowhere/app.db") as feed:
        with pytest.raises(ConfigurationError, match=f"there is no folder {tmp_path}/nowhere ") as refused:
            feed.publish("ada", text="Hello")
        assert refused.value.argument == "target"
        (tmp_path / "nowhere").mkdir()
        feed.publish("ada", text="Hello")


def test_connect_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("nothing may be opened yet")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(sqlite3, "connect", refuse)
    monkeypatch.setattr(sqlite3.dbapi2, "connect", refuse)
    monkeypatch.setattr(threading.Thread, "start", refuse)

    # when
    for target in (f"sqlite:///{tmp_path / 'x.db'}", "memory://", "postgresql+psycopg://u@localhost:1/x"):
        for deliver in ("inline", "thread"):
            feed = feedkit.connect(target, deliver=deliver)
            feed.close()

    # then
    assert list(tmp_path.iterdir()) == []


def test_sqlite_makes_its_tables_at_the_first_verb(tmp_path: Path) -> None:
    with feedkit.connect(f"sqlite:///{tmp_path / 'x.db'}") as feed:
        assert list(tmp_path.iterdir()) == []
        assert ids(feed.home("bob")) == []
        assert (tmp_path / "x.db").exists()


def test_postgres_waits_to_be_migrated(postgres_database: str) -> None:
    with feedkit.connect(postgres_database) as feed:
        with pytest.raises(SchemaMissing, match="feedkit migrate"):
            feed.publish("ada", text="x")
        feed.migrate()
        feed.migrate()
        feed.publish("ada", text="x")
    with feedkit.connect(postgres_database) as feed:
        assert len(feed.home("ada")) == 1


def test_what_was_written_is_there_after_reopening(sqlite_url: str) -> None:
    with opened(sqlite_url) as feed:
        feed.follow("bob", "ada")
        post = feed.publish("ada", text="hi")
        page = feed.home("bob")
    with opened(sqlite_url) as feed:
        assert ids(feed.home("bob")) == [post.id]
        assert feed.home("bob").items == page.items
        assert news(feed, "bob", page.newer_cursor)[0] == [], "cursors outlive a restart"


def test_closing_twice_does_nothing_and_a_closed_feed_says_so(backend_url: str) -> None:
    # given
    feed = feedkit.connect(backend_url)
    feed.migrate()
    feed.publish("ada", text="x")

    # when
    feed.close()
    feed.close()

    # then
    verbs: list[Callable[[], object]] = [
        feed.migrate,
        feed.drain,
        feed.check,
        feed.wipe,
        feed.rotate_cursor_key,
        lambda: feed.home("ada"),
        lambda: feed.profile(None, "ada"),
        lambda: feed.post(None, 1),
        lambda: feed.posts.get(None, [1]),
        lambda: feed.users.get(["ada"]),
        lambda: feed.users.put("ada"),
        lambda: feed.publish("ada", text="x"),
        lambda: feed.delete("ada", 1),
        lambda: feed.follow("ada", "bob"),
    ]
    for verb in verbs:
        with pytest.raises(Closed, match=r"feedkit\.connect"):
            verb()


def test_a_feed_that_was_never_used_closes() -> None:
    feed = feedkit.connect("sqlite:////nowhere/at/all.db")
    feed.close()
    with pytest.raises(Closed):
        feed.home("ada")


def test_a_with_block_closes_on_an_error(sqlite_url: str) -> None:
    def fail(feed: feedkit.Feed[str]) -> None:
        with feed:
            feed.home("ada")
            raise LookupError

    feed = feedkit.connect(sqlite_url)
    with pytest.raises(LookupError):
        fail(feed)
    with pytest.raises(Closed):
        feed.home("ada")


def test_a_hosts_engine_is_used_and_left_open(backend_url: str) -> None:
    if backend_url == "memory://":
        pytest.skip("there is no engine to hand in")
    # given
    engine = sa.create_engine(backend_url)
    pool = engine.pool

    # when
    with opened(engine) as feed:
        feed.follow("bob", "ada")
        post = feed.publish("ada", text="hi")
        assert ids(feed.home("bob")) == [post.id]

    # then
    assert engine.pool is pool, "a disposed engine would have a new one"
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT text FROM feedkit_posts")) == "hi"
    with opened(engine) as feed:
        assert ids(feed.home("bob")) == [post.id]
    engine.dispose()


def test_a_hosts_engine_in_memory_is_refused() -> None:
    """Host and feedkit would share its one connection, and with it each other's transactions."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool, connect_args={"check_same_thread": False})
    with feedkit.connect(engine) as feed, pytest.raises(ConfigurationError, match="memory://") as refused:
        feed.home("ada")
    assert refused.value.argument == "target"
    engine.dispose()


def test_namespaces_of_one_database_are_apart(backend_url: str) -> None:
    if backend_url == "memory://":
        pytest.skip("every feed in memory is a database of its own")
    with (
        opened(backend_url, namespace="one") as one,
        opened(backend_url, namespace="two", key=int) as other,
    ):
        # given
        numbers: feedkit.Feed[int] = other  # type: ignore[assignment]  # the helper opens feeds of str
        one.follow("bob", "ada")
        post = one.publish("ada", text="hi", ref="same")
        numbers.follow(1, 2)
        theirs = numbers.publish(2, text="hello", ref="same")

        # then
        for feed in (one, numbers):
            feed.drain()
            feed.wipe()
        assert ids(one.home("bob")) == [post.id]
        assert ids(numbers.home(1)) == [theirs.id]
        assert one.check().viewers == numbers.check().viewers == 2
        with pytest.raises(NotFound):
            numbers.post(1, post.id)
        with pytest.raises(InvalidCursor):
            numbers.home(1, cursor=one.home("bob").newer_cursor)
        numbers.delete(2, theirs.id)
        assert ids(one.home("bob")) == [post.id]
        assert one.profile(None, "ada").counts.posts == 1


def test_feeds_in_memory_are_apart() -> None:
    with opened("memory://") as one, opened("memory://") as other:
        one.publish("ada", text="x")
        assert ids(other.profile(None, "ada")) == []


def test_threads_share_one_feed(feed: feedkit.Feed[str]) -> None:
    # given
    feed.follow("bob", "ada")
    together = threading.Barrier(6)

    def write(number: int) -> list[int]:
        together.wait(10)
        mine = []
        for n in range(8):
            mine.append(feed.publish("ada", text=f"{number} {n}").id)
            feed.follow(f"fan {number} {n}", "ada")
        return mine

    def read(_: int) -> list[int]:
        together.wait(10)
        sizes = []
        for _ in range(20):
            found = everything(feed, "bob", limit=30)
            assert found == sorted(set(found), reverse=True)
            sizes.append(len(found))
        return sizes

    # when
    with ThreadPoolExecutor(6) as pool:
        writing = [pool.submit(write, number) for number in range(3)]
        reading = [pool.submit(read, number) for number in range(3)]
        posts = sorted((post for future in writing for post in future.result(60)), reverse=True)
        for future in reading:
            sizes = future.result(60)
            assert sizes == sorted(sizes), "nothing that was there goes away"

    # then
    feed.drain()
    assert len(set(posts)) == 24
    assert both_paths(feed, "bob") == posts
    assert feed.profile(None, "ada").counts == UserCounts(followers=25, posts=24)


def test_the_first_use_by_many_threads_opens_one_runtime(sqlite_url: str) -> None:
    with feedkit.connect(sqlite_url) as feed, ThreadPoolExecutor(8) as pool:
        together = threading.Barrier(8)

        def first(_: int) -> int:
            together.wait(10)
            return id(feed.runtime())

        assert len(set(pool.map(first, range(8)))) == 1


# connections


def test_a_migrate_that_is_refused_leaves_no_connection(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    with feedkit.connect(sqlite_url) as feed:
        feed.migrate()
    engines: list[sa.Engine] = []
    create_engine = sa.create_engine

    def remembered(*args: Any, **kwargs: Any) -> sa.Engine:
        engines.append(create_engine(*args, **kwargs))
        return engines[-1]

    monkeypatch.setattr(sa, "create_engine", remembered)

    # when
    with feedkit.connect(sqlite_url, key=int) as other, pytest.raises(KeyTypeMismatch):
        other.migrate()

    # then
    assert ["Connections in pool: 0" in engine.pool.status() for engine in engines] == [True]
