"""Rules of those who pass on what others wrote: reposts, with their undo, and quotes."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from feedkit import Forbidden, NotFound
from feedkit.testing.records import refused
from feedkit.testing.rules.engagement import EngagementRules
from feedkit.testing.rules.posts import audience
from feedkit.testing.rules.stage import pick, process, who


class SharingRules(EngagementRules):
    """Who shares what; never so that anybody sees more than before."""

    @precondition(lambda self: self.model.posts)
    @rule(actor=who, pick=pick, undo=st.booleans(), process=process, reader=process)
    def repost(self, actor: str, pick: int, undo: bool, process: int, reader: int) -> None:
        """Somebody shows a post to their followers, or takes that back."""
        if any(post.author == actor for post in self.pending) or self.refuses(process, actor):
            return
        post, feed = self._target(pick), self.feed(process)
        standing = self.model.repost_by(actor, post.content)
        shared = self.model.seen_by_id(actor, post)
        if undo:
            assert feed.unrepost(actor, post.id) == (standing is not None)
            if standing is not None:
                self.model.delete(standing.id)
                self.tally["reposts undone"] += 1
        elif shared is None:
            refused(NotFound, lambda: feed.repost(actor, post.id))
        elif not self.model.may_share(actor, shared):
            refused(Forbidden, lambda: feed.repost(actor, post.id))
        else:
            made = feed.repost(actor, post.id)
            assert standing is None or made.id == standing.id, "everybody has one repost of a post"
            if standing is None:
                self.know(self.known_as(made, actor))
                self.tally["reposted"] += 1
        self.observe()
        self.glance(actor, post.author, process=reader)

    @precondition(lambda self: self.model.posts)
    @rule(actor=who, pick=pick, audience=audience, process=process, reader=process)
    def quote(self, actor: str, pick: int, audience: str, process: int, reader: int) -> None:
        """Somebody writes a post with another one inside."""
        if any(post.author == actor for post in self.pending) or self.refuses(process, actor):
            return
        post, feed = self._target(pick), self.feed(process)
        shared = self.model.seen_by_id(actor, post)
        if shared is None:
            refused(NotFound, lambda: feed.publish(actor, text="?", quote_of=post.id))
        elif not self.model.may_share(actor, shared):
            refused(Forbidden, lambda: feed.publish(actor, text="?", quote_of=post.id))
        else:
            self.know(self.write(feed, actor, audience, quote_of=post.id))
            self.tally["quoted"] += 1
        self.observe()
        self.glance(actor, post.author, process=reader)
