"""Pages over PostgreSQL that are made while PostgreSQL is asked whether anything has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

import feedkit
from feedkit import Hybrid, Settings

pytestmark = pytest.mark.postgres
SETTINGS = Settings(redis_timeout_ms=5000)


@pytest.fixture(params=["redis", "memory"])
def connect(
    request: pytest.FixtureRequest, postgres_database: str
) -> Iterator[Callable[..., feedkit.Feed[str]]]:
    """Opens a feed on the same database and Redis, as another process would."""
    redis = request.getfixturevalue("redis_url") if request.param == "redis" else None
    opened: list[feedkit.Feed[str]] = []

    def connect(**options: Any) -> feedkit.Feed[str]:
        opened.append(feedkit.connect(postgres_database, redis=redis, settings=SETTINGS, **options))
        if len(opened) == 1:
            opened[0].migrate()
        return opened[-1]

    yield connect
    for feed in opened:
        feed.close()


@pytest.fixture
def feed(connect: Callable[..., feedkit.Feed[str]]) -> feedkit.Feed[str]:
    return connect()


@pytest.fixture
def twin(feed: feedkit.Feed[str], connect: Callable[..., feedkit.Feed[str]]) -> feedkit.Feed[str]:
    return connect()


def texts(page: feedkit.Page[Any]) -> list[str]:
    return [item.post.text for item in page]


def settle(feed: feedkit.Feed[str], reader: str = "bob") -> None:
    """Until all is delivered, and this process expects nothing new."""
    feed.drain()
    for _ in range(3):
        feed.home(reader)
    assert feed.runtime().log.expected() is not None


def during_a_read(feed: feedkit.Feed[str], monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
    """Have something happen once, when the inbox of a page has been read and before truth is asked."""
    runtime, once = feed.runtime(), [act]
    ask = runtime.tail.ask

    def asked_after(number: int) -> Any:
        while once:
            once.pop()()
        return ask(number)

    monkeypatch.setattr(runtime.tail, "ask", asked_after)


def test_where_nothing_is_new_a_page_asks_truth_for_nothing_else(feed: feedkit.Feed[str]) -> None:
    feed.follow("bob", "ada")
    feed.publish("ada", text="hello")
    settle(feed)
    before = feed.runtime().truth.times_read()
    assert texts(feed.home("bob")) == ["hello"]
    assert feed.runtime().truth.times_read() == before


def test_a_change_holds_at_the_next_read_of_a_process_that_expects_none(
    feed: feedkit.Feed[str], twin: feedkit.Feed[str]
) -> None:
    for author in ("ada", "cyd", "dan"):
        feed.follow("bob", author)
        feed.publish(author, text=author)
    post = feed.publish("dan", text="regretted")
    for change, expected in (
        (lambda: feed.block("ada", "bob"), ["regretted", "dan", "cyd"]),
        (lambda: feed.mute("bob", "cyd"), ["regretted", "dan"]),
        (lambda: feed.delete("dan", post.id), ["dan"]),
        (lambda: feed.unfollow("bob", "dan"), []),
        (lambda: feed.unmute("bob", "cyd"), ["cyd"]),
    ):
        settle(twin)
        change()
        assert texts(twin.home("bob")) == expected


def test_what_is_committed_while_a_page_is_made_comes_once(
    feed: feedkit.Feed[str], twin: feedkit.Feed[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.follow("bob", "ada")
    feed.publish("ada", text="first")
    settle(feed)

    def publish() -> None:
        twin.publish("ada", text="second")
        twin.drain()  # so that it is in the inbox, if that is shared

    during_a_read(feed, monkeypatch, publish)
    page = feed.home("bob")
    newer = feed.home("bob", cursor=page.newer_cursor)
    assert sorted(texts(page) + texts(newer)) == ["first", "second"]


def test_a_block_while_a_page_is_made_is_seen(
    feed: feedkit.Feed[str], twin: feedkit.Feed[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.follow("bob", "ada")
    feed.publish("ada", text="hello")
    settle(feed)
    during_a_read(feed, monkeypatch, lambda: twin.block("ada", "bob"))
    assert texts(feed.home("bob")) == []


def test_a_connection_that_was_cut_is_made_anew(feed: feedkit.Feed[str], postgres_database: str) -> None:
    feed.follow("bob", "ada")
    feed.publish("ada", text="hello")
    settle(feed)
    url = sa.make_url(postgres_database).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    feed.publish("ada", text="again")
    assert texts(feed.home("bob")) == ["again", "hello"]
    settle(feed)


def test_threads_that_ask_at_once_all_see_what_holds(
    feed: feedkit.Feed[str], twin: feedkit.Feed[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.follow("bob", "ada")
    feed.publish("ada", text="hello")
    settle(feed)
    number = feed.runtime().log.expected()
    assert number is not None
    with feed.runtime().log.ask(number):  # as if another thread waited for its answer
        assert texts(feed.home("bob")) == ["hello"]
        twin.block("ada", "bob")
        assert texts(feed.home("bob")) == []


def test_pulled_authors_are_merged_in_from_what_this_process_holds(
    connect: Callable[..., feedkit.Feed[str]],
) -> None:
    one, other = (connect(policy=Hybrid(pull_above=0)) for _ in range(2))
    one.follow("bob", "ada")
    posts: list[feedkit.Post] = []
    for text in "abcd":
        posts.insert(0, one.publish("ada", text=text))
        assert texts(other.home("bob")) == texts(one.home("bob")) == [post.text for post in posts]
    settle(other)
    one.delete("ada", posts[0].id)
    assert texts(other.home("bob")) == texts(one.home("bob")) == ["c", "b", "a"]
