"""The laws [durable], [guarded], [complete], [own writes], and what `connection=` promises."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

import feedkit
from feedkit import (
    ConfigurationError,
    Conflict,
    CostBased,
    Forbidden,
    Hybrid,
    NotFound,
    PullAll,
    PushAll,
    Settings,
)
from tests.cases.case_tools import all_rows, both_paths, everything, ids, news, opened

POLICIES = [PushAll(), PullAll(), Hybrid(pull_above=2), CostBased(push_cost=1, pull_cost=2)]

Start = Callable[..., Any]


# durable


def test_durable_a_post_survives_the_kill_of_the_process_that_published_it(url: str, start: Start) -> None:
    with opened(url) as feed:
        feed.follow("bob", "ada")
        assert ids(feed.home("bob")) == []
        acknowledged: list[int] = []
        for n in range(5):
            publisher = start()
            for _ in range(n + 1):
                acknowledged.append(publisher.call("publish", "ada", text="still here"))
            publisher.kill()
            assert both_paths(feed, "bob") == acknowledged[::-1]
        assert feed.drain().done
        assert feed.check().ok


def test_durable_a_restriction_survives_the_kill_of_the_process_that_made_it(url: str, start: Start) -> None:
    with opened(url) as feed:
        feed.follow("bob", "ada")
        post = feed.publish("ada", text="hi")
        assert ids(feed.home("bob")) == [post.id]
        other = start()
        other.call("block", "ada", "bob")
        other.kill()
        assert both_paths(feed, "bob") == []


# guarded


@pytest.mark.parametrize("deliver", ["inline", "thread"])
def test_guarded_restrictions_hold_at_the_very_next_read_of_another_process(
    url: str, start: Start, deliver: str
) -> None:
    reader = start(deliver=deliver)
    with opened(url, deliver=deliver) as feed:
        feed.follow("bob", "ada")
        kept = feed.publish("ada", text="kept").id
        post = feed.publish("ada", text="secret", audience="followers").id
        gone = feed.publish("ada", text="gone").id
        wait_until(lambda: reader.call("home", "bob")["ids"] == [gone, post, kept])

        feed.delete("ada", gone)
        assert reader.call("home", "bob")["ids"] == [post, kept]
        assert reader.call("profile", "bob", "ada")["ids"] == [post, kept]
        with pytest.raises(RuntimeError, match="NotFound"):
            reader.call("post", "bob", gone)

        feed.mute("bob", "ada")
        assert reader.call("home", "bob")["ids"] == []
        assert reader.call("profile", "bob", "ada")["ids"] == [post, kept]
        feed.unmute("bob", "ada")
        wait_until(lambda: reader.call("home", "bob")["ids"] == [post, kept])

        feed.unfollow("bob", "ada")
        assert reader.call("home", "bob")["ids"] == []
        assert reader.call("profile", "bob", "ada")["ids"] == [kept], "a followers-only post"
        with pytest.raises(RuntimeError, match="NotFound"):
            reader.call("post", "bob", post)
        feed.follow("bob", "ada")
        wait_until(lambda: reader.call("home", "bob")["ids"] == [post, kept])

        feed.block("ada", "bob")
        assert reader.call("home", "bob")["ids"] == []
        with pytest.raises(RuntimeError, match="NotFound"):
            reader.call("post", "bob", kept)
        assert reader.call("profile", None, "ada")["ids"] == [kept], "others still see it"


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    """What widens may take a moment where a thread delivers; what narrows may not."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never comes"
        time.sleep(0.02)


