"""The reference driver of the cache that processes share: in the memory of one, for tests."""

import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence

from feedkit.storage.shared import Lease, SharedCache, Slot, Tombstone, Value
from feedkit.storage.touching import CacheKey

_Until = tuple[Value | Lease, int]


class MemoryCache(SharedCache):
    """Safe for threads.

    Args:
        now_ms: a clock that only goes forward.
        lease_ms: how long a lease stands.
        buried_ms: how long a tombstone lies that nobody lifts.
    """

    def __init__(self, now_ms: Callable[[], int], *, lease_ms: int, buried_ms: int) -> None:
        self._now_ms, self._lease_ms, self._buried_ms = now_ms, lease_ms, buried_ms
        self._held: dict[CacheKey, _Until] = {}
        self._tombs: defaultdict[CacheKey, list[tuple[bytes, int]]] = defaultdict(list)
        self._lock = threading.Lock()

    def look(self, keys: Sequence[CacheKey], since: Sequence[int]) -> list[Value | Slot]:
        with self._lock:
            return [self._look(key, number) for key, number in zip(keys, since, strict=True)]

    def lease(self, keys: Sequence[CacheKey], since: Sequence[int]) -> list[Value | Slot | Lease]:
        found: list[Value | Slot | Lease] = []
        with self._lock:
            for key, number in zip(keys, since, strict=True):
                held: Value | Slot | Lease = self._look(key, number)
                if held is Slot.ABSENT:
                    held = Lease(secrets.token_bytes(8))
                    self._held[key] = held, self._now_ms() + self._lease_ms
                found.append(held)
        return found

    def fill(
        self, leased: Sequence[tuple[CacheKey, Lease, Value | None]], ttl_ms: Sequence[int]
    ) -> list[bool]:
        with self._lock:
            return [self._fill(*one, ms) for one, ms in zip(leased, ttl_ms, strict=True)]

    def bury(self, tombstones: Sequence[Tombstone]) -> None:
        with self._lock:
            for one in tombstones:
                self._held.pop(one.key, None)
                self._tombs[one.key].append((one.token, self._now_ms() + self._buried_ms))

    def lift(self, tombstones: Sequence[Tombstone]) -> None:
        with self._lock:
            for one in tombstones:
                self._unbury(one)
                held, _ = self._held.get(one.key, (None, 0))
                fresh = isinstance(held, Value) and one.number is not None and held.number >= one.number
                if not fresh:
                    self._held.pop(one.key, None)

    def clear(self) -> None:
        with self._lock:
            self._held.clear()

    def _look(self, key: CacheKey, since: int) -> Value | Slot:
        now_ms = self._now_ms()
        if any(until_ms > now_ms for _, until_ms in self._tombs.get(key, ())):
            return Slot.BURIED
        self._tombs.pop(key, None)
        held, until_ms = self._held.get(key, (None, 0))
        if held is None or until_ms <= now_ms:
            return Slot.ABSENT
        if isinstance(held, Lease):
            return Slot.LEASED
        return held if held.number >= since else Slot.ABSENT

    def _unbury(self, tombstone: Tombstone) -> None:
        lying = self._tombs.get(tombstone.key, [])
        alike = [tomb for tomb in lying if tomb[0] == tombstone.token]
        for tomb in alike if tombstone.number is None else alike[:1]:
            lying.remove(tomb)

    def _fill(self, key: CacheKey, lease: Lease, value: Value | None, ttl_ms: int) -> bool:
        held, until_ms = self._held.get(key, (None, 0))
        if held != lease or until_ms <= self._now_ms():
            return False
        if value is None:
            del self._held[key]
        else:
            self._held[key] = value, self._now_ms() + ttl_ms
        return True
