"""`explain` is right: what it says of a post is what a reader who walks the whole home feed finds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import feedkit
from feedkit import Explanation, Hybrid, InvalidArgument, ManualClock, NotFound, PullAll, PushAll, Settings
from feedkit.model import Assoc, Audience, Event, EventKind, Post, PostStatus
from tests.cases.case_tools import START

PEOPLE = ("ada", "bob", "cyn", "dan")
POLICIES: tuple[feedkit.FanoutPolicy, ...] = (PushAll(), PullAll(), Hybrid(pull_above=1, resume_below=0))
SMALL = Settings(inbox_entries=10, outbox_entries=10, page_limit_default=3)
KINDS = {"follow": EventKind.FOLLOW_ADDED, "status": EventKind.POST_EDITED}

people = st.sampled_from(PEOPLE)
numbers = st.integers(0, 20)
actions = st.one_of(
    st.tuples(st.sampled_from(["follow", "follow", "befriend", "no_reposts"]), people, people),
    st.tuples(st.sampled_from(["unfollow", "block", "unblock", "mute", "unmute"]), people, people),
    st.tuples(st.sampled_from(["list", "unlist"]), people, people),
    st.tuples(st.just("publish"), people, st.sampled_from(Audience), st.booleans()),
    st.tuples(st.just("publish"), people, st.just(Audience.PUBLIC), st.just(False)),
    st.tuples(st.just("repost"), people, numbers),
    st.tuples(st.sampled_from(["delete", "remove", "hold"]), numbers),
    st.tuples(st.sampled_from(["private", "suspend", "read"]), people),
    st.tuples(st.sampled_from(["wipe", "later", "drain"])),
)


@attrs.define
class World:
    """A feed, what was done in it, and every post."""

    feed: feedkit.Feed[str]
    clock: ManualClock
    posts: list[Post] = attrs.field(factory=list)
    lists: dict[str, int] = attrs.field(factory=dict)

    def do(self, name: str, *arguments: Any) -> None:
        getattr(self, f"_{name}", self._relate(name))(*arguments)

    def _relate(self, verb: str) -> Callable[[str, str], None]:
        def relate(actor: str, target: str) -> None:
            with suppress(InvalidArgument, feedkit.Forbidden):  # oneself, or a block between the two
                getattr(self.feed, verb)(actor, target)

        return relate

    def _befriend(self, actor: str, target: str) -> None:
        self._relate("follow")(actor, target)
        self._relate("follow")(target, actor)
        if actor != target and self.follows(actor, target) and self.follows(target, actor):
            self._link(actor, Assoc.FRIENDS, target, None)

    def _no_reposts(self, actor: str, target: str) -> None:
        self.feed.unfollow(actor, target)
        if actor != target and not self.blocked(actor, target):
            self._link(actor, Assoc.FOLLOWS, target, 1)

    def _publish(self, author: str, audience: Audience, expires: bool) -> None:
        expires_in = timedelta(minutes=2) if expires else None
        one = self.list_of(author) if audience is Audience.LIST else None
        with suppress(feedkit.Forbidden):  # suspended
            self.add(author, audience=audience, list=one, expires_in=expires_in)

    def _list(self, owner: str, member: str) -> None:
        with suppress(InvalidArgument, feedkit.Forbidden):  # oneself, or a block between the two
            self.feed.lists.add(owner, self.list_of(owner), [member])

    def _unlist(self, owner: str, member: str) -> None:
        self.feed.lists.remove(owner, self.list_of(owner), [member])

    def _repost(self, who: str, number: int) -> None:
        originals = [post for post in self.posts if post.repost_of is None]
        if not originals:
            return
        original = originals[number % len(originals)]
        if any(post.repost_of == original.id and post.author_id == self.id(who) for post in self.posts):
            return
        runtime = self.feed.runtime()
        post_id, now_ms = runtime.minting.mint(None), self.clock.now_ms()
        post = Post(
            post_id, post_id, self.id(who), now_ms, "repost", published_ms=now_ms, repost_of=original.id
        )
        event = Event(EventKind.POST_PUBLISHED, post.author_id, post.id, now_ms, post.position)
        self._write(lambda tx: runtime.truth.posts.insert(tx, post), event)
        self.posts.append(post)

    def _delete(self, number: int) -> None:
        if self.posts:
            post = self.posts[number % len(self.posts)]
            self.feed.delete(self.key(post.author_id), post.id)

    def _remove(self, number: int) -> None:
        self._set_status(number, PostStatus.REMOVED)

    def _hold(self, number: int) -> None:
        self._set_status(number, PostStatus.PENDING_REVIEW)

    def _set_status(self, number: int, status: PostStatus) -> None:
        if not self.posts:
            return
        post = self.posts[number % len(self.posts)]
        runtime = self.feed.runtime()
        table = runtime.truth._tables.posts
        update = runtime.truth._database.dialect.prepare(
            table.update().where(table.c.id == post.id).values(status=status.value)
        )
        event = Event(EventKind.POST_DELETED, post.author_id, post.id, self.clock.now_ms(), post.position)
        self._write(update.run, event)

    def _private(self, who: str) -> None:
        self._patch(who, {"private": 1})

    def _suspend(self, who: str) -> None:
        self._patch(who, {"status": "suspended"})

    def _read(self, who: str) -> None:
        self.feed.home(who)

    def _wipe(self) -> None:
        self.feed.wipe()

    def _drain(self) -> None:
        self.feed.drain()

    def _later(self) -> None:
        self.clock.advance(minutes=1)

    def _patch(self, who: str, fields: dict[str, Any]) -> None:
        users, user_id = self.feed.runtime().truth.users, self.id(who)
        event = Event(EventKind.USER_CHANGED, user_id, user_id, self.clock.now_ms())
        self._write(lambda tx: users.patch(tx, user_id, fields), event)

    def _link(self, actor: str, kind: Assoc, target: str, data: int | None) -> None:
        graph, ids = self.feed.runtime().truth.graph, (self.id(actor), self.id(target))
        event = Event(EventKind.FOLLOW_ADDED, *ids, self.clock.now_ms())
        self._write(lambda tx: graph.add(tx, ids[0], kind, ids[1], event.at_ms, data=data or 0), event)

    def _write(self, work: Callable[[Any], object], event: Event) -> None:
        truth = self.feed.runtime().truth

        def change(tx: Any) -> None:
            work(tx)
            truth.events.append(tx, event)

        truth.write(change)

    def follows(self, actor: str, target: str) -> bool:
        truth = self.feed.runtime().truth
        return Assoc.FOLLOWS in truth.read(
            lambda tx: truth.graph.between(tx, self.id(actor), self.id(target))
        )

    def blocked(self, one: str, other: str) -> bool:
        truth = self.feed.runtime().truth
        return truth.read(lambda tx: truth.graph.is_blocked(tx, self.id(one), self.id(other)))

    def id(self, who: str) -> int:
        return self.feed.users.get([who])[who].id

    def key(self, user_id: int) -> str:
        return next(who for who in PEOPLE if self.id(who) == user_id)

    def list_of(self, owner: str) -> int:
        """The one list that they keep."""
        if owner not in self.lists:
            self.lists[owner] = self.feed.lists.create(owner, "few").id
        return self.lists[owner]

    def add(self, author: str, **fields: Any) -> Post:
        post = self.feed.publish(author, **fields)
        self.posts.append(post)
        return post


def a_world(policy: feedkit.FanoutPolicy, url: str = "memory://") -> World:
    clock = ManualClock(START)
    feed = feedkit.connect(url, clock=clock, policy=policy, settings=SMALL)
    feed.migrate()
    for who in PEOPLE:
        feed.users.put(who)
    return World(feed, clock)


@pytest.fixture(params=POLICIES, ids=lambda policy: type(policy).__name__)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = a_world(request.param)
    with made.feed:
        yield made


def pages(feed: feedkit.Feed[str], viewer: str, limit: int) -> list[list[feedkit.Item[str]]]:
    page = feed.home(viewer, limit=limit)
    found = [list(page)]
    while page.next_cursor:
        page = feed.home(viewer, limit=limit, cursor=page.next_cursor)
        found.append(list(page))
    return found


def is_found(post: Post, walked: list[list[feedkit.Item[str]]]) -> bool:
    """Whether a post is on any page: in a line of its own, or named as the repost that brought one."""
    lines = [item for page in walked for item in page]
    if post.repost_of is None:
        return any(item.post.id == post.id for item in lines)
    return any(
        item.post.id == post.repost_of and post.author_id in {user.id for user in item.reposted_by}
        for item in lines
    )


def check(world: World, viewer: str) -> list[Explanation]:
    """Explain every post to this viewer's operator, and compare with what the viewer finds."""
    feed = world.feed
    explained = [feed.explain(viewer, post.id) for post in world.posts]
    walked = pages(feed, viewer, SMALL.page_limit_default)
    for post, explanation in zip(world.posts, explained, strict=True):
        assert explanation.in_home is is_found(post, walked), str(explanation)
        assert explanation.visible is (feed.posts.get(viewer, [post.id])[0] is not None), str(explanation)
        if place := re.search(r"page (\d+), line (\d+)", str(explanation)):
            page, line = map(int, place.groups())
            assert walked[page - 1][line - 1].post.id == (post.repost_of or post.id), str(explanation)
        else:
            assert not explanation.in_home
    return explained


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)
@settings(max_examples=25)
@given(done=st.lists(actions, min_size=5, max_size=30))
def test_what_is_explained_is_what_a_reader_finds(
    policy: feedkit.FanoutPolicy, done: list[tuple[Any, ...]]
) -> None:
    world = a_world(policy)
    with world.feed:
        for action in done:
            world.do(*action)
        for viewer in PEOPLE:
            check(world, viewer)


