"""Rules of drafts: nobody else's business, until they are published at once or at their time."""

from datetime import UTC, datetime, timedelta
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from feedkit import Feed, NotFound
from feedkit.testing.known import FRIENDS, LIST
from feedkit.testing.records import refused
from feedkit.testing.rules.posts import audience
from feedkit.testing.rules.staff import StaffRules
from feedkit.testing.rules.stage import USERS, pick, process, who

_ahead = st.sampled_from((0.005, 30, 3_600))
EPOCH = datetime.fromtimestamp(0, UTC)


class DraftRules(StaffRules):
    """What is written before anybody sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.drafts: dict[int, str] = {}
        self.due: dict[int, tuple[str, int]] = {}

    def feed(self, process: int) -> Feed[str]:
        """Whoever is asked at the right time publishes what is due."""
        feed = super().feed(process)
        due = [id for id, (_, at_ms) in self.due.items() if at_ms <= self.model.now_ms]
        if due:
            feed.drain()
            staff = feed.staff("a test", reason="to know where they stand")
            for id in due:
                author, _ = self.due.pop(id)
                self.know(self.known_as(staff.post(id).post, author))
                self.tally["published in time"] += 1
            self.observe()
        return feed

    @rule(author=who, audience=audience, process=process, reader=process)
    def draft(self, author: str, audience: str, process: int, reader: int) -> None:
        """Something is written down, for its author alone."""
        kept = FRIENDS if audience == LIST else audience  # a list may be gone when the draft is published
        saved = self.feed(process).drafts.save(author, text="unfinished", audience=kept)
        self.drafts[saved.id] = author
        self._judge_hidden(author, saved.id, reader)

    @precondition(lambda self: self.drafts)
    @rule(pick=pick, discard=st.booleans(), process=process, reader=process)
    def finish(self, pick: int, discard: bool, process: int, reader: int) -> None:
        """A draft is published, or thrown away."""
        id = sorted(self.drafts)[pick % len(self.drafts)]
        author = self.drafts[id]
        if any(post.author == author for post in self.pending) or self.refuses(process, author):
            return
        feed = self.feed(process)
        del self.drafts[id]
        if discard:
            assert feed.drafts.discard(author, id)
            self._judge_hidden(author, id, reader)
        else:
            self.know(self.known_as(feed.drafts.publish(author, id), author))
            self.tally["drafts published"] += 1
            self.observe()
            self.glance(author, process=reader)

    @rule(author=who, audience=audience, seconds=_ahead, process=process, reader=process)
    def schedule(self, author: str, audience: str, seconds: float, process: int, reader: int) -> None:
        """A post is written for later, and nobody sees it before."""
        if any(post.author == author for post in self.pending) or self.refuses(process, author):
            return
        feed = self.feed(process)
        at_ms = self.model.now_ms + int(seconds * 1000)
        at = EPOCH + timedelta(milliseconds=at_ms)
        post = self.write(feed, author, audience, at=at)
        self.due[post.id] = (author, at_ms)
        if seconds >= 1:
            self._judge_hidden(author, post.id, process)
        self.glance(author, process=reader)

    def _judge_hidden(self, author: str, id: int, process: int) -> None:
        """Nobody meets what is not published; only its author can ask for it as a draft."""
        for viewer in (*USERS, None):
            feed = self.feed(process)
            if id not in self.model.posts:
                assert feed.posts.get(viewer, [id]) == [None], f"{viewer} was given a draft of {author}"
                if viewer not in (author, None):
                    refused(NotFound, partial(feed.drafts.get, viewer, id))
