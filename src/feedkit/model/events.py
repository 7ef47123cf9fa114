"""Events: what the log says has happened."""

from enum import StrEnum
from typing import Any

import attrs

from feedkit.clock import from_ms
from feedkit.model.kinds import Audience, Route
from feedkit.model.posts import rfc3339


class EventKind(StrEnum):
    """What an event in the log says has happened."""

    POST_PUBLISHED = "post.published"
    POST_EDITED = "post.edited"
    POST_DELETED = "post.deleted"
    POST_SCHEDULED = "post.scheduled"
    USER_CHANGED = "user.changed"
    FOLLOW_ADDED = "follow.added"
    FOLLOW_CHANGED = "follow.changed"
    FOLLOW_REMOVED = "follow.removed"
    REQUEST_ADDED = "request.added"
    REQUEST_REMOVED = "request.removed"
    ASK_ADDED = "ask.added"
    ASK_REMOVED = "ask.removed"
    BLOCK_ADDED = "block.added"
    BLOCK_REMOVED = "block.removed"
    MUTE_ADDED = "mute.added"
    MUTE_REMOVED = "mute.removed"
    LIST_CHANGED = "list.changed"
    PINS_CHANGED = "pins.changed"
    REACTION_ADDED = "reaction.added"
    REACTION_REMOVED = "reaction.removed"
    SAVE_ADDED = "save.added"
    SAVE_REMOVED = "save.removed"
    COMMENT_ADDED = "comment.added"
    COMMENT_EDITED = "comment.edited"
    COMMENT_REMOVED = "comment.removed"
    PULL_STARTED = "pull.started"
    PULL_ENDED = "pull.ended"
    IMPORTED = "imported"
    UNKNOWN = "unknown"  # written by newer code; whoever meets it drops what it cannot update


OF_POSTS = frozenset((EventKind.POST_PUBLISHED, EventKind.POST_EDITED, EventKind.POST_DELETED))
"""Kinds whose events carry a position, a route and an audience."""


FRIENDS = "friends"
"""The detail of a follow that was or made the second of two."""


OF_PRIVATE = "private"
"""The role under which the event of a post names its author, where they are private and it names another post."""


ENDS = "ends"
"""The role under which the event of a post names its author, where the post expires."""


@attrs.frozen(slots=True)
class Event:
    """One line of the log. `number` orders it; 0 means that it is not numbered yet.

    `actor_id` did it, to `object_id`: a post, a user, a comment or a list. For a post the actor is its author,
    and `position`, `route` and `audience` are set. `about` names what else it touches, by role: for a post
    "reply", "repost" and "quote" with the post that it answers or shares, `OF_PRIVATE` and `ENDS`; for a comment
    "post" and "parent"; for a list "member". `detail` is the kind of a reaction; of an edited post the audience of
    before; of a follow `FRIENDS` where it began or ended a friendship.
    """

    kind: EventKind
    actor_id: int
    object_id: int
    at_ms: int
    position: int = 0
    route: Route = Route.PUSH
    audience: Audience = Audience.PUBLIC
    number: int = 0
    detail: str = ""
    about: tuple[tuple[str, int], ...] = ()

    @property
    def roles(self) -> frozenset[str]:
        """Those that `about` names."""
        return frozenset(role for role, _ in self.about)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "number": self.number,
            "kind": self.kind.value,
            "actor_id": str(self.actor_id),
            "object_id": str(self.object_id),
            "at": rfc3339(from_ms(self.at_ms)),
            "position": str(self.position),
            "route": self.route.value,
            "audience": self.audience.value,
            "detail": self.detail,
            "about": [[role, str(other)] for role, other in self.about],
        }
