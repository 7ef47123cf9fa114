"""Runs the shared consumers, and keeps the log and the journal of keys short."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from feedkit.clock import Clock
from feedkit.errors import FeedkitError
from feedkit.log.consumers import SharedConsumer
from feedkit.log.letters import UNREADABLE, DeadLetters
from feedkit.model import Event, EventKind
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx

logger = logging.getLogger(__name__)
_KEYS_AT_ONCE = 10_000
THREAD_NAME = "feedkit-worker"


class Worker:
    """Applies the log to truth, from whichever process comes by; one does so at a time."""

    def __init__(
        self,
        truth: Truth,
        consumers: Sequence[SharedConsumer],
        clock: Clock,
        settings: Settings,
        letters: DeadLetters,
    ) -> None:
        self._truth, self._consumers, self._clock, self._settings = truth, consumers, clock, settings
        self._letters = letters
        self._trying: tuple[SharedConsumer, list[Event]] | None = None
        self._one_by_one_up_to = 0
        """Up to this number of the log events are taken one by one, since one of them could not be handled."""
        self._failed: Counter[tuple[str, int]] = Counter()

    def run_batch(self, *, wait: bool = True) -> bool | None:
        """Apply one batch of at most `log_batch` events to every shared consumer; whether there may be more.

        Without `wait`, nothing is done where somebody else holds what is needed: None.
        """
        if not self._truth.events.numbers_at_insert:
            self._truth.try_write(self._truth.events.number_new)
        run = partial(self._run, wait=wait)
        try:
            return self._truth.write(run) if wait else self._truth.try_write(run)
        except FeedkitError:
            raise
        except Exception as error:
            if self._trying is None:
                raise
            self._stumbled(*self._trying, error)
            return True

    def run(self, *, until: float | None = None, wait: bool = True) -> bool:
        """Apply batches until nothing is left (True), or until that moment of `time.monotonic()` (False)."""
        while (more := self.run_batch(wait=wait)) is not None:
            if not more:
                return True
            if until is not None and time.monotonic() >= until:
                return False
        return False

    def _stumbled(self, consumer: SharedConsumer, events: list[Event], error: Exception) -> None:
        """Find the event that could not be handled, and give it up once it was tried often enough."""
        if len(events) > 1:
            logger.warning("%s could not handle a batch of events; one by one then", consumer.name)
            self._one_by_one_up_to = events[-1].number
            return
        (event,) = events
        self._failed[consumer.name, event.number] += 1
        tries = self._failed[consumer.name, event.number]
        if tries < self._letters.tries:
            logger.warning("%s could not handle an event, trying again", consumer.name, exc_info=error)
            return
        self._truth.write(lambda tx: self._pass_over(tx, consumer, event, tries, error))
        del self._failed[consumer.name, event.number]

    def _pass_over(
        self, tx: Tx, consumer: SharedConsumer, event: Event, tries: int, error: Exception
    ) -> None:
        self._truth.events.claim(tx, wait=True)
        if self._truth.events.offsets(tx).get(consumer.name, 0) == event.number - 1:
            self._letters.bury(tx, consumer.name, event, tries, error)
            self._truth.events.set_offsets(tx, [consumer.name], event.number)

    def _run(self, tx: Tx, *, wait: bool) -> bool | None:
        events, self._trying = self._truth.events, None
        if not events.claim(tx, wait=wait):
            return None
        stored = events.offsets(tx)
        offsets = {consumer: stored.get(consumer.name, 0) for consumer in self._consumers}
        slowest = min(offsets.values())
        limit = 1 if slowest < self._one_by_one_up_to else self._settings.log_batch
        batch = [event for event in events.after(tx, slowest, limit) if event.number]
        if not batch:
            return False
        last = batch[-1].number
        behind = [consumer for consumer, offset in offsets.items() if offset < last]
        for consumer in behind:
            theirs = [event for event in batch if event.number > offsets[consumer]]
            for event in theirs:
                if event.kind is EventKind.UNKNOWN:
                    self._letters.bury(tx, consumer.name, event, 1, UNREADABLE)
            self._trying = consumer, theirs
            consumer.apply(tx, theirs)
        self._trying = None
        events.set_offsets(tx, [consumer.name for consumer in behind], last)
        if last // self._settings.prune_every > slowest // self._settings.prune_every:
            now_ms = self._clock.now_ms()
            events.prune(tx, now_ms - self._settings.event_retention_s * 1000)
            self._truth.journals.prune_keys(
                tx, now_ms - self._settings.idempotency_ttl_s * 1000, _KEYS_AT_ONCE
            )
        return len(batch) == limit


class WorkerThread:
    """A daemon thread that applies the log every `interval_s` seconds, so that readers find it applied."""

    def __init__(self, step: Callable[[], object], interval_s: float) -> None:
        self._step, self._interval_s = step, interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=THREAD_NAME, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step under way."""
        self._stop.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                self._step()
            except FeedkitError as error:
                logger.warning("applying the log failed, trying again: %s", error.code)
            except Exception:
                logger.exception("applying the log failed, trying again")
