"""A bus over Redis Streams: a stream for each partition, whose ids are numbers of the log.

    <prefix>:bus:{<tag>}:<partition>         the stream; its last id is the mark
    <prefix>:bus:{<tag>}:<partition>:about   a hash: the number of partitions, and the lease of each group

A mark that is the stream's own last id cannot outlive what it tells of. One worker of a group at a time has a
partition, so its events stay in order; Redis' groups remember what was handed out, and how often.
"""

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from feedkit.errors import ConfigurationError, OutOfReach
from feedkit.idset import Ids, single
from feedkit.model import Event
from feedkit.storage.bus import Batch, Entry, Progress, Span, State, by_partition
from feedkit.storage.event_codec import pack, unpack
from feedkit.storage.redis.commands import Each, call, command
from feedkit.storage.redis.keys import CLUSTER_BUCKETS, tags
from feedkit.storage.redis.opening import Place
from feedkit.storage.redis.scripts import BUS_END, BUS_FORGET, BUS_PUBLISH, BUS_STATE, BUS_TAKE, BUS_TRIM
from feedkit.storage.redis.wire import Wire

_NUMBER_BYTES = 8
_HEAD = 3  # what the state of a partition begins with
_LOOKED_AT_EVERY_S = 60.0
_KEEPS_ALL = b"noeviction"


class RedisStreams:
    """See `feedkit.storage.bus.Bus`. Safe for threads.

    Args:
        place: gives where it is; called at each use, so that nothing is opened before the first.
        partitions: how many streams.
        most: events that one of them holds.
    """

    def __init__(self, place: Callable[[], Place], partitions: int, most: int) -> None:
        self.partitions = partitions
        self._opened, self._most = place, most
        self._look_again_at = 0.0
        self._lock = threading.Lock()

    def publish(self, events: Sequence[Event], span: Span) -> int:
        ends = [
            b"%d" % number for number in (self.partitions, span.before, span.up_to, span.settled, self._most)
        ]
        calls = []
        for number, its in enumerate(by_partition(events, self.partitions)):
            words = [word for event in its for word in (b"%d" % event.number, _stored(event))]
            calls.append(call(BUS_PUBLISH, self._keys(number), *ends, *words))
        return min(self._mark(answer) for answer in self._everywhere(calls))

    def fetch(self, group: str, start: int, limit: int, lease_ms: int) -> Batch | None:
        waiting = [number for number, row in enumerate(self._rows({group: start})) if row[_HEAD + 2]]
        secrets.SystemRandom().shuffle(waiting)
        for number in waiting:
            fence = secrets.token_hex(8).encode()
            bounds = [b"%d" % bound for bound in (start, limit, lease_ms)]
            taken = call(BUS_TAKE, self._keys(number), group.encode(), fence, *bounds)
            if entries := _entries(self._at(number, taken)):
                return Batch(group, number, fence, entries)
        return None

    def acknowledge(self, batch: Batch) -> bool:
        return self.abandon(batch, len(batch.entries), blamed=False, pause_ms=0)

    def abandon(self, batch: Batch, handled: int, *, blamed: bool, pause_ms: int) -> bool:
        done = [b"%d" % entry.event.number for entry in batch.entries[:handled]]
        back = [
            b"%d" % number
            for entry in batch.entries[handled + blamed :]
            for number in (entry.event.number, entry.tries - 1)
        ]
        words = [batch.group.encode(), batch.fence, b"%d" % pause_ms, b"%d" % len(done), *done, *back]
        return bool(self._at(batch.partition, call(BUS_END, self._keys(batch.partition), *words)))

    def state(self, groups: Mapping[str, int]) -> State:
        rows = self._rows(groups)
        marks, held = [row[1] for row in rows], sum(row[2] for row in rows)
        progress = {
            name: Progress(
                min(row[_HEAD + 3 * nth] for row in rows), sum(row[_HEAD + 3 * nth + 1] for row in rows)
            )
            for nth, name in enumerate(groups)
        }
        return State(min(marks), max(marks), held, progress)

    def trim(self, up_to: int) -> None:
        self._everywhere([call(BUS_TRIM, self._keys(number)[:1], b"%d" % up_to) for number in self._all()])

    def forget(self, group: str) -> None:
        name = group.encode()
        self._everywhere([call(BUS_FORGET, self._keys(number), name) for number in self._all()])

    def clear(self) -> None:
        self._everywhere([command(b"UNLINK", *self._keys(number)) for number in self._all()])

    def close(self) -> None:
        """Whoever opened the place closes it."""

    def _rows(self, groups: Mapping[str, int]) -> list[list[int]]:
        """What each partition says of itself and of these groups."""
        words = [word for name, start in groups.items() for word in (name.encode(), b"%d" % start)]
        rows = self._everywhere([call(BUS_STATE, self._keys(number), *words) for number in self._all()])
        for partitions, *_ in rows:
            self._refuse_others(partitions or self.partitions)
        return rows

    def _mark(self, answer: Any) -> int:
        if isinstance(answer, bytes):
            self._refuse_others(int(answer))
        return int(answer)

    def _refuse_others(self, partitions: int) -> None:
        if partitions != self.partitions:
            raise ConfigurationError(
                f"bus_partitions is {self.partitions}, but the bus was made with {partitions}, which is fixed; set it "
                "to that, or stop all workers and call feed.wipe() before the change: the log fills the bus anew",
                argument="bus_partitions",
            )

    def _all(self) -> range:
        return range(self.partitions)

    def _keys(self, partition: int) -> list[bytes]:
        tag = tags()[partition % CLUSTER_BUCKETS]
        stream = b"%b:bus:{%b}:%d" % (self._place().prefix.encode(), tag, partition)
        return [stream, stream + b":about"]

    def _everywhere(self, calls: Sequence[bytes]) -> list[Any]:
        """A call to each partition."""
        wire = self._place().wire
        return wire.values(np.arange(self.partitions) % wire.buckets, Each(calls))

    def _at(self, partition: int, packed_call: bytes) -> Any:
        wire = self._place().wire
        bucket: Ids = single(partition % wire.buckets)
        return wire.values(bucket, Each([packed_call]))[0]

    def _place(self) -> Place:
        place = self._opened()
        if time.monotonic() >= self._look_again_at:
            with self._lock:
                if time.monotonic() >= self._look_again_at:
                    refuse_evicting(place.wire)
                    self._look_again_at = time.monotonic() + _LOOKED_AT_EVERY_S
        return place


