"""Timelines in the memory of one process: bounded, least recently read first out, fed by applying the log."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

from feedkit.clock import Clock
from feedkit.idset import Ids, idset
from feedkit.settings import Settings
from feedkit.storage.entries import EMPTY, ENTRY_BYTES, Entries, cut, merge, pack, unpack
from feedkit.storage.timelines import Timeline, TimelineStore, TimelineStores


class _Held:
    """One timeline: what is sealed, in order, and behind it packed entries as they were delivered."""

    __slots__ = ("floor", "read_at_ms", "sealed", "tail", "token")

    def __init__(self, token: int, now_ms: int) -> None:
        self.sealed = EMPTY
        self.tail = bytearray()
        self.floor = 0
        self.token = token  # 0 once it is whole
        self.read_at_ms = now_ms

    def entries(self) -> Entries:
        if not self.tail:
            return self.sealed
        return merge([unpack(self.tail), self.sealed])

    def seal(self, entries: Entries, floor: int, capacity: int) -> Entries:
        self.sealed, self.floor = cut(entries, capacity, floor)
        self.tail.clear()
        return self.sealed


class MemoryTimelines(TimelineStore):
    """The reference driver. Safe for threads.

    Args:
        capacity: entries kept per timeline.
        tail: entries that may stand behind the sealed block.
        maximum: timelines kept; the least recently read goes first.
        ttl_ms: milliseconds that a timeline lives past its last read, None for ever.
        clock: tells the time.
    """

    def __init__(self, *, capacity: int, tail: int, maximum: int, ttl_ms: int | None, clock: Clock) -> None:
        self._capacity = capacity
        self._tail_bytes = tail * ENTRY_BYTES
        self._maximum = maximum
        self._ttl_ms = ttl_ms
        self._clock = clock
        self._held: OrderedDict[int, _Held] = OrderedDict()
        self._lock = threading.Lock()
        self._last_token = 0

    def deliver(self, owners: Ids, entries: Entries) -> int:
        with self._lock:
            held = [self._held[owner] for owner in owners.tolist() if owner in self._held]
            if held:
                packed = pack(entries)
                for timeline in held:
                    self._extend(timeline, packed)
        return len(held) * len(entries)

    def append(self, owner: int, entries: Entries, floor: int) -> bool:
        with self._lock:
            held = self._held.get(owner)
            if held is None:
                return False
            held.floor = max(held.floor, floor)
            self._extend(held, pack(entries))
            return True

    def read_many(self, owners: Sequence[int]) -> list[Timeline | None]:
        now_ms = self._clock.now_ms()
        with self._lock:
            return [self._read(owner, now_ms) for owner in owners]

    def floors(self, owners: Sequence[int]) -> list[int | None]:
        with self._lock:
            return [None if (held := self._held.get(owner)) is None else held.floor for owner in owners]

    def begin(self, owner: int) -> int | None:
        now_ms = self._clock.now_ms()
        with self._lock:
            held = self._held.get(owner)
            if held is not None and not self._expired(held, now_ms):
                return None
            self._last_token += 1
            self._held[owner] = _Held(self._last_token, now_ms)
            self._held.move_to_end(owner)
            while len(self._held) > self._maximum:
                self._held.popitem(last=False)
            return self._last_token

    def install(self, owner: int, token: int, entries: Entries, floor: int) -> bool:
        with self._lock:
            held = self._held.get(owner)
            if held is None or held.token != token:
                return False
            held.token = 0
            held.seal(merge([entries, held.entries()]), max(floor, held.floor), self._capacity)
            return True

    def remove(self, owners: Ids, positions: Ids) -> None:
        with self._lock:
            for owner in owners.tolist():
                held = self._held.get(owner)
                if held is not None:
                    held.sealed = held.entries().without(positions)
                    held.tail.clear()

    def drop(self, owners: Sequence[int]) -> None:
        with self._lock:
            for owner in owners:
                self._held.pop(owner, None)

    def owners(self, limit: int | None = None) -> list[int]:
        with self._lock:
            return [owner for owner, held in self._held.items() if not held.token][:limit]

    def clear(self) -> None:
        with self._lock:
            self._held.clear()

    def holders(self) -> Ids | None:
        with self._lock:
            return idset(self._held)

    def _extend(self, held: _Held, packed: bytes) -> None:
        held.tail += packed
        if len(held.tail) > self._tail_bytes:
            held.seal(held.entries(), held.floor, self._capacity)

    def _read(self, owner: int, now_ms: int) -> Timeline | None:
        held = self._held.get(owner)
        if held is None or held.token:
            return None
        if self._expired(held, now_ms):
            del self._held[owner]
            return None
        held.read_at_ms = max(held.read_at_ms, now_ms)
        self._held.move_to_end(owner)
        entries = held.entries()
        if held.tail:
            entries = held.seal(entries, held.floor, self._capacity)
        return Timeline(entries, held.floor)

    def _expired(self, held: _Held, now_ms: int) -> bool:
        return self._ttl_ms is not None and now_ms - held.read_at_ms > self._ttl_ms


def own_timelines(settings: Settings, clock: Clock) -> TimelineStores:
    """The inboxes and outboxes of one process."""
    inboxes = MemoryTimelines(
        capacity=settings.inbox_entries,
        tail=settings.inbox_tail,
        maximum=settings.inboxes_max,
        ttl_ms=settings.inbox_ttl_s * 1000,
        clock=clock,
    )
    return TimelineStores(inboxes, own_outboxes(settings, clock))


def own_outboxes(settings: Settings, clock: Clock) -> MemoryTimelines:
    """The outboxes alone."""
    return MemoryTimelines(
        capacity=settings.outbox_entries,
        tail=settings.inbox_tail,
        maximum=settings.outboxes_max,
        ttl_ms=None,
        clock=clock,
    )
