"""Whatever people do to each other in whatever order, what stands between them is what a model of sets says."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

import feedkit
from feedkit import Forbidden, ManualClock, Relation
from feedkit.model import Assoc
from tests.cases.case_tools import START, opened
from tests.graph.words import Feed, check_laws, links

PEOPLE = ("ada", "bob", "cem")
Edges = set[tuple[str, str]]
VERBS = (
    "follow", "unfollow", "befriend", "unfriend", "accept", "decline", "block", "unblock", "go_private",
    "go_public",
)  # fmt: skip
steps = st.lists(
    st.tuples(st.sampled_from(VERBS), st.sampled_from(PEOPLE), st.sampled_from(PEOPLE)).filter(
        lambda step: step[1] != step[2]
    ),
    max_size=40,
)


@attrs.define
class Model:
    """The rules, said with sets. Each verb gives the status and whether anything changed; None: refused."""

    follows: Edges = attrs.Factory(set)
    requests: Edges = attrs.Factory(set)
    asks: Edges = attrs.Factory(set)
    blocks: Edges = attrs.Factory(set)
    private: set[str] = attrs.Factory(set)

    def friends(self, a: str, b: str) -> bool:
        return {(a, b), (b, a)} <= self.follows

    def blocked(self, a: str, b: str) -> bool:
        return bool({(a, b), (b, a)} & self.blocks)

    def starts(self, a: str, b: str) -> None:
        self.follows.add((a, b))
        self.requests.discard((a, b))
        if self.friends(a, b):
            self.asks -= {(a, b), (b, a)}

    def follow(self, a: str, b: str) -> Relation | None:
        if self.blocked(a, b):
            return None
        if (a, b) in self.follows:
            return Relation("active", changed=False)
        if b in self.private:
            new = (a, b) not in self.requests
            self.requests.add((a, b))
            return Relation("requested", new)
        self.starts(a, b)
        return Relation("active", changed=True)

    def unfollow(self, a: str, b: str) -> Relation:
        changed = (a, b) in self.follows | self.requests
        self.follows.discard((a, b))
        self.requests.discard((a, b))
        return Relation("none", changed)

    def befriend(self, a: str, b: str) -> Relation | None:
        if self.blocked(a, b):
            return None
        if self.friends(a, b):
            return Relation("active", changed=False)
        if (b, a) in self.asks:
            return self.make_friends(a, b)
        new = (a, b) not in self.asks
        self.asks.add((a, b))
        return Relation("requested", new)

    def make_friends(self, a: str, b: str) -> Relation:
        self.starts(a, b)
        self.starts(b, a)
        return Relation("active", changed=True)

    def unfriend(self, a: str, b: str) -> Relation:
        if self.friends(a, b):
            self.follows -= {(a, b), (b, a)}
            return Relation("none", changed=True)
        changed = (a, b) in self.asks
        self.asks.discard((a, b))
        return Relation("none", changed)

    def accept(self, a: str, b: str) -> Relation:
        if (b, a) in self.asks:
            return self.make_friends(a, b)
        if (b, a) in self.requests:
            self.starts(b, a)
            return Relation("active", changed=True)
        return Relation("active" if (b, a) in self.follows else "none", changed=False)

    def decline(self, a: str, b: str) -> Relation:
        changed = (b, a) in self.asks | self.requests
        self.asks.discard((b, a))
        self.requests.discard((b, a))
        return Relation("active" if not changed and (b, a) in self.follows else "none", changed)

    def block(self, a: str, b: str) -> Relation:
        new = (a, b) not in self.blocks
        for edges in (self.follows, self.requests, self.asks):
            edges -= {(a, b), (b, a)}
        self.blocks.add((a, b))
        return Relation("active", new)

    def unblock(self, a: str, b: str) -> Relation:
        changed = (a, b) in self.blocks
        self.blocks.discard((a, b))
        return Relation("none", changed)


def done(verb: Callable[[str, str], Relation], actor: str, target: str) -> Relation | None:
    try:
        return verb(actor, target)
    except Forbidden:
        return None


def check(feed: Feed, sequence: list[tuple[str, str, str]]) -> None:
    model = Model()
    for verb, actor, target in sequence:
        if verb in ("go_private", "go_public"):
            feed.users.put(actor, private=verb == "go_private")
            (model.private.add if verb == "go_private" else model.private.discard)(actor)
        else:
            expected = getattr(model, verb)(actor, target)
            assert done(getattr(feed, verb), actor, target) == expected, (verb, actor, target)
        feed.home(actor)  # fills what is cached, so that what is outdated shows
    agree(feed, model)


def agree(feed: Feed, model: Model) -> None:
    for kind, edges in (
        (Assoc.FOLLOWS, model.follows),
        (Assoc.REQUESTS, model.requests),
        (Assoc.ASKS, model.asks),
        (Assoc.BLOCKS, model.blocks),
    ):
        assert links(feed, kind) == edges, kind
    check_laws(feed, PEOPLE)
    for viewer in PEOPLE:
        others = [other for other in PEOPLE if other != viewer]
        assert feed.relation(viewer, others) == {other: standing(model, viewer, other) for other in others}
        asked = {(who, "follow") for who, whom in model.requests if whom == viewer}
        asked |= {(who, "friendship") for who, whom in model.asks if whom == viewer}
        waiting = [(request.user.key, request.kind) for request in feed.requests(viewer)]
        assert sorted(waiting) == sorted(asked)
        for user in others:
            hidden = model.blocked(viewer, user)
            hidden |= user in model.private and (viewer, user) not in model.follows
            for page, found in (
                (feed.followers(viewer, user), {a for a, b in model.follows if b == user}),
                (feed.friends(viewer, user), {b for b in PEOPLE if b != user and model.friends(user, b)}),
            ):
                met = {who for who in found if not model.blocked(viewer, who)}
                assert set(page.keys) == (set() if hidden else met)


def standing(model: Model, a: str, b: str) -> feedkit.Standing:
    return feedkit.Standing(
        following=(a, b) in model.follows,
        followed_by=(b, a) in model.follows,
        requested=(a, b) in model.requests,
        requested_by=(b, a) in model.requests,
        asked=(a, b) in model.asks,
        asked_by=(b, a) in model.asks,
        friends=model.friends(a, b),
        blocked=(a, b) in model.blocks,
        reposts=(a, b) in model.follows,
    )


@settings(max_examples=120)
@given(steps)
def test_ties_are_what_the_rules_say(sequence: list[tuple[str, str, str]]) -> None:
    with opened("memory://", clock=ManualClock(START)) as feed:
        for key in PEOPLE:
            feed.users.put(key)
        check(feed, sequence)


def test_they_are_on_every_database(backend_url: str) -> None:
    @settings(max_examples=8)
    @given(steps)
    def run(sequence: list[tuple[str, str, str]]) -> None:
        with opened(backend_url, clock=ManualClock(START)) as feed:
            for actor, target in permutations(PEOPLE, 2):  # ends what the example before has left
                feed.block(actor, target)
                feed.unblock(actor, target)
            for key in PEOPLE:
                feed.users.put(key, private=False)
            check(feed, sequence)

    run()
