"""Comments in threads, the same on every database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import feedkit
from feedkit import (
    Comment,
    CommentItem,
    Conflict,
    Forbidden,
    InvalidArgument,
    InvalidCursor,
    LimitExceeded,
    ManualClock,
    NotFound,
    Settings,
)
from feedkit.ids import MAX_ID
from feedkit.model import Event, EventKind
from tests.cases.case_tools import START, opened

SORTS = ("newest", "oldest", "top")
SMALL = Settings(comment_depth_max=3, comments_ranked_max=100, page_limit_default=5)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def feed(backend_url: str, clock: ManualClock) -> Iterator[feedkit.Feed[str]]:
    with opened(backend_url, clock=clock, settings=SMALL) as made:
        yield made


@pytest.fixture
def post(feed: feedkit.Feed[str]) -> feedkit.Post:
    return feed.publish("ada", text="which one?")


def whole(feed: feedkit.Feed[str], viewer: str | None, post_id: int, **kwargs: Any) -> list[CommentItem[str]]:
    """All comments there, page after page."""
    page = feed.comments(viewer, post_id, **kwargs)
    found = list(page)
    while page.next_cursor is not None:
        page = feed.comments(viewer, post_id, cursor=page.next_cursor, **kwargs)
        found += page
    return found


def texts(items: Any) -> list[str]:
    """What stands there, "-" for a gap."""
    return ["-" if item.author is None else item.comment.text for item in items]


def tree(feed: feedkit.Feed[str], viewer: str | None, post_id: int, parent: int | None = None) -> list[Any]:
    """The whole thread: the text of each comment, then what answers it."""
    found: list[Any] = []
    for item in whole(feed, viewer, post_id, sort="oldest", parent=parent):
        found += texts([item])
        if below := tree(feed, viewer, post_id, item.comment.id):
            found.append(below)
    return found


def suspend(feed: feedkit.Feed[str], name: str, status: str = "suspended") -> None:
    """As staff do it, in truth."""
    runtime = feed.runtime()
    user = feed.users.get([name])[name]

    def work(tx: Any) -> None:
        runtime.truth.users.patch(tx, user.id, {"status": status})
        runtime.truth.events.append(tx, Event(EventKind.USER_CHANGED, user.id, user.id, 0))

    runtime.truth.write(work)


# writing and reading


def test_a_thread(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    # when
    left = feed.comment("bob", post.id, text="the left one")
    right = feed.comment("cat", post.id, text="the right one")
    why = feed.comment("ada", str(post.id), text="why?", parent=str(left.id))

    # then
    assert (left.parent_id, left.path, why.parent_id, why.path) == (
        None,
        (left.id,),
        left.id,
        (left.id, why.id),
    )
    assert tree(feed, None, post.id) == ["the left one", ["why?"], "the right one"]
    assert texts(feed.comments("bob", post.id)) == ["the right one", "the left one"]
    first = feed.comments("bob", post.id, sort="oldest").items[0]
    assert first.author is not None
    assert (first.author.key, first.counts.replies) == ("bob", 1)
    assert first.comment == left
    assert feed.post("bob", post.id).counts.comments == 3
    assert feed.post("bob", post.id).counts.replies == 0
    assert right.to_dict()["depth"] == 1
    assert why.to_dict()["depth"] == 2


def test_pages_in_every_order_hold_each_once(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    # given
    made = [feed.comment(f"reader{nth % 3}", post.id, text=str(nth)) for nth in range(11)]
    for nth, likes in ((2, 2), (5, 3), (6, 2), (9, 1)):
        for liker in range(likes):
            feed.react(f"liker{liker}", made[nth].id)
    feed.drain()

    # then
    by_date = [str(nth) for nth in range(11)]
    orders = {
        "oldest": by_date,
        "newest": by_date[::-1],
        "top": ["5", "6", "2", "9", "10", "8", "7", "4", "3", "1", "0"],
    }
    for sort, order in orders.items():
        for limit in (1, 2, 3, 10, 11, 12):
            assert texts(whole(feed, "ada", post.id, sort=sort, limit=limit)) == order
        page = feed.comments("ada", post.id, sort=sort, limit=11)
        assert page.next_cursor is None


def test_cursors_hold_while_comments_come_and_go(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    made = [feed.comment("bob", post.id, text=str(nth)) for nth in range(9)]
    for sort in SORTS:
        page = feed.comments("ada", post.id, sort=sort, limit=4)
        feed.delete_comment("bob", feed.comments("ada", post.id, sort=sort, limit=4).items[3].comment.id)
        new = feed.comment("bob", post.id, text="new")
        following = feed.comments("ada", post.id, sort=sort, limit=20, cursor=page.next_cursor)
        found = texts(page) + texts(following)
        assert len(set(found)) == len(found)
        assert ("new" in found) == (sort == "oldest")
        feed.delete_comment("bob", new.id)
    assert len(made) - len(SORTS) == len(feed.comments("ada", post.id, limit=20))


def test_what_is_too_old_to_be_ranked_follows(backend_url: str) -> None:
    with opened(backend_url, settings=SMALL) as feed:
        # given: one more than are ranked, and the first has the most reactions
        post = feed.publish("ada", text="hello")
        made = [feed.comment("bob", post.id, text=str(nth)) for nth in range(103)]
        feed.react("cat", made[0].id)
        feed.react("cat", made[50].id)
        feed.drain()

        # then
        for limit in (7, 100):
            found = texts(whole(feed, "ada", post.id, sort="top", limit=limit))
            assert found[:2] == ["50", "102"]
            assert found[-3:] == ["2", "1", "0"]
            assert sorted(found, key=int) == [str(nth) for nth in range(103)]

        # when: the window moves while somebody reads on
        page = feed.comments("ada", post.id, sort="top", limit=90)
        for nth in range(20):
            feed.comment("bob", post.id, text=f"1{nth:03}")
        rest = [*page, *feed.comments("ada", post.id, sort="top", limit=90, cursor=page.next_cursor)]
        assert sorted(texts(rest), key=int) == [str(nth) for nth in range(103)]


def test_deeper_answers_stand_at_the_bound(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    above: Comment | None = None
    made = []
    for depth in range(6):
        above = feed.comment("bob", post.id, text=str(depth), parent=above.id if above else None)
        made.append(above)
    assert [len(one.path) for one in made] == [1, 2, 3, 3, 3, 3]
    assert {one.parent_id for one in made[2:]} == {made[1].id}
    assert tree(feed, "ada", post.id) == ["0", ["1", ["2", "3", "4", "5"]]]
    assert feed.comments("ada", post.id, parent=made[0].id).items[0].counts.replies == 4


def test_a_page_takes_no_more_reads_than_a_few_comments(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    def write(count: int) -> None:
        for nth in range(count):
            comment = feed.comment(f"reader{nth}", post.id, text="x")
            feed.react("bob", comment.id)
            if nth % 3 == 0:
                feed.comment("ada", post.id, text="y", parent=comment.id)
                feed.delete_comment("ada", comment.id)

    def reads() -> int:
        feed.drain()
        feed.wipe()
        before = feed.runtime().truth.times_read()
        assert feed.comments("bob", post.id, limit=100).items
        return feed.runtime().truth.times_read() - before

    write(3)
    few = reads()
    write(50)
    assert reads() == few


# editing and deleting


def test_an_edit_keeps_the_place_and_says_so(
    feed: feedkit.Feed[str], post: feedkit.Post, clock: ManualClock
) -> None:
    comment = feed.comment("bob", post.id, text="teh")
    clock.advance(seconds=1)
    edited = feed.edit_comment("bob", comment.id, text="the")
    (item,) = feed.comments("ada", post.id)
    assert item.comment == edited
    assert (edited.text, edited.id, edited.edited_ms) == ("the", comment.id, clock.now_ms())
    clock.advance(seconds=1)
    assert feed.edit_comment("bob", comment.id, text="the") == edited, "nothing has changed"
    assert feed.post("ada", post.id).counts.comments == 1


def test_ones_own_and_those_on_ones_own_post_can_be_deleted(
    feed: feedkit.Feed[str], post: feedkit.Post
) -> None:
    one, two, three = (feed.comment("bob", post.id, text=str(nth)) for nth in range(3))

    assert feed.delete_comment("bob", one.id)
    assert feed.delete_comment("ada", two.id)
    with pytest.raises(NotFound):
        feed.delete_comment("cat", three.id)

    assert not feed.delete_comment("bob", one.id)
    assert not feed.delete_comment("ada", one.id)
    assert not feed.delete_comment("bob", two.id)
    assert texts(feed.comments("cat", post.id)) == ["2"]
    assert feed.post("cat", post.id).counts.comments == 1


def test_only_ones_own_can_be_edited(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    # given
    comment = feed.comment("bob", post.id, text="x")
    gone = feed.comment("bob", post.id, text="y")
    feed.delete_comment("bob", gone.id)

    # then: one error for all
    told = set()
    for actor, target in (("ada", comment.id), ("nobody", comment.id), ("bob", gone.id), ("bob", MAX_ID)):
        with pytest.raises(NotFound) as refused:
            feed.edit_comment(actor, target, text="z")
        told.add(str(refused.value))
    assert len(told) == 1
    assert texts(feed.comments("ada", post.id)) == ["x"]


def test_a_deleted_comment_leaves_a_gap_only_above_what_is_shown(
    feed: feedkit.Feed[str], post: feedkit.Post
) -> None:
    # given
    top = feed.comment("bob", post.id, text="top")
    middle = feed.comment("cat", post.id, text="middle", parent=top.id)
    low = feed.comment("dan", post.id, text="low", parent=middle.id)
    feed.comment("eve", post.id, text="other")
    feed.react("cat", top.id)

    # when
    feed.delete_comment("bob", top.id)
    feed.delete_comment("cat", middle.id)

    # then
    assert tree(feed, "ada", post.id) == ["-", ["-", ["low"]], "other"]
    gap = feed.comments("cat", post.id, sort="oldest").items[0]
    assert gap.counts == feedkit.Counts(replies=0)
    assert (gap.viewer, gap.comment.author_id, gap.comment.text) == (feedkit.Own(), 0, "")
    assert gap.to_dict()["comment"]["deleted"] is True
    for call in (
        lambda: feed.react("ada", top.id),
        lambda: feed.comment("ada", post.id, text="x", parent=top.id),
        lambda: feed.edit_comment("bob", top.id, text="x"),
    ):
        with pytest.raises(NotFound):
            call()

    # when
    feed.delete_comment("dan", low.id)

    # then
    assert tree(feed, "ada", post.id) == ["other"]
    for parent in (top.id, middle.id, low.id, MAX_ID):
        with pytest.raises(NotFound, match="parent names no comment on this post"):
            feed.comments("ada", post.id, parent=parent)


def test_a_page_is_full_though_much_is_gone(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    made = [feed.comment("bob", post.id, text=str(nth)) for nth in range(60)]
    for comment in made[5:55]:
        feed.delete_comment("bob", comment.id)
    for sort in SORTS:
        assert len(feed.comments("ada", post.id, sort=sort, limit=8)) == 8
        assert len(whole(feed, "ada", post.id, sort=sort, limit=3)) == 10


def test_a_page_looks_at_so_many_and_goes_on(backend_url: str) -> None:
    with opened(backend_url, settings=Settings(max_scan=100)) as feed:
        post = feed.publish("ada", text="hello")
        first = feed.comment("bob", post.id, text="first")
        for nth in range(130):
            feed.delete_comment("bob", feed.comment("bob", post.id, text=str(nth)).id)
        page = feed.comments("ada", post.id)
        assert (len(page), page.next_cursor is None) == (0, False)
        assert [item.comment for item in feed.comments("ada", post.id, cursor=page.next_cursor)] == [first]


# who sees which


def hide(feed: feedkit.Feed[str], how: str, name: str, comment: Comment) -> None:
    """Let `viewer` not be shown what `name` has written."""
    match how:
        case "deleted":
            feed.delete_comment(name, comment.id)
        case "blocks":
            feed.block(name, "viewer")
        case "blocked":
            feed.block("viewer", name)
        case "muted":
            feed.mute("viewer", name)
        case "suspended":
            suspend(feed, name)


HOW = ["deleted", "blocks", "blocked", "muted", "suspended"]


@pytest.mark.parametrize("how", HOW)
def test_what_is_hidden_is_a_gap_above_what_is_shown_and_else_nothing(
    feed: feedkit.Feed[str], post: feedkit.Post, how: str
) -> None:
    # given
    above = feed.comment("eve", post.id, text="above")
    feed.comment("bob", post.id, text="below", parent=above.id)
    alone = feed.comment("eve", post.id, text="alone")
    feed.react("cat", above.id)
    for one in (above, alone):
        hide(feed, how, "eve", one)

    # then
    for _ in "both paths":
        assert tree(feed, "viewer", post.id) == ["-", ["below"]]
        feed.wipe()
    (gap,) = feed.comments("viewer", post.id)
    assert gap.to_dict() == {
        "comment": {
            "id": str(above.id),
            "post_id": str(post.id),
            "author_id": "0",
            "parent_id": None,
            "depth": 1,
            "text": "",
            "deleted": True,
            "created_at": above.to_dict()["created_at"],
            "edited_at": None,
        },
        "author": None,
        "counts": {**feedkit.Counts().to_dict(), "replies": 1},
        "viewer": {"reacted": [], "saved": False},
    }
    calls: list[Callable[[int], object]] = [
        lambda target: feed.react("viewer", target),
        lambda target: feed.reactions("viewer", target),
        lambda target: feed.comment("viewer", post.id, text="x", parent=target),
    ]
    for call in calls:
        told = set()
        for target in (above.id, alone.id, MAX_ID):
            with pytest.raises(NotFound) as refused:
                call(target)
            told.add(str(refused.value))
        assert len(told) == 1, "the same for what there is not"
    with pytest.raises(NotFound):
        feed.comments("viewer", post.id, parent=alone.id)


@pytest.mark.parametrize("how", HOW)
def test_a_gap_needs_something_that_the_viewer_is_shown(
    feed: feedkit.Feed[str], post: feedkit.Post, how: str
) -> None:
    # given
    above = feed.comment("bob", post.id, text="above")
    hidden = feed.comment("eve", post.id, text="hidden", parent=above.id)
    feed.delete_comment("bob", above.id)
    hide(feed, how, "eve", hidden)

    # then
    assert tree(feed, "viewer", post.id) == []
    if how in {"blocks", "blocked", "muted"}:
        assert tree(feed, "ada", post.id) == ["-", ["hidden"]]


def test_what_is_undone_is_seen_again(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    feed.comment("eve", post.id, text="x")
    for do, undo in ((feed.block, feed.unblock), (feed.mute, feed.unmute)):
        do("viewer", "eve")
        assert tree(feed, "viewer", post.id) == []
        undo("viewer", "eve")
        assert tree(feed, "viewer", post.id) == ["x"]
    suspend(feed, "eve")
    assert tree(feed, "viewer", post.id) == tree(feed, None, post.id) == []
    suspend(feed, "eve", "active")
    assert tree(feed, "viewer", post.id) == ["x"]


def test_l08_only_who_sees_the_post_reads_or_writes(feed: feedkit.Feed[str]) -> None:
    # given
    feed.follow("bob", "ada")
    narrow = feed.publish("ada", text="narrow", audience="followers")
    comment = feed.comment("bob", narrow.id, text="x")
    other = feed.publish("ada", text="other")

    # then
    assert tree(feed, "bob", narrow.id) == ["x"]
    told = set()
    for viewer in ("eve", None):
        for target in (narrow.id, MAX_ID):
            with pytest.raises(NotFound) as refused:
                feed.comments(viewer, target)
            told.add(str(refused.value))
    assert len(told) == 1
    with pytest.raises(NotFound):
        feed.comment("eve", narrow.id, text="y")
    for target in (narrow.id, other.id):
        with pytest.raises(NotFound):
            feed.comment("eve", target, text="y", parent=comment.id)
    with pytest.raises(NotFound):
        feed.comments("bob", other.id, parent=comment.id)
    for call in (feed.react, feed.reactions):
        with pytest.raises(NotFound):
            call("eve", comment.id)

    # when
    feed.unfollow("bob", "ada")

    # then
    with pytest.raises(NotFound):
        feed.edit_comment("bob", comment.id, text="z")
    assert feed.delete_comment("bob", comment.id), "it is still theirs"


def test_who_is_suspended_adds_nothing_and_may_take_back(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    comment = feed.comment("bob", post.id, text="x")
    feed.react("bob", post.id)
    feed.save("bob", post.id)
    suspend(feed, "bob")
    for call in (
        lambda: feed.comment("bob", post.id, text="y"),
        lambda: feed.edit_comment("bob", comment.id, text="y"),
        lambda: feed.react("bob", post.id, "love"),
        lambda: feed.save("bob", post.id),
    ):
        with pytest.raises(Forbidden, match="actor is suspended"):
            call()
    assert feed.unreact("bob", post.id).changed
    assert feed.unsave("bob", post.id).changed
    assert feed.delete_comment("bob", comment.id)


# what is refused


@pytest.mark.parametrize("text", ["", "x" * 5001, None, 1, b"x", "a\0b", "\ud800"])
def test_a01_a_text_is_bounded(feed: feedkit.Feed[str], post: feedkit.Post, text: Any) -> None:
    comment = feed.comment("bob", post.id, text="x" * 5000)
    with pytest.raises(InvalidArgument) as refused:
        feed.comment("bob", post.id, text=text)
    assert refused.value.argument == "text"
    with pytest.raises(InvalidArgument):
        feed.edit_comment("bob", comment.id, text=text)
    if isinstance(text, str) and "\0" not in text and "\ud800" not in text:
        assert isinstance(refused.value, LimitExceeded)


def test_a_comment_without_a_text_is_refused_as_an_empty_one(
    feed: feedkit.Feed[str], post: feedkit.Post
) -> None:
    with pytest.raises(LimitExceeded, match=r"text must be 1..5000 characters, got 0; write something"):
        feed.comment("bob", post.id)


def test_an_order_is_one_of_three(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    for sort in ("best", "", None, 1, "Newest", ["top"]):
        with pytest.raises(InvalidArgument, match="sort must be one of newest, oldest, top; got"):
            feed.comments("ada", post.id, sort=sort)  # type: ignore[arg-type]


def test_l13_a_cursor_is_for_one_viewer_post_parent_and_order(
    feed: feedkit.Feed[str], post: feedkit.Post
) -> None:
    # given
    other = feed.publish("ada", text="other")
    parent = feed.comment("bob", post.id, text="x")
    feed.comment("bob", post.id, text="y")
    feed.comment("bob", other.id, text="y")
    cursor = feed.comments("ada", post.id, limit=1).next_cursor
    assert cursor is not None

    # then
    wrong: list[dict[str, Any]] = [
        {"viewer": "bob", "post_id": post.id},
        {"viewer": None, "post_id": post.id},
        {"viewer": "ada", "post_id": other.id},
        {"viewer": "ada", "post_id": post.id, "parent": parent.id},
        {"viewer": "ada", "post_id": post.id, "sort": "top"},
        {"viewer": "ada", "post_id": post.id, "sort": "oldest"},
    ]
    for given_ in wrong:
        with pytest.raises(InvalidCursor):
            feed.comments(given_.pop("viewer"), given_.pop("post_id"), cursor=cursor, **given_)
    for text in ("", "x", cursor + "A", "A" * 600):
        with pytest.raises(InvalidCursor):
            feed.comments("ada", post.id, cursor=text)


# once


def test_a_key_stands_for_one_comment(
    feed: feedkit.Feed[str], post: feedkit.Post, clock: ManualClock
) -> None:
    once = feed.comment("bob", post.id, text="x", idempotency_key="k")
    assert feed.comment("bob", post.id, text="x", idempotency_key="k") == once
    assert feed.comment("cat", post.id, text="x", idempotency_key="k") != once
    for kwargs in ({"text": "y"}, {"text": "x", "parent": once.id}):
        with pytest.raises(Conflict):
            feed.comment("bob", post.id, idempotency_key="k", **kwargs)
    with pytest.raises(Conflict):
        feed.publish("bob", text="x", idempotency_key="k")
    assert feed.post("ada", post.id).counts.comments == 2
    clock.advance(days=2)
    assert feed.comment("bob", post.id, text="x", idempotency_key="k") != once
    for key in ("", "x" * 256, 1):
        with pytest.raises(InvalidArgument):
            feed.comment("bob", post.id, text="x", idempotency_key=key)  # type: ignore[arg-type]


# any thread


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_thread_is_what_its_rules_say(data: st.DataObject) -> None:
    """Comments are written, deleted and hidden in any order; then the tree is compared with one of dictionaries."""
    names = ["bob", "cat", "eve"]
    with feedkit.connect("memory://", settings=SMALL) as feed:
        post = feed.publish("ada", text="x")
        made: list[Comment] = []
        gone: set[int] = set()
        hidden: set[str] = set()
        by: dict[int, str] = {}
        for step in data.draw(st.lists(st.sampled_from("ccccdbm"), max_size=14)):
            if step == "c":
                name = data.draw(st.sampled_from(names))
                alive = [one.id for one in made if one.id not in gone]
                parent = data.draw(st.sampled_from([None, *alive]))
                comment = feed.comment(name, post.id, text=str(len(made)), parent=parent)
                made.append(comment)
                by[comment.id] = name
            elif step == "d" and made:
                victim = data.draw(st.sampled_from(made))
                feed.delete_comment("ada", victim.id)
                gone.add(victim.id)
            elif step in "bm":
                name = data.draw(st.sampled_from(names))
                (feed.block if step == "b" else feed.mute)("viewer", name)
                hidden.add(name)

        def expected(viewer: str, parent: int | None) -> list[Any]:
            found: list[Any] = []
            for comment in made:
                if comment.parent_id != parent:
                    continue
                below = expected(viewer, comment.id)
                shown = comment.id not in gone and not (viewer == "viewer" and by[comment.id] in hidden)
                if shown or below:
                    found.append(comment.text if shown else "-")
                    found += [below] if below else []
            return found

        for viewer in ("viewer", "dan"):
            assert tree(feed, viewer, post.id) == expected(viewer, None)
        assert feed.post("dan", post.id).counts.comments == len(made) - len(gone)
