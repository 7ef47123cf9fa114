"""How far deliveries to each bucket have come, kept beside the timelines themselves, and what epoch it is.

With each batch of deliveries the number of the last event goes to the server that holds them, and afterwards
to truth. A server that was emptied or set back stands behind truth, so it is noticed, whoever asks next; then
a new epoch begins, and every timeline of an older one counts as missing.
"""

import secrets

import attrs
import numpy as np

from feedkit.storage.redis.commands import Each, call
from feedkit.storage.redis.keys import Keys
from feedkit.storage.redis.scripts import ADVANCE
from feedkit.storage.redis.wire import Wire

_EPOCH_BYTES = 8
NOWHERE = -1


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


class Marks:
    """The marks of all buckets of a feed; inboxes and outboxes share them."""

    def __init__(self, wire: Wire, keys: Keys) -> None:
        self._wire, self._keys = wire, keys

    def advance(self, delivered: tuple[int, int], last: int) -> int:
        """Note that all events up to the second number are delivered, by one who knows that those up to the first were.

        `last`: the last number of the log. A bucket whose mark lies below the first number, or above the log,
        is not what it was, and begins a new epoch; how many did.
        """
        before, up_to = delivered
        return self._move(b"%d" % before, b"%d" % max(last, up_to), b"%d" % up_to)

    def renew(self) -> None:
        """Begin a new epoch everywhere: all timelines count as missing. The marks stay where they are."""
        self._move(b"0", b"0", b"")

    def _move(self, *bounds: bytes) -> int:
        keys = [self._keys.mark(bucket) for bucket in range(self._keys.buckets)]
        calls = [call(ADVANCE, [key], *bounds, fresh_epoch()) for key in keys]
        moved = self._wire.numbers(np.arange(len(calls)), Each(calls))
        return int((moved == 0).sum())
