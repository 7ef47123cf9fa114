"""Cases L04 to L09, L12 and L16: what the social model keeps from others, on every surface, resident and recomputed."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

import feedkit
from feedkit import Forbidden, ManualClock, NotFound
from feedkit.clock import from_ms
from tests.cases.case_tools import START, ids, opened

Feed = feedkit.Feed[str]
NO_SUCH_ID = 2**62


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def feed(backend_url: str, clock: ManualClock) -> Iterator[Feed]:
    with opened(backend_url, clock=clock) as feed:
        yield feed


def later(clock: ManualClock, **amounts: float) -> datetime:
    """So long from now."""
    return from_ms(clock.now_ms()) + timedelta(**amounts)


def on_both_paths(feed: Feed, check: Callable[[], None]) -> None:
    """From what is resident, after a wipe, and from what that has made resident."""
    for _ in range(2):
        check()
        feed.wipe()
    check()


def meets(feed: Feed, viewer: str, post: feedkit.Post, author: str) -> set[str]:
    """Everywhere where the viewer meets a post of that author."""
    places = {
        "home": post.id in ids(feed.home(viewer)),
        "profile": post.id in ids(feed.profile(viewer, author)),
        "batch": feed.posts.get(viewer, [post.id])[0] is not None,
        "id": not is_refused(feed.post, viewer, post.id),
        "comments": not is_refused(feed.comments, viewer, post.id),
        "reactions": not is_refused(feed.reactions, viewer, post.id),
        "saved": post.id in ids(feed.saved(viewer)),
    }
    return {place for place, there in places.items() if there}


EVERYWHERE = {"home", "profile", "batch", "id", "comments", "reactions", "saved"}


def is_refused(verb: Callable[..., Any], *args: Any) -> bool:
    """Whether a verb says that there is nothing."""
    try:
        verb(*args)
    except NotFound:
        return True
    return False


# L05


@pytest.mark.parametrize("how", ["suspended", "removed"])
def test_l05_what_staff_take_away_is_gone_everywhere_and_comes_back(
    feed: Feed, clock: ManualClock, how: str
) -> None:
    # given: bob has met the post everywhere, so that it is cached wherever it can be
    feed.follow("bob", "ada")
    post = feed.publish("ada", text="x")
    feed.react("ada", post.id)
    feed.comment("ada", post.id, text="more")
    feed.save("bob", post.id)
    assert meets(feed, "bob", post, "ada") == EVERYWHERE

    # when
    staff = feed.staff("eve", reason="a report")
    staff.suspend("ada") if how == "suspended" else staff.remove(post.id)

    # then
    for viewer in ("bob", "ada"):
        on_both_paths(feed, lambda viewer=viewer: none_met(feed, viewer, post))  # type: ignore[misc]
    assert feed.check().ok

    # and when it is undone
    staff.reinstate("ada") if how == "suspended" else staff.restore(post.id)
    on_both_paths(feed, lambda: all_met(feed, post))
    assert feed.check().ok


def none_met(feed: Feed, viewer: str, post: feedkit.Post) -> None:
    assert meets(feed, viewer, post, "ada") == set()


def all_met(feed: Feed, post: feedkit.Post) -> None:
    assert meets(feed, "bob", post, "ada") == EVERYWHERE


def test_l05_a_suspension_ends_by_the_clock(feed: Feed, clock: ManualClock) -> None:
    feed.follow("bob", "ada")
    post = feed.publish("ada", text="x")
    feed.save("bob", post.id)
    feed.staff("eve", reason="cool down").suspend("ada", until=later(clock, hours=1))
    for hours, expected in ((0, set()), (0.999, set()), (0.001, EVERYWHERE)):
        clock.advance(hours=hours)
        assert meets(feed, "bob", post, "ada") == expected


def test_l05_comments_and_reactions_of_the_suspended_are_not_shown(feed: Feed) -> None:
    post = feed.publish("ada", text="x")
    feed.comment("mallory", post.id, text="y")
    feed.react("mallory", post.id)
    assert len(feed.comments("ada", post.id)) == len(feed.reactions("ada", post.id)) == 1
    staff = feed.staff("eve", reason="spam")
    staff.suspend("mallory")
    on_both_paths(feed, lambda: nobody_said(feed, post))
    staff.reinstate("mallory")
    assert len(feed.comments("ada", post.id)) == len(feed.reactions("ada", post.id)) == 1


def nobody_said(feed: Feed, post: feedkit.Post) -> None:
    assert len(feed.comments("ada", post.id)) == len(feed.reactions("ada", post.id)) == 0


def test_l05_removed_and_restored_before_anybody_reads_on(feed: Feed) -> None:
    """A resident inbox hears of both at once."""
    feed.follow("bob", "ada")
    posts = [feed.publish("ada", text=str(n)).id for n in range(3)]
    assert ids(feed.home("bob")) == ids(feed.profile("bob", "ada")) == posts[::-1]
    staff = feed.staff("eve", reason="a mistake")
    for _ in range(2):
        staff.remove(posts[1])
        staff.restore(posts[1])
        assert ids(feed.home("bob")) == ids(feed.profile("bob", "ada")) == posts[::-1]
    staff.remove(posts[1])
    staff.restore(posts[1])
    staff.remove(posts[1])
    assert ids(feed.home("bob")) == ids(feed.profile("bob", "ada")) == [posts[2], posts[0]]
    assert feed.check().ok


# L07


def test_l07_nobody_else_edits_a_post(feed: Feed) -> None:
    feed.follow("bob", "ada")
    post = feed.publish("ada", text="for few", audience="followers")
    for somebody in ("bob", "mallory"):
        changes: list[dict[str, Any]] = [
            {"audience": "public"},
            {"text": "mine"},
            {"extra": {"audience": "public"}},
            {},
        ]
        for change in changes:
            with pytest.raises(NotFound):
                feed.edit(somebody, post.id, **change)
    on_both_paths(feed, lambda: none_met_by_strangers(feed, post))
    assert feed.post("bob", post.id).post == post


def none_met_by_strangers(feed: Feed, post: feedkit.Post) -> None:
    assert meets(feed, "mallory", post, "ada") == set()


# L08


def hidden_posts(feed: Feed, clock: ManualClock) -> dict[str, int]:
    """Ids that mean nothing to mallory, each for another reason."""
    staff = feed.staff("eve", reason="a test")
    found = {"nonexistent": NO_SUCH_ID}
    for audience in ("followers", "friends", "only_me"):
        found[audience] = feed.publish("ada", text="x", audience=audience).id
    found["draft"] = feed.drafts.save("ada", text="x").id
    found["scheduled"] = feed.publish("ada", text="x", at=later(clock, days=1)).id
    found["held"] = feed.publish("ada", text="x", hold=True).id
    found["deleted"] = feed.publish("ada", text="x").id
    feed.delete("ada", found["deleted"])
    found["removed"] = feed.publish("ada", text="x").id
    staff.remove(found["removed"])
    found["expired"] = feed.publish("ada", text="x", expires_in=timedelta(seconds=1)).id
    found["of the suspended"] = feed.publish("dee", text="x").id
    staff.suspend("dee")
    found["of who blocks"] = feed.publish("cyd", text="x").id
    feed.block("cyd", "mallory")
    found["of who is blocked"] = feed.publish("eve", text="x").id
    feed.block("mallory", "eve")
    clock.advance(seconds=2)
    return found


ON_POSTS: dict[str, Callable[[Feed, int], Any]] = {
    "post": lambda feed, id: feed.post("mallory", id),
    "post, logged out": lambda feed, id: feed.post(None, 2**61 if id == NO_SUCH_ID else id),
    "posts.get": lambda feed, id: feed.posts.get("mallory", [id]),
    "posts.revisions": lambda feed, id: feed.posts.revisions("mallory", id),
    "react": lambda feed, id: feed.react("mallory", id),
    "unreact": lambda feed, id: feed.unreact("mallory", id),
    "reactions": lambda feed, id: feed.reactions("mallory", id),
    "save": lambda feed, id: feed.save("mallory", id),
    "unsave": lambda feed, id: feed.unsave("mallory", id),
    "comment": lambda feed, id: feed.comment("mallory", id, text="x"),
    "comments": lambda feed, id: feed.comments("mallory", id),
    "edit": lambda feed, id: feed.edit("mallory", id, text="x"),
    "delete": lambda feed, id: feed.delete("mallory", id),
    "pin": lambda feed, id: feed.pin("mallory", id),
    "unpin": lambda feed, id: feed.unpin("mallory", id),
    "drafts.get": lambda feed, id: feed.drafts.get("mallory", id),
    "drafts.save": lambda feed, id: feed.drafts.save("mallory", id, text="x"),
    "drafts.publish": lambda feed, id: feed.drafts.publish("mallory", id),
    "drafts.unschedule": lambda feed, id: feed.drafts.unschedule("mallory", id),
    "drafts.discard": lambda feed, id: feed.drafts.discard("mallory", id),
}


def answer(call: Callable[[Feed, int], Any], feed: Feed, id: int) -> str:
    """All that the caller is told."""
    try:
        return f"gave {call(feed, id)!r}"
    except feedkit.FeedkitError as error:
        return f"raised {error.to_dict()} {error.http_status} {error!s}"


@pytest.mark.parametrize("verb", ON_POSTS)
def test_l08_what_is_hidden_and_what_is_not_there_get_one_answer(
    feed: Feed, clock: ManualClock, verb: str
) -> None:
    # given
    feed.users.put("mallory")
    hidden = hidden_posts(feed, clock)
    public = {"of who blocks", "of who is blocked"} if "logged out" in verb else set()

    def check() -> None:
        answers = {
            reason: answer(ON_POSTS[verb], feed, id) for reason, id in hidden.items() if reason not in public
        }
        assert len(set(answers.values())) == 1, answers

    # then
    on_both_paths(feed, check)


def test_l08_comments_that_are_hidden_and_not_there_get_one_answer(feed: Feed) -> None:
    post = feed.publish("ada", text="x")
    secret = feed.publish("ada", text="x", audience="followers")
    gone = feed.comment("bob", post.id, text="gone")
    feed.delete_comment("bob", gone.id)
    apart = feed.comment("cyd", post.id, text="apart")
    feed.block("cyd", "mallory")
    found = {
        "nonexistent": NO_SUCH_ID,
        "deleted": gone.id,
        "of who blocks": apart.id,
        "on a hidden post": feed.comment("ada", secret.id, text="few").id,
    }
    verbs: dict[str, Callable[[Feed, int], Any]] = {
        "react": lambda feed, id: feed.react("mallory", id),
        "unreact": lambda feed, id: feed.unreact("mallory", id),
        "reactions": lambda feed, id: feed.reactions("mallory", id),
        "answer": lambda feed, id: feed.comment("mallory", post.id, text="x", parent=id),
        "answers": lambda feed, id: feed.comments("mallory", post.id, parent=id),
        "edit": lambda feed, id: feed.edit_comment("mallory", id, text="x"),
        "delete": lambda feed, id: feed.delete_comment("mallory", id),
    }

    def check() -> None:
        for verb, call in verbs.items():
            answers = {reason: answer(call, feed, id) for reason, id in found.items()}
            assert len(set(answers.values())) == 1, (verb, answers)

    on_both_paths(feed, check)


# L09


def test_l09_counts_do_not_tell_of_what_is_hidden(feed: Feed) -> None:
    # given
    post = feed.publish("ada", text="x")
    feed.follow("cyd", "ben")
    shown = feed.publish("ben", text="1", reply_to=post.id)
    for audience in ("followers", "friends", "only_me"):
        feed.publish("ben", text="2", audience=audience, reply_to=post.id)
    feed.drafts.save("ben", text="3", reply_to=post.id)
    feed.publish("ben", text="4", hold=True, reply_to=post.id)

    def replies(viewer: str | None) -> int:
        feed.drain()
        return feed.post(viewer, post.id).counts.replies

    def check(expected: int) -> None:
        assert [replies(viewer) for viewer in (None, "ada", "ben", "cyd")] == [expected] * 4

    # then
    on_both_paths(feed, lambda: check(1))
    feed.edit("ben", shown.id, audience="followers")
    on_both_paths(feed, lambda: check(0))
    feed.edit("ben", shown.id, audience="unlisted")
    on_both_paths(feed, lambda: check(1))
    staff = feed.staff("eve", reason="a test")
    staff.remove(shown.id)
    on_both_paths(feed, lambda: check(0))
    staff.restore(shown.id)
    on_both_paths(feed, lambda: check(1))
    feed.delete("ben", shown.id)
    on_both_paths(feed, lambda: check(0))


def test_l09_who_is_blocked_is_in_no_count(feed: Feed) -> None:
    post = feed.publish("ada", text="x")
    feed.publish("mallory", text="1", reply_to=post.id)
    feed.comment("mallory", post.id, text="2")
    feed.react("mallory", post.id)

    def check(viewer: str, each: int) -> None:
        counts = feed.post(viewer, post.id).counts
        assert (counts.replies, counts.comments, counts.reactions) == (each, each, each)
        assert sum(counts.reacted.values()) == each

    feed.drain()
    for blocker, blocked in (("bob", "mallory"), ("mallory", "cyd")):
        feed.block(blocker, blocked)
    for viewer, each in (("bob", 0), ("cyd", 0), ("ada", 1)):
        on_both_paths(feed, lambda viewer=viewer, each=each: check(viewer, each))  # type: ignore[misc]


def test_l09_a_profile_counts_what_everybody_may_find(feed: Feed) -> None:
    for audience in ("public", "unlisted", "followers", "friends", "only_me"):
        feed.publish("ada", text=audience, audience=audience)
    feed.drafts.save("ada", text="x")
    feed.publish("ada", text="x", hold=True)
    feed.drain()
    for viewer in (None, "bob", "ada"):
        assert feed.profile(viewer, "ada").counts.posts == 1


# L12


def test_l12_drafts_are_nobody_elses_business(feed: Feed, clock: ManualClock) -> None:
    # given
    feed.users.put("mallory")
    feed.follow("mallory", "ada")
    draft = feed.drafts.save("ada", text="secret")
    scheduled = feed.publish("ada", text="secret", at=later(clock, days=1))

    # then
    for post in (draft, scheduled):
        on_both_paths(feed, lambda post=post: none_met(feed, "mallory", post))  # type: ignore[misc]
        for steal in (
            lambda id: feed.drafts.get("mallory", id),
            lambda id: feed.drafts.publish("mallory", id),
            lambda id: feed.drafts.discard("mallory", id),
            lambda id: feed.drafts.save("mallory", id, text="mine"),
            lambda id: feed.edit("mallory", id, text="mine"),
            lambda id: feed.staff("eve", reason="curious").post(id),
        ):
            with pytest.raises(NotFound):
                steal(post.id)
        assert feed.drafts.get("ada", post.id) == post, "nothing has changed"
    assert [post.id for post in feed.drafts.page("mallory").items] == []


# L16

NOT_THEIRS: dict[str, Any] = {
    "author": "ada",
    "author_id": 1,
    "status": "published",
    "position": 2**62,
    "counts": {"reactions": 10**6},
    "reactions": 10**6,
    "viewer": {"saved": True},
    "published_at": "1999-01-01T00:00:00Z",
    "edited_at": None,
    "revision": 0,
    "entities": [],
    "staff": True,
}


@pytest.mark.parametrize("name", NOT_THEIRS)
def test_l16_no_verb_takes_what_is_not_the_callers_to_give(feed: Feed, name: str) -> None:
    # given
    post = feed.publish("mallory", text="x")
    comment = feed.comment("mallory", post.id, text="x")
    draft = feed.drafts.save("mallory", text="x")
    given = {name: NOT_THEIRS[name]}
    calls: list[Callable[[], Any]] = [
        lambda: feed.publish("mallory", text="x", **given),
        lambda: feed.edit("mallory", post.id, text="y", **given),
        lambda: feed.drafts.save("mallory", text="x", **given),
        lambda: feed.drafts.save("mallory", draft.id, text="y", **given),
        lambda: feed.drafts.publish("mallory", draft.id, **given),
        lambda: feed.pin("mallory", post.id, **given),
        lambda: feed.react("mallory", post.id, **given),
        lambda: feed.save("mallory", post.id, **given),
        lambda: feed.comment("mallory", post.id, text="y", **given),
        lambda: feed.edit_comment("mallory", comment.id, text="y", **given),
        lambda: feed.users.put("mallory", **given),
        lambda: feed.follow("mallory", "ada", **given),
        lambda: feed.mute("mallory", "ada", **given),
    ]

    # then
    for call in calls:
        with pytest.raises((TypeError, feedkit.FeedkitError)):
            call()
    feed.drain()
    item = feed.post("ada", post.id)
    assert item.post == post
    assert (item.counts.reactions, item.counts.comments) == (0, 1)
    assert [one.id for one in feed.drafts.page("mallory").items] == [draft.id]


def test_l16_in_extra_of_an_edit_or_a_draft_they_are_inert(feed: Feed) -> None:
    feed.follow("bob", "mallory")
    post = feed.publish("mallory", text="x", audience="only_me")
    edited = feed.edit("mallory", post.id, extra={**NOT_THEIRS, "audience": "public"})
    draft = feed.drafts.save("mallory", text="x", extra={**NOT_THEIRS, "audience": "public"})
    assert (edited.position, edited.author_id, str(edited.audience)) == (
        post.position,
        post.author_id,
        "only_me",
    )
    assert str(draft.status) == "draft"
    on_both_paths(feed, lambda: none_met_of_mallory(feed, (post.id, draft.id)))


def none_met_of_mallory(feed: Feed, post_ids: tuple[int, int]) -> None:
    assert ids(feed.home("bob")) == ids(feed.profile("bob", "mallory")) == []
    assert feed.posts.get("bob", post_ids) == [None, None]
    assert feed.posts.get("ada", post_ids) == [None, None]


def test_l16_who_is_suspended_adds_nothing(feed: Feed) -> None:
    post = feed.publish("ada", text="x")
    mine = feed.publish("mallory", text="x")
    said = feed.comment("mallory", post.id, text="x")
    draft = feed.drafts.save("mallory", text="x")
    feed.staff("eve", reason="spam").suspend("mallory")
    for call in (
        lambda: feed.publish("mallory", text="x"),
        lambda: feed.edit("mallory", mine.id, text="y"),
        lambda: feed.drafts.publish("mallory", draft.id),
        lambda: feed.pin("mallory", mine.id),
        lambda: feed.react("mallory", post.id),
        lambda: feed.save("mallory", post.id),
        lambda: feed.comment("mallory", post.id, text="y"),
        lambda: feed.edit_comment("mallory", said.id, text="y"),
    ):
        with pytest.raises(Forbidden):
            call()
    assert feed.delete_comment("mallory", said.id)
    assert feed.delete("mallory", mine.id)
