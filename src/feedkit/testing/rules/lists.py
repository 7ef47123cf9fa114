"""Rules of named lists: who makes them, who is on them, and what their members publish."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from feedkit import Forbidden, InvalidArgument, NotFound
from feedkit.testing.known import list_feed
from feedkit.testing.records import refused
from feedkit.testing.rules.people import PeopleRules
from feedkit.testing.rules.stage import pick, process, who
from feedkit.testing.walks import Walk

_EACH = 2


class ListRules(PeopleRules):
    """Whom somebody reads together, and may publish to."""

    lists_made = 0

    @rule(owner=who, members=st.sets(who), process=process, reader=process)
    def make_list(self, owner: str, members: set[str], process: int, reader: int) -> None:
        """A list, and the first people on it."""
        if len(self.model.lists_of(owner)) < _EACH:
            self.lists_made += 1
            made = self.feed(process).lists.create(owner, f"{owner} {self.lists_made}")
            self.model.create_list(owner, made.id)
            for member in sorted(members):
                self._put_on(owner, made.id, member, process)
            self._look_at(owner, made.id, reader)

    @precondition(lambda self: self.model.owners)
    @rule(pick=pick, member=who, undo=st.booleans(), process=process, reader=process)
    def change_list(self, pick: int, member: str, undo: bool, process: int, reader: int) -> None:
        """Somebody comes on a list, or goes; what was published to it is theirs to see no longer."""
        owner, list_id = self._one_of_all(pick)
        if undo:
            there = member in self.model.members[list_id]
            assert bool(self.feed(process).lists.remove(owner, list_id, [member])) == there
            self.model.members[list_id].discard(member)
            self.observe()
        else:
            self._put_on(owner, list_id, member, process)
        self._look_at(owner, list_id, reader)
        self.glance(owner, member, process=reader)

    @precondition(lambda self: self.model.owners)
    @rule(pick=pick, who=who, process=process, reader=process)
    def drop_list(self, pick: int, who: str, process: int, reader: int) -> None:
        """A list goes by its owner's hand, and nobody else's."""
        owner, list_id = self._one_of_all(pick)
        feed = self.feed(process)
        if who != owner:
            refused(NotFound, lambda: feed.lists.delete(who, list_id))
        else:
            feed.lists.delete(owner, list_id)
            self.model.delete_list(list_id)
            self.observe()
            self.tally["lists dropped"] += 1
        self._look_at(owner, list_id, reader)

    def _put_on(self, owner: str, list_id: int, member: str, process: int) -> None:
        feed, members = self.feed(process), self.model.members[list_id]
        if member == owner:
            refused(InvalidArgument, lambda: feed.lists.add(owner, list_id, [member]))
        elif self.model.apart(owner, member):
            refused(Forbidden, lambda: feed.lists.add(owner, list_id, [member]))
        else:
            assert feed.lists.add(owner, list_id, [member]) == (member not in members)
            members.add(member)
            self.tally["listed"] += 1
            self.observe()

    def _look_at(self, owner: str, list_id: int, process: int) -> None:
        """The owner opens the feed of a list, which may be gone."""
        self.judge.walk(self.feed(process), Walk.begin(self.model, list_feed(owner, list_id)), limit=7)

    def _one_of_all(self, pick: int) -> tuple[str, int]:
        list_id = sorted(self.model.owners)[pick % len(self.model.owners)]
        return self.model.owners[list_id], list_id
