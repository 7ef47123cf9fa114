"""Deliveries are counted in steps, so that a server that is set back in the middle of them is noticed.

It may stand at the very mark from which the deliveries began, with half of them: its steps tell. Each pipeline
ends with a step, which stands only if the one before it still does.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from feedkit.storage.redis.commands import call
from feedkit.storage.redis.keys import Keys
from feedkit.storage.redis.scripts import PART, STEP

DONE = b"done"
_PARTS_LIVE_MS = b"86400000"  # what nobody has finished by then is delivered anew


class Steps(ABC):
    """What one thread delivers: how many steps it has taken in each bucket. `token` is that of nobody else."""

    def __init__(self, token: bytes, keys: Keys, buckets: int) -> None:
        self.token, self._keys = token, keys
        self._taken = [0] * buckets
        self._ms, self._due = 0, float("inf")
        self._keep: Callable[[], object] = int

    def keep_for(self, ms: int, keep: Callable[[], object]) -> None:
        """Call `keep` as soon as half of so many milliseconds are over, again and again."""
        self._ms, self._keep = ms, keep
        self._due = time.monotonic() + ms / 2000

    def keep(self) -> None:
        """See `keep_for`."""
        if time.monotonic() > self._due:
            self._keep()
            self._due = time.monotonic() + self._ms / 2000

    def now(self, bucket: int) -> bytes:
        """The last step in a bucket."""
        return b"%b:%d" % (self.token, self._taken[bucket])

    def step(self, bucket: int, last: bytes | None = None) -> bytes:
        """The command that takes the next step in a bucket."""
        before = self.now(bucket)
        self._taken[bucket] += 1
        return self._command(bucket, before, last or self.now(bucket))

    def first(self, bucket: int) -> bytes:
        """The command that begins in a bucket, whoever was at it before."""
        return self._command(bucket, b"", self.now(bucket))

    @abstractmethod
    def stands_at(self, bucket: int) -> tuple[bytes, bytes, bytes]:
        """The key and the field, b"" for none, under which the last step in a bucket stands, and that step."""

    @abstractmethod
    def _command(self, bucket: int, before: bytes, now: bytes) -> bytes:
        """The command that goes from one step to another."""


class Turn(Steps):
    """A turn to deliver the log."""

    def stands_at(self, bucket: int) -> tuple[bytes, bytes, bytes]:
        return self._keys.step(bucket), b"", self.now(bucket)

    def _command(self, bucket: int, before: bytes, now: bytes) -> bytes:
        return call(STEP, [self._keys.step(bucket)], before, now)


class Part(Steps):
    """A chunk of a large delivery, by its name."""

    def __init__(self, token: bytes, keys: Keys, buckets: int, name: bytes) -> None:
        super().__init__(token, keys, buckets)
        self._name = name

    def stands_at(self, bucket: int) -> tuple[bytes, bytes, bytes]:
        return self._keys.part(bucket), self._name, self.now(bucket)

    def _command(self, bucket: int, before: bytes, now: bytes) -> bytes:
        return call(PART, [self._keys.part(bucket)], self._name, before, now, _PARTS_LIVE_MS)
