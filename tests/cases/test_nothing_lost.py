"""Cases F11, F12, F13, F20, F21 and F22: nothing is lost, whatever breaks."""

import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from feedkit import CostBased, Hybrid, ManualClock, PullAll, PushAll, Settings, Unavailable
from tests.cases.case_tools import (
    START,
    TABLES,
    all_rows,
    both_paths,
    everything,
    ids,
    news,
    opened,
    rows,
)

POLICIES = [PushAll(), PullAll(), Hybrid(pull_above=2), CostBased(push_cost=1, pull_cost=2)]


# F11: a page is full although nearly everything is filtered out


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_f11_the_page_is_full_where_95_percent_of_the_candidates_are_deleted(url: str, policy: Any) -> None:
    with opened(url, policy=policy, settings=Settings(inbox_entries=50, inbox_tail=10)) as feed:
        feed.follow("bob", "ada")
        feed.home("bob")
        posts = [feed.publish("ada", text=str(n)).id for n in range(400)]
        kept = posts[::20]
        for id in set(posts) - set(kept):
            feed.delete("ada", id)
        for _ in range(2):
            page = feed.home("bob", limit=20)
            assert ids(page) == kept[::-1]
            assert not page.truncated
            assert not page.degraded
            feed.wipe()


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_f11_the_page_is_full_where_95_percent_of_the_candidates_are_muted(url: str, policy: Any) -> None:
    with opened(url, policy=policy, settings=Settings(inbox_entries=50, inbox_tail=10)) as feed:
        loud = [f"loud{n}" for n in range(19)]
        for name in (*loud, "quiet"):
            feed.follow("bob", name)
        feed.home("bob")
        kept = []
        for _ in range(20):
            kept.append(feed.publish("quiet", text="psst").id)
            for name in loud:
                feed.publish(name, text="LOUD")
        for name in loud:
            feed.mute("bob", name)
        for _ in range(2):
            page = feed.home("bob", limit=20)
            assert ids(page) == kept[::-1]
            assert not page.truncated
            feed.wipe()


def test_f11_the_page_is_full_where_95_percent_of_the_candidates_are_private(url: str) -> None:
    with opened(url, settings=Settings(inbox_entries=50)) as feed:
        feed.follow("bob", "ada")
        audiences = ["public" if n % 20 == 0 else "only_me" for n in range(400)]
        posts = [(feed.publish("ada", text="x", audience=audience).id, audience) for audience in audiences]
        kept = [id for id, audience in posts if audience == "public"]
        for _ in range(2):
            assert ids(feed.home("bob", limit=20)) == kept[::-1]
            assert ids(feed.profile("bob", "ada", limit=20)) == kept[::-1]
            feed.wipe()


def test_f11_a_page_that_gives_up_says_so_and_its_cursor_goes_on(url: str) -> None:
    with opened(url, settings=Settings(inbox_entries=500, max_scan=100)) as feed:
        feed.follow("bob", "ada")
        feed.follow("bob", "loud")
        oldest = feed.publish("ada", text="first").id
        feed.home("bob")
        for _ in range(350):
            feed.publish("loud", text="LOUD")
        feed.mute("bob", "loud")
        assert both_paths(feed, "bob") == [oldest]


# F12: events that arrive in the wrong order


def test_f12_a_reply_is_shown_though_its_parent_is_gone(url: str) -> None:
    with opened(url) as feed:
        feed.follow("bob", "ada")
        feed.follow("bob", "cyd")
        parent = feed.publish("ada", text="parent")
        reply = feed.publish("cyd", text="reply", reply_to=parent.id)
        feed.delete("ada", parent.id)
        assert both_paths(feed, "bob") == [reply.id]
        assert feed.post("bob", reply.id).post.reply_to == parent.id


def test_f12_a_reply_that_is_committed_before_its_parent(pg_url: str) -> None:
    with opened(pg_url) as feed, host_connection(pg_url) as late:
        feed.follow("bob", "ada")
        feed.home("bob")
        parent = feed.publish("ada", text="parent", connection=late)
        reply = feed.publish("ada", text="reply", reply_to=parent.id, connection=late)
        aside = feed.publish("ada", text="aside")
        assert both_paths(feed, "bob") == [aside.id]
        late.commit()
        assert sorted(both_paths(feed, "bob")) == sorted([parent.id, reply.id, aside.id])