def test_guarded_two_processes_in_turns(url: str, start: Start) -> None:
    """Each restricts and the other reads at once, and the other way round, many times."""
    with opened(url) as feed:
        other = start()

        def one(verb: str, *args: str) -> Any:
            return getattr(feed, verb)(*args)

        two = other.call
        feed.follow("bob", "ada")
        post = feed.publish("ada", text="hi").id
        for n in range(20):
            writer, reader = (one, two) if n % 2 else (two, one)
            assert home_ids(reader("home", "bob")) == [post]
            restrict, undo = (("unfollow", "follow"), ("mute", "unmute"))[n // 2 % 2]
            writer(restrict, "bob", "ada")
            assert home_ids(reader("home", "bob")) == []
            writer(undo, "bob", "ada")


def home_ids(page: Any) -> list[int]:
    return page["ids"] if isinstance(page, dict) else ids(page)


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_guarded_on_both_paths_and_every_surface(url: str, policy: Any) -> None:
    with opened(url, policy=policy) as writer, opened(url, policy=policy) as reader:
        for name in ("bob", "cyd", "dee"):
            writer.follow(name, "ada")
        post = writer.publish("ada", text="hi")
        assert both_paths(reader, "bob") == [post.id]
        writer.block("bob", "ada")
        for viewer, author in (("bob", "ada"), ("ada", "bob")):
            with pytest.raises(Forbidden):
                writer.follow(viewer, author)
        assert both_paths(reader, "bob") == []
        assert reader.posts.get("bob", [post.id]) == [None]
        with pytest.raises(NotFound):
            reader.post("bob", post.id)
        assert both_paths(reader, "cyd") == [post.id]
        writer.unblock("bob", "ada")
        assert both_paths(reader, "bob") == [], "a block ends the follow for good"
        assert reader.post("bob", post.id).post.id == post.id


# complete


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_complete_for_a_reader_who_returns_just_when_an_author_is_listed(url: str, policy: Any) -> None:
    """The reader's process knows the old list of pulled authors, and has to build the inbox anew."""
    with opened(url, policy=policy) as writer, opened(url, policy=policy) as reader:
        for name in ("bob", "cyd", "dee"):
            writer.follow(name, "ada")
        writer.follow("eve", "bob")
        writer.drain()
        assert ids(reader.home("eve")) == [], "bob holds no inbox there"
        posts = [writer.publish("ada", text=str(n)).id for n in range(3)]
        assert ids(reader.home("bob")) == posts[::-1]
        assert both_paths(reader, "bob") == posts[::-1]


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_complete_while_many_write_and_read_and_authors_come_and_go(url: str, policy: Any) -> None:
    """Whatever was acknowledged before a read began is on its page; whoever polls gets each post once."""
    small = Settings(inbox_entries=40, inbox_tail=5, outbox_entries=20, pull_grace_s=0, log_batch=7)
    with (
        opened(url, policy=policy, settings=small) as one,
        opened(url, policy=policy, settings=small) as other,
    ):
        crowd = Crowd((one, other))
        cursors = {name: one.home(name).newer_cursor for name in crowd.readers}
        crowd.run(seconds=3)
        assert min(len(crowd.posts), crowd.reads) >= 10
        for feed in (one, other):
            assert feed.drain().done
            for name in crowd.readers:
                assert both_paths(feed, name, limit=30) == sorted(crowd.posts, reverse=True)
        for name, cursor in cursors.items():
            assert news(other, name, cursor, limit=30)[0] == sorted(crowd.posts, reverse=True)


class Crowd:
    """Threads that write, follow and read on several feeds at the same time."""

    authors = ("ada", "ben", "cyd")
    readers = ("bob", "dee")

    def __init__(self, feeds: Sequence["feedkit.Feed[str]"]) -> None:
        self.feeds = feeds
        self.posts: list[int] = []
        self.reads = 0
        self._stop = threading.Event()
        for reader, author in itertools.product(self.readers, self.authors):
            feeds[0].follow(reader, author)

    def run(self, seconds: float) -> None:
        """Let them loose. Raises what any of them met."""
        jobs = [self._write, self._flap, self._read, self._poll]
        with ThreadPoolExecutor(len(jobs) * len(self.feeds)) as pool:
            started = [pool.submit(job, feed, n) for n, feed in enumerate(self.feeds) for job in jobs]
            time.sleep(seconds)
            self._stop.set()
            for one in started:
                one.result()

    def _write(self, feed: "feedkit.Feed[str]", seed: int) -> None:
        dice = random.Random(seed)
        while not self._stop.is_set():
            self.posts.append(feed.publish(dice.choice(self.authors), text="x").id)

    def _flap(self, feed: "feedkit.Feed[str]", seed: int) -> None:
        """Others follow and leave, so that authors cross the threshold again and again."""
        while not self._stop.is_set():
            for verb in (feed.follow, feed.unfollow):
                for author in self.authors:
                    verb(f"fan{seed}", author)
                feed.drain(max_seconds=0.2)

    def _read(self, feed: "feedkit.Feed[str]", seed: int) -> None:
        dice = random.Random(seed)
        while not self._stop.is_set():
            if dice.random() < 0.3:
                feed.wipe()
            acknowledged = list(self.posts)
            page = feed.home(dice.choice(self.readers), limit=30)
            served = ids(page)
            lowest = served[-1] if page.next_cursor else 0
            missing = {id for id in acknowledged if id >= lowest} - set(served)
            assert not missing, (
                f"{len(missing)} of {len(acknowledged)} acknowledged posts are not on the page"
            )
            assert served == sorted(set(served), reverse=True)
            self.reads += 1

    def _poll(self, feed: "feedkit.Feed[str]", seed: int) -> None:
        reader = self.readers[seed % len(self.readers)]
        page = feed.home(reader, limit=1)
        seen, cursor = set(everything(feed, reader, limit=30)), page.newer_cursor
        polled: list[int] = []
        while not self._stop.is_set():
            found, cursor = news(feed, reader, cursor, limit=30)
            polled += found
        assert len(set(polled)) == len(polled), "a poll repeats what an earlier one has brought"
        assert set(self.posts) - seen - set(polled) <= set(news(feed, reader, cursor, limit=30)[0])


# own writes


@pytest.mark.parametrize("deliver", ["inline", "thread"])
@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_own_writes_are_seen_at_once(url: str, policy: Any, deliver: str) -> None:
    settings = Settings(poll_interval_ms=60_000)
    with opened(url, policy=policy, deliver=deliver, settings=settings) as feed:
        assert ids(feed.home("ada")) == []
        mine: list[int] = []
        for audience in ("public", "followers", "only_me"):
            mine.insert(0, feed.publish("ada", text="x", audience=audience).id)
            assert ids(feed.home("ada")) == mine
            assert ids(feed.profile("ada", "ada")) == mine
            assert feed.post("ada", mine[0]).post.id == mine[0]
        feed.follow("ada", "ben")
        theirs = feed.publish("ben", text="hi")
        feed.unfollow("ada", "ben")
        assert theirs.id not in ids(feed.home("ada"))
        feed.follow("ada", "ben")
        assert ids(feed.home("ada"))[0] == theirs.id, "one sees what one has just followed"
        feed.delete("ada", mine[0])
        assert ids(feed.home("ada")) == [theirs.id, *mine[1:]]


# connection=: within the host's transaction


@pytest.fixture
def notes(host: sa.Engine) -> sa.Table:
    """A table of the host's own."""
    table = sa.Table("notes", sa.MetaData(), sa.Column("text", sa.Text))
    table.create(host)
    return table


def count_notes(host: sa.Engine, notes: sa.Table) -> int:
    with host.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(notes)) or 0)


