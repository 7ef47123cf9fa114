"""Readers, writers, hosts, leases and tombstones of a shared cache, interleaved at every step.

Whoever reads must get at least what was committed before they came: then nobody who has just started, and has applied
nothing of the log, is shown a post of somebody who has blocked them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from feedkit import Settings
from feedkit.codec import _Miss
from feedkit.errors import OutOfReach, Unavailable
from feedkit.model import Event, EventKind
from feedkit.storage import lookups
from feedkit.storage.guarding import Guard
from feedkit.storage.lookups import Lookup
from feedkit.storage.memory_cache import MemoryCache
from feedkit.storage.redis.cache import RedisCache
from feedkit.storage.redis.marks import RedisMarks
from feedkit.storage.redis.nodes import opened
from feedkit.storage.redis.opening import Place
from feedkit.storage.redis.wire import RedisWire
from feedkit.storage.shared import Lease, SharedCache, Tombstone, Value
from feedkit.storage.touching import Cached, CacheKey, Touches
from tests.protocol.simulated import Schedule, pause

SCHEDULES, OVER_REDIS, UNTIL_CAUGHT = 600, 40, 3000
LEASE_MS, BURIED_MS = 50, 1_000_000
SETTINGS = Settings(shared_wait_ms=20, shared_ttl_s=10)
VIEWERS = (1, 2)
# How often each thing happens, beside the others.
EVEN = {"newcomer": 8, "regular": 3, "block": 4, "host": 3, "deliver": 2, "later": 1, "much_later": 1}
DYING = {"newcomer": 8, "block": 3, "dies": 3, "fails": 2, "deliver": 1, "later": 2, "much_later": 2}
HOSTS = {"newcomer": 6, "host": 6, "deliver": 4}
CROWD = {"newcomer": 12, "block": 6}
LOSING = {"regular": 8, "block": 3, "host": 2, "unreachable": 2, "flush": 2, "deliver": 2, "later": 1}
PROFILES = (EVEN, DYING, HOSTS, CROWD, LOSING)


class Outdated(AssertionError):
    """Somebody was shown what had been taken back before they came."""


class Clock:
    """Time, as far as looking up waits for anything: it goes by while others go on."""

    def __init__(self) -> None:
        self.ms = 0

    def monotonic(self) -> float:
        return self.ms / 1000

    def sleep(self, seconds: float) -> None:
        self.ms += max(1, int(seconds * 1000))
        pause()


class Interrupted(SharedCache):
    """A cache before each of whose steps somebody else may go on; a step concerns one key."""

    def __init__(self, cache: SharedCache) -> None:
        self.cache = cache
        self.is_reachable = True

    def look(self, keys: Sequence[CacheKey], since: Sequence[int]) -> list[Any]:
        return self._each(self.cache.look, keys, since)

    def lease(self, keys: Sequence[CacheKey], since: Sequence[int]) -> list[Any]:
        return self._each(self.cache.lease, keys, since)

    def fill(
        self, leased: Sequence[tuple[CacheKey, Lease, Value | None]], ttl_ms: Sequence[int]
    ) -> list[bool]:
        return self._each(self.cache.fill, leased, ttl_ms)

    def bury(self, tombstones: Sequence[Tombstone]) -> None:
        for one in tombstones:
            self._step()
            self.cache.bury([one])

    def lift(self, tombstones: Sequence[Tombstone]) -> None:
        for one in tombstones:
            self._step()
            self.cache.lift([one])

    def clear(self) -> None:
        self._step()
        self.cache.clear()

    def _each(self, ask: Callable[..., list[Any]], *columns: Sequence[Any]) -> list[Any]:
        found = []
        for row in zip(*columns, strict=True):
            self._step()
            found += ask(*([one] for one in row))
        return found

    def _step(self) -> None:
        pause()
        if not self.is_reachable:
            raise OutOfReach("Redis is away")


class Version:
    """How often the relations of a viewer were changed, as the value that is cached."""

    kind, name, keeps_absence = Cached.RELATIONS, "versions", False

    def pack(self, value: int) -> bytes | None:
        return b"%d" % value

    def unpack(self, wanted: int, data: bytes) -> int | _Miss:
        return int(data)


class Process:
    """One process of a host, over the caches of all."""

    def __init__(self, world: World) -> None:
        self.world, self.number = world, len(world.log)
        self.touches = Touches(lambda: self.number)
        self.lookup = Lookup(world.cache, self.touches, lambda: self.number, SETTINGS)

    def catch_up(self) -> None:
        self.touches.apply(self.world.log[self.number :])
        self.number = len(self.world.log)

    def read(self, viewer: int) -> None:
        self.catch_up()
        committed = self.world.versions[viewer]
        found = self.lookup.get_many(Version(), [viewer], self.world.load)
        if found[viewer] < committed:
            raise Outdated(f"version {found[viewer]} of {viewer}, though {committed} was committed")


class World:
    """Two viewers whose relations change."""

    def __init__(
        self,
        seed: int,
        *,
        often: Mapping[str, int],
        clock: Clock,
        make: Callable[[Clock], SharedCache],
        guard: type[Guard] = Guard,
    ) -> None:
        self.rng, self.often, self.clock = random.Random(seed), often, clock
        self.cache = Interrupted(make(clock))
        self.guard = guard(self.cache)
        self.schedule = Schedule(self.rng)
        self.log: list[Event] = []
        self.versions = dict.fromkeys(VIEWERS, 0)
        self.open = self.delivered = 0
        self.old_hand = Process(self)

    # truth

    def load(self, viewers: Sequence[int]) -> dict[int, int]:
        pause()
        found = {viewer: self.versions[viewer] for viewer in viewers}
        pause()
        if self.rng.random() < 0.1:
            raise Unavailable("the database is away")
        return found

    def commit(self, event: Event) -> None:
        pause()
        for viewer in VIEWERS:
            self.versions[viewer] += 1
        self.log.append(Event(event.kind, *VIEWERS, event.at_ms, number=len(self.log) + 1))

    def event(self) -> Event:
        return Event(EventKind.BLOCK_ADDED, *VIEWERS, at_ms=self.rng.randrange(1000))

    # what happens

    def newcomer(self) -> None:
        self._reads(Process(self))

    def regular(self) -> None:
        """Somebody who has been there all along, and knows what was changed meanwhile."""
        self._reads(self.old_hand)

    def _reads(self, process: Process) -> None:
        with suppress(Unavailable):
            process.read(self.rng.choice(VIEWERS))

    def block(self) -> None:
        event = self.event()
        self.open += 1
        tombs = self.guard.before_commit([event], of_host=False)
        self.commit(event)
        self.open -= 1
        self.guard.after_commit([event], tombs)

    def dies(self) -> None:
        """Right after the commit: nobody lifts the tombstones."""
        event = self.event()
        self.open += 1
        self.guard.before_commit([event], of_host=False)
        self.commit(event)
        self.open -= 1

    def fails(self) -> None:
        """The commit fails, or the host rolls back."""
        self.guard.before_commit([self.event()], of_host=self.rng.random() < 0.5)

    def host(self) -> None:
        event = self.event()
        self.open += 1
        self.guard.before_commit([event], of_host=True)
        for _ in range(self.rng.randrange(20)):
            pause()
        self.commit(event)
        self.open -= 1

    def unreachable(self) -> None:
        """Redis is away while somebody blocks."""
        self.cache.is_reachable = False
        self.block()
        self.cache.is_reachable = True

    def flush(self) -> None:
        pause()
        memory: Any = self.cache.cache
        memory._held.clear()
        memory._tombs.clear()

    def deliver(self) -> None:
        events = self.log[self.delivered :]
        try:
            self.guard.apply(events)
        except OutOfReach:
            return
        self.delivered = (
            max(self.delivered, *(event.number for event in events)) if events else self.delivered
        )

    def later(self) -> None:
        """Leases lapse."""
        self.clock.ms += LEASE_MS

    def much_later(self) -> None:
        """Tombstones lapse; they outlive every transaction."""
        if not self.open:
            self.clock.ms += BURIED_MS

    def run(self, steps: int = 300) -> None:
        acts = [getattr(self, name) for name in self.often]
        for _ in range(steps):
            if self.rng.random() < 0.2:
                self.schedule.start(self.rng.choices(acts, list(self.often.values()))[0])
            self.schedule.step()
        self.schedule.finish()
        for _ in range(2):
            self.schedule.start(self.newcomer if "newcomer" in self.often else self.regular)
            self.schedule.finish()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(lookups, "time", clock)
    return clock


def in_memory(clock: Clock, cache: type[MemoryCache] = MemoryCache) -> MemoryCache:
    return cache(lambda: clock.ms, lease_ms=LEASE_MS, buried_ms=BURIED_MS)


def test_whatever_interleaves_nobody_is_shown_what_was_taken_back_before(clock: Clock) -> None:
    for seed in range(SCHEDULES):
        try:
            World(seed, often=PROFILES[seed % len(PROFILES)], clock=clock, make=in_memory).run()
        except Outdated as error:
            pytest.fail(f"schedule {seed}: {error}")


# the same over a real Redis


@pytest.fixture(scope="module", params=["redis_url", "redis_cluster_url"], ids=["alone", "cluster"])
def wire(request: pytest.FixtureRequest) -> Iterator[RedisWire]:
    wire = RedisWire(opened(str(request.getfixturevalue(request.param)), timeout_s=10))
    yield wire
    wire.close()


def test_nor_over_a_real_redis(wire: RedisWire, clock: Clock) -> None:
    """Time goes by there as it does, so nothing lapses."""

    def in_redis(_clock: Clock) -> SharedCache:
        place = Place(wire, f"feedkit:{uuid4().hex[:12]}")
        marks = RedisMarks(lambda: place)
        return RedisCache(lambda: place, marks, lease_ms=60_000, buried_ms=60_000)

    for seed in range(OVER_REDIS):
        often = (EVEN, HOSTS, CROWD)[seed % 3]
        try:
            World(seed, often=often, clock=clock, make=in_redis).run(steps=150)
        except Outdated as error:
            pytest.fail(f"schedule {seed}: {error}")


# what the protocol consists of, left out part by part


class NoToken(MemoryCache):
    """Fills whatever lease stands there."""

    def _fill(self, key: CacheKey, lease: Lease, value: Value | None, ttl_ms: int) -> bool:
        held, _ = self._held.get(key, (None, 0))
        return super()._fill(key, held if isinstance(held, Lease) else lease, value, ttl_ms)


class NoLease(MemoryCache):
    """Fills what nothing stands in the way of."""

    def _fill(self, key: CacheKey, lease: Lease, value: Value | None, ttl_ms: int) -> bool:
        if key not in self._held and not self._tombs[key]:
            self._held[key] = lease, self._now_ms() + 1
        return super()._fill(key, lease, value, ttl_ms)


class NoTombstone(MemoryCache):
    """Ends values and leases, and leaves nothing in their place."""

    def bury(self, tombstones: Sequence[Tombstone]) -> None:
        super().bury(tombstones)
        for one in tombstones:
            self._tombs[one.key].clear()


class OneTombstone(MemoryCache):
    """Does not count how many lie there."""

    def lift(self, tombstones: Sequence[Tombstone]) -> None:
        for one in tombstones:
            self._tombs[one.key].clear()
        super().lift(tombstones)


class HastyGuard(Guard):
    """Lifts its tombstones before the commit."""

    def before_commit(self, events: Sequence[Event], *, of_host: bool) -> list[Tombstone]:
        tombs = super().before_commit(events, of_host=of_host)
        self.after_commit(events, tombs)
        return []


class LateGuard(Guard):
    """Puts its tombstones after the commit."""

    def before_commit(self, events: Sequence[Event], *, of_host: bool) -> list[Tombstone]:
        return []

    def after_commit(self, events: Sequence[Event], tombs: Sequence[Tombstone]) -> None:
        super().after_commit(events, super().before_commit(events, of_host=False))


@pytest.mark.parametrize(
    "cache",
    [NoToken, NoLease, NoTombstone, OneTombstone],
    ids=lambda one: one.__name__,
)
def test_a_cache_without_it_is_caught(cache: type[MemoryCache], clock: Clock) -> None:
    make = partial(in_memory, cache=cache)
    assert is_caught(clock, make=make), "nobody misses it"


@pytest.mark.parametrize("guard", [HastyGuard, LateGuard])
def test_a_guard_that_comes_at_another_time_is_caught(guard: type[Guard], clock: Clock) -> None:
    assert is_caught(clock, make=in_memory, guard=guard)


def test_who_forgets_what_the_log_said_is_caught_where_redis_loses_tombstones(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Touches, "apply", lambda *_: None)
    assert is_caught(clock, make=in_memory, profiles=(LOSING,))


def is_caught(clock: Clock, profiles: Sequence[Mapping[str, int]] = PROFILES[:4], **given: Any) -> bool:
    for seed in range(UNTIL_CAUGHT):
        try:
            World(seed, often=profiles[seed % len(profiles)], clock=clock, **given).run()
        except Outdated:
            return True
    return False
