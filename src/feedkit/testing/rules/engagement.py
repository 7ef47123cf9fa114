"""Rules of readers who answer: reactions, saves and comments, with every undo."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from feedkit import NotFound
from feedkit.testing.engagement import Said
from feedkit.testing.known import Known
from feedkit.testing.records import refused
from feedkit.testing.rules.lists import ListRules
from feedkit.testing.rules.stage import pick, process, who

_kind = st.sampled_from(("like", "like", "love"))


class EngagementRules(ListRules):
    """Who says what to a post."""

    @precondition(lambda self: self.model.posts)
    @rule(actor=who, pick=pick, kind=_kind, undo=st.booleans(), process=process, reader=process)
    def react(self, actor: str, pick: int, kind: str, undo: bool, process: int, reader: int) -> None:
        """Somebody reacts to a post, or takes it back; they see so at once."""
        if self.refuses(process, actor):
            return
        feed, post = self.feed(process), self._target(pick)
        if undo:
            changed = feed.unreact(actor, post.id).changed
            assert changed == self.model.unreact(actor, post.content)
        elif self.model.seen_by_id(actor, post) is None:
            refused(NotFound, lambda: feed.react(actor, post.id, kind))
        else:
            fresh = self.model.react(actor, post.content, kind, self.model.now_ms)
            assert feed.react(actor, post.id, kind).changed == fresh
            self.tally["reacted"] += 1
        feed = self.feed(reader)
        self.judge.look_up(feed, actor, [post])
        self.judge.reacted(feed, actor, actor)

    @precondition(lambda self: self.model.posts)
    @rule(actor=who, pick=pick, undo=st.booleans(), process=process, reader=process)
    def save(self, actor: str, pick: int, undo: bool, process: int, reader: int) -> None:
        """Somebody keeps a post, or does not want it any more."""
        if self.refuses(process, actor):
            return
        feed, post = self.feed(process), self._target(pick)
        if undo:
            assert feed.unsave(actor, post.id).changed == self.model.unsave(actor, post.content)
        elif self.model.seen_by_id(actor, post) is None:
            refused(NotFound, lambda: feed.save(actor, post.id))
        else:
            assert feed.save(actor, post.id).changed == self.model.save(actor, post.content)
        self.judge.look_up(self.feed(reader), actor, [post])

    @precondition(lambda self: self.model.posts)
    @rule(actor=who, pick=pick, answer=st.none() | pick, process=process, reader=process)
    def comment(self, actor: str, pick: int, answer: int | None, process: int, reader: int) -> None:
        """Somebody comments on a post, or answers a comment on it."""
        if self.refuses(process, actor):
            return
        feed, post = self.feed(process), self._target(pick)
        there = [
            said
            for said in self.model.comments.values()
            if said.post == post.content and self.model.may_read(actor, said)
        ]
        parent = there[answer % len(there)].id if answer is not None and there else None
        if self.model.seen_by_id(actor, post) is None:
            refused(NotFound, lambda: feed.comment(actor, post.id, text="?", parent=parent))
            return
        made = feed.comment(actor, post.id, text=f"{actor[0]}: {len(self.model.comments)}", parent=parent)
        self.model.comments[made.id] = Said(made.id, post.content, actor, made.text, made.parent_id)
        self.tally["commented"] += 1
        self.judge.engagement(self.feed(reader), actor)

    @precondition(lambda self: self.model.comments)
    @rule(pick=pick, who=who, reader=process, process=process)
    def delete_comment(self, pick: int, who: str, process: int, reader: int) -> None:
        """A comment goes by its author's hand or that of the post's author, and by nobody else's."""
        said = sorted(self.model.comments.values(), key=lambda said: said.id)[pick % len(self.model.comments)]
        feed = self.feed(process)
        if who not in (said.author, self.model.posts[said.post].author):
            refused(NotFound, lambda: feed.delete_comment(who, said.id))
        else:
            assert feed.delete_comment(who, said.id) == self.model.withdraw(said.id)
        self.judge.engagement(self.feed(reader), who)

    def _target(self, pick: int) -> Known:
        return self.posts()[pick % len(self.model.posts)]
