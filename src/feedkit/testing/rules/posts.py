"""Rules of authors: posts come and go, also within transactions of the host's that stay open."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from feedkit import Conflict, Feed, Forbidden, LimitExceeded, NotFound, Post
from feedkit.testing.known import (
    FOLLOWERS,
    FRIENDS,
    LIST,
    ONLY_ME,
    PUBLIC,
    TAGS,
    UNLISTED,
    Known,
    profile,
)
from feedkit.testing.records import refused
from feedkit.testing.rules.reading import ReadingRules
from feedkit.testing.rules.stage import pick, process, who
from feedkit.testing.walks import Walk

audience = st.sampled_from((PUBLIC, PUBLIC, FOLLOWERS, UNLISTED, FRIENDS, LIST, ONLY_ME))
_PICTURE = {"url": "https://example.org/tea.jpg", "media_type": "image/jpeg"}
_PINS_MAX = 5
_lifetime = st.sampled_from((1, 5, 3_600, 86_400))


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

    def post(
        self, author: str, audience: str, process: int, parent: int | None = None, **kwargs: Any
    ) -> None:
        """Publish, unless an open transaction holds what the next post of this author has to wait for."""
        if any(post.author == author for post in self.pending):
            return
        if self.refuses(process, author):
            return
        feed = self.feed(process)
        visible = [post for post in self.posts() if self.model.seen_by_id(author, post)]
        reply_to = visible[parent % len(visible)].content if parent is not None and visible else None
        self.know(self.write(feed, author, audience, reply_to=reply_to, **kwargs))
        self.observe()

    def write(
        self, feed: Feed[str], author: str, audience: str, *, reply_to: int | None = None, **kwargs: Any
    ) -> Known:
        """Have a post written whose text names it. Some are under a tag, some have a picture."""
        self.written += 1
        text = f"{author[0]}{self.written}" + (f" #{TAGS[0]}" if self.written % 3 == 0 else "")
        kwargs |= self.addressed(author, audience) | ({"media": [_PICTURE]} if self.written % 5 == 0 else {})
        post = feed.publish(author, text=text, reply_to=reply_to, **kwargs)
        assert (post.text, str(post.audience), post.reply_to) == (text, kwargs["audience"], reply_to)
        assert post.id not in self.model.posts, "an id was minted twice"
        self._count_crossing(author)
        return self.known_as(post, author)

    def addressed(self, author: str, audience: str) -> dict[str, Any]:
        """For whom a post is; who has no list has friends."""
        lists = self.model.lists_of(author)
        if audience != LIST:
            return {"audience": audience}
        return {"audience": LIST, "list": lists[-1]} if lists else {"audience": FRIENDS}

    def known_as(self, post: Post, author: str) -> Known:
        """A post that a verb has answered with, as the model knows it."""
        return Known(
            post.id,
            post.position,
            author,
            str(post.audience),
            post.text,
            at_ms=self.model.now_ms,
            list_id=post.list_id,
            reply_to=post.reply_to,
            repost_of=post.repost_of,
            quote_of=post.quote_of,
            expires_ms=post.expires_ms,
            by_private=author in self.model.private,
            has_media=bool(post.media),
        )

    def refuses(self, process: int, author: str) -> bool:
        """Whether somebody is suspended; if so, they must not be able to publish."""
        feed = self.feed(process)
        if self.model.is_suspended(author):
            refused(Forbidden, lambda: feed.publish(author, text="not now"))
            self.tally["refused"] += 1
            return True
        return False

    def know(self, post: Known) -> None:
        """Tell the model of a post that is committed."""
        below = any(post.position < other.position for other in self.model.posts.values())
        self.tally["posts below the top"] += below
        self.model.publish(post)

    def _count_crossing(self, author: str) -> None:
        pulled = self.model.user_counts(author)[0] > self.pull_above
        if self.pulled.setdefault(author, pulled) != pulled:
            self.tally["crossed up" if pulled else "crossed down"] += 1
        self.pulled[author] = pulled

    @rule(author=who, audience=audience, seconds=_lifetime, process=process, reader=process)
    def publish_for_a_while(
        self, author: str, audience: str, seconds: float, process: int, reader: int
    ) -> None:
        """A story, which is over by itself."""
        lifetime = timedelta(seconds=seconds)
        self.post(author, audience, process, expires_in=lifetime)
        self.glance(author, process=reader)

    @precondition(lambda self: self.model.posts)
    @rule(pick=pick, audience=audience, reword=st.booleans(), who=who, process=process, reader=process)
    def edit(self, pick: int, audience: str, reword: bool, who: str, process: int, reader: int) -> None:
        """An author changes who may see a post, and perhaps what it says, while somebody is looking on."""
        post = self.posts()[pick % len(self.model.posts)]
        if any(one.author == post.author for one in self.pending):
            return
        if any(self.refuses(process, name) for name in (who, post.author)):
            return
        changes = self.addressed(post.author, audience) | ({"text": _reworded(post)} if reword else {})
        self.glance(who, post.author, process=reader)
        feed = self.feed(process)
        if who != post.author:
            refused(NotFound, lambda: feed.edit(who, post.id, **changes))
        if post.id in self.model.deleted or self.model.has_ended(post):
            refused(NotFound, lambda: feed.edit(post.author, post.id, **changes))
        elif post.id in self.model.removed:
            refused(Forbidden, lambda: feed.edit(post.author, post.id, **changes))
        elif post.repost_of is not None:
            refused(Conflict, lambda: feed.edit(post.author, post.id, **changes))
        else:
            edited = feed.edit(post.author, post.id, **changes)
            assert (edited.position, str(edited.audience)) == (post.position, changes["audience"])
            self.model.edit(post.id, changes.get("text", post.text), changes["audience"], changes.get("list"))
            self.tally["edited"] += 1
            self.observe()
        self.glance(who, post.author, process=reader)

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
            assert bool(done) == self.model.delete(post.id), "delete says whether this call did it"
            self.tally["deleted"] += done
            self.observe()
        self.glance(who, post.author, process=reader)

    @precondition(lambda self: self.model.posts)
    @rule(pick=pick, undo=st.booleans(), process=process, reader=process)
    def pin(self, pick: int, undo: bool, process: int, reader: int) -> None:
        """An author puts a post at the top of their profile, or takes it down."""
        post = self.posts()[pick % len(self.model.posts)]
        if any(one.author == post.author for one in self.pending) or self.refuses(process, post.author):
            return
        feed, pinned = self.feed(process), post.id in self.model.pins
        there = sum(self.model.posts[one].author == post.author for one in self.model.pins)
        if undo:
            assert feed.unpin(post.author, post.id).changed == pinned
            self.model.pins.pop(post.id, None)
        elif post.id in self.model.deleted | self.model.removed:
            refused(NotFound, lambda: feed.pin(post.author, post.id))
        elif post.repost_of is not None or post.expires_ms is not None:
            refused(Conflict, lambda: feed.pin(post.author, post.id))
        elif there == _PINS_MAX and not pinned:
            refused(LimitExceeded, lambda: feed.pin(post.author, post.id))
        else:
            assert feed.pin(post.author, post.id).changed == (not pinned)
            self.model.pins.setdefault(post.id, self.model.now_ms)
        self.judge.page(self.feed(reader), Walk.begin(self.model, profile(None, post.author)), limit=3)

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
            if self.refuses(process, author):
                return
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


def _reworded(post: Known) -> str:
    """A further edition, under a tag if the one before was not."""
    edition = "".join(post.text.split()[:1]) + "'"  # a repost says nothing
    return edition if post.tags else f"{edition} #{TAGS[0]}"
