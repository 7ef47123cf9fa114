"""The contract of a bus: it carries the log to groups of consumers where one database's own queue is outgrown.

Truth's log stays the source. A relay (`feedkit.log.relay`) copies committed events to the bus, and remembers in
truth what every group has handled; so a bus may lose everything at any moment, and is filled anew from there.

What a driver must promise, beside what each method says:

* One author's events lie in one partition (`partition_of`), in the order of the log, each number once.
* A partition's mark, the number of the log up to which it was filled, is lost whenever its events are, and never
  stays behind them: a server that was emptied or set back stands behind, which is how it is noticed.
* At any time one holder has a group's lease of a partition. Its *fence* is of no use from the moment on that the
  lease lapsed and another one was given, however late an acknowledgement with it comes.
* Nothing that a group has not acknowledged goes, except all that a partition holds at once. A store that may drop
  single events to make room is refused with a ConfigurationError.

Redis Streams, NATS JetStream (a consumer for each group and partition, one batch at a time) and Kafka (a generation
is a fence) can all keep these. `feedkit.testing.contracts.BusContract` checks a driver.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs

from feedkit.model import Event

GROUP = "bus:"
"""What groups are named with among the consumers of the log, so that none is taken for another; its name follows."""
NOT_FILLED = -1
"""The mark of a partition that was never filled, or lost what it held."""
_SPREAD, _WORD = 0x9E3779B97F4A7C15, (1 << 64) - 1  # 2^64 over the golden ratio: ids come to lie far apart


@attrs.frozen(slots=True)
class Span:
    """Which events of the log are handed over: all above `before`, up to `up_to`.

    All up to `settled` have been handled by every group, as truth remembers.
    """

    before: int
    up_to: int
    settled: int


@attrs.frozen(slots=True)
class Progress:
    """How far a group is: it has acknowledged all up to number `handled`; `taken` events are in workers' hands."""

    handled: int
    taken: int


@attrs.frozen(slots=True)
class State:
    """What a bus holds: every partition up to number `lowest`, one up to `highest`; `held` events in all."""

    lowest: int
    highest: int
    held: int
    groups: Mapping[str, Progress]


@attrs.frozen(slots=True)
class Entry:
    """An event, and the how-manieth time it is handed to this group, counted from 1."""

    event: Event
    tries: int


@attrs.frozen(slots=True)
class Batch:
    """Events of one partition in order, leased to whoever holds the `fence`."""

    group: str
    partition: int
    fence: bytes
    entries: tuple[Entry, ...]

    @property
    def events(self) -> tuple[Event, ...]:
        """The events alone."""
        return tuple(entry.event for entry in self.entries)


class Bus(Protocol):
    """See the head of this file. Safe for threads; every method may raise OutOfReach."""

    partitions: int
    """Fixed when the bus is first filled; ConfigurationError where it holds another number of them."""

    def publish(self, events: Sequence[Event], span: Span) -> int:
        """Take the events of a span, in order; the number up to which every partition is filled now.

        A partition takes what it lacks as far as it has room, so it may be told the same again. One that stands
        behind `before` takes nothing, unless all up to `before` are settled: a publisher that was asleep while
        the bus was set back leaves no gap.
        """

    def fetch(self, group: str, start: int, limit: int, lease_ms: int) -> Batch | None:
        """Lease a partition that nobody of the group holds: its next events, at most `limit`; None for nothing to do.

        What was handed out and never acknowledged comes first, in order. Among it, an event that was tried before
        comes alone: it may be the one that brings workers down. `start`: a group that a partition does not know
        begins above that number.
        """

    def acknowledge(self, batch: Batch) -> bool:
        """Note that the group has handled a batch, and end its lease; False, and nothing changed, behind the fence."""

    def abandon(self, batch: Batch, handled: int, *, blamed: bool, pause_ms: int) -> bool:
        """End a lease with only the first `handled` of its events acknowledged; False behind the fence, as above.

        If `blamed`, the next one was tried in vain, and that counts; all others are as if they had not been handed
        out. The group is given nothing of that partition for `pause_ms`.
        """

    def state(self, groups: Mapping[str, int]) -> State:
        """How far it is filled, and how far these groups are, each with its `start` as for `fetch`."""

    def trim(self, up_to: int) -> None:
        """Drop events up to that number, yet none that a group there has not acknowledged."""

    def forget(self, group: str) -> None:
        """Forget a group, with what it has not handled."""

    def clear(self) -> None:
        """Lose everything: events, marks, groups and leases."""

    def close(self) -> None:
        """Close what was opened here, and nothing that the host handed in."""


def partition_of(author_id: int, partitions: int) -> int:
    """Where the events of an author lie: 0 to `partitions` - 1, evenly spread."""
    return ((author_id * _SPREAD & _WORD) >> 32) % partitions


def by_partition(events: Sequence[Event], partitions: int) -> list[list[Event]]:
    """The events of each partition, in order."""
    parts: list[list[Event]] = [[] for _ in range(partitions)]
    for event in events:
        parts[partition_of(event.actor_id, partitions)].append(event)
    return parts
