"""Whether pages are what the tables say: read to their end, post by post."""

from collections.abc import Callable
from itertools import zip_longest
from random import Random
from typing import Any

from feedkit import Feed
from feedkit.cli.crowd import Crowd
from feedkit.cli.recompute import Recompute
from feedkit.cli.tally import Mismatch, Tally
from feedkit.clock import Clock
from feedkit.errors import NotFound
from feedkit.model import Page, ThreadPage

Read = Callable[[int, str | None], Page[Any]]
_LIMIT_MAX = 100
_STRANGER = "someone who was never here"


class Verifier:
    """Compares what the feed serves with what `truth` recomputes, for people picked from the crowd."""

    def __init__(
        self, feed: Feed[Any], truth: Recompute, clock: Clock, crowd: Crowd, tally: Tally, rng: Random
    ) -> None:
        self._feed, self._truth, self._clock = feed, truth, clock
        self._crowd, self._tally, self._rng = crowd, tally, rng

    def somebody(self, pages: int) -> None:
        """One random viewer's home, at most `pages` pages of it, and at times somebody's profile."""
        viewer = self._crowd.viewer() or _STRANGER
        self.home(viewer, pages)
        chance = self._rng.random()
        if chance < 0.3:
            author = self._crowd.active() if chance < 0.2 else self._crowd.viewer()
            if author:
                self.profile(viewer if chance > 0.03 else None, author, pages)
        for post_id in self._crowd.talked_about():
            self.thread(viewer if self._rng.random() > 0.1 else None, post_id, pages)

    def home(self, viewer: str, pages: int) -> None:
        """One viewer's home."""
        viewer_id = self._id(viewer)
        expected = [] if viewer_id is None else self._truth.home(viewer_id, self._clock.now_ms())
        self._compare(viewer, "home", expected, pages, self._read_home(viewer))

    def profile(self, viewer: str | None, author: str, pages: int) -> None:
        """One author's profile, as the viewer sees it."""
        viewer_id, author_id = self._id(viewer), self._id(author)
        now_ms = self._clock.now_ms()
        expected = [] if author_id is None else self._truth.profile(viewer_id, author_id, now_ms)
        self._compare(
            viewer or "", f"profile of {author!r}", expected, pages, self._read_profile(viewer, author)
        )

    def thread(self, viewer: str | None, post_id: int, pages: int) -> None:
        """One post, what it answers, and the replies to it, as the viewer sees them."""
        depth, now_ms = self._feed.wiring.settings.thread_depth_max, self._clock.now_ms()
        expected = self._truth.thread(self._id(viewer), post_id, depth, now_ms)
        surface = f"thread of {post_id}"
        self._compare(viewer or "", surface, expected or [], pages, self._read_thread(viewer, post_id))
        self._tally.threads_checked += 1

    def _compare(self, viewer: str, surface: str, expected: list[int], pages: int, read: Read) -> None:
        got, ended = self._walk(read, pages)
        due = expected if ended else expected[: len(got)]
        if got != due:
            place = next(i for i, (a, b) in enumerate(zip_longest(due, got)) if a != b)
            at = (_at(due, place), _at(got, place), self._clock.now_ms())
            self._tally.mismatches.append(Mismatch(viewer, surface, place, *at))

    def _walk(self, read: Read, pages: int) -> tuple[list[int], bool]:
        """The post ids of so many pages of random sizes, and whether the feed ended there."""
        ids: list[int] = []
        cursor: str | None = None
        largest = self._rng.choice((3, 20, _LIMIT_MAX, _LIMIT_MAX))
        for _ in range(pages):
            try:
                page = read(self._rng.randint(1, largest), cursor)
            except NotFound:
                return ids, True
            self._tally.pages_checked += 1
            if isinstance(page, ThreadPage) and cursor is None:
                ids += [item.post.id for item in (*page.ancestors, page.focus)]
            ids += [item.post.id for item in page]
            cursor = page.next_cursor
            if cursor is None:
                return ids, True
        return ids, False

    def _read_home(self, viewer: str) -> Read:
        return lambda limit, cursor: self._feed.home(viewer, limit=limit, cursor=cursor)

    def _read_profile(self, viewer: str | None, author: str) -> Read:
        return lambda limit, cursor: self._feed.profile(viewer, author, limit=limit, cursor=cursor)

    def _read_thread(self, viewer: str | None, post_id: int) -> Read:
        return lambda limit, cursor: self._feed.thread(viewer, post_id, limit=limit, cursor=cursor)

    def _id(self, key: str | None) -> int | None:
        if key is None:
            return None
        user = self._feed.users.get([key]).get(key)
        return user.id if user else None


def _at(ids: list[int], place: int) -> int | None:
    return ids[place] if place < len(ids) else None
