"""People: users, their counters, and how they stand to each other."""

from typing import Any, Generic, TypeVar

import attrs

from feedkit.model.kinds import UserStatus

Key = TypeVar("Key")
"""The host's own name for a user: `str`, `int` or `UUID`, chosen once per feed."""


@attrs.frozen(slots=True)
class User(Generic[Key]):
    """A user as feedkit knows them. `key` is the host's own name for them.

    What a `private` user writes goes to followers alone, whom they accept one by one. A suspended one is
    suspended until `suspended_until_ms` (Unix milliseconds), or until somebody restores them.
    """

    id: int
    key: Key
    handle: str | None = None
    display_name: str | None = None
    time_zone: str | None = None
    status: UserStatus = UserStatus.ACTIVE
    private: bool = False
    suspended_until_ms: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "id": str(self.id),
            "key": str(self.key),
            "handle": self.handle,
            "display_name": self.display_name,
            "private": self.private,
        }


@attrs.frozen(slots=True)
class UserCounts:
    """How many follow a user, how many they follow, their friends and posts. Exact once the log is drained."""

    followers: int = 0
    following: int = 0
    friends: int = 0
    posts: int = 0

    def to_dict(self) -> dict[str, int]:
        """JSON-safe form."""
        return attrs.asdict(self)


ACTIVE, REQUESTED, NONE = "active", "requested", "none"


@attrs.frozen(slots=True)
class Relation:
    """What a verb between two users has come to.

    `status`: "active" where the relation stands now, "requested" where the other has to agree first, "none"
    otherwise. `changed`: whether this call changed it.
    """

    status: str
    changed: bool

    @property
    def active(self) -> bool:
        """Whether the relation stands."""
        return self.status == ACTIVE

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return attrs.asdict(self)
