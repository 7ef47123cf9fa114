"""F19: an author with a million followers, and a reader who follows a hundred thousand: bounded time and memory."""

import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

import feedkit
from feedkit import Hybrid, LimitExceeded, PushAll, Settings
from feedkit.clock import ManualClock
from feedkit.storage.redis.wire import Wire
from feedkit.storage.sql.database import Database
from tests.cases.case_tools import START

Feed = feedkit.Feed[int]
ADA, BOB, EVE = 7, 8, 9
FIRST, FOLLOWERS, FOLLOWEES = 1 << 20, 1_000_000, 100_000
HOLDERS = range(FIRST, FIRST + FOLLOWERS, 5000)
"""Of Ada's followers, those who look at their pages."""
SETTINGS = Settings(sqlite_synchronous="OFF", redis_timeout_ms=30_000, pull_grace_s=60)
ENOUGH = 4_000_000
"""Bytes for a step of any kind: the ids of all followers take twice as much in an array, and nine times in a list."""


@pytest.fixture(params=["embedded", "shared"])
def where(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Where timelines are: in memory, over SQLite; or in Redis, over PostgreSQL."""
    if request.param == "embedded":
        return {"target": f"sqlite:///{request.getfixturevalue('tmp_path') / 'feed.db'}"}
    target, redis = (request.getfixturevalue(name) for name in ("postgres_database", "redis_url"))
    return {"target": target, "redis": redis}


def connected(where: dict[str, Any], **given: Any) -> Feed:
    kwargs = {"key": int, "deliver": "inline", "settings": SETTINGS, "policy": PushAll(), **where, **given}
    return feedkit.connect(kwargs.pop("target"), **kwargs)


def told(feed: Feed, viewer: int) -> list[str]:
    """What a page shows, which has to be whole."""
    page = feed.home(viewer, limit=100)
    assert not page.truncated
    assert not page.degraded
    return [item.post.text for item in page]


def plant_followers(target: str) -> None:
    """Have a million people follow Ada, as an import leaves it."""
    engine = sa.create_engine(target)
    last = FIRST + FOLLOWERS - 1
    people = f"SELECT generate_series({FIRST}, {last}) AS n"
    if engine.dialect.name == "sqlite":
        more = f"SELECT n + 1 FROM some WHERE n < {last}"
        people = f"WITH RECURSIVE some (n) AS (SELECT {FIRST} UNION ALL {more}) SELECT n FROM some"
    rows = {
        "users (id, status, created_at)": f"SELECT n, 'active', 0 FROM ({people}) AS people",
        "counts (object_id, kind, value)": f"SELECT {ADA}, 'followers', {FOLLOWERS}",
        "associations (id1, kind, id2, time)": f"SELECT {ADA}, 'followed_by', n, n FROM ({people}) AS people "
        f"UNION ALL SELECT n, 'follows', {ADA}, n FROM ({people}) AS people",
    }
    with engine.begin() as connection:
        for columns, query in rows.items():
            connection.execute(sa.text(f"INSERT INTO feedkit_{columns} {query}"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE"))
    engine.dispose()


def peak(work: Callable[[], object]) -> int:
    """How many bytes this takes at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class Trips:
    """Counts the ways to the database and to Redis."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._count = 0
        for cls, name in ((Database, "read"), (Database, "write"), (Wire, "numbers"), (Wire, "values")):
            monkeypatch.setattr(cls, name, self._counted(getattr(cls, name)))

    def of(self, work: Callable[[], object]) -> int:
        """How many this takes."""
        before = self._count
        work()
        return self._count - before

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **given: Any) -> Any:
            self._count += 1
            return method(*args, **given)

        return counted


@pytest.mark.timeout(600)
def test_f19_a_million_followers_cost_an_author_nothing_and_deliveries_a_bounded_step_at_a_time(
    where: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, trips = ManualClock(START), Trips(monkeypatch)
    steps = 5 * FOLLOWERS // SETTINGS.delivery_chunk + 200
    """To ask who follows, to send them something or to ask about them, and to see whether the turn is still ours."""

    with connected(where, clock=clock) as feed:
        feed.migrate()
        plant_followers(where["target"])
        texts = ["before"]
        feed.publish(ADA, text="before")
        feed.publish(EVE, text="nobody follows me")
        feed.drain()
        assert all(told(feed, reader) == texts for reader in HOLDERS)

        # when she posts
        of_anybody = trips.of(lambda: feed.publish(EVE, text="again"))
        of_hers = trips.of(lambda: feed.publish(ADA, text="now"))
        texts.insert(0, "now")
        # then that is one write, whoever follows, and brings it to all of them step by step
        assert of_hers <= of_anybody
        assert trips.of(feed.drain) <= steps
        assert all(told(feed, reader) == texts for reader in HOLDERS)

        # when she deletes a post
        regretted = feed.publish(ADA, text="regretted").id
        assert peak(feed.drain) < ENOUGH
        assert told(feed, FIRST) == ["regretted", *texts]
        assert peak(lambda: feed.delete(ADA, regretted)) < ENOUGH
        # then it is gone at once, and afterwards from inboxes as well
        assert told(feed, FIRST) == texts
        assert trips.of(feed.drain) <= steps
        assert all(told(feed, reader) == texts for reader in HOLDERS)

        # when she blocks somebody, and others look at who follows her
        assert peak(lambda: feed.block(ADA, HOLDERS[0])) < ENOUGH
        assert told(feed, HOLDERS[0]) == []
        assert peak(lambda: feed.followers(EVE, ADA, limit=100)) < ENOUGH
        feed.drain()

    # when her posts are pulled from now on
    with connected(where, clock=clock, policy=Hybrid(FOLLOWERS // 2)) as feed:
        for text in ("listed by this", "pulled", "pulled as well"):
            feed.publish(ADA, text=text)
            feed.drain()
            texts.insert(0, text)
        assert feed.runtime().readthrough.pulled().tolist() == [ADA]
        assert all(told(feed, reader) == texts for reader in HOLDERS[1:])

    # when they are pushed again, and she is pulled no longer after the time of grace
    with connected(where, clock=clock) as feed:
        assert all(told(feed, reader) == texts for reader in HOLDERS[1:])
        feed.publish(ADA, text="pushed")
        feed.drain()
        clock.advance(seconds=SETTINGS.pull_grace_s + 1)
        feed.publish(EVE, text="later")
        assert trips.of(feed.drain) <= steps
        # then inboxes have been given what they had not
        assert feed.runtime().readthrough.pulled().tolist() == []
        assert all(told(feed, reader) == ["pushed", *texts] for reader in HOLDERS[1:])
        assert feed.check(sample=10).ok


def test_f19_who_follows_a_hundred_thousand_has_whole_pages_and_may_follow_no_more(
    where: dict[str, Any],
) -> None:
    followed = range(FIRST, FIRST + FOLLOWEES)
    authors = range(FIRST, FIRST + 2 * FOLLOWEES, 4)
    wanted = [str(one) for one in authors if one in followed][::-1]
    with connected(where) as feed:
        # given: of what was posted half is by those whom Bob follows
        feed.migrate()
        feed.imports.follows((BOB, one) for one in followed)
        feed.imports.posts(
            {"author": one, "ref": str(one), "text": str(one), "at": START + timedelta(seconds=nth)}
            for nth, one in enumerate(authors)
        )

        # when he reads, and reads on below what his inbox holds
        texts: list[str] = []
        cursor: str | None = None
        used = []
        for _ in range(SETTINGS.inbox_entries // 100 + 4):
            used.append(peak(partial(feed.home, BOB, limit=100, cursor=cursor)))
            page = feed.home(BOB, limit=100, cursor=cursor)
            assert not page.truncated
            texts += [item.post.text for item in page]
            cursor = page.next_cursor

        # then every page is whole, and none takes more than some rows for each of those whom he follows
        assert texts == wanted[: len(texts)]
        assert len(texts) == 1200
        assert max(used) < 300 * FOLLOWEES, used

        # when he follows one more, then that is refused, with the bound and the way out
        with pytest.raises(LimitExceeded, match=r"100000 others.*following_max"):
            feed.follow(BOB, EVE)
        assert feed.check(sample=1).ok
