"""What upkeep reports."""

from typing import Any

import attrs


@attrs.frozen(slots=True)
class DrainResult:
    """What a drain did: events applied, entries delivered, seconds taken, and whether nothing is left."""

    events: int
    deliveries: int
    seconds: float
    done: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return attrs.asdict(self)


@attrs.frozen(slots=True)
class CheckReport:
    """How materialised inboxes compare with truth; every count is of entries, but `viewers` and `repaired`.

    `missing`: in truth and not in the inbox; `unexpected`: in the inbox and no longer in truth, which
    readers filter away; `doubled`: stored twice. `repaired`: inboxes dropped, so that they are rebuilt.
    """

    viewers: int
    entries: int
    missing: int
    unexpected: int
    doubled: int
    repaired: int = 0

    @property
    def ok(self) -> bool:
        """True where nothing that a reader should see is missing or shown twice."""
        return not (self.missing or self.doubled)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {"ok": self.ok, **attrs.asdict(self)}
