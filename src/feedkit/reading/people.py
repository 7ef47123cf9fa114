"""Lists of people, as a viewer may see them: followers, followees, friends, members, requests."""

from collections.abc import Sequence
from functools import partial
from typing import Generic, TypeVar

import attrs

from feedkit.clock import Clock
from feedkit.cursor import CursorCodec
from feedkit.ids import MAX_ID
from feedkit.idset import Ids, idset
from feedkit.log.applied import AppliedLog
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
from feedkit.reading.walks import WHOLE, Fetch, MarkCursors, Show, walk
from feedkit.relations import Relations, Tie
from feedkit.settings import Settings
from feedkit.storage.base import Truth
from feedkit.storage.engaging import Mark
from feedkit.storage.readthrough import ReadThrough
from feedkit.storage.relating import NO_REPOSTS
from feedkit.visibility import people_visible, shows_ties

E = TypeVar("E")
T = TypeVar("T")
_MODE = "people"
_REQUESTS = (Assoc.REQUESTED_BY, Assoc.ASKED_BY)
_ASKED_FOR = (FOLLOW, FRIENDSHIP)
_Waiting = tuple[int, int, int]
"""Who asks, for which of these, since when (Unix milliseconds)."""


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

    Pages are newest first. A cursor holds the place of the last one, so nobody is skipped or repeated, however
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
        start, relations = self._begin(asked)
        fetch = self._newest(user_id, kind) if self._shows_ties(user_id, relations) else _nobody
        return UserPage(*self._page(asked, start, fetch, partial(self._met, relations)))

    def mutuals(self, asked: Asked, user_id: int) -> UserPage[Key]:
        """The user's followers whom the viewer follows."""
        start, relations = self._begin(asked)
        fetch: Fetch[int] = _nobody
        if self._shows_ties(user_id, relations):
            fetch = self._newest(user_id, Assoc.FOLLOWED_BY, among=relations.those(Tie.FOLLOWS))
        return UserPage(*self._page(asked, start, fetch, partial(self._met, relations)))

    def members(self, asked: Asked, list_id: int) -> UserPage[Key]:
        """Who is on a list of the viewer's own. Raises NotFound where they have no such list."""
        self._truth.read(lambda tx: self._truth.lists.get(tx, asked.viewer_id, list_id))
        start, relations = self._begin(asked)
        fetch = self._newest(list_id, Assoc.LISTS)
        return UserPage(*self._page(asked, start, fetch, partial(self._met, relations)))

    def requests(self, asked: Asked) -> RequestPage[Key]:
        """Who waits for the viewer's answer."""
        start, relations = self._begin(asked)
        fetch, show = partial(self._waiting, asked.viewer_id), partial(self._asking, relations)
        return RequestPage(*self._page(asked, start, fetch, show))

    def lists(self, owner_id: int) -> list[UserList]:
        """All lists of the viewer's own, by name."""
        return self._truth.read(lambda tx: self._truth.lists.of(tx, owner_id))

    def standings(self, viewer_id: int, user_ids: Sequence[int]) -> dict[int, Standing]:
        """How the viewer stands to each of these."""
        others = idset(user_ids)
        held = self._truth.read(lambda tx: self._truth.graph.between_many(tx, viewer_id, others))
        now_ms = self._clock.now_ms()
        return {user_id: _standing(ties, now_ms) for user_id, ties in held.items()}

    def _begin(self, asked: Asked) -> tuple[Mark, Relations]:
        start, _ = self._marks(asked).decode(asked.cursor) or WHOLE
        self._log.catch_up()
        return start, self._readthrough.viewer(asked.viewer_id).relations

    def _marks(self, asked: Asked) -> MarkCursors:
        return MarkCursors(self._cursors, asked.viewer_tag, asked.name, _MODE)

    def _page(
        self, asked: Asked, start: Mark, fetch: Fetch[E], show: Show[E, T]
    ) -> tuple[tuple[T, ...], str | None, bool]:
        """The items, the cursor of the next page, and whether the bound was hit."""
        walked = walk(fetch, show, start, asked.limit, self._max_scan)
        return walked.items, self._marks(asked).within(walked.last), walked.truncated

    def _shows_ties(self, user_id: int, relations: Relations) -> bool:
        user = self._readthrough.users((user_id,)).get(user_id)
        return shows_ties(user, relations, self._clock.now_ms())

    def _newest(self, id1: int, kind: Assoc, among: Ids | None = None) -> Fetch[int]:
        """Those at the other ends, by the places where they stand."""

        def fetch(below: Mark, size: int) -> list[tuple[Mark, int]]:
            places = self._truth.read(lambda tx: self._truth.graph.newest(tx, id1, kind, below, size, among))
            return [((time, user_id), user_id) for time, user_id in places]

        return fetch

    def _waiting(self, owner_id: int, below: Mark, size: int) -> list[tuple[Mark, _Waiting]]:
        """Requests of both kinds. One person may make both in a millisecond, so a mark tells which it is."""
        graph = self._truth.graph
        before = (below[0], min(below[1] // 2 + 1, MAX_ID))
        found = self._truth.read(
            lambda tx: [graph.newest(tx, owner_id, kind, before, size + 1) for kind in _REQUESTS]
        )
        merged = [
            ((time, user_id * 2 + which), (user_id, which, time))
            for which, places in enumerate(found)
            for time, user_id in places
        ]
        return sorted((one for one in merged if one[0] < below), reverse=True)[:size]

    def _asking(self, relations: Relations, waiting: Sequence[_Waiting]) -> list[Request[Key] | None]:
        users = self._met(relations, [user_id for user_id, _, _ in waiting])
        return [
            None if user is None else Request(user, _ASKED_FOR[which], time)
            for user, (_, which, time) in zip(users, waiting, strict=True)
        ]

    def _met(self, relations: Relations, user_ids: Sequence[int]) -> list[User[Key] | None]:
        """Beside each id the user, None for whom the viewer does not meet."""
        found = self._readthrough.users(user_ids)
        users = [found.get(user_id) for user_id in user_ids]
        shown = people_visible(users, relations, self._clock.now_ms())
        return [user if meets else None for user, meets in zip(users, shown, strict=True)]


def _nobody(below: Mark, size: int) -> list[tuple[Mark, int]]:  # noqa: ARG001 - fetches like any other
    return []


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