def codes(explanation: Explanation) -> set[tuple[str, str]]:
    return {(step.about, step.code) for step in explanation.steps}


# every reason


def test_a_post_of_a_followee_is_shown_where_it_says(world: World) -> None:
    world.do("follow", "bob", "ada")
    posts = [world.add("ada", text=f"{number}") for number in range(5)]

    check(world, "bob")
    explanation = world.feed.explain("bob", posts[0].id)

    assert (explanation.in_home, explanation.visible) == (True, True)
    assert {("graph", "follows"), ("visibility", "visible"), ("home", "shown")} <= codes(explanation)
    assert "page 2, line 2" in str(explanation)


def make_private_and_unfollow(world: World) -> None:
    world.do("private", "ada")
    world.do("unfollow", "bob", "ada")


HIDDEN: dict[str, tuple[Callable[[World, Post], object], set[tuple[str, str]], bool]] = {
    "deleted": (
        lambda world, post: world.feed.delete("ada", post.id),
        {("post", "deleted"), ("visibility", "deleted")},
        False,
    ),
    "removed": (
        lambda world, _: world.do("remove", 0),
        {("post", "removed"), ("visibility", "removed")},
        False,
    ),
    "held": (
        lambda world, _: world.do("hold", 0),
        {("post", "pending_review"), ("visibility", "held")},
        False,
    ),
    "suspended": (lambda world, _: world.do("suspend", "ada"), {("visibility", "suspended")}, False),
    "muted": (
        lambda world, _: world.feed.mute("bob", "ada"),
        {("graph", "muted"), ("visibility", "muted"), ("home", "hidden")},
        True,
    ),
    "blocking": (
        lambda world, _: world.feed.block("bob", "ada"),
        {("graph", "blocked"), ("graph", "not_followed"), ("visibility", "blocked")},
        False,
    ),
    "blocked": (
        lambda world, _: world.feed.block("ada", "bob"),
        {("graph", "blocked"), ("graph", "not_followed"), ("visibility", "blocked")},
        False,
    ),
    "unfollowed": (
        lambda world, _: world.feed.unfollow("bob", "ada"),
        {("graph", "not_followed"), ("home", "not_there"), ("visibility", "visible")},
        True,
    ),
    "private": (
        lambda world, _: make_private_and_unfollow(world),
        {("visibility", "private")},
        False,
    ),
}


