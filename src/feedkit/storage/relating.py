"""The contracts of truth for what stands between people, and for their lists. See `feedkit.storage.base`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from feedkit.idset import Ids
from feedkit.model import Assoc, UserList
from feedkit.relations import Relations

if TYPE_CHECKING:
    from feedkit.storage.base import Tx

Place = tuple[int, int]
"""Where an association stands among those of its kind: (time in Unix milliseconds, the other end)."""
NO_REPOSTS = 1
"""A bit in the data of a follow, and of the request for one."""


class GraphStore(Protocol):
    """Associations, each with its inverse row, written in one transaction.

    `data` is a number beside both rows, 0 where there is none: of a mute the instant when it lapses (0: never),
    of a follow and of the request for one the bit `NO_REPOSTS`.
    """

    def add(self, tx: Tx, id1: int, kind: Assoc, id2: int, now_ms: int, *, data: int = 0) -> bool:
        """Write both rows; False where they were there already, with whatever data."""

    def add_many(self, tx: Tx, id1: int, kind: Assoc, others: Ids, now_ms: int) -> Ids:
        """Write both rows for each of `others`; those who were not there before, ascending."""

    def change(self, tx: Tx, id1: int, kind: Assoc, id2: int, data: int) -> None:
        """Change the data beside both rows."""

    def remove(self, tx: Tx, id1: int, kind: Assoc, id2: int) -> bool:
        """Remove both rows; False where there were none."""

    def remove_many(self, tx: Tx, id1: int, kind: Assoc, others: Ids) -> Ids:
        """Remove both rows for each of `others`; those who were there, ascending."""

    def lock_pair(self, tx: Tx, id1: int, id2: int) -> None:
        """Let changes between these two users happen one after the other until the transaction ends."""

    def lock_kind(self, tx: Tx, id1: int, kind: Assoc) -> None:
        """Let what adds to these associations of one user happen one after the other, so that a bound on them holds.

        Taken after the pair, and of several users in the order of their ids.
        """

    def between_many(self, tx: Tx, id1: int, others: Ids) -> dict[int, dict[Assoc, int]]:
        """By each of `others`: the associations from `id1` to them with their data, inverse kinds included."""

    def is_blocked(self, tx: Tx, id1: int, id2: int) -> bool:
        """Whether one of the two blocks the other."""

    def between(self, tx: Tx, id1: int, id2: int) -> dict[Assoc, tuple[int, int | None]]:
        """How one user stands to another by what they did: since when, and the number beside it."""

    def count(self, tx: Tx, id1: int, kind: Assoc, at_most: int) -> int:
        """How many stand, counted no further than `at_most`."""

    def lapsed_mutes(self, tx: Tx, id1: int, now_ms: int) -> Ids:
        """Whom a mute named that has lapsed, ascending."""

    def relations(self, tx: Tx, viewer_id: int, now_ms: int) -> Relations:
        """Everything that decides what this viewer may see at that instant."""

    def relations_with(self, tx: Tx, viewer_id: int, others: Sequence[int], now_ms: int) -> Relations:
        """As `relations`, with these users and lists alone."""

    def range(self, tx: Tx, id1: int, kind: Assoc, after: int, limit: int) -> Ids:
        """A chunk of the other ends above `after`, ascending."""

    def newest(
        self, tx: Tx, id1: int, kind: Assoc, before: Place, limit: int, among: Ids | None = None
    ) -> list[Place]:
        """The newest `limit` places below `before`, newest first; `among` some other ends only."""

    def newest_of_each(self, tx: Tx, those: Ids, kind: Assoc, each: int) -> list[int]:
        """The newest `each` other ends of every one of `those`, in any order; as often as they are met."""

    def among(self, tx: Tx, id1: int, kind: Assoc, others: Ids) -> Ids:
        """Which of `others` are the other end, ascending."""

    def small_audiences(self, tx: Tx, authors: Sequence[int], limit: int) -> list[tuple[int, int]] | None:
        """All (author, follower) pairs of these authors, or None where they are more than `limit`."""


class ListStore(Protocol):
    """Lists of people by name. Who is on one stands in the graph, as `Assoc.LISTS` from the list to each member.

    Laws: an owner has no two lists of one name; an id is never used twice.
    """

    def lock(self, tx: Tx, owner_ids: Sequence[int]) -> None:
        """Let changes to the lists of these users happen one after the other until the transaction ends."""

    def insert(self, tx: Tx, made: UserList, owner_id: int) -> None:
        """Store a list. Raises Conflict where the owner has one of that name."""

    def rename(self, tx: Tx, list_id: int, name: str) -> None:
        """Give a list another name. Raises Conflict where the owner has one of that name."""

    def delete(self, tx: Tx, list_id: int) -> None:
        """Remove a list, which has no members."""

    def get(self, tx: Tx, owner_id: int, list_id: int) -> UserList:
        """A list of this owner. Raises NotFound where they have none of that id, whoever else may."""

    def of(self, tx: Tx, owner_id: int) -> list[UserList]:
        """All lists of this owner, by name."""

    def with_member(self, tx: Tx, owner_id: int, member_id: int) -> list[int]:
        """The ids of those lists of this owner that a user is on."""
