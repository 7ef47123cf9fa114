"""What staff did, as the audit has it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Generic

import attrs

from feedkit.clock import from_ms
from feedkit.model.people import Key, User
from feedkit.model.posts import rfc3339


@attrs.frozen(slots=True)
class AuditEntry(Generic[Key]):
    """One call of a member of staff: who, what, why, when; and to what.

    That is the post `post_id`, or `user`, or neither where the whole audit was read.
    """

    id: int
    staff: str
    action: str
    reason: str
    at_ms: int
    post_id: int | None = None
    user: User[Key] | None = None

    @property
    def at(self) -> datetime:
        """When it was."""
        return from_ms(self.at_ms)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "id": str(self.id),
            "staff": self.staff,
            "action": self.action,
            "reason": self.reason,
            "at": rfc3339(self.at),
            "post_id": None if self.post_id is None else str(self.post_id),
            "user": None if self.user is None else self.user.to_dict(),
        }


@attrs.frozen(slots=True)
class AuditPage(Generic[Key]):
    """A part of the audit, newest first. `next_cursor` leads on and is None at the end."""

    items: tuple[AuditEntry[Key], ...]
    next_cursor: str | None

    def __iter__(self) -> Iterator[AuditEntry[Key]]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {"items": [entry.to_dict() for entry in self.items], "next_cursor": self.next_cursor}