@pytest.mark.parametrize("reason", HIDDEN)
def test_why_a_post_is_not_in_the_feed(world: World, reason: str) -> None:
    # given
    change, expected, visible = HIDDEN[reason]
    world.do("follow", "bob", "ada")
    post = world.add("ada", text="x")
    assert world.feed.explain("bob", post.id).in_home

    # when
    change(world, post)

    # then
    check(world, "bob")
    explanation = world.feed.explain("bob", post.id)
    assert (explanation.in_home, explanation.visible) == (False, visible)
    assert expected <= codes(explanation)


@pytest.mark.parametrize(
    ("audience", "code"), [("followers", "visible"), ("friends", "friends_only"), ("only_me", "author_only")]
)
def test_audiences(world: World, audience: str, code: str) -> None:
    world.do("follow", "bob", "ada")
    post = world.add("ada", audience=audience)

    check(world, "bob")
    assert ("visibility", code) in codes(world.feed.explain("bob", post.id))
    own = world.feed.explain("ada", post.id)
    assert (own.in_home, {("graph", "own")} <= codes(own)) == (True, True)


def test_a_post_for_a_list(world: World) -> None:
    # given
    world.do("follow", "bob", "ada")
    post = world.add("ada", audience="list", list=world.list_of("ada"))
    explanation = world.feed.explain("bob", post.id)
    assert (explanation.in_home, explanation.visible) == (False, False)
    assert ("visibility", "list_only") in codes(explanation)

    # when
    world.do("list", "ada", "bob")

    # then
    explanation = world.feed.explain("bob", post.id)
    assert (explanation.in_home, explanation.visible) == (True, True)
    assert ("visibility", "visible") in codes(explanation)
    check(world, "bob")

    # when who is on it follows no longer
    world.do("unfollow", "bob", "ada")
    explanation = world.feed.explain("bob", post.id)
    assert (explanation.in_home, explanation.visible) == (False, True)

    # when the list is gone
    world.do("follow", "bob", "ada")
    world.feed.lists.delete("ada", world.list_of("ada"))
    assert ("visibility", "list_only") in codes(world.feed.explain("bob", post.id))
    assert world.feed.explain("ada", post.id).in_home
    check(world, "bob")


