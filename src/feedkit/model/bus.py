"""What a bus reports: how far its consumers are."""

from typing import Any

import attrs


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
