"""The values that cross feedkit's public face and its layers: immutable, plain, JSON-safe through `to_dict()`.

Ids are positive int64; they pass 2**53, so `to_dict()` gives them as decimal strings. Times are
aware UTC datetimes, and RFC 3339 strings in `to_dict()`.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

import attrs

from feedkit.clock import from_ms

Key = TypeVar("Key")
"""The host's own name for a user: `str`, `int` or `UUID`, chosen once per feed."""


class Audience(StrEnum):
    """Who may see a post, apart from blocks."""

    PUBLIC = "public"
    FOLLOWERS = "followers"
    ONLY_ME = "only_me"


class PostStatus(StrEnum):
    """Where a post stands in its life. Only a published one is ever shown to others."""

    DRAFT = "draft"
    PENDING_REVIEW = "pending_review"
    PUBLISHED = "published"
    REMOVED = "removed"


class UserStatus(StrEnum):
    """Whether an account takes part."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class Assoc(StrEnum):
    """Kinds of association from one id to another, each beside its inverse."""

    FOLLOWS = "follows"
    FOLLOWED_BY = "followed_by"
    BLOCKS = "blocks"
    BLOCKED_BY = "blocked_by"
    MUTES = "mutes"
    MUTED_BY = "muted_by"

    @property
    def inverse(self) -> "Assoc":
        """The kind of the row that is written in the other direction."""
        return _INVERSE[self]


_PAIRS = ((Assoc.FOLLOWS, Assoc.FOLLOWED_BY), (Assoc.BLOCKS, Assoc.BLOCKED_BY), (Assoc.MUTES, Assoc.MUTED_BY))
_INVERSE = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}


class Count(StrEnum):
    """Kinds of counters that truth keeps per user."""

    FOLLOWERS = "followers"
    FOLLOWING = "following"
    POSTS = "posts"


class EventKind(StrEnum):
    """What an event in the log says has happened."""

    POST_PUBLISHED = "post.published"
    POST_DELETED = "post.deleted"
    USER_CHANGED = "user.changed"
    FOLLOW_ADDED = "follow.added"
    FOLLOW_REMOVED = "follow.removed"
    BLOCK_ADDED = "block.added"
    BLOCK_REMOVED = "block.removed"
    MUTE_ADDED = "mute.added"
    MUTE_REMOVED = "mute.removed"
    PULL_STARTED = "pull.started"
    PULL_ENDED = "pull.ended"
    UNKNOWN = "unknown"  # written by newer code; whoever meets it drops what it cannot update


class Route(StrEnum):
    """How a post reaches its readers: delivered when posted, or merged in when read."""

    PUSH = "push"
    PULL = "pull"


@attrs.frozen(slots=True)
class Event:
    """One line of the log. `number` orders it; 0 means that it is not numbered yet.

    `actor_id` did it, to `object_id` (a post or a user). `position`, `route` and `audience` are set
    for events about posts.
    """

    kind: EventKind
    actor_id: int
    object_id: int
    at_ms: int
    position: int = 0
    route: Route = Route.PUSH
    audience: Audience = Audience.PUBLIC
    number: int = 0


@attrs.frozen(slots=True)
class User(Generic[Key]):
    """A user as feedkit knows them. `key` is the host's own name for them."""

    id: int
    key: Key
    handle: str | None = None
    display_name: str | None = None
    time_zone: str | None = None
    status: UserStatus = UserStatus.ACTIVE

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "id": str(self.id),
            "key": str(self.key),
            "handle": self.handle,
            "display_name": self.display_name,
        }


@attrs.frozen(slots=True)
class Media:
    """A picture, film or sound that belongs to a post. The bytes stay with the host.

    `width` and `height` are in pixels.
    """

    url: str
    media_type: str | None = None
    width: int | None = None
    height: int | None = None
    alt_text: str | None = None
    content_hash: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return attrs.asdict(self)


