"""The values that cross feedkit's public face and its layers: immutable, plain, JSON-safe through `to_dict()`.

Ids are positive int64; they pass 2**53, so `to_dict()` gives them as decimal strings. Times are
aware UTC datetimes, and RFC 3339 strings in `to_dict()`.
"""

from feedkit.model.bus import BusLag, ConsumeResult
from feedkit.model.events import FRIENDS, OF_POSTS, OF_PRIVATE, Event, EventKind
from feedkit.model.explanations import Explanation, Step
from feedkit.model.kinds import Assoc, Audience, Count, MediaStatus, PostStatus, Route, UserStatus
from feedkit.model.letters import DeadLetter
from feedkit.model.pages import (
    NO_COUNTS,
    NOTHING_DONE,
    CommentItem,
    CommentPage,
    DraftPage,
    Item,
    Page,
    ProfilePage,
    Quoted,
    RequestPage,
    ThreadPage,
    UserPage,
)
from feedkit.model.people import (
    ACTIVE,
    FOLLOW,
    FRIENDSHIP,
    NONE,
    REQUESTED,
    Key,
    Relation,
    Request,
    Standing,
    Suggestion,
    User,
    UserCounts,
    UserList,
    has_lapsed,
)
from feedkit.model.posts import Comment, Counts, Entity, Media, Own, Post, Revision, rfc3339
from feedkit.model.reports import Backlog, CheckReport, DrainResult, ImportReport, ReconcileReport, WorkResult
from feedkit.model.staff import AuditEntry, AuditPage

__all__ = [
    "ACTIVE",
    "FOLLOW",
    "FRIENDS",
    "FRIENDSHIP",
    "NONE",
    "NOTHING_DONE",
    "NO_COUNTS",
    "OF_POSTS",
    "OF_PRIVATE",
    "REQUESTED",
    "Assoc",
    "Audience",
    "AuditEntry",
    "AuditPage",
    "Backlog",
    "BusLag",
    "CheckReport",
    "Comment",
    "CommentItem",
    "CommentPage",
    "ConsumeResult",
    "Count",
    "Counts",
    "DeadLetter",
    "DraftPage",
    "DrainResult",
    "Entity",
    "Event",
    "EventKind",
    "Explanation",
    "ImportReport",
    "Item",
    "Key",
    "Media",
    "MediaStatus",
    "Own",
    "Page",
    "Post",
    "PostStatus",
    "ProfilePage",
    "Quoted",
    "ReconcileReport",
    "Relation",
    "Request",
    "RequestPage",
    "Revision",
    "Route",
    "Standing",
    "Step",
    "Suggestion",
    "ThreadPage",
    "User",
    "UserCounts",
    "UserList",
    "UserPage",
    "UserStatus",
    "WorkResult",
    "has_lapsed",
    "rfc3339",
]
