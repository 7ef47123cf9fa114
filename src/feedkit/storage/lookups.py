"""Reads through a cache that processes share: one loader per key, and nothing outdated left behind.

The leases are those of "Scaling Memcache at Facebook" (NSDI 2013, section 3.2.1): whoever finds nothing under a key
is given a lease, and may fill it as long as nothing has been changed since; others wait for them for a moment. An
error of the loader gives its leases back, and takes nothing away.
"""

import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import attrs

from feedkit.codec import MISS, _Miss
from feedkit.errors import OutOfReach
from feedkit.metrics import Metrics, of_cache
from feedkit.settings import Settings
from feedkit.storage.shared import Lease, SharedCache, Slot, Value
from feedkit.storage.touching import Cached, CacheKey, Touches

V = TypeVar("V")
W = TypeVar("W")
Load = Callable[[Sequence[int]], Mapping[int, V]]
"""Gives what truth has of some ids, on the primary; an id that is left out has nothing."""

_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.02
_JITTER = 0.1
_NEVER = 1 << 52
"""A number that no event has: nothing that stands there is recent enough."""

logger = logging.getLogger(__name__)


class Shape(Protocol[V]):
    """How values of one kind are kept."""

    kind: Cached
    name: str
    """For metrics."""
    keeps_absence: bool
    """Whether that there is nothing under an id may be kept, for a moment: it must have an event that ends it."""

    def pack(self, value: V) -> bytes | None:
        """Its bytes; None for what is not to be kept."""

    def unpack(self, wanted: int, data: bytes) -> V | _Miss:
        """The value with this id in these bytes, `MISS` where they hold none."""


class Lookup:
    """Looks up values for one process.

    Args:
        cache: what processes share.
        touches: which values this process knows to be changed.
        applied: the number of the last event that this process has applied.
        settings: how long values are kept and waited for.
        metrics: told of hits and misses.
    """

    def __init__(
        self,
        cache: SharedCache,
        touches: Touches,
        applied: Callable[[], int],
        settings: Settings,
        metrics: Metrics | None = None,
    ) -> None:
        self._cache, self._touches, self._applied = cache, touches, applied
        self._ttl_ms, self._absent_ms = settings.shared_ttl_s * 1000, settings.shared_absent_ms
        self._wait_s = settings.shared_wait_ms / 1000
        self._metrics = metrics

    def get_many(self, shape: Shape[V], ids: Sequence[int], load: Load[V]) -> dict[int, V]:
        """The values of these ids: those that are kept, and what `load` gives for the others."""
        looking = _Looking(self, shape, load, list(dict.fromkeys(ids)))
        self.look_for([looking])
        return looking.found

    def get_both(
        self,
        some: tuple[Shape[V], Sequence[int], Load[V]],
        others: tuple[Shape[W], Sequence[int], Load[W]],
    ) -> tuple[dict[int, V], dict[int, W]]:
        """As `get_many` for values of two kinds, in one trip as far as they are kept."""
        first, second = (
            _Looking(self, shape, load, list(dict.fromkeys(ids))) for shape, ids, load in (some, others)
        )
        self.look_for([first, second])
        return first.found, second.found

    def look_for(self, lookings: Sequence["_Looking"]) -> None:
        """Find what is kept, all of it in one trip, and then what is not."""
        keys = [key for looking in lookings for key in looking.asked_for()]
        held = iter(self._look(keys, self._touches.since(keys)))
        for looking in lookings:
            wanted = len(looking.missing)
            looking.take([next(held) for _ in range(wanted)])
            hits = wanted - len(looking.missing)
            if looking.missing:
                looking.wait_for_others(time.monotonic() + self._wait_s)
            if (looked_up := of_cache(self._metrics, looking.shape.name)) is not None:
                looked_up(hits, wanted - hits)

    # What goes wrong with the cache costs time: then everything is taken for buried, and comes from truth.

    def _look(self, keys: Sequence[CacheKey], since: Sequence[int]) -> Sequence[Value | Slot]:
        try:
            return self._cache.look(keys, since)
        except OutOfReach:
            return [Slot.BURIED] * len(keys)

    def lease(self, keys: Sequence[CacheKey], since: Sequence[int]) -> Sequence[Value | Slot | Lease]:
        """See `SharedCache`."""
        try:
            return self._cache.lease(keys, since)
        except OutOfReach:
            return [Slot.BURIED] * len(keys)

    def fill(self, leased: Sequence[tuple[CacheKey, Lease, Value | None]]) -> None:
        """See `SharedCache`. No two values lapse at once because they were loaded at once."""
        try:
            self._cache.fill(leased, [self._time_to_live(value) for _, _, value in leased])
        except OutOfReach as error:
            logger.info("what was loaded is not kept: %s", error.code)

    def since(self, keys: Iterable[CacheKey]) -> list[int]:
        """From which number on values of these keys are recent enough."""
        return self._touches.since(keys)

    def applied(self) -> int:
        """The number of the last event that this process has applied."""
        return self._applied()

    def _time_to_live(self, value: Value | None) -> int:
        whole = self._ttl_ms if value is None or value.data is not None else self._absent_ms
        return max(1, int(whole * random.uniform(1 - _JITTER, 1)))  # noqa: S311 - jitter


