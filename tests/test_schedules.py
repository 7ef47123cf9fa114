"""Posts that are not there yet, or not for long: drafts, schedules, stories."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

import feedkit
from feedkit import (
    Conflict,
    Forbidden,
    InvalidArgument,
    InvalidCursor,
    LimitExceeded,
    ManualClock,
    NotFound,
    PostStatus,
    PullAll,
    Settings,
)
from feedkit.model import Audience, EventKind
from tests.cases.case_tools import both_paths, ids, news, opened

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def feed(backend_url: str, clock: ManualClock) -> Iterator[feedkit.Feed[str]]:
    with opened(backend_url, clock=clock) as made:
        made.follow("bob", "ada")
        yield made


def texts(page: Any) -> list[str]:
    return [item.post.text for item in page]


def events(feed: feedkit.Feed[str], *kinds: EventKind) -> list[Any]:
    truth = feed.runtime().truth
    return [event for event in truth.read(lambda tx: truth.events.after(tx, 0, 1000)) if event.kind in kinds]


# drafts


def test_a_draft_is_its_authors_alone(feed: feedkit.Feed[str]) -> None:
    # given
    draft = feed.drafts.save("ada", text="not yet", media=[{"url": "x"}], ref="r")

    # then
    assert (draft.status, draft.position, draft.published_at) == (PostStatus.DRAFT, 0, None)
    assert feed.drafts.get("ada", draft.id) == draft
    assert feed.drafts.page("ada").items == (draft,)
    assert not feed.drafts.page("bob").items
    assert not feed.drafts.page("nobody").items
    for viewer in ("ada", "bob", "nobody", None):
        assert feed.posts.get(viewer, [draft.id]) == [None]
        assert feed.posts.by_ref(viewer, ["r"]) == {}
        assert not feed.profile(viewer, "ada").items
    assert feed.profile("bob", "ada").counts.posts == 0
    assert not events(feed, EventKind.POST_PUBLISHED, EventKind.POST_EDITED, EventKind.POST_DELETED)


def test_l12_other_peoples_drafts_are_not_found(feed: feedkit.Feed[str]) -> None:
    draft = feed.drafts.save("ada", text="not yet")
    planned = feed.publish("ada", text="later", at=START + HOUR)
    for post_id in (draft.id, planned.id, 12345):
        calls: list[Callable[[str], object]] = [
            lambda who, one=post_id: feed.drafts.get(who, one),  # type: ignore[misc]
            lambda who, one=post_id: feed.drafts.save(who, one, text="mine"),  # type: ignore[misc]
            lambda who, one=post_id: feed.drafts.publish(who, one),  # type: ignore[misc]
            lambda who, one=post_id: feed.drafts.unschedule(who, one),  # type: ignore[misc]
            lambda who, one=post_id: feed.drafts.discard(who, one),  # type: ignore[misc]
            lambda who, one=post_id: feed.delete(who, one),  # type: ignore[misc]
            lambda who, one=post_id: feed.edit(who, one, text="mine"),  # type: ignore[misc]
            lambda who, one=post_id: feed.pin(who, one),  # type: ignore[misc]
            lambda who, one=post_id: feed.posts.revisions(who, one),  # type: ignore[misc]
        ]
        for call in calls:
            for who in ("bob", "nobody"):
                with pytest.raises(NotFound) as refused:
                    call(who)
                assert refused.value.argument == "post_id"
                with pytest.raises(NotFound) as of_nothing:
                    feed.drafts.get(who, 999)
                assert type(refused.value) is type(of_nothing.value)
    assert feed.drafts.get("ada", draft.id).text == "not yet"


def test_saving_a_draft_changes_what_is_given(feed: feedkit.Feed[str], clock: ManualClock) -> None:
    draft = feed.drafts.save("ada", text="one", media=[{"url": "x"}], audience="followers")
    clock.advance(hours=1)

    saved = feed.drafts.save("ada", draft.id, text="two", media=[{"url": "y"}, {"url": "z"}])
    assert saved == feed.drafts.get("ada", draft.id)
    assert (saved.text, [one.url for one in saved.media], saved.audience) == (
        "two",
        ["y", "z"],
        Audience.FOLLOWERS,
    )
    assert (saved.created_at, saved.edited_at, saved.revision) == (draft.created_at, None, 0)
    assert feed.drafts.save("ada", draft.id, media=()).media == ()
    assert feed.posts.revisions("ada", draft.id) == []
    with pytest.raises(LimitExceeded):
        feed.drafts.save("ada", draft.id, text="x" * 10_001)
    assert feed.drafts.get("ada", draft.id).text == "two"


def test_a_draft_is_published_where_it_becomes_visible(feed: feedkit.Feed[str], clock: ManualClock) -> None:
    # given
    draft = feed.drafts.save("ada", text="old thought")
    clock.advance(hours=1)
    between = feed.publish("ada", text="between")
    page = feed.home("bob")
    clock.advance(hours=1)

    # when
    post = feed.drafts.publish("ada", draft.id)

    # then
    assert (post.id, post.status, post.published_at) == (draft.id, PostStatus.PUBLISHED, START + 2 * HOUR)
    assert post.position > between.position > post.id
    assert both_paths(feed, "bob") == [draft.id, between.id]
    assert news(feed, "bob", page.newer_cursor)[0] == [draft.id]
    assert feed.drafts.publish("ada", draft.id) == post, "published twice, it stays as it is"
    assert not feed.drafts.page("ada").items
    for no_draft in (partial(feed.drafts.get, "ada"), partial(feed.drafts.discard, "ada")):
        with pytest.raises(NotFound):
            no_draft(draft.id)
    for late in (partial(feed.drafts.save, text="x"), feed.drafts.unschedule):
        with pytest.raises(Conflict):
            late("ada", draft.id)
    feed.drain()
    assert feed.profile(None, "ada").counts.posts == 2


def test_a_discarded_draft_is_gone(feed: feedkit.Feed[str]) -> None:
    draft, other = feed.drafts.save("ada", text="a"), feed.drafts.save("ada", text="b")
    assert feed.drafts.discard("ada", draft.id) is True
    assert feed.drafts.discard("ada", draft.id) is False
    assert feed.delete("ada", other.id)
    assert not feed.drafts.page("ada").items
    for call in (feed.drafts.get, feed.drafts.publish, feed.drafts.save):
        with pytest.raises(NotFound):
            call("ada", draft.id)
    assert not events(feed, EventKind.POST_DELETED), "nobody had seen it"


def test_drafts_come_in_pages_that_neither_skip_nor_repeat(feed: feedkit.Feed[str]) -> None:
    made = [feed.drafts.save("ada", text=str(number)).id for number in range(7)]
    found, cursor = [], None
    while True:
        page = feed.drafts.page("ada", limit=3, cursor=cursor)
        found += [post.id for post in page]
        cursor = page.next_cursor
        if cursor is None:
            break
        with pytest.raises(InvalidCursor):
            feed.drafts.page("bob", cursor=cursor)
        with pytest.raises(InvalidCursor):
            feed.home("ada", cursor=cursor)
    assert found == made[::-1]
    assert len(feed.drafts.page("ada", limit=7)) == 7
    assert feed.drafts.page("ada", limit=7).next_cursor is None


def test_a03_the_bound_on_drafts_holds_in_parallel(backend_url: str) -> None:
    with opened(backend_url, settings=Settings(drafts_max=5)) as feed:
        feed.drafts.save("ada", text="x")

        def save(_: int) -> bool:
            try:
                feed.drafts.save("ada", text="x")
            except LimitExceeded:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(save, range(16))) == 4
        assert len(feed.drafts.page("ada")) == 5


# schedules


def test_a_scheduled_post_appears_at_its_time(feed: feedkit.Feed[str], clock: ManualClock) -> None:
    # given
    post = feed.publish("ada", text="at one", at=START + HOUR)
    assert (post.status, post.scheduled_at, post.position) == (PostStatus.DRAFT, START + HOUR, 0)
    assert feed.drafts.page("ada").items == (post,)
    clock.set(START + HOUR - timedelta(milliseconds=1))
    page = feed.home("bob")
    assert not page.items

    # when
    clock.set(START + HOUR)

    # then
    (item,) = feed.home("bob")
    assert (item.post.id, item.post.status) == (post.id, PostStatus.PUBLISHED)
    assert (item.post.published_at, item.post.scheduled_at) == (START + HOUR, None)
    assert news(feed, "bob", page.newer_cursor)[0] == [post.id]
    assert both_paths(feed, "bob") == [post.id]
    assert len(events(feed, EventKind.POST_PUBLISHED)) == 1
    assert not feed.drafts.page("ada").items


def test_scheduled_posts_stand_where_their_time_is(feed: feedkit.Feed[str], clock: ManualClock) -> None:
    """Whoever comes by late finds them in the order of their times, among the posts of those times."""
    # given
    planned = [feed.publish("ada", text=f"at {hour}", at=START + hour * HOUR) for hour in (3, 1, 2)]
    clock.set(START + 1.5 * HOUR)
    written = feed.publish("ada", text="at 1.5")  # publishing is not reading: what is due waits

    # when
    clock.set(START + 5 * HOUR)
    last = feed.publish("ada", text="at 5")

    # then
    order = [last.id, planned[0].id, planned[2].id, written.id, planned[1].id]
    assert both_paths(feed, "bob", limit=2) == order
    assert feed.check().ok


@pytest.mark.parametrize(
    "surface", ["home", "profile", "post", "posts", "by_ref", "users", "drain", "pulled"]
)
def test_whoever_reads_first_publishes_what_is_due(
    surface: str, backend_url: str, clock: ManualClock
) -> None:
    policy = PullAll() if surface == "pulled" else None
    with opened(backend_url, clock=clock, policy=policy) as feed:
        feed.follow("bob", "ada")
        post = feed.publish("ada", text="later", at=START + HOUR, ref="r")
        assert not feed.home("bob").items
        clock.advance(hours=1)
        reads: dict[str, Callable[[], object]] = {
            "home": lambda: ids(feed.home("bob")) == [post.id],
            "profile": lambda: ids(feed.profile("bob", "ada")) == [post.id],
            "post": lambda: feed.post("bob", post.id).post.id == post.id,
            "posts": lambda: feed.posts.get("bob", [post.id])[0] is not None,
            "by_ref": lambda: list(feed.posts.by_ref("bob", ["r"])) == ["r"],
            "users": lambda: feed.users.get(["ada"]),
            "drain": feed.drain,
            "pulled": lambda: ids(feed.home("bob")) == [post.id],
        }
        assert reads[surface]()
        assert ids(feed.home("bob")) == [post.id]


def test_nothing_due_costs_no_query(feed: feedkit.Feed[str]) -> None:
    feed.publish("ada", text="later", at=START + HOUR)
    feed.publish("ada", text="now")
    for _ in range(3):
        feed.home("bob")
    truth = feed.runtime().truth
    if truth.version() is None:
        pytest.skip("here every read asks for what is new")
    before = truth.times_read()
    for _ in range(50):
        feed.home("bob")
    assert truth.times_read() == before


def test_another_process_learns_what_was_scheduled(backend_url: str, clock: ManualClock) -> None:
    if backend_url == "memory://":
        pytest.skip("every feed in memory is a database of its own")
    with opened(backend_url, clock=clock) as here, opened(backend_url, clock=clock) as there:
        here.follow("bob", "ada")
        assert not there.home("bob").items  # knows that nothing is planned
        post = here.publish("ada", text="later", at=START + HOUR)
        sooner = here.publish("ada", text="sooner", at=START + HOUR / 2)
        assert not there.home("bob").items
        clock.advance(minutes=30)
        assert ids(there.home("bob")) == [sooner.id]
        clock.advance(minutes=30)
        assert ids(there.home("bob")) == [post.id, sooner.id]
        assert ids(here.home("bob")) == [post.id, sooner.id]
        assert len(events(here, EventKind.POST_PUBLISHED)) == 2


def test_a_post_survives_between_being_scheduled_and_published(backend_url: str, clock: ManualClock) -> None:
    if backend_url == "memory://":
        pytest.skip("memory does not outlive its feed")
    with opened(backend_url, clock=clock) as feed:
        feed.follow("bob", "ada")
        post = feed.publish("ada", text="later", at=START + HOUR)
    clock.advance(days=3)
    with opened(backend_url, clock=clock) as feed:
        assert ids(feed.home("bob")) == [post.id]


def test_f01_a_crash_while_publishing_what_is_due_publishes_it_once(
    feed: feedkit.Feed[str], clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    posts = [feed.publish("ada", text=str(number), at=START + HOUR) for number in range(3)]
    clock.advance(hours=1)
    truth: Any = feed.runtime().truth
    append, left = truth.events.append, [2]

    class Crash(BaseException):
        """As if the process ended here."""

    def crash(tx: Any, event: Any) -> None:
        append(tx, event)
        left[0] -= 1
        if not left[0]:
            raise Crash

    # when
    with monkeypatch.context() as patched:
        patched.setattr(truth.events, "append", crash)
        with pytest.raises(Crash):
            feed.home("bob")
    assert not events(feed, EventKind.POST_PUBLISHED)

    # then
    assert both_paths(feed, "bob") == [post.id for post in posts][::-1]
    assert len(events(feed, EventKind.POST_PUBLISHED)) == 3


def test_many_posts_for_one_moment_have_positions_of_their_own(backend_url: str, clock: ManualClock) -> None:
    with opened(backend_url, clock=clock) as feed:
        feed.follow("bob", "ada")
        moment = START + HOUR
        first = [feed.publish("ada", text="x", at=moment).id for _ in range(250)]
        neighbour = feed.publish("ada", text="next", at=moment + timedelta(milliseconds=1)).id
        clock.set(moment)
        assert both_paths(feed, "bob", limit=100) == first[::-1]
        clock.set(START)
        second = [feed.publish("ada", text="y", at=moment).id for _ in range(5)]
        clock.set(moment + timedelta(seconds=1))
        assert both_paths(feed, "bob", limit=100) == [neighbour, *second[::-1], *first[::-1]]


def test_racing_processes_publish_what_is_due_once(postgres_database: str, clock: ManualClock) -> None:
    with opened(postgres_database, clock=clock) as feed:
        feed.follow("bob", "ada")
        made = [feed.publish("ada", text=str(number), at=START + HOUR).id for number in range(40)]
        clock.advance(hours=1)
        others = [feedkit.connect(postgres_database, clock=clock) for _ in range(6)]
        together = threading.Barrier(6)

        def read(other: feedkit.Feed[str]) -> None:
            together.wait()
            for _ in range(3):
                other.home("bob")

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(read, others))
        for other in others:
            assert ids(other.home("bob", limit=100)) == made[::-1]
            other.close()
        assert len(events(feed, EventKind.POST_PUBLISHED)) == 40


def test_a_draft_that_a_host_is_changing_holds_nobody_up(postgres_database: str, clock: ManualClock) -> None:
    engine = sa.create_engine(postgres_database)
    with opened(engine, clock=clock) as feed:
        # given
        feed.follow("bob", "ada")
        held = feed.publish("ada", text="in hand", at=START + HOUR)
        other = feed.publish("ada", text="free", at=START + HOUR)
        with engine.connect() as connection:
            feed.drafts.save("ada", held.id, text="in other hands", connection=connection)
            clock.advance(hours=1)

            # then
            assert ids(feed.home("bob")) == [other.id]
            connection.commit()
        assert texts(feed.home("bob")) == ["in other hands", "free"]
    engine.dispose()


def test_a_schedule_is_changed_and_taken_back(feed: feedkit.Feed[str], clock: ManualClock) -> None:
    # given
    draft = feed.drafts.save("ada", text="x")
    planned = feed.drafts.publish("ada", draft.id, at=START + HOUR)
    assert (planned.id, planned.scheduled_at) == (draft.id, START + HOUR)
    assert not feed.home("bob").items

    # when put off, then off for good, then put forward
    feed.drafts.publish("ada", draft.id, at=START + 3 * HOUR)
    clock.advance(hours=2)
    assert not feed.home("bob").items
    assert feed.drafts.unschedule("ada", draft.id).scheduled_at is None
    clock.advance(hours=2)
    assert not feed.home("bob").items
    feed.drafts.publish("ada", draft.id, at=START + 6 * HOUR)
    feed.drafts.publish("ada", draft.id, at=START + 5 * HOUR)
    clock.set(START + 5 * HOUR)

    # then
    assert ids(feed.home("bob")) == [draft.id]


def test_a_scheduled_post_can_be_published_now_or_deleted(
    feed: feedkit.Feed[str], clock: ManualClock
) -> None:
    now, gone, dropped = (feed.publish("ada", text=name, at=START + HOUR) for name in "abc")
    feed.drafts.publish("ada", now.id)
    feed.delete("ada", gone.id)
    feed.drafts.discard("ada", dropped.id)
    assert ids(feed.home("bob")) == [now.id]
    clock.advance(hours=2)
    assert ids(feed.home("bob")) == [now.id]
    assert len(events(feed, EventKind.POST_PUBLISHED)) == 1


def target_gone(feed: feedkit.Feed[str], target: int) -> None:
    feed.delete("cat", target)


def target_narrowed(feed: feedkit.Feed[str], target: int) -> None:
    feed.edit("cat", target, audience="only_me")


def author_private(feed: feedkit.Feed[str], target: int) -> None:
    feed.users.put("cat", private=True)


def author_blocked(feed: feedkit.Feed[str], target: int) -> None:
    feed.block("cat", "ada")


def author_suspended(feed: feedkit.Feed[str], target: int) -> None:
    feed.staff("eve", reason="spam").suspend("cat")


@pytest.mark.parametrize("role", ["reply_to", "quote_of"])
@pytest.mark.parametrize(
    "change", [target_gone, target_narrowed, author_private, author_blocked, author_suspended]
)
def test_l07_what_may_not_be_answered_or_quoted_when_the_time_has_come_stays_a_draft(
    feed: feedkit.Feed[str],
    clock: ManualClock,
    role: str,
    change: Callable[[feedkit.Feed[str], int], None],
) -> None:
    # given
    target = feed.publish("cat", text="hello")
    given: dict[str, Any] = {role: target.id}
    refused = feed.publish("ada", text="about that", at=START + HOUR, **given)
    other = feed.publish("ada", text="else", at=START + HOUR)

    # when
    change(feed, target.id)
    clock.advance(hours=2)

    # then its time has come and gone, for nobody
    assert ids(feed.home("bob")) == [other.id]
    assert feed.posts.get("bob", [refused.id]) == [None]
    assert feed.post("bob", other.id).post.published_at == START + HOUR
    kept = feed.drafts.get("ada", refused.id)
    assert (kept.text, kept.scheduled_at) == ("about that", None)
    assert [post.id for post in feed.drafts.page("ada")] == [refused.id]
    with pytest.raises((NotFound, Forbidden)):
        feed.drafts.publish("ada", refused.id)


def test_what_may_be_shared_no_longer_is_still_answered(feed: feedkit.Feed[str], clock: ManualClock) -> None:
    """A narrower audience that the author is in hides nothing from them: an answer goes out, a quote does not."""
    # given
    feed.follow("ada", "cat")
    target = feed.publish("cat", text="hello")
    answer = feed.publish("ada", text="yes", at=START + HOUR, reply_to=target.id)
    quote = feed.publish("ada", text="see", at=START + HOUR, quote_of=target.id)

    # when
    feed.edit("cat", target.id, audience="followers")
    clock.advance(hours=2)

    # then
    assert ids(feed.home("bob")) == [answer.id]
    assert feed.drafts.get("ada", quote.id).scheduled_at is None


def test_a_schedule_goes_on_behind_what_may_not_go_out(backend_url: str, clock: ManualClock) -> None:
    """More than are published at once are refused, and what comes after them goes out at the same read."""
    with opened(backend_url, clock=clock) as feed:
        feed.follow("bob", "ada")
        target = feed.publish("cat", text="hello")
        for _ in range(201):
            feed.publish("ada", text="about that", at=START + HOUR, reply_to=target.id)
        last = feed.publish("ada", text="else", at=START + HOUR)
        feed.delete("cat", target.id)
        clock.advance(hours=1)
        assert ids(feed.home("bob")) == [last.id]
        assert not feed.runtime().schedule.is_due()


def test_times_of_another_zone_are_understood(feed: feedkit.Feed[str], clock: ManualClock) -> None:
    vienna = timezone(HOUR)
    post = feed.publish("ada", text="x", at=datetime(2026, 1, 1, 2, tzinfo=vienna))
    assert post.scheduled_at == START + HOUR


def test_a_thread_publishes_what_is_due(backend_url: str, clock: ManualClock) -> None:
    with opened(backend_url, clock=clock, deliver="thread", settings=Settings(poll_interval_ms=5)) as feed:
        feed.follow("bob", "ada")
        post = feed.publish("ada", text="later", at=START + HOUR)
        clock.advance(hours=1)
        until = datetime.now(UTC) + timedelta(seconds=10)
        while not feed.home("bob").items and datetime.now(UTC) < until:
            threading.Event().wait(0.01)
        assert ids(feed.home("bob")) == [post.id]


def test_what_a_host_rolls_back_was_never_scheduled(backend_url: str, clock: ManualClock) -> None:
    if backend_url == "memory://":
        pytest.skip("there is no engine to hand in")
    engine = sa.create_engine(backend_url)
    with opened(engine, clock=clock) as feed:
        # given
        feed.follow("bob", "ada")
        draft, shown = feed.drafts.save("ada", text="draft"), feed.publish("ada", text="shown")
        assert ids(feed.home("bob")) == [shown.id]

        # when
        with engine.connect() as connection:
            feed.publish("ada", text="planned", at=START + HOUR, connection=connection)
            feed.drafts.publish("ada", draft.id, connection=connection)
            feed.drafts.save("ada", text="another", connection=connection)
            feed.edit("ada", shown.id, text="edited", audience="only_me", connection=connection)
            feed.pin("ada", shown.id, connection=connection)
            feed.media.update("x", status="ready", connection=connection)
            feed.staff("eve", reason="r").remove(shown.id, connection=connection)
            feed.staff("eve", reason="r").suspend("ada", connection=connection)
            connection.rollback()

        # then
        clock.advance(hours=2)
        assert texts(feed.home("bob")) == ["shown"]
        assert [post.id for post in feed.drafts.page("ada")] == [draft.id]
        assert feed.posts.revisions("ada", shown.id) == []
        assert not feed.profile("bob", "ada").pinned

        # and what it commits is there
        with engine.begin() as connection:
            planned = feed.publish("ada", text="planned", at=START + 3 * HOUR, connection=connection)
            feed.edit("ada", shown.id, text="edited", connection=connection)
        assert texts(feed.home("bob")) == ["edited"]
        clock.advance(hours=1)
        assert ids(feed.home("bob")) == [planned.id, shown.id]
    engine.dispose()


# stories


def test_a_story_expires_everywhere_by_itself(feed: feedkit.Feed[str], clock: ManualClock) -> None:
    # given
    story = feed.publish("ada", text="today", expires_in=timedelta(hours=24), ref="r")
    until = feed.publish("ada", text="tonight", expires_at=START + 12 * HOUR)
    assert (story.expires_at, until.expires_at) == (START + 24 * HOUR, START + 12 * HOUR)
    assert ids(feed.home("bob")) == [until.id, story.id]

    # when
    clock.set(START + 12 * HOUR)
    assert both_paths(feed, "bob") == [story.id]
    clock.set(START + 24 * HOUR - timedelta(milliseconds=1))
    assert ids(feed.home("bob")) == [story.id]
    clock.set(START + 24 * HOUR)

    # then
    for viewer in ("bob", "ada", None):
        assert feed.posts.get(viewer, [story.id]) == [None]
        assert feed.posts.by_ref(viewer, ["r"]) == {}
        assert not feed.profile(viewer, "ada").items
    assert both_paths(feed, "bob") == []


def test_a_story_lives_from_when_it_is_published(feed: feedkit.Feed[str], clock: ManualClock) -> None:
    planned = feed.publish("ada", text="planned", at=START + 10 * HOUR, expires_in=HOUR)
    draft = feed.drafts.save("ada", text="draft")
    clock.set(START + 10 * HOUR)
    feed.drafts.publish("ada", draft.id, expires_in=HOUR / 2)
    assert set(ids(feed.home("bob"))) == {planned.id, draft.id}
    clock.advance(minutes=30)
    assert ids(feed.home("bob")) == [planned.id]
    clock.advance(minutes=30)
    assert ids(feed.home("bob")) == []


def test_a_story_is_not_put_off_past_its_end(feed: feedkit.Feed[str]) -> None:
    planned = feed.publish("ada", text="x", at=START + HOUR, expires_in=HOUR)
    with pytest.raises(InvalidArgument) as refused:
        feed.drafts.publish("ada", planned.id, at=START + 2 * HOUR)
    assert refused.value.argument == "expires_at"
    moved = feed.drafts.publish("ada", planned.id, at=START + 2 * HOUR, expires_in=HOUR)
    assert moved.expires_at == START + 3 * HOUR


KILLED = """
import os, signal, sys
import feedkit
from feedkit import ManualClock