def do_everything(feed: feedkit.Feed[str], post: int, connection: sa.Connection) -> None:
    """Every verb that writes."""
    feed.users.put("new", handle="new", connection=connection)
    feed.publish("ada", text="x", media=[{"url": "https://a.example/1"}], ref="doc:9", connection=connection)
    feed.delete("ada", post, connection=connection)
    feed.follow("cyd", "ada", connection=connection)
    feed.unfollow("bob", "ada", connection=connection)
    feed.block("ada", "dee", connection=connection)
    feed.unblock("ada", "eve", connection=connection)
    feed.mute("bob", "cyd", connection=connection)
    feed.unmute("bob", "eve", connection=connection)


def prepared(feed: feedkit.Feed[str]) -> int:
    """A small world for `do_everything`."""
    feed.follow("bob", "ada")
    feed.block("ada", "eve")
    feed.mute("bob", "eve")
    return feed.publish("ada", text="before").id


def test_connection_a_rollback_of_the_host_leaves_nothing(url: str, host: sa.Engine, notes: sa.Table) -> None:
    with opened(url) as feed:
        post = prepared(feed)
        before = all_rows(host), both_paths(feed, "bob")
        with host.connect() as connection:
            connection.execute(notes.insert().values(text="mine"))
            do_everything(feed, post, connection)
            assert connection.in_transaction(), "feedkit neither commits nor rolls back"
            connection.rollback()
        assert (all_rows(host), both_paths(feed, "bob")) == before
        assert count_notes(host, notes) == 0
        assert feed.drain().done
        counts = feed.profile("bob", "ada").counts
        assert (counts.followers, counts.posts) == (1, 1)
        do_it_again = feed.publish("ada", text="x", ref="doc:9")
        assert both_paths(feed, "bob") == [do_it_again.id, post]


def test_connection_a_commit_of_the_host_lands_all_of_it(url: str, host: sa.Engine, notes: sa.Table) -> None:
    with opened(url) as feed, opened(url) as other:
        post = prepared(feed)
        assert both_paths(feed, "bob") == both_paths(other, "bob") == [post]
        with host.connect() as connection:
            connection.execute(notes.insert().values(text="mine"))
            do_everything(feed, post, connection)
            assert not connection.closed
            connection.commit()
            assert connection.scalar(sa.select(notes.c.text)) == "mine", "the connection is as good as before"
        for one in (feed, other):
            assert both_paths(one, "bob") == []
            assert [item.post.text for item in one.home("cyd")] == ["x"]
            assert ids(one.profile("dee", "ada")) == []
            assert len(ids(one.profile("eve", "ada"))) == 1
            assert len(ids(one.profile(None, "ada"))) == 1