def test_what_has_expired(world: World) -> None:
    world.do("follow", "bob", "ada")
    post = world.add("ada", expires_in=timedelta(hours=1))
    assert ("post", "expires") in codes(world.feed.explain("bob", post.id))

    world.clock.advance(hours=2)

    check(world, "bob")
    assert ("visibility", "expired") in codes(world.feed.explain("bob", post.id))


def test_a_draft(world: World) -> None:
    world.do("follow", "bob", "ada")
    post = world.add("ada", at=START + timedelta(days=1))

    explanation = world.feed.explain("bob", post.id)

    assert not explanation.in_home
    assert {("post", "draft"), ("post", "scheduled"), ("visibility", "draft")} <= codes(explanation)


def test_reposts(world: World) -> None:
    # given
    world.do("follow", "bob", "cyn")
    original = world.add("ada", text="of a stranger")
    world.do("repost", "cyn", 0)
    world.do("repost", "dan", 0)
    repost, of_a_stranger = world.posts[1:]

    # then
    check(world, "bob")
    assert ("home", "reposted") in codes(world.feed.explain("bob", original.id))
    assert ("home", "shown") in codes(world.feed.explain("bob", repost.id))
    assert ("home", "not_there") in codes(world.feed.explain("bob", of_a_stranger.id))

    # when
    world.do("follow", "bob", "dan")

    # then
    check(world, "bob")
    assert ("home", "collapsed") in codes(world.feed.explain("bob", repost.id))
    assert ("home", "shown") in codes(world.feed.explain("bob", of_a_stranger.id))

    # when
    world.feed.block("ada", "bob")

    # then
    check(world, "bob")
    assert ("visibility", "original_blocked") in codes(world.feed.explain("bob", repost.id))


def test_a_follow_without_reposts(world: World) -> None:
    world.add("ada", text="x")
    world.do("no_reposts", "bob", "cyn")
    world.do("repost", "cyn", 0)

    check(world, "bob")
    assert ("visibility", "no_reposts") in codes(world.feed.explain("bob", world.posts[1].id))


