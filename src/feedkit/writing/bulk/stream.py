"""The host's follows as they come: checked for their order, and cut where one follower ends and the next begins."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import attrs

from feedkit.errors import FeedkitError, InvalidArgument, LimitExceeded
from feedkit.writing.bulk.people import Stored

_ORDER = (
    "pass pairs in ascending order of follower: numbers by value, UUIDs by their bytes, strings by their UTF-8 bytes "
    '(ORDER BY follower, for strings in PostgreSQL ORDER BY follower COLLATE "C")'
)


@attrs.frozen(slots=True)
class Stretch:
    """Everything that the host has of the followers above `after` up to `up_to`; at the end of all, None."""

    after: Stored
    up_to: Stored | None
    pairs: list[tuple[Stored, Stored]]


def stretches(
    pairs: Iterable[Any],
    stored: Callable[[Any, str], Stored],
    *,
    after: Stored,
    size: int,
    most: int,
) -> Iterator[Stretch]:
    """Stretches of at least `size` pairs, from the first follower above `after` on.

    Raises:
        InvalidArgument: followers do not ascend, or a pair is none.
        LimitExceeded: somebody follows more than `most` others.
    """
    held: list[tuple[Stored, Stored]] = []
    start, current, began = after, None, 0
    for number, pair in enumerate(pairs):
        follower, followee = _checked(number, pair, stored)
        if follower != current:
            if current is not None and not _ascends(current, follower):
                message = f"pairs[{number}]: this follower comes after a greater one; {_ORDER}"
                raise InvalidArgument(message, argument=f"pairs[{number}]")
            if len(held) >= size and current is not None:
                yield Stretch(start, current, held)
                held, start = [], current
            current, began = follower, len(held)
        if not _ascends(after, follower):
            continue  # settled before, by the run that this one goes on from
        held.append((follower, followee))
        if len(held) - began > most:
            raise LimitExceeded(
                f"pairs[{number}]: this follower follows more than {most} others; leave some out, or raise the "
                "setting following_max",
                argument=f"pairs[{number}]",
                limit=most,
            )
    yield Stretch(start, None, held)


def _checked(number: int, pair: Any, stored: Callable[[Any, str], Stored]) -> tuple[Stored, Stored]:
    try:
        follower, followee = pair
    except (TypeError, ValueError) as error:
        message = f"pairs[{number}] must be (follower, followee), got {type(pair).__name__}"
        raise InvalidArgument(message, argument=f"pairs[{number}]") from error
    try:
        return stored(follower, "follower"), stored(followee, "followee")
    except FeedkitError as error:
        error.message = f"pairs[{number}]: {error.message}"
        error.args = (error.message,)
        raise


def _ascends(one: Stored, other: Stored) -> bool:
    return one < other  # type: ignore[operator]  # a feed has keys of one kind
