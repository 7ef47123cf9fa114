"""A bus in the memory of one process: for the tests of hosts. What ends with it is filled anew from the log."""

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import attrs

from feedkit.model import Event
from feedkit.storage.bus import NOT_FILLED, Batch, Entry, Progress, Span, State, by_partition


@attrs.define(slots=True)
class _Group:
    """A group's place in one partition: the last number handed out, and of what is not acknowledged the tries."""

    last: int
    pending: dict[int, int] = attrs.Factory(dict)
    fence: bytes = b""
    until: float = 0.0

    @property
    def handled(self) -> int:
        return min(self.pending) - 1 if self.pending else self.last


@attrs.define(slots=True)
class _Partition:
    mark: int = NOT_FILLED
    events: dict[int, Event] = attrs.Factory(dict)
    groups: dict[str, _Group] = attrs.Factory(dict)

    def next_of(self, group: _Group, limit: int) -> list[int]:
        """The numbers that a group is handed next: see `Bus.fetch`."""
        again = sorted(group.pending)
        if again:
            fresh = next((nth for nth, number in enumerate(again) if group.pending[number]), len(again))
            return again[: max(1, min(fresh, limit))]
        return [number for number in self.events if number > group.last][:limit]


class MemoryBus:
    """See `feedkit.storage.bus.Bus`.

    Args:
        partitions: how many.
        most: events that one partition holds.
        now: seconds, by which leases lapse.
    """

    def __init__(self, partitions: int, most: int, now: Callable[[], float] = time.monotonic) -> None:
        self.partitions = partitions
        self._most, self._now = most, now
        self._lock = threading.Lock()
        self._parts = [_Partition() for _ in range(partitions)]

    def publish(self, events: Sequence[Event], span: Span) -> int:
        with self._lock:
            each = by_partition(events, self.partitions)
            return min(self._fill(part, its, span) for part, its in zip(self._parts, each, strict=True))

    def fetch(self, group: str, start: int, limit: int, lease_ms: int) -> Batch | None:
        with self._lock:
            for number, part in sorted(enumerate(self._parts), key=lambda _: secrets.randbits(16)):
                place = part.groups.get(group) or _Group(start)
                if part.mark == NOT_FILLED or place.until > self._now():
                    continue
                if chosen := part.next_of(place, limit):
                    return self._lease(number, group, chosen, lease_ms, start)
            return None

    def acknowledge(self, batch: Batch) -> bool:
        return self.abandon(batch, len(batch.entries), blamed=False, pause_ms=0)

    def abandon(self, batch: Batch, handled: int, *, blamed: bool, pause_ms: int) -> bool:
        with self._lock:
            place = self._parts[batch.partition].groups.get(batch.group)
            if place is None or place.fence != batch.fence:
                return False
            for nth, entry in enumerate(batch.entries):
                if nth < handled:
                    del place.pending[entry.event.number]
                elif nth > handled or not blamed:
                    place.pending[entry.event.number] = entry.tries - 1
            place.fence, place.until = b"", self._now() + pause_ms / 1000
            return True

    def state(self, groups: Mapping[str, int]) -> State:
        with self._lock:
            marks = [part.mark for part in self._parts]
            held = sum(len(part.events) for part in self._parts)
            progress = {name: self._progress(name, start) for name, start in groups.items()}
            return State(min(marks), max(marks), held, progress)

    def trim(self, up_to: int) -> None:
        with self._lock:
            for part in self._parts:
                lowest = min([up_to, *(group.handled for group in part.groups.values())])
                part.events = {number: event for number, event in part.events.items() if number > lowest}

    def forget(self, group: str) -> None:
        with self._lock:
            for part in self._parts:
                part.groups.pop(group, None)

    def clear(self) -> None:
        with self._lock:
            self._parts = [_Partition() for _ in range(self.partitions)]

    def close(self) -> None:
        """Nothing is open."""

    def _fill(self, part: _Partition, events: Sequence[Event], span: Span) -> int:
        if part.mark < span.before and span.before > span.settled:
            return part.mark
        for event in events:
            if event.number > part.mark:
                if len(part.events) >= self._most:
                    part.mark = max(part.mark, event.number - 1)
                    return part.mark
                part.events[event.number] = event
        part.mark = max(part.mark, span.up_to)
        return part.mark

    def _lease(self, number: int, group: str, chosen: list[int], lease_ms: int, start: int) -> Batch:
        part = self._parts[number]
        place = part.groups.setdefault(group, _Group(start))
        place.fence, place.until = secrets.token_bytes(8), self._now() + lease_ms / 1000
        place.last = max(place.last, chosen[-1])
        for one in chosen:
            place.pending[one] = place.pending.get(one, 0) + 1
        entries = tuple(Entry(part.events[one], place.pending[one]) for one in chosen)
        return Batch(group, number, place.fence, entries)

    def _progress(self, group: str, start: int) -> Progress:
        handled, taken = [], 0
        for part in self._parts:
            place = part.groups.get(group) or _Group(start)
            waiting = next((number for number in part.events if number > place.last), None)
            done = place.handled if place.pending else part.mark if waiting is None else waiting - 1
            handled.append(max(start, done))
            taken += len(place.pending)
        return Progress(min(handled), taken)
