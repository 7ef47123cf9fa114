"""A cache in Redis that processes share, beside the timelines and in their epochs.

    <prefix>:<kind>:<id>, in a cluster <prefix>:<kind>:{<tag>}:<id>     one string:

    "V", epoch (8 bytes), number (16 digits), value                     a value
    "N", epoch, number                                                  that there is none
    "L", epoch, token (8 bytes)                                         a lease
    "T", then for each: token, when it lapses (16 digits, Unix ms)      tombstones

What is of another epoch than the mark of its bucket counts as absent: a server that was found to have been set
back takes all of it along, and so does whatever has every timeline built anew.
"""

import secrets
from collections.abc import Callable, Sequence

import numpy as np

from feedkit.idset import Ids
from feedkit.settings import Settings
from feedkit.storage.redis.commands import Chain, Each, call, command
from feedkit.storage.redis.marks import RedisMarks, fresh_epoch, mark_of
from feedkit.storage.redis.opening import Place
from feedkit.storage.redis.scripts import BURY, FILL, LEASE, LIFT
from feedkit.storage.shared import Lease, SharedCache, Slot, Tombstone, Value
from feedkit.storage.touching import CacheKey

_NUMBER_AT, _VALUE_AT = 9, 25
_TOKEN_BYTES = 8


class RedisCache(SharedCache):
    """Safe for threads.

    Args:
        place: gives where it is; called at each use, so that nothing is opened before the first.
        marks: of the feed.
        lease_ms: how long a lease stands.
        buried_ms: how long a tombstone lies that nobody lifts.
    """

    def __init__(
        self, place: Callable[[], Place], marks: RedisMarks, *, lease_ms: int, buried_ms: int
    ) -> None:
        self._place, self._marks = place, marks
        self._lease_ms, self._buried_ms = b"%d" % lease_ms, b"%d" % buried_ms

    def look(self, keys: Sequence[CacheKey], since: Sequence[int]) -> list[Value | Slot]:
        place, buckets = self._place(), self._buckets(keys)
        marked: Ids = np.unique(buckets)
        marks = Each([command(b"GET", place.keys("").mark(bucket)) for bucket in marked.tolist()])
        gets = Each([command(b"GET", name) for name in self._names(keys)])
        # Marks come first, over the same connection: what is of their epoch then was so at that moment.
        answers = place.wire.values(np.concatenate([marked, buckets]), Chain(marks, gets), together=True)
        epochs = {bucket: mark_of(mark).epoch for bucket, mark in zip(marked.tolist(), answers, strict=False)}
        found = zip(answers[len(marked) :], buckets.tolist(), since, strict=True)
        return [_held(data, epochs[bucket], number) for data, bucket, number in found]

    def lease(self, keys: Sequence[CacheKey], since: Sequence[int]) -> list[Value | Slot | Lease]:
        place, buckets = self._place(), self._buckets(keys)
        tokens = [secrets.token_bytes(_TOKEN_BYTES) for _ in keys]
        marks = place.keys("")
        asked = [
            call(LEASE, [name, marks.mark(bucket)], token, self._lease_ms, b"%d" % number, fresh_epoch())
            for name, bucket, token, number in zip(
                self._names(keys), buckets.tolist(), tokens, since, strict=True
            )
        ]
        answers = place.wire.values(buckets, Each(asked))
        return [_leased(data, token) for data, token in zip(answers, tokens, strict=True)]

    def fill(
        self, leased: Sequence[tuple[CacheKey, Lease, Value | None]], ttl_ms: Sequence[int]
    ) -> list[bool]:
        keys = [key for key, _, _ in leased]
        asked = [
            call(FILL, [name], lease.token, *_packed(value), b"%d" % ttl)
            for name, (_, lease, value), ttl in zip(self._names(keys), leased, ttl_ms, strict=True)
        ]
        return [
            bool(filled) for filled in self._place().wire.numbers(self._buckets(keys), Each(asked)).tolist()
        ]

    def bury(self, tombstones: Sequence[Tombstone]) -> None:
        keys = [one.key for one in tombstones]
        asked = [
            call(BURY, [name], one.token, self._buried_ms)
            for name, one in zip(self._names(keys), tombstones, strict=True)
        ]
        self._place().wire.numbers(self._buckets(keys), Each(asked))

    def lift(self, tombstones: Sequence[Tombstone]) -> None:
        keys = [one.key for one in tombstones]
        asked = [
            call(LIFT, [name], one.token, b"" if one.number is None else b"%d" % one.number)
            for name, one in zip(self._names(keys), tombstones, strict=True)
        ]
        self._place().wire.numbers(self._buckets(keys), Each(asked))

    def clear(self) -> None:
        self._marks.renew()

    def _buckets(self, keys: Sequence[CacheKey]) -> Ids:
        return self._place().keys("").buckets_of(_ids(keys))

    def _names(self, keys: Sequence[CacheKey]) -> list[bytes]:
        place = self._place()
        return [place.keys(kind.value).of(one) for kind, one in keys]


def _ids(keys: Sequence[CacheKey]) -> Ids:
    return np.array([one for _, one in keys], dtype=np.int64)


def _held(data: object, epoch: bytes, since: int) -> Value | Slot:
    """What these bytes are to somebody for whom values of a lower number are outdated."""
    if not isinstance(data, bytes):
        return Slot.ABSENT
    kind = data[:1]
    if kind == b"T":
        return Slot.BURIED
    if not epoch or data[1:_NUMBER_AT] != epoch:
        return Slot.ABSENT
    if kind == b"L":
        return Slot.LEASED
    number = data[_NUMBER_AT:_VALUE_AT]
    if kind not in (b"V", b"N") or not number.isdigit() or int(number) < since:
        return Slot.ABSENT
    return Value(int(number), data[_VALUE_AT:] if kind == b"V" else None)


def _leased(data: object, token: bytes) -> Value | Slot | Lease:
    """What a server said to who asked for a lease with this token."""
    if not isinstance(data, bytes):
        return Slot.BURIED
    if data[:1] == b"L" and data[_NUMBER_AT:] == token:
        return Lease(token)
    held = _held(data, data[1:_NUMBER_AT], 0)
    return Slot.BURIED if held is Slot.ABSENT else held  # not ours to read, nor to fill


def _packed(value: Value | None) -> tuple[bytes, bytes]:
    """The kind and content of a slot."""
    if value is None:
        return b"", b""
    number = b"%016d" % value.number
    return (b"N", number) if value.data is None else (b"V", number + value.data)


def shared_cache(place: Callable[[], Place], settings: Settings) -> RedisCache:
    """The shared cache of a feed. A tombstone outlives every lease, and whatever a host may do before it commits."""
    buried_ms = settings.shared_lease_ms + settings.host_transaction_max_s * 1000
    return RedisCache(place, RedisMarks(place), lease_ms=settings.shared_lease_ms, buried_ms=buried_ms)
