"""Posts, what belongs to them, and comments: content as it stands in truth."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from feedkit.clock import from_ms
from feedkit.model.kinds import Audience, MediaStatus, PostStatus


@attrs.frozen(slots=True)
class Media:
    """A picture, film or sound that belongs to a post. The bytes stay with the host.

    `width` and `height` are in pixels; `alt_text` tells those who cannot see it what it shows.
    """

    url: str
    media_type: str | None = None
    width: int | None = None
    height: int | None = None
    alt_text: str | None = None
    content_hash: str | None = None
    size_bytes: int | None = None
    status: MediaStatus = MediaStatus.READY

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "url": self.url,
            "media_type": self.media_type,
            "width": self.width,
            "height": self.height,
            "alt_text": self.alt_text,
            "content_hash": self.content_hash,
            "size_bytes": self.size_bytes,
            "status": str(self.status),
        }


@attrs.frozen(slots=True)
class Entity:
    """A tag or a mention in a text: the characters from `start` up to `end`.

    `kind` is "tag" or "mention"; `value` the tag in its canonical form or the handle as it was written;
    `user_id` whom a mention names, None where nobody is known by that handle.
    """

    kind: str
    start: int
    end: int
    value: str
    user_id: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        user_id = None if self.user_id is None else str(self.user_id)
        return {**attrs.asdict(self, recurse=False), "user_id": user_id}


@attrs.frozen(slots=True)
class Post:
    """A post as it stands in truth. Fields in `_ms` are Unix milliseconds; hosts use the datetimes beside them.

    `position` orders it in every timeline, 0 as long as it was never published; `ref` is the host's own unique
    name for it. `extra_json` is what the host put beside the text, as JSON; `fallback` is what a client shows
    that does not know this `kind` or `schema_version`. `list_id` is set where the audience is a list. `guarded` is for
    whoever has just changed it, see `Relation`.
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
    edited_ms: int | None = None
    expires_ms: int | None = None
    scheduled_ms: int | None = None
    revision: int = 0
    list_id: int | None = None
    repost_of: int | None = None
    quote_of: int | None = None
    fallback: str | None = None
    entities: tuple[Entity, ...] = ()
    guarded: bool = attrs.field(default=True, eq=False, repr=False)

    @property
    def created_at(self) -> datetime:
        """When it was written."""
        return from_ms(self.created_ms)

    @property
    def published_at(self) -> datetime | None:
        """When others could first see it."""
        return _moment(self.published_ms)

    @property
    def deleted_at(self) -> datetime | None:
        """When its author deleted it."""
        return _moment(self.deleted_ms)

    def has_ended(self, now_ms: int) -> bool:
        """Whether it has expired: from then on nobody sees it."""
        return self.expires_ms is not None and self.expires_ms <= now_ms

    @property
    def expires_at(self) -> datetime | None:
        """From when on nobody sees it."""
        return _moment(self.expires_ms)

    @property
    def edited_at(self) -> datetime | None:
        """When it was last edited."""
        return _moment(self.edited_ms)

    @property
    def scheduled_at(self) -> datetime | None:
        """When a draft is to be published."""
        return _moment(self.scheduled_ms)

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
            "reply_to": _id(self.reply_to),
            "repost_of": _id(self.repost_of),
            "quote_of": _id(self.quote_of),
            "fallback": self.fallback,
            "entities": [entity.to_dict() for entity in self.entities],
            "media": [media.to_dict() for media in self.media],
            "created_at": rfc3339(self.created_at),
            "published_at": rfc3339(self.published_at),
            "edited_at": rfc3339(_moment(self.edited_ms)),
            "expires_at": rfc3339(_moment(self.expires_ms)),
            "scheduled_at": rfc3339(_moment(self.scheduled_ms)),
            "revision": self.revision,
        }


@attrs.frozen(slots=True)
class Revision:
    """What a post said before an edit. `number` counts from 0, the first text."""

    number: int
    text: str
    media: tuple[Media, ...]
    extra_json: str
    until_ms: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "number": self.number,
            "text": self.text,
            "media": [media.to_dict() for media in self.media],
            "extra": json.loads(self.extra_json),
            "until": rfc3339(from_ms(self.until_ms)),
        }


@attrs.frozen(slots=True)
class Comment:
    """A comment on one post. `path` holds the ids from the first comment of its branch down to itself."""

    id: int
    post_id: int
    author_id: int
    created_ms: int
    text: str
    parent_id: int | None = None
    path: tuple[int, ...] = ()
    edited_ms: int | None = None
    deleted_ms: int | None = None

    @property
    def created_at(self) -> datetime:
        """When it was written."""
        return from_ms(self.created_ms)

    @property
    def edited_at(self) -> datetime | None:
        """When its text was changed last."""
        return None if self.edited_ms is None else from_ms(self.edited_ms)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "id": str(self.id),
            "post_id": str(self.post_id),
            "author_id": str(self.author_id),
            "parent_id": None if self.parent_id is None else str(self.parent_id),
            "depth": len(self.path),
            "text": self.text,
            "deleted": self.deleted_ms is not None,
            "created_at": rfc3339(self.created_at),
            "edited_at": rfc3339(self.edited_at),
        }


@attrs.frozen(slots=True)
class Counts:
    """How often a post or comment was reacted to, commented on, replied to, reposted and quoted.

    `reactions` is the sum over all kinds, `reacted` tells it by kind. Exact once the log is drained.
    """

    reactions: int = 0
    comments: int = 0
    replies: int = 0
    reposts: int = 0
    quotes: int = 0
    reacted: Mapping[str, int] = {}

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "reactions": self.reactions,
            "comments": self.comments,
            "replies": self.replies,
            "reposts": self.reposts,
            "quotes": self.quotes,
            "reacted": dict(self.reacted),
        }


@attrs.frozen(slots=True)
class Own:
    """What the viewer did to a post or comment: the kinds of their reactions, and whether they saved it."""

    reacted: tuple[str, ...] = ()
    saved: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {"reacted": list(self.reacted), "saved": self.saved}


def _id(number: int | None) -> str | None:
    return None if number is None else str(number)


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)


def rfc3339(moment: datetime | None) -> str | None:
    """`2026-01-31T12:00:00.000Z`, or None for None."""
    if moment is None:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
