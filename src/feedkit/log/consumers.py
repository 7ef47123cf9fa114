"""The kinds of consumer of the log.

A *local* consumer keeps a materialisation of one process up to date: every process has its own, and
remembers its place in memory. A *shared* consumer changes truth: there is one place for all processes,
kept in truth and moved in the transaction of the consumer's effects. A group of a bus has a *handler* of the host's.

Law for all: an event may come twice, late, and out of order.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from feedkit.model import Event
from feedkit.storage.base import Tx

Handler = Callable[[Sequence[Event]], object]
"""Takes events into account, of one partition in order.

What it returns is ignored. `Unavailable` says that nothing can be handled at the moment; any other error, that these
events cannot.
"""


class LocalConsumer(Protocol):
    """Keeps something in this process up to date."""

    def apply(self, events: Sequence[Event]) -> None:
        """Take these events into account."""

    def clear(self) -> None:
        """Drop everything: events this process has not seen are gone from the log."""


class SharedConsumer(Protocol):
    """Keeps something in truth up to date, exactly once per event."""

    name: str

    def apply(self, tx: Tx, events: Sequence[Event]) -> None:
        """Take these events into account, in this transaction."""
