"""What staff do: removals, releases, suspensions, and an audit row for every call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
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
)
from feedkit.model import EventKind, UserStatus
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


def eve(feed: feedkit.Feed[str], reason: str = "reported as spam") -> Any:
    return feed.staff("eve, moderator 7", reason=reason)


def audit(feed: feedkit.Feed[str]) -> list[tuple[str, int]]:
    """(action, object) of every row, after looking that the rest of each is there."""
    truth: Any = feed.runtime().truth
    with truth._database.engine.connect() as connection:
        rows = list(connection.execute(sa.select(TABLES.audit).order_by(TABLES.audit.c.id)))
    for row in rows:
        assert (row.staff, row.reason) == ("eve, moderator 7", "reported as spam")
        assert row.at >= START.timestamp() * 1000
    return [(row.action, row.object_id) for row in rows]


def posts_counted(feed: feedkit.Feed[str]) -> int:
    feed.drain()
    return feed.profile(None, "ada").counts.posts


# the handle


@pytest.mark.parametrize("wrong", ["", "   ", "\n", None, 7, "x" * 2001, "a\0b"])
def test_who_and_why_have_to_be_said(wrong: Any) -> None:
    with opened("memory://") as feed:
        for who, reason, argument in ((wrong, "why", "who"), ("eve", wrong, "reason")):
            with pytest.raises(InvalidArgument) as refused:
                feed.staff(who, reason=reason)
            assert refused.value.argument == argument
        with pytest.raises(TypeError):
            feed.staff("eve")  # type: ignore[call-arg]


def test_every_call_is_written_down(feed: feedkit.Feed[str]) -> None:
    # given
    post, held = feed.publish("ada", text="x"), feed.publish("ada", text="y", hold=True)
    ada = feed.users.get(["ada"])["ada"].id

    # when
    staff = eve(feed)
    staff.post(post.id)
    staff.revisions(post.id)
    staff.profile("ada")
    staff.remove(post.id)
    staff.remove(post.id)
    staff.restore(str(post.id))
    staff.release(held.id)
    staff.suspend("ada")
    staff.reinstate("ada")

    # then
    assert audit(feed) == [
        ("post", post.id),
        ("revisions", post.id),
        ("profile", ada),
        ("remove", post.id),
        ("remove", post.id),
        ("restore", post.id),
        ("release", held.id),
        ("suspend", ada),
        ("reinstate", ada),
    ]


# the audit


def test_the_audit_is_read_page_by_page_the_newest_first(feed: feedkit.Feed[str], clock: ManualClock) -> None:
    # given
    post, other = feed.publish("ada", text="one"), feed.publish("ada", text="two")
    eve(feed, "report 1").remove(post.id)
    clock.advance(hours=1)
    feed.staff("kim", reason="appeal").restore(post.id)
    eve(feed).remove(other.id)
    eve(feed).suspend("ada")
    eve(feed).profile("ada")

    # when
    def walked(**of: Any) -> list[Any]:
        page = feed.staff("lee", reason="review").audit(limit=2, **of)
        found = list(page)
        while page.next_cursor is not None:
            assert len(page) == 2
            page = feed.staff("lee", reason="review").audit(limit=2, cursor=page.next_cursor, **of)
            found += page
        return [entry for entry in found if entry.staff != "lee"]

    # then
    acts = walked()
    assert [entry.action for entry in acts] == ["profile", "suspend", "remove", "restore", "remove"]
    assert [entry.action for entry in walked(post_id=str(post.id))] == ["restore", "remove"]
    assert [entry.action for entry in walked(user="ada")] == ["profile", "suspend"]
    assert [entry.post_id for entry in acts] == [None, None, other.id, post.id, post.id]
    assert [entry.user and entry.user.key for entry in acts] == ["ada", "ada", None, None, None]
    removed, restored = acts[-1], acts[-2]
    assert (removed.staff, removed.reason, removed.at) == ("eve, moderator 7", "report 1", START)
    assert (restored.staff, restored.reason, restored.at) == ("kim", "appeal", START + HOUR)
    assert restored.to_dict() == {
        "id": str(restored.id),
        "staff": "kim",
        "action": "restore",
        "reason": "appeal",
        "at": "2026-01-01T01:00:00.000Z",
        "post_id": str(post.id),
        "user": None,
    }


def test_who_reads_the_audit_stands_in_it(feed: feedkit.Feed[str]) -> None:
    post = feed.publish("ada", text="one")
    assert [entry.action for entry in eve(feed).audit()] == ["audit"]
    assert [entry.action for entry in eve(feed).audit(post_id=post.id)] == ["audit"]
    assert [entry.action for entry in eve(feed).audit(user="ada")] == ["user_audit"]
    whole = eve(feed).audit()
    assert len(whole) == 4
    assert [entry.post_id for entry in whole] == [None, None, post.id, None]


def test_what_is_asked_of_the_audit_is_checked(feed: feedkit.Feed[str]) -> None:
    post = feed.publish("ada", text="one")
    for _ in range(2):
        eve(feed).post(post.id)
    cursor = eve(feed).audit(limit=1).next_cursor
    with pytest.raises(InvalidArgument, match="together"):
        eve(feed).audit(post_id=post.id, user="ada")
    with pytest.raises(NotFound):
        eve(feed).audit(user="nobody")
    with pytest.raises(InvalidArgument):
        eve(feed).audit(limit=0)
    with pytest.raises(InvalidCursor):
        eve(feed).audit(post_id=post.id, cursor=cursor)
    with pytest.raises(InvalidCursor):
        feed.profile(None, "ada", cursor=cursor)


def test_looking_is_written_down_also_where_there_is_nothing(feed: feedkit.Feed[str]) -> None:
    draft = feed.drafts.save("ada", text="private")
    for call in (eve(feed).post, eve(feed).revisions):
        for post_id in (draft.id, 12345):
            with pytest.raises(NotFound):
                call(post_id)
    assert audit(feed) == [("post", draft.id), ("post", 12345), ("revisions", draft.id), ("revisions", 12345)]
    for call in (eve(feed).remove, eve(feed).restore, eve(feed).release):
        for post_id in (draft.id, 12345):
            with pytest.raises(NotFound):
                call(post_id)
    assert len(audit(feed)) == 4, "what was refused has changed nothing"
    with pytest.raises(NotFound):
        eve(feed).profile("nobody")


def test_an_act_and_its_row_are_one_transaction(backend_url: str, clock: ManualClock) -> None:
    if backend_url == "memory://":
        pytest.skip("there is no engine to hand in")
    engine = sa.create_engine(backend_url)
    with opened(engine, clock=clock) as feed:
        feed.follow("bob", "ada")
        post, held = feed.publish("ada", text="x"), feed.publish("ada", text="y", hold=True)

        def act(connection: sa.Connection) -> None:
            eve(feed).remove(post.id, connection=connection)
            eve(feed).release(held.id, connection=connection)
            eve(feed).suspend("mallory", connection=connection)

        with engine.connect() as connection:
            act(connection)
            connection.rollback()
        assert audit(feed) == []
        assert ids(feed.home("bob")) == [post.id]
        assert feed.users.get(["mallory"]) == {}
        with engine.begin() as connection:
            act(connection)
        assert [action for action, _ in audit(feed)] == ["remove", "release", "suspend"]
        assert ids(feed.home("bob")) == [held.id]
    engine.dispose()


# removing and restoring


@pytest.mark.parametrize("pulled", [False, True])
def test_a_removed_post_is_gone_for_everybody_and_comes_back_to_its_place(
    pulled: bool, backend_url: str, clock: ManualClock
) -> None:
    with opened(backend_url, clock=clock, policy=PullAll() if pulled else None) as feed:
        # given
        feed.follow("bob", "ada")
        older, post, newer = (feed.publish("ada", text=name, ref=name) for name in ("a", "b", "c"))
        assert both_paths(feed, "bob") == [newer.id, post.id, older.id]
        assert posts_counted(feed) == 3

        # when
        removed = eve(feed).remove(post.id)

        # then
        assert removed.status is PostStatus.REMOVED
        for viewer in ("bob", "ada", None):
            assert ids(feed.profile(viewer, "ada")) == [newer.id, older.id]
            assert feed.posts.get(viewer, [post.id]) == [None]
            assert feed.posts.by_ref(viewer, ["b"]) == {}
        assert both_paths(feed, "bob") == [newer.id, older.id]
        assert posts_counted(feed) == 2
        assert eve(feed).post(post.id).post.text == "b"

        # and back
        back = eve(feed).restore(post.id)
        assert (back.status, back.position) == (PostStatus.PUBLISHED, post.position)
        assert both_paths(feed, "bob") == [newer.id, post.id, older.id]
        assert posts_counted(feed) == 3
        assert eve(feed).restore(post.id) == back
        assert posts_counted(feed) == 3
        assert feed.check().ok


def test_what_a_removed_post_said_before_is_gone_for_its_author_too(feed: feedkit.Feed[str]) -> None:
    # given
    post = feed.publish("ada", text="rude")
    feed.edit("ada", post.id, text="ruder")
    staff = eve(feed)

    # when
    staff.remove(post.id)

    # then
    for gone in (post.id, 12345):
        with pytest.raises(NotFound) as raised:
            feed.posts.revisions("ada", gone)
        assert "no such post" in raised.value.message
    assert [one.text for one in staff.revisions(post.id)] == ["rude"]
    staff.restore(post.id)
    assert [one.text for one in feed.posts.revisions("ada", post.id)] == ["rude"]


def test_what_its_author_deletes_stays_deleted(feed: feedkit.Feed[str]) -> None:
    post = feed.publish("ada", text="x")
    eve(feed).remove(post.id)
    assert feed.delete("ada", post.id)
    eve(feed).restore(post.id)
    assert both_paths(feed, "bob") == []
    assert posts_counted(feed) == 0
    assert eve(feed).post(post.id).post.deleted_at is not None


def test_l08_hidden_deleted_and_unknown_posts_are_the_same_to_others(feed: feedkit.Feed[str]) -> None:
    removed, held = feed.publish("ada").id, feed.publish("ada", hold=True).id
    draft, gone = feed.drafts.save("ada").id, feed.publish("ada").id
    eve(feed).remove(removed)
    feed.delete("ada", gone)
    told = set()
    for post_id in (removed, held, draft, gone, 12345):
        with pytest.raises(NotFound) as refused:
            feed.post("bob", post_id)
        told.add(str(refused.value.to_dict()))
    assert len(told) == 1


# held posts


def test_a_held_post_waits_for_its_release(feed: feedkit.Feed[str], clock: ManualClock) -> None:
    # given
    held = feed.publish("ada", text="hm", hold=True, ref="r")
    assert (held.status, held.position, held.published_at) == (PostStatus.PENDING_REVIEW, 0, None)
    clock.advance(hours=1)
    between = feed.publish("ada", text="between")
    page = feed.home("bob")
    for viewer in ("bob", "ada", None):
        assert ids(feed.profile(viewer, "ada")) == [between.id]
        assert feed.posts.by_ref(viewer, ["r"]) == {}
    assert feed.drafts.get("ada", held.id) == held
    assert not feed.drafts.page("ada").items
    assert eve(feed).post(held.id).post == held

    # when
    clock.advance(hours=1)
    released = eve(feed).release(held.id)

    # then
    assert (released.id, released.status) == (held.id, PostStatus.PUBLISHED)
    assert released.published_at == START + 2 * HOUR
    assert both_paths(feed, "bob") == [held.id, between.id]
    assert news(feed, "bob", page.newer_cursor)[0] == [held.id]
    assert eve(feed).release(held.id) == released
    assert posts_counted(feed) == 2


def test_a_held_post_that_is_removed_is_held_again_when_it_is_restored(feed: feedkit.Feed[str]) -> None:
    held = feed.publish("ada", text="hm", hold=True)
    eve(feed).remove(held.id)
    with pytest.raises(Conflict):
        eve(feed).release(held.id)
    assert eve(feed).restore(held.id).status is PostStatus.PENDING_REVIEW
    assert both_paths(feed, "bob") == []
    assert posts_counted(feed) == 0
    eve(feed).release(held.id)
    assert both_paths(feed, "bob") == [held.id]


def test_an_author_cannot_release_what_is_held(feed: feedkit.Feed[str]) -> None:
    held = feed.publish("ada", text="hm", hold=True)
    assert feed.drafts.publish("ada", held.id).status is PostStatus.PENDING_REVIEW
    assert feed.edit("ada", held.id, text="better").status is PostStatus.PENDING_REVIEW
    with pytest.raises(Conflict):
        feed.drafts.save("ada", held.id, text="x")
    with pytest.raises(NotFound):
        feed.pin("ada", held.id)
    with pytest.raises(NotFound):
        feed.drafts.discard("ada", held.id)
    assert both_paths(feed, "bob") == []
    assert [one.text for one in eve(feed).revisions(held.id)] == ["hm"]
    assert feed.delete("ada", held.id)
    eve(feed).release(held.id)
    assert both_paths(feed, "bob") == []


def test_releases_at_once_publish_once(postgres_database: str) -> None:
    with opened(postgres_database) as feed:
        feed.follow("bob", "ada")
        held = feed.publish("ada", text="hm", hold=True)
        with ThreadPoolExecutor(6) as pool:
            released = set(pool.map(lambda _: eve(feed).release(held.id).position, range(6)))
        assert len(released) == 1
        truth = feed.runtime().truth
        told = truth.read(lambda tx: truth.events.after(tx, 0, 100))
        assert [one.kind for one in told].count(EventKind.POST_PUBLISHED) == 1


# suspensions


def test_l05_all_of_a_suspended_author_is_gone_and_comes_back(feed: feedkit.Feed[str]) -> None:
    # given
    post = feed.publish("ada", text="x", ref="r", media=[{"url": "m"}])
    feed.pin("ada", post.id)
    assert ids(feed.home("bob")) == [post.id]

    # when
    suspended = eve(feed).suspend("ada")

    # then
    assert suspended.status is UserStatus.SUSPENDED
    for viewer in ("bob", "ada", None):
        assert both_paths(feed, viewer) == [] if viewer else True
        assert ids(feed.profile(viewer, "ada")) == []
        assert feed.profile(viewer, "ada").pinned == ()
        assert feed.posts.get(viewer, [post.id]) == [None]
        assert feed.posts.by_ref(viewer, ["r"]) == {}
        assert ids(feed.media.posts(viewer, url="m")) == []
    assert ids(eve(feed).profile("ada")) == [post.id]

    # and back
    assert eve(feed).reinstate("ada").status is UserStatus.ACTIVE
    assert both_paths(feed, "bob") == [post.id]
    assert [item.post.id for item in feed.profile("bob", "ada").pinned] == [post.id]


def test_a_suspended_author_adds_nothing_and_may_take_back(feed: feedkit.Feed[str]) -> None:
    # given
    first, second = feed.publish("ada", text="x"), feed.publish("ada", text="y")
    feed.pin("ada", second.id)
    draft = feed.drafts.save("ada", text="draft")
    eve(feed).suspend("ada")

    # then
    refused: list[Callable[[], object]] = [
        lambda: feed.publish("ada", text="more"),
        lambda: feed.publish("ada", text="more", at=START + HOUR),
        lambda: feed.publish("ada", text="more", idempotency_key="k"),
        lambda: feed.edit("ada", first.id, text="z"),
        lambda: feed.drafts.publish("ada", draft.id),
        lambda: feed.pin("ada", first.id),
    ]
    for call in refused:
        with pytest.raises(Forbidden, match="suspended") as error:
            call()
        assert error.value.argument == "author"
    assert feed.drafts.save("ada", draft.id, text="for later").text == "for later"
    assert feed.unpin("ada", second.id).changed
    assert feed.delete("ada", first.id)
    eve(feed).reinstate("ada")
    assert feed.publish("ada", text="more", idempotency_key="k").text == "more"


def test_a_suspended_user_lets_nobody_nearer_and_may_turn_away(feed: feedkit.Feed[str]) -> None:
    # given somebody with followees, and others who ask to be let near
    feed.users.put("ada", private=True)
    feed.follow("ada", "cyd")
    feed.follow("dee", "ada")
    feed.befriend("fay", "ada")
    eve(feed).suspend("ada")

    # then
    refused: list[Callable[[], object]] = [
        lambda: feed.follow("ada", "gus"),
        lambda: feed.follow("ada", "cyd", reposts=False),
        lambda: feed.befriend("ada", "gus"),
        lambda: feed.befriend("ada", "fay"),
        lambda: feed.accept("ada", "dee"),
        lambda: feed.accept("ada", "fay"),
    ]
    for call in refused:
        with pytest.raises(Forbidden, match="suspended") as error:
            call()
        assert error.value.argument in {"actor", "owner"}
    assert feed.decline("ada", "dee").changed
    assert feed.unfollow("ada", "cyd").changed
    assert feed.mute("ada", "cyd").changed
    assert feed.block("ada", "fay").changed
    assert feed.relation("gus", ["ada"])["ada"].followed_by is False


def test_a_suspension_ends_by_itself(feed: feedkit.Feed[str], clock: ManualClock) -> None:
    post = feed.publish("ada", text="x")
    eve(feed).suspend("ada", until=START + HOUR)
    assert ids(feed.home("bob")) == []
    clock.set(START + HOUR - timedelta(milliseconds=1))
    assert ids(feed.home("bob")) == []
    with pytest.raises(Forbidden):
        feed.publish("ada")
    clock.set(START + HOUR)
    assert ids(feed.home("bob")) == [post.id]
    assert feed.publish("ada", text="again").status is PostStatus.PUBLISHED
    eve(feed).suspend("ada", until=START + 2 * HOUR)
    assert eve(feed).suspend("ada").suspended_until_ms is None, "the later word holds"


@pytest.mark.parametrize("until", [START, START - HOUR, datetime(2027, 1, 1), "tomorrow", HOUR])
def test_an_end_of_a_suspension_lies_ahead(until: Any, clock: ManualClock) -> None:
    with opened("memory://", clock=clock) as feed:
        with pytest.raises(InvalidArgument) as refused:
            eve(feed).suspend("ada", until=until)
        assert refused.value.argument == "until"
        assert feed.publish("ada").status is PostStatus.PUBLISHED


def test_somebody_can_be_suspended_before_their_first_post(feed: feedkit.Feed[str]) -> None:
    eve(feed).suspend("mallory")
    with pytest.raises(Forbidden):
        feed.publish("mallory")


def test_what_was_scheduled_goes_out_unseen(feed: feedkit.Feed[str], clock: ManualClock) -> None:
    planned = feed.publish("ada", text="later", at=START + HOUR)
    eve(feed).suspend("ada")
    clock.advance(hours=1)
    assert both_paths(feed, "bob") == []
    eve(feed).reinstate("ada")
    assert both_paths(feed, "bob") == [planned.id]


def test_a_suspension_holds_at_the_next_read_of_every_process(backend_url: str) -> None:
    if backend_url == "memory://":
        pytest.skip("every feed in memory is a database of its own")
    with opened(backend_url) as here, opened(backend_url) as there:
        here.follow("bob", "ada")
        post = here.publish("ada", text="x")
        assert ids(there.home("bob")) == [post.id]
        eve(here).suspend("ada")
        assert ids(there.home("bob")) == []
        with pytest.raises(Forbidden):
            there.publish("ada")
        eve(there).reinstate("ada")
        assert ids(here.home("bob")) == [post.id]


# looking


def test_staff_see_what_others_do_not(feed: feedkit.Feed[str], clock: ManualClock) -> None:
    # given
    mine = feed.publish("ada", text="mine", audience="only_me")
    story = feed.publish("ada", text="story", expires_in=HOUR)
    public = [feed.publish("ada", text=str(number)) for number in range(3)]
    draft = feed.drafts.save("ada", text="draft")
    feed.block("ada", "bob")
    clock.advance(hours=2)

    # then
    page = eve(feed).profile("ada", limit=3)
    assert ids(page) == [post.id for post in public][::-1]
    rest = eve(feed).profile("ada", limit=3, cursor=page.next_cursor)
    assert ids(rest) == [story.id, mine.id]
    assert draft.id not in ids(rest)
    assert eve(feed).post(mine.id).author.key == "ada"
    with pytest.raises(InvalidCursor):
        feed.profile(None, "ada", cursor=page.next_cursor)
    with pytest.raises(LimitExceeded):
        feed.publish("ada", text="x" * 10_001)


def test_staff_see_what_was_said_before(feed: feedkit.Feed[str]) -> None:
    post = feed.publish("ada", text="rude")
    feed.edit("ada", post.id, text="polite")
    feed.delete("ada", post.id)
    assert [one.text for one in eve(feed).revisions(post.id)] == ["rude"]


def test_a_repost_that_was_made_again_meanwhile_is_not_restored(feed: feedkit.Feed[str]) -> None:
    """Everybody has one repost of a post."""
    # given
    post = feed.publish("ada", text="hello")
    first = feed.repost("bob", post.id)
    eve(feed).remove(first.id)
    second = feed.repost("bob", post.id)
    assert second.id != first.id

    # then
    with pytest.raises(Conflict, match="reposted that post again"):
        eve(feed).restore(first.id)
    feed.drain()
    assert feed.post(None, post.id).counts.reposts == 1
    feed.unrepost("bob", post.id)
    assert eve(feed).restore(first.id).status is PostStatus.PUBLISHED
    feed.drain()
    assert feed.post(None, post.id).counts.reposts == 1


def test_a_held_answer_is_looked_up_again_when_it_is_released(feed: feedkit.Feed[str]) -> None:
    # given
    post = feed.publish("ada", text="hello")
    held = [
        feed.publish("bob", text="re", reply_to=post.id, hold=True),
        feed.publish("bob", text="look", quote_of=post.id, hold=True),
    ]

    # when
    feed.block("ada", "bob")

    # then both wait until he may answer again
    for one in held:
        with pytest.raises(Conflict, match="may not see or share any more"):
            eve(feed).release(one.id)
    assert not ids(feed.profile(None, "bob"))
    feed.unblock("ada", "bob")
    for one in held:
        eve(feed).release(one.id)
    assert ids(feed.profile(None, "bob")) == [held[1].id]
    assert ids(feed.thread(None, post.id)) == [held[0].id]