def test_f12_a_post_that_is_deleted_before_it_is_delivered(url: str) -> None:
    with opened(url) as writer, opened(url) as reader:
        writer.follow("bob", "ada")
        assert both_paths(reader, "bob") == []
        post = writer.publish("ada", text="oops")
        writer.delete("ada", post.id)
        assert both_paths(reader, "bob") == []
        reader.drain()
        assert both_paths(reader, "bob") == []


def test_f12_an_unfollow_before_a_late_delivery_holds_until_the_next_follow(url: str) -> None:
    with opened(url) as writer, opened(url) as reader:
        writer.follow("bob", "ada")
        assert reader.home("bob").items == ()
        post = writer.publish("ada", text="late")
        writer.unfollow("bob", "ada")
        assert both_paths(reader, "bob") == []
        writer.follow("bob", "ada")
        assert both_paths(reader, "bob") == [post.id]


# F13: clocks that are wrong


def test_f13_two_hosts_whose_clocks_are_five_minutes_apart_and_step_back(url: str) -> None:
    clocks = ManualClock(START), ManualClock(START + timedelta(minutes=5))
    with opened(url, clock=clocks[0]) as slow, opened(url, clock=clocks[1]) as fast:
        for name in ("ada", "ben"):
            slow.follow("bob", name)
        cursor = slow.home("bob").newer_cursor
        minted: list[list[int]] = [[], []]
        polled = []
        for step in range(60):
            number = step % 2 if step % 5 else 0
            clocks[number].advance(milliseconds=200)
            if step % 7 == 6:
                clocks[number].advance(seconds=-10)
            post = (slow, fast)[number].publish(("ada", "ben")[number], text=str(step))
            minted[number].append(post.id)
            if step % 3 == 2:
                found, cursor = news((slow, fast)[step % 2], "bob", cursor)
                assert found == sorted(found, reverse=True)
                polled += found
        found, cursor = news(slow, "bob", cursor)
        everyone = [*minted[0], *minted[1]]
        assert len(set(everyone)) == 60, "an id was minted twice"
        assert minted == [sorted(one) for one in minted], "the ids of one process must grow"
        assert sorted([*polled, *found]) == sorted(everyone), "each is new exactly once"
        for feed in (slow, fast):
            assert both_paths(feed, "bob", limit=7) == sorted(everyone, reverse=True)


def test_f13_a_process_that_restarts_with_its_clock_set_back(url: str) -> None:
    clock = ManualClock(START)
    minted: list[int] = []
    for _ in range(5):
        with opened(url, clock=clock, settings=Settings(lease_ms=1000)) as feed:
            feed.follow("bob", "ada")
            cursor = feed.home("bob").newer_cursor
            batch = [feed.publish("ada", text="x").id for _ in range(20)]
            assert not set(batch) & set(minted)
            assert batch == sorted(batch)
            assert sorted(news(feed, "bob", cursor)[0]) == batch
            minted += batch
            clock.advance(seconds=-10)
    with opened(url, clock=clock) as feed:
        assert both_paths(feed, "bob") == sorted(minted, reverse=True)


def test_f13_a_host_that_is_behind_publishes_more_than_one_page_looks_at(url: str) -> None:
    """Every post of the slow host lies below what was polled before: all of them are news all the same."""
    clocks = ManualClock(START), ManualClock(START + timedelta(minutes=5))
    few = Settings(max_scan=100)
    with (
        opened(url, clock=clocks[0], settings=few) as slow,
        opened(url, clock=clocks[1], settings=few) as fast,
    ):
        slow.follow("bob", "ada")
        fast.publish("ada", text="from the future")
        cursor = slow.home("bob").newer_cursor
        posts = [slow.publish("ada", text=str(n)).id for n in range(250)]
        found, cursor = news(fast, "bob", cursor)
        assert found == posts[::-1]
        assert news(fast, "bob", cursor)[0] == []


