"""How far deliveries to each bucket have come, kept beside the timelines themselves, and what epoch it is.

With each batch of deliveries the number of the last event goes to the server that holds them, and afterwards
to truth. A server that was emptied or set back stands behind truth, so it is noticed, whoever asks next; then
a new epoch begins, and every timeline of an older one counts as missing.

Large deliveries do not hold the mark back. It lists their entries until every chunk of them is done in the bucket
itself, and readers merge in what is listed.
"""

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import attrs
import numpy as np

from feedkit.errors import OutOfReach
from feedkit.idset import Ids, single
from feedkit.storage.chunks import Large, somebody
from feedkit.storage.entries import ENTRY_BYTES
from feedkit.storage.redis.commands import Commands, Each, call, command
from feedkit.storage.redis.opening import Place
from feedkit.storage.redis.scripts import ADVANCE, FINISH, TURN
from feedkit.storage.redis.steps import DONE, Part, Steps, Turn
from feedkit.storage.timelines import TurnLost

_EPOCH_BYTES = 8
_DIGITS = 15  # as Redis' scripts count
NOWHERE = -1
_RENEWED, _ANOTHER_STEP = -1, -2
_TURN_MS = 2_000
"""What a process that dies in the middle of a delivery keeps others waiting; one that lives asks for more in time."""
_LOST = "another process delivers, or Redis was set back; try again"


@attrs.frozen(slots=True)
class Mark:
    """What a bucket says of itself. `under_way` are packed entries of large deliveries."""

    epoch: bytes
    number: int
    under_way: bytes = b""


LOST = Mark(b"", NOWHERE)
"""There is none."""


def mark_of(value: object) -> Mark:
    """A mark as it is stored; one of another form is lost."""
    if not isinstance(value, bytes) or value[_EPOCH_BYTES : _EPOCH_BYTES + 1] != b":":
        return LOST
    number, _, under_way = value[_EPOCH_BYTES + 1 :].partition(b":")
    if not number.isdigit() or len(number) > _DIGITS or len(under_way) % ENTRY_BYTES:
        return LOST
    return Mark(value[:_EPOCH_BYTES], int(number), under_way)


def fresh_epoch() -> bytes:
    """An epoch that there never was."""
    return secrets.token_bytes(_EPOCH_BYTES)


