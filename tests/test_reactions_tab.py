"""What somebody reacted to, as a tab of their profile, the same on every database."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta

import attrs
import pytest

import feedkit
from feedkit import InvalidCursor, ManualClock, Settings
from tests.cases.case_tools import START, ids, opened

SEVERAL = Settings(reaction_kinds="like,love,laugh", reactions_per_person=2)
OPEN = Settings(reactions_shown_to="everybody")

Feed = feedkit.Feed[str]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def feed(backend_url: str, clock: ManualClock) -> Iterator[Feed]:
    with opened(backend_url, clock=clock) as made:
        yield made


@pytest.fixture
def open_feed(backend_url: str, clock: ManualClock) -> Iterator[Feed]:
    """Where everybody may look."""
    with opened(backend_url, clock=clock, settings=OPEN) as made:
        yield made


def tab(
    feed: Feed, viewer: str | None, person: str, cursor: str | None = None, limit: int = 20
) -> feedkit.ProfilePage[str]:
    return feed.profile(viewer, person, tab="reactions", cursor=cursor, limit=limit)


def whole(feed: Feed, person: str, limit: int, cursor: str | None = None) -> list[int]:
    """All that somebody reacted to, page after page, as they see it."""
    page = tab(feed, person, person, cursor, limit)
    found = ids(page)
    while page.next_cursor is not None:
        assert len(page) == limit
        page = tab(feed, person, person, page.next_cursor, limit)
        found += ids(page)
    return found


def published(feed: Feed, number: int, author: str = "ada") -> list[int]:
    return [feed.publish(author, text=f"{author} {nth}").id for nth in range(number)]


def react_in_turn(feed: Feed, clock: ManualClock, person: str, posts: list[int], *kinds: str) -> None:
    """One reaction each second, of these kinds by turns."""
    for nth, post in enumerate(posts):
        clock.advance(seconds=1)
        feed.react(person, post, kinds[nth % len(kinds)])


# what stands there


def test_what_somebody_reacted_to_last_comes_first_whatever_the_kind(feed: Feed, clock: ManualClock) -> None:
    # given
    posts = published(feed, 6)
    random.Random(1).shuffle(posts)
    react_in_turn(feed, clock, "bob", posts, "like", "love", "laugh")

    # then
    assert ids(tab(feed, "bob", "bob")) == posts[::-1]
    assert ids(tab(feed, "ada", "ada")) == []


def test_a_page_is_whole_like_others(feed: Feed) -> None:
    # given
    inner = feed.publish("cyd", text="inner")
    post = feed.publish("ada", text="look", quote_of=inner.id)
    feed.react("bob", post.id, "love")
    feed.follow("dee", "bob")
    feed.publish("bob", text="mine")

    # when
    page = tab(feed, "bob", "bob")

    # then
    (item,) = page
    assert (item.author.key, item.viewer.reacted, item.counts.reactions) == ("ada", ("love",), 1)
    assert item.quoted is not None
    assert item.quoted.post.id == inner.id
    feed.drain()
    assert (page.user.key, page.pinned, page.degraded) == ("bob", (), False)
    assert attrs.astuple(tab(feed, "bob", "bob").counts)[0] == 1
    assert page.to_dict()["user"]["key"] == "bob"


def test_a_post_with_reactions_of_several_kinds_stands_where_the_last_is(
    backend_url: str, clock: ManualClock
) -> None:
    with opened(backend_url, clock=clock, settings=SEVERAL) as feed:
        # given
        first, second, third = published(feed, 3)
        react_in_turn(feed, clock, "bob", [first, second, first, third, third], "like", "love", "laugh")

        # then
        for limit in (1, 2, 20):
            assert whole(feed, "bob", limit) == [third, first, second]

        # when
        assert feed.unreact("bob", first, "laugh").changed

        # then
        for limit in (1, 2, 20):
            assert whole(feed, "bob", limit) == [third, second, first]


def test_kinds_given_at_one_moment_are_one_line(backend_url: str, clock: ManualClock) -> None:
    with opened(backend_url, clock=clock, settings=SEVERAL) as feed:
        posts = published(feed, 5)
        for post in posts:
            feed.react("bob", post, "like")
            feed.react("bob", post, "love")
        for limit in (1, 2, 3, 20):
            assert whole(feed, "bob", limit) == posts[::-1]


def test_a_new_kind_in_place_of_the_old_brings_the_post_to_the_top(feed: Feed, clock: ManualClock) -> None:
    posts = published(feed, 3)
    react_in_turn(feed, clock, "bob", [*posts, posts[0]], "like", "like", "like", "love")
    assert ids(tab(feed, "bob", "bob")) == [posts[0], posts[2], posts[1]]
    feed.unreact("bob", posts[2])
    assert ids(tab(feed, "bob", "bob")) == [posts[0], posts[1]]


def test_comments_are_not_among_them(feed: Feed, clock: ManualClock) -> None:
    # given
    posts = published(feed, 3)
    for post in posts:
        clock.advance(seconds=1)
        feed.react("bob", feed.comment("ada", post, text="hm").id)
        feed.react("bob", post)

    # then
    assert whole(feed, "bob", 2) == posts[::-1]


def test_a_reaction_to_a_repost_shows_what_it_shares(feed: Feed) -> None:
    post = feed.publish("ada", text="hello")
    feed.react("bob", feed.repost("cyd", post.id).id)
    assert ids(tab(feed, "bob", "bob")) == [post.id]


def test_what_can_be_seen_no_longer_is_left_out_and_pages_are_full(feed: Feed, clock: ManualClock) -> None:
    # given
    posts = [
        one for pair in zip(published(feed, 20), published(feed, 20, "cyd"), strict=True) for one in pair
    ]
    react_in_turn(feed, clock, "bob", posts, "like", "love")

    # when
    feed.block("cyd", "bob")
    feed.delete("ada", posts[-2])

    # then
    assert whole(feed, "bob", 3) == posts[:-2:2][::-1]
    feed.unblock("cyd", "bob")
    assert len(whole(feed, "bob", 7)) == 39


# pages


def test_no_page_skips_or_repeats_where_many_were_given_at_one_moment(feed: Feed, clock: ManualClock) -> None:
    # given
    posts = published(feed, 11)
    for nth, post in enumerate(posts):
        clock.advance(seconds=nth % 4 == 0)
        feed.react("bob", post, ("like", "love", "laugh")[nth % 3])

    # then
    for limit in range(1, 13):
        found = whole(feed, "bob", limit)
        assert sorted(found) == sorted(posts)
        assert found == whole(feed, "bob", 50)


def test_reactions_meanwhile_are_for_the_next_poll(feed: Feed, clock: ManualClock) -> None:
    # given
    posts = published(feed, 6)
    react_in_turn(feed, clock, "bob", posts[:4], "like")
    page = tab(feed, "bob", "bob", limit=2)
    react_in_turn(feed, clock, "bob", posts[4:], "love")
    feed.unreact("bob", posts[0])

    # then
    assert page.next_cursor is not None
    assert ids(page) + whole(feed, "bob", 2, page.next_cursor) == [posts[3], posts[2], posts[1]]
    newer = tab(feed, "bob", "bob", page.newer_cursor)
    assert ids(newer) == [posts[5], posts[4]]
    assert ids(tab(feed, "bob", "bob", newer.newer_cursor)) == []


def test_a_cursor_is_good_for_one_viewer_and_one_persons_tab(open_feed: Feed, clock: ManualClock) -> None:
    feed, posts = open_feed, published(open_feed, 3)
    for person in ("bob", "cyd"):
        react_in_turn(feed, clock, person, posts, "like")
    cursor = tab(feed, "bob", "bob", limit=1).next_cursor
    assert len(tab(feed, "bob", "bob", cursor)) == 2
    for viewer, person in (("cyd", "bob"), (None, "bob"), ("bob", "cyd")):
        with pytest.raises(InvalidCursor):
            tab(feed, viewer, person, cursor)
    for refused in (cursor, tab(feed, "bob", "bob").newer_cursor):
        with pytest.raises(InvalidCursor):
            feed.profile("bob", "bob", cursor=refused)
    with pytest.raises(InvalidCursor):
        tab(feed, "bob", "bob", feed.profile("bob", "bob").newer_cursor)


# whose business it is


def test_it_is_their_own_business(feed: Feed, clock: ManualClock) -> None:
    # given
    react_in_turn(feed, clock, "bob", published(feed, 3), "like")
    feed.follow("ada", "bob")
    feed.follow("bob", "ada")

    # then
    for viewer in ("ada", "a stranger", None):
        page = tab(feed, viewer, "bob", limit=1)
        assert (page.items, page.next_cursor, page.user.key) == ((), None, "bob")
        assert ids(tab(feed, viewer, "bob", page.newer_cursor)) == []
    assert tab(feed, "ada", "nobody").items == ()


def test_a_host_may_open_it(open_feed: Feed, clock: ManualClock) -> None:
    # given
    feed = open_feed
    public, narrow = feed.publish("ada", text="1").id, feed.publish("ada", text="2", audience="followers").id
    for person in ("bob", "cyd"):
        feed.follow(person, "ada")
    react_in_turn(feed, clock, "bob", [public, narrow], "like")

    # then
    assert ids(tab(feed, "cyd", "bob")) == [narrow, public]
    assert tab(feed, "cyd", "bob").items[0].viewer.reacted == ()
    assert ids(tab(feed, "dee", "bob")) == ids(tab(feed, None, "bob")) == [public]

    # when
    feed.block("bob", "dee")

    # then
    assert ids(tab(feed, "dee", "bob")) == []


def test_where_it_is_open_a_private_account_shows_its_followers_alone(
    open_feed: Feed, clock: ManualClock
) -> None:
    # given
    feed = open_feed
    posts = published(feed, 2)
    feed.follow("cyd", "bob")
    feed.users.put("bob", private=True)
    react_in_turn(feed, clock, "bob", posts, "like")

    # then
    assert ids(tab(feed, "cyd", "bob")) == ids(tab(feed, "bob", "bob")) == posts[::-1]
    assert ids(tab(feed, "dee", "bob")) == ids(tab(feed, None, "bob")) == []

    # when
    feed.staff("eve", reason="spam").suspend("bob")

    # then
    assert ids(tab(feed, "cyd", "bob")) == []
    assert ids(tab(feed, "bob", "bob")) == posts[::-1]


@pytest.mark.parametrize("behind", [timedelta(0), timedelta(seconds=2)])
def test_what_is_done_at_the_same_moment_or_by_a_clock_that_is_behind_is_newer_all_the_same(
    backend_url: str, behind: timedelta
) -> None:
    clock = ManualClock(START)
    with opened(backend_url, clock=clock) as feed:
        # given a page of what bob did to the younger of two posts
        older, younger = feed.publish("ada", text="1"), feed.publish("ada", text="2")
        feed.react("bob", younger.id)
        feed.save("bob", younger.id)
        seen = tab(feed, "bob", "bob").newer_cursor, feed.saved("bob").newer_cursor

        # when he does the same to the older one
        clock.advance(seconds=-behind.total_seconds())
        feed.react("bob", older.id)
        feed.save("bob", older.id)

        # then
        assert ids(tab(feed, "bob", "bob", seen[0])) == [older.id]
        assert ids(feed.saved("bob", cursor=seen[1])) == [older.id]
        assert ids(tab(feed, "bob", "bob")) == ids(feed.saved("bob")) == [older.id, younger.id]
