"""What was taken back is served from no cache, whatever the process knows."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import attrs
import pytest
import redis
import sqlalchemy as sa

import feedkit
from feedkit import ConfigurationError, Settings
from feedkit.fanout.delivery import Delivery
from feedkit.storage.guarding import Guard
from feedkit.storage.redis.cache import RedisCache
from feedkit.storage.touching import Cached, Touches
from tests.redis_servers import run_redis
from tests.shared.tools import SETTINGS, Counted, Feed, list_of, out_of_reach, prepared, seen, texts

RESTRICTING: dict[str, Callable[[Feed, int, Any], Any]] = {
    "block": lambda feed, _, on: feed.block("ada", "bob", connection=on),
    "blocked by the viewer": lambda feed, _, on: feed.block("bob", "ada", connection=on),
    "delete": lambda feed, post_id, on: feed.delete("ada", post_id, connection=on),
    "audience": lambda feed, post_id, on: feed.edit("ada", post_id, audience="only_me", connection=on),
    "take down": lambda feed, post_id, on: feed.staff("me", reason="x").remove(post_id, connection=on),
    "suspend": lambda feed, _, on: feed.staff("me", reason="x").suspend("ada", connection=on),
    "off the list": lambda feed, _, on: feed.lists.remove("ada", list_of(feed), ["bob"], connection=on),
    "no more list": lambda feed, _, on: feed.lists.delete("ada", list_of(feed), connection=on),
}


@pytest.mark.parametrize("verb", RESTRICTING)
@pytest.mark.parametrize("connected", [False, True], ids=["alone", "in a host's transaction"])
def test_a_restriction_holds_at_the_next_read_of_a_process_that_knows_nothing(
    another: Callable[..., Feed], target: str, verb: str, connected: bool
) -> None:
    feed = another()
    post_id = prepared(feed)
    witness = another()
    assert seen(witness, "bob", "ada") == ["secret", "secret"]

    if connected:
        engine = sa.create_engine(target)
        with engine.begin() as connection:
            done = RESTRICTING[verb](feed, post_id, connection)
            assert seen(another(), "bob", "ada") == ["secret", "secret"], "it is not committed"
        engine.dispose()
    else:
        done = RESTRICTING[verb](feed, post_id, None)

    assert done.guarded
    newcomer = another()
    assert seen(newcomer, "bob", "ada") == seen(witness, "bob", "ada") == []
    assert seen(another(), "bob", "ada") == []


def test_less_on_home_holds_at_the_next_read_of_a_process_that_knows_nothing(
    another: Callable[..., Feed],
) -> None:
    feed = another()
    for change in (feed.mute, feed.unfollow):
        feed.follow("bob", "ada")
        feed.publish("ada", text="x", audience="followers")
        assert texts(another().home("bob"))
        assert change("bob", "ada").guarded
        assert not texts(another().home("bob")), change
        feed.unmute("bob", "ada")
    feed.users.put("ada", private=True)
    assert not texts(another().profile("eve", "ada"))


@pytest.mark.parametrize("left_out", ["tombstone", "lift", "nothing"])
def test_a_missing_tombstone_would_be_noticed(
    another: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch, left_out: str
) -> None:
    """In a process that has not applied the event nothing but the tombstone keeps the old value away."""
    monkeypatch.setattr(Touches, "apply", lambda *_: None)
    feed = another()
    prepared(feed)
    if left_out != "nothing":
        monkeypatch.setattr(RedisCache, "lift", lambda *_: None)
    if left_out == "tombstone":
        monkeypatch.setattr(RedisCache, "bury", lambda *_: None)

    feed.block("ada", "bob")
    assert bool(seen(another(), "bob", "ada")) == (left_out == "tombstone")


def test_a_reader_who_began_before_leaves_nothing_outdated_behind(
    another: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has loaded the relations, and wants to keep them after the block: the lease is gone by then."""
    feed, slow = another(), another()
    feed.follow("bob", "ada")
    feed.publish("ada", text="secret")
    loaded, blocked = threading.Event(), threading.Event()
    fill = RedisCache.fill

    def filling(cache: RedisCache, leased: Any, ttl_ms: Any) -> list[bool]:
        if leased[0][0][0] is Cached.RELATIONS and threading.current_thread() is not threading.main_thread():
            loaded.set()
            assert blocked.wait(10)
        return fill(cache, leased, ttl_ms)

    monkeypatch.setattr(RedisCache, "fill", filling)
    reader = threading.Thread(target=seen, args=(slow, "bob", "ada"))
    reader.start()
    assert loaded.wait(10)
    feed.block("ada", "bob")
    blocked.set()
    reader.join()

    assert seen(another(), "bob", "ada") == []


def test_tombstones_of_a_host_are_lifted_once_the_log_is_delivered(
    another: Callable[..., Feed], target: str
) -> None:
    with run_redis() as url, redis.Redis.from_url(url) as client, sqlite3.connect(target[10:]) as connection:
        feed = another(redis=url)
        prepared(feed)
        connection.execute("BEGIN IMMEDIATE")
        feed.block("ada", "bob", connection=connection)
        assert len(buried(client)) == 2
        connection.commit()
        assert len(buried(client)) == 2
        assert feed.drain().done
        assert buried(client) == []
        feed.unblock("ada", "bob")
        assert buried(client) == [], "alone it is known when it is committed"
        feed.close()


