"""When a post is to be seen, and until when."""

from typing import Any

import attrs

from feedkit.errors import InvalidArgument, LimitExceeded
from feedkit.model import PostStatus
from feedkit.settings import Settings
from feedkit.writing.checks import checked_duration, checked_moment


@attrs.frozen(slots=True, kw_only=True)
class Timing:
    """At once, at a moment (`at_ms`), or when staff release it (`hold`); for ever, for a while, or up to a moment.

    All in (Unix) milliseconds. What is relative stays so until it is written: the same call, tried again, is
    the same content.
    """

    at_ms: int | None = None
    hold: bool = False
    lifetime_ms: int | None = None
    expires_ms: int | None = None

    def fields(self, now_ms: int, settings: Settings) -> dict[str, Any]:
        """The fields of a post that say so, as of now.

        Raises:
            InvalidArgument: `at` is over, or the post would be gone before it could be seen.
            LimitExceeded: `at` or the end is too far off.
        """
        start_ms = now_ms if self.at_ms is None else self._start(now_ms, settings)
        end_ms = self.expires_ms if self.lifetime_ms is None else start_ms + self.lifetime_ms
        if end_ms is not None:
            check_end(start_ms, end_ms, settings)
        status = PostStatus.PUBLISHED
        if self.hold or self.at_ms is not None:
            status = PostStatus.PENDING_REVIEW if self.hold else PostStatus.DRAFT
        published_ms = start_ms if status is PostStatus.PUBLISHED else None
        return {
            "status": status,
            "published_ms": published_ms,
            "scheduled_ms": self.at_ms,
            "expires_ms": end_ms,
        }

    def _start(self, now_ms: int, settings: Settings) -> int:
        assert self.at_ms is not None  # noqa: S101 - for the type checker
        if self.at_ms <= now_ms:
            raise InvalidArgument("at must lie ahead; leave it out to publish now", argument="at")
        if self.at_ms > now_ms + settings.schedule_max_s * 1000:
            raise LimitExceeded(
                f"at must lie at most {settings.schedule_max_s} seconds ahead; the bound is the setting schedule_max_s",
                argument="at",
                limit=settings.schedule_max_s,
            )
        return self.at_ms


AT_ONCE = Timing()


def timing(
    settings: Settings, *, at: object = None, hold: object = False, expires_in: object, expires_at: object
) -> Timing:
    """The timing of these arguments of `publish`. Raises InvalidArgument or LimitExceeded."""
    if hold is not True and hold is not False:
        raise InvalidArgument("hold must be True or False", argument="hold")
    if at is not None and hold:
        message = "at cannot be given together with hold: a held post is published when staff release it"
        raise InvalidArgument(message, argument="at")
    if expires_in is not None and expires_at is not None:
        raise InvalidArgument(
            "expires_at cannot be given together with expires_in; pass one", argument="expires_at"
        )
    longest, setting = settings.lifetime_max_s, "lifetime_max_s"
    return Timing(
        at_ms=None if at is None else checked_moment("at", at),
        hold=hold,
        lifetime_ms=None
        if expires_in is None
        else checked_duration("expires_in", expires_in, longest, setting),
        expires_ms=None if expires_at is None else checked_moment("expires_at", expires_at),
    )


def check_end(start_ms: int, end_ms: int, settings: Settings) -> None:
    """Refuse an end that is not after the start, or too long after it."""
    if end_ms <= start_ms:
        raise InvalidArgument(
            "expires_at must lie after the moment when the post is published", argument="expires_at"
        )
    if end_ms > start_ms + settings.lifetime_max_s * 1000:
        raise LimitExceeded(
            f"expires_at must lie at most {settings.lifetime_max_s} seconds after the post is published; the bound "
            "is the setting lifetime_max_s",
            argument="expires_at",
            limit=settings.lifetime_max_s,
        )
