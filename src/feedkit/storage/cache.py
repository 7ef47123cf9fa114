"""A bounded cache in one process whose entries cannot be filled with what is already outdated.

A miss hands out a lease; a value may be put in only under a lease that no invalidation has cancelled
since ("Scaling Memcache at Facebook", NSDI 2013, section 3.2.1). So a reader that loaded a value just
before it changed can use it for the read it has begun, and cannot leave it behind for the next one.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
_NOTED_EVERY = 17  # a prime: readers who take turns do not fall in with it


class LeasedCache(Generic[K, V]):
    """Safe for threads; `maximum` is a number of entries, `looked_up` is told of hits and misses.

    What was not used for long goes first, roughly: to note every use would cost four times what a use does,
    so only one read in so many is noted.
    """

    def __init__(self, maximum: int, looked_up: Callable[[int, int], None] | None = None) -> None:
        self._maximum, self._looked_up = maximum, looked_up
        self._values: OrderedDict[K, V] = OrderedDict()
        self._leases: dict[K, set[int]] = {}
        self._last_lease = 0
        self._reads = 0
        self._lock = threading.Lock()

    def get_many(self, keys: Sequence[K], load: Callable[[list[K]], dict[K, V]]) -> dict[K, V]:
        """The values of `keys`; what is not cached is loaded in one call. A key that `load` leaves out is absent."""
        values = self._at_hand(keys)
        return self._looked_for(keys, load) if values is None else dict(zip(keys, values, strict=True))

    def get_each(self, keys: Sequence[K], load: Callable[[list[K]], dict[K, V]]) -> Sequence[V | None]:
        """As `get_many`, in the order of `keys`, with None for what is absent."""
        values = self._at_hand(keys)
        if values is not None:
            return values
        found = self._looked_for(keys, load)
        return [found.get(key) for key in keys]

    def _at_hand(self, keys: Sequence[K]) -> list[V] | None:
        """The values of `keys` if all of them are cached, unless this read is to be noted."""
        if self._is_noted():
            return None
        try:
            values = [*map(self._values.__getitem__, keys)]
        except KeyError:
            return None
        if self._looked_up is not None:
            self._looked_up(len(keys), 0)
        return values

    def _looked_for(self, keys: Sequence[K], load: Callable[[list[K]], dict[K, V]]) -> dict[K, V]:
        values = self._values
        found: dict[K, V] = {}
        missing: list[K] = []
        with self._lock:
            for key in keys:
                if key in values:
                    found[key] = values[key]
                    values.move_to_end(key)
                else:
                    missing.append(key)
            lease = self._lease(missing) if missing else 0
        if self._looked_up is not None:
            self._looked_up(len(keys) - len(missing), len(missing))
        if missing:
            try:
                found.update(loaded := load(missing))
            except BaseException:
                self._settle(missing, lease, {})
                raise
            self._settle(missing, lease, loaded)
        return found

    def get(self, key: K, load: Callable[[], V]) -> V:
        """The value of one key, loaded if need be."""
        if not self._is_noted():
            try:
                value = self._values[key]
            except KeyError:
                pass
            else:
                if self._looked_up is not None:
                    self._looked_up(1, 0)
                return value
        return self._looked_for((key,), lambda _: {key: load()})[key]

    def replace(self, old: Mapping[K, V], new: Mapping[K, V]) -> None:
        """Put the new values in where the very old ones still stand: nothing that was discarded comes back."""
        with self._lock:
            for key, value in old.items():
                if self._values.get(key) is value:
                    self._values[key] = new[key]

    def discard(self, keys: Iterable[K]) -> None:
        """Forget values, and void every load of them that is under way."""
        with self._lock:
            for key in keys:
                self._values.pop(key, None)
                self._leases.pop(key, None)

    def clear(self) -> None:
        """Forget everything, and void every load that is under way."""
        with self._lock:
            self._values.clear()
            self._leases.clear()

    def _is_noted(self) -> bool:
        """Whether this read renews what it finds. Threads may lose counts to each other; it makes no odds."""
        self._reads += 1
        return self._reads % _NOTED_EVERY == 0

    def _lease(self, keys: Iterable[K]) -> int:
        self._last_lease += 1
        for key in keys:
            self._leases.setdefault(key, set()).add(self._last_lease)
        return self._last_lease

    def _settle(self, keys: Iterable[K], lease: int, loaded: dict[K, V]) -> None:
        with self._lock:
            for key in keys:
                if self._end(key, lease) and key in loaded:
                    self._values[key] = loaded[key]
                    self._values.move_to_end(key)
            while len(self._values) > self._maximum:
                self._values.popitem(last=False)

    def _end(self, key: K, lease: int) -> bool:
        """End a lease; whether it still stood."""
        standing = self._leases.get(key)
        if standing is None or lease not in standing:
            return False
        standing.discard(lease)
        if not standing:
            del self._leases[key]
        return True
