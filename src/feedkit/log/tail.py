"""Follows the log for one process: applies new events to its local consumers before it serves a read."""

import logging
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager

from feedkit.errors import FeedkitError
from feedkit.log.consumers import LocalConsumer
from feedkit.model import Event, EventKind
from feedkit.storage.base import Answer, Truth

_NOT_NUMBERED = 1 << 63

logger = logging.getLogger(__name__)


class _Look(AbstractContextManager["_Look"]):
    """An answer that takes a look, where truth cannot be asked and left to itself."""

    def __init__(self, tail: "Tail", number: int) -> None:
        self._tail, self._number = tail, number

    def nothing_newer(self) -> bool:
        """See `Answer`."""
        return self._tail.catch_up() == self._number

    def __exit__(self, *_: object) -> None:
        pass


class Tail:
    """This process's place in the log.

    Args:
        truth: where the log is.
        consumers: applied in this order, batch by batch.
        batch: events per step.
    """

    def __init__(self, truth: Truth, consumers: Sequence[LocalConsumer], batch: int) -> None:
        self._truth, self._consumers, self._batch = truth, consumers, batch
        self._lock = threading.RLock()
        self._number: int | None = None
        self._reached: int | None = (
            None  # as `_number`, but from the moment on that something newer is applied
        )
        self._version: int | None = None
        self._early = False  # events were applied that could not be numbered
        self._quiet = False  # the last look found nothing
        self.applied = 0

    def catch_up(self) -> int:
        """Apply everything that was committed before this call; the number of the last event applied.

        Whoever calls while another thread is at it waits: the events may be ones it must see.
        """
        version = self._truth.version()
        if version is not None and version == self._version and self._number is not None:
            return self._number
        with self._lock:
            if self._number is None:
                self._number = self._reached = self._end_of_log()
            else:
                self._apply_new()
            self._version = version  # as it was before we looked: a later commit differs from it
            return self._number

    def expected(self) -> int | None:
        """Where the log ends if nothing was committed since the last look, which found nothing.

        None where more can be learned by looking than by asking.
        """
        return self._number if self._quiet and self._truth.asks else None

    def ask(self, number: int) -> Answer:
        """Ask whether nothing above that number was committed, and go on."""
        return self._truth.ask(number) or _Look(self, number)

    @property
    def number(self) -> int:
        """The number of the last event that was applied, 0 before the first look at the log."""
        return self._number or 0

    @property
    def touched(self) -> int:
        """Nothing above this number has been applied here, not even in part."""
        return _NOT_NUMBERED if self._reached is None else self._reached

    def is_at(self, number: int) -> bool:
        """Whether nothing above that number has been applied here, not even in part."""
        return self._reached == number

    def stands_at(self, number: int) -> bool:
        """Whether nothing was committed since the event of that number was applied, or nobody can tell."""
        if self._early:
            return True
        version = self._truth.version()
        return version is not None and version == self._version and number == self._number

    def restart(self) -> None:
        """Drop what this process holds and go on from the end of the log."""
        with self._lock:
            # The place first: what is built after the clearing then contains everything up to it.
            self._number = self._reached = self._end_of_log()
            for consumer in self._consumers:
                consumer.clear()

    def _apply_new(self) -> None:
        self._quiet = True
        while events := self._fetch(self._number or 0):
            self._quiet = False
            numbered = [event.number for event in events if event.number]
            if self._is_out_of_reach(events):
                logger.warning("log events are out of reach; dropping what this process holds")
                self.restart()
                return
            self._reached = numbered[-1] if len(numbered) == len(events) else None
            if not self._applied(events):
                self.restart()
                return
            self.applied += len(events)
            self._number = numbered[-1] if numbered else self._number
            if len(numbered) < self._batch:
                return

    def _applied(self, events: Sequence[Event]) -> bool:
        """Whether every consumer has taken these events into account; one that could not has to start afresh."""
        try:
            for consumer in self._consumers:
                consumer.apply(events)
        except FeedkitError:
            raise
        except Exception:
            logger.exception("log events could not be applied; dropping what this process holds")
            return False
        return True

    def _is_out_of_reach(self, events: Sequence[Event]) -> bool:
        """Whether there were events that this process cannot apply.

        Numbers are contiguous and the newest event is never pruned: a gap means that some are gone.
        """
        numbered = [event.number for event in events if event.number]
        return (
            (bool(numbered) and numbered[-1] != (self._number or 0) + len(numbered))
            or len(events) - len(numbered) >= self._batch
            or any(event.kind is EventKind.UNKNOWN for event in events)
        )

    def _end_of_log(self) -> int:
        self._fetch(self._truth.read(self._truth.events.last_number))  # numbers what has no number yet
        return self._truth.read(self._truth.events.last_number)

    def _fetch(self, number: int) -> list[Event]:
        """The events above `number`; those that are committed and have no number yet are given one first."""
        events = self._after(number)
        self._early = False
        if any(not event.number for event in events):
            self._early = self._truth.try_write(self._truth.events.number_new) is None
            # What still has no number then was committed after we began, and can wait for the next call.
            events = [event for event in self._after(number) if event.number or self._early]
        return sorted(events, key=lambda event: event.number or _NOT_NUMBERED)

    def _after(self, number: int) -> list[Event]:
        return self._truth.read(lambda tx: self._truth.events.after(tx, number, self._batch))
