"""How far deliveries to each bucket have come, kept beside the timelines themselves, and what epoch it is.

With each batch of deliveries the number of the last event goes to the server that holds them, and afterwards
to truth. A server that was emptied or set back stands behind truth, so it is noticed, whoever asks next; then
a new epoch begins, and every timeline of an older one counts as missing.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import attrs
import numpy as np

from feedkit.errors import OutOfReach
from feedkit.idset import Ids, single
from feedkit.storage.base import TurnLost
from feedkit.storage.redis.commands import Commands, Each, call
from feedkit.storage.redis.opening import Place
from feedkit.storage.redis.scripts import ADVANCE, STEP, TURN

_EPOCH_BYTES = 8
NOWHERE = -1
_RENEWED, _ANOTHER_STEP = -1, -2
_TURN_MS = 10_000


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


class Turn:
    """A turn to deliver, under way: how many steps it has taken in each bucket.

    A server that is set back in the middle of a turn may stand at the very mark from which the turn began, with
    half of what was delivered. Its steps tell.
    """

    def __init__(self, token: bytes, buckets: int, until: float) -> None:
        self.token = token
        self.steps = [0] * buckets
        self.until = until

    def step(self, bucket: int) -> bytes:
        """The last step in a bucket."""
        return b"%b:%d" % (self.token, self.steps[bucket])


class RedisMarks:
    """The marks of all buckets of a feed; inboxes and outboxes share them. See `TimelineMarks`."""

    def __init__(self, place: Callable[[], Place]) -> None:
        self._place = place
        self._current = threading.local()
        self.at_end: list[Callable[[], None]] = []
        """What is still to be done at the end of each turn."""

    @contextmanager
    def turn(self) -> Iterator[bool]:
        place, token = self._place(), secrets.token_hex(8).encode()
        keys, turn = place.keys(""), Turn(token, place.wire.buckets, 0)
        if not self._hold(turn):
            yield False
            return
        everywhere = list(range(place.wire.buckets))
        first = [call(STEP, [keys.step(bucket)], b"", turn.step(bucket)) for bucket in everywhere]
        place.wire.numbers(np.array(everywhere), Each(first))
        self._current.turn = turn
        try:
            yield True
            for finish in self.at_end:
                finish()
        finally:
            self._current.turn = None
            with suppress(OutOfReach):  # then it lapses by itself
                self._hold(turn, ms=0)

    @property
    def in_turn(self) -> bool:
        """Whether this thread is the one who delivers."""
        return getattr(self._current, "turn", None) is not None

    def steps(self, buckets: Ids) -> tuple[Ids, Commands]:
        """What to send behind deliveries to these buckets, and the bucket of each. See `take`."""
        turn: Turn | None = getattr(self._current, "turn", None)
        if turn is None:
            return buckets[:0], Each([])
        if time.monotonic() > turn.until - _TURN_MS / 2000:
            self._hold(turn)
        keys, touched = self._place().keys(""), np.unique(buckets)
        calls = []
        for bucket in touched.tolist():
            before = turn.step(bucket)
            turn.steps[bucket] += 1
            calls.append(call(STEP, [keys.step(bucket)], before, turn.step(bucket)))
        return touched, Each(calls)

    def take(self, answers: Ids) -> None:
        """What the servers said to the steps. Raises TurnLost."""
        if not answers.all():
            raise TurnLost("another process delivers, or Redis was set back; try again")

    def advance(self, before: int, up_to: int, last: Callable[[], int]) -> bool:
        buckets = np.arange(self._place().wire.buckets)
        moved = self._move(buckets, before, b"%d" % up_to)
        if (moved == _ANOTHER_STEP).any():
            raise TurnLost("another process delivers, or Redis was set back; try again")
        ahead = moved > up_to  # others have delivered more, or truth is not what it was
        if ahead.any():
            ahead = moved > last()
            self._move(buckets[ahead], int(moved.max()) + 1, b"%d" % up_to)
        return not ahead.any() and bool((moved != _RENEWED).all())

    def renew(self) -> None:
        self._move(np.arange(self._place().wire.buckets), 0, b"")

    def _move(self, buckets: Ids, lowest: int, up_to: bytes) -> Ids:
        keys, turn = self._place().keys(""), getattr(self._current, "turn", None)
        calls = [
            call(
                ADVANCE,
                [keys.mark(bucket), keys.step(bucket)],
                *(b"%d" % lowest, up_to, fresh_epoch()),
                turn.step(bucket) if turn else b"",
            )
            for bucket in buckets.tolist()
        ]
        return self._place().wire.numbers(buckets, Each(calls))

    def _hold(self, turn: Turn, ms: int = _TURN_MS) -> bool:
        place = self._place()
        turn.until = time.monotonic() + ms / 1000
        asked = call(TURN, [place.keys("").turn()], turn.token, b"%d" % ms)
        return bool(place.wire.numbers(single(0), Each([asked]))[0])
