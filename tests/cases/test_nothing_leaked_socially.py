"""Cases L04, L05, L07 and L09: no follower yet, a suspended author, a wider audience, and what counts tell."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import feedkit
from feedkit import Forbidden, ManualClock, NotFound
from tests.cases.case_tools import START, ids, opened
from tests.cases.social_tools import EVERYWHERE, Feed, Traces, later, on_both_paths


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def feed(backend_url: str, clock: ManualClock) -> Iterator[Feed]:
    with opened(backend_url, clock=clock) as feed:
        yield feed


def strangers_meet_nothing(feed: Feed, *viewers: str, posts: list[feedkit.Post]) -> None:
    """None of these posts is anywhere to be met by these viewers."""
    for viewer in viewers:
        assert ids(feed.home(viewer)) == ids(feed.tag(viewer, "here")) == []
        for tab in ("posts", "replies", "media"):
            assert ids(feed.profile(viewer, "ada", tab=tab)) == []
        assert feed.posts.get(viewer, [post.id for post in posts]) == [None] * len(posts)
        for post in posts:
            for verb in (
                feed.post,
                feed.thread,
                feed.comments,
                feed.reactions,
                feed.react,
                feed.save,
                feed.repost,
            ):
                with pytest.raises(NotFound):
                    verb(viewer, post.id)


# L04


def test_l04_who_has_asked_to_follow_sees_nothing_on_any_surface(feed: Feed) -> None:
    # given
    feed.users.put("ada", private=True)
    posts = [
        feed.publish("ada", text="#here", audience=audience)
        for audience in ("public", "followers", "friends")
    ]
    asked = feed.follow("bob", "ada")
    feed.befriend("cyd", "ada")
    feed.follow("cyd", "ada")
    listed = feed.lists.create("bob", "mine")
    feed.lists.add("bob", listed.id, ["ada"])

    def check() -> None:
        strangers_meet_nothing(feed, "bob", "cyd", posts=posts)
        assert ids(feed.list_feed("bob", listed.id)) == []
        feed.drain()
        for viewer in ("bob", None):
            counts = feed.profile(viewer, "ada").counts
            assert (counts.followers, counts.friends) == (0, 0)
        assert feed.check().ok

    # then
    assert asked.status == "requested"
    on_both_paths(feed, check)
    feed.decline("ada", "bob")
    on_both_paths(feed, check)

    # and once they are let in
    feed.accept("ada", "cyd")
    assert ids(feed.home("cyd")) == [post.id for post in posts][::-1]


def test_l04_whoever_becomes_private_keeps_those_out_who_only_ask(feed: Feed) -> None:
    traces = Traces(feed, "bob")
    assert traces.met() == EVERYWHERE
    feed.users.put("ada", private=True)
    on_both_paths(feed, lambda: check_met(traces, EVERYWHERE))
    feed.unfollow("bob", "ada")
    assert feed.follow("bob", "ada").status == "requested"
    on_both_paths(feed, lambda: check_met(traces, set()))
    feed.accept("ada", "bob")
    on_both_paths(feed, lambda: check_met(traces, EVERYWHERE))


def check_met(traces: Traces, places: set[str]) -> None:
    assert traces.met() == places


# L05


@pytest.mark.parametrize("how", ["suspended", "removed"])
def test_l05_what_staff_take_away_is_gone_everywhere_and_comes_back(feed: Feed, how: str) -> None:
    """Through reposts, quotes, lists, tags and threads, from caches and by ids that are known."""
    # given: bob has met the post everywhere, so that it is cached wherever it can be
    traces = Traces(feed, "bob")
    staff = feed.staff("eve", reason="a report")
    assert traces.met() == EVERYWHERE

    for _ in range(2):
        # when
        staff.suspend("ada") if how == "suspended" else staff.remove(traces.post.id)

        # then
        on_both_paths(feed, lambda: check_met(traces, set()))
        assert feed.posts.get("ada", [traces.post.id]) == [None], "its author does not see it either"
        assert feed.check().ok

        # and when it is undone
        staff.reinstate("ada") if how == "suspended" else staff.restore(traces.post.id)
        on_both_paths(feed, lambda: check_met(traces, EVERYWHERE))
        assert feed.check().ok


def test_l05_who_shares_is_suspended_and_the_post_stays(feed: Feed) -> None:
    traces = Traces(feed, "bob")
    feed.staff("eve", reason="a report").suspend("cyd")

    def check() -> None:
        (item,) = feed.home("bob")
        assert item.post == traces.post
        assert not item.reposted_by
        gone = [traces.repost.id, traces.quote.id, traces.opening.id, traces.below.id]
        assert feed.posts.get("bob", gone) == [None] * 4

    on_both_paths(feed, check)


def test_l05_a_suspension_ends_by_the_clock(feed: Feed, clock: ManualClock) -> None:
    traces = Traces(feed, "bob")
    feed.staff("eve", reason="cool down").suspend("ada", until=later(clock, hours=1))
    for hours, places in ((0, set[str]()), (0.999, set()), (0.001, EVERYWHERE)):
        clock.advance(hours=hours)
        check_met(traces, places)


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
    post = feed.publish("ada", text="for few #here", audience="followers")
    changes: list[dict[str, Any]] = [{"audience": "public"}, {"text": "mine"}, {"extra": {"a": 1}}, {}]
    for somebody in ("bob", "mallory"):
        for change in changes:
            with pytest.raises(NotFound):
                feed.edit(somebody, post.id, **change)
    on_both_paths(feed, lambda: strangers_meet_nothing(feed, "mallory", posts=[post]))
    assert feed.post("bob", post.id).post == post


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("audience", ["public", "unlisted", "followers", "friends", "list"])
def test_l07_who_sees_what_is_not_for_all_cannot_pass_it_on(feed: Feed, audience: str, private: bool) -> None:
    # given bob, who sees all of it, and eve, who follows him
    if audience in ("public", "unlisted") and not private:
        pytest.skip("that is for everybody")
    feed.follow("bob", "ada")
    feed.follow("ada", "bob")
    feed.follow("eve", "bob")
    feed.users.put("ada", private=private)
    listed = feed.lists.create("ada", "few")
    feed.lists.add("ada", listed.id, ["bob"])
    list_id = listed.id if audience == "list" else None
    post = feed.publish("ada", text="for few #here", audience=audience, list=list_id)
    assert feed.post("bob", post.id).post == post

    # then
    passing_on: list[Callable[[], Any]] = [
        lambda: feed.repost("bob", post.id),
        lambda: feed.publish("bob", text="look #here", quote_of=post.id),
        lambda: feed.drafts.publish("bob", feed.drafts.save("bob", text="look", quote_of=post.id).id),
    ]
    for call in passing_on:
        with pytest.raises((Forbidden, TypeError)):
            call()
    feed.publish("bob", text="I agree", reply_to=post.id, audience="only_me")
    on_both_paths(feed, lambda: strangers_meet_nothing(feed, "eve", posts=[post]))

    # and its author may, for those alone who see it anyway
    repost = feed.repost("ada", post.id)
    on_both_paths(feed, lambda: strangers_meet_nothing(feed, "eve", posts=[post, repost]))


@pytest.mark.parametrize("narrower", ["followers", "friends", "only_me"])
def test_l07_what_was_shared_and_is_narrowed_goes_from_where_it_was_shared(feed: Feed, narrower: str) -> None:
    traces = Traces(feed, "bob")
    feed.follow("dee", "cyd")
    assert feed.home("dee").items[0].post == traces.post
    feed.edit("ada", traces.post.id, audience=narrower)

    def check() -> None:
        for item in feed.home("dee", limit=50):
            assert item.post.author_id != traces.post.author_id
            assert item.quoted is None
        assert feed.posts.get("dee", [traces.repost.id, traces.post.id]) == [None, None]

    on_both_paths(feed, check)
    feed.edit("ada", traces.post.id, audience="public")
    assert feed.home("dee").items[0].post.id == traces.post.id


# L09


def test_l09_counts_do_not_tell_of_what_is_hidden(feed: Feed) -> None:
    # given
    post = feed.publish("ada", text="x")
    feed.follow("cyd", "ben")
    shown = feed.publish("ben", text="1", reply_to=post.id)
    for audience in ("followers", "friends", "only_me"):
        feed.publish("ben", text="2", audience=audience, reply_to=post.id)
        feed.publish("ben", text="2", audience=audience, quote_of=post.id)
    feed.drafts.save("ben", text="3", reply_to=post.id)
    feed.publish("ben", text="4", hold=True, reply_to=post.id)

    def replies(viewer: str | None) -> int:
        feed.drain()
        counts = feed.post(viewer, post.id).counts
        assert counts.quotes == 0
        return counts.replies

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


def test_l09_the_badge_of_what_is_new_counts_what_would_be_shown(feed: Feed) -> None:
    for name in ("ada", "cyd", "dee"):
        feed.follow("bob", name)
    cursor = feed.home("bob").newer_cursor
    for audience in ("public", "followers", "friends", "only_me"):
        feed.publish("ada", text="x", audience=audience)
        feed.publish("cyd", text="x", audience=audience)
    feed.publish("dee", text="x", hold=True)
    feed.mute("bob", "cyd")
    on_both_paths(feed, lambda: check_badge(feed, cursor, 2))
    feed.staff("eve", reason="a test").suspend("ada")
    on_both_paths(feed, lambda: check_badge(feed, cursor, 0))


def check_badge(feed: Feed, cursor: str, expected: int) -> None:
    assert feed.count_newer("bob", cursor) == len(feed.home("bob", cursor=cursor)) == expected


def test_l09_a_page_leads_on_only_where_there_is_something_to_show(feed: Feed) -> None:
    """A cursor that leads to an empty page would tell that something hidden stands there."""
    # given what bob may not see below what he may, with as much room on a page as he needs
    lists = feed.lists.create("bob", "few")
    feed.lists.add("bob", lists.id, ["ada"])
    top = feed.publish("cyd", text="answer me")
    picture = [{"url": "https://x/1.png"}]
    for audience in ("only_me", "friends", "public"):
        feed.publish("ada", text="#here", audience=audience, reply_to=top.id, media=picture)
    below = feed.publish("cyd", text="x")
    feed.publish("ada", text="an answer", reply_to=below.id)
    feed.publish("ada", text="hidden", reply_to=below.id, audience="friends")
    feed.publish("dee", text="#here", media=picture)
    feed.publish("dee", text="x", reply_to=below.id)
    feed.block("dee", "bob")
    feed.follow("bob", "ada")

    # then
    surfaces: dict[str, Callable[..., Any]] = {
        "home": lambda **more: feed.home("bob", **more),
        "list": lambda **more: feed.list_feed("bob", lists.id, **more),
        "replies": lambda **more: feed.profile("bob", "ada", tab="replies", **more),
        "media": lambda **more: feed.profile("bob", "ada", tab="media", **more),
        "posts": lambda **more: feed.profile(None, "ada", **more),
        "tag": lambda **more: feed.tag("bob", "here", **more),
        "thread": lambda **more: feed.thread("bob", below.id, **more),
        "picture": lambda **more: feed.media.posts("bob", url="https://x/1.png", **more),
    }

    def check() -> None:
        for name, surface in surfaces.items():
            whole = ids(surface())
            for limit in range(1, len(whole) + 1):
                page, walked = surface(limit=limit), []
                while page.next_cursor is not None:
                    assert len(page) == limit, name
                    walked += ids(page)
                    page = surface(limit=limit, cursor=page.next_cursor)
                assert len(page) or not whole, name
                assert walked + ids(page) == whole, name

    on_both_paths(feed, check)


def test_l09_a_cursor_does_not_tell_who_is_hidden(backend_url: str) -> None:
    """With keys that are ids, it would name them: a page may end at somebody whom its viewer does not meet."""
    viewer, ada, shown, hidden = 1, 2, 3, 0x1122334455667788
    with feedkit.connect(backend_url, key=int, clock=(clock := ManualClock(START))) as feed:
        feed.migrate()
        # given
        post = feed.publish(ada, text="x")
        for follower in (shown, hidden, shown + 1):
            feed.follow(follower, ada)
            feed.react(follower, post.id)
            clock.advance(seconds=1)
        hers = feed.comment(hidden, post.id, text="x")
        feed.comment(ada, post.id, text="x")
        feed.comment(ada, post.id, text="x")
        feed.block(hidden, viewer)

        # when
        cursors = [
            feed.followers(viewer, ada, limit=1).next_cursor,
            feed.reactions(viewer, post.id, limit=1).next_cursor,
            feed.comments(viewer, post.id, limit=1).next_cursor,
            feed.comments(viewer, post.id, limit=1, sort="oldest").next_cursor,
        ]

    # then
    for cursor in cursors:
        assert cursor is not None
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        for told in (hidden, hers.id):
            assert told.to_bytes(8, "big") not in raw
