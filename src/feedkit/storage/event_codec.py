"""Events as bytes: whole, as a bus and dead letters keep them, or in part, as the log does beside its columns.

Code reads what newer code wrote: an event that this one cannot read is UNKNOWN, and whoever meets it starts afresh.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from feedkit.codec import MISS, decode, encode
from feedkit.model import OF_POSTS, Audience, Event, EventKind, Route

_WHOLE, _DETAILS, _OLD_DETAILS = 1, 2, 1  # schemas; the old details are route and audience alone
_KINDS = {kind.value: kind for kind in EventKind}  # a dict is quicker than the Enum's own look-up
_ROUTES = {route.value: route for route in Route}
_AUDIENCES = {audience.value: audience for audience in Audience}
_UNREADABLE = (KeyError, OverflowError, TypeError, ValueError)

About = tuple[tuple[str, int], ...]
Details = tuple[Route, Audience, str, About]


def pack(event: Event) -> bytes:
    """A whole event."""
    of_post = (event.position, event.route.value, event.audience.value)
    what = (event.kind.value, event.actor_id, event.object_id, event.at_ms, *of_post)
    return encode(_WHOLE, (*what, event.number, event.detail, event.about))


def unpack(data: bytes, number: int) -> Event:
    """An event as `pack` kept it; of that number in the log, where it cannot be read."""
    value: Any = decode(_WHOLE, data)
    try:
        kind, actor_id, object_id, at_ms, position, route, audience, own_number, detail, about = value
        return Event(
            _KINDS[kind],
            actor_id,
            object_id,
            at_ms,
            position,
            _ROUTES[route],
            _AUDIENCES[audience],
            own_number,
            detail,
            _about(about),
        )
    except _UNREADABLE:
        return Event(EventKind.UNKNOWN, 0, 0, 0, number=number)


def pack_details(event: Event) -> bytes | None:
    """What the log has no columns for; None where that says nothing."""
    if event.kind not in OF_POSTS and not event.detail and not event.about:
        return None
    return _pack_details(event.route, event.audience, event.detail, event.about)


def from_row(row: Sequence[Any]) -> Event:
    """An event of the log: its number, kind, actor, object, moment and position, and what `pack_details` kept."""
    number, kind, actor_id, object_id, at_ms, position, details = row
    try:
        route, audience, detail, about = _NO_DETAILS if details is None else _unpack_details(bytes(details))
        return Event(
            _KINDS[kind],
            actor_id,
            object_id,
            at_ms,
            position,
            route,
            audience,
            number or 0,
            detail,
            about,
        )
    except _UNREADABLE:
        return Event(EventKind.UNKNOWN, actor_id, object_id, at_ms, number=number or 0)


_NO_DETAILS: Details = (Route.PUSH, Audience.PUBLIC, "", ())


@lru_cache(maxsize=64)
def _pack_details(route: Route, audience: Audience, detail: str, about: About) -> bytes:
    return encode(_DETAILS, [route.value, audience.value, detail, about])


@lru_cache(maxsize=64)
def _unpack_details(data: bytes) -> Details:
    value: Any = decode(_DETAILS, data)
    if value is MISS:
        old = decode(_OLD_DETAILS, data)
        value = [*old, "", []] if isinstance(old, list) else old
    route, audience, detail, about = value
    return _ROUTES[route], _AUDIENCES[audience], str(detail), _about(about)


def _about(others: Sequence[Sequence[Any]]) -> About:
    return tuple([(str(role), int(other)) for role, other in others])