def test_f13_what_a_slow_host_commits_below_an_open_walk_comes_once(url: str) -> None:
    """The walk began before; the next poll brings it."""
    clocks = ManualClock(START), ManualClock(START + timedelta(minutes=5))
    with opened(url, clock=clocks[0]) as slow, opened(url, clock=clocks[1]) as fast:
        slow.follow("bob", "ada")
        old = [slow.publish("ada", text="old").id for _ in range(3)]
        high = [fast.publish("ada", text="high").id for _ in range(4)]
        page = fast.home("bob", limit=2)
        late = [slow.publish("ada", text="late").id for _ in range(30)]
        walked = ids(page)
        newer = page.newer_cursor
        while page.next_cursor is not None:
            page = fast.home("bob", cursor=page.next_cursor, limit=3)
            walked += ids(page)
        assert walked == [*high[::-1], *old[::-1]]
        assert news(fast, "bob", newer, limit=3)[0] == late[::-1]


def test_f13_pruning_by_a_host_whose_clock_is_ahead_makes_no_hole(url: str) -> None:
    """What the slow host logs looks old to the other at once; a third one has yet to hear of it."""
    brief = Settings(event_retention_s=60, prune_every=1)
    clocks = ManualClock(START), ManualClock(START + timedelta(minutes=5))
    with (
        opened(url, clock=clocks[0], settings=brief) as slow,
        opened(url, clock=clocks[1], settings=brief) as fast,
        opened(url, clock=clocks[1], settings=brief) as reader,
    ):
        slow.follow("bob", "ada")
        assert fast.drain().done
        assert ids(reader.home("bob")) == []
        posts = [feed.publish("ada", text="x").id for feed in (fast, slow, fast)]
        assert fast.drain().done
        assert sorted(both_paths(reader, "bob")) == sorted(posts)


def test_f13_a_walk_does_not_notice_that_the_clock_steps_back(url: str) -> None:
    clock = ManualClock(START)
    with opened(url, clock=clock) as feed:
        feed.follow("bob", "ada")
        old = [feed.publish("ada", text="x").id for _ in range(30)]
        page = feed.home("bob", limit=10)
        walked = ids(page)
        while page.next_cursor is not None:
            clock.advance(seconds=-10)
            feed.publish("ada", text="meanwhile")
            page = feed.home("bob", limit=10, cursor=page.next_cursor)
            walked += ids(page)
        assert walked == old[::-1]


# F20: the database is busy, or the connection is gone


@contextmanager
def host_connection(url: str) -> Iterator[sa.Connection]:
    """A connection of the host's; what it has not committed is rolled back."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def write_lock(url: str) -> Iterator[Callable[[], None]]:
    """Another process holds SQLite's write lock; the function lets it go."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read(); c.execute('ROLLBACK')"
    )
    path = url.removeprefix("sqlite:///")
    holder = subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"

    def release() -> None:
        if holder.poll() is None:
            holder.communicate()

    try:
        yield release
    finally:
        release()


def test_f20_a_busy_database_is_waited_for(sqlite_url: str) -> None:
    settings = Settings(busy_timeout_ms=50, retries=20, retry_backoff_ms=20)
    with opened(sqlite_url, settings=settings) as feed:
        feed.follow("bob", "ada")
        with write_lock(sqlite_url) as release:
            timer = threading.Timer(0.5, release)
            timer.start()
            began = time.monotonic()
            post = feed.publish("ada", text="after you")
            assert time.monotonic() - began > 0.3, "the lock was not in the way"
            timer.join()
        assert everything(feed, "bob") == [post.id]


def test_f20_a_database_that_stays_busy_is_a_clear_error_and_nothing_is_half_done(sqlite_url: str) -> None:
    settings = Settings(busy_timeout_ms=10, retries=1, retry_backoff_ms=1)
    with opened(sqlite_url, settings=settings) as feed:
        feed.follow("bob", "ada")
        first = feed.publish("ada", text="first")
        engine = sa.create_engine(sqlite_url)
        before = all_rows(engine)
        with write_lock(sqlite_url):
            for call in (
                lambda: feed.publish("ada", text="x", media=[{"url": "https://a.example/1"}]),
                lambda: feed.follow("cyd", "ada"),
                lambda: feed.block("ada", "bob"),
                lambda: feed.delete("ada", first.id),
            ):
                with pytest.raises(Unavailable) as raised:
                    call()
                assert raised.value.http_status == 503
                assert raised.value.retry_after_s
            assert ids(feed.home("bob")) == [first.id], "reading goes on"
        assert all_rows(engine) == before
        engine.dispose()
        feed.block("ada", "bob")
        assert ids(feed.home("bob")) == []


