"""The contract of truth for the log: events, and how far their consumers have come. See `feedkit.storage.base`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from feedkit.idset import Ids
from feedkit.model import Event
from feedkit.storage.entries import Entries

if TYPE_CHECKING:
    from feedkit.storage.base import Tx

COUNTERS = "counters"
"""The shared consumer that keeps the counters, by its name in the log."""
TIMELINES = "timelines"
"""By this name the log knows how far timelines that processes share have been delivered to; pruning does not wait."""


class EventStore(Protocol):
    """The log.

    `numbers_at_insert`: events have their numbers from the start, so that nobody needs to give them any.

    Laws: an event commits with the change it tells of; numbers are contiguous and given in an order in
    which nothing that commits late is skipped by a reader that remembers the last number it saw; nobody
    else's open transaction holds anything back; the newest event is never pruned.
    """

    numbers_at_insert: bool

    def append(self, tx: Tx, event: Event) -> None:
        """Add an event in the transaction of its change."""

    def after(self, tx: Tx, number: int, limit: int) -> list[Event]:
        """Events above `number` in order, then any that are committed and not numbered yet."""

    def number_new(self, tx: Tx) -> bool:
        """Give numbers to committed events that have none; False where nothing had to be done.

        `tx` is a short transaction for this alone: others wait for it, though not for ever.
        """

    def last_number(self, tx: Tx) -> int:
        """The highest number, 0 where there is none."""

    def last_before(self, tx: Tx, ms: int) -> int:
        """The number before that of the first event of that moment (Unix milliseconds) or later."""

    def late(
        self, tx: Tx, numbers: tuple[int, int], *, at_or_below: int, authors: Ids, limit: int
    ) -> Entries:
        """The newest entries of these authors that were published late.

        That is: by events above the first number, up to the second, at positions not above `at_or_below`.
        """

    def published_after(self, tx: Tx, number: int, highest: int, limit: int) -> list[int]:
        """The newest positions up to `highest` that committed events above `number`, or without one, published."""

    def offsets(self, tx: Tx) -> dict[str, int]:
        """The last number that each shared consumer has applied; whoever is not in it has applied none."""

    def set_offsets(self, tx: Tx, consumers: Sequence[str], number: int) -> None:
        """Remember how far shared consumers have come, in the transaction of their effects."""

    def forget(self, tx: Tx, consumer: str) -> bool:
        """Forget a shared consumer, so that pruning does not wait for it; False where there is none."""

    def claim(self, tx: Tx, *, wait: bool) -> bool:
        """Become the one process that runs the shared consumers until the transaction ends."""

    def prune(self, tx: Tx, older_than_ms: int) -> int:
        """Remove the oldest events, as far as every shared consumer is past them and none is younger; how many."""
