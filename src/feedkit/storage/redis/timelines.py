"""Timelines as lists in Redis: a sealed block, and behind it what was delivered since. `layout` has their form."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from feedkit.idset import Ids, single
from feedkit.settings import Settings
from feedkit.storage.entries import Entries, pack
from feedkit.storage.redis.commands import Each, call, command
from feedkit.storage.redis.keys import Keys
from feedkit.storage.redis.layout import (
    BUILDING,
    FLOOR_NOTE,
    HEADER_BYTES,
    REMOVAL_NOTE,
    SEALED,
    Header,
    fresh_token,
    notes,
    sealed,
    stamp_of,
)
from feedkit.storage.redis.looking import Held, Looking, is_whole, looked_at
from feedkit.storage.redis.marks import RedisMarks, fresh_epoch
from feedkit.storage.redis.opening import Place
from feedkit.storage.redis.pushing import AT_ONCE, Pushing
from feedkit.storage.redis.scripts import BEGIN, HEAD, KEEP, SWAP, Script
from feedkit.storage.redis.wire import Wire
from feedkit.storage.timelines import Timeline, TimelineStore, TimelineStores

INBOXES, OUTBOXES = "i", "o"
_FOUND_AT_ONCE = b"1000"
_KEPT_WITHIN = 0.9  # of the time to live: a read renews what has less left


class RedisTimelines(TimelineStore):
    """Shared by all processes; safe for threads.

    Args:
        place: gives where they are; called at each use, so that nothing is opened before the first.
        kind: tells inboxes from outboxes in their keys.
        marks: of the feed.
        capacity: entries kept per timeline.
        tail: entries that may stand behind the block.
        ttl_ms: milliseconds that a timeline lives past its last read, None for ever.
        lease_ms: how long a build may take, after which others may begin anew.
    """

    def __init__(
        self,
        place: Callable[[], Place],
        kind: str,
        marks: RedisMarks,
        *,
        capacity: int,
        tail: int,
        ttl_ms: int | None,
        lease_ms: int,
    ) -> None:
        self._place, self._kind, self._marks = place, kind, marks
        self._capacity = capacity
        self._pushing = Pushing(place, kind, marks, capacity=capacity, tail=tail)
        self._ttl_ms = ttl_ms
        self._lease_ms = lease_ms if ttl_ms is None else min(lease_ms, ttl_ms)

    def deliver(self, owners: Ids, entries: Entries) -> int:
        return self._pushing.push(owners, pack(entries[::-1]))

    def append(self, owner: int, entries: Entries, floor: int) -> bool:
        note = notes(single(floor), FLOOR_NOTE) if floor else b""
        return self._pushing.push(single(owner), pack(entries[::-1]) + note) > 0

    def backfill(self, owners: Ids, entries: Entries, floor: int) -> None:
        self._pushing.push_wanted(owners, entries, floor)

    def read_many(self, owners: Sequence[int]) -> list[Timeline | None]:
        return self._whole(owners, self._look(owners))

    def read_with(
        self, owners: Sequence[int], other: TimelineStore, others: Sequence[int]
    ) -> tuple[list[Timeline | None], list[Timeline | None]]:
        few = len(owners) + len(others) <= AT_ONCE
        if not (few and isinstance(other, RedisTimelines) and other._marks is self._marks):
            return super().read_with(owners, other, others)
        here, there = looked_at(self._wire, [self._looking(owners), other._looking(others)])
        return self._whole(owners, here), other._whole(others, there)

    def floors(self, owners: Sequence[int]) -> list[int | None]:
        self._marks.keep()
        return [None if held is None else held.wanted_from() for held in self._look(owners, stale=True)]

    def begin(self, owner: int) -> int | None:
        token = fresh_token()
        rest = Header(BUILDING, stamp_of(token), b"").pack()
        begun = self._call_each(
            BEGIN,
            [owner],
            [(rest[:3], rest[4:12], rest[20:], b"%d" % self._lease_ms, fresh_epoch())],
        )
        return token if begun[0] is not None else None

    def install(self, owner: int, token: int, entries: Entries, floor: int) -> bool:
        begun = Header(BUILDING, stamp_of(token), b"").identity
        block = sealed(Timeline(entries, floor), self._capacity).around_epoch()
        (installed,) = self._call_each(SWAP, [owner], [(begun, b"1", *block, b"%d" % (self._ttl_ms or 0))])
        return bool(installed)

    def remove(self, owners: Ids, positions: Ids) -> None:
        self._pushing.push(owners, notes(positions, REMOVAL_NOTE), in_time=True)

    def drop(self, owners: Sequence[int]) -> None:
        ids = _array(owners)
        keys = [command(b"UNLINK", self._keys.of(owner)) for owner in owners]
        self._wire.numbers(self._keys.buckets_of(ids), Each(keys))

    def owners(self, limit: int | None = None) -> list[int]:
        found: list[int] = []
        for some in self._scanned():
            headers = self._call_each(HEAD, some, [(b"%d" % HEADER_BYTES,)] * len(some))
            for owner, answer in zip(some, headers, strict=True):
                if is_whole(answer):
                    found.append(owner)
            if limit is not None and len(found) >= limit:
                return found[:limit]
        return found

    def clear(self) -> None:
        self._marks.renew()

    # reading

    def _look(self, owners: Sequence[int], *, stale: bool = False) -> list[Held | None]:
        """The lists as they are, None for what is missing; with `stale` also those of an older epoch, or foreign."""
        return [
            held
            for start in range(0, len(owners), AT_ONCE)
            for held in self._look_at(owners[start : start + AT_ONCE], stale=stale)
        ]

    def _look_at(self, owners: Sequence[int], *, stale: bool) -> list[Held | None]:
        (held,) = looked_at(self._wire, [self._looking(owners, timed=not stale)])
        return held if stale else [one and one.of_now() for one in held]

    def _looking(self, owners: Sequence[int], *, timed: bool = True) -> Looking:
        keys = self._keys
        buckets: list[int] = keys.buckets_of(_array(owners)).tolist()
        return Looking(keys, owners, buckets, timed and self._ttl_ms is not None)

    def _whole(self, owners: Sequence[int], looked_at: Sequence[Held | None]) -> list[Timeline | None]:
        """Those of this epoch that are not being built; they live on."""
        found = [
            held if held is not None and held.header.kind == SEALED and held.of_now() else None
            for held in looked_at
        ]
        self._keep(owners, found)
        of_inbox = self._kind == INBOXES
        return [None if held is None else held.timeline(of_inbox=of_inbox) for held in found]

    def _keep(self, owners: Sequence[int], found: Sequence[Held | None]) -> None:
        """Have those live on that have been read."""
        if self._ttl_ms is None:
            return
        due = [
            (owner, held.identity)
            for owner, held in zip(owners, found, strict=True)
            if held is not None and held.left_ms < self._ttl_ms * _KEPT_WITHIN
        ]
        if due:
            ttl = b"%d" % self._ttl_ms
            calls = [call(KEEP, [self._keys.of(owner)], identity, ttl) for owner, identity in due]
            self._wire.numbers(self._keys.buckets_of(_array([owner for owner, _ in due])), Each(calls))

    # asking

    @property
    def _wire(self) -> Wire:
        return self._place().wire

    @property
    def _keys(self) -> Keys:
        return self._place().keys(self._kind)

    def _call_each(
        self, script: Script, owners: Sequence[int], arguments: Sequence[Sequence[bytes]]
    ) -> list[Any]:
        calls = [
            call(script, [self._keys.of(owner), self._mark(owner)], *given)
            for owner, given in zip(owners, arguments, strict=True)
        ]
        return self._wire.values(self._keys.buckets_of(_array(owners)), Each(calls))

    def _mark(self, owner: int) -> bytes:
        return self._keys.mark(int(self._keys.buckets_of(single(owner))[0]))

    def _scanned(self) -> Iterator[list[int]]:
        """Whose lists there are, some at a time."""
        for nth in range(self._wire.servers()):
            at = b"0"
            while True:
                scan = command(b"SCAN", at, b"MATCH", self._keys.pattern(), b"COUNT", _FOUND_AT_ONCE)
                at, keys = self._wire.ask(nth, scan)
                found = [owner for key in keys if (owner := self._keys.owner(key)) is not None]
                if found:
                    yield found
                if at == b"0":
                    break


def shared_timelines(place: Callable[[], Place], settings: Settings) -> TimelineStores:
    """The inboxes and outboxes of all processes, and the marks beside them."""
    marks = RedisMarks(place)

    def timelines(kind: str, capacity: int) -> RedisTimelines:
        return RedisTimelines(
            place,
            kind,
            marks,
            capacity=capacity,
            tail=settings.inbox_tail,
            ttl_ms=settings.inbox_ttl_s * 1000,
            lease_ms=settings.build_lease_ms,
        )

    inboxes, outboxes = (
        timelines(INBOXES, settings.inbox_entries),
        timelines(OUTBOXES, settings.outbox_entries),
    )
    return TimelineStores(inboxes, outboxes, marks)


def _array(owners: Sequence[int]) -> Ids:
    return np.array(owners, dtype=np.int64)