def test_f20_a_read_that_met_the_lock_does_not_make_the_next_writer_impatient(sqlite_url: str) -> None:
    settings = Settings(busy_timeout_ms=3000, retries=0)
    with opened(sqlite_url, settings=settings) as feed:
        feed.follow("bob", "ada")
        feed.home("bob")
        feed.publish("ada", text="to be applied")
        with write_lock(sqlite_url) as release:
            feed.home("bob")
            timer = threading.Timer(0.5, release)
            timer.start()
            feed.publish("ada", text="after you")
            timer.join()


def test_f20_reads_go_on_while_a_writer_holds_the_lock_and_events_wait(sqlite_url: str) -> None:
    settings = Settings(busy_timeout_ms=10, retries=1, retry_backoff_ms=1)
    with opened(sqlite_url, settings=settings) as writer, opened(sqlite_url, settings=settings) as reader:
        writer.follow("bob", "ada")
        assert ids(reader.home("bob")) == []
        post = writer.publish("ada", text="news")
        with write_lock(sqlite_url):
            assert ids(reader.home("bob")) == [post.id]
            assert ids(writer.home("bob")) == [post.id]
            assert ids(writer.profile(None, "ada")) == [post.id]


@contextmanager
def cut_connections(url: str, every_s: float) -> Iterator[Callable[[], int]]:
    """Someone ends every other connection to this database, again and again; how many they have ended."""
    ended, stop = [0], threading.Event()
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    sql = sa.text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )

    def run() -> None:
        with engine.connect() as connection:
            while not stop.wait(every_s):
                ended[0] += int(connection.scalar(sql) or 0)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield lambda: ended[0]
    finally:
        stop.set()
        thread.join()
        engine.dispose()


def test_f20_a_connection_that_was_cut_between_two_calls_is_not_noticed(pg_url: str) -> None:
    settings = Settings(retries=3, retry_backoff_ms=5)
    with opened(pg_url, settings=settings) as feed:
        feed.follow("bob", "ada")
        posts = []
        with host_connection(pg_url) as killer:
            for n in range(5):
                posts.append(feed.publish("ada", text=str(n)).id)
                cut_all(killer)
                assert ids(feed.home("bob")) == posts[::-1]
                cut_all(killer)
                feed.wipe()
                assert ids(feed.home("bob")) == posts[::-1]
                cut_all(killer)
                assert ids(feed.profile(None, "ada")) == posts[::-1]
                cut_all(killer)


def cut_all(connection: sa.Connection) -> None:
    """End every connection to this database but this one."""
    connection.execute(
        sa.text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
    )
    connection.commit()


def test_f20_connections_that_are_cut_in_the_middle_leave_nothing_half_done(pg_url: str) -> None:
    url = pg_url
    settings = Settings(retries=10, retry_backoff_ms=2, log_batch=5)
    media = [{"url": f"https://a.example/{n}"} for n in range(5)]
    done: list[int] = []
    with opened(url, settings=settings) as feed:
        feed.follow("bob", "ada")
        with cut_connections(url, every_s=0.02) as ended:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline and min(len(done), ended()) < 40:
                try:
                    done.append(feed.publish("ada", text="x", media=media).id)
                    feed.home("bob")
                except Unavailable:
                    pass
        assert min(ended(), len(done)) >= 20, (ended(), len(done))
        assert len(set(done)) == len(done)
        feed.drain()
        served = both_paths(feed, "bob", limit=50)
        assert set(done) <= set(served), "what was acknowledged is there"
        assert len(set(served)) == len(served)
        engine = sa.create_engine(url)
        posts = rows(engine, "posts")
        assert rows(engine, "post_media") == 5 * posts, "a post without all of its media"
        assert len(served) == posts
        assert published_events(engine) == posts, "a post without its event, or with two"
        assert feed.profile(None, "ada").counts.posts == posts
        engine.dispose()


