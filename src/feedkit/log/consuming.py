"""Hands events to a consumer's handler, batch by batch, and decides what becomes of those that it cannot handle.

The source is a bus, or anything else that leases batches as `Leases` says.
"""

import logging
import threading
import time
from contextlib import suppress
from typing import Protocol

import attrs

from feedkit.errors import OutOfReach, Unavailable
from feedkit.log.consumers import Handler
from feedkit.log.letters import DeadLetters, as_logged
from feedkit.model import EventKind
from feedkit.settings import Settings
from feedkit.storage.base import Truth
from feedkit.storage.bus import GROUP, Batch, Entry

_HEARD_ALONE = 2  # tries after which an event was at least once not one among many
_LONGEST_PAUSE_MS = 60_000

logger = logging.getLogger(__name__)


class Leases(Protocol):
    """Where batches come from; see `feedkit.storage.bus.Bus` for what is promised."""

    def fetch(self, group: str, start: int, limit: int, lease_ms: int) -> Batch | None:
        """Lease the next batch of a group."""

    def acknowledge(self, batch: Batch) -> bool:
        """Note that it was handled."""

    def abandon(self, batch: Batch, handled: int, *, blamed: bool, pause_ms: int) -> bool:
        """Give it back."""


@attrs.define(slots=True)
class Tally:
    """What became of events: how many were acknowledged, and how many of them as dead letters."""

    handled: int = 0
    dead: int = 0


class Consuming:
    """One group's handler at work. Safe to run in many threads and processes at once.

    Args:
        truth: in whose transactions dead letters are kept.
        leases: where batches come from.
        group: by name.
        handler: is handed the events.
        letters: take what it cannot handle.
        settings: bound batches, leases and tries.
    """

    def __init__(
        self,
        truth: Truth,
        leases: Leases,
        group: str,
        handler: Handler,
        *,
        letters: DeadLetters,
        settings: Settings,
    ) -> None:
        self._truth, self._leases = truth, leases
        self._group, self._handler = group, handler
        self._letters, self._settings = letters, settings

    def run(self, start: int, *, until: float | None = None, stop: threading.Event | None = None) -> Tally:
        """Handle batches until there is none to be had, that moment of `time.monotonic()` has come, or it is to stop.

        `start`: a group that a partition does not know begins above that number of the log.

        Raises:
            LimitExceeded: the group has as many dead letters as it may have; what failed is tried again later.
        """
        tally = Tally()
        while not (stop and stop.is_set()) and (until is None or time.monotonic() < until):
            if not self.step(start, tally):
                break
        return tally

    def step(self, start: int, tally: Tally) -> bool:
        """Handle one batch; False where there was none, or no more can be handled at the moment."""
        settings = self._settings
        batch = self._leases.fetch(self._group, start, settings.bus_batch, settings.bus_lease_ms)
        if batch is None:
            return False
        handled = 0
        try:
            batch = self._read_anew(batch)
            if len(batch.entries) > 1 and self._at_once(batch):
                handled = len(batch.entries)
            for entry in batch.entries[handled:]:
                if not self._alone(entry, tally):
                    pause_ms = self._pause_ms(entry.tries)
                    return self._give_back(batch, handled, tally, blamed=True, pause_ms=pause_ms)
                handled += 1
        except Unavailable as error:
            logger.warning("nothing can be handled at the moment, to be tried again: %s", error.code)
            self._give_back(batch, handled, tally, blamed=False, pause_ms=self._pause_ms(1))
            return False
        except BaseException:
            with suppress(OutOfReach):  # then the lease lapses by itself
                self._give_back(batch, handled, tally, blamed=False, pause_ms=0)
            raise
        return self._settled(self._leases.acknowledge(batch), handled, tally)

    def _read_anew(self, batch: Batch) -> Batch:
        """With what the log tells of events that whoever filled the bus could not read."""
        if all(event.kind is not EventKind.UNKNOWN for event in batch.events):
            return batch
        events = self._truth.read(lambda tx: [as_logged(self._truth, tx, event) for event in batch.events])
        both = zip(batch.entries, events, strict=True)
        return attrs.evolve(batch, entries=tuple(attrs.evolve(entry, event=event) for entry, event in both))

    def _at_once(self, batch: Batch) -> bool:
        try:
            self._handler(batch.events)
        except Unavailable:
            raise
        except Exception as error:
            logger.info(
                "a batch of %d events failed, one by one then: %s", len(batch.entries), type(error).__name__
            )
            return False
        return True

    def _alone(self, entry: Entry, tally: Tally) -> bool:
        """Handle one event, or give it up if it was tried often enough; False to try it again later."""
        if entry.tries > max(self._settings.bus_tries, _HEARD_ALONE):
            reason: Exception | str = "whoever handled it ended or took too long each time"
        else:
            try:
                self._handler((entry.event,))
                return True
            except Unavailable:
                raise
            except Exception as error:
                if entry.tries < self._settings.bus_tries:
                    logger.warning(
                        "an event could not be handled, to be tried again: %s", type(error).__name__
                    )
                    return False
                reason = error
        name = GROUP + self._group
        self._truth.write(lambda tx: self._letters.bury(tx, name, entry.event, entry.tries, reason))
        tally.dead += 1
        return True

    def _give_back(self, batch: Batch, handled: int, tally: Tally, *, blamed: bool, pause_ms: int) -> bool:
        kept = self._leases.abandon(batch, handled, blamed=blamed, pause_ms=pause_ms)
        return self._settled(kept, handled, tally)

    def _settled(self, kept: bool, handled: int, tally: Tally) -> bool:
        if kept:
            tally.handled += handled
        else:
            logger.warning("a batch took longer than bus_lease_ms, or was lost, and is handled again")
        return kept

    def _pause_ms(self, tries: int) -> int:
        return int(min(_LONGEST_PAUSE_MS, self._settings.bus_retry_ms * 2 ** (min(tries, 32) - 1)))