@attrs.define
class _Looking:
    """One look for some values."""

    _lookup: Lookup
    shape: Shape[Any]
    _load: Load[Any]
    missing: list[int]
    found: dict[int, Any] = attrs.Factory(dict)
    _unread: set[int] = attrs.Factory(set)

    def asked_for(self) -> list[CacheKey]:
        """The keys of what is missing."""
        return [(self.shape.kind, one) for one in self.missing]

    def take(self, answers: Sequence[Value | Slot | Lease]) -> list[tuple[int, Slot | Lease]]:
        """Take what was there of the missing; the rest, and what cannot be read, is missing from then on."""
        others: list[tuple[int, Slot | Lease]] = []
        for one, held in zip(self.missing, answers, strict=True):
            if not isinstance(held, Value):
                others.append((one, held))
            elif held.data is not None:
                value = self.shape.unpack(one, held.data)
                if value is MISS:
                    self._unread.add(one)
                    others.append((one, Slot.LEASED))
                else:
                    self.found[one] = value
        self.missing = [one for one, _ in others]
        return others

    def wait_for_others(self, until: float) -> None:
        """Load what is ours to load, and what others load if that takes them longer than until that moment."""
        pause = _FIRST_PAUSE_S
        while True:
            number = self._lookup.applied()
            others = self.take(self._lookup.lease(self.asked_for(), self._since()))
            leases = {one: held for one, held in others if isinstance(held, Lease)}
            buried = [one for one, held in others if held is Slot.BURIED]
            self.missing = [one for one, held in others if held is Slot.LEASED]
            if time.monotonic() >= until:
                buried, self.missing = buried + self.missing, []
            self._load_and_fill(leases, buried, number)
            if not self.missing:
                return
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _since(self) -> list[int]:
        """From which number on values are recent enough. None is that could not be read."""
        since = self._lookup.since(self.asked_for())
        return [
            _NEVER if one in self._unread else number for one, number in zip(self.missing, since, strict=True)
        ]

    def _load_and_fill(self, leases: Mapping[int, Lease], others: Sequence[int], number: int) -> None:
        ids = [*leases, *others]
        if not ids:
            return
        loaded: Mapping[int, Any] = {}
        kept: dict[int, Value | None] = dict.fromkeys(leases)
        try:
            loaded = self._load(ids)
            kept = {one: self._kept(one, loaded, number) for one in leases}
        finally:
            if leases:
                kind = self.shape.kind
                self._lookup.fill([((kind, one), lease, kept[one]) for one, lease in leases.items()])
        self.found.update(loaded)

    def _kept(self, wanted: int, loaded: Mapping[int, Any], number: int) -> Value | None:
        if wanted in loaded:
            data = self.shape.pack(loaded[wanted])
            return None if data is None else Value(number, data)
        return Value(number, None) if self.shape.keeps_absence else None
