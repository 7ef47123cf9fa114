"""Keeps the counters of users, by deltas from the log."""

from collections import Counter
from collections.abc import Iterator, Sequence

from feedkit.model import FRIENDS, Audience, Count, Event, EventKind
from feedkit.storage.base import COUNTERS, Truth, Tx


class Counters:
    """A shared consumer: deltas and its place in the log commit together, so nothing counts twice."""

    name = COUNTERS

    def __init__(self, truth: Truth) -> None:
        self._truth = truth

    def apply(self, tx: Tx, events: Sequence[Event]) -> None:
        """Add up the deltas of these events, and apply them."""
        deltas: Counter[tuple[int, str]] = Counter()
        for event in events:
            for key, delta in _deltas(event):
                deltas[key] += delta
        self._truth.counts.add(tx, deltas)


def _deltas(event: Event) -> Iterator[tuple[tuple[int, str], int]]:
    match event.kind:
        case EventKind.FOLLOW_ADDED | EventKind.FOLLOW_REMOVED:
            sign = 1 if event.kind is EventKind.FOLLOW_ADDED else -1
            yield (event.actor_id, Count.FOLLOWING), sign
            yield (event.object_id, Count.FOLLOWERS), sign
            if event.detail == FRIENDS:
                yield (event.actor_id, Count.FRIENDS), sign
                yield (event.object_id, Count.FRIENDS), sign
        # Posts for a narrower audience are not counted: the number is shown to everybody.
        case EventKind.POST_PUBLISHED if event.audience is Audience.PUBLIC:
            yield (event.actor_id, Count.POSTS), 1
        case EventKind.POST_DELETED if event.audience is Audience.PUBLIC:
            yield (event.actor_id, Count.POSTS), -1
