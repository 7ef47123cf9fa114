"""Dead letters: events that could not be handled."""

from datetime import datetime
from typing import Any

import attrs

from feedkit.clock import from_ms
from feedkit.model.events import Event
from feedkit.model.posts import rfc3339


@attrs.frozen(slots=True)
class DeadLetter:
    """An event that a consumer could not handle, how often it was tried, and what came of the last try.

    `consumer`: of the log, or "bus:" and the name of a group. `reason`: the kind of error and where it came up. The
    error's text is left out, since it may hold what people wrote, and letters are kept and shown to operators.
    """

    consumer: str
    event: Event
    tries: int
    reason: str
    at_ms: int

    @property
    def number(self) -> int:
        """The number of the event in the log."""
        return self.event.number

    @property
    def at(self) -> datetime:
        """When it was given up."""
        return from_ms(self.at_ms)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form; ids as strings."""
        return {
            "consumer": self.consumer,
            "number": self.number,
            "event": self.event.to_dict(),
            "tries": self.tries,
            "reason": self.reason,
            "at": rfc3339(self.at),
        }