def test_connection_nothing_is_committed_before_the_host_commits(
    url: str, host: sa.Engine, notes: sa.Table
) -> None:
    with opened(url) as feed, opened(url) as other:
        post = prepared(feed)
        assert both_paths(other, "bob") == [post]
        before = all_rows(host)
        with host.connect() as connection:
            connection.execute(notes.insert().values(text="mine"))
            do_everything(feed, post, connection)
            assert count_notes(host, notes) == 0
            assert all_rows(host) == before
            assert both_paths(other, "bob") == [post]
            assert both_paths(feed, "bob") == [post]
            connection.commit()
        assert count_notes(host, notes) == 1
        assert both_paths(other, "bob") == []


def test_connection_an_error_leaves_the_hosts_transaction_usable(
    url: str, host: sa.Engine, notes: sa.Table
) -> None:
    with opened(url) as feed:
        post = prepared(feed)
        feed.publish("ada", text="taken", ref="doc:1")
        with host.connect() as connection:
            connection.execute(notes.insert().values(text="first"))
            with pytest.raises(Conflict):
                feed.publish("ada", text="x", ref="doc:1", connection=connection)
            with pytest.raises(NotFound):
                feed.delete("ada", 12345, connection=connection)
            with pytest.raises(Forbidden):
                feed.follow("eve", "ada", connection=connection)
            connection.execute(notes.insert().values(text="second"))
            good = feed.publish("ada", text="good", ref="doc:2", connection=connection)
            connection.commit()
        assert count_notes(host, notes) == 2
        assert [item.post.text for item in feed.home("bob")] == ["good", "taken", "before"]
        assert feed.post("bob", good.id).post.ref == "doc:2"
        assert post in both_paths(feed, "bob")


def test_connection_a_transaction_that_is_open_already_is_joined(url: str, host: sa.Engine) -> None:
    with opened(url) as feed:
        post = prepared(feed)
        with host.begin() as connection:
            savepoint = connection.begin_nested()
            feed.publish("ada", text="undone", connection=connection)
            savepoint.rollback()
            kept = feed.publish("ada", text="kept", connection=connection)
        assert both_paths(feed, "bob") == [kept.id, post]


def test_connection_rows_are_read_within_the_transaction(url: str, host: sa.Engine) -> None:
    """A follow of a user and a delete of a post that the same transaction has just made."""
    with opened(url) as feed:
        with host.begin() as connection:
            feed.follow("newbie", "celebrity", connection=connection)
            post = feed.publish("celebrity", text="hi", connection=connection)
            doomed = feed.publish("celebrity", text="oops", connection=connection)
            assert feed.delete("celebrity", doomed.id, connection=connection)
            assert not feed.delete("celebrity", doomed.id, connection=connection)
        assert both_paths(feed, "newbie") == [post.id]


def test_connection_the_first_mint_of_a_process_happens_inside_it(url: str, host: sa.Engine) -> None:
    """Ids that a rolled back transaction took from a lease that never was are not minted again."""
    minted: list[int] = []
    for round_ in range(4):
        with opened(url) as feed, host.connect() as connection:
            for _ in range(3):
                minted.append(feed.publish("ada", text="x", connection=connection).id)
            if round_ % 2:
                connection.commit()
            else:
                connection.rollback()
                del minted[-3:]
            minted.append(feed.publish("ada", text="x").id)
    assert len(set(minted)) == len(minted)


def test_connection_restrictions_in_it_hold_from_the_commit_on(url: str, host: sa.Engine) -> None:
    with opened(url) as feed, opened(url) as other:
        feed.follow("bob", "ada")
        post = feed.publish("ada", text="hi")
        for n in range(4):
            verb, undo = (("unfollow", "follow"), ("mute", "unmute"))[n % 2]
            assert both_paths(feed, "bob") == both_paths(other, "bob") == [post.id]
            with host.begin() as connection:
                getattr(feed, verb)("bob", "ada", connection=connection)
                assert ids(other.home("bob")) == [post.id]
            assert ids(feed.home("bob")) == []
            assert ids(other.home("bob")) == []
            getattr(other, undo)("bob", "ada")


def test_connection_of_a_hosts_own_engine_in_memory_is_refused() -> None:
    """Its one connection would be shared, and what the host commits on it could not be told apart."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool, connect_args={"check_same_thread": False})
    with pytest.raises(ConfigurationError, match="memory://"), feedkit.connect(engine) as feed:
        feed.follow("bob", "ada")
    engine.dispose()
