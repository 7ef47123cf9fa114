"""Rules of people: what they come to be to each other, and take back."""

import itertools

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from feedkit import Forbidden, InvalidArgument, Relation
from feedkit.testing.judge import refused
from feedkit.testing.rules.posts import PostRules, audience
from feedkit.testing.rules.stage import USERS, pick, process, who

_pairs = st.lists(st.tuples(who, who), max_size=12)
_verb = st.sampled_from(("follow", "follow", "mute", "block", "unmute", "unblock", "unfollow"))
_restriction = st.sampled_from(("mute", "block", "unfollow"))


class PeopleRules(PostRules):
    """Who follows, blocks and mutes whom."""

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
        """Somebody follows, blocks, mutes, or takes it back; the two may look at each other before and after."""
        if look:
            self.glance(actor, other, process=reader)
        do = getattr(self.feed(process), verb)
        if actor == other and not verb.startswith("un"):
            refused(InvalidArgument, lambda: do(actor, other))
        elif verb == "follow" and self.model.apart(actor, other):
            refused(Forbidden, lambda: do(actor, other))
        else:
            self.changed(do(actor, other), getattr(self.model, verb)(actor, other), verb)
        if look:
            self.glance(actor, other, process=reader)

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

    def changed(self, relation: Relation, changed: bool, verb: str) -> None:
        """A verb has to say whether it changed something, and what stands now."""
        assert (relation.changed, relation.active) == (changed, not verb.startswith("un")), (verb, relation)
        self.observe()
