"""Publishes scheduled posts at their time: exactly once, by whichever process comes by."""

from collections.abc import Sequence

import attrs

from feedkit.clock import Clock
from feedkit.ids import MAX_ID
from feedkit.model import Event, EventKind, Post, PostStatus
from feedkit.storage.base import Truth, Tx
from feedkit.storage.cache import LeasedCache
from feedkit.writing.posts import PostWriting

_NEXT = 0
_AT_ONCE = 200


class Schedule:
    """Knows when the next post is due, without asking truth; what it does is a step of its own beside the log.

    A log consumer of this process: an event says when posts were scheduled, by whomever.
    """

    def __init__(self, truth: Truth, writing: PostWriting, clock: Clock) -> None:
        self._truth, self._writing, self._clock = truth, writing, clock
        self._next: LeasedCache[int, int] = LeasedCache(1)

    def is_due(self) -> bool:
        """Whether there is something to publish now."""
        return self._next.get(_NEXT, self._load) <= self._clock.now_ms()

    def run(self) -> bool:
        """Publish what is due; whether anything was. Nothing is, where somebody else is at it."""
        published = False
        try:
            while count := self._truth.try_write(self._publish):
                published = True
                if count < _AT_ONCE:
                    break
        finally:
            self.clear()
        return published

    def apply(self, events: Sequence[Event]) -> None:
        """Look anew after something was scheduled."""
        if any(event.kind is EventKind.POST_SCHEDULED for event in events):
            self.clear()

    def clear(self) -> None:
        """Look anew."""
        self._next.discard((_NEXT,))

    def _load(self) -> int:
        due_ms = self._truth.read(self._truth.lives.next_due)
        return MAX_ID if due_ms is None else due_ms

    def _publish(self, tx: Tx) -> int:
        now_ms = self._clock.now_ms()
        due = self._truth.lives.claim_due(tx, now_ms, _AT_ONCE) or []
        moments = [post.scheduled_ms or now_ms for post in due]
        positions = self._truth.lives.free_positions(tx, moments) if due else []
        for post, position, moment in zip(due, positions, moments, strict=True):
            self._writing.store(tx, post, _published(post, position, moment), now_ms)
        return len(due)


def _published(post: Post, position: int, moment: int) -> Post:
    return attrs.evolve(
        post, status=PostStatus.PUBLISHED, position=position, published_ms=moment, scheduled_ms=None
    )
