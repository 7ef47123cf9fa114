"""The log at work: pruned, written by newer code, applied by several, by a thread, and across the pull threshold."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import feedkit
from feedkit import Hybrid, ManualClock, Settings
from feedkit.log.worker import THREAD_NAME
from feedkit.model import EventKind, Route
from tests.cases.case_tools import START, TABLES, both_paths, everything, ids, opened

HOUR_S = 3600
Feed = feedkit.Feed[str]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database that several feeds can open."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'feed.db'}"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
def host(url: str) -> Iterator[sa.Engine]:
    """Another way into the database of `url`."""
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


def user_id(feed: Feed, key: str) -> int:
    return feed.users.get([key])[key].id


def held(feed: Feed, key: str) -> list[int]:
    """The positions in a reader's inbox as it is held, without building one."""
    timeline = feed.runtime().stores.inboxes.read(user_id(feed, key))
    assert timeline is not None, f"{key} holds no inbox"
    return [int(position) for position in timeline.entries.positions]


def counts(feed: Feed, key: str) -> tuple[int, int, int]:
    found = feed.profile(None, key).counts
    return found.followers, found.following, found.posts


def kinds(engine: sa.Engine) -> list[str]:
    """The kinds of all events that are still in the log, the oldest first."""
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(TABLES.events.c.kind).order_by(TABLES.events.c.id)))


def routes(feed: Feed) -> list[Route]:
    """The routes of all posts in the log."""
    truth = feed.runtime().truth
    log = truth.read(lambda tx: truth.events.after(tx, 0, 10_000))
    return [event.route for event in log if event.kind is EventKind.POST_PUBLISHED]


def eventually(condition: Callable[[], object], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


# pruning


def test_old_events_that_everybody_has_applied_go(url: str, host: sa.Engine) -> None:
    # given
    clock = ManualClock(START)
    settings = Settings(prune_every=1, event_retention_s=HOUR_S)
    with opened(url, clock=clock, settings=settings) as feed:
        feed.follow("bob", "ada")
        old = feed.publish("ada", text="old")
        clock.advance(minutes=59)
        feed.mute("bob", "cyd")
        feed.drain()
        assert len(kinds(host)) == 3, "none of them is old enough"

        # when
        clock.advance(minutes=2)
        fresh = feed.publish("ada", text="fresh")
        feed.drain()

        # then
        assert kinds(host) == ["mute.added", "post.published"]
        assert both_paths(feed, "bob") == [fresh.id, old.id]
        assert counts(feed, "ada") == (1, 0, 2)


def test_the_newest_event_never_goes_and_numbers_go_on(url: str, host: sa.Engine) -> None:
    clock = ManualClock(START)
    with opened(url, clock=clock, settings=Settings(prune_every=1, event_retention_s=0)) as feed:
        feed.follow("bob", "ada")
        posts: list[int] = []
        for n in range(5):
            clock.advance(hours=1)
            posts.insert(0, feed.publish("ada", text=str(n)).id)
            feed.drain()
            assert kinds(host) == ["post.published"]
            assert both_paths(feed, "bob") == posts
        assert counts(feed, "ada") == (1, 0, 5)
        truth = feed.runtime().truth
        assert truth.read(truth.events.last_number) == 6


def test_what_nobody_has_applied_yet_is_kept_whatever_its_age(url: str, host: sa.Engine) -> None:
    clock = ManualClock(START)
    with opened(url, clock=clock, settings=Settings(prune_every=1, event_retention_s=0)) as feed:
        feed.drain()
        for n in range(4):
            feed.publish("ada", text=str(n))
            clock.advance(hours=1)
        assert len(kinds(host)) == 4
        feed.drain()
        assert len(kinds(host)) == 1


def test_pruning_waits_for_enough_events(url: str, host: sa.Engine) -> None:
    clock = ManualClock(START)
    with opened(url, clock=clock, settings=Settings(prune_every=6, event_retention_s=0)) as feed:
        left = []
        for n in range(12):
            feed.publish("ada", text=str(n))
            clock.advance(seconds=1)
            feed.drain()
            left.append(len(kinds(host)))
        assert left == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 6, 1]


