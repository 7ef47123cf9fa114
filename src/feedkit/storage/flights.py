"""One at a time per key: the first does the work, the others wait and find it done."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Flights:
    """A lock per key, for as long as somebody holds or awaits it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[int, tuple[threading.Lock, int]] = {}

    @contextmanager
    def one(self, key: int) -> Iterator[None]:
        """Wait until nobody else is at work on `key`, then keep others waiting."""
        with self._lock:
            lock, users = self._held.get(key, (threading.Lock(), 0))
            self._held[key] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, users = self._held[key]
                if users == 1:
                    del self._held[key]
                else:
                    self._held[key] = (lock, users - 1)
