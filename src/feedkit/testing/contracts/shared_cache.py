"""The laws of a cache that processes share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from feedkit.storage.shared import Lease, SharedCache, Slot, Tombstone, Value
from feedkit.storage.touching import Cached, CacheKey

LEASE_MS, BURIED_MS, TTL_MS = 10_000, 60_000, 100_000
ONE: CacheKey = (Cached.POST, 1)
SAME_ID: CacheKey = (Cached.USER, 1)
FRESH, OLD = Value(7, b"fresh"), Value(3, b"old")


class SharedCacheContract(ABC):
    """Give `make_cache` and `later`; leases stand for `LEASE_MS`, tombstones lie for `BURIED_MS`."""

    @abstractmethod
    def make_cache(self, *, lease_ms: int, buried_ms: int) -> SharedCache:
        """A cache that holds nothing."""

    @abstractmethod
    def later(self, ms: int) -> None:
        """So much time goes by for what the cache holds."""

    @property
    def cache(self) -> SharedCache:
        """The cache of this test."""
        if not hasattr(self, "_cache"):
            self._cache = self.make_cache(lease_ms=LEASE_MS, buried_ms=BURIED_MS)
        return self._cache

    def look(self, key: CacheKey = ONE, since: int = 0) -> Value | Slot:
        return self.cache.look([key], [since])[0]

    def lease(self, key: CacheKey = ONE, since: int = 0) -> Lease:
        leased = self.cache.lease([key], [since])[0]
        assert isinstance(leased, Lease)
        return leased

    def fill(self, lease: Lease, value: Value | None = FRESH, key: CacheKey = ONE) -> bool:
        return self.cache.fill([(key, lease, value)], [TTL_MS])[0]

    def bury(self, token: bytes = b"tombone1", key: CacheKey = ONE) -> None:
        self.cache.bury([Tombstone(key, token)])

    def lift(self, token: bytes = b"tombone1", number: int | None = None, key: CacheKey = ONE) -> None:
        self.cache.lift([Tombstone(key, token, number)])

    # values and leases

    def test_what_is_filled_is_found(self) -> None:
        assert self.look() is Slot.ABSENT
        assert self.fill(self.lease())
        assert self.look() == FRESH
        assert self.look(SAME_ID) is Slot.ABSENT, "an id of another kind"

    def test_many_are_told_in_the_order_in_which_they_are_asked_for(self) -> None:
        keys = [(kind, nth) for nth in range(1, 60) for kind in Cached]
        leases = self.cache.lease(keys, [0] * len(keys))
        values = [Value(5, repr(key).encode()) for key in keys]
        leased = [
            (key, lease, value)
            for key, lease, value in zip(keys, leases, values, strict=True)
            if isinstance(lease, Lease)
        ]
        assert self.cache.fill(leased, [TTL_MS] * len(keys)) == [True] * len(keys)
        assert self.cache.look(keys[::-1], [0] * len(keys)) == values[::-1]

    def test_that_there_is_nothing_is_kept_as_well(self) -> None:
        self.fill(self.lease(), Value(4, None))
        assert self.look() == Value(4, None)

    def test_bytes_come_back_as_they_are(self) -> None:
        hostile = [b"", b"\r\n$5\r\n", bytes(range(256)), b"T" * 40, b"L" + b"x" * 16, b"\x00" * 70_000]
        for data in hostile:
            key = (Cached.POST, 10 + hostile.index(data))
            self.fill(self.lease(key), Value(0, data), key)
            assert self.look(key) == Value(0, data)

    def test_one_is_leased_to_one(self) -> None:
        lease = self.lease()
        assert self.look() is Slot.LEASED
        assert self.cache.lease([ONE], [0]) == [Slot.LEASED]
        self.fill(lease)
        assert self.cache.lease([ONE], [0]) == [FRESH]

    def test_a_lease_fills_once(self) -> None:
        lease = self.lease()
        assert self.fill(lease)
        assert not self.fill(lease, OLD)
        assert self.look() == FRESH

    def test_a_lease_that_lapsed_fills_nothing(self) -> None:
        late = self.lease()
        self.later(LEASE_MS)
        assert not self.fill(late, OLD)
        in_time = self.lease()
        assert not self.fill(late, OLD)
        assert self.fill(in_time)
        assert self.look() == FRESH

    def test_a_lease_is_given_back(self) -> None:
        assert self.fill(self.lease(), None)
        assert self.look() is Slot.ABSENT
        assert self.fill(self.lease())

    def test_values_lapse(self) -> None:
        self.fill(self.lease())
        self.later(TTL_MS)
        assert self.look() is Slot.ABSENT

    def test_what_is_outdated_is_absent_and_may_be_replaced(self) -> None:
        self.fill(self.lease(), OLD)
        assert self.look(since=3) == OLD
        assert self.look(since=4) is Slot.ABSENT
        assert self.fill(self.lease(since=4))
        assert self.look(since=4) == FRESH

    # tombstones

    def test_a_tombstone_ends_a_value_and_a_lease(self) -> None:
        self.fill(self.lease())
        other = (Cached.POST, 2)
        lease = self.lease(other)
        for key in (ONE, other):
            self.bury(key=key)
            assert self.look(key) is Slot.BURIED
            assert self.cache.lease([key], [0]) == [Slot.BURIED]
            self.lift(key=key)
            assert self.look(key) is Slot.ABSENT
        assert not self.fill(lease, OLD, other)

    def test_every_tombstone_has_to_be_lifted(self) -> None:
        for first in (b"tombone1", b"tombone2"):
            self.bury(b"tombone1")
            self.bury(b"tombone2")
            self.lift(first)
            assert self.look() is Slot.BURIED
            self.lift(b"tombone1")
            self.lift(b"tombone2")
            assert self.look() is Slot.ABSENT

    def test_of_several_alike_a_number_lifts_one_and_no_number_all(self) -> None:
        for _ in range(2):
            self.bury()
        self.lift(number=5)
        assert self.look() is Slot.BURIED
        self.lift(number=6)
        assert self.look() is Slot.ABSENT
        for _ in range(2):
            self.bury()
        self.lift()
        assert self.look() is Slot.ABSENT

    def test_to_lift_one_ends_what_was_loaded_before_though_the_tombstone_was_lost(self) -> None:
        self.fill(self.lease(), OLD)
        self.lift()
        assert self.look() is Slot.ABSENT
        late = self.lease()
        self.lift()
        assert not self.fill(late, OLD)

    def test_what_was_loaded_since_need_not_go(self) -> None:
        self.fill(self.lease(), FRESH)
        self.lift(number=FRESH.number)
        assert self.look() == FRESH
        self.lift(number=FRESH.number + 1)
        assert self.look() is Slot.ABSENT

    def test_a_tombstone_outlives_leases_and_lapses(self) -> None:
        lease = self.lease()
        self.bury()
        self.later(LEASE_MS)
        assert self.look() is Slot.BURIED
        assert not self.fill(lease, OLD)
        self.later(BURIED_MS - LEASE_MS)
        assert self.look() is Slot.ABSENT
        assert not self.fill(lease, OLD)

    def test_to_lift_what_was_never_there_does_nothing(self) -> None:
        self.lift()
        self.lift(number=3)
        self.bury(b"another1")
        self.lift(b"tombone1")
        assert self.look() is Slot.BURIED

    # everything

    def test_to_clear_ends_values_and_leases_and_leaves_tombstones(self) -> None:
        second, third = (Cached.POST, 2), (Cached.POST, 3)
        self.fill(self.lease())
        lease = self.lease(second)
        self.bury(key=third)
        self.cache.clear()
        assert self.look() is Slot.ABSENT
        self.fill(lease, OLD, second)
        assert self.look(second) is Slot.ABSENT, "what was leased before is not found after"
        assert self.look(third) is Slot.BURIED
        assert self.fill(self.lease())
        assert self.look() == FRESH

    def test_nobody_asks_for_nothing(self) -> None:
        nothing: Sequence[CacheKey] = []
        assert self.cache.look(nothing, []) == self.cache.lease(nothing, []) == []
        assert self.cache.fill([], []) == []
        self.cache.bury([])
        self.cache.lift([])
