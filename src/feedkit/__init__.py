"""feedkit: a social feed engine to import: durable posts, a social graph, fan-out and home feeds.

import feedkit

with feedkit.connect("sqlite:///social.db") as feed:
    feed.follow("bob", "ada")
    feed.publish("ada", text="Hello, world")
    for item in feed.home("bob"):
        print(item.author.key, item.post.text)
"""

from importlib.metadata import version

from feedkit import errors
from feedkit.calibration import calibrate
from feedkit.clock import Clock, ManualClock, SystemClock
from feedkit.engine import Feed, connect
from feedkit.errors import (
    Closed,
    ConfigurationError,
    Conflict,
    FeedkitError,
    Forbidden,
    InvalidArgument,
    InvalidCursor,
    KeyTypeMismatch,
    LimitExceeded,
    NodesExhausted,
    NotFound,
    OutOfReach,
    SchemaMissing,
    Unavailable,
)
from feedkit.fanout.policy import CostBased, FanoutPolicy, Hybrid, PullAll, PushAll
from feedkit.model import (
    Audience,
    AuditEntry,
    AuditPage,
    BusLag,
    CheckReport,
    Comment,
    CommentItem,
    CommentPage,
    ConsumeResult,
    Counts,
    DeadLetter,
    DraftPage,
    DrainResult,
    Event,
    EventKind,
    Explanation,
    ImportReport,
    Item,
    Media,
    MediaStatus,
    Own,
    Page,
    Post,
    PostStatus,
    ProfilePage,
    ReconcileReport,
    Relation,
    Request,
    RequestPage,
    Revision,
    Standing,
    Suggestion,
    ThreadPage,
    User,
    UserCounts,
    UserList,
    UserPage,
)
from feedkit.settings import Settings

__version__ = version("feedkit")

__all__ = [
    "Audience",
    "AuditEntry",
    "AuditPage",
    "BusLag",
    "CheckReport",
    "Clock",
    "Closed",
    "Comment",
    "CommentItem",
    "CommentPage",
    "ConfigurationError",
    "Conflict",
    "ConsumeResult",
    "CostBased",
    "Counts",
    "DeadLetter",
    "DraftPage",
    "DrainResult",
    "Event",
    "EventKind",
    "Explanation",
    "FanoutPolicy",
    "Feed",
    "FeedkitError",
    "Forbidden",
    "Hybrid",
    "ImportReport",
    "InvalidArgument",
    "InvalidCursor",
    "Item",
    "KeyTypeMismatch",
    "LimitExceeded",
    "ManualClock",
    "Media",
    "MediaStatus",
    "NodesExhausted",
    "NotFound",
    "OutOfReach",
    "Own",
    "Page",
    "Post",
    "PostStatus",
    "ProfilePage",
    "PullAll",
    "PushAll",
    "ReconcileReport",
    "Relation",
    "Request",
    "RequestPage",
    "Revision",
    "SchemaMissing",
    "Settings",
    "Standing",
    "Suggestion",
    "SystemClock",
    "ThreadPage",
    "Unavailable",
    "User",
    "UserCounts",
    "UserList",
    "UserPage",
    "__version__",
    "calibrate",
    "connect",
    "errors",
]