def refuse_evicting(wire: Wire) -> None:
    """Raise ConfigurationError where one of the servers drops what it likes when it is full."""
    for nth in range(wire.servers()):
        told = wire.ask(nth, command(b"INFO", b"memory"))
        if not isinstance(told, bytes):
            raise OutOfReach("Redis does not tell of its memory; try again")
        facts = dict(line.split(b":", 1) for line in told.splitlines() if b":" in line)
        policy = facts.get(b"maxmemory_policy", _KEEPS_ALL)
        if int(facts.get(b"maxmemory", b"0")) and policy != _KEEPS_ALL:
            raise ConfigurationError(
                f"bus: this Redis may evict what nobody has handled yet (maxmemory-policy is {policy.decode()}); set "
                "its maxmemory-policy to noeviction, or give the bus a Redis of its own. For redis=, where inboxes "
                "are, evicting is fine",
                argument="bus",
            )


def _stored(event: Event) -> bytes:
    """With its number in front, by which it is acknowledged, whoever can read the rest."""
    return event.number.to_bytes(_NUMBER_BYTES, "big") + pack(event)


def _entries(answer: Sequence[Any]) -> tuple[Entry, ...]:
    tries, *stored = answer or (0,)
    found = [(int.from_bytes(data[:_NUMBER_BYTES], "big"), data[_NUMBER_BYTES:]) for data in stored]
    return tuple([Entry(unpack(event, number), tries) for number, event in found])
