"""Pages of people, suggestions, and how one stands to many."""

from __future__ import annotations

import pytest

import feedkit
from feedkit import InvalidCursor, LimitExceeded, ManualClock, Settings
from tests.cases.case_tools import START, opened
from tests.graph.words import Feed, befriend, suspend, users_of, walked

# pages of people


def test_lists_of_people_are_walked_without_gap_or_repetition(timed: Feed, clock: ManualClock) -> None:
    """Many came in the same millisecond; others come and go during the walk."""
    everybody = [f"fan{n:02}" for n in range(40)]
    for n, fan in enumerate(everybody):
        timed.follow(fan, "ada")
        if n % 10 == 9:
            clock.advance(milliseconds=1)

    # when
    page = timed.followers(None, "ada", limit=7)
    found = list(page.keys)
    while page.next_cursor is not None:
        timed.follow(f"late{len(found)}", "ada")
        timed.unfollow(found[-1], "ada")
        page = timed.followers(None, "ada", limit=7, cursor=page.next_cursor)
        assert len(page) == 7 or page.next_cursor is None
        found += page.keys

    # then
    assert len(found) == len(set(found))
    assert set(found) == set(everybody)
    assert [fan[:4] for fan in found[:10]] == ["fan3"] * 10, "the newest first"


def test_every_list_of_people_shows_what_it_says(feed: Feed) -> None:
    for actor, target in (
        ("ada", "bob"), ("ada", "cem"), ("bob", "ada"), ("cem", "dot"), ("bob", "dot"), ("eve", "dot"),
    ):  # fmt: skip
        feed.follow(actor, target)
    assert users_of(feed.followers(None, "dot")) == ["eve", "bob", "cem"]
    assert users_of(feed.following("nobody", "ada")) == ["cem", "bob"]
    assert users_of(feed.friends("cem", "ada")) == ["bob"]
    assert users_of(feed.mutuals("ada", "dot")) == ["bob", "cem"]
    assert walked(feed, "mutuals", "ada", "dot", limit=1) == ["bob", "cem"]
    assert users_of(feed.mutuals("nobody", "dot")) == users_of(feed.mutuals("ada", "nobody")) == []
    assert users_of(feed.followers("ada", "nobody")) == []
    assert feed.users.get(["nobody"]) == {}, "reads create nobody"


def test_who_is_blocked_or_suspended_is_left_out_of_every_list(feed: Feed) -> None:
    # given
    for fan in ("bob", "cem", "dot", "eve"):
        befriend(feed, fan, "ada")
        feed.follow("vic", fan)
    feed.block("vic", "bob")
    feed.block("cem", "vic")
    suspend(feed, "dot")

    # then
    for verb in ("followers", "following", "friends", "mutuals"):
        assert walked(feed, verb, "vic", "ada", limit=1) == ["eve"], verb
        if verb != "mutuals":
            assert users_of(getattr(feed, verb)(None, "ada")) == ["eve", "cem", "bob"]
    assert users_of(feed.followers("vic", "dot")) == []
    assert users_of(feed.followers(None, "dot")) == []

    # when
    suspend(feed, "dot", status="active")

    # then
    assert users_of(feed.followers("vic", "ada")) == ["eve", "dot"]


def test_the_lists_of_somebody_private_are_for_their_followers(feed: Feed) -> None:
    feed.users.put("ada", private=True)
    befriend(feed, "bob", "ada")
    feed.follow("cem", "bob")
    feed.follow("cem", "ada")
    for verb in ("followers", "following", "friends"):
        assert users_of(getattr(feed, verb)("ada", "ada")) == ["bob"]
        assert users_of(getattr(feed, verb)("bob", "ada")) == ["bob"]
        assert users_of(getattr(feed, verb)("cem", "ada")) == users_of(getattr(feed, verb)(None, "ada")) == []
    assert users_of(feed.mutuals("cem", "ada")) == []
    feed.accept("ada", "cem")
    assert users_of(feed.mutuals("cem", "ada")) == ["bob"]


