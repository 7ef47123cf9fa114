"""What authors do to posts over their lives: publishing once, edits, audiences, pins, media."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
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
from feedkit.model import Assoc, Audience, Event, EventKind
from tests.cases.case_tools import TABLES, both_paths, ids, opened

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


def a_list(feed: feedkit.Feed[str], owner: str, *members: str) -> int:
    """A list in truth, with its members."""
    runtime: Any = feed.runtime()
    truth, list_id = runtime.truth, runtime.minting.mint()
    owner_id, *member_ids = (feed.users.put(name).id for name in (owner, *members))
    row = {"id": list_id, "owner_id": owner_id, "name": str(list_id), "created_at": 0}
    with truth._database.engine.begin() as connection:
        connection.execute(sa.insert(TABLES.lists).values(row))

    def fill(tx: Any) -> None:
        for member_id in member_ids:
            truth.graph.add(tx, list_id, Assoc.LISTS, member_id, 1)
            changed = Event(EventKind.LIST_CHANGED, owner_id, list_id, 1, about=(("member", member_id),))
            truth.events.append(tx, changed)

    truth.write(fill)
    return int(list_id)


def test_a_post_for_a_list_goes_to_its_members_alone(feed: feedkit.Feed[str]) -> None:
    # given
    feed.follow("fay", "ada")
    bobs, fays = a_list(feed, "ada", "bob"), a_list(feed, "ada", "fay")

    # when
    post = feed.publish("ada", text="for bob", audience="list", list=bobs)

    # then
    assert (post.audience, post.list_id) == (Audience.LIST, bobs)
    assert both_paths(feed, "bob") == ids(feed.profile("bob", "ada")) == [post.id]
    assert both_paths(feed, "fay") == ids(feed.profile(None, "ada")) == []

    # and from list to list, to nobody's, to everybody
    feed.edit("ada", post.id, list=str(fays))
    assert (both_paths(feed, "bob"), both_paths(feed, "fay")) == ([], [post.id])
    with pytest.raises(NotFound):
        feed.edit("ada", post.id, list=a_list(feed, "bob", "eve"))
    with pytest.raises(InvalidArgument):
        feed.edit("ada", post.id, audience="list")
    assert feed.edit("ada", post.id, audience="public").list_id is None
    assert (both_paths(feed, "bob"), both_paths(feed, "fay")) == ([post.id], [post.id])
    draft = feed.drafts.save("ada", audience="list", list=fays)
    with pytest.raises(NotFound):
        feed.drafts.save("ada", draft.id, list=a_list(feed, "bob"))
    feed.drafts.publish("ada", draft.id)
    assert (both_paths(feed, "bob"), both_paths(feed, "fay")) == ([post.id], [draft.id, post.id])


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
    answered = feed.publish("bob", text="x")
    post = feed.publish("ada", text="x", reply_to=answered.id)
    feed.edit("ada", post.id, audience="only_me")
    feed.edit("ada", post.id, text="y")
    told = events(feed, EventKind.POST_EDITED)
    assert [(one.detail, one.audience, one.about) for one in told] == [
        ("public", Audience.ONLY_ME, (("reply", answered.id),)),
        ("only_me", Audience.ONLY_ME, (("reply", answered.id),)),
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
    assert feed.profile("bob", "ada", tab="media").pinned == ()
    assert [item.post.id for item in feed.profile(None, "ada").pinned] == [posts[0].id]
    feed.block("ada", "bob")
    assert feed.profile("bob", "ada").pinned == ()
    assert feed.unpin("ada", posts[0].id).changed is True
    assert feed.unpin("ada", posts[0].id).changed is False
    assert feed.profile(None, "ada").pinned == ()
    assert feed.unpin("nobody", posts[0].id).changed is False


def test_what_was_pinned_last_stands_first(feed: feedkit.Feed[str], clock: ManualClock) -> None:
    # given
    old, middle, new = (feed.publish("ada", text=text).id for text in ("old", "middle", "new"))
    for post_id in (new, middle, old):
        feed.pin("ada", post_id)
        clock.advance(seconds=1)
    assert [item.post.id for item in feed.profile(None, "ada").pinned] == [old, middle, new]

    # when one is put on top, and one is pinned that is
    feed.unpin("ada", new)
    feed.pin("ada", new)
    feed.pin("ada", middle)

    # then
    assert [item.post.id for item in feed.profile(None, "ada").pinned] == [new, old, middle]


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


def test_a_story_that_has_ended_answers_its_author_by_no_id(
    feed: feedkit.Feed[str], clock: ManualClock
) -> None:
    # given a story that was edited
    story = feed.publish("ada", text="one", expires_in=HOUR)
    feed.edit("ada", story.id, text="two")
    assert len(feed.posts.revisions("ada", story.id)) == 1

    # when
    clock.advance(hours=1)

    # then it is neither read nor edited, but can be deleted
    with pytest.raises(NotFound):
        feed.edit("ada", story.id, text="three")
    with pytest.raises(NotFound):
        feed.posts.revisions("ada", story.id)
    assert feed.delete("ada", story.id)


def test_a_scheduled_post_keeps_the_end_that_it_has_unless_a_new_one_is_given(
    feed: feedkit.Feed[str], clock: ManualClock
) -> None:
    story = feed.publish("ada", text="soon", at=START + 3 * HOUR, expires_in=HOUR)
    assert feed.drafts.publish("ada", story.id, at=START + 2 * HOUR).expires_at == START + 4 * HOUR
    with pytest.raises(InvalidArgument, match="give expires_in or expires_at as well") as refused:
        feed.drafts.publish("ada", story.id, at=START + 6 * HOUR)
    assert refused.value.argument == "expires_at"
    moved = feed.drafts.publish("ada", story.id, at=START + 6 * HOUR, expires_in=HOUR)
    assert moved.expires_at == START + 7 * HOUR


def test_whoever_is_on_a_list_is_not_told_which(feed: feedkit.Feed[str]) -> None:
    close = feed.lists.create("ada", "close friends")
    feed.lists.add("ada", close.id, ["bob"])
    post = feed.publish("ada", text="for few", audience="list", list=close.id)
    assert str(close.id) not in str(feed.post("bob", post.id).to_dict())
    assert feed.post("ada", post.id).post.list_id == close.id
