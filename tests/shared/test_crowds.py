"""Round trips, crowds of readers, and a database that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import attrs
import psycopg
import pytest
import redis
import sqlalchemy as sa

import feedkit
from feedkit import Hybrid, PullAll, Settings, Unavailable
from feedkit.storage.redis.wire import RedisWire
from feedkit.storage.touching import Cached
from tests.shared.tools import SETTINGS, Counted, Feed, texts
from tests.unit.test_lookups import at_once


@contextmanager
def trips_counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[], Any]], int]]:
    """What counts the round trips to Redis of some work: parallel sends to all servers concerned are one."""
    made = 0
    run = RedisWire._run

    def running(wire: RedisWire, job: Any, **how: Any) -> None:
        nonlocal made
        made += 1
        run(wire, job, **how)

    def count(work: Callable[[], Any]) -> int:
        nonlocal made
        made = 0
        work()
        return made

    with monkeypatch.context() as patched:
        patched.setattr(RedisWire, "_run", running)
        yield count


@pytest.mark.parametrize("server", ["redis_url", "redis_cluster_url"])
def test_a_home_page_takes_at_most_three_round_trips(
    another: Callable[..., Feed],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    server: str,
) -> None:
    """With a pulled author among them; nothing is delivered meanwhile."""
    given: dict[str, Any] = {"redis": request.getfixturevalue(server), "policy": Hybrid(2, 1)}
    feed = another(**given)
    for reader in ("bob", "eve", "dan"):
        feed.follow(reader, "ada")
    feed.follow("bob", "cyd")
    feed.drain()
    for text in "abc":
        feed.publish("ada", text=text)
        feed.publish("cyd", text=text)
    feed.drain()
    feed.home("bob")

    newcomer = another(**given)
    newcomer.runtime().log.catch_up()
    with trips_counted(monkeypatch) as trips:
        assert trips(lambda: newcomer.home("bob")) == 3, "relations; inbox and outboxes; posts and authors"
        assert trips(lambda: newcomer.home("bob")) == 1, "the inbox"
        assert trips(lambda: newcomer.home("bob", cursor=newcomer.home("bob", limit=2).next_cursor)) == 2
        assert trips(lambda: feed.publish("ada", text="d")) == 0
        assert trips(lambda: feed.block("ada", "gus")) == 2, "bury, and lift"


def test_an_outbox_that_a_process_keeps_lacks_nothing(another: Callable[..., Feed]) -> None:
    """Posts and deletions of its author change it, in whatever process they happen."""
    one, other = another(policy=PullAll()), another(policy=PullAll())
    one.follow("bob", "ada")
    posts = []
    for nth in range(5):
        posts.append(one.publish("ada", text=str(nth)))
        assert texts(other.home("bob")) == texts(one.home("bob")) == [post.text for post in posts[::-1]]
        other.publish("cyd", text="by somebody else")
        assert texts(one.home("bob"))[0] == str(nth)
    other.delete("ada", posts.pop().id)
    assert texts(one.home("bob")) == [post.text for post in posts[::-1]]


def test_f17_a_thousand_readers_of_one_cold_inbox_come_to_one_rebuild(another: Callable[..., Feed]) -> None:
    """A hundred at a time, half of them in another process."""
    counted = Counted()
    patient = attrs.evolve(SETTINGS, shared_wait_ms=30_000)
    feeds = [another(settings=patient, metrics=counted) for _ in range(2)]
    feeds[0].follow("bob", "ada")
    for nth in range(30):
        feeds[0].publish("ada", text=str(nth))
    assert feeds[0].drain().done
    for feed in feeds:
        feed.runtime().log.catch_up()
    pages: list[list[str]] = []
    start = threading.Barrier(100)

    def read(feed: Feed) -> None:
        start.wait()
        for _ in range(10):
            pages.append(texts(feed.home("bob")))

    threads = [threading.Thread(target=read, args=(feeds[nth % 2],)) for nth in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert pages == [[str(nth) for nth in range(29, 9, -1)]] * 1000
    assert counted.counts["inbox_builds", ""] == 1
    assert counted.hits("shared_relations")[1] <= 100, "who came while it was loaded"


def _cut_off(url: str, *, on: bool) -> None:
    """Let nobody connect to a database, nor stay connected, or let them again."""
    name = sa.make_url(url).database
    server = sa.make_url(url).set(database="postgres", drivername="postgresql")
    with psycopg.connect(server.render_as_string(hide_password=False), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {str(not on).lower()}".encode())
        if on:
            ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            admin.execute(ours.encode(), (name,))


def test_f18_the_database_fails_while_the_cache_refills(postgres_database: str, redis_url: str) -> None:
    retries = 2
    given: dict[str, Any] = {
        "redis": redis_url,
        "settings": Settings(retries=retries, retry_backoff_ms=1, shared_wait_ms=200),
    }
    with ExitStack() as stack:
        feed = stack.enter_context(feedkit.connect(postgres_database, **given))
        feed.migrate()
        client = stack.enter_context(redis.Redis.from_url(redis_url))
        feed.follow("bob", "ada")
        posts = [feed.publish("ada", text=text) for text in "abc"]
        assert texts(feed.home("bob")) == ["c", "b", "a"]
        newcomer = stack.enter_context(feedkit.connect(postgres_database, **given))
        newcomer.runtime().log.catch_up()
        prefix = newcomer.runtime()._place().prefix  # type: ignore[misc]

        def cached() -> dict[bytes, Any]:
            every = [key for kind in Cached for key in client.scan_iter(f"{prefix}:{kind.value}:*")]
            return {key: client.get(key) for key in every}

        (lapsed,) = [key for key in cached() if key.endswith(b"p:%016x" % posts[1].position)]
        client.delete(lapsed)
        kept = cached()
        truth = newcomer.runtime().truth
        tries = 0
        is_away = True
        ask = truth.posts.at_positions

        def at_positions(tx: Any, positions: Any) -> Any:
            nonlocal tries
            tries += 1
            if is_away:
                _cut_off(postgres_database, on=True)
            return ask(tx, positions)

        truth.posts.at_positions = at_positions  # type: ignore[method-assign]
        with pytest.raises(Unavailable) as failed:
            newcomer.home("bob")
        assert failed.value.retry_after_s
        assert tries == 1, "whoever tries again is refused before they can ask for anything"
        assert cached() == kept, "nothing is deleted, and no lease is left standing"
        refused = list(at_once(*[lambda: caught(lambda: newcomer.home("bob"))] * 20))
        assert all(isinstance(error, Unavailable) for error in refused)
        assert cached() == kept

        is_away, tries = False, 0
        _cut_off(postgres_database, on=False)
        for page in at_once(*[lambda: texts(newcomer.home("bob"))] * 20):
            assert page == ["c", "b", "a"]
        assert tries == 1, "one of them loads"
        assert cached().keys() == kept.keys() | {lapsed}


def caught(work: Callable[[], Any]) -> Exception | None:
    try:
        work()
    except Exception as error:
        return error
    return None
