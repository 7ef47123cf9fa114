"""People: users, their counters, and how they stand to each other."""

from datetime import datetime
from typing import Any, Generic, TypeVar

import attrs

from feedkit.clock import from_ms
from feedkit.model.kinds import UserStatus
from feedkit.model.posts import rfc3339

Key = TypeVar("Key")
"""The host's own name for a user: `str`, `int` or `UUID`, chosen once per feed."""


@attrs.frozen(slots=True)
class User(Generic[Key]):
    """A user as feedkit knows them. `key` is the host's own name for them.

    `id` is feedkit's own for them, or 0 where it has not met them, or is not to say that it has (to_dict: null).
    What a `private` user writes goes to followers alone, whom they accept one by one. A suspended one is
    suspended until `suspended_until_ms` (Unix milliseconds), or until somebody restores them. `guarded` is for whoever
    has just changed them, see `Relation`.
    """

    id: int
    key: Key
    handle: str | None = None
    display_name: str | None = None
    time_zone: str | None = None
    status: UserStatus = UserStatus.ACTIVE
    private: bool = False
    suspended_until_ms: int | None = None
    guarded: bool = attrs.field(default=True, eq=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "id": str(self.id) if self.id else None,
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
    otherwise. `changed`: whether this call changed it. `guarded`: False where it was committed though Redis was out
    of reach, so that some processes may not know of it, for `shared_ttl_s` seconds at the longest.
    """

    status: str
    changed: bool
    guarded: bool = True

    @property
    def active(self) -> bool:
        """Whether the relation stands."""
        return self.status == ACTIVE

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {"status": self.status, "active": self.active, "changed": self.changed}


@attrs.frozen(slots=True, kw_only=True)
class Standing:
    """How the viewer stands to somebody. Whether they block or mute the viewer is told nowhere.

    `requested` and `asked`: the viewer's own request to follow and to be friends is waiting; `requested_by` and
    `asked_by`: theirs is. `reposts`: the viewer follows them and wants their reposts. `muted_until_ms` (Unix
    milliseconds) is None where the viewer does not mute them, and for a mute without an end.
    """

    following: bool = False
    followed_by: bool = False
    requested: bool = False
    requested_by: bool = False
    asked: bool = False
    asked_by: bool = False
    friends: bool = False
    blocked: bool = False
    muted: bool = False
    muted_until_ms: int | None = None
    reposts: bool = False

    @property
    def muted_until(self) -> datetime | None:
        """When the mute lapses."""
        return None if self.muted_until_ms is None else from_ms(self.muted_until_ms)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        fields = attrs.asdict(self)
        del fields["muted_until_ms"]
        return {**fields, "muted_until": rfc3339(self.muted_until)}


def has_lapsed(until_ms: int, now_ms: int) -> bool:
    """Whether a mute up to `until_ms` is over; 0 has no end."""
    return 0 < until_ms <= now_ms


@attrs.frozen(slots=True)
class UserList:
    """A named list of people, which its owner alone can see."""

    id: int
    name: str
    created_ms: int

    @property
    def created_at(self) -> datetime:
        """When it was made."""
        return from_ms(self.created_ms)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {"id": str(self.id), "name": self.name, "created_at": rfc3339(self.created_at)}


@attrs.frozen(slots=True)
class Suggestion(Generic[Key]):
    """Somebody whom the viewer may want to follow. `common`: how many of the viewer's followees follow them."""

    user: User[Key]
    common: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {"user": self.user.to_dict(), "common": self.common}


FOLLOW, FRIENDSHIP = "follow", "friendship"


@attrs.frozen(slots=True)
class Request(Generic[Key]):
    """Somebody who waits for an answer. `kind`: "follow" or "friendship"."""

    user: User[Key]
    kind: str
    at_ms: int

    @property
    def at(self) -> datetime:
        """When they asked."""
        return from_ms(self.at_ms)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {"user": self.user.to_dict(), "kind": self.kind, "at": rfc3339(self.at)}
