"""F15: what stands between feedkit and PostgreSQL is slow, falls silent, or resets connections within a reply."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from typing import Any, TypeVar

import psycopg
import pytest
import sqlalchemy as sa

import feedkit
from feedkit import Settings, Unavailable
from feedkit.storage.sql.asking import LogAsking
from feedkit.storage.sql.patience import connected, unhurried
from tests.proxy import Proxy, around_postgres

T = TypeVar("T")
Feed = feedkit.Feed[str]
TIMEOUT_S = 0.5
CONNECT_S = 2.0
"""libpq takes no shorter time for that."""
BOUND_S = 3 * TIMEOUT_S + CONNECT_S + 1.5
"""For a whole page: to ask for the log, then to look for itself, on an old connection and on a new one."""
SETTINGS = Settings(postgres_timeout_ms=int(TIMEOUT_S * 1000))


@pytest.fixture
def through(postgres_database: str) -> Iterator[tuple[Proxy, str]]:
    with around_postgres(postgres_database) as (proxy, url):
        yield proxy, url
        proxy.heal()


@pytest.fixture
def proxy(through: tuple[Proxy, str]) -> Proxy:
    return through[0]


@pytest.fixture
def feed(through: tuple[Proxy, str]) -> Iterator[Feed]:
    with feedkit.connect(through[1], settings=SETTINGS) as feed:
        feed.migrate()
        feed.follow("bob", "ada")
        for text in "abc":
            feed.publish("ada", text=text)
        assert texts(feed) == ["c", "b", "a"]
        assert texts(feed) == ["c", "b", "a"], "from now on the log is asked while the page is made"
        yield feed


def texts(feed: Feed) -> list[str]:
    return [item.post.text for item in feed.home("bob", limit=100)]


def timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.monotonic()
    return work(), time.monotonic() - started


def refused(work: Callable[[], object]) -> float:
    """How long it took until it was told that the database cannot be reached."""
    started = time.monotonic()
    with pytest.raises(Unavailable, match="did not answer"):
        work()
    return time.monotonic() - started


def test_f15_half_a_second_each_way_costs_time_alone(postgres_database: str) -> None:
    with around_postgres(postgres_database) as (proxy, url), feedkit.connect(url) as feed:
        feed.migrate()
        feed.follow("bob", "ada")
        feed.publish("ada", text="a")
        assert texts(feed) == texts(feed) == ["a"]
        proxy.delay(0.5)
        page, read_s = timed(lambda: texts(feed))
        assert page == ["a"]
        assert 1 <= read_s < 2, "one question"
        proxy.heal()


@pytest.mark.parametrize("requests", [True, False], ids=["nothing arrives", "nothing is answered"])
def test_f15_a_database_that_never_answers_is_given_up(feed: Feed, proxy: Proxy, requests: bool) -> None:
    # given
    proxy.silence(requests=requests)

    # when
    with ThreadPoolExecutor(4) as pool:
        verbs: list[Callable[[], Any]] = [
            lambda: texts(feed),
            lambda: feed.publish("ada", text="perhaps"),
        ] * 2
        waited = [one.result(30) for one in [pool.submit(refused, verb) for verb in verbs]]

    # then
    assert max(waited) < BOUND_S
    proxy.heal()
    page = texts(feed)
    assert [text for text in page if text != "perhaps"] == ["c", "b", "a"]
    assert len(page) <= 5
    feed.publish("ada", text="later")
    assert texts(feed) == ["later", *page]
    assert feed.check(sample=10).ok


@pytest.mark.parametrize("after", [5, 50])
def test_f15_silence_in_the_middle_of_what_the_log_says(feed: Feed, proxy: Proxy, after: int) -> None:
    proxy.silence(after=after, requests=False)
    assert refused(lambda: texts(feed)) < BOUND_S
    proxy.heal()
    feed.publish("ada", text="later")
    assert texts(feed) == ["later", "c", "b", "a"]


def test_f15_connections_that_were_forgotten_on_the_way_are_replaced(feed: Feed, proxy: Proxy) -> None:
    """A firewall drops what idles: nobody is told, and new connections work."""
    proxy.strand()
    page, read_s = timed(lambda: texts(feed))
    assert page == ["c", "b", "a"]
    assert read_s < BOUND_S
    feed.publish("ada", text="d")
    page, read_s = timed(lambda: texts(feed))
    assert page == ["d", "c", "b", "a"]
    assert read_s < TIMEOUT_S
    proxy.heal()


def test_f15_a_reset_in_the_middle_of_any_reply_is_made_good_at_once(feed: Feed, proxy: Proxy) -> None:
    wanted, truth = ["c", "b", "a"], feed.runtime().truth
    for after in range(0, 600, 20):
        truth.read(truth.events.last_number)  # there is a connection
        proxy.reset(after=after, once=True)
        feed.publish("ada", text=f"cut {after}")
        proxy.heal()
        wanted.insert(0, f"cut {after}")
        assert texts(feed) == texts(feed) == wanted, "each once, and none is lost"
        proxy.reset(after=after // 3, once=True)
        assert texts(feed) == wanted
        proxy.heal()
    assert feed.drain().done
    assert feed.check(sample=10).ok


def test_f15_a_connection_whose_reply_broke_off_is_used_no_more(postgres_database: str) -> None:
    """psycopg may see that the socket is closed before libpq does, which then believes that an answer will come."""

    def steps() -> Iterator[None]:
        connection.pgconn.send_query(b"SELECT 1")
        yield from ()
        raise psycopg.OperationalError("connection socket closed")

    conninfo = postgres_database.replace("+psycopg", "")
    for waiting in (nullcontext, unhurried):
        with closing(connected(TIMEOUT_S, conninfo)) as connection:
            with waiting(connection), pytest.raises(psycopg.OperationalError, match="socket closed"):
                connection.wait(steps())
            assert connection.closed


def test_f15_what_the_server_refuses_leaves_the_connection_as_it_is(postgres_database: str) -> None:
    conninfo = postgres_database.replace("+psycopg", "")
    with closing(connected(TIMEOUT_S, conninfo, autocommit=True)) as connection:
        connection.execute("CREATE TABLE one (id int UNIQUE)")
        with connection.cursor() as cursor, pytest.raises(psycopg.errors.UniqueViolation):
            cursor.executemany("INSERT INTO one VALUES (%s)", [(1,), (1,), (2,)])
        with pytest.raises(psycopg.errors.LockNotAvailable):
            connection.execute("DO $$ BEGIN RAISE lock_not_available; END $$")
        assert connection.execute("SELECT count(*) FROM one").fetchone() == (0,)


def test_f15_what_rightly_takes_long_is_waited_for(postgres_database: str) -> None:
    """A migration, where PostgreSQL may have to build an index over everything."""
    with feedkit.connect(postgres_database, settings=SETTINGS) as feed:
        feed.migrate()
        database = feed.runtime().truth._database

        def sleep(connection: sa.Connection) -> object:
            return connection.scalar(sa.text("SELECT pg_sleep(0.8)::text"))

        assert timed(lambda: database.on_connection(sleep))[1] > 0.8
        for_long = database.dialect.prepare(sa.select(sa.cast(sa.func.pg_sleep(1.5), sa.Text)))
        assert refused(lambda: database.read(for_long.rows)) < BOUND_S, "but nothing else"


def test_f15_a_hosts_engine_is_as_patient_as_the_host_made_it(through: tuple[Proxy, str]) -> None:
    proxy, url = through
    engine = sa.create_engine(url)
    with feedkit.connect(engine, settings=SETTINGS) as feed:
        feed.migrate()
        feed.follow("bob", "ada")
        feed.publish("ada", text="a")
        assert texts(feed) == texts(feed) == ["a"]
        asking = feed.runtime().truth._asking
        assert isinstance(asking, LogAsking)
        proxy.delay(0.4)
        page, read_s = timed(lambda: texts(feed))
        assert page == ["a"]
        assert read_s > TIMEOUT_S
        proxy.heal()
    engine.dispose()
