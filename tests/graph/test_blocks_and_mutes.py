"""A block ends everything between two, a mute lapses, a follow may leave reposts out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import feedkit
from feedkit import FeedkitError, Forbidden, InvalidArgument, ManualClock
from feedkit.model import Assoc
from feedkit.relations import Tie
from tests.cases.case_tools import START, both_paths, ids
from tests.graph.words import Feed, befriend, counts, links, users_of, waiting

# blocks


def test_a_block_ends_everything_between_two_and_nothing_with_others(feed: Feed) -> None:
    # given
    for key in ("ada", "bob", "cem"):
        feed.users.put(key, private=True)
    befriend(feed, "ada", "cem")
    befriend(feed, "bob", "cem")
    feed.follow("ada", "bob")
    feed.follow("bob", "ada")
    feed.accept("ada", "bob")
    feed.befriend("ada", "bob")
    of_ada, of_bob, of_cem = (feed.lists.create(key, "close") for key in ("ada", "bob", "cem"))
    feed.lists.add("ada", of_ada.id, ["bob", "cem"])
    feed.lists.add("bob", of_bob.id, ["ada", "cem"])
    feed.lists.add("cem", of_cem.id, ["ada", "bob"])

    # when
    assert feed.block("ada", "bob") == feedkit.Relation("active", changed=True)
    assert feed.block("ada", "bob") == feedkit.Relation("active", changed=False)

    # then
    both_ways = {("ada", "bob"), ("bob", "ada")}
    for kind in (Assoc.FOLLOWS, Assoc.FRIENDS, Assoc.REQUESTS, Assoc.ASKS):
        assert not links(feed, kind) & both_ways, kind
    assert users_of(feed.friends("cem", "cem")) == ["bob", "ada"]
    assert users_of(feed.lists.members("ada", of_ada.id)) == ["cem"]
    assert users_of(feed.lists.members("bob", of_bob.id)) == ["cem"]
    assert sorted(users_of(feed.lists.members("cem", of_cem.id))) == ["ada", "bob"]
    assert waiting(feed, "ada") == waiting(feed, "bob") == []
    assert counts(feed, "ada") == counts(feed, "bob") == (1, 1, 1)
    for verb in ("follow", "befriend"):
        for actor, target in both_ways:
            with pytest.raises(Forbidden):
                getattr(feed, verb)(actor, target)
    for owner, made, other in (("ada", of_ada, "bob"), ("bob", of_bob, "ada")):
        with pytest.raises(Forbidden):
            feed.lists.add(owner, made.id, ["dot", other])
        assert users_of(feed.lists.members(owner, made.id)) == ["cem"], "all or nothing"

    # when
    feed.unblock("ada", "bob")

    # then
    assert feed.relation("ada", ["bob"]) == {"bob": feedkit.Standing()}
    assert users_of(feed.lists.members("ada", of_ada.id)) == ["cem"]


def test_who_is_blocked_cannot_tell(feed: Feed) -> None:
    # given
    for stranger in ("ada", "cem"):
        feed.users.put(stranger)
        feed.follow("dot", stranger)
    feed.block("ada", "bob")
    feed.mute("ada", "bob")

    # then
    told = feed.relation("bob", ["ada", "cem", "nobody"])
    assert told["ada"] == told["cem"] == told["nobody"] == feedkit.Standing()
    assert feed.relation("ada", ["bob"])["bob"] == feedkit.Standing(blocked=True, muted=True)
    for verb in ("followers", "following", "friends", "mutuals"):
        assert getattr(feed, verb)("bob", "ada") == getattr(feed, verb)("bob", "nobody")


def test_errors_name_only_what_the_caller_said(feed: Feed) -> None:
    feed.block("ada", "bob")
    with pytest.raises(FeedkitError) as refused:
        feed.befriend("bob", "ada")
    assert refused.value.argument == "target"
    assert "ada" not in str(refused.value)
    assert "block" not in str(refused.value)
    with pytest.raises(
        FeedkitError, match="actor cannot befriend target, whom actor blocks; unblock them first"
    ):
        feed.befriend("ada", "bob")


# mutes


def test_a_mute_lapses_by_the_clock_and_no_worker(timed: Feed, clock: ManualClock) -> None:
    # given
    timed.follow("bob", "ada")
    post = timed.publish("ada", text="hi")

    # when
    assert timed.mute("bob", "ada", duration=timedelta(hours=1)).changed

    # then
    assert both_paths(timed, "bob") == []
    standing = timed.relation("bob", ["ada"])["ada"]
    assert standing.muted
    assert standing.muted_until == START + timedelta(hours=1)
    clock.advance(minutes=59, seconds=59)
    assert both_paths(timed, "bob") == []
    clock.advance(seconds=1)
    assert ids(timed.home("bob")) == both_paths(timed, "bob") == [post.id]
    assert timed.relation("bob", ["ada"])["ada"] == feedkit.Standing(following=True, reposts=True)
    assert timed.unmute("bob", "ada") == feedkit.Relation("none", changed=False), "it was over"


def test_to_mute_again_sets_the_end_anew(timed: Feed, clock: ManualClock) -> None:
    timed.follow("bob", "ada")
    post = timed.publish("ada", text="hi")
    hour = timedelta(hours=1)
    for duration, changed, shown_after in (
        (hour, True, 1),
        (hour, False, 1),  # at the same moment
        (2 * hour, True, 2),
        (None, True, None),
        (None, False, None),
        (hour, True, 1),
    ):
        assert timed.mute("bob", "ada", duration=duration) == feedkit.Relation("active", changed)
        assert ids(timed.home("bob")) == []
        until = None if shown_after is None else clock.now_ms() + shown_after * 3_600_000
        assert timed.relation("bob", ["ada"])["ada"].muted_until_ms == until
    clock.advance(hours=1)
    assert ids(timed.home("bob")) == [post.id]
    assert timed.mute("bob", "ada").changed
    assert ids(timed.home("bob")) == []
    clock.advance(hours=24 * 365 * 50)
    assert ids(timed.home("bob")) == []
    assert timed.unmute("bob", "ada").changed
    assert ids(timed.home("bob")) == [post.id]


@pytest.mark.parametrize(
    "wrong", [0, 3600, "1h", timedelta(0), timedelta(seconds=-1), timedelta(days=99_999)]
)
def test_the_duration_of_a_mute_is_bounded(wrong: Any) -> None:
    with feedkit.connect("memory://") as feed, pytest.raises(InvalidArgument) as refused:
        feed.mute("bob", "ada", duration=wrong)
    assert refused.value.argument == "duration"


# options of a follow


def test_a_follow_may_leave_reposts_out_and_change_its_mind(feed: Feed) -> None:
    feed.home("bob")
    for reposts, changed in ((False, True), (False, False), (True, True), (True, False), (False, True)):
        assert feed.follow("bob", "ada", reposts=reposts) == feedkit.Relation("active", changed)
        assert feed.relation("bob", ["ada"])["ada"].reposts is reposts
        feed.home("bob")
        runtime = feed.runtime()
        (bob, ada) = runtime.directory.find_many(["bob", "ada"], "keys")
        assert bob is not None
        assert ada is not None
        (ties,) = runtime.readthrough.viewer(bob).relations.with_each([ada])
        assert bool(ties & Tie.NO_REPOSTS) is not reposts, "readers see it at once"
    with pytest.raises(InvalidArgument, match="reposts must be True or False"):
        feed.follow("bob", "ada", reposts=1)  # type: ignore[arg-type]
    assert counts(feed, "ada") == (1, 0, 0)


def test_the_option_of_a_request_is_that_of_the_follow(feed: Feed) -> None:
    feed.users.put("ada", private=True)
    feed.follow("bob", "ada")
    assert feed.follow("bob", "ada", reposts=False) == feedkit.Relation("requested", changed=True)
    feed.accept("ada", "bob")
    assert feed.relation("bob", ["ada"])["ada"] == feedkit.Standing(following=True, reposts=False)
