"""Rules of staff: posts go and come back, accounts are suspended and reinstated, what was held is released."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from feedkit import Conflict, NotFound
from feedkit.testing.known import Known
from feedkit.testing.records import refused
from feedkit.testing.rules.posts import audience
from feedkit.testing.rules.sharing import SharingRules
from feedkit.testing.rules.stage import pick, process, who
from feedkit.verbs.staff import Staff

_while = st.none() | st.sampled_from((0.005, 60, 3_600))


class StaffRules(SharingRules):
    """What somebody decides about others."""

    @precondition(lambda self: self.model.posts)
    @rule(pick=pick, who=who, restore=st.booleans(), process=process, reader=process)
    def moderate(self, pick: int, who: str, restore: bool, process: int, reader: int) -> None:
        """A post is removed, or restored to where it stood, while somebody is looking on."""
        taken = [post for post in self.posts() if post.id in self.model.removed]
        posts = taken if restore and taken else self.posts()
        post = posts[pick % len(posts)]
        if any(one.author == post.author for one in self.pending):
            return
        self.glance(who, post.author, process=reader)
        staff = self.feed(process).staff("a moderator", reason="a test")
        if restore:
            self.tally["restored"] += self._restore(staff, post)
        else:
            staff.remove(post.id)
            self.model.removed.add(post.id)
            self.tally["removed"] += 1
        self.observe()
        self.glance(who, post.author, process=reader)

    @precondition(lambda self: self.model.posts)
    @rule(picks=st.lists(pick, min_size=1, max_size=3), who=who, process=process, reader=process)
    def moderate_by_mistake(self, picks: list[int], who: str, process: int, reader: int) -> None:
        """Posts are removed and restored before anybody reads on: inboxes hear of both at once."""
        self.glance(who, process=reader)
        for number in picks:
            post = self.posts()[number % len(self.model.posts)]
            if any(one.author == post.author for one in self.pending):
                return
            staff = self.feed(process).staff("a moderator", reason="a mistake")
            staff.remove(post.id)
            self.model.removed.add(post.id)
            self.observe()
            self._restore(staff, post)
            self.observe()
        self.glance(who, process=reader)

    def _restore(self, staff: Staff[str], post: Known) -> bool:
        """Whether a post was brought back; no repost is that its author has made again."""
        removed = post.id in self.model.removed and post.id not in self.model.deleted
        again = None if post.repost_of is None else self.model.repost_by(post.author, post.repost_of)
        if removed and again is not None:
            refused(Conflict, lambda: staff.restore(post.id))
            self.tally["reposted again"] += 1
            return False
        staff.restore(post.id)
        return self.model.restore(post.id)

    @rule(other=who, who=who, seconds=_while, undo=st.booleans(), process=process, reader=process)
    def suspend(
        self, other: str, who: str, seconds: float | None, undo: bool, process: int, reader: int
    ) -> None:
        """An account is suspended, for a while or until it is reinstated."""
        self.glance(who, other, process=reader)
        staff = self.feed(process).staff("a moderator", reason="a test")
        if undo:
            staff.reinstate(other)
            self.model.suspended.pop(other, None)
        else:
            until_ms = None if seconds is None else self.model.now_ms + int(seconds * 1000)
            until = (
                None
                if until_ms is None
                else datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=until_ms)
            )
            staff.suspend(other, until=until)
            self.model.suspended[other] = until_ms
            self.tally["suspended"] += 1
        self.observe()
        self.glance(who, other, process=reader)

    @rule(author=who, audience=audience, process=process, reader=process)
    def hold_and_release(self, author: str, audience: str, process: int, reader: int) -> None:
        """A post is held, which nobody sees, and then released to the top."""
        if any(post.author == author for post in self.pending) or self.refuses(process, author):
            return
        held = self.write(self.feed(process), author, audience, hold=True)
        feed = self.feed(reader)
        refused(NotFound, lambda: feed.post(author, held.id))
        staff = self.feed(process).staff("a moderator", reason="a test")
        released = staff.release(held.id)
        self.know(self.known_as(released, author))
        self.tally["released"] += 1
        self.observe()
        self.glance(author, process=reader)