@pytest.mark.parametrize("event", ["is shared by workers", "becomes a dead letter"])
def test_they_are_lifted_whatever_becomes_of_the_delivery(
    another: Callable[..., Feed], target: str, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    with run_redis() as url, redis.Redis.from_url(url) as client, sqlite3.connect(target[10:]) as connection:
        large = event == "is shared by workers"
        settings = attrs.evolve(SETTINGS, delivery_chunk=1, chunk_followers=1) if large else SETTINGS
        feed = another(redis=url, settings=settings)
        feed.follow("eve", "ada")
        post_id = prepared(feed)
        assert feed.drain().done
        connection.execute("BEGIN IMMEDIATE")
        feed.delete("ada", post_id, connection=connection)
        connection.commit()
        assert len(buried(client)) == 2
        if not large:
            monkeypatch.setattr(Delivery, "deliver", lambda *_, **__: 1 / 0)

        feed.runtime().log.step(share=False)

        assert buried(client) == []
        chunks = feed.runtime().fanout.chunks
        assert chunks is not None
        assert chunks.is_left() == large
        assert len(feed.dead_letters.page("timelines")) == (not large)
        feed.close()


@pytest.mark.postgres
def test_where_workers_deliver_a_restriction_holds_before_they_have_heard_of_it(
    postgres_database: str,
) -> None:
    """As it is on PostgreSQL with Redis unless somebody says otherwise; here no worker runs until the end."""
    engine = sa.create_engine(postgres_database)
    with run_redis() as url, redis.Redis.from_url(url) as client, ExitStack() as stack:

        def newcomer() -> Feed:
            return stack.enter_context(feedkit.connect(postgres_database, redis=url))

        feed, witness = newcomer(), newcomer()
        feed.migrate()
        prepared(feed)
        assert seen(witness, "bob", "ada") == ["secret", "secret"]
        with engine.begin() as connection:
            feed.block("ada", "bob", connection=connection)
            assert seen(witness, "bob", "ada") == ["secret", "secret"], "it is not committed"
        assert seen(witness, "bob", "ada") == seen(newcomer(), "bob", "ada") == []
        assert len(buried(client)) == 2
        feed.work(max_seconds=0.1)
        assert buried(client) == []
        assert seen(newcomer(), "bob", "ada") == []
    engine.dispose()


def buried(client: Any) -> list[bytes]:
    """The keys under tombstones."""
    held = [key for kind in Cached for key in client.scan_iter(f"*:{kind.value}:*")]
    return [key for key in held if (client.get(key) or b"").startswith(b"T")]


def test_a_transaction_that_is_rolled_back_leaves_tombstones_that_lapse(
    another: Callable[..., Feed], target: str
) -> None:
    brief = Settings(shared_lease_ms=100, host_transaction_max_s=1, shared_wait_ms=10)
    feed, counted = another(settings=brief), Counted()
    prepared(feed)
    with sqlite3.connect(target[10:]) as connection:
        connection.execute("BEGIN IMMEDIATE")
        feed.block("ada", "bob", connection=connection)
        connection.rollback()
    other = another(settings=brief, metrics=counted)
    assert seen(other, "bob", "ada") == ["secret", "secret"]
    assert counted.hits("shared_relations") == (0, 1), "nobody trusts what lies under a tombstone"
    threading.Event().wait(1.3)
    for _ in range(2):
        counted.counts.clear()
        assert seen(another(settings=brief, metrics=counted), "bob", "ada") == ["secret", "secret"]
    assert counted.hits("shared_relations") == (1, 0)


def test_out_of_reach_a_restriction_is_committed_and_says_that_it_is_not_guarded(
    another: Callable[..., Feed],
) -> None:
    counted = Counted()
    feed, witness = another(metrics=counted), another()
    post_id = prepared(feed)
    assert seen(witness, "bob", "ada") == ["secret", "secret"]

    with out_of_reach(feed):
        results: list[Any] = [
            feed.lists.remove("ada", list_of(feed), ["bob"]),
            feed.block("ada", "bob"),
            feed.edit("ada", post_id, audience="only_me"),
            feed.users.put("ada", private=True),
            feed.staff("me", reason="x").suspend("ada"),
            feed.delete("ada", post_id),
        ]
        assert [result.guarded for result in results] == [False] * 6
        assert results[0] == results[-1] == 1
        assert feed.staff("me", reason="x").reinstate("ada").guarded is False
        assert feed.publish("ada", text="new").guarded, "what nobody could see is not cached"
        assert seen(feed, "bob", "ada") == []
    assert seen(witness, "bob", "ada") == [], "it has applied the log"
    assert feed.unblock("ada", "bob").guarded, "there it is again"
    assert counted.counts["guards", "missed"] >= 4
    assert counted.counts["guards", "held"] >= 1


def test_what_redis_was_not_told_of_goes_as_soon_as_the_log_is_delivered(
    another: Callable[..., Feed],
) -> None:
    feed = another()
    prepared(feed)
    with out_of_reach(feed):
        assert not feed.block("ada", "bob").guarded
    assert feed.drain().done
    assert seen(another(), "bob", "ada") == []


def test_a_redis_that_does_not_let_us_stops_nobody(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(feed)

    def refused(*_: Any) -> None:
        raise ConfigurationError("its user may not", argument="redis")

    monkeypatch.setattr(RedisCache, "bury", refused)
    assert feed.block("ada", "bob").guarded is False
    assert seen(feed, "bob", "ada") == []


def test_a_guard_that_fails_for_another_reason_stops_the_change(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect is no outage: it must not pass for one."""
    prepared(feed)
    monkeypatch.setattr(Guard, "before_commit", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        feed.block("ada", "bob")
    monkeypatch.undo()
    assert seen(feed, "bob", "ada") == ["secret", "secret"]
