"""What authors do to posts over their lives: drafts, schedules, edits, audiences, pins, stories, media."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

import feedkit
from feedkit import (
    Conflict,
    Forbidden,
    InvalidArgument,
    InvalidCursor,
    LimitExceeded,
    ManualClock,
    Media,
    MediaStatus,
    NotFound,
    PostStatus,
    PullAll,
    Settings,
)
from feedkit.model import Audience, EventKind
from tests.cases.case_tools import TABLES, both_paths, ids, news, opened

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


# publishing with more arguments


def test_a_fallback_is_kept_and_bounded(feed: feedkit.Feed[str]) -> None:
    post = feed.publish("ada", kind="poll", fallback="A poll: open it in the app")
    assert feed.post("bob", post.id).post.fallback == "A poll: open it in the app"
    assert post.to_dict()["fallback"] == "A poll: open it in the app"
    feed.publish("ada", fallback="x" * 500)
    with pytest.raises(LimitExceeded) as refused:
        feed.publish("ada", fallback="x" * 501)
    assert refused.value.argument == "fallback"


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"audience": "list"}, "list"),
        ({"list": 5}, "list"),
        ({"list": 5, "audience": "public"}, "list"),
        ({"list": "x", "audience": "list"}, "list"),
        ({"at": START + HOUR, "hold": True}, "at"),
        ({"at": datetime(2026, 1, 1, 1)}, "at"),
        ({"at": "2026-01-01"}, "at"),
        ({"at": START}, "at"),
        ({"at": START - HOUR}, "at"),
        ({"at": START + timedelta(days=366)}, "at"),
        ({"hold": 1}, "hold"),
        ({"hold": "yes"}, "hold"),
        ({"expires_in": 24}, "expires_in"),
        ({"expires_in": timedelta(0)}, "expires_in"),
        ({"expires_in": -HOUR}, "expires_in"),
        ({"expires_in": timedelta(days=366)}, "expires_in"),
        ({"expires_in": timedelta.max}, "expires_in"),
        ({"expires_in": HOUR, "expires_at": START + HOUR}, "expires_at"),
        ({"expires_at": START}, "expires_at"),
        ({"expires_at": datetime(2026, 1, 1, 1)}, "expires_at"),
        ({"expires_at": START + timedelta(days=366)}, "expires_at"),
        ({"expires_at": datetime.max.replace(tzinfo=UTC)}, "expires_at"),
        ({"at": START + 2 * HOUR, "expires_at": START + HOUR}, "expires_at"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"idempotency_key": "x" * 256}, "idempotency_key"),
        ({"idempotency_key": 7}, "idempotency_key"),
        ({"idempotency_key": "a\0b"}, "idempotency_key"),
    ],
)
def test_arguments_that_are_out_of_bounds_or_contradict_each_other_are_refused(
    arguments: dict[str, Any], argument: str, clock: ManualClock
) -> None:
    with opened("memory://", clock=clock) as feed:
        with pytest.raises(InvalidArgument) as refused:
            feed.publish("ada", **arguments)
        assert refused.value.argument == argument
        clock.advance(days=400)
        assert ids(feed.profile("ada", "ada")) == [], "nothing was written"
        assert not feed.drafts.page("ada").items


def test_a_list_that_is_not_the_authors_is_not_found(feed: feedkit.Feed[str]) -> None:
    for wrong in (12345, feed.publish("bob", text="no list").id):
        with pytest.raises(NotFound) as refused:
            feed.publish("ada", audience="list", list=wrong)
        assert refused.value.argument == "list"


# idempotency


def test_the_same_key_publishes_once(feed: feedkit.Feed[str]) -> None:
    # given
    content: dict[str, Any] = {"text": "hi", "extra": {"a": 1, "b": [2]}, "media": [{"url": "x"}]}
    first = feed.publish("ada", **content, idempotency_key="k")

    # when
    again = feed.publish("ada", **{**content, "extra": {"b": [2], "a": 1}}, idempotency_key="k")

    # then
    assert again == first
    assert ids(feed.home("bob")) == [first.id]
    others: list[dict[str, Any]] = [
        {"text": "ho"},
        {**content, "hold": True},
        {**content, "expires_in": HOUR},
    ]
    for other in others:
        with pytest.raises(Conflict) as refused:
            feed.publish("ada", **other, idempotency_key="k")
        assert refused.value.argument == "idempotency_key"
    assert feed.publish("bob", **content, idempotency_key="k").id != first.id, "another author's key"
    assert feed.publish("ada", **content, idempotency_key="K").id != first.id
    assert feed.publish("ada", **content).id != first.id


def test_a_key_gives_its_post_as_it_stands_and_also_after_its_time(
    feed: feedkit.Feed[str], clock: ManualClock
) -> None:
    # given
    call: Callable[[], feedkit.Post] = partial(
        feed.publish, "ada", text="hi", at=START + HOUR, expires_in=2 * HOUR, ref="r", idempotency_key="k"
    )
    first = call()

    # when
    clock.advance(hours=1.5)
    assert texts(feed.home("bob")) == ["hi"]
    feed.edit("ada", first.id, text="ho")

    # then
    again = call()
    assert (again.id, again.text, again.status) == (first.id, "ho", PostStatus.PUBLISHED)
    feed.delete("ada", first.id)
    assert call().deleted_at is not None, "a retry does not bring back what was deleted"
    assert not feed.home("bob").items


def test_a_key_lapses(feed: feedkit.Feed[str], clock: ManualClock) -> None:
    first = feed.publish("ada", text="hi", idempotency_key="k")
    clock.advance(hours=23.9)
    assert feed.publish("ada", text="hi", idempotency_key="k").id == first.id
    clock.advance(hours=0.2)
    assert feed.publish("ada", text="other", idempotency_key="k").id != first.id


def test_lapsed_keys_are_pruned_by_whoever_applies_the_log(backend_url: str, clock: ManualClock) -> None:
    with opened(backend_url, clock=clock, settings=Settings(prune_every=5, idempotency_ttl_s=60)) as feed:
        for number in range(10):
            feed.publish("ada", idempotency_key=f"old {number}")
        clock.advance(seconds=61)
        for number in range(10):
            feed.publish("ada", idempotency_key=f"new {number}")
        feed.drain()
        assert kept_keys(feed) == 10


def kept_keys(feed: feedkit.Feed[str]) -> int:
    truth: Any = feed.runtime().truth
    engine = truth._database.engine
    count = sa.select(sa.func.count()).select_from(TABLES.idempotency)
    with engine.connect() as connection:
        return int(connection.scalar(count) or 0)


def test_a_key_whose_post_was_refused_is_free(feed: feedkit.Feed[str]) -> None:
    feed.publish("ada", ref="taken")
    with pytest.raises(Conflict, match="ref"):
        feed.publish("ada", ref="taken", idempotency_key="k")
    assert feed.publish("ada", text="else", idempotency_key="k").text == "else"


def test_a_key_within_a_transaction_that_is_rolled_back_is_free(backend_url: str, clock: ManualClock) -> None:
    if backend_url == "memory://":
        pytest.skip("there is no engine to hand in")
    engine = sa.create_engine(backend_url)
    with opened(engine, clock=clock) as feed:
        with engine.connect() as connection:
            first = feed.publish("ada", text="hi", idempotency_key="k", connection=connection)
            assert feed.publish("ada", text="hi", idempotency_key="k", connection=connection).id == first.id
            connection.rollback()
        second = feed.publish("ada", text="other", idempotency_key="k")
        assert ids(feed.profile(None, "ada")) == [second.id]
    engine.dispose()


def test_one_key_from_many_threads_makes_one_post(backend_url: str) -> None:
    with opened(backend_url) as feed:
        feed.publish("ada", text="first")  # the author exists
        together = threading.Barrier(8)

        def publish(_: int) -> int:
            together.wait()
            return feed.publish("ada", text="hi", idempotency_key="k").id

        with ThreadPoolExecutor(8) as pool:
            made = set(pool.map(publish, range(8)))
        assert len(made) == 1
        assert len(feed.profile(None, "ada").items) == 2


def test_a_commit_whose_answer_is_lost_makes_one_post(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(postgres_database) as feed:
        feed.publish("ada", text="first")
        truth: Any = feed.runtime().truth
        transact, lost = truth._database._transact, [True]

        def lose(work: Any, *, wait: bool) -> Any:
            done = transact(work, wait=wait)
            if isinstance(done, feedkit.Post) and lost:
                lost.clear()
                broken = sa.exc.OperationalError("COMMIT", None, Exception("gone"))
                broken.connection_invalidated = True
                raise broken
            return done

        monkeypatch.setattr(truth._database, "_transact", lose)
        post = feed.publish("ada", text="hi", idempotency_key="k")
        assert not lost
        assert feed.publish("ada", text="hi", idempotency_key="k").id == post.id
        assert len(feed.profile(None, "ada").items) == 2


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
    assert feed.delete("ada", other.id) is True
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


# edits


def test_an_edit_changes_what_is_given_and_keeps_what_was_said(
    feed: feedkit.Feed[str], clock: ManualClock
) -> None:
    # given
    post = feed.publish(
        "ada", text="one", media=[Media("x", alt_text="X")], extra={"n": 1}, audience="followers"
    )
    assert texts(feed.home("bob")) == ["one"]
    clock.advance(hours=1)

    # when
    edited = feed.edit("ada", post.id, text="two", extra={"n": 2})
    clock.advance(hours=1)
    feed.edit("ada", str(post.id), media=[])

    # then
    assert (edited.revision, edited.edited_at, edited.position) == (1, START + HOUR, post.position)
    (item,) = feed.home("bob")
    assert (item.post.text, item.post.extra, item.post.media) == ("two", {"n": 2}, ())
    assert (item.post.revision, item.post.audience) == (2, Audience.FOLLOWERS)
    first, second = feed.posts.revisions("ada", post.id)
    assert (first.number, first.text, first.extra_json, first.media) == (0, "one", '{"n":1}', post.media)
    assert (second.number, second.text, second.extra_json, second.media) == (1, "two", '{"n":2}', post.media)
    assert first.to_dict()["until"] == "2026-01-01T01:00:00.000Z"
    assert both_paths(feed, "bob") == [post.id]


def test_an_edit_that_comes_to_nothing_leaves_no_trace(feed: feedkit.Feed[str]) -> None:
    post = feed.publish("ada", text="one", media=[{"url": "x"}])
    assert feed.edit("ada", post.id, text="one", media=[{"url": "x"}]) == post
    assert feed.edit("ada", post.id) == post
    assert feed.posts.revisions("ada", post.id) == []
    assert not events(feed, EventKind.POST_EDITED)


def test_l14_what_was_said_before_is_for_the_author_alone(feed: feedkit.Feed[str]) -> None:
    post = feed.publish("ada", text="secret", media=[{"url": "secret.jpg"}], extra={"s": "secret"})
    assert texts(feed.home("bob")) == ["secret"]
    feed.edit("ada", post.id, text="clean", media=[], extra=None)
    for viewer in ("bob", "eve", None):
        pages: list[Any] = [feed.home("bob"), feed.profile(viewer, "ada"), feed.post(viewer, post.id)]
        assert "secret" not in str([page.to_dict() for page in pages])
    for other in ("bob", "nobody"):
        with pytest.raises(NotFound):
            feed.posts.revisions(other, post.id)
    feed.delete("ada", post.id)
    with pytest.raises(NotFound):
        feed.posts.revisions("ada", post.id)


def test_what_cannot_be_edited(feed: feedkit.Feed[str]) -> None:
    draft, gone, removed = feed.drafts.save("ada"), feed.publish("ada").id, feed.publish("ada").id
    feed.delete("ada", gone)
    feed.staff("eve", reason="spam").remove(removed)
    with pytest.raises(Conflict, match=r"drafts\.save"):
        feed.edit("ada", draft.id, text="x")
    with pytest.raises(NotFound):
        feed.edit("ada", gone, text="x")
    with pytest.raises(Forbidden):
        feed.edit("ada", removed, text="x")
    assert feed.posts.revisions("ada", removed) == []


@pytest.mark.parametrize(
    ("change", "argument"),
    [
        ({"text": "x" * 10_001}, "text"),
        ({"media": "x"}, "media"),
        ({"extra": []}, "extra"),
        ({"audience": "world"}, "audience"),
        ({"audience": "list"}, "list"),
        ({"list": 7}, "list"),
        ({"fallback": 7}, "fallback"),
    ],
)
def test_an_edit_has_the_bounds_of_publish(change: dict[str, Any], argument: str) -> None:
    with opened("memory://") as feed:
        post = feed.publish("ada", text="one")
        with pytest.raises(InvalidArgument) as refused:
            feed.edit("ada", post.id, **change)
        assert refused.value.argument == argument
        assert feed.post(None, post.id).post == post


def test_a01_edits_are_bounded(backend_url: str) -> None:
    with opened(backend_url, settings=Settings(revisions_max=2)) as feed:
        post = feed.publish("ada", text="0")
        feed.edit("ada", post.id, text="1")
        feed.edit("ada", post.id, text="2")
        with pytest.raises(LimitExceeded, match="revisions_max"):
            feed.edit("ada", post.id, text="3")
        assert feed.edit("ada", post.id, audience="followers").text == "2", (
            "an audience can still be narrowed"
        )


def test_edits_at_once_each_keep_what_they_found(postgres_database: str) -> None:
    with opened(postgres_database) as feed:
        post = feed.publish("ada", text="start")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: feed.edit("ada", post.id, text=f"edit {n}"), range(16)))
        said = [revision.text for revision in feed.posts.revisions("ada", post.id)]
        said.append(feed.post(None, post.id).post.text)
        assert said[0] == "start"
        assert sorted(said[1:]) == sorted(f"edit {n}" for n in range(16))


# audiences


def test_a_narrower_audience_holds_at_the_next_read_everywhere(backend_url: str, clock: ManualClock) -> None:
    if backend_url == "memory://":
        pytest.skip("every feed in memory is a database of its own")
    with opened(backend_url, clock=clock) as here, opened(backend_url, clock=clock) as there:
        here.follow("bob", "ada")
        post = here.publish("ada", text="x")
        for feed in (here, there):
            assert ids(feed.home("bob")) == ids(feed.profile(None, "ada")) == [post.id]
        here.edit("ada", post.id, audience="followers")
        for feed in (there, here):
            assert ids(feed.profile(None, "ada")) == []
            assert ids(feed.home("bob")) == [post.id]
        here.edit("ada", post.id, audience="only_me")
        for feed in (there, here):
            assert ids(feed.home("bob")) == ids(feed.profile("bob", "ada")) == []
            assert feed.posts.get("bob", [post.id]) == [None]
            assert ids(feed.profile("ada", "ada")) == [post.id]
        assert here.posts.revisions("ada", post.id) == [], "what it says was not edited"
        assert here.post("ada", post.id).post.edited_at is None


@pytest.mark.parametrize("pulled", [False, True])
def test_a_wider_audience_brings_the_post_to_where_it_stood(
    pulled: bool, backend_url: str, clock: ManualClock
) -> None:
    with opened(backend_url, clock=clock, policy=PullAll() if pulled else None) as feed:
        # given
        feed.follow("bob", "ada")
        older = feed.publish("ada", text="older")
        mine = feed.publish("ada", text="mine", audience="only_me")
        newer = feed.publish("ada", text="newer")
        assert ids(feed.home("bob")) == [newer.id, older.id]

        # when
        feed.edit("ada", mine.id, audience="public")

        # then
        assert both_paths(feed, "bob") == [newer.id, mine.id, older.id]
        feed.edit("ada", mine.id, audience="only_me")
        feed.edit("ada", mine.id, audience="followers")
        assert both_paths(feed, "bob") == [newer.id, mine.id, older.id]
        assert feed.check().ok


def test_l07_nobody_else_changes_an_audience(feed: feedkit.Feed[str]) -> None:
    post = feed.publish("ada", text="x", audience="followers")
    for other in ("bob", "nobody"):
        with pytest.raises(NotFound):
            feed.edit(other, post.id, audience="public")
    assert feed.posts.get(None, [post.id]) == [None]


def test_an_edit_tells_the_audience_of_before(feed: feedkit.Feed[str]) -> None:
    post = feed.publish("ada", text="x", reply_to=5)
    feed.edit("ada", post.id, audience="only_me")
    feed.edit("ada", post.id, text="y")
    told = events(feed, EventKind.POST_EDITED)
    assert [(one.detail, one.audience, one.about) for one in told] == [
        ("public", Audience.ONLY_ME, (("reply", 5),)),
        ("only_me", Audience.ONLY_ME, (("reply", 5),)),
    ]
    assert {one.position for one in told} == {post.position}


@settings(max_examples=25)
@given(st.lists(st.sampled_from(sorted(set(Audience) - {Audience.LIST})), min_size=1, max_size=5))
def test_what_is_shown_follows_the_audience_of_now(audiences: list[Audience]) -> None:
    with opened("memory://") as feed:
        for name, other in (("bob", "ada"), ("fay", "ada"), ("ada", "fay")):
            feed.follow(name, other)
        post = feed.publish("ada", text="x", audience=audiences[0])
        for audience in audiences[1:]:
            feed.edit("ada", post.id, audience=audience)
            for viewer in ("bob", "fay"):
                feed.home(viewer)
        fresh = feed.publish("ada", text="the same", audience=audiences[-1])
        for viewer in ("ada", "bob", "fay", "eve"):
            shown = both_paths(feed, viewer)
            assert (post.id in shown) == (fresh.id in shown), (viewer, audiences)
            both = feed.posts.get(viewer, [post.id, fresh.id])
            assert (both[0] is None) == (both[1] is None)


# pins


def test_pins_stand_on_the_first_page_of_a_profile_for_whoever_may_see_them(feed: feedkit.Feed[str]) -> None:
    # given
    posts = [feed.publish("ada", text=str(number)) for number in range(4)]
    friends = feed.publish("ada", text="followers", audience="followers")

    # when
    assert feed.pin("ada", posts[0].id).changed is True
    assert feed.pin("ada", posts[0].id).changed is False
    feed.pin("ada", friends.id)

    # then
    page = feed.profile("bob", "ada", limit=2)
    assert [item.post.id for item in page.pinned] == [friends.id, posts[0].id]
    assert len(page.items) == 2
    assert feed.profile("bob", "ada", limit=2, cursor=page.next_cursor).pinned == ()
    assert [item.post.id for item in feed.profile(None, "ada").pinned] == [posts[0].id]
    feed.block("ada", "bob")
    assert feed.profile("bob", "ada").pinned == ()
    assert feed.unpin("ada", posts[0].id).changed is True
    assert feed.unpin("ada", posts[0].id).changed is False
    assert feed.profile(None, "ada").pinned == ()
    assert feed.unpin("nobody", posts[0].id).changed is False


def test_a_pin_shows_the_post_as_it_is_now(feed: feedkit.Feed[str]) -> None:
    post = feed.publish("ada", text="one")
    feed.pin("ada", post.id)
    feed.edit("ada", post.id, text="two")
    assert texts(feed.profile(None, "ada").pinned) == ["two"]
    feed.staff("eve", reason="spam").remove(post.id)
    assert feed.profile(None, "ada").pinned == ()
    feed.staff("eve", reason="sorry").restore(post.id)
    assert texts(feed.profile(None, "ada").pinned) == ["two"]
    feed.edit("ada", post.id, audience="only_me")
    assert feed.profile("bob", "ada").pinned == ()


def test_what_cannot_be_pinned(feed: feedkit.Feed[str]) -> None:
    theirs, draft = feed.publish("bob").id, feed.drafts.save("ada").id
    gone, story = feed.publish("ada").id, feed.publish("ada", expires_in=HOUR).id
    feed.delete("ada", gone)
    for post_id in (theirs, draft, gone, 12345):
        with pytest.raises(NotFound):
            feed.pin("ada", post_id)
    with pytest.raises(Conflict):
        feed.pin("ada", story)


def test_a03_the_bound_on_pins_holds_in_parallel_and_deleting_makes_room(backend_url: str) -> None:
    with opened(backend_url, settings=Settings(pins_max=2)) as feed:
        posts = [feed.publish("ada").id for _ in range(8)]

        def pin(post_id: int) -> bool:
            try:
                return feed.pin("ada", post_id).changed
            except LimitExceeded:
                return False

        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(pin, posts))
        assert sum(done) == 2
        feed.delete("ada", posts[done.index(True)])
        assert feed.pin("ada", posts[done.index(False)]).changed


# media


def test_a_host_tells_when_its_transcoder_is_done(feed: feedkit.Feed[str]) -> None:
    # given
    film = {"url": "film.mp4", "status": "processing", "alt_text": "A film"}
    post = feed.publish("ada", text="a", media=[{"url": "other.jpg"}, film])
    answer = feed.publish("bob", text="b", media=[film])
    draft = feed.drafts.save("ada", media=[film])
    (_, before), *_ = (item.post.media for item in feed.home("bob") if item.post.id == post.id)
    assert before.status is MediaStatus.PROCESSING

    # when
    assert feed.media.update("film.mp4", status="ready", width=640, size_bytes=9) == 3

    # then
    for shown in (feed.post("bob", post.id).post.media[1], feed.home("bob").items[0].post.media[0]):
        assert (shown.status, shown.width, shown.size_bytes) == (MediaStatus.READY, 640, 9)
        assert shown.alt_text == "A film"
    assert feed.post("bob", post.id).post.media[0].status is MediaStatus.READY
    assert feed.drafts.get("ada", draft.id).media[0].width == 640
    assert feed.post(None, answer.id).post.revision == 0, "it counts as no edit"
    assert feed.media.update("unknown", status="failed") == 0


@pytest.mark.parametrize(
    ("fields", "argument"),
    [
        ({}, "status"),
        ({"status": "done"}, "status"),
        ({"status": None}, "status"),
        ({"width": -1}, "width"),
        ({"height": "9"}, "height"),
        ({"alt_text": "\0"}, "alt_text"),
    ],
)
def test_what_is_told_of_media_is_bounded(fields: dict[str, Any], argument: str) -> None:
    with opened("memory://") as feed, pytest.raises(InvalidArgument) as refused:
        feed.media.update("x", **fields)
    assert refused.value.argument == argument


def test_media_are_changed_in_steps(backend_url: str) -> None:
    with opened(backend_url, settings=Settings(batch_max=2)) as feed:
        for _ in range(5):
            feed.publish("ada", media=[{"url": "x", "status": "processing"}, {"url": "x"}])
        assert feed.media.update("x", status="failed") == 5
        media = [one for item in feed.profile(None, "ada") for one in item.post.media]
        assert {one.status for one in media} == {MediaStatus.FAILED}


def test_posts_with_a_picture_are_found_as_far_as_the_viewer_may_see_them(feed: feedkit.Feed[str]) -> None:
    # given
    picture = {"url": "x.jpg", "content_hash": "h"}
    made = [feed.publish("ada", text=str(number), media=[picture, picture]).id for number in range(5)]
    followers = feed.publish("ada", audience="followers", media=[{"url": "copy.jpg", "content_hash": "h"}]).id
    mine = feed.publish("ada", audience="only_me", media=[picture]).id
    gone = feed.publish("ada", media=[picture]).id
    feed.delete("ada", gone)
    feed.drafts.save("ada", media=[picture])
    feed.publish("ada", hold=True, media=[picture])
    feed.publish("ada", media=[{"url": "h", "content_hash": "x.jpg"}])

    # then
    assert ids(feed.media.posts(None, url="x.jpg")) == made[::-1]
    assert ids(feed.media.posts("bob", content_hash="h")) == [followers, *made[::-1]]
    assert ids(feed.media.posts("ada", content_hash="h")) == [mine, followers, *made[::-1]]
    page = feed.media.posts(None, url="x.jpg", limit=3)
    assert ids(page) == made[:1:-1]
    assert ids(feed.media.posts(None, url="x.jpg", limit=3, cursor=page.next_cursor)) == made[1::-1]
    elsewhere: list[dict[str, Any]] = [{"url": "y"}, {"content_hash": "x.jpg"}]
    for medium in elsewhere:
        with pytest.raises(InvalidCursor):
            feed.media.posts(None, cursor=page.next_cursor, **medium)
    feed.block("ada", "bob")
    assert ids(feed.media.posts("bob", url="x.jpg")) == []


@pytest.mark.parametrize("which", [{}, {"url": "x", "content_hash": "y"}, {"url": ""}, {"url": 5}])
def test_one_medium_is_asked_for(which: dict[str, Any]) -> None:
    with opened("memory://") as feed, pytest.raises(InvalidArgument):
        feed.media.posts(None, **which)


# refs


def test_posts_are_found_by_the_hosts_own_names(feed: feedkit.Feed[str]) -> None:
    post = feed.publish("ada", ref="doc:1")
    feed.publish("ada", ref="doc:2", audience="followers")
    feed.publish("ada", ref="doc:3", audience="only_me")
    names = ["doc:1", "doc:2", "doc:3", "doc:4", "'; --", "{}"]
    assert sorted(feed.posts.by_ref("bob", names)) == ["doc:1", "doc:2"]
    found = feed.posts.by_ref(None, names)
    assert {ref: item.post.id for ref, item in found.items()} == {"doc:1": post.id}
    assert feed.posts.by_ref("bob", []) == {}
    with pytest.raises(LimitExceeded):
        feed.posts.by_ref("bob", ["x"] * 501)
