"""Read replicas: streaming ones, which lag, stop, freeze and come back. Nothing is read from them too early."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

import feedkit
from feedkit import ConfigurationError, NotFound, Settings
from feedkit.storage.sql.truth import SqlTruth
from tests.servers import caught_up, fresh_database
from tests.shared.tools import Used, frozen, paused, texts

Feed = feedkit.Feed[str]
SETTINGS = Settings(replica_timeout_ms=500, retry_backoff_ms=1)


@pytest.fixture
def another(postgres_database: str, replica: str) -> Iterator[Callable[..., Feed]]:
    """Makes processes, as far as feedkit can tell."""
    made: list[Feed] = []

    def make(**given: Any) -> Feed:
        given = {"replicas": [replica], "settings": SETTINGS, **given}
        made.append(feedkit.connect(postgres_database, **given))
        if len(made) == 1:
            made[0].migrate()
        return made[-1]

    yield make
    for feed in made:
        feed.close()


def lived(feed: Feed, primary: str, replica: str) -> list[int]:
    """Bob and Eve follow Ada, who has written."""
    for reader in ("bob", "eve"):
        feed.follow(reader, "ada")
    posts = [feed.publish("ada", text=text) for text in "abc"]
    feed.drain()
    caught_up(primary, replica)
    return [post.id for post in posts]


def test_a_replica_that_has_caught_up_serves(
    another: Callable[..., Feed], postgres_database: str, replica: str
) -> None:
    used = Used()
    feed = another()
    ids = lived(feed, postgres_database, replica)
    reader = another(metrics=used)

    served, not_served = used.by(lambda: texts(reader.home("bob")))
    assert served >= 3, "posts, authors, relations and more"
    assert not_served == 0
    for work in (
        lambda: texts(reader.profile("eve", "ada")),
        lambda: reader.posts.get("eve", ids),
        lambda: texts(reader.thread("eve", ids[0])),
    ):
        served, not_served = used.by(work)
        assert served > 0
        assert not_served == 0
    assert texts(reader.home("bob")) == texts(feed.home("eve")) == ["c", "b", "a"]


def test_own_writes_and_everybody_elses_are_there_at_once_while_a_replica_stands_still(
    another: Callable[..., Feed], postgres_database: str, replica: str
) -> None:
    used = Used()
    feed = another(metrics=used)
    lived(feed, postgres_database, replica)
    other = another(metrics=used)
    assert texts(other.home("bob")) == ["c", "b", "a"]

    with paused(replica):
        post = feed.publish("ada", text="new")
        for process in (feed, other, another()):
            assert texts(process.home("bob")) == ["new", "c", "b", "a"]
            assert texts(process.profile("bob", "ada")) == ["new", "c", "b", "a"]
        feed.react("bob", post.id, "like")
        for process in (feed, other):
            (item,) = process.posts.get("bob", [post.id])
            assert item is not None
            assert item.viewer.reacted == ("like",)
        feed.edit("ada", post.id, text="newer")
        assert texts(other.home("bob"))[0] == "newer"
        feed.follow("zoe", "ada")
        feed.publish("zoe", text="who was nobody a moment ago")
        feed.follow("bob", "zoe")
        assert texts(other.home("bob"))[0] == "who was nobody a moment ago"
        assert texts(other.home("zoe"))[1:] == ["newer", "c", "b", "a"]


RESTRICTING: dict[str, Callable[[Feed, list[int]], Any]] = {
    "block": lambda feed, _: feed.block("ada", "bob"),
    "delete": lambda feed, ids: [feed.delete("ada", one) for one in ids],
    "audience": lambda feed, ids: [feed.edit("ada", one, audience="only_me") for one in ids],
    "take down": lambda feed, ids: [feed.staff("me", reason="x").remove(one) for one in ids],
    "suspend": lambda feed, _: feed.staff("me", reason="x").suspend("ada"),
}


def seen(feed: Feed, ids: list[int]) -> list[Any]:
    """What Bob sees of Ada, each surface by itself."""
    found = texts(feed.home("bob")) + [item for item in feed.posts.get("bob", ids) if item is not None]
    try:
        return found + texts(feed.profile("bob", "ada"))
    except NotFound:
        return found


@pytest.mark.parametrize("verb", RESTRICTING)
def test_a_restriction_holds_at_the_next_read_while_a_replica_stands_still(
    another: Callable[..., Feed], postgres_database: str, replica: str, verb: str
) -> None:
    feed = another()
    ids = lived(feed, postgres_database, replica)
    witness = another()
    assert seen(witness, ids)
    with paused(replica):
        RESTRICTING[verb](feed, ids)
        for process in (feed, witness, another()):
            assert seen(process, ids) == []


@pytest.mark.parametrize("is_trusted", [False, True])
def test_a_replica_that_is_trusted_blindly_would_be_noticed(
    another: Callable[..., Feed],
    postgres_database: str,
    replica: str,
    monkeypatch: pytest.MonkeyPatch,
    is_trusted: bool,
) -> None:
    feed = another()
    ids = lived(feed, postgres_database, replica)
    if is_trusted:
        read_copy = SqlTruth.read_copy
        monkeypatch.setattr(SqlTruth, "read_copy", lambda truth, work, *_: read_copy(truth, work, 0))
    with paused(replica):
        feed.block("ada", "bob")
        feed.delete("ada", ids[0])
        assert bool(seen(another(), ids)) == is_trusted


def test_what_was_not_changed_a_replica_serves_though_it_lags(
    another: Callable[..., Feed], postgres_database: str, replica: str
) -> None:
    """Others write all the time: what nobody has changed since need not come from the primary."""
    used = Used()
    feed = another()
    lived(feed, postgres_database, replica)
    reader = another(metrics=used)
    assert texts(reader.home("bob")) == ["c", "b", "a"]

    with paused(replica):
        feed.publish("cyd", text="of no concern")
        fetching = reader.runtime().readthrough._fetching
        reader.runtime().log.catch_up()
        ada = reader.runtime().directory.find("ada", "x")
        cyd = reader.runtime().directory.find("cyd", "x")
        assert ada is not None
        assert cyd is not None
        assert used.by(lambda: fetching.users([ada])) == (1, 0)
        assert used.by(lambda: fetching.relations(ada)) == (1, 0)
        assert used.by(lambda: fetching.users([cyd])) == (1, 0), "and what it lacks comes from the primary"
        assert fetching.users([cyd]).keys() == {cyd}
        feed.users.put("ada", display_name="Ada")
        reader.runtime().log.catch_up()
        assert used.by(lambda: fetching.users([ada])) == (0, 1)
        assert fetching.users([ada])[ada].display_name == "Ada"
    caught_up(postgres_database, replica)
    time.sleep(0.02)
    assert used.by(lambda: fetching.users([ada])) == (1, 0), "it has come back by itself"


def test_a_replica_that_freezes_is_left_alone_and_comes_back_by_itself(
    another: Callable[..., Feed], postgres_database: str, replica: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feedkit.storage.sql.replicas._RESTS_S", 0.5)
    used = Used()
    feed = another()
    lived(feed, postgres_database, replica)
    reader = another(metrics=used)
    assert used.by(lambda: reader.home("bob"))[0] > 0

    with frozen(replica):
        for process in (reader, another()):
            process.wipe()
            started = time.monotonic()
            assert texts(process.home("bob")) == ["c", "b", "a"]
            assert time.monotonic() - started < 4, "connecting takes up to two seconds"
            process.wipe()
            started = time.monotonic()
            assert texts(process.home("bob")) == ["c", "b", "a"]
            assert time.monotonic() - started < 0.4, "nobody tries again so soon"
    deadline = time.monotonic() + 10
    served = 0
    while not served:
        assert time.monotonic() < deadline, "it does not come back"
        time.sleep(0.05)
        reader.wipe()
        served, _ = used.by(lambda: reader.home("bob"))


def test_what_follows_nothing_is_no_replica(
    another: Callable[..., Feed], postgres_database: str, replica: str
) -> None:
    """The primary by mistake, a server that was promoted, one that is not there."""
    used = Used()
    lived(another(), postgres_database, replica)
    nowhere = "postgresql://postgres@127.0.0.1:1/postgres"
    for wrong in (postgres_database, nowhere):
        reader = another(metrics=used, replicas=[wrong])
        served, not_served = used.by(lambda reader=reader: texts(reader.home("bob")))  # type: ignore[misc]
        assert served == 0
        assert not_served > 0
        assert texts(reader.home("bob")) == ["c", "b", "a"]
    reader = another(metrics=used, replicas=[nowhere, replica])
    assert used.by(lambda: texts(reader.home("bob")))[0] > 0, "the other one serves"


def test_a_copy_of_another_database_is_refused(
    another: Callable[..., Feed], postgres_database: str, postgres_url: str, replica: str
) -> None:
    lived(another(), postgres_database, replica)
    with fresh_database(postgres_url) as stranger:
        with feedkit.connect(stranger) as feed:
            feed.migrate()
        name = sa.make_url(stranger).database
        copy = sa.make_url(replica).set(database=name).render_as_string(hide_password=False)
        caught_up(stranger, copy)
        reader = another(replicas=[copy])
        with pytest.raises(ConfigurationError, match="replicas names a copy of another database"):
            reader.home("bob")
        reader.close()


def test_replicas_that_cannot_be_are_refused_when_they_are_named() -> None:
    for wrong in ("postgresql://x", [1], {"a": 1}):
        with pytest.raises(ConfigurationError, match="replicas must be a list of URLs"):
            feedkit.connect("postgresql://localhost/x", replicas=wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="replicas are those of a PostgreSQL"):
        feedkit.connect("memory://", replicas=["postgresql://localhost/x"]).home("bob")
    for wrong_url in ("sqlite:///x.db", "no url"):
        with pytest.raises(ConfigurationError, match="replicas must be URLs"):
            feedkit.connect("postgresql://localhost/x", replicas=[wrong_url]).home("bob")
