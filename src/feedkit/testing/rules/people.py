"""Rules of people: what they come to be to each other, and take back."""

import itertools
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from feedkit import Forbidden, InvalidArgument, Relation
from feedkit.testing.records import refused
from feedkit.testing.rules.posts import PostRules, audience
from feedkit.testing.rules.stage import USERS, pick, process, who

_pairs = st.lists(st.tuples(who, who), max_size=12)
_verb = st.sampled_from(
    (
        "follow",
        "follow",
        "befriend",
        "mute",
        "block",
        "unmute",
        "unblock",
        "unfollow",
        "unfriend",
        "accept",
        "decline",
    )
)
_restriction = st.sampled_from(("mute", "block", "unfollow", "unfriend"))
_answer = st.sampled_from(("accept", "accept", "decline"))
_while = st.sampled_from((1, 5, 3_600, 86_400))


class PeopleRules(PostRules):
    """Who follows, befriends, blocks and mutes whom, and who lets whom."""

    @initialize(stars=st.sets(who, max_size=3), follows=_pairs, process=process)
    def populate(self, stars: set[str], follows: list[tuple[str, str]], process: int) -> None:
        """Everybody is there; some are followed by all."""
        feed = self.feed(process)
        for name in USERS:
            feed.users.put(name, handle=name)
        for actor, other in (*itertools.product(USERS, sorted(stars)), *follows):
            if actor != other:
                self.relate("follow", actor, other, look=False, process=process, reader=process)

    @rule(verb=_verb, actor=who, other=who, look=st.booleans(), process=process, reader=process)
    def relate(self, verb: str, actor: str, other: str, look: bool, process: int, reader: int) -> None:
        """Somebody does something to another, or takes it back; the two may look at each other before and after."""
        if look:
            self.glance(actor, other, process=reader)
        do = getattr(self.feed(process), verb)
        if actor == other:
            if verb in ("follow", "befriend", "mute", "block"):
                refused(InvalidArgument, lambda: do(actor, other))
        elif self._is_forbidden(verb, actor, other):
            refused(Forbidden, lambda: do(actor, other))
        else:
            self.changed(do(actor, other), getattr(self.model, verb)(actor, other), verb)
        if look:
            self.glance(actor, other, process=reader)

    @rule(actor=who, other=who, reposts=st.booleans(), process=process)
    def follow_for(self, actor: str, other: str, reposts: bool, process: int) -> None:
        """Somebody follows, and says whether they want reposts."""
        feed = self.feed(process)
        if actor != other and not self._is_forbidden("follow", actor, other):
            relation = feed.follow(actor, other, reposts=reposts)
            self.changed(relation, self.model.follow(actor, other, reposts=reposts), "follow")

    @rule(actor=who, other=who, seconds=_while, process=process, reader=process)
    def mute_for_a_while(self, actor: str, other: str, seconds: float, process: int, reader: int) -> None:
        """A mute that is over by itself."""
        if actor != other:
            feed = self.feed(process)
            until_ms = self.model.now_ms + int(seconds * 1000)
            relation = feed.mute(actor, other, duration=timedelta(seconds=seconds))
            self.changed(relation, self.model.mute(actor, other, until_ms=until_ms), "mute")
            self.glance(actor, other, process=reader)

    @precondition(lambda self: self.model.requests or self.model.asks)
    @rule(verb=_answer, pick=pick, process=process, reader=process)
    def answer(self, verb: str, pick: int, process: int, reader: int) -> None:
        """Somebody who was asked for something says yes or no."""
        waiting = sorted({*self.model.requests, *self.model.asks})
        requester, owner = waiting[pick % len(waiting)]
        self.relate(verb, owner, requester, look=True, process=process, reader=reader)
        self.tally[verb] += 1

    @rule(who=who, private=st.booleans(), process=process, reader=process)
    def close_the_door(self, who: str, private: bool, process: int, reader: int) -> None:
        """Somebody becomes private, or does not want to be any more."""
        self.feed(process).users.put(who, private=private)
        if private:
            self.model.private.add(who)
        else:
            self.model.private.discard(who)
        self.tally["private"] += private
        self.observe()
        self.glance(who, *USERS[:2], process=reader)

    @precondition(lambda self: self.model.follows)
    @rule(verb=_restriction, pick=pick, forth=st.booleans(), process=process, reader=process)
    def restrict(self, verb: str, pick: int, forth: bool, process: int, reader: int) -> None:
        """A follower turns away, or is turned away, while both are looking on."""
        follows = sorted(self.model.follows)
        pair = follows[pick % len(follows)]
        actor, other = pair if forth else pair[::-1]
        self.relate(verb, actor, other, look=True, process=process, reader=reader)

    @rule(other=who, size=st.integers(0, 4), audience=audience, process=process, reader=process)
    def crowd(self, other: str, size: int, audience: str, process: int, reader: int) -> None:
        """Just so many follow somebody, who then posts: an author crosses the threshold of a hybrid policy."""
        for number, name in enumerate(name for name in USERS if name != other):
            verb = "follow" if number < size else "unfollow"
            self.relate(verb, name, other, look=False, process=process, reader=reader)
        for _ in range(2):
            self.feed(process).drain()
            self.post(other, audience, process)
        self.finish_walks(reader)
        self.glance(*(name for name in USERS if name != other), process=reader)

    def _is_forbidden(self, verb: str, actor: str, other: str) -> bool:
        """Whether somebody is suspended, or apart from whom they would come near."""
        if verb not in ("follow", "befriend", "accept"):
            return False
        return self.model.is_suspended(actor) or (verb != "accept" and self.model.apart(actor, other))

    def changed(self, relation: Relation, expected: tuple[str, bool], verb: str) -> None:
        """A verb has to say how the two stand now, and whether that is its doing."""
        assert (relation.status, relation.changed) == expected, (verb, relation, expected)
        self.observe()
