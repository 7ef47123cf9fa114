"""Delivers the log to timelines that all processes share: once, by whichever process comes by."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import attrs

from feedkit.errors import FeedkitError, OutOfReach
from feedkit.fanout.delivery import Delivery
from feedkit.fanout.recent import Recent
from feedkit.fanout.sharing import ChunkWork
from feedkit.log.consumers import LocalConsumer
from feedkit.log.letters import DeadLetters
from feedkit.model import Event, EventKind
from feedkit.storage.base import Truth, Tx
from feedkit.storage.chunks import Large
from feedkit.storage.events import TIMELINES
from feedkit.storage.timelines import TimelineMarks, TurnLost

_POLL_S = 0.005
_PATIENCE_S = 0.1
_UNDER_WAY_MAX = 200
_WARN_EVERY_S = 60.0

logger = logging.getLogger(__name__)


@attrs.frozen(slots=True)
class _Pending:
    """What truth says is to be done: events above `before`, in order."""

    before: int
    events: Sequence[Event]
    last: int
    """The highest number of the log."""
    under_way: Sequence[Large] = ()

    @property
    def is_broken(self) -> bool:
        """Whether there were events that cannot be delivered: they are gone from the log, or of a later version."""
        first = self.events[0].number if self.events else self.before + 1
        return (
            self.before > self.last
            or first != self.before + 1
            or any(event.kind is EventKind.UNKNOWN for event in self.events)
        )

    @property
    def up_to(self) -> int:
        """The number of the last of these events."""
        return self.last if self.is_broken else self.events[-1].number if self.events else self.before


class SharedDelivery:
    """A shared consumer whose effects are outside truth, so that it may do things twice but leaves nothing out.

    First the timelines and what else `also` lists, whether events could be delivered or became dead letters; then the
    marks beside them, then truth: whoever stops in between is repeated.
    """

    def __init__(
        self,
        truth: Truth,
        delivery: Delivery,
        marks: TimelineMarks,
        batch: int,
        chunks: ChunkWork,
        letters: DeadLetters,
        *,
        also: Sequence[LocalConsumer] = (),
    ) -> None:
        self._truth, self._delivery, self._marks, self._batch = truth, delivery, marks, batch
        self._also = also
        self._one_at_a_time = threading.Lock()
        self._chunks, self._is_shared, self._letters = chunks, False, letters

    def run(self, *, until: float | None = None, wait: bool = False, share: bool = True) -> bool:
        """Deliver until nothing is left (True), or until that moment of `time.monotonic()`, or as far as can be.

        Where another process is at it, nothing is done, unless to `wait`. Without `share`, large deliveries are begun
        and left to others.
        """
        try:
            while self._run_log(until, wait=wait):
                if not share or not self._is_shared:
                    return True
                if until is not None and time.monotonic() >= until:
                    return False
                if not self._chunks.step():
                    if not wait:
                        return False
                    time.sleep(_POLL_S)
        except OutOfReach as error:
            logger.warning("timelines are out of reach, nothing is delivered: %s", error.code)
        return False

    def _run_log(self, until: float | None, *, wait: bool) -> bool:
        while (delivered := self._try_batch()) is None or delivered == self._batch:
            if delivered is None and not wait:
                return False
            if until is not None and time.monotonic() >= until:
                return False
            if delivered is None:
                time.sleep(_POLL_S)
        return True

    def _try_batch(self) -> int | None:
        try:
            return self.run_batch()
        except TurnLost:
            return None

    def run_batch(self) -> int | None:
        """Deliver a batch of events; how many there were, None where others deliver. Raises OutOfReach."""
        with self._turn() as is_ours:
            if not is_ours:
                return None
            pending = self._truth.read(self._pending)
            begun: Sequence[Large] = ()
            if pending.is_broken:
                self._delivery.clear()
            elif pending.events:
                begun = self._deliver(pending.events)
                for consumer in self._also:
                    consumer.apply(pending.events)
            # Truth knows of what is large before the marks list it: whoever stops here has left it to others.
            under_way = self._truth.write(partial(self._begin, begun=begun)) if begun else pending.under_way
            kept = self._marks.advance(pending.before, pending.up_to, self._last, under_way, begun)
            if not kept and pending.before:
                logger.warning("timelines were lost or set back; they are built anew")
            self._is_shared = bool(under_way)
            if pending.up_to != pending.before:
                self._truth.write(lambda tx: self._remember(tx, pending))
            return len(pending.events)

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        """Be the one who delivers; False where another process, or for longer than a moment another thread, is."""
        if not self._one_at_a_time.acquire(timeout=_PATIENCE_S):
            yield False
            return
        try:
            with self._marks.turn() as is_ours:
                yield is_ours
        finally:
            self._one_at_a_time.release()

    def _deliver(self, events: Sequence[Event]) -> list[Large]:
        """Deliver these events, without those that cannot be delivered."""
        try:
            return self._delivery.deliver(events, share_above=self._chunks.followers)
        except (FeedkitError, TurnLost):
            raise
        except Exception:
            if len(events) > 1:
                logger.exception("a batch of events could not be delivered; one by one then")
        return [large for event in events for large in self._deliver_alone(event)]

    def _deliver_alone(self, event: Event) -> list[Large]:
        tries = 0
        while True:
            try:
                return self._delivery.deliver([event], share_above=self._chunks.followers)
            except (FeedkitError, TurnLost):
                raise
            except Exception as error:
                tries, failed = tries + 1, error
            if tries >= self._letters.tries:
                break
        bury = partial(self._letters.bury, consumer=TIMELINES, event=event, tries=tries, reason=failed)
        self._truth.write(bury)
        self._delivery.clear()  # what it would have brought, readers get from truth
        return []

    def _pending(self, tx: Tx) -> _Pending:
        before = self._truth.events.offsets(tx).get(TIMELINES, 0)
        events = self._truth.events.after(tx, before, self._batch)
        numbered = sorted((event for event in events if event.number), key=lambda event: event.number)
        last = max(self._truth.events.last_number(tx), numbered[-1].number if numbered else 0)
        under_way = self._truth.chunks.under_way(tx)
        if len(under_way) >= _UNDER_WAY_MAX:  # readers merge in every one of them
            numbered = []
        return _Pending(before, numbered, last, under_way)

    def _begin(self, tx: Tx, begun: Sequence[Large]) -> Sequence[Large]:
        for large in begun:
            self._truth.chunks.begin(tx, large)
        return self._truth.chunks.under_way(tx)

    def _remember(self, tx: Tx, pending: _Pending) -> None:
        """Only forwards, if another process has come further meanwhile, unless truth itself was set back."""
        remembered = self._truth.events.offsets(tx).get(TIMELINES, 0)
        if remembered < pending.up_to or remembered > pending.last:
            self._truth.events.set_offsets(tx, [TIMELINES], pending.up_to)

    def delivered_to(self) -> int:
        """The number of the last event that truth remembers as delivered."""
        return self._truth.read(self._truth.events.offsets).get(TIMELINES, 0)

    def _last(self) -> int:
        return self._truth.read(self._truth.events.last_number)


class Shared:
    """What a process knows of the timelines it shares: see `Sharing`.

    Args:
        delivery: of the log to these timelines.
        place: gives the number up to which this process has come.
        recent: what it knows of the last events.
        others_deliver: whether there are workers for it.
    """

    def __init__(
        self, delivery: SharedDelivery, place: Callable[[], int], recent: Recent, *, others_deliver: bool
    ) -> None:
        self.delivery, self._place, self.recent = delivery, place, recent
        self.others_deliver = others_deliver
        self._lock = threading.Lock()
        self._runs = 0
        self._warned = -_WARN_EVERY_S

    def applied(self) -> int:
        """See `Sharing`."""
        return self._place()

    def deliver(self) -> None:
        """See `Sharing`. Whoever comes while somebody else is at it waits for a moment."""
        if self.others_deliver:
            self._wait()
            return
        begun = self._runs
        if not self._lock.acquire(timeout=_PATIENCE_S):
            return  # somebody is at it for longer than a reader waits
        try:
            if self._runs > begun + 1:
                return  # somebody has begun and ended since
            self._runs += 1
            self.delivery.run(until=time.monotonic() + _PATIENCE_S, wait=True)
            self._runs += 1
        finally:
            self._lock.release()

    def _wait(self) -> None:
        """Until workers have come as far as this process, or for a moment."""
        until, goal = time.monotonic() + _PATIENCE_S, self._place()
        while self.delivery.delivered_to() < goal:
            if time.monotonic() >= until:
                self._warn()
                return
            time.sleep(_POLL_S)

    def _warn(self) -> None:
        if time.monotonic() < self._warned + _WARN_EVERY_S:
            return
        self._warned = time.monotonic()
        logger.warning("workers are behind, and pages are read from truth; is `feedkit worker` running?")