def test_a_page_that_hit_the_bound_says_so_and_goes_on(timed: Feed) -> None:
    for n in range(120):
        timed.follow(f"fan{n:03}", "ada")
    for n in range(5, 120):
        timed.block("vic", f"fan{n:03}")
    page = timed.followers("vic", "ada", limit=3)
    assert page.truncated
    assert page.next_cursor is not None
    assert walked(timed, "followers", "vic", "ada") == [f"fan{n:03}" for n in range(4, -1, -1)]


def test_l13_a_cursor_is_for_one_viewer_and_one_list(feed: Feed) -> None:
    for fan in ("bob", "cem", "dot"):
        befriend(feed, fan, "ada")
        feed.befriend(f"{fan}2", "ada")
    cursor = feed.followers("bob", "ada", limit=1).next_cursor
    assert cursor is not None
    of_requests = feed.requests("ada", limit=1).next_cursor
    assert feed.followers("bob", "ada", limit=1, cursor=cursor).keys == ["cem"]
    for verb, args, given in (
        ("followers", ("cem", "ada"), cursor),
        ("followers", (None, "ada"), cursor),
        ("followers", ("bob", "bob"), cursor),
        ("following", ("bob", "ada"), cursor),
        ("friends", ("bob", "ada"), cursor),
        ("requests", ("ada",), cursor),
        ("home", ("bob",), cursor),
        ("requests", ("bob",), of_requests),
        ("followers", ("ada", "ada"), of_requests),
        ("followers", ("bob", "ada"), "x" * 1_000_000),
        ("followers", ("bob", "ada"), 7),
    ):
        with pytest.raises(InvalidCursor):
            getattr(feed, verb)(*args, cursor=given)


# suggestions


def test_suggestions_are_followed_by_those_whom_the_viewer_follows(feed: Feed) -> None:
    # given
    for friend in ("f1", "f2", "f3"):
        feed.follow("vic", friend)
        feed.follow(friend, "vic")
        feed.follow(friend, "star")
    for key in ("known", "muted", "blocked", "blocker", "gone", "private"):
        feed.follow("f1", key)
        feed.follow("f2", key)
    feed.follow("vic", "known")
    feed.mute("vic", "muted")
    feed.block("vic", "blocked")
    feed.block("blocker", "vic")
    feed.users.put("private", private=True)
    feed.follow("vic", "private")
    feed.follow("f3", "asked")
    feed.befriend("vic", "asked")
    feed.follow("f2", "few")
    suspend(feed, "gone")
    feed.follow("nobody", "nowhere")

    # then
    found = feed.suggestions("vic")
    assert [(one.user.key, one.common) for one in found] == [("star", 3), ("few", 1)]
    assert [one.user.key for one in feed.suggestions("vic", limit=1)] == ["star"]
    assert feed.suggestions("stranger") == feed.suggestions("star") == []


def test_suggestions_look_at_a_bounded_sample(backend_url: str) -> None:
    settings = Settings(suggestions_followees=2, suggestions_each=2)
    with opened(backend_url, settings=settings, clock=(clock := ManualClock(START))) as feed:
        for n in range(5):
            feed.follow("vic", f"f{n}")
            for each in range(4):
                feed.follow(f"f{n}", f"of{n}-{each}")
                clock.advance(milliseconds=1)
        assert {one.user.key for one in feed.suggestions("vic")} == {"of4-3", "of4-2", "of3-3", "of3-2"}


# standings


def test_relations_are_told_in_one_batch(feed: Feed) -> None:
    feed.follow("ada", "bob")
    feed.follow("cem", "ada")
    befriend(feed, "ada", "dot")
    told = feed.relation("ada", ["dot", "bob", "cem", "ada", "nobody", "bob"])
    assert list(told) == ["dot", "bob", "cem", "ada", "nobody"]
    assert told["bob"] == feedkit.Standing(following=True, reposts=True)
    assert told["cem"] == feedkit.Standing(followed_by=True)
    assert told["dot"] == feedkit.Standing(following=True, followed_by=True, friends=True, reposts=True)
    assert told["ada"] == told["nobody"] == feedkit.Standing()
    assert set(feed.relation(None, ["ada"]).values()) == {feedkit.Standing()}
    assert feed.relation("ada", []) == feed.relation("nobody", []) == {}
    assert told["bob"].to_dict()["muted_until"] is None
    with pytest.raises(LimitExceeded):
        feed.relation("ada", [str(n) for n in range(501)])
