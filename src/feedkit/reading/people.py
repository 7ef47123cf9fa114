"""Lists of people, as a viewer may see them: followers, followees, friends, members, requests."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic

import attrs

from feedkit.clock import Clock
from feedkit.cursor import Cursor, CursorCodec
from feedkit.errors import InvalidCursor
from feedkit.ids import MAX_ID
from feedkit.idset import idset
from feedkit.model import (
    FOLLOW,
    FRIENDSHIP,
    Assoc,
    Key,
    Request,
    RequestPage,
    Standing,
    User,
    UserList,
    UserPage,
    has_lapsed,
)
from feedkit.reading.feeds import AppliedLog
from feedkit.settings import Settings
from feedkit.storage.base import NO_REPOSTS, Truth
from feedkit.storage.readthrough import ReadThrough
from feedkit.visibility import Relations, Tie, met, shows_ties

Spot = tuple[int, int, int]
"""Where somebody stands in a list: (time in Unix milliseconds, user id, which of several lists that are merged)."""
Window = Callable[[Spot, int], Sequence[Spot]]
"""The newest spots below one, newest first, so many of them or all that there are."""

_TOP: Spot = (MAX_ID, MAX_ID, 0)
_MODE = "people"
_REQUESTS = (Assoc.REQUESTED_BY, Assoc.ASKED_BY)
_ASKED_FOR = (FOLLOW, FRIENDSHIP)


@attrs.frozen(slots=True)
class Asked:
    """Which page a viewer asks for: `name` tells one list of people from every other."""

    name: str
    viewer_id: int
    viewer_tag: int
    cursor: object
    limit: int


class People(Generic[Key]):
    """Reads pages of people, and how they stand to a viewer.

    Pages are newest first. A cursor holds the spot of the last one, so nobody is skipped or repeated, however
    many come or go meanwhile.
    """

    def __init__(
        self,
        truth: Truth,
        readthrough: ReadThrough[Key],
        cursors: CursorCodec,
        log: AppliedLog,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._truth, self._readthrough, self._cursors, self._log = truth, readthrough, cursors, log
        self._clock, self._max_scan = clock, settings.max_scan

    def related(self, asked: Asked, kind: Assoc, user_id: int) -> UserPage[Key]:
        """Whom a user has this association to; nobody where the viewer may not see that."""
        at, relations = self._begin(asked)
        window = self._newest(user_id, kind) if self._shows_ties(user_id, relations) else _nobody
        return UserPage(*self._page(asked, at, window, relations, _user))

    def mutuals(self, asked: Asked, user_id: int) -> UserPage[Key]:
        """The user's followers whom the viewer follows."""
        at, relations = self._begin(asked)
        window: Window = _nobody
        if self._shows_ties(user_id, relations):
            window = self._newest(user_id, Assoc.FOLLOWED_BY, among=relations.those(Tie.FOLLOWS))
        return UserPage(*self._page(asked, at, window, relations, _user))

    def members(self, asked: Asked, list_id: int) -> UserPage[Key]:
        """Who is on a list of the viewer's own. Raises NotFound where they have no such list."""
        self._truth.read(lambda tx: self._truth.lists.get(tx, asked.viewer_id, list_id))
        at, relations = self._begin(asked)
        return UserPage(*self._page(asked, at, self._newest(list_id, Assoc.LISTS), relations, _user))

    def requests(self, asked: Asked) -> RequestPage[Key]:
        """Who waits for the viewer's answer."""
        at, relations = self._begin(asked)
        window = partial(self._waiting, asked.viewer_id)
        return RequestPage(*self._page(asked, at, window, relations, _request))

    def lists(self, owner_id: int) -> list[UserList]:
        """All lists of the viewer's own, by name."""
        return self._truth.read(lambda tx: self._truth.lists.of(tx, owner_id))

    def standings(self, viewer_id: int, user_ids: Sequence[int]) -> dict[int, Standing]:
        """How the viewer stands to each of these."""
        others = idset(user_ids)
        held = self._truth.read(lambda tx: self._truth.graph.between_many(tx, viewer_id, others))
        now_ms = self._clock.now_ms()
        return {user_id: _standing(ties, now_ms) for user_id, ties in held.items()}

    def _begin(self, asked: Asked) -> tuple[Spot, Relations]:
        at = _TOP
        if asked.cursor is not None:
            cursor = self._cursors.decode(asked.cursor, viewer=asked.viewer_tag, feed=asked.name)
            if cursor.mode != _MODE:
                raise InvalidCursor
            at = (cursor.before, cursor.until, cursor.since)
        self._log.catch_up()
        return at, self._readthrough.viewer(asked.viewer_id).relations

    def _shows_ties(self, user_id: int, relations: Relations) -> bool:
        user = self._readthrough.users((user_id,)).get(user_id)
        return shows_ties(user, relations, self._clock.now_ms())

    def _newest(self, id1: int, kind: Assoc, among: Any = None) -> Window:
        def window(below: Spot, size: int) -> list[Spot]:
            places = self._truth.read(
                lambda tx: self._truth.graph.newest(tx, id1, kind, below[:2], size, among)
            )
            return [(time, user_id, 0) for time, user_id in places]

        return window

    def _waiting(self, owner_id: int, below: Spot, size: int) -> list[Spot]:
        """Requests of both kinds; one person may have made both in the same millisecond."""
        time, user_id, _ = below
        before = (time, min(user_id + 1, MAX_ID))
        graph = self._truth.graph
        found = self._truth.read(
            lambda tx: [graph.newest(tx, owner_id, kind, before, size + 1) for kind in _REQUESTS]
        )
        merged = [(*place, which) for which, places in enumerate(found) for place in places]
        return sorted((spot for spot in merged if spot < below), reverse=True)[:size]

    def _page(
        self,
        asked: Asked,
        at: Spot,
        window: Window,
        relations: Relations,
        show: Callable[[User[Key], Spot], Any],
    ) -> tuple[tuple[Any, ...], str | None, bool]:
        """The items, the cursor of the next page, and whether the bound was hit."""
        items: list[Any] = []
        scanned, size = 0, 0
        spots: Sequence[Spot] = ()
        while len(spots) == size:  # until a window is not full: there the list ends
            if scanned >= self._max_scan:
                return tuple(items), self._cursor(asked, at), len(items) < asked.limit
            size = min(asked.limit + 1, self._max_scan - scanned)
            spots = window(at, size)
            scanned += len(spots)
            for spot, user in zip(spots, self._met(spots, relations), strict=True):
                if len(items) == asked.limit:
                    return tuple(items), self._cursor(asked, at), False
                at = spot
                if user is not None:
                    items.append(show(user, spot))
        return tuple(items), None, False

    def _met(self, spots: Sequence[Spot], relations: Relations) -> list[User[Key] | None]:
        """For each spot the user, None for whom the viewer does not meet."""
        found = self._readthrough.users([user_id for _, user_id, _ in spots])
        users = [found.get(user_id) for _, user_id, _ in spots]
        shown = met(users, relations, self._clock.now_ms())
        return [user if meets else None for user, meets in zip(users, shown, strict=True)]

    def _cursor(self, asked: Asked, at: Spot) -> str:
        return self._cursors.encode(Cursor(_MODE, *at), viewer=asked.viewer_tag, feed=asked.name)


def _nobody(below: Spot, size: int) -> list[Spot]:  # noqa: ARG001 - a window like any other
    return []


def _user(user: User[Key], spot: Spot) -> User[Key]:  # noqa: ARG001 - shown as they are, wherever they stand
    return user


def _request(user: User[Key], spot: Spot) -> Request[Key]:
    time, _, which = spot
    return Request(user, _ASKED_FOR[which], time)


def _standing(ties: dict[Assoc, int], now_ms: int) -> Standing:
    until_ms = ties.get(Assoc.MUTES)
    muted = until_ms is not None and not has_lapsed(until_ms, now_ms)
    following = Assoc.FOLLOWS in ties
    return Standing(
        following=following,
        followed_by=Assoc.FOLLOWED_BY in ties,
        requested=Assoc.REQUESTS in ties,
        requested_by=Assoc.REQUESTED_BY in ties,
        asked=Assoc.ASKS in ties,
        asked_by=Assoc.ASKED_BY in ties,
        friends=Assoc.FRIENDS in ties,
        blocked=Assoc.BLOCKS in ties,
        muted=muted,
        muted_until_ms=until_ms or None if muted else None,
        reposts=following and not ties[Assoc.FOLLOWS] & NO_REPOSTS,
    )
