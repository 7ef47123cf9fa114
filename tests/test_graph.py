"""What stands between people: follows and requests, friends, blocks, mutes, lists, and pages of people."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

import feedkit
from feedkit import (
    Conflict,
    FeedkitError,
    Forbidden,
    InvalidArgument,
    InvalidCursor,
    LimitExceeded,
    ManualClock,
    NotFound,
    Settings,
)
from feedkit.model import Assoc
from feedkit.visibility import Tie
from tests.cases.case_tools import START, TABLES, both_paths, ids, opened

Feed = feedkit.Feed[str]


class TickingClock(ManualClock):
    """A millisecond later whenever somebody looks: what comes later is newer."""

    def now_ms(self) -> int:
        self.advance(milliseconds=1)
        return super().now_ms()


@pytest.fixture
def feed(backend_url: str) -> Iterator[Feed]:
    with opened(backend_url, clock=TickingClock(START)) as made:
        yield made


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def timed(backend_url: str, clock: ManualClock) -> Iterator[Feed]:
    """A feed whose clock stands still, with small pages of people."""
    with opened(backend_url, clock=clock, settings=Settings(max_scan=100)) as made:
        yield made


def links(feed: Feed, kind: Assoc) -> set[tuple[str, str]]:
    """Every association of one kind, by the keys of both ends, as it is stored."""
    links, users = TABLES.associations, TABLES.users
    with feed.runtime().truth._database.engine.connect() as connection:
        names = {row.id: row.key.decode() for row in connection.execute(sa.select(users.c.id, users.c.key))}
        rows = connection.execute(sa.select(links.c.id1, links.c.id2).where(links.c.kind == kind.value))
        return {(names[row.id1], names[row.id2]) for row in rows}


def users_of(page: feedkit.UserPage[str]) -> list[str]:
    return page.keys


def walked(feed: Feed, verb: str, *args: Any, limit: int = 3) -> list[str]:
    """Everybody on a list, page after page."""
    page = getattr(feed, verb)(*args, limit=limit)
    found = list(page.keys)
    while page.next_cursor is not None:
        page = getattr(feed, verb)(*args, limit=limit, cursor=page.next_cursor)
        found += page.keys
    return found


def waiting(feed: Feed, owner: str) -> list[tuple[str, str]]:
    return [(request.user.key, request.kind) for request in feed.requests(owner)]


def counts(feed: Feed, user: str) -> tuple[int, int, int]:
    """Followers, following, friends."""
    feed.drain()
    of = feed.profile(user, user).counts
    return of.followers, of.following, of.friends


def suspend(feed: Feed, key: str, *, status: str = "suspended") -> None:
    runtime = feed.runtime()
    (user_id,) = runtime.directory.find_many([key], "key")
    assert user_id is not None
    runtime.user_writing.patch(user_id, {"status": status})


# private accounts


def test_l04_a_follow_request_that_is_pending_counts_as_no_follow(feed: Feed) -> None:
    # given
    feed.users.put("ada", private=True)
    post = feed.publish("ada", text="for followers")
    feed.publish("ada", text="too", audience="followers")
    feed.users.put("bob")
    feed.home("bob")

    # when
    asked = feed.follow("bob", "ada")

    # then
    assert (asked.status, asked.active, asked.changed) == ("requested", False, True)
    assert both_paths(feed, "bob") == ids(feed.profile("bob", "ada")) == []
    assert feed.posts.get("bob", [post.id]) == [None]
    assert users_of(feed.followers("bob", "ada")) == users_of(feed.following("bob", "ada")) == []
    assert users_of(feed.followers("ada", "ada")) == users_of(feed.following("bob", "bob")) == []
    assert counts(feed, "ada") == counts(feed, "bob") == (0, 0, 0)
    assert links(feed, Assoc.FOLLOWS) == links(feed, Assoc.FRIENDS) == set()
    standing = feed.relation("bob", ["ada"])["ada"]
    assert (standing.requested, standing.following, standing.reposts) == (True, False, False)
    assert feed.relation("ada", ["bob"])["bob"].requested_by


def test_who_is_accepted_follows_and_sees_what_came_before(feed: Feed) -> None:
    # given
    feed.users.put("ada", private=True)
    post = feed.publish("ada", text="hi")
    feed.follow("bob", "ada")
    assert ids(feed.home("bob")) == []

    # when
    accepted = feed.accept("ada", "bob")

    # then
    assert (accepted.status, accepted.changed) == ("active", True)
    assert both_paths(feed, "bob") == ids(feed.profile("bob", "ada")) == [post.id]
    assert waiting(feed, "ada") == []
    assert counts(feed, "ada") == (1, 0, 0)
    assert feed.accept("ada", "bob") == feedkit.Relation("active", changed=False)
    assert feed.follow("bob", "ada") == feedkit.Relation("active", changed=False)


def test_requests_are_made_declined_and_withdrawn_once(feed: Feed) -> None:
    feed.users.put("ada", private=True)
    for verb, args in (("decline", ("ada", "bob")), ("unfollow", ("bob", "ada"))):
        assert feed.follow("bob", "ada") == feedkit.Relation("requested", changed=True)
        assert feed.follow("bob", "ada") == feedkit.Relation("requested", changed=False)
        assert waiting(feed, "ada") == [("bob", "follow")]
        assert getattr(feed, verb)(*args) == feedkit.Relation("none", changed=True)
        assert getattr(feed, verb)(*args) == feedkit.Relation("none", changed=False)
        assert waiting(feed, "ada") == []
        assert feed.accept("ada", "bob") == feedkit.Relation("none", changed=False)
    assert links(feed, Assoc.REQUESTS) == links(feed, Assoc.FOLLOWS) == set()


def test_followers_stay_when_somebody_goes_private_and_requests_when_they_are_public_again(
    feed: Feed,
) -> None:
    # given
    feed.follow("bob", "ada")
    feed.users.put("ada", private=True)
    post = feed.publish("ada", text="hi")
    feed.follow("cem", "ada")
    feed.follow("dot", "ada")

    # then
    assert ids(feed.home("bob")) == [post.id]
    assert ids(feed.profile("cem", "ada")) == ids(feed.profile(None, "ada")) == []

    # when
    feed.users.put("ada", private=False)

    # then
    assert ids(feed.profile("cem", "ada")) == ids(feed.profile(None, "ada")) == [post.id]
    assert waiting(feed, "ada") == [("dot", "follow"), ("cem", "follow")]
    assert feed.follow("cem", "ada") == feedkit.Relation("active", changed=True)
    assert feed.accept("ada", "dot") == feedkit.Relation("active", changed=True)
    assert waiting(feed, "ada") == []
    assert links(feed, Assoc.REQUESTS) == set()


def test_private_is_true_or_false_and_stays_as_it_is_when_left_out(feed: Feed) -> None:
    assert feed.users.put("ada", private=True).private
    assert feed.users.put("ada", handle="a").private
    assert feed.users.get(["ada"])["ada"].private
    for wrong in (1, 0, "yes", None):
        with pytest.raises(InvalidArgument) as refused:
            feed.users.put("ada", private=wrong)  # type: ignore[arg-type]
        assert refused.value.argument == "private"


# friends


@pytest.mark.parametrize("answer", ["accept", "befriend"])
def test_friendship_is_asked_for_and_agreed_to(feed: Feed, answer: str) -> None:
    # given
    post = feed.publish("ada", text="among friends", audience="friends")
    own = feed.publish("bob", text="too", audience="friends")

    # when
    assert feed.befriend("bob", "ada") == feedkit.Relation("requested", changed=True)
    assert feed.befriend("bob", "ada") == feedkit.Relation("requested", changed=False)

    # then
    assert waiting(feed, "ada") == [("bob", "friendship")]
    assert feed.relation("bob", ["ada"])["ada"].asked
    assert feed.relation("ada", ["bob"])["bob"].asked_by
    assert ids(feed.home("bob")) == [own.id]

    # when
    assert getattr(feed, answer)("ada", "bob") == feedkit.Relation("active", changed=True)
    assert getattr(feed, answer)("ada", "bob") == feedkit.Relation("active", changed=False)

    # then
    assert both_paths(feed, "bob") == both_paths(feed, "ada") == [own.id, post.id]
    assert links(feed, Assoc.FRIENDS) == links(feed, Assoc.FOLLOWS) == {("ada", "bob"), ("bob", "ada")}
    assert links(feed, Assoc.ASKS) == set()
    assert counts(feed, "ada") == counts(feed, "bob") == (1, 1, 1)
    assert users_of(feed.friends(None, "ada")) == ["bob"]
    assert feed.befriend("bob", "ada") == feedkit.Relation("active", changed=False)

    # when
    assert feed.unfriend("ada", "bob") == feedkit.Relation("none", changed=True)
    assert feed.unfriend("ada", "bob") == feedkit.Relation("none", changed=False)

    # then
    assert links(feed, Assoc.FRIENDS) == links(feed, Assoc.FOLLOWS) == set()
    assert counts(feed, "ada") == counts(feed, "bob") == (0, 0, 0)
    assert both_paths(feed, "bob") == [own.id]


def test_who_follow_each_other_are_friends_however_it_came(feed: Feed) -> None:
    # given
    post = feed.publish("ada", text="among friends", audience="friends")
    feed.users.put("ada", private=True)
    feed.befriend("ada", "bob")

    # when
    feed.follow("ada", "bob")
    feed.follow("bob", "ada")
    assert links(feed, Assoc.FRIENDS) == set(), "one of the follows waits"
    feed.accept("ada", "bob")

    # then
    assert links(feed, Assoc.FRIENDS) == {("ada", "bob"), ("bob", "ada")}
    assert waiting(feed, "bob") == waiting(feed, "ada") == [], "what was asked for has come true"
    assert ids(feed.home("bob")) == [post.id]
    assert feed.relation("bob", ["ada"])["ada"].friends

    # when
    feed.unfollow("ada", "bob")

    # then
    assert links(feed, Assoc.FRIENDS) == set()
    assert both_paths(feed, "bob") == [], "a follower is no friend"
    assert counts(feed, "bob") == (0, 1, 0)


def test_unfriend_leaves_follows_alone_that_are_no_friendship(feed: Feed) -> None:
    feed.follow("bob", "ada")
    feed.befriend("bob", "ada")
    assert feed.unfriend("ada", "bob") == feedkit.Relation("none", changed=False)
    assert waiting(feed, "ada") == [("bob", "friendship")], "nobody withdraws what another has asked"
    assert feed.unfriend("bob", "ada") == feedkit.Relation("none", changed=True)
    assert waiting(feed, "ada") == []
    assert links(feed, Assoc.FOLLOWS) == {("bob", "ada")}


def test_to_accept_a_friendship_answers_the_follow_request_too(feed: Feed) -> None:
    feed.users.put("ada", private=True)
    feed.users.put("bob", private=True)
    feed.follow("bob", "ada", reposts=False)
    feed.follow("ada", "bob")
    feed.befriend("bob", "ada")
    assert waiting(feed, "ada") == [("bob", "friendship"), ("bob", "follow")]
    assert users_of_requests(feed, "ada") == ["bob", "bob"]

    feed.accept("ada", "bob")

    assert waiting(feed, "ada") == waiting(feed, "bob") == []
    assert feed.relation("bob", ["ada"])["ada"] == feedkit.Standing(
        following=True, followed_by=True, friends=True, reposts=False
    )


def users_of_requests(feed: Feed, owner: str) -> list[str]:
    """Page by page of one."""
    page = feed.requests(owner, limit=1)
    found = [request.user.key for request in page]
    while page.next_cursor is not None:
        page = feed.requests(owner, limit=1, cursor=page.next_cursor)
        found += [request.user.key for request in page]
    return found


def test_decline_refuses_everything_that_somebody_asked_for(feed: Feed) -> None:
    feed.users.put("ada", private=True)
    feed.follow("bob", "ada")
    feed.befriend("bob", "ada")
    assert feed.decline("ada", "bob") == feedkit.Relation("none", changed=True)
    assert waiting(feed, "ada") == []
    assert links(feed, Assoc.ASKS) == links(feed, Assoc.REQUESTS) == set()


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


def befriend(feed: Feed, one: str, other: str) -> None:
    feed.befriend(one, other)
    feed.accept(other, one)


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


# lists


def test_a_list_is_made_named_filled_and_removed(feed: Feed) -> None:
    # when
    close, work = feed.lists.create("ada", "close"), feed.lists.create("ada", "Work")
    assert feed.lists.add("ada", close.id, ["bob", "cem", "bob"]) == 2
    assert feed.lists.add("ada", str(close.id), ["cem", "dot"]) == 1
    assert feed.lists.remove("ada", close.id, ["bob", "nobody"]) == 1
    assert feed.lists.remove("ada", close.id, ["bob"]) == 0

    # then
    assert sorted(users_of(feed.lists.members("ada", close.id))) == ["cem", "dot"]
    assert users_of(feed.lists.members("ada", work.id)) == []
    assert feed.lists.of("ada") == [work, close]
    assert feed.lists.of("bob") == feed.lists.of("nobody") == []

    # when
    renamed = feed.lists.rename("ada", close.id, "Äußerst nah")

    # then
    assert (renamed.id, renamed.name, renamed.created_at) == (close.id, "Äußerst nah", close.created_at)
    assert feed.lists.rename("ada", close.id, "Äußerst nah") == renamed
    with pytest.raises(Conflict) as refused:
        feed.lists.create("ada", "Work")
    assert refused.value.argument == "name"
    with pytest.raises(Conflict):
        feed.lists.rename("ada", close.id, "Work")
    assert feed.lists.create("bob", "Work").id != work.id

    # when
    feed.lists.delete("ada", close.id)

    # then
    assert feed.lists.of("ada") == [work]
    with pytest.raises(NotFound):
        feed.lists.delete("ada", close.id)
    assert links_of_lists(feed) == 0


def links_of_lists(feed: Feed) -> int:
    links = TABLES.associations
    with feed.runtime().truth._database.engine.connect() as connection:
        kinds = links.c.kind.in_([Assoc.LISTS.value, Assoc.LISTED_IN.value])
        return int(connection.scalar(sa.select(sa.func.count()).select_from(links).where(kinds)) or 0)


def test_what_is_posted_to_a_list_follows_who_is_on_it(feed: Feed) -> None:
    # given
    close = feed.lists.create("ada", "close")
    for reader in ("bob", "cem"):
        feed.follow(reader, "ada")
    feed.lists.add("ada", close.id, ["bob"])
    post = feed.publish("ada", text="hi", audience="list", list=close.id)

    def seen_by() -> list[str]:
        return [who for who in ("ada", "bob", "cem") if both_paths(feed, who) == [post.id]]

    # then
    assert seen_by() == ["ada", "bob"]
    feed.lists.add("ada", close.id, ["cem"])
    assert seen_by() == ["ada", "bob", "cem"]
    feed.lists.remove("ada", close.id, ["bob"])
    assert seen_by() == ["ada", "cem"]
    feed.lists.delete("ada", close.id)
    assert seen_by() == ["ada"]
    assert feed.posts.get("cem", [post.id]) == [None]


def test_l12_the_lists_of_others_are_as_if_they_were_not_there(feed: Feed) -> None:
    # given
    close = feed.lists.create("ada", "close")
    feed.lists.add("ada", close.id, ["bob"])
    feed.lists.create("bob", "own")

    def refusals(owner: str, list_id: int) -> list[object]:
        found: list[object] = []
        for verb, args in (
            ("members", ()),
            ("rename", ("mine",)),
            ("delete", ()),
            ("add", (["cem"],)),
            ("remove", (["bob"],)),
        ):
            with pytest.raises(NotFound) as refused:
                getattr(feed.lists, verb)(owner, list_id, *args)
            found.append(refused.value.to_dict())
        return found

    # then
    missing = refusals("bob", 1)
    assert refusals("bob", close.id) == refusals("nobody", close.id) == missing
    assert refusals("nobody", 1) == missing
    with pytest.raises(NotFound):
        feed.publish("bob", audience="list", list=close.id)
    assert feed.lists.of("ada") == [close]
    assert users_of(feed.lists.members("ada", close.id)) == ["bob"]


def test_nobody_stands_on_a_list_of_their_own(feed: Feed) -> None:
    close = feed.lists.create("ada", "close")
    with pytest.raises(InvalidArgument) as refused:
        feed.lists.add("ada", close.id, ["bob", "ada"])
    assert refused.value.argument == "keys"
    assert users_of(feed.lists.members("ada", close.id)) == []


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


# bounds


def test_a01_every_kind_of_tie_has_its_bound(backend_url: str) -> None:
    settings = Settings(
        following_max=2, requests_max=2, blocks_max=2, mutes_max=2, lists_max=2, list_members_max=2,
        list_name_max_chars=5,
    )  # fmt: skip
    with opened(backend_url, settings=settings, clock=(clock := ManualClock(START))) as feed:
        for other in ("x", "y", "z", "u"):
            feed.users.put(other, private=True)
        hour = timedelta(hours=1)
        for verb, options, bound in (
            ("follow", {}, "requests_max"),
            ("befriend", {}, "requests_max"),
            ("block", {}, "blocks_max"),
            ("mute", {"duration": hour}, "mutes_max"),
        ):
            for other in ("x", "y"):
                getattr(feed, verb)(verb, other, **options)
            with pytest.raises(LimitExceeded, match=bound) as refused:
                getattr(feed, verb)(verb, "z", **options)
            assert (refused.value.argument, refused.value.limit) == ("actor", 2)
            assert feed.relation(verb, ["z"])["z"] == feedkit.Standing(), "nothing of it is left"
            assert not getattr(feed, verb)(verb, "y", **options).changed

        # a mute that has lapsed makes room
        clock.advance(hours=1)
        assert feed.mute("mute", "z").changed
        assert [one.muted for one in feed.relation("mute", ["x", "y", "z"]).values()] == [False, False, True]

        # whoever would follow too many by being accepted
        for other in ("p", "q"):
            feed.follow("follow", other)
        with pytest.raises(LimitExceeded, match=r"requester follows 2 others.*following_max") as refused:
            feed.accept("x", "follow")
        assert refused.value.argument == "requester"
        assert waiting(feed, "x") == [("befriend", "friendship"), ("follow", "follow")]

        made = [feed.lists.create("ada", name) for name in ("one", "two")]
        with pytest.raises(LimitExceeded, match="lists_max"):
            feed.lists.create("ada", "three")
        feed.lists.add("ada", made[0].id, ["x"])
        with pytest.raises(LimitExceeded, match="list_members_max"):
            feed.lists.add("ada", made[0].id, ["y", "z"])
        assert users_of(feed.lists.members("ada", made[0].id)) == ["x"]
        for name in ("", "toolong", "\0", 5, "\ud800"):
            with pytest.raises(InvalidArgument) as wrong:
                feed.lists.create("bob", name)  # type: ignore[arg-type]
            assert wrong.value.argument == "name"


@pytest.mark.parametrize("verb", ["follow", "befriend", "block", "mute"])
def test_nobody_has_ties_to_themselves(verb: str) -> None:
    with feedkit.connect("memory://") as feed:
        with pytest.raises(InvalidArgument) as refused:
            getattr(feed, verb)("ada", "ada")
        assert refused.value.argument == "target"
        feed.users.put("ada")
        for undo in ("unfollow", "unfriend", "unblock", "unmute", "accept", "decline"):
            assert getattr(feed, undo)("ada", "ada") == feedkit.Relation("none", changed=False)


# in a transaction of the host's


def test_every_verb_joins_the_hosts_transaction(backend_url: str, feed: Feed) -> None:
    engine = feed.runtime().truth._database.engine
    if backend_url == "memory://":
        pytest.skip("a database in memory has no second connection")
    feed.users.put("ada", private=True)
    for rolls_back in (True, False):
        with engine.connect() as connection, connection.begin() as host:
            feed.follow("bob", "ada", connection=connection)
            feed.befriend("cem", "ada", connection=connection)
            assert feed.accept("ada", "cem", connection=connection).changed
            close = feed.lists.create("ada", "close", connection=connection)
            assert feed.lists.add("ada", close.id, ["bob", "dot"], connection=connection) == 2
            feed.lists.rename("ada", close.id, "closer", connection=connection)
            with pytest.raises(Conflict):
                feed.lists.create("ada", "closer", connection=connection)
            feed.lists.remove("ada", close.id, ["dot"], connection=connection)
            feed.mute("ada", "cem", duration=timedelta(hours=1), connection=connection)
            if rolls_back:
                host.rollback()
        if rolls_back:
            assert waiting(feed, "ada") == []
            assert users_of(feed.friends("ada", "ada")) == []
            assert feed.lists.of("ada") == []
    assert waiting(feed, "ada") == [("bob", "follow")]
    assert users_of(feed.friends("ada", "ada")) == ["cem"]
    (made,) = feed.lists.of("ada")
    assert users_of(feed.lists.members("ada", made.id)) == ["bob"]
    with engine.connect() as connection, connection.begin():
        feed.block("ada", "bob", connection=connection)
        feed.lists.delete("ada", made.id, connection=connection)
    assert not feed.lists.of("ada")
    assert not waiting(feed, "ada")


# many at once


@pytest.mark.postgres
def test_friends_are_those_who_follow_each_other_under_concurrency(postgres_database: str) -> None:
    everybody = ("ada", "bob", "cem")
    verbs = ("follow", "unfollow", "befriend", "unfriend", "accept", "decline", "block", "unblock")
    with opened(postgres_database) as feed:
        for key in everybody:
            feed.users.put(key, private=key == "cem")

        def meddle(seed: int) -> None:
            rng = random.Random(seed)
            for _ in range(60):
                actor, target = rng.sample(everybody, 2)
                verb = rng.choices(verbs, (9, 2, 4, 2, 6, 1, 1, 6))[0]
                with suppress(Forbidden):
                    getattr(feed, verb)(actor, target)

        # when
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(meddle, range(8)))

        # then
        check_laws(feed, everybody)


def check_laws(feed: Feed, everybody: tuple[str, ...]) -> None:
    follows = links(feed, Assoc.FOLLOWS)
    back = {(b, a) for a, b in follows}
    assert links(feed, Assoc.FRIENDS) == follows & back
    for kind in (Assoc.FOLLOWS, Assoc.REQUESTS, Assoc.ASKS, Assoc.BLOCKS, Assoc.FRIENDS):
        assert links(feed, kind.inverse) == {(b, a) for a, b in links(feed, kind)}, kind
    assert not links(feed, Assoc.REQUESTS) & follows
    assert not (links(feed, Assoc.ASKS) & follows & back)
    blocks = links(feed, Assoc.BLOCKS)
    for kind in (Assoc.FOLLOWS, Assoc.REQUESTS, Assoc.ASKS):
        assert not links(feed, kind) & (blocks | {(b, a) for a, b in blocks}), kind
    for key in everybody:
        expected = (
            sum(b == key for _, b in follows),
            sum(a == key for a, _ in follows),
            sum(a == key for a, _ in follows & back),
        )
        assert counts(feed, key) == expected


@pytest.mark.postgres
def test_two_who_follow_each_other_at_once_are_friends(postgres_database: str) -> None:
    with opened(postgres_database) as feed, ThreadPoolExecutor(2) as pool:
        feed.users.put("warm")
        for n in range(25):
            a, b = f"a{n}", f"b{n}"
            verb = feed.follow if n % 2 else feed.befriend
            list(pool.map(lambda pair, verb=verb: verb(*pair), ((a, b), (b, a))))
            assert feed.relation(a, [b])[b].friends
            list(pool.map(lambda pair: feed.unfollow(*pair), ((a, b), (b, a))))
        assert links(feed, Assoc.FRIENDS) == set()


@pytest.mark.postgres
def test_a03_bounds_hold_for_many_at_once(postgres_database: str) -> None:
    settings = Settings(following_max=5, lists_max=3, list_members_max=5, blocks_max=5)
    with opened(postgres_database, settings=settings) as feed, ThreadPoolExecutor(16) as pool:
        close = feed.lists.create("ada", "close")

        def tried(call: Any) -> bool:
            try:
                call()
            except LimitExceeded:
                return False
            return True

        def many(verb: Any) -> int:
            return sum(pool.map(lambda n: tried(lambda: verb(n)), range(30)))

        assert many(lambda n: feed.follow("ada", f"f{n}")) == 5
        assert many(lambda n: feed.block("ada", f"b{n}")) == 5
        assert many(lambda n: feed.lists.create("ada", f"l{n}")) == 2
        assert many(lambda n: feed.lists.add("ada", close.id, [f"m{n}"])) == 5
        assert len(feed.following("ada", "ada", limit=100)) == 5
        assert len(feed.lists.of("ada")) == 3
        assert len(feed.lists.members("ada", close.id, limit=100)) == 5


@pytest.mark.postgres
def test_a_block_and_a_list_meet(postgres_database: str) -> None:
    """Whichever comes first, nobody is on a list of somebody whom they block."""
    with opened(postgres_database) as feed, ThreadPoolExecutor(2) as pool:
        close = feed.lists.create("ada", "close")
        for n in range(20):
            other = f"u{n}"
            feed.users.put(other)

            def add(other: str = other) -> None:
                with suppress(Forbidden):
                    feed.lists.add("ada", close.id, [other])

            adding, blocking = pool.submit(add), pool.submit(feed.block, other, "ada")
            adding.result()
            blocking.result()
        assert links_of_lists(feed) == 0


def test_errors_name_only_what_the_caller_said(feed: Feed) -> None:
    feed.block("ada", "bob")
    with pytest.raises(FeedkitError) as refused:
        feed.befriend("bob", "ada")
    assert refused.value.argument == "target"
    assert "ada" not in str(refused.value)
