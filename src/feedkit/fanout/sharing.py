"""Large deliveries, chunk by chunk, by as many workers as there are.

A chunk is claimed in truth for a while, delivered as a part that Redis itself counts, and only then done. Whoever
stops in between leaves a chunk whose lease lapses, and somebody else delivers it again. What was delivered twice
counts once. A delivery is over when every server that holds inboxes says that it has all of its chunks.
"""

import logging
from collections.abc import Callable
from functools import partial

from feedkit.errors import FeedkitError
from feedkit.fanout.delivery import Delivery
from feedkit.log.letters import DeadLetters, logged
from feedkit.model import Event, EventKind
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx
from feedkit.storage.chunks import Chunk, Large, LargeKind, somebody
from feedkit.storage.entries import unpack
from feedkit.storage.events import TIMELINES
from feedkit.storage.timelines import TimelineMarks, TurnLost

logger = logging.getLogger(__name__)


class ChunkWork:
    """One process's share of large deliveries. Safe for threads: each delivers a chunk of its own."""

    def __init__(
        self,
        truth: Truth,
        delivery: Delivery,
        marks: TimelineMarks,
        letters: DeadLetters,
        settings: Settings,
    ) -> None:
        self._truth, self._delivery, self._marks, self._letters = truth, delivery, marks, letters
        self._lease_ms, self.followers = settings.chunk_lease_ms, settings.chunk_followers

    def is_left(self) -> bool:
        """Whether anything is under way, by whomever."""
        return bool(self._truth.read(self._truth.chunks.under_way))

    def step(self) -> bool:
        """Deliver a chunk, or end a delivery that is done; False where there is nothing to do here.

        Raises OutOfReach.
        """
        if not self.is_left():
            return False
        chunk = self._truth.write(partial(self._claim, owner=somebody()))
        if chunk is None:
            return self._finish() > 0
        try:
            with self._marks.part(chunk.large.number, chunk.nth, self._lease_ms, self._keeping(chunk)):
                self._delivery.deliver_chunk(chunk)
        except TurnLost:
            logger.info("a chunk was taken over, or Redis was set back")
            self._truth.write(partial(self._truth.chunks.release, chunk=chunk))
            return True
        except BaseException as error:
            self._truth.write(partial(self._truth.chunks.release, chunk=chunk))
            if isinstance(error, FeedkitError) or not isinstance(error, Exception):
                raise
            self._failed(chunk, error)
            return True
        self._truth.write(partial(self._truth.chunks.done, chunk=chunk))
        self._finish()
        return True

    def _failed(self, chunk: Chunk, error: Exception) -> None:
        """Try it again, or give up the delivery: then readers get from truth what it would have brought."""
        logger.warning("a chunk could not be delivered", exc_info=error)
        if chunk.tries < self._letters.tries:
            return
        large = chunk.large

        def give_up(tx: Tx) -> None:
            self._letters.bury(tx, TIMELINES, self._event(tx, large), chunk.tries, error)
            self._truth.chunks.remove(tx, large.number)

        self._delivery.clear()
        self._truth.write(give_up)

    def _event(self, tx: Tx, large: Large) -> Event:
        """The last that it comes from, whose post a retry brings; those of others are in what is built anew."""
        if (event := logged(self._truth, tx, large.number)) is not None:
            return event
        kind = EventKind.POST_DELETED if large.kind is LargeKind.PURGE else EventKind.POST_PUBLISHED
        newest = max(unpack(large.entries).positions.tolist(), default=0)
        return Event(kind, large.author_id, newest, large.at, newest, number=large.number)

    def _claim(self, tx: Tx, owner: str) -> Chunk | None:
        return self._truth.chunks.claim(tx, owner, lease_ms=self._lease_ms, followers=self.followers)

    def _keeping(self, chunk: Chunk) -> Callable[[], object]:
        return lambda: self._truth.write(
            lambda tx: self._truth.chunks.renew(tx, chunk, lease_ms=self._lease_ms)
        )

    def _finish(self) -> int:
        """End deliveries of which all chunks are done, once truth remembers that they have begun; how many."""
        return sum(map(self._end, self._truth.read(self._over)))

    def _over(self, tx: Tx) -> list[Large]:
        begun = self._truth.events.offsets(tx).get(TIMELINES, 0)
        return [large for large in self._truth.chunks.finished(tx) if large.number <= begun]

    def _end(self, large: Large) -> bool:
        under_way = self._truth.read(self._truth.chunks.under_way)
        if self._marks.finish(large, [other for other in under_way if other.number != large.number]):
            self._truth.write(lambda tx: self._truth.chunks.remove(tx, large.number))
            return True
        logger.warning("a large delivery was lost in part, and is delivered again")
        self._truth.write(lambda tx: self._truth.chunks.redo(tx, large.number))
        return True