@pytest.mark.parametrize("events_left", [1, 3])
def test_a_process_whose_place_was_pruned_away_starts_afresh(
    url: str, host: sa.Engine, events_left: int, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock(START)
    settings = Settings(prune_every=1, event_retention_s=HOUR_S)
    with opened(url, clock=clock, settings=settings) as writer, opened(url, clock=clock) as sleeper:
        # given a process that has everything in memory, and sleeps
        for author in ("ada", "ben", "cyd"):
            writer.follow("bob", author)
            writer.publish(author, text="first")
        gone = writer.publish("ada", text="regretted")
        assert len(both_paths(sleeper, "bob")) == 4
        sleeper.profile("bob", "ada")

        # when much happens meanwhile, and is pruned
        writer.delete("ada", gone.id)
        writer.block("ben", "bob")
        writer.mute("bob", "cyd")
        writer.users.put("ada", display_name="Ada L.")
        posts = [writer.publish("ada", text=str(n)).id for n in range(6)]
        clock.advance(hours=2)
        posts += [writer.publish("ada", text="late").id for _ in range(events_left)]
        writer.drain()
        assert kinds(host) == ["post.published"] * events_left

        # then
        with caplog.at_level(logging.WARNING, "feedkit"):
            page = sleeper.home("bob")
        assert "out of reach" in caplog.text
        assert ids(page)[:-1] == sorted(posts, reverse=True)
        assert {item.post.text for item in page} >= {"first"}
        assert {item.author.key for item in page} == {"ada"}
        assert {item.author.display_name for item in page} == {"Ada L."}
        assert page.next_cursor is None
        assert not page.degraded
        assert ids(sleeper.profile("bob", "ben")) == []
        assert everything(sleeper, "bob") == everything(writer, "bob") == both_paths(sleeper, "bob")


def test_pruning_leaves_no_gap_where_clocks_differ(url: str, host: sa.Engine) -> None:
    """The log is pruned from its beginning, not in its middle: a process that sleeps would not notice."""
    clock, ahead = ManualClock(START), ManualClock(START)
    ahead.advance(minutes=5)
    settings = Settings(prune_every=1, event_retention_s=HOUR_S)
    with (
        opened(url, clock=clock, settings=settings) as writer,
        opened(url, clock=ahead) as other_host,
        opened(url, clock=clock) as sleeper,
    ):
        # given
        writer.follow("bob", "ada")
        writer.publish("ada", text="hi")
        assert len(everything(sleeper, "bob")) == 1

        # when: first an event of the host that is ahead, then a block
        other_host.publish("eve", text="x")
        writer.block("ada", "bob")
        clock.advance(minutes=62)
        writer.publish("eve", text="y")
        writer.drain()

        # then
        assert everything(sleeper, "bob") == []


# events of newer code


def write_unknown(host: sa.Engine, change: sa.Executable) -> None:
    """Newer code changes something that this code has cached, and says so in its own words."""
    with host.begin() as connection:
        connection.execute(change)
        values = {"kind": "post.unlisted", "actor_id": 1, "object_id": 1, "position": 0, "at": 0}
        connection.execute(TABLES.events.insert().values(values))


@pytest.mark.parametrize("policy", [feedkit.PushAll(), feedkit.PullAll()], ids=repr)
def test_an_event_of_an_unknown_kind_drops_everything_and_leaks_nothing(
    url: str, host: sa.Engine, policy: Any
) -> None:
    with opened(url, policy=policy) as feed:
        # given
        feed.follow("bob", "ada")
        feed.follow("bob", "ben")
        kept, hidden = feed.publish("ada", text="kept"), feed.publish("ben", text="hidden")
        feed.users.put("ada", display_name="Old")
        assert ids(feed.home("bob")) == [hidden.id, kept.id]
        feed.drain()

        # when: posts, relations and users change behind our back
        write_unknown(
            host, TABLES.posts.update().where(TABLES.posts.c.id == hidden.id).values(status="removed")
        )

        # then
        assert ids(feed.home("bob")) == [kept.id]
        assert ids(feed.profile("bob", "ben")) == []
        write_unknown(host, TABLES.users.update().values(display_name="New"))
        assert {item.author.display_name for item in feed.home("bob")} == {"New"}
        write_unknown(host, TABLES.associations.delete())
        assert ids(feed.home("bob")) == []
        assert held(feed, "bob") == [], "built anew"

        # and the log goes on
        late = feed.publish("bob", text="still here")
        assert ids(feed.home("bob")) == [late.id]
        feed.drain()
        assert counts(feed, "bob") == (0, 2, 1), "counters apply what they know and pass over the rest"


# counters


def test_counters_are_exact_however_often_and_by_whom_the_log_is_drained(url: str) -> None:
    # given
    settings = Settings(log_batch=3)
    with opened(url, settings=settings) as one, opened(url, settings=settings) as other:
        one.publish("ada", text="first")
        busy = threading.Event()

        def live(feed: Feed, name: str) -> None:
            for n in range(8):
                feed.follow(f"{name}{n}", "ada")
                post = feed.publish("ada", text=str(n))
                feed.publish("ada", text="private", audience="followers")
                if n % 2:
                    feed.unfollow(f"{name}{n}", "ada")
                    feed.unfollow(f"{name}{n}", "ada")
                    feed.delete("ada", post.id)
                    feed.delete("ada", post.id)

        def drain(feed: Feed) -> None:
            while not busy.is_set():
                feed.drain(max_seconds=0.05)
            feed.drain()

        # when
        with ThreadPoolExecutor() as pool:
            drainers = [pool.submit(drain, feed) for feed in (one, other, one)]
            for writer in [pool.submit(live, one, "a"), pool.submit(live, other, "b")]:
                writer.result(60)
            busy.set()
            for drainer in drainers:
                drainer.result(60)

        # then
        for feed in (one, other, one):
            assert counts(feed, "ada") == (8, 0, 1 + 8)
            assert feed.drain().done
        assert counts(one, "a0") == (0, 1, 0)
        assert counts(one, "a1") == (0, 0, 0)


def test_a_block_takes_its_follows_off_the_counters(url: str) -> None:
    with opened(url) as feed:
        feed.follow("bob", "ada")
        feed.follow("ada", "bob")
        feed.block("ada", "bob")
        feed.unblock("ada", "bob")
        feed.drain()
        assert counts(feed, "ada") == counts(feed, "bob") == (0, 0, 0)


def test_a_reader_applies_later_what_somebody_else_held_up(url: str) -> None:
    with opened(url) as feed, opened(url) as other:
        # given: somebody is at work on the counters while a reader comes by
        feed.follow("bob", "ada")
        truth = other.runtime().truth

        def at_work(tx: Any) -> None:
            assert truth.events.claim(tx, wait=False)
            feed.home("bob")

        truth.write(at_work)

        # then: no later event is needed
        feed.home("bob")
        assert counts(feed, "ada") == (1, 0, 0)


def test_a_counter_of_newer_code_is_passed_over(url: str, host: sa.Engine) -> None:
    with opened(url) as feed:
        feed.publish("ada", text="x")
        feed.drain()
        with host.begin() as connection:
            values = {"object_id": user_id(feed, "ada"), "kind": "subscribers", "value": 3}
            connection.execute(TABLES.counts.insert().values(values))
        assert counts(feed, "ada") == (0, 0, 1)


# draining


def test_draining_says_whether_anything_is_left(url: str) -> None:
    # given
    with opened(url, settings=Settings(log_batch=5)) as feed, opened(url) as reader:
        feed.follow("bob", "ada")
        reader.home("bob")
        for n in range(21):
            feed.publish("ada", text=str(n))

        # when
        results = [feed.drain(max_seconds=0)]
        assert results[0].done is False, "there is more than one batch"
        while not results[-1].done:
            results.append(feed.drain(max_seconds=0))

        # then
        assert 4 <= len(results) <= 6
        assert counts(feed, "ada") == (1, 0, 21)
        whole = feed.drain()
        assert (whole.events, whole.deliveries, whole.done) == (0, 0, True)

        # and another process brings its own materialisation up to date
        brought = reader.drain()
        assert brought.events >= 21
        assert brought.deliveries == 21
        assert brought.done
        assert brought.seconds >= 0


@pytest.mark.parametrize("wrong", [-1, -0.001, float("inf"), float("nan")])
def test_a_time_limit_that_makes_no_sense_is_refused(wrong: float) -> None:
    with opened("memory://") as feed, pytest.raises(feedkit.InvalidArgument, match="max_seconds"):
        feed.drain(wrong)


# deliver="thread"


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


quick = Settings(poll_interval_ms=5)


def test_a_thread_delivers_without_anybody_reading(url: str) -> None:
    with opened(url, deliver="thread", settings=quick) as feed, opened(url) as writer:
        # given
        writer.follow("bob", "ada")
        assert ids(feed.home("bob")) == []
        assert len(workers()) == 1

        # when
        posts = [writer.publish("ada", text=str(n)).id for n in range(3)]

        # then
        runtime, bob = feed.runtime(), user_id(feed, "bob")

        def delivered() -> bool:
            timeline = runtime.stores.inboxes.read(bob)
            return timeline is not None and timeline.entries.positions.tolist() == posts[::-1]

        def counted() -> bool:
            truth, ada = runtime.truth, user_id(feed, "ada")
            counts = truth.read(lambda tx: truth.counts.get_many(tx, [ada]))
            return counts.get(ada) == {"followers": 1, "posts": 3}

        eventually(delivered)
        eventually(counted)


def test_a_thread_begins_with_the_first_verb_and_ends_with_close(url: str) -> None:
    feed = feedkit.connect(url, deliver="thread", settings=quick)
    assert workers() == []
    feed.migrate()
    assert len(workers()) == 1
    feed.publish("ada", text="x")
    feed.home("ada")
    assert len(workers()) == 1
    feed.close()
    assert workers() == []
    feed.close()


def test_closing_does_not_wait_for_the_next_poll(url: str) -> None:
    with opened(url, deliver="thread", settings=Settings(poll_interval_ms=60_000)) as feed:
        feed.publish("ada", text="x")
        started = time.monotonic()
    assert time.monotonic() - started < 10
    assert workers() == []


def test_a_thread_survives_an_error_of_the_database(
    url: str, host: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    name, aside = TABLES.events.name, "put_aside"
    with opened(url, deliver="thread", settings=Settings(poll_interval_ms=5, retries=0)) as feed:
        # given
        feed.follow("bob", "ada")
        feed.home("bob")

        # when: the log cannot be read for a while
        with caplog.at_level(logging.WARNING, "feedkit"):
            with host.begin() as connection:
                connection.execute(sa.text(f"ALTER TABLE {name} RENAME TO {aside}"))
            eventually(lambda: caplog.text.count("applying the log failed") >= 2)
            assert len(workers()) == 1
            with host.begin() as connection:
                connection.execute(sa.text(f"ALTER TABLE {aside} RENAME TO {name}"))

        # then
        post = feed.publish("ada", text="after")
        eventually(lambda: post.position in held(feed, "bob"))


def test_a_thread_survives_a_defect_of_our_own(
    url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(url, deliver="thread", settings=quick) as feed:
        feed.publish("ada", text="x")
        failed = threading.Event()

        def fail() -> None:
            failed.set()
            raise LookupError("a defect")

        with caplog.at_level(logging.ERROR, "feedkit"), monkeypatch.context() as patch:
            patch.setattr(feed.runtime().worker, "run", fail)
            assert failed.wait(10)
            eventually(lambda: "a defect" in caplog.text)
        eventually(lambda: counts(feed, "ada") == (0, 0, 1))
        assert len(workers()) == 1


# across the pull threshold


def test_an_author_crosses_the_threshold_up_and_down_and_nothing_is_lost(url: str, host: sa.Engine) -> None:
    clock = ManualClock(START)
    shared: dict[str, Any] = {
        "policy": Hybrid(pull_above=3, resume_below=3),
        "settings": Settings(pull_grace_s=100),
        "clock": clock,
    }
    with opened(url, **shared) as feed, opened(url, **shared) as sleeper:

        def publish(text: str) -> int:
            clock.advance(seconds=1)
            feed.drain()
            post = feed.publish("star", text=text).id
            feed.drain()
            return post

        def pages_are(posts: list[int], *readers: str) -> None:
            for reader in readers:
                assert ids(feed.home(reader)) == posts[::-1]

        # few followers: pushed
        fans = ["f1", "f2", "f3", "f4"]
        for fan in fans[:3]:
            feed.follow(fan, "star")
        posts = [publish("pushed")]
        pages_are(posts, *fans[:3])
        assert everything(sleeper, "f1") == posts
        star = user_id(feed, "star")

        # above the threshold: listed by the next post, which is still pushed
        feed.follow("f4", "star")
        posts.append(publish("the last that is pushed"))
        assert feed.runtime().readthrough.pulled().tolist() == [star]
        posts += [publish("pulled 1"), publish("pulled 2")]
        assert routes(feed) == [Route.PUSH, Route.PUSH, Route.PULL, Route.PULL]
        pages_are(posts, *fans)
        assert held(feed, "f1") == posts[1::-1], "pulled posts are merged in, not delivered"

        # within the band: nothing changes
        feed.unfollow("f4", "star")
        posts.append(publish("pulled 3"))
        assert routes(feed)[-1] is Route.PULL

        # below it: pushed again, but listed for the grace period
        feed.unfollow("f3", "star")
        posts.append(publish("pushed again"))
        assert routes(feed)[-1] is Route.PUSH
        assert feed.runtime().readthrough.pulled().tolist() == [star]
        pages_are(posts, "f1", "f2")
        clock.advance(seconds=97)
        posts.append(publish("still listed"))
        assert "pull.ended" not in kinds(host)

        # after it: not listed, and what had been pulled stands in the inboxes
        clock.advance(seconds=10)
        posts.append(publish("the end"))
        assert kinds(host).count("pull.started") == kinds(host).count("pull.ended") == 1
        assert feed.runtime().readthrough.pulled().tolist() == []
        assert held(feed, "f1") == posts[::-1]
        pages_are(posts, "f1", "f2")

        # another process finds all of this in the log at once
        assert everything(sleeper, "f1") == posts[::-1]
        assert held(sleeper, "f1") == posts[::-1]
        for one in (feed, sleeper):
            assert both_paths(one, "f1") == both_paths(one, "f2") == posts[::-1]
            assert both_paths(one, "f3") == both_paths(one, "f4") == []


def test_who_rises_again_within_the_grace_period_stays_listed(url: str, host: sa.Engine) -> None:
    clock = ManualClock(START)
    settings = Settings(pull_grace_s=100)
    with opened(url, policy=Hybrid(pull_above=2), settings=settings, clock=clock) as feed:
        posts: list[int] = []
        for followers in (3, 3, 0, 3, 3):
            for n in range(3):
                (feed.follow if n < followers else feed.unfollow)(f"f{n}", "star")
            feed.drain()
            clock.advance(seconds=60)
            posts.append(feed.publish("star", text=str(followers)).id)
            feed.drain()
        assert routes(feed) == [Route.PUSH, Route.PULL, Route.PUSH, Route.PUSH, Route.PULL]
        clock.advance(seconds=1000)
        posts.append(feed.publish("star", text="more").id)
        feed.drain()
        assert kinds(host).count("pull.started") == 1
        assert kinds(host).count("pull.ended") == 0
        assert both_paths(feed, "f0") == posts[::-1]


def test_a_pull_that_ends_fills_inboxes_only_as_far_as_they_can_hold(url: str) -> None:
    clock = ManualClock(START)
    settings = Settings(pull_grace_s=0, inbox_entries=10, inbox_tail=3, outbox_entries=10)
    with opened(url, policy=Hybrid(pull_above=2, resume_below=2), settings=settings, clock=clock) as feed:
        # given
        for fan in ("f1", "f2", "f3"):
            feed.follow(fan, "star")
        feed.follow("f1", "ben")
        posts = [feed.publish("ben", text="early").id]
        feed.drain()
        assert everything(feed, "f1") == posts
        for n in range(30):
            posts.append(feed.publish("star" if n % 5 else "ben", text=str(n)).id)
            feed.drain()

        # when
        for fan in ("f2", "f3"):
            feed.unfollow(fan, "star")
        feed.drain()
        for _ in range(2):
            clock.advance(seconds=10)
            posts.append(feed.publish("star", text="pushed").id)
            feed.drain()

        # then
        assert Route.PULL in routes(feed)
        assert feed.runtime().readthrough.pulled().tolist() == []
        assert len(held(feed, "f1")) <= 10 + 3
        assert everything(feed, "f1") == posts[::-1]
        assert both_paths(feed, "f1") == posts[::-1]
