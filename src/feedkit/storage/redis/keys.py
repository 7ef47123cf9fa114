"""The names of what stands in Redis, made by the thousand.

    <prefix>:<kind>:<owner>                a timeline; the owner as 16 hexadecimal digits
    <prefix>:<kind>:{<tag>}:<owner>        the same in a cluster
    <prefix>:mark, <prefix>:mark:{<tag>}   how far deliveries have come, see `marks`
    <prefix>:step, <prefix>:step:{<tag>}   what the turn to deliver has brought
    <prefix>:part, <prefix>:part:{<tag>}   what chunks of large deliveries have brought
    <prefix>:turn                          who delivers at the moment

In a cluster every owner belongs to one of 64 *buckets*. All that belongs to a bucket carries its tag, so
that it lies in one slot and moves with it.
"""

from binascii import crc_hqx
from functools import cache

import numpy as np
from numpy.typing import NDArray

from feedkit.idset import Ids

SLOTS = 16_384
CLUSTER_BUCKETS = 64
_TAG_DIGITS = 4
_OWNER_DIGITS = 16
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: neighbours come to lie far apart

Bytes2D = NDArray[np.uint8]


@cache
def tags() -> tuple[bytes, ...]:
    """A tag for each bucket whose slots lie evenly over all that there are."""
    found: dict[int, bytes] = {}
    for number in range(16**_TAG_DIGITS):
        tag = b"%04x" % number
        found.setdefault(slot_of(tag) * CLUSTER_BUCKETS // SLOTS, tag)
        if len(found) == CLUSTER_BUCKETS:
            break
    return tuple(found[bucket] for bucket in range(CLUSTER_BUCKETS))


def slot_of(tag: bytes) -> int:
    """The slot of a cluster in which everything with this tag lies."""
    return crc_hqx(tag, 0) % SLOTS


class Keys:
    """The keys of one kind of timeline of one feed.

    Args:
        prefix: of every key of the feed.
        kind: tells inboxes from outboxes.
        buckets: 64 in a cluster, otherwise 1.
    """

    def __init__(self, prefix: str, kind: str, buckets: int) -> None:
        self.buckets = buckets
        self._prefix, self._kind = prefix.encode(), kind.encode()
        self._before = self._prefix + b":" + self._kind + b":"
        self.width = len(self.of(1))
        self._tags = np.array([list(tag) for tag in tags()], dtype=np.uint8)

    def buckets_of(self, owners: Ids) -> Ids:
        """The bucket of each owner."""
        if self.buckets == 1:
            return np.zeros(len(owners), dtype=np.int64)
        spread = owners.astype(np.uint64) * _SPREAD
        return (spread >> np.uint64(58)).astype(np.int64)

    def of(self, owner: int) -> bytes:
        """The key of one timeline."""
        if self.buckets == 1:
            return self._before + b"%016x" % owner
        return self._before + self._tagged(int(self.buckets_of(np.array([owner]))[0])) + b"%016x" % owner

    def rows(self, owners: Ids, buckets: Ids) -> Bytes2D:
        """The keys of many timelines, shape (n, width)."""
        rows = np.empty((len(owners), self.width), dtype=np.uint8)
        rows[:] = np.frombuffer(self.of(1), dtype=np.uint8)
        if self.buckets > 1:
            start = len(self._before) + 1
            rows[:, start : start + _TAG_DIGITS] = self._tags[buckets]
        digits = owners.astype(">i8").tobytes().hex().encode()
        rows[:, -_OWNER_DIGITS:] = np.frombuffer(digits, dtype=np.uint8).reshape(-1, _OWNER_DIGITS)
        return rows

    def owner(self, key: bytes) -> int | None:
        """Whose timeline a key is; None where it is none of these."""
        try:
            owner = int(key[-_OWNER_DIGITS:], 16)
        except ValueError:
            return None
        return owner if owner and self.of(owner) == key else None

    def mark(self, bucket: int) -> bytes:
        """The key of the mark of a bucket."""
        return self._of_bucket(b":mark", bucket)

    def step(self, bucket: int) -> bytes:
        """The key of what the turn has brought to a bucket."""
        return self._of_bucket(b":step", bucket)

    def part(self, bucket: int) -> bytes:
        """The key of what chunks of large deliveries have brought to a bucket."""
        return self._of_bucket(b":part", bucket)

    def turn(self) -> bytes:
        """The key of the turn, which lies in the first bucket."""
        return self._of_bucket(b":turn", 0)

    def _of_bucket(self, name: bytes, bucket: int) -> bytes:
        return self._prefix + name + (b":{" + tags()[bucket] + b"}" if self.buckets > 1 else b"")

    def pattern(self) -> bytes:
        """What SCAN finds them by."""
        return _escaped(self._before) + b"*"

    def _tagged(self, bucket: int) -> bytes:
        return b"{" + tags()[bucket] + b"}:" if self.buckets > 1 else b""


def _escaped(text: bytes) -> bytes:
    return b"".join(b"\\" + bytes([byte]) if byte in b"*?[]^\\" else bytes([byte]) for byte in text)
