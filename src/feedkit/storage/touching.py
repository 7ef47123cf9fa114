"""What each event changes among the values that are cached, and which of these an event of late has changed."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any, Protocol

from feedkit.model import FRIENDS, Event, EventKind

REMEMBERED = 50_000
"""Changed values that a process remembers at most."""
EVERYTHING = None
"""What an event changes that is about more than can be named."""
_NOT_NUMBERED = 1 << 63


class Cached(StrEnum):
    """What is cached, each under an id of its own kind."""

    POST_AT = "p"
    """A post by its position."""
    POST = "q"
    """A post by its id."""
    USER = "u"
    RELATIONS = "v"
    """What stands between a viewer and everybody else, by the viewer's id."""


CacheKey = tuple[Cached, int]


class ChangeGuard(Protocol):
    """Hears of changes before anybody can see them, so that what processes share of truth is never outdated."""

    def before_commit(self, events: Sequence[Event], *, of_host: bool) -> Sequence[Any]:
        """These events are about to be committed; `of_host`: by a host, who tells nobody. What `after_commit` needs."""

    def after_commit(self, events: Sequence[Event], put: Sequence[Any]) -> None:
        """They are committed."""


_FOLLOWS = (EventKind.FOLLOW_ADDED, EventKind.FOLLOW_CHANGED, EventKind.FOLLOW_REMOVED)


def touched_by(event: Event) -> list[CacheKey] | None:
    """The cached values that an event changes; `EVERYTHING` (None) where it is any of them."""
    match event.kind:
        case EventKind.POST_PUBLISHED | EventKind.POST_EDITED | EventKind.POST_DELETED:
            return [(Cached.POST_AT, event.position), (Cached.POST, event.object_id)]
        case EventKind.USER_CHANGED:
            return [(Cached.USER, event.object_id)]
        case EventKind.LIST_CHANGED:
            return [(Cached.RELATIONS, one) for _, one in event.about]
        case EventKind.MUTE_ADDED | EventKind.MUTE_REMOVED:
            return [(Cached.RELATIONS, event.actor_id)]
        case EventKind.BLOCK_ADDED | EventKind.BLOCK_REMOVED:
            return _relations_of_both(event)
        case kind if kind in _FOLLOWS:
            # Whom somebody is followed by is not among their relations, but their friends are.
            both = event.detail == FRIENDS
            return _relations_of_both(event) if both else [(Cached.RELATIONS, event.actor_id)]
        case EventKind.IMPORTED | EventKind.UNKNOWN:
            return EVERYTHING
        case _:
            return []


def _relations_of_both(event: Event) -> list[CacheKey]:
    return [(Cached.RELATIONS, event.actor_id), (Cached.RELATIONS, event.object_id)]


class Touches:
    """Which values the events changed that this process has applied. A log consumer of this process, the first.

    Args:
        place: gives the number of the last event that this process has applied.
        maximum: of values to remember; who was changed longest ago is forgotten first.
    """

    def __init__(self, place: Callable[[], int], maximum: int = REMEMBERED) -> None:
        self._place, self._maximum = place, maximum
        self._numbers: OrderedDict[CacheKey, int] = OrderedDict()
        self._all = 0
        self._forgotten: int | None = None
        self._lock = threading.Lock()

    def apply(self, events: Sequence[Event]) -> None:
        """Remember what they change."""
        with self._lock:
            for event in events:
                self._note(touched_by(event), event.number or _NOT_NUMBERED)
            while len(self._numbers) > self._maximum:
                _, number = self._numbers.popitem(last=False)
                self._forgotten = max(self._forgotten or 0, number)

    def clear(self) -> None:
        """Events that nobody here has seen may have changed anything."""
        with self._lock:
            self._all = self._place()
            self._numbers.clear()

    def since(self, keys: Iterable[CacheKey]) -> list[int]:
        """For each value, the number of the last event known to have changed it: what is older is outdated.

        0 where none is known of: what was changed before this process began, or long ago.
        """
        with self._lock:
            return [max(self._numbers.get(key, 0), self._all) for key in keys]

    def needed(self, keys: Iterable[CacheKey]) -> int:
        """A number such that a copy of truth with all events up to it has these values as they are now."""
        place = self._place()  # what was changed before this number was asked for is not looked up by value
        with self._lock:
            if self._forgotten is None:
                self._forgotten = place
            return max(self._all, self._forgotten, *(self._numbers.get(key, 0) for key in keys))

    def _note(self, keys: Sequence[CacheKey] | None, number: int) -> None:
        if keys is None:
            self._all = number
            return
        for key in keys:
            self._numbers[key] = number
            self._numbers.move_to_end(key)
