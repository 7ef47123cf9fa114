"""Runs the shared consumers, and keeps the log and the journal of keys short."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from feedkit.clock import Clock
from feedkit.errors import FeedkitError
from feedkit.log.consumers import SharedConsumer
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx

logger = logging.getLogger(__name__)
_KEYS_AT_ONCE = 10_000
THREAD_NAME = "feedkit-worker"


class Worker:
    """Applies the log to truth, from whichever process comes by; one does so at a time."""

    def __init__(
        self, truth: Truth, consumers: Sequence[SharedConsumer], clock: Clock, settings: Settings
    ) -> None:
        self._truth, self._consumers, self._clock, self._settings = truth, consumers, clock, settings

    def run_batch(self, *, wait: bool = True) -> int | None:
        """Apply one batch of at most `log_batch` events to every shared consumer; how many there were.

        Without `wait`, nothing is done where somebody else holds what is needed: None.
        """
        if not self._truth.events.numbers_at_insert:
            self._truth.try_write(self._truth.events.number_new)
        run = partial(self._run, wait=wait)
        return self._truth.write(run) if wait else self._truth.try_write(run)

    def run(self, *, until: float | None = None, wait: bool = True) -> bool:
        """Apply batches until nothing is left (True), or until that moment of `time.monotonic()` (False)."""
        while (applied := self.run_batch(wait=wait)) is not None:
            if applied < self._settings.log_batch:
                return True
            if until is not None and time.monotonic() >= until:
                return False
        return False

    def _run(self, tx: Tx, *, wait: bool) -> int | None:
        events = self._truth.events
        if not events.claim(tx, wait=wait):
            return None
        stored = events.offsets(tx)
        offsets = {consumer: stored.get(consumer.name, 0) for consumer in self._consumers}
        slowest = min(offsets.values())
        batch = [event for event in events.after(tx, slowest, self._settings.log_batch) if event.number]
        if not batch:
            return 0
        last = batch[-1].number
        behind = [consumer for consumer, offset in offsets.items() if offset < last]
        for consumer in behind:
            consumer.apply(tx, [event for event in batch if event.number > offsets[consumer]])
        events.set_offsets(tx, [consumer.name for consumer in behind], last)
        if last // self._settings.prune_every > slowest // self._settings.prune_every:
            now_ms = self._clock.now_ms()
            events.prune(tx, now_ms - self._settings.event_retention_s * 1000)
            self._truth.journals.prune_keys(
                tx, now_ms - self._settings.idempotency_ttl_s * 1000, _KEYS_AT_ONCE
            )
        return len(batch)


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
