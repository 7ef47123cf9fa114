"""The words of the domain: every enumeration whose members are stored or named by hosts."""

from enum import StrEnum


class Audience(StrEnum):
    """Who may see a post, apart from blocks. `visibility` holds the table of who sees what where."""

    PUBLIC = "public"
    UNLISTED = "unlisted"
    FOLLOWERS = "followers"
    FRIENDS = "friends"
    LIST = "list"
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


class MediaStatus(StrEnum):
    """How far the host is with the bytes of a picture, film or sound."""

    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


class Assoc(StrEnum):
    """Kinds of association from one id to another, each beside its inverse.

    Between users, but for `LISTS` (a list to its members), `PINS` and `SAVES` (a user to posts). Friends
    follow each other, so `FRIENDS` stands exactly where both follows do.
    """

    FOLLOWS = "follows"
    FOLLOWED_BY = "followed_by"
    REQUESTS = "requests"
    REQUESTED_BY = "requested_by"
    ASKS = "asks"
    ASKED_BY = "asked_by"
    FRIENDS = "friends"
    BLOCKS = "blocks"
    BLOCKED_BY = "blocked_by"
    MUTES = "mutes"
    MUTED_BY = "muted_by"
    LISTS = "lists"
    LISTED_IN = "listed_in"
    PINS = "pins"
    PINNED_BY = "pinned_by"
    SAVES = "saves"
    SAVED_BY = "saved_by"

    @property
    def inverse(self) -> "Assoc":
        """The kind of the row that is written in the other direction."""
        return _INVERSE[self]


_PAIRS = (
    (Assoc.FOLLOWS, Assoc.FOLLOWED_BY),
    (Assoc.REQUESTS, Assoc.REQUESTED_BY),
    (Assoc.ASKS, Assoc.ASKED_BY),
    (Assoc.FRIENDS, Assoc.FRIENDS),
    (Assoc.BLOCKS, Assoc.BLOCKED_BY),
    (Assoc.MUTES, Assoc.MUTED_BY),
    (Assoc.LISTS, Assoc.LISTED_IN),
    (Assoc.PINS, Assoc.PINNED_BY),
    (Assoc.SAVES, Assoc.SAVED_BY),
)
_INVERSE = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}


class Count(StrEnum):
    """Kinds of counters that truth keeps per user, post or comment. Each kind of reaction has one of its own."""

    FOLLOWERS = "followers"
    FOLLOWING = "following"
    FRIENDS = "friends"
    POSTS = "posts"
    REACTIONS = "reactions"
    COMMENTS = "comments"
    REPLIES = "replies"
    REPOSTS = "reposts"
    QUOTES = "quotes"


class Route(StrEnum):
    """How a post reaches its readers: delivered when posted, or merged in when read."""

    PUSH = "push"
    PULL = "pull"
