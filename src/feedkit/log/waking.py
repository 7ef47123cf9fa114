"""Workers sleep while there is nothing to do. Who has committed something wakes them, now and then."""

import threading
import time
from collections.abc import Callable

_AT_MOST_EVERY_S = 0.02


class Alarm:
    """Rings at most fifty times a second, however often it is asked to: who is woken stays awake for longer.

    To ring costs a round trip, and PostgreSQL has those who notify commit one after the other. So it is done after
    a commit and not within the transaction.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring, self._lock = ring, threading.Lock()
        self._rang = 0.0

    def ring(self) -> None:
        """Wake workers, if nobody has just done so."""
        now = time.monotonic()
        with self._lock:
            if now - self._rang < _AT_MOST_EVERY_S:
                return
            self._rang = now
        self._ring()
