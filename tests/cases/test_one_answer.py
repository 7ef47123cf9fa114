"""Cases L08, L12 and L16: what is hidden and what is not there get one answer, and what is not yours is not taken."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

import feedkit
from feedkit import Forbidden, ManualClock, NotFound
from tests.cases.case_tools import START, ids, opened
from tests.cases.social_tools import NO_SUCH_ID, Feed, later, on_both_paths


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def feed(backend_url: str, clock: ManualClock) -> Iterator[Feed]:
    with opened(backend_url, clock=clock) as feed:
        yield feed


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
    "repost": lambda feed, id: feed.repost("mallory", id),
    "unrepost": lambda feed, id: feed.unrepost("mallory", id),
    "quote": lambda feed, id: feed.publish("mallory", text="x", quote_of=id),
    "answer": lambda feed, id: feed.publish("mallory", text="x", reply_to=id),
    "thread": lambda feed, id: feed.thread("mallory", id),
    "list_feed": lambda feed, id: feed.list_feed("mallory", id),
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


# L12


def test_l12_drafts_are_nobody_elses_business(feed: Feed, clock: ManualClock) -> None:
    # given
    feed.users.put("mallory")
    feed.follow("mallory", "ada")
    draft = feed.drafts.save("ada", text="secret")
    scheduled = feed.publish("ada", text="secret", at=later(clock, days=1))

    # then
    for post in (draft, scheduled):
        assert feed.posts.get("mallory", [post.id]) == [None]
        assert post.id not in ids(feed.home("mallory"))
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


def test_l12_lists_are_nobody_elses_business(feed: Feed) -> None:
    # given mallory, who is on the list, and knows its id from a post
    feed.users.put("mallory")
    made = feed.lists.create("ada", "enemies")
    feed.lists.add("ada", made.id, ["mallory", "bob"])
    own = feed.lists.create("mallory", "own")
    verbs: dict[str, Callable[[Feed, int], Any]] = {
        "rename": lambda feed, id: feed.lists.rename("mallory", id, "x"),
        "delete": lambda feed, id: feed.lists.delete("mallory", id),
        "add": lambda feed, id: feed.lists.add("mallory", id, ["eve"]),
        "remove": lambda feed, id: feed.lists.remove("mallory", id, ["bob"]),
        "members": lambda feed, id: feed.lists.members("mallory", id),
        "list_feed": lambda feed, id: feed.list_feed("mallory", id),
        "publish": lambda feed, id: feed.publish("mallory", text="x", audience="list", list=id),
    }

    def check() -> None:
        for verb, call in verbs.items():
            answers = {answer(call, feed, id) for id in (made.id, NO_SUCH_ID)}
            assert len(answers) == 1, (verb, answers)
            assert "raised" in answers.pop(), verb
        assert feed.lists.of("mallory") == [own]

    # then
    on_both_paths(feed, check)
    assert feed.lists.of("ada") == [made]
    assert sorted(user.key for user in feed.lists.members("ada", made.id)) == ["bob", "mallory"]


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
