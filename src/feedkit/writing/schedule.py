"""Publishes scheduled posts at their time: exactly once, by whichever process comes by."""

import logging
from collections.abc import Sequence
from typing import Any

import attrs

from feedkit.clock import Clock
from feedkit.errors import Forbidden, NotFound
from feedkit.ids import MAX_ID
from feedkit.model import Event, EventKind, Post, PostStatus
from feedkit.storage.base import Truth, Tx
from feedkit.storage.cache import LeasedCache
from feedkit.writing.posts import PostWriting
from feedkit.writing.targets import Targets

_NEXT = 0
_AT_ONCE = 200

logger = logging.getLogger(__name__)


class Schedule:
    """Knows when the next post is due, without asking truth; what it does is a step of its own beside the log.

    A log consumer of this process: an event says when posts were scheduled, by whomever. What its author may not
    answer or quote any more when its time comes is not published: it is a plain draft again.
    """

    def __init__(self, truth: Truth, writing: PostWriting, targets: Targets[Any], clock: Clock) -> None:
        self._truth, self._writing, self._targets, self._clock = truth, writing, targets, clock
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
        going = [(post, after) for post in due if (after := self._as_named_now(tx, post, now_ms)) is not None]
        moments = [post.scheduled_ms or now_ms for post, _ in going]
        positions = self._truth.lives.free_positions(tx, moments) if going else []
        for (post, after), position, moment in zip(going, positions, moments, strict=True):
            self._writing.store(tx, post, _published(after, position, moment), now_ms)
        return len(due)

    def _as_named_now(self, tx: Tx, post: Post, now_ms: int) -> Post | None:
        """The post, once its author may still answer and quote what it names; else it is put back, and None."""
        try:
            return self._targets.named_by(tx, post)
        except (NotFound, Forbidden) as error:
            logger.info("a scheduled post is a draft again: %s", error.argument)
            self._writing.store(tx, post, attrs.evolve(post, scheduled_ms=None), now_ms)
            return None


def _published(post: Post, position: int, moment: int) -> Post:
    return attrs.evolve(
        post, status=PostStatus.PUBLISHED, position=position, published_ms=moment, scheduled_ms=None
    )
