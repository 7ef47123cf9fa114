"""Looking up values in a cache that processes share: who loads, who waits, and what is left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from feedkit import Settings
from feedkit.errors import OutOfReach, Unavailable
from feedkit.model import Event, EventKind
from feedkit.storage.base import UserRow
from feedkit.storage.lookups import Lookup
from feedkit.storage.memory_cache import MemoryCache
from feedkit.storage.shapes import PostShape, UserShape
from feedkit.storage.shared import Lease, SharedCache, Slot, Tombstone, Value
from feedkit.storage.touching import Cached, Touches

USERS = UserShape()
PATIENT = Settings(shared_wait_ms=10_000)
HASTY = Settings(shared_wait_ms=30)


class Process:
    """One process over a shared cache, whose truth counts how often it is asked."""

    def __init__(self, cache: SharedCache, settings: Settings = HASTY) -> None:
        self.number = 10
        self.touches = Touches(lambda: self.number)
        self.lookup = Lookup(cache, self.touches, lambda: self.number, settings)
        self.asked: list[list[int]] = []
        self.name = "ada"
        self.before: Callable[[], None] = lambda: None

    def users(self, *ids: int) -> dict[int, str | None]:
        found = self.lookup.get_many(USERS, ids, self._load)
        return {one: row.handle for one, row in found.items()}

    def _load(self, ids: Sequence[int]) -> dict[int, UserRow]:
        name = self.name
        self.asked.append(list(ids))
        self.before()
        return {one: UserRow(one, None, name, None, None, "active") for one in ids if one < 100}


@pytest.fixture
def cache() -> MemoryCache:
    return MemoryCache(lambda: time.monotonic_ns() // 1_000_000, lease_ms=5000, buried_ms=60_000)


@pytest.fixture
def one(cache: MemoryCache) -> Process:
    return Process(cache)


@pytest.fixture
def other(cache: MemoryCache) -> Process:
    return Process(cache)


def at_once(*work: Callable[[], Any]) -> Iterator[Any]:
    results: list[Any] = [None] * len(work)
    start = threading.Barrier(len(work))

    def run(nth: int) -> None:
        start.wait()
        results[nth] = work[nth]()

    threads = [threading.Thread(target=run, args=(nth,)) for nth in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return iter(results)


def test_what_one_process_has_loaded_others_find(one: Process, other: Process) -> None:
    assert one.users(1, 2, 1) == {1: "ada", 2: "ada"}
    assert other.users(2, 1, 3) == {1: "ada", 2: "ada", 3: "ada"}
    assert (one.asked, other.asked) == ([[1, 2]], [[3]])


def test_f17_one_loads_and_the_others_wait(cache: MemoryCache) -> None:
    """Thirty-two readers in two processes come for one value at once."""
    processes = [Process(cache, PATIENT) for _ in range(2)]
    for process in processes:
        process.before = lambda: time.sleep(0.1)

    found = at_once(*(lambda process=process: process.users(1) for process in processes * 16))

    assert list(found) == [{1: "ada"}] * 32
    assert [one for process in processes for one in process.asked] == [[1]]


def test_whoever_has_waited_long_enough_asks_truth_and_leaves_nothing(
    cache: MemoryCache, one: Process, other: Process
) -> None:
    cache.lease([(Cached.USER, 1)], [0])  # by somebody who has died since
    started = time.monotonic()
    assert one.users(1, 2) == {1: "ada", 2: "ada"}
    assert 0.03 <= time.monotonic() - started < 1
    assert other.users(1) == {1: "ada"}
    assert (one.asked, other.asked) == ([[2], [1]], [[1]])


def test_a_value_that_was_changed_while_it_was_loaded_is_not_left_behind(
    cache: MemoryCache, one: Process, other: Process
) -> None:
    key = (Cached.USER, 1)
    one.before = lambda: cache.bury([Tombstone(key, b"12345678")])
    assert one.users(1) == {1: "ada"}, "it began before the change"
    other.name = "eve"
    assert other.users(1) == other.users(1) == {1: "eve"}
    assert other.asked == [[1], [1]], "truth, each time, and nothing is refilled"

    cache.lift([Tombstone(key, b"12345678")])
    assert other.users(1) == one.users(1) == {1: "eve"}
    assert (one.asked, other.asked) == ([[1]], [[1], [1], [1]])


def test_what_a_process_knows_to_be_outdated_it_replaces(one: Process, other: Process) -> None:
    """A tombstone that was lost on the way does no harm to whoever has applied the event."""
    assert one.users(1) == {1: "ada"}
    other.number, other.name = 11, "eve"
    other.touches.apply([Event(EventKind.USER_CHANGED, 1, 1, 0, number=11)])

    assert other.users(1) == {1: "eve"}
    assert one.users(1) == {1: "eve"}, "as it is kept now"
    assert one.asked == other.asked == [[1]]


def test_what_cannot_be_read_is_loaded_and_replaced(cache: MemoryCache, one: Process, other: Process) -> None:
    key = (Cached.USER, 1)
    (lease,) = cache.lease([key], [0])
    assert isinstance(lease, Lease)
    cache.fill([(key, lease, Value(10, b"\x80garbage"))], [10_000])

    assert one.users(1, 2) == {1: "ada", 2: "ada"}
    assert other.users(1) == {1: "ada"}
    assert (one.asked, other.asked) == ([[1, 2]], [])


def test_an_error_of_the_loader_takes_nothing_away(cache: MemoryCache, one: Process, other: Process) -> None:
    assert one.users(1) == {1: "ada"}

    def fail() -> None:
        raise Unavailable("the database is away")

    one.before = fail
    for _ in range(3):
        assert one.users(1) == {1: "ada"}
        with pytest.raises(Unavailable):
            one.users(1, 2)
    assert cache.look([(Cached.USER, 1), (Cached.USER, 2)], [0, 0])[1] is Slot.ABSENT, (
        "the lease is given back"
    )
    assert other.users(2) == {2: "ada"}


def test_that_a_user_is_not_there_is_not_kept(one: Process, other: Process) -> None:
    assert one.users(1, 100) == {1: "ada"}
    assert other.users(1, 100) == {1: "ada"}
    assert other.asked == [[100]]


def test_that_a_post_is_not_there_is_kept_for_a_moment(cache: MemoryCache) -> None:
    asked: list[list[int]] = []

    def load(ids: Sequence[int]) -> dict[int, Any]:
        asked.append(list(ids))
        return {}

    process = Process(cache, Settings(shared_absent_ms=40))
    for _ in range(3):
        assert process.lookup.get_many(PostShape(Cached.POST), [5], load) == {}
    assert asked == [[5]]
    process.touches.apply([Event(EventKind.POST_PUBLISHED, 1, 5, 0, 5, number=11)])
    process.number = 11
    process.lookup.get_many(PostShape(Cached.POST), [5], load)
    assert asked == [[5], [5]], "it was published"
    time.sleep(0.05)
    process.lookup.get_many(PostShape(Cached.POST), [5], load)
    assert asked == [[5]] * 3


class Broken(MemoryCache):
    """A cache that is out of reach, from one of its methods on."""

    def __init__(self, *broken: str) -> None:
        super().__init__(lambda: 0, lease_ms=1, buried_ms=1)
        for name in broken:
            setattr(self, name, self._fail)

    def _fail(self, *_: Any) -> Any:
        raise OutOfReach("Redis is away")


@pytest.mark.parametrize("broken", [("look", "lease", "fill"), ("lease",), ("fill",)], ids=str)
def test_without_the_cache_everything_comes_from_truth(broken: tuple[str, ...]) -> None:
    process = Process(Broken(*broken))
    assert process.users(1, 2) == {1: "ada", 2: "ada"}
    assert process.asked == [[1, 2]], "once"


def test_values_that_were_loaded_at_once_do_not_lapse_at_once() -> None:
    kept: list[int] = []

    class Noting(MemoryCache):
        def fill(self, leased: Any, ttl_ms: Sequence[int]) -> list[bool]:
            kept.extend(ttl_ms)
            return super().fill(leased, ttl_ms)

    Process(Noting(lambda: 0, lease_ms=1, buried_ms=1), Settings(shared_ttl_s=100)).users(*range(1, 60))
    assert len(set(kept)) > 30
    assert 90_000 <= min(kept) <= max(kept) <= 100_000
