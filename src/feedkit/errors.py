"""What feedkit raises: one base, and a leaf for each thing a caller can do about it.

A web layer needs no table of its own: every error knows its `code` (stable, for programs), its
`http_status`, its `http_headers` and its `to_dict()` body. Messages are for people; they name the
argument, the bound and the way out, and never repeat a whole value that came from outside.
`shown` is how they show one. Errors pickle and copy with all their attributes, so that they cross
process pools.
"""

from __future__ import annotations

import math
import reprlib
from typing import ClassVar


def shown(value: object) -> str:
    """A value from outside as a message may show it: its repr, cut short, which never fails."""
    try:
        return reprlib.repr(value)
    except ValueError:  # Python writes out no int of more than 4300 digits
        return f"a very large {type(value).__name__}"


class FeedkitError(Exception):
    """Anything feedkit refuses or cannot do; catch this to catch them all."""

    code: ClassVar[str] = "feedkit_error"
    http_status: ClassVar[int] = 500
    default_message: ClassVar[str] = "feedkit could not do this"

    message: str
    argument: str | None
    retry_after_s: float | None

    def __init__(
        self, message: str | None = None, *, argument: str | None = None, retry_after_s: float | None = None
    ) -> None:
        self.message = self.default_message if message is None else message
        self.argument = argument
        self.retry_after_s = retry_after_s
        super().__init__(self.message)

    @property
    def http_headers(self) -> dict[str, str]:
        """Headers for the response: `Retry-After` in whole seconds, rounded up, when a wait is known."""
        if self.retry_after_s is None:
            return {}
        return {"Retry-After": str(max(0, math.ceil(self.retry_after_s)))}

    def to_dict(self) -> dict[str, dict[str, str | float]]:
        """The JSON body of the response; `argument` and `retry_after_s` (seconds) only when known."""
        body: dict[str, str | float] = {"code": self.code, "message": self.message}
        if self.argument is not None:
            body["argument"] = self.argument
        if self.retry_after_s is not None:
            body["retry_after_s"] = self.retry_after_s
        return {"error": body}


class InvalidArgument(FeedkitError):
    """An argument has the wrong type, shape or range."""

    code = "invalid_argument"
    http_status = 400
    default_message = "an argument is invalid"


class InvalidCursor(InvalidArgument):
    """A page cursor was changed, is outdated, or was given to another viewer or for another feed."""

    code = "invalid_cursor"
    default_message = (
        "cursor is not valid here: it was changed, is outdated, or belongs to another viewer or feed; "
        "leave cursor out to start from the first page"
    )

    def __init__(
        self,
        message: str | None = None,
        *,
        argument: str | None = "cursor",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, argument=argument, retry_after_s=retry_after_s)


class LimitExceeded(InvalidArgument):
    """An argument is longer, larger or more numerous than a setting allows."""

    code = "limit_exceeded"
    default_message = "an argument exceeds its limit"

    limit: int | None
    actual: int | None

    def __init__(
        self,
        message: str | None = None,
        *,
        argument: str | None = None,
        limit: int | None = None,
        actual: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, argument=argument, retry_after_s=retry_after_s)
        self.limit = limit
        self.actual = actual


class KeyTypeMismatch(InvalidArgument):
    """A user key is of another type than this feed was migrated for."""

    code = "key_type_mismatch"
    default_message = "a user key has another type than this feed was migrated for"


class NotFound(FeedkitError):
    """What was asked for does not exist, or this viewer may not know that it does."""

    code = "not_found"
    http_status = 404
    default_message = "not found"


class Forbidden(FeedkitError):
    """The actor may not do this."""

    code = "forbidden"
    http_status = 403
    default_message = "the actor may not do this"


class Conflict(FeedkitError):
    """The request contradicts what is already stored, such as a `ref` that is taken."""

    code = "conflict"
    http_status = 409
    default_message = "this contradicts what is already stored"


class SchemaMissing(FeedkitError):
    """The database does not hold feedkit's tables, or holds those of another version."""

    code = "schema_missing"
    http_status = 503
    default_message = "feedkit's tables are missing or outdated; run `feedkit migrate` or call feed.migrate()"


class NodesExhausted(FeedkitError):
    """Every node id is leased, so that no new ids can be minted until a lease ends."""

    code = "nodes_exhausted"
    http_status = 503
    default_message = (
        "all 1023 node ids are leased; close feeds that are no longer used, or lower the setting lease_ms "
        "so that the leases of ended processes lapse sooner"
    )


class Unavailable(FeedkitError):
    """The database could not be reached or stayed busy; the same call may succeed later."""

    code = "unavailable"
    http_status = 503
    default_message = "the database could not be reached or stayed busy; try again"


class OutOfReach(Unavailable):
    """Redis could not be reached, is full, or not ready. Pages do without it; a check or an explanation does not."""

    code = "out_of_reach"
    default_message = "Redis could not be reached; try again"


class Closed(FeedkitError):
    """The feed was closed and takes no more calls."""

    code = "closed"
    default_message = "this feed was closed; call feedkit.connect() for a new one"


class ConfigurationError(FeedkitError):
    """The feed is wired in a way that cannot work."""

    code = "configuration_error"
    default_message = "feedkit is not configured in a way that can work"
