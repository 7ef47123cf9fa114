"""How one viewer stands to others. What follows from that, `feedkit.visibility` decides."""

from collections.abc import Collection, Mapping, Sequence
from enum import IntFlag
from functools import cached_property

import attrs
import numpy as np
from numpy.typing import NDArray

from feedkit.ids import MAX_ID
from feedkit.idset import EMPTY, Ids, idset

LOGGED_OUT = 0
"""The viewer id of somebody who is not logged in."""


class Tie(IntFlag):
    """How one viewer stands to somebody else; several may hold at once."""

    FOLLOWS = 1
    BLOCKED = 2
    """One of the two blocks the other."""
    MUTES = 4
    FRIENDS = 8
    NO_REPOSTS = 16
    """The viewer follows them, and does not want their reposts."""


_NOBODY = np.array([MAX_ID], dtype=np.int64)
_NO_TIES = np.zeros(1, dtype=np.uint8)
_APART_MAX = 1000  # a set takes eight times the memory of the columns
_SINGLY = 3  # up to so many, one search each is quicker than an array


@attrs.frozen(slots=True, eq=False)
class Relations:
    """What stands between one viewer and others, as two columns, so that one search tells all about a batch.

    `others`: ids of users (int64, ascending); `ties`: `Tie` bits beside them (uint8). Both have the shape
    (n + 1,), and end with a row for nobody. `lists`: ids of the lists that the viewer is on (int64, ascending);
    `blocked`: ids of those with that tie.
    All of it holds up to the instant `until_ms` (Unix milliseconds), when the first mute lapses.
    """

    viewer_id: int
    others: Ids
    ties: NDArray[np.uint8]
    lists: Ids = EMPTY
    until_ms: int = MAX_ID
    staff: bool = False
    blocked: Ids = EMPTY

    @cached_property
    def apart(self) -> frozenset[int] | None:
        """Everybody who is blocked or muted, None if they are many: on most pages none of them stands."""
        apart = self.those(Tie.BLOCKED | Tie.MUTES)
        return frozenset(apart.tolist()) if len(apart) <= _APART_MAX else None

    def with_each(self, user_ids: Sequence[int]) -> list[int]:
        """The `Tie` bits with each of these users, 0 where there are none."""
        if len(self.others) == 1:  # nobody
            return [0] * len(user_ids)
        if len(user_ids) <= _SINGLY:
            return [self._with(user_id) for user_id in user_ids]
        wanted = np.array(user_ids, dtype=np.int64)
        where = self.others.searchsorted(wanted)
        found: list[int] = (self.ties[where] * (self.others[where] == wanted)).tolist()
        return found

    def _with(self, user_id: int) -> int:
        where = int(self.others.searchsorted(user_id))
        return int(self.ties[where]) if int(self.others[where]) == user_id else 0

    def those(self, tie: Tie) -> Ids:
        """Everybody with whom the viewer has this tie, or one of these: sorted ids."""
        those: Ids = self.others[self.ties & tie.value != 0]
        return those


def relations_of(
    viewer_id: int,
    ties: Mapping[Tie, Collection[int]],
    *,
    lists: Collection[int] = (),
    until_ms: int = MAX_ID,
) -> Relations:
    """Relations from the users of each tie, in any order and with duplicates."""
    few = sum(map(len, ties.values())) <= _FEW
    others, held = _columns_of_few(ties) if few else _columns(ties)
    blocked = others[held & Tie.BLOCKED.value != 0]
    return Relations(viewer_id, others, held, idset(lists) if lists else EMPTY, until_ms, blocked=blocked)


_FEW = 32
"""Up to so many, as for a verb that concerns one post, Python is quicker than numpy."""


def _columns(ties: Mapping[Tie, Collection[int]]) -> tuple[Ids, NDArray[np.uint8]]:
    of_each = [np.fromiter(users, dtype=np.int64, count=len(users)) for users in ties.values()]
    others, where = np.unique(np.concatenate([*of_each, _NOBODY]), return_inverse=True)
    held = np.zeros(len(others), dtype=np.uint8)
    start = 0
    for tie, users in zip(ties, of_each, strict=True):
        held[where[start : start + len(users)]] |= tie.value
        start += len(users)
    return others, held


def _columns_of_few(ties: Mapping[Tie, Collection[int]]) -> tuple[Ids, NDArray[np.uint8]]:
    bits = {MAX_ID: 0}
    for tie, users in ties.items():
        for user_id in users:
            bits[user_id] = bits.get(user_id, 0) | tie.value
    others = sorted(bits)
    return np.array(others, dtype=np.int64), np.array([bits[one] for one in others], dtype=np.uint8)


def staff_relations() -> Relations:
    """The relations of a staff viewer, who is nobody's friend and sees what is there."""
    return Relations(LOGGED_OUT, _NOBODY, _NO_TIES, staff=True)


def no_relations(viewer_id: int) -> Relations:
    """The relations of somebody who has none, such as a logged-out viewer."""
    return Relations(viewer_id, _NOBODY, _NO_TIES)
