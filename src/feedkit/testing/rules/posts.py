"""Rules of authors: posts come and go, also within transactions of the host's that stay open."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from feedkit import Feed, NotFound
from feedkit.testing.judge import refused
from feedkit.testing.known import FOLLOWERS, ONLY_ME, PUBLIC, UNLISTED, Known
from feedkit.testing.rules.reading import ReadingRules
from feedkit.testing.rules.stage import pick, process, who

audience = st.sampled_from((PUBLIC, PUBLIC, FOLLOWERS, UNLISTED, ONLY_ME))


class PostRules(ReadingRules):
    """Who publishes what, and takes it back."""

    def __init__(self) -> None:
        super().__init__()
        self.written = 0
        self.pending: list[Known] = []
        self.pulled: dict[str, bool] = {}

    @rule(author=who, audience=audience, parent=st.none() | pick, process=process)
    def publish(self, author: str, audience: str, parent: int | None, process: int) -> None:
        """One post, which may answer another that its author sees."""
        self.post(author, audience, process, parent=parent)

    @rule(author=who, audience=audience, n=st.integers(2, 14), process=process)
    def burst(self, author: str, audience: str, n: int, process: int) -> None:
        """Many posts, one after the other."""
        for _ in range(n):
            self.post(author, audience, process)

    def post(self, author: str, audience: str, process: int, parent: int | None = None) -> None:
        """Publish, unless an open transaction holds what the next post of this author has to wait for."""
        if any(post.author == author for post in self.pending):
            return
        feed = self.feed(process)
        visible = [post for post in self.posts() if self.model.may_see(author, post)]
        reply_to = visible[parent % len(visible)].id if parent is not None and visible else None
        self.know(self.write(feed, author, audience, reply_to=reply_to))
        self.observe()

    def write(
        self, feed: Feed[str], author: str, audience: str, *, reply_to: int | None = None, **kwargs: Any
    ) -> Known:
        """Have a post written whose text names it."""
        self.written += 1
        text = f"{author[0]}{self.written}"
        post = feed.publish(author, text=text, audience=audience, reply_to=reply_to, **kwargs)
        assert (post.text, str(post.audience), post.reply_to) == (text, audience, reply_to)
        assert post.id not in self.model.posts, "an id was minted twice"
        self._count_crossing(author)
        return Known(
            post.id, post.position, author, audience, text, at_ms=post.created_ms, reply_to=post.reply_to
        )

    def know(self, post: Known) -> None:
        """Tell the model of a post that is committed."""
        below = any(post.position < other.position for other in self.model.posts.values())
        self.tally["posts below the top"] += below
        self.model.publish(post)

    def _count_crossing(self, author: str) -> None:
        pulled = self.model.counts(author)[0] > self.pull_above
        if self.pulled.setdefault(author, pulled) != pulled:
            self.tally["crossed up" if pulled else "crossed down"] += 1
        self.pulled[author] = pulled

    @precondition(lambda self: self.model.posts)
    @rule(pick=pick, who=who, mine=st.booleans(), process=process, reader=process)
    def delete(self, pick: int, who: str, mine: bool, process: int, reader: int) -> None:
        """Somebody who may have seen a post tries to delete it, or its author does."""
        post = self.posts()[pick % len(self.model.posts)]
        self.glance(who, post.author, process=reader)
        feed = self.feed(process)
        if who != post.author and not mine:
            refused(NotFound, lambda: feed.delete(who, post.id))
        else:
            done = feed.delete(post.author, post.id)
            assert done == self.model.delete(post.id), "delete says whether this call did it"
            self.tally["deleted"] += done
            self.observe()
        self.glance(who, post.author, process=reader)

    # the host's own transactions, left open while everything goes on

    @precondition(lambda self: self.transaction and not self.connection)
    @rule()
    def open_transaction(self) -> None:
        """The host begins."""
        begin = type(self).transaction
        assert begin is not None
        self.connection = self.host.enter_context(begin(self.example))

    @precondition(lambda self: self.connection)
    @rule(author=who, audience=audience, n=st.integers(1, 3), process=process)
    def publish_in_transaction(self, author: str, audience: str, n: int, process: int) -> None:
        """Somebody publishes within the host's transaction."""
        for _ in range(n):
            written = self.write(self.feed(process), author, audience, connection=self.connection)
            self.pending.append(written)

    @precondition(lambda self: self.pending)
    @rule(keep=st.booleans())
    def end_transaction(self, keep: bool) -> None:
        """The host commits, or not."""
        pending, self.pending = self.pending, []
        if keep:
            self.connection.commit()
            for post in pending:
                self.know(post)
            self.tally["committed late"] += len(pending)
        else:
            self.connection.rollback()
        self.host.close()
        self.connection = None
        self.observe()
