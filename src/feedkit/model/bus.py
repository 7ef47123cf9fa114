"""What a bus reports: how far its consumers are, and what they could not handle."""

from datetime import datetime
from typing import Any

import attrs

from feedkit.clock import from_ms
from feedkit.model.events import Event
from feedkit.model.posts import rfc3339


@attrs.frozen(slots=True)
class ConsumeResult:
    """What consuming did: events handled, dead letters made, seconds taken, and whether nothing is left."""

    events: int
    dead: int
    seconds: float
    done: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return attrs.asdict(self)


@attrs.frozen(slots=True)
class BusLag:
    """How far a group is behind, in events.

    `behind`: of the log, up to its end. `taken`: in the hands of workers, or abandoned by them. `held`: on the bus,
    for all groups. `dead`: given up.
    """

    behind: int
    taken: int
    held: int
    dead: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return attrs.asdict(self)


@attrs.frozen(slots=True)
class DeadLetter:
    """An event that a group could not handle, how often it was tried, and what came of the last try."""

    group: str
    event: Event
    tries: int
    reason: str
    at_ms: int

    @property
    def number(self) -> int:
        """The number of the event in the log, by which `retry` and `discard` know it."""
        return self.event.number

    @property
    def at(self) -> datetime:
        """When it was given up."""
        return from_ms(self.at_ms)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "group": self.group,
            "event": self.event.to_dict(),
            "tries": self.tries,
            "reason": self.reason,
            "at": rfc3339(self.at),
        }
