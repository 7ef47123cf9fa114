"""Ties are bounded, also for many at once, and join the transaction of the host's."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

import feedkit
from feedkit import Conflict, Forbidden, InvalidArgument, LimitExceeded, ManualClock, Settings
from feedkit.model import Assoc
from tests.cases.case_tools import START, opened
from tests.graph.words import Feed, check_laws, links, links_of_lists, users_of, waiting

# bounds


def test_a01_every_kind_of_tie_has_its_bound(backend_url: str) -> None:
    settings = Settings(
        following_max=2, requests_max=2, blocks_max=2, mutes_max=2, lists_max=2, list_members_max=2,
        list_name_max_chars=5,
    )  # fmt: skip
    with opened(backend_url, settings=settings, clock=(clock := ManualClock(START))) as feed:
        for other in ("x", "y", "z", "u"):
            feed.users.put(other, private=True)
        hour = timedelta(hours=1)
        for verb, options, bound in (
            ("follow", {}, "requests_max"),
            ("befriend", {}, "requests_max"),
            ("block", {}, "blocks_max"),
            ("mute", {"duration": hour}, "mutes_max"),
        ):
            for other in ("x", "y"):
                getattr(feed, verb)(verb, other, **options)
            with pytest.raises(LimitExceeded, match=bound) as refused:
                getattr(feed, verb)(verb, "z", **options)
            assert (refused.value.argument, refused.value.limit) == ("actor", 2)
            assert feed.relation(verb, ["z"])["z"] == feedkit.Standing(), "nothing of it is left"
            assert not getattr(feed, verb)(verb, "y", **options).changed

        # a mute that has lapsed makes room
        clock.advance(hours=1)
        assert feed.mute("mute", "z").changed
        assert [one.muted for one in feed.relation("mute", ["x", "y", "z"]).values()] == [False, False, True]

        # whoever would follow too many by being accepted
        for other in ("p", "q"):
            feed.follow("follow", other)
        with pytest.raises(LimitExceeded, match=r"requester follows 2 others.*following_max") as refused:
            feed.accept("x", "follow")
        assert refused.value.argument == "requester"
        assert waiting(feed, "x") == [("befriend", "friendship"), ("follow", "follow")]

        made = [feed.lists.create("ada", name) for name in ("one", "two")]
        with pytest.raises(LimitExceeded, match="lists_max"):
            feed.lists.create("ada", "three")
        feed.lists.add("ada", made[0].id, ["x"])
        with pytest.raises(LimitExceeded, match="list_members_max"):
            feed.lists.add("ada", made[0].id, ["y", "z"])
        assert users_of(feed.lists.members("ada", made[0].id)) == ["x"]
        for name in ("", "toolong", "\0", 5, "\ud800"):
            with pytest.raises(InvalidArgument) as wrong:
                feed.lists.create("bob", name)  # type: ignore[arg-type]
            assert wrong.value.argument == "name"


@pytest.mark.parametrize("verb", ["follow", "befriend", "block", "mute"])
def test_nobody_has_ties_to_themselves(verb: str) -> None:
    with feedkit.connect("memory://") as feed:
        with pytest.raises(InvalidArgument) as refused:
            getattr(feed, verb)("ada", "ada")
        assert refused.value.argument == "target"
        feed.users.put("ada")
        for undo in ("unfollow", "unfriend", "unblock", "unmute", "accept", "decline"):
            assert getattr(feed, undo)("ada", "ada") == feedkit.Relation("none", changed=False)


# in a transaction of the host's


def test_every_verb_joins_the_hosts_transaction(backend_url: str, feed: Feed) -> None:
    engine = feed.runtime().truth._database.engine
    if backend_url == "memory://":
        pytest.skip("a database in memory has no second connection")
    feed.users.put("ada", private=True)
    for rolls_back in (True, False):
        with engine.connect() as connection, connection.begin() as host:
            feed.follow("bob", "ada", connection=connection)
            feed.befriend("cem", "ada", connection=connection)
            assert feed.accept("ada", "cem", connection=connection).changed
            close = feed.lists.create("ada", "close", connection=connection)
            assert feed.lists.add("ada", close.id, ["bob", "dot"], connection=connection) == 2
            feed.lists.rename("ada", close.id, "closer", connection=connection)
            with pytest.raises(Conflict):
                feed.lists.create("ada", "closer", connection=connection)
            feed.lists.remove("ada", close.id, ["dot"], connection=connection)
            feed.mute("ada", "cem", duration=timedelta(hours=1), connection=connection)
            if rolls_back:
                host.rollback()
        if rolls_back:
            assert waiting(feed, "ada") == []
            assert users_of(feed.friends("ada", "ada")) == []
            assert feed.lists.of("ada") == []
    assert waiting(feed, "ada") == [("bob", "follow")]
    assert users_of(feed.friends("ada", "ada")) == ["cem"]
    (made,) = feed.lists.of("ada")
    assert users_of(feed.lists.members("ada", made.id)) == ["bob"]
    with engine.connect() as connection, connection.begin():
        feed.block("ada", "bob", connection=connection)
        feed.lists.delete("ada", made.id, connection=connection)
    assert not feed.lists.of("ada")
    assert not waiting(feed, "ada")


# many at once


@pytest.mark.postgres
def test_friends_are_those_who_follow_each_other_under_concurrency(postgres_database: str) -> None:
    everybody = ("ada", "bob", "cem")
    verbs = ("follow", "unfollow", "befriend", "unfriend", "accept", "decline", "block", "unblock")
    with opened(postgres_database) as feed:
        for key in everybody:
            feed.users.put(key, private=key == "cem")

        def meddle(seed: int) -> None:
            rng = random.Random(seed)
            for _ in range(60):
                actor, target = rng.sample(everybody, 2)
                verb = rng.choices(verbs, (9, 2, 4, 2, 6, 1, 1, 6))[0]
                with suppress(Forbidden):
                    getattr(feed, verb)(actor, target)

        # when
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(meddle, range(8)))

        # then
        check_laws(feed, everybody)


@pytest.mark.postgres
def test_two_who_follow_each_other_at_once_are_friends(postgres_database: str) -> None:
    with opened(postgres_database) as feed, ThreadPoolExecutor(2) as pool:
        feed.users.put("warm")
        for n in range(25):
            a, b = f"a{n}", f"b{n}"
            verb = feed.follow if n % 2 else feed.befriend
            list(pool.map(lambda pair, verb=verb: verb(*pair), ((a, b), (b, a))))
            assert feed.relation(a, [b])[b].friends
            list(pool.map(lambda pair: feed.unfollow(*pair), ((a, b), (b, a))))
        assert links(feed, Assoc.FRIENDS) == set()


@pytest.mark.postgres
def test_two_whom_nobody_has_met_never_wait_for_each_other_in_a_circle(postgres_database: str) -> None:
    with opened(postgres_database) as feed, ThreadPoolExecutor(2) as pool:
        feed.users.put("warm")
        for nth in range(100):
            pair = f"a{nth}", f"b{nth}"
            list(pool.map(lambda pair: feed.follow(*pair), (pair, pair[::-1])))
    time.sleep(0.2)  # connections that have been closed tell at their end what they met with
    engine = sa.create_engine(postgres_database)
    with engine.connect() as connection:
        circles = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        assert connection.scalar(sa.text(circles)) == 0
    engine.dispose()


@pytest.mark.postgres
def test_a03_bounds_hold_for_many_at_once(postgres_database: str) -> None:
    settings = Settings(following_max=5, lists_max=3, list_members_max=5, blocks_max=5)
    with opened(postgres_database, settings=settings) as feed, ThreadPoolExecutor(16) as pool:
        close = feed.lists.create("ada", "close")

        def tried(call: Any) -> bool:
            try:
                call()
            except LimitExceeded:
                return False
            return True

        def many(verb: Any) -> int:
            return sum(pool.map(lambda n: tried(lambda: verb(n)), range(30)))

        assert many(lambda n: feed.follow("ada", f"f{n}")) == 5
        assert many(lambda n: feed.block("ada", f"b{n}")) == 5
        assert many(lambda n: feed.lists.create("ada", f"l{n}")) == 2
        assert many(lambda n: feed.lists.add("ada", close.id, [f"m{n}"])) == 5
        assert len(feed.following("ada", "ada", limit=100)) == 5
        assert len(feed.lists.of("ada")) == 3
        assert len(feed.lists.members("ada", close.id, limit=100)) == 5


@pytest.mark.postgres
def test_a_block_and_a_list_meet(postgres_database: str) -> None:
    """Whichever comes first, nobody is on a list of somebody whom they block."""
    with opened(postgres_database) as feed, ThreadPoolExecutor(2) as pool:
        close = feed.lists.create("ada", "close")
        for n in range(20):
            other = f"u{n}"
            feed.users.put(other)

            def add(other: str = other) -> None:
                with suppress(Forbidden):
                    feed.lists.add("ada", close.id, [other])

            adding, blocking = pool.submit(add), pool.submit(feed.block, other, "ada")
            adding.result()
            blocking.result()
        assert links_of_lists(feed) == 0
