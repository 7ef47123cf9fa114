"""Elements are pushed behind the lists of timelines, to very many at once; lists that grow long are sealed anew."""

import threading
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from feedkit.ids import MAX_ID
from feedkit.idset import Ids, single
from feedkit.storage.entries import ENTRY_BYTES, Entries, pack
from feedkit.storage.redis.commands import Alike, Chain, Commands, Each, call, calls
from feedkit.storage.redis.keys import Bytes2D, Keys
from feedkit.storage.redis.layout import FLOOR_NOTE, HEADER_BYTES, SEALED, notes, sealed_anew
from feedkit.storage.redis.looking import Held, Looking, looked_at, wanted_from
from feedkit.storage.redis.marks import RedisMarks
from feedkit.storage.redis.opening import Place
from feedkit.storage.redis.scripts import HEAD, KEEP, REMOVE, SWAP
from feedkit.storage.redis.wire import Wire

AT_ONCE = 128
"""Lists that are read at once."""
_PUSHED_BYTES = 500 * ENTRY_BYTES
_FEW = (10, 100)
_LEAVE_TTL = b"-1"


class Pushing:
    """Pushes to the lists of one kind. Safe for threads; see `timelines.RedisTimelines` for the arguments."""

    def __init__(
        self, place: Callable[[], Place], kind: str, marks: RedisMarks, *, capacity: int, tail: int
    ) -> None:
        self._place, self._kind, self._marks = place, kind, marks
        self._capacity, self._tail = capacity, tail
        self._long: set[int] = set()
        self._gathering = threading.Lock()
        marks.at_end.append(self._seal_gathered)

    def push(self, owners: Ids, elements: bytes, *, in_time: bool = False) -> int:
        """Add elements to those of these lists that exist; how many were added.

        `in_time`: or none at all, where somebody else has the turn by now. Entries may come late, and twice.
        """
        if not len(owners):
            return 0
        owners, buckets = self._by_bucket(owners)
        added = 0
        for start in range(0, len(elements), _PUSHED_BYTES):
            part = elements[start : start + _PUSHED_BYTES]
            each = [part[at : at + ENTRY_BYTES] for at in range(0, len(part), ENTRY_BYTES)]
            added += self._push(owners, buckets, each, in_time=in_time) * len(each)
        return added

    def push_wanted(self, owners: Ids, entries: Entries, floor: int) -> None:
        """Add to each of many lists the entries above its own floor, or some more; all are complete from `floor` on.

        What a list begins with is asked for first: most hold less time than an author's entries span, or do not exist.
        """
        if not len(owners):
            return
        self._marks.keep()  # where most do not exist, there may be nothing to push for long
        owners, buckets = self._by_bucket(owners)
        marks = {bucket: self._keys.mark(bucket) for bucket in np.unique(buckets).tolist()}
        asked = calls(
            HEAD,
            self._keys.rows(owners, buckets),
            buckets,
            lambda bucket: [marks[bucket], b"%d" % HEADER_BYTES],
        )
        wanted_froms = map(wanted_from, self._wire.values(buckets, asked))
        floors = np.array([MAX_ID if one is None else one for one in wanted_froms])
        raised = floors < floor
        note = notes(single(floor), FLOOR_NOTE)
        self.push(owners[raised], pack(entries[::-1]) + note)
        wanted = len(entries) - np.searchsorted(entries.positions[::-1], floors)
        for fewer, most in pairwise(sorted({0, *(few for few in _FEW if few < len(entries)), len(entries)})):
            some = owners[~raised & (wanted > fewer) & (wanted <= most)]
            self.push(some, pack(entries[:most][::-1]))

    def seal(self, owners: Ids) -> None:
        """Make one block of each of these lists."""
        for start in range(0, len(owners), AT_ONCE):
            self._marks.keep()
            some = owners[start : start + AT_ONCE]
            buckets = self._keys.buckets_of(some)
            looking = Looking(self._keys, some.tolist(), buckets.tolist(), timed=False)
            (found,) = looked_at(self._wire, [looking])
            self._swap(some, buckets, found)

    def _push(self, owners: Ids, buckets: Ids, each: Sequence[bytes], *, in_time: bool) -> int:
        pushes = self._pushes(self._keys.rows(owners, buckets), buckets, each, in_time=in_time)
        stepped, steps = self._marks.steps(buckets)
        answers = self._wire.numbers(np.concatenate([buckets, stepped]), Chain(pushes, steps), together=True)
        self._marks.take(answers[len(pushes) :])
        lengths = answers[: len(pushes)]
        self._gather(owners[lengths > self._tail + 1])
        return int((lengths > 0).sum())

    def _pushes(self, keys: Bytes2D, buckets: Ids, each: Sequence[bytes], *, in_time: bool) -> Commands:
        standing = self._marks.stand_at(buckets) if in_time else None
        if standing is None:
            return Alike([b"RPUSHX"], keys, each)
        return calls(REMOVE, keys, buckets, lambda bucket: [*standing[bucket], *each])

    def _gather(self, long: Ids) -> None:
        """Seal lists that have grown long: within a turn not one by one, but many at once."""
        with self._gathering:
            self._long.update(long.tolist())
            wait = self._marks.in_turn and len(self._long) < AT_ONCE
        if not wait:
            self._seal_gathered()

    def _seal_gathered(self) -> None:
        with self._gathering:
            gathered, self._long = sorted(self._long), set()
        self.seal(np.array(gathered, dtype=np.int64))

    def _swap(self, owners: Ids, buckets: Ids, found: Sequence[Held | None]) -> None:
        chosen, swaps = [], []
        for nth, held in enumerate(found):
            if held is None or held.length <= 1:
                continue
            key, header = self._keys.of(int(owners[nth])), held.header
            if held.of_now() is None:  # nobody will read it any more, or nobody who would is here to seal it
                swaps.append(call(KEEP, [key], held.identity, b"0"))
            elif header.kind == SEALED:
                block = sealed_anew(held.block, held.tail, header.floor, self._capacity).around_epoch()
                mark, count = self._keys.mark(int(buckets[nth])), b"%d" % held.length
                swaps.append(call(SWAP, [key, mark], held.identity, count, *block, _LEAVE_TTL))
            else:
                continue
            chosen.append(nth)
        if swaps:
            self._wire.numbers(buckets[chosen], Each(swaps))

    def _by_bucket(self, owners: Ids) -> tuple[Ids, Ids]:
        """The same owners in order of their buckets, and these."""
        buckets = self._keys.buckets_of(owners)
        if self._keys.buckets == 1:
            return owners, buckets
        order = np.argsort(buckets, kind="stable")
        return owners[order], buckets[order]

    @property
    def _wire(self) -> Wire:
        return self._place().wire

    @property
    def _keys(self) -> Keys:
        return self._place().keys(self._kind)
