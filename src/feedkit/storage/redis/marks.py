"""How far deliveries to each bucket have come, kept beside the timelines themselves, and what epoch it is.

With each batch of deliveries the number of the last event goes to the server that holds them, and afterwards
to truth. A server that was emptied or set back stands behind truth, so it is noticed, whoever asks next; then
a new epoch begins, and every timeline of an older one counts as missing.
"""

import secrets
from collections.abc import Callable

import attrs
import numpy as np

from feedkit.idset import Ids
from feedkit.storage.redis.commands import Each, call
from feedkit.storage.redis.opening import Place
from feedkit.storage.redis.scripts import ADVANCE

_EPOCH_BYTES = 8
NOWHERE = -1
_RENEWED = -1


@attrs.frozen(slots=True)
class Mark:
    """What a bucket says of itself."""

    epoch: bytes
    number: int


LOST = Mark(b"", NOWHERE)
"""There is none."""


def mark_of(value: object) -> Mark:
    """A mark as it is stored."""
    if (
        not isinstance(value, bytes)
        or len(value) <= _EPOCH_BYTES + 1
        or not value[_EPOCH_BYTES + 1 :].isdigit()
    ):
        return LOST
    return Mark(value[:_EPOCH_BYTES], int(value[_EPOCH_BYTES + 1 :]))


def fresh_epoch() -> bytes:
    """An epoch that there never was."""
    return secrets.token_bytes(_EPOCH_BYTES)


class RedisMarks:
    """The marks of all buckets of a feed; inboxes and outboxes share them. See `TimelineMarks`."""

    def __init__(self, place: Callable[[], Place]) -> None:
        self._place = place

    def advance(self, before: int, up_to: int, last: Callable[[], int]) -> bool:
        buckets = np.arange(self._place().wire.buckets)
        moved = self._move(buckets, before, b"%d" % up_to)
        ahead = moved > up_to  # others have delivered more, or truth is not what it was
        if ahead.any():
            ahead = moved > last()
            self._move(buckets[ahead], int(moved.max()) + 1, b"%d" % up_to)
        return not ahead.any() and bool((moved != _RENEWED).all())

    def renew(self) -> None:
        self._move(np.arange(self._place().wire.buckets), 0, b"")

    def _move(self, buckets: Ids, lowest: int, up_to: bytes) -> Ids:
        keys = self._place().keys("")
        calls = [
            call(ADVANCE, [keys.mark(bucket)], b"%d" % lowest, up_to, fresh_epoch())
            for bucket in buckets.tolist()
        ]
        return self._place().wire.numbers(buckets, Each(calls))
