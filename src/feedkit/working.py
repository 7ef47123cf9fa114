"""`feedkit worker`: a process that applies the log and delivers it, until it is told to stop."""

import _thread
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from feedkit.errors import ConfigurationError, FeedkitError
from feedkit.fingerprint import check_agreement
from feedkit.log.worker import THREAD_NAME
from feedkit.model import WorkResult
from feedkit.runtime import Runtime
from feedkit.wiring import Wiring

_AWAKE_S = 0.1
"""So long after the last thing it did a worker looks every few milliseconds."""
_LOOK_S = 0.005
_BACKOFF_S = (0.05, 2.0)
_DEAREST = 10

logger = logging.getLogger(__name__)


class Working:
    """One worker: a thread that follows the log, which is the caller's, and some that deliver chunks.

    Ordinary posts are the first one's alone, so they never wait behind a large delivery.
    """

    def __init__(self, runtime: Runtime[Any], wiring: Wiring[Any], *, adopt: bool) -> None:
        if runtime.fanout.chunks is None:
            raise ConfigurationError(
                "a worker needs a feed with redis=: inboxes in the memory of a process are delivered to by itself"
            )
        check_agreement(runtime.truth, wiring, adopt=adopt)
        self._runtime, self._chunks = runtime, runtime.fanout.chunks
        self._poll_s = wiring.settings.poll_interval_ms / 1000
        self._there_are_chunks = threading.Event()

    def run(self, *, concurrency: int, max_seconds: float | None, stop: threading.Event) -> WorkResult:
        """Work until `stop` is set, or for about so many seconds. Chunks under way are delivered to their end."""
        started = time.monotonic()
        until = None if max_seconds is None else started + max_seconds
        tail, delivery = self._runtime.tail, self._runtime.fanout.delivery
        applied, delivered = tail.applied, delivery.delivered
        ending = threading.Event()
        helpers = [
            threading.Thread(target=self._deliver_chunks, args=(ending,), name=f"{THREAD_NAME}-{nth}")
            for nth in range(concurrency)
        ]
        for helper in helpers:
            helper.start()
        try:
            self._follow_log(until, stop)
        finally:
            ending.set()
            self._there_are_chunks.set()
            for helper in helpers:
                helper.join()
        return WorkResult(
            events=tail.applied - applied,
            deliveries=delivery.delivered - delivered,
            seconds=time.monotonic() - started,
            dearest=tuple(delivery.costs.dearest(_DEAREST)),
        )

    def _follow_log(self, until: float | None, stop: threading.Event) -> None:
        awake_until, troubles = 0.0, 0
        while not stop.is_set() and (until is None or time.monotonic() < until):
            done = _tried(lambda: self._runtime.log.step(share=False))
            troubles = troubles + 1 if done is None else 0
            if troubles:
                stop.wait(min(_BACKOFF_S[0] * 2**troubles, _BACKOFF_S[1]))
                continue
            if _tried(self._chunks.is_left):
                self._there_are_chunks.set()
            if done:
                awake_until = time.monotonic() + _AWAKE_S
            elif time.monotonic() < awake_until:
                stop.wait(_LOOK_S)
            else:
                self._runtime.truth.waking.wait(self._poll_s)

    def _deliver_chunks(self, ending: threading.Event) -> None:
        troubles = 0
        while not ending.is_set():
            done = _tried(self._chunks.step)
            troubles = troubles + 1 if done is None else 0
            if not done:
                self._there_are_chunks.clear()
                pause_s = min(_BACKOFF_S[0] * 2**troubles, _BACKOFF_S[1])
                self._there_are_chunks.wait(pause_s if troubles else self._poll_s)


def _tried(step: Callable[[], bool]) -> bool | None:
    """What a step has done; None where it failed, which it may not do for ever."""
    try:
        return step()
    except FeedkitError as error:
        logger.warning("a step of the worker failed, trying again: %s", error.code)
    except Exception:
        logger.exception("a step of the worker failed, trying again")
    return None


def set_from_handler(stop: threading.Event) -> None:
    """Set an event in a signal handler: whom it interrupts may hold the event's lock just then, and not let go."""
    _thread.start_new_thread(stop.set, ())


@contextmanager
def until_told() -> Iterator[threading.Event]:
    """An event that the first SIGTERM or Ctrl-C sets; a second one does what it does otherwise."""
    stop = threading.Event()
    before: dict[signal.Signals, Any] = {}

    def tell(*_: object) -> None:
        set_from_handler(stop)
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, tell)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