url, now_ms, step = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
feed = feedkit.connect(url, clock=ManualClock(now_ms))
truth, left = feed.runtime().truth, [step]

def counted(run):
    def wrapped(*args, **kwargs):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return run(*args, **kwargs)
    return wrapped

truth.lives.claim_due = counted(truth.lives.claim_due)
truth.lives.free_positions = counted(truth.lives.free_positions)
truth.lives.change = counted(truth.lives.change)
truth.events.append = counted(truth.events.append)
truth.lives.next_due = counted(truth.lives.next_due)
feed.home("bob")
"""


def test_f01_a_process_that_is_killed_while_it_publishes_what_is_due(
    backend_url: str, clock: ManualClock
) -> None:
    """At every step: before and after it claims, changes, tells and looks again."""
    if backend_url == "memory://":
        pytest.skip("memory does not outlive its process")
    made: list[int] = []
    for step in range(1, 9):
        with opened(backend_url, clock=clock) as feed:
            feed.follow("bob", "ada")
            at = START + step * HOUR
            made += [feed.publish("ada", text=f"{step}.{part}", at=at).id for part in range(2)]
        clock.set(at)
        child = [sys.executable, "-c", KILLED, backend_url, str(clock.now_ms()), str(step)]
        died = subprocess.run(child, check=False, capture_output=True, text=True)
        assert died.returncode == -signal.SIGKILL or step == 8, died.stderr
        with opened(backend_url, clock=clock) as feed:
            assert ids(feed.home("bob", limit=100)) == made[::-1], step
            assert len(events(feed, EventKind.POST_PUBLISHED)) == len(made)
            assert feed.check().ok


@pytest.mark.parametrize("verb", ["discard", "edit the draft", "publish now", "unschedule", "delete"])
def test_f12_what_an_author_does_at_the_moment_when_a_post_is_due(
    verb: str, postgres_database: str, clock: ManualClock
) -> None:
    """Either comes first; the post is seen once or not at all, and no event tells otherwise."""
    with (
        opened(postgres_database, clock=clock) as feed,
        feedkit.connect(postgres_database, clock=clock) as other,
    ):
        feed.follow("bob", "ada")
        acts: dict[str, Callable[[int], object]] = {
            "discard": lambda post_id: feed.drafts.discard("ada", post_id),
            "edit the draft": lambda post_id: feed.drafts.save("ada", post_id, text="changed"),
            "publish now": lambda post_id: feed.drafts.publish("ada", post_id),
            "unschedule": lambda post_id: feed.drafts.unschedule("ada", post_id),
            "delete": lambda post_id: feed.delete("ada", post_id),
        }
        for turn in range(12):
            # given
            at = START + (turn + 1) * HOUR
            post = feed.publish("ada", text="planned", at=at)
            clock.set(at)
            together = threading.Barrier(2)

            # when
            def act(post_id: int = post.id, together: threading.Barrier = together) -> bool:
                together.wait()
                try:
                    acts[verb](post_id)
                except (NotFound, Conflict):
                    return False  # it is published already
                return True

            def read(together: threading.Barrier = together) -> None:
                together.wait()
                other.home("bob")

            with ThreadPoolExecutor(2) as pool:
                acted, reading = pool.submit(act), pool.submit(read)
                done = acted.result()
                reading.result()

            # then
            shown = [item.post for item in feed.home("bob", limit=1) if item.post.id == post.id]
            told = [one.kind for one in events(feed, *POSTED) if one.object_id == post.id]
            assert told.count(EventKind.POST_PUBLISHED) <= 1
            assert bool(shown) == (told[-1:] == [EventKind.POST_PUBLISHED]), (told, done)
            if done and verb in ("discard", "unschedule", "delete"):
                assert not shown
            if done and verb == "edit the draft":
                assert shown[0].text == "changed"
            if verb == "publish now":
                assert shown


POSTED = (EventKind.POST_PUBLISHED, EventKind.POST_DELETED)