class RedisMarks:
    """The marks of all buckets of a feed; inboxes and outboxes share them. See `TimelineMarks`."""

    def __init__(self, place: Callable[[], Place]) -> None:
        self._place = place
        self._current = threading.local()
        self.at_end: list[Callable[[], None]] = []
        """What is still to be done at the end of each turn."""

    @contextmanager
    def turn(self) -> Iterator[bool]:
        place, token = self._place(), somebody().encode()
        turn = Turn(token, place.keys(""), place.wire.buckets)
        if not self._hold(turn, _TURN_MS):
            yield False
            return
        turn.keep_for(_TURN_MS, lambda: self._hold(turn, _TURN_MS))
        self._begin(turn)
        try:
            yield True
            for finish in self.at_end:
                finish()
        finally:
            self._current.steps = None
            with suppress(OutOfReach):  # then it lapses by itself
                self._hold(turn, 0)

    @contextmanager
    def part(self, number: int, nth: int, keep_ms: int, keep: Callable[[], object]) -> Iterator[None]:
        place, token = self._place(), somebody().encode()
        part = Part(token, place.keys(""), place.wire.buckets, b"%d:%d" % (number, nth))
        part.keep_for(keep_ms, keep)
        everywhere = self._begin(part)
        try:
            yield
            for finish in self.at_end:
                finish()
            last = [part.step(bucket, DONE) for bucket in everywhere.tolist()]
            self.take(place.wire.numbers(everywhere, Each(last)))
        finally:
            self._current.steps = None

    def _begin(self, steps: Steps) -> Ids:
        wire = self._place().wire
        everywhere = np.arange(wire.buckets)
        wire.numbers(everywhere, Each([steps.first(bucket) for bucket in everywhere.tolist()]))
        self._current.steps = steps
        return everywhere

    @property
    def in_turn(self) -> bool:
        """Whether this thread is one who delivers."""
        return self._steps is not None

    @property
    def _steps(self) -> Steps | None:
        return getattr(self._current, "steps", None)

    def keep(self) -> None:
        """Keep the turn of this thread, or its part, if it has one: for whoever does much between two steps."""
        if self._steps is not None:
            self._steps.keep()

    def steps(self, buckets: Ids) -> tuple[Ids, Commands]:
        """What to send behind deliveries to these buckets, and the bucket of each. See `take`."""
        self.keep()
        steps = self._steps
        if steps is None:
            return buckets[:0], Each([])
        touched = np.unique(buckets)
        return touched, Each([steps.step(bucket) for bucket in touched.tolist()])

    def stand_at(self, buckets: Ids) -> dict[int, tuple[bytes, bytes, bytes]] | None:
        """Where the last step of this thread stands in each of these buckets, and that step; None for no steps."""
        steps = self._steps
        if steps is None:
            return None
        return {bucket: steps.stands_at(bucket) for bucket in np.unique(buckets).tolist()}

    def take(self, answers: Ids) -> None:
        """What the servers said to the steps. Raises TurnLost."""
        if not answers.all():
            raise TurnLost(_LOST)

    def advance(
        self,
        before: int,
        up_to: int,
        last: Callable[[], int],
        under_way: Sequence[Large] = (),
        begun: Sequence[Large] = (),
    ) -> bool:
        buckets = np.arange(self._place().wire.buckets)
        listed = (_listed(begun), _listed(under_way))
        moved = self._move(buckets, before, b"%d" % up_to, listed)
        if (moved == _ANOTHER_STEP).any():
            raise TurnLost(_LOST)
        ahead = moved > up_to  # others have delivered more, or truth is not what it was
        if ahead.any():
            ahead = moved > last()
            self._move(buckets[ahead], int(moved.max()) + 1, b"%d" % up_to)
        return not ahead.any() and bool((moved != _RENEWED).all())

    def renew(self) -> None:
        self._move(np.arange(self._place().wire.buckets), 0, b"")

    def holder(self) -> str:
        place = self._place()
        (held,) = place.wire.values(single(0), Each([command(b"GET", place.keys("").turn())]))
        return held.decode(errors="replace") if isinstance(held, bytes) else ""

    def finish(self, large: Large, others: Sequence[Large]) -> bool:
        place = self._place()
        keys, entries = place.keys(""), (large.listed, _listed(others))
        calls = [
            call(
                FINISH,
                [keys.mark(bucket), keys.part(bucket)],
                *(b"%d" % large.number, b"%d" % large.chunks, *entries),
            )
            for bucket in range(place.wire.buckets)
        ]
        return bool(place.wire.numbers(np.arange(place.wire.buckets), Each(calls)).all())

    def _move(self, buckets: Ids, lowest: int, up_to: bytes, listed: tuple[bytes, bytes] = (b"", b"")) -> Ids:
        keys, turn = self._place().keys(""), self._steps
        calls = [
            call(
                ADVANCE,
                [keys.mark(bucket), keys.step(bucket)],
                *(b"%d" % lowest, up_to, fresh_epoch()),
                *(turn.now(bucket) if isinstance(turn, Turn) else b"", *listed),
            )
            for bucket in buckets.tolist()
        ]
        return self._place().wire.numbers(buckets, Each(calls))

    def _hold(self, turn: Turn, ms: int) -> bool:
        place = self._place()
        asked = call(TURN, [place.keys("").turn()], turn.token, b"%d" % ms)
        return bool(place.wire.numbers(single(0), Each([asked]))[0])


def _listed(some: Sequence[Large]) -> bytes:
    return b"".join([large.listed for large in some])