def test_the_way_it_took(backend_url: str) -> None:
    for policy, namespace, route in zip(POLICIES, ("a", "b", "c"), ("push", "pull", "pull"), strict=True):
        with feedkit.connect(backend_url, policy=policy, settings=SMALL, namespace=namespace) as feed:
            feed.migrate()
            feed.follow("bob", "ada")
            feed.follow("cyn", "ada")
            feed.publish("ada", text="makes the author known")
            feed.drain()
            feed.home("bob")
            post = feed.publish("ada", text="x")

            found = codes(feed.explain("bob", post.id))

            assert ("routing", route) in found
            assert (("delivery", "in_inbox") in found) is (route == "push")
            assert (("delivery", "outbox") in found) is (route == "pull")


def test_what_is_older_than_the_inbox_is_found_in_truth(world: World) -> None:
    world.do("follow", "bob", "ada")
    old = world.add("ada", text="old")
    for number in range(15):
        world.add("ada", text=f"{number}")
    world.feed.home("bob")

    explanation = world.feed.explain("bob", old.id)

    assert explanation.in_home
    assert ("delivery", "below_floor") in codes(explanation)
    check(world, "bob")


def test_the_event_is_found_among_many(world: World) -> None:
    first = world.add("ada", text="first")
    for number in range(40):
        world.clock.advance(minutes=10)
        world.add("ada", text=f"{number}")

    for number, post in enumerate((first, world.posts[20], world.posts[-1])):
        explanation = world.feed.explain("bob", post.id)
        assert {about for about, _ in codes(explanation)} >= {"routing"}, number
        assert ("routing", "no_event") not in codes(explanation)


def test_strangers_and_those_who_are_logged_out(world: World) -> None:
    post = world.add("ada", text="x")

    for viewer in (None, "never met"):
        explanation = world.feed.explain(viewer, post.id)
        assert (explanation.in_home, explanation.visible) == (False, True)
    assert world.feed.users.get(["never met"]) == {}


def test_a_post_that_is_not_there(world: World) -> None:
    with pytest.raises(NotFound, match="post_id"):
        world.feed.explain("bob", 12345)
    with pytest.raises(InvalidArgument):
        world.feed.explain("bob", "x")


def test_a_post_that_cannot_be_decoded(world: World) -> None:
    post = world.add("bob", text="x")
    runtime = world.feed.runtime()
    table = runtime.truth._tables.posts
    spoil = runtime.truth._database.dialect.prepare(table.update().values(extra="not JSON"))
    runtime.truth.write(spoil.run)

    explanation = world.feed.explain("bob", post.id)

    assert codes(explanation) == {("post", "unreadable")}
    assert not explanation.in_home


def test_who_blocks_whom_is_not_told(world: World) -> None:
    post = world.add("ada", text="x")
    world.feed.block("ada", "bob")
    world.feed.home("bob")
    blocked = world.feed.explain("bob", post.id)
    world.feed.unblock("ada", "bob")
    world.feed.block("bob", "ada")
    world.feed.home("bob")

    assert world.feed.explain("bob", post.id) == blocked


def test_it_reads_as_text_and_as_json(world: World) -> None:
    world.do("follow", "bob", "ada")
    post = world.add("ada", text="the text of a post is no part of it")

    explanation = world.feed.explain("bob", str(post.id))

    said = json.dumps(explanation.to_dict())
    assert json.loads(said)["post_id"] == str(post.id)
    assert json.loads(said)["in_home"] is True
    assert str(explanation).splitlines()[0] == f"Post {post.id} is in the home feed."
    assert "bob follows ada since 2026-01-01T00:00:00.000Z" in str(explanation)
    assert "the text" not in said + str(explanation)


def test_a_mute_that_has_lapsed_is_not_told(world: World) -> None:
    world.do("follow", "bob", "ada")
    post = world.add("ada")
    world.feed.mute("bob", "ada", duration=timedelta(hours=1))
    assert ("graph", "muted") in codes(world.feed.explain("bob", post.id))

    world.clock.advance(hours=2)

    check(world, "bob")
    assert ("graph", "muted") not in codes(world.feed.explain("bob", post.id))