@attrs.frozen(slots=True)
class Post:
    """A post as it stands in truth. Fields in `_ms` are Unix milliseconds; hosts use the datetimes beside them.

    `position` orders it in every timeline; `ref` is the host's own unique name for it. `extra_json` is
    what the host put beside the text, as JSON.
    """

    id: int
    position: int
    author_id: int
    created_ms: int
    kind: str = "post"
    schema_version: int = 1
    text: str = ""
    extra_json: str = "{}"
    status: PostStatus = PostStatus.PUBLISHED
    audience: Audience = Audience.PUBLIC
    ref: str | None = None
    reply_to: int | None = None
    media: tuple[Media, ...] = ()
    published_ms: int | None = None
    deleted_ms: int | None = None

    @property
    def created_at(self) -> datetime:
        """When it was written."""
        return from_ms(self.created_ms)

    @property
    def published_at(self) -> datetime | None:
        """When others could first see it."""
        return None if self.published_ms is None else from_ms(self.published_ms)

    @property
    def deleted_at(self) -> datetime | None:
        """When its author deleted it."""
        return None if self.deleted_ms is None else from_ms(self.deleted_ms)

    @property
    def extra(self) -> dict[str, Any]:
        """What the host put beside the text: a fresh dict each time, since posts are shared by all readers."""
        extra: dict[str, Any] = json.loads(self.extra_json)
        return extra

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "id": str(self.id),
            "author_id": str(self.author_id),
            "kind": self.kind,
            "schema_version": self.schema_version,
            "text": self.text,
            "extra": self.extra,
            "status": str(self.status),
            "audience": str(self.audience),
            "ref": self.ref,
            "reply_to": None if self.reply_to is None else str(self.reply_to),
            "media": [media.to_dict() for media in self.media],
            "created_at": rfc3339(self.created_at),
            "published_at": rfc3339(self.published_at),
        }


@attrs.frozen(slots=True)
class Item(Generic[Key]):
    """One line of a page: a post that this viewer may see, with its author."""

    post: Post
    author: User[Key]

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {"post": self.post.to_dict(), "author": self.author.to_dict()}


@attrs.frozen(slots=True)
class Page(Generic[Key]):
    """A part of a feed, newest first.

    `next_cursor` leads on to older items and is None where the feed ends; `newer_cursor` reads what
    has come since. `truncated`: the bound `max_scan` was hit, the page may be short and
    `next_cursor` goes on. `degraded`: something was out of reach and the page may lack items.
    `unreadable`: posts left out because their stored form cannot be decoded.
    """

    items: tuple[Item[Key], ...]
    next_cursor: str | None
    newer_cursor: str
    truncated: bool = False
    degraded: bool = False
    unreadable: int = 0

    def __iter__(self) -> Iterator[Item[Key]]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def author_keys(self) -> list[Key]:
        """The host's keys of everyone who wrote something on this page, each once, in order."""
        return list(dict.fromkeys(item.author.key for item in self.items))

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "items": [item.to_dict() for item in self.items],
            "next_cursor": self.next_cursor,
            "newer_cursor": self.newer_cursor,
            "truncated": self.truncated,
            "degraded": self.degraded,
            "unreadable": self.unreadable,
        }


@attrs.frozen(slots=True)
class UserCounts:
    """How many follow a user, how many they follow, and their posts. Exact once the log is drained."""

    followers: int = 0
    following: int = 0
    posts: int = 0

    def to_dict(self) -> dict[str, int]:
        """JSON-safe form."""
        return attrs.asdict(self)


@attrs.frozen(slots=True, kw_only=True)
class ProfilePage(Page[Key]):
    """A part of what one author published, as this viewer may see it."""

    user: User[Key]
    counts: UserCounts

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "user": self.user.to_dict(),
            "counts": self.counts.to_dict(),
            **Page.to_dict(self),
        }


@attrs.frozen(slots=True)
class Relation:
    """What a follow, block or mute verb has come to.

    `active`: whether the relation stands now; `changed`: whether this call changed it.
    """

    active: bool
    changed: bool

    @property
    def status(self) -> str:
        """`"active"` or `"none"`."""
        return "active" if self.active else "none"

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {"status": self.status, "changed": self.changed}


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


def rfc3339(moment: datetime | None) -> str | None:
    """`2026-01-31T12:00:00.000Z`, or None for None."""
    if moment is None:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