def published_events(engine: sa.Engine) -> int:
    """How many posts the log says were published."""
    query = sa.select(sa.func.count()).select_from(TABLES.events)
    with engine.connect() as connection:
        return int(connection.scalar(query.where(TABLES.events.c.kind == "post.published")) or 0)


def test_f20_a_serialization_failure_is_tried_again(pg_url: str) -> None:
    """Many write to the same two users at once, in the strictest isolation: nobody is told to try again."""
    url = pg_url
    engine = sa.create_engine(url, isolation_level="SERIALIZABLE", pool_size=8)
    with opened(engine, settings=Settings(retries=50, retry_backoff_ms=1)) as feed:
        feed.users.put("ada")

        def flap(name: str) -> None:
            for _ in range(10):
                feed.follow(name, "ada")
                feed.publish(name, text="x")
                feed.block("ada", name)
                feed.unblock("ada", name)

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(flap, [f"user{n}" for n in range(6)]))
        feed.drain()
        assert feed.profile(None, "ada").counts.followers == 0
    engine.dispose()


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_f20_a_transaction_that_the_server_gives_up_is_tried_again(pg_url: str, code: str) -> None:
    """A serialization failure, a deadlock: the server refuses the first two tries."""
    settings = Settings(retries=3, retry_backoff_ms=1)
    with opened(pg_url, settings=settings) as feed, host_connection(pg_url) as host:
        feed.follow("bob", "ada")
        host.execute(sa.text("CREATE SEQUENCE tries"))
        host.execute(sa.text(REFUSE_TWICE.format(code=code)))
        trigger = (
            "CREATE TRIGGER refuse BEFORE INSERT ON feedkit_posts FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
        host.execute(sa.text(trigger))
        host.commit()
        post = feed.publish("ada", text="third time lucky", media=[{"url": "https://a.example/1"}])
        assert host.scalar(sa.text("SELECT last_value FROM tries")) == 3
        assert both_paths(feed, "bob") == [post.id]
        assert (published_events(host.engine), rows(host.engine, "post_media")) == (1, 1)


REFUSE_TWICE = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('tries') <= 2 THEN
            RAISE EXCEPTION 'not now' USING ERRCODE = '{code}';
        END IF;
        RETURN NEW;
    END $$
"""


def test_f20_a_commit_whose_answer_is_lost_is_not_done_twice(
    pg_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has committed, and the connection breaks before it can say so."""
    engine = sa.create_engine(pg_url)
    commit, lost = engine.dialect.do_commit, []

    def commit_without_an_answer(connection: Any) -> None:
        commit(connection)
        if armed:
            lost.append(armed.pop())
            connection.dbapi_connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    armed: list[str] = []
    with opened(engine, settings=Settings(retry_backoff_ms=1)) as feed:
        feed.follow("bob", "ada")
        feed.publish("ada", text="first")
        monkeypatch.setattr(engine.dialect, "do_commit", commit_without_an_answer)
        armed.append("publish")
        post = feed.publish("ada", text="once", ref="doc:1")
        armed.append("follow")
        assert feed.follow("cyd", "ada").active
        monkeypatch.undo()
        assert lost == ["publish", "follow"]
        assert [item.post.text for item in feed.home("bob")] == ["once", "first"]
        assert feed.post("bob", post.id).post == post
        assert published_events(engine) == 2
        assert feed.drain().done
        counts = feed.profile(None, "ada").counts
        assert (counts.posts, counts.followers) == (2, 2)
    engine.dispose()


# F21: transactions that stay open


def test_f21_an_idle_transaction_of_a_stranger_holds_nothing_back(pg_url: str) -> None:
    url = pg_url
    with opened(url) as writer, opened(url) as reader, host_connection(url) as stranger:
        stranger.execute(sa.text("CREATE TABLE stranger (x int)"))
        stranger.commit()
        writer.follow("bob", "ada")
        cursor = reader.home("bob").newer_cursor
        stranger.execute(
            sa.text("INSERT INTO stranger VALUES (1)")
        )  # it holds a transaction id and a snapshot
        stranger.execute(sa.text("SELECT txid_current()"))
        posts = [writer.publish("ada", text=str(n)).id for n in range(5)]
        began = time.monotonic()
        assert ids(reader.home("bob")) == posts[::-1]
        assert news(reader, "bob", cursor)[0] == posts[::-1]
        assert reader.drain().done
        assert writer.drain().done
        assert reader.profile(None, "ada").counts.posts == 5, "the shared consumers went on too"
        assert time.monotonic() - began < 3
        stranger.rollback()


def test_f21_an_old_transaction_of_the_hosts_holds_nothing_back(pg_url: str) -> None:
    """Even one that has read feedkit's own tables, in the strictest isolation."""
    url = pg_url
    with opened(url) as feed, host_connection(url) as stranger:
        feed.follow("bob", "ada")
        stranger.execution_options(isolation_level="SERIALIZABLE")
        for table in (TABLES.posts, TABLES.events, TABLES.consumers):
            stranger.execute(sa.select(sa.func.count()).select_from(table))
        posts = [feed.publish("ada", text=str(n)).id for n in range(5)]
        assert feed.drain().done
        assert both_paths(feed, "bob") == posts[::-1]
        stranger.rollback()


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
@pytest.mark.parametrize("drained", [False, True])
def test_f21_what_commits_late_is_skipped_by_nobody(pg_url: str, policy: Any, drained: bool) -> None:
    url = pg_url
    with (
        opened(url, policy=policy) as writer,
        opened(url, policy=policy) as reader,
        host_connection(url) as late,
        host_connection(url) as later,
    ):
        for name in ("ada", "ben"):
            for follower in ("bob", "cyd", "dee"):
                writer.follow(follower, name)
        readers = ("bob", "cyd")
        newer = {name: reader.home(name).newer_cursor for name in readers}
        assert all(writer.home(name).items == () for name in readers)
        first = writer.publish("ada", text="late", connection=late).id
        second = writer.publish("ben", text="later", connection=later).id
        prompt = [writer.publish("ben", text=str(n)).id for n in range(3)]
        if drained:
            results = writer.drain(), reader.drain()
            assert all(result.done for result in results), "an open transaction must not hold delivery back"
        for name in readers:
            found, newer[name] = news(reader, name, newer[name])
            assert found == prompt[::-1]
        later.commit()
        for name in readers:
            found, newer[name] = news(reader, name, newer[name], limit=1)
            assert found == [second], "it is older than what was polled before, and still new"
        prompt.append(writer.publish("ada", text="after").id)
        late.commit()
        for name in readers:
            found, newer[name] = news(reader, name, newer[name], limit=1)
            assert found == [prompt[-1], first]
            assert news(reader, name, newer[name])[0] == []
        whole = sorted([first, second, *prompt], reverse=True)
        for feed, name in itertools.product((reader, writer), readers):
            assert both_paths(feed, name, limit=2) == whole
        assert writer.drain().done
        assert writer.check().ok
        assert reader.check().ok


def test_f21_what_is_rolled_back_late_leaves_no_hole(pg_url: str) -> None:
    url = pg_url
    with opened(url) as feed, host_connection(url) as late:
        feed.follow("bob", "ada")
        cursor = feed.home("bob").newer_cursor
        feed.publish("ada", text="never", connection=late)
        posts = [feed.publish("ada", text=str(n)).id for n in range(3)]
        late.rollback()
        posts.append(feed.publish("ada", text="on").id)
        assert news(feed, "bob", cursor)[0] == posts[::-1]
        assert feed.drain().done
        assert both_paths(feed, "bob") == posts[::-1]


@pytest.mark.parametrize("lapsed", [False, True])
def test_f21_ids_that_are_minted_within_an_open_transaction_stop_nobody(pg_url: str, lapsed: bool) -> None:
    """Neither the first post of a process, nor the first after its lease has lapsed."""
    clock = ManualClock(START)
    with opened(pg_url, clock=clock) as feed, opened(pg_url, clock=clock) as other:
        if lapsed:
            feed.publish("ada", text="0")
            other.publish("ada", text="0")
            clock.advance(days=2)
        with host_connection(pg_url) as late:
            feed.publish("ada", text="late", connection=late)
            began = time.monotonic()
            other.publish("ben", text="prompt")
            feed.publish("ben", text="prompt")
            with opened(pg_url, clock=clock) as third:
                third.publish("cyd", text="prompt")
            assert time.monotonic() - began < 1.5


def test_f21_a_backlog_without_numbers_is_shown_all_the_same(pg_url: str) -> None:
    """Another process is about to number more events than fit into one batch, and takes its time."""
    few = Settings(log_batch=3)
    with opened(pg_url, settings=few) as feed, opened(pg_url, settings=few) as writer:
        writer.follow("bob", "ada")
        for one, name in ((feed, "bob"), (writer, "ada")):
            assert one.drain().done
            assert ids(one.home(name)) == []
        with busy_sequencer(pg_url):
            posts = [writer.publish("ada", text=str(n)).id for n in range(10)]
            assert ids(feed.home("bob")) == posts[::-1]
            assert ids(writer.home("ada")) == posts[::-1], "an author sees their own"
            writer.block("ada", "bob")
            assert ids(feed.profile("bob", "ada")) == []


@contextmanager
def busy_sequencer(url: str) -> Iterator[None]:
    """One process has begun to number events, and does not come to an end."""
    begun, go_on = threading.Event(), threading.Event()
    with opened(url) as feed, ThreadPoolExecutor(1) as pool:
        truth = feed.runtime().truth

        def dawdle(tx: Any) -> None:
            truth.events.number_new(tx)
            begun.set()
            go_on.wait(20)

        job = pool.submit(truth.write, dawdle)
        try:
            assert begun.wait(10)
            yield
        finally:
            go_on.set()
            job.result()


def test_f21_the_first_poll_of_a_process_brings_nothing_that_was_on_its_first_page(url: str) -> None:
    with opened(url) as writer, opened(url, settings=Settings(log_batch=3)) as reader:
        writer.follow("bob", "ada")
        posts = [writer.publish("ada", text=str(n)).id for n in range(10)]
        page = reader.home("bob", limit=4)
        assert ids(page) == posts[:5:-1]
        assert news(reader, "bob", page.newer_cursor)[0] == []


# F22: a preloading server forks


FORKING = Path(__file__).with_name("forking.py")


def test_f22_a_child_that_outlives_its_parent_loses_nothing(sqlite_url: str, tmp_path: Path) -> None:
    """SQLite counts locks per process in memory; a child that inherits the count would take none itself."""
    flag = tmp_path / "flag"
    script = Path(__file__).with_name("outlived.py")
    subprocess.run(
        [sys.executable, "-W", "error", str(script), sqlite_url, str(flag)], check=True, timeout=60
    )
    flag.write_text("the parent is gone")
    deadline = time.monotonic() + 30
    while flag.read_text() != "done":
        assert time.monotonic() < deadline, "the child did not come to its end"
        time.sleep(0.01)
    with opened(sqlite_url) as feed:
        texts = {item.post.text for item in [*feed.profile(None, "parent"), *feed.profile(None, "child")]}
        assert texts == {"before the fork", "0", "1", "2"}


@pytest.mark.parametrize("deliver", ["inline", "thread"])
def test_f22_four_children_forked_after_the_first_use(url: str, tmp_path: Path, deliver: str) -> None:
    results = tmp_path / "results"
    results.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "error", str(FORKING), url, str(results), deliver],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    reports = [json.loads(path.read_text()) for path in sorted(results.iterdir())]
    assert len(reports) == 5
    minted = [id for report in reports for id in report["minted"]]
    assert len(set(minted)) == len(minted) == 5 * 40 + 5, "an id was minted twice"
    assert all(report["answers"] == "its own" for report in reports)
    with opened(url) as feed:
        assert set(both_paths(feed, "reader", limit=100)) == set(minted), "the log was not applied"
