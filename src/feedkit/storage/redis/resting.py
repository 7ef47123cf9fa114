"""A server that could not be reached is left alone for a while, and then one finds out whether it is back."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from feedkit.errors import OutOfReach

_RESTS_S = 1.0


class Rest:
    """Spares readers from waiting for a server in vain, one after the other or all at once. Safe for threads."""

    def __init__(self) -> None:
        self.until = 0.0
        """Up to that moment of `time.monotonic()` nobody asks; 0 where all is well."""
        self._finding_out = threading.Lock()

    def begin(self) -> None:
        """Leave it alone from now on."""
        self.until = time.monotonic() + _RESTS_S

    def refuse(self) -> None:
        """Raise OutOfReach where it is left alone."""
        if time.monotonic() < self.until:
            raise _not_now()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around whatever asks it. Raises OutOfReach at once where it is left alone, or somebody else finds out."""
        before = self.until
        if not before:
            yield
            return
        self.refuse()
        if not self._finding_out.acquire(blocking=False):
            raise _not_now()
        try:
            yield
        finally:
            if self.until == before:  # it has answered, whatever it said
                self.until = 0.0
            self._finding_out.release()


def _not_now() -> OutOfReach:
    return OutOfReach("Redis could not be reached a moment ago; try again", retry_after_s=_RESTS_S)
