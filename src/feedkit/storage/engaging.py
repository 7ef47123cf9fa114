"""The contracts of truth for reactions, saves and comments. See `feedkit.storage.base`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from feedkit.idset import Ids
from feedkit.model import Comment, Count, Own

if TYPE_CHECKING:
    from feedkit.storage.base import Tx

Mark = tuple[int, int]
"""Where an entry stands in a list that is ordered by a number (a time, a counter) and then by an id."""


class EngagementStore(Protocol):
    """What people did to posts and comments."""

    def own(self, tx: Tx, viewer_id: int, object_ids: Sequence[int]) -> dict[int, Own]:
        """What one viewer did to these; nothing for those they did nothing to."""

    def lock(self, tx: Tx, actor_id: int) -> None:
        """Let what this person does happen one after the other until the transaction ends."""

    def held(self, tx: Tx, actor_id: int, target_id: int) -> list[str]:
        """The kinds of this person's reactions to that, the oldest first."""

    def add(self, tx: Tx, actor_id: int, kind: str, target_id: int, now_ms: int) -> bool:
        """Store a reaction; False where it was there already."""

    def remove(self, tx: Tx, actor_id: int, kind: str, target_id: int) -> bool:
        """Remove a reaction; False where there was none."""

    def newest(self, tx: Tx, id1: int, kind: str, before: Mark, limit: int) -> list[Mark]:
        """(time, id2) of the newest associations of that kind before a mark, descending."""

    def newest_of_kinds(self, tx: Tx, id1: int, prefix: str, before: Mark, limit: int) -> list[Mark]:
        """As `newest`, of all kinds that begin with `REACTED` or `REACTED_BY`; of one moment, each id2 once."""

    def last(self, tx: Tx, id1: int, prefix: str, others: Sequence[int]) -> dict[int, int]:
        """When the newest association of all such kinds was made between `id1` and each of these."""

    def of_people(
        self, tx: Tx, counted: Mapping[Count, Sequence[int]], people: Ids, *, on_post: int = 0
    ) -> dict[int, dict[str, int]]:
        """How much of the counters of some objects comes from these people.

        `counted` names the objects for each counter; those of `Count.REPLIES` are comments on the post
        `on_post` if that is given, else posts.
        """


class CommentStore(Protocol):
    """Comments. Deletion is soft."""

    def insert(self, tx: Tx, comment: Comment) -> None:
        """Store a comment."""

    def get(self, tx: Tx, comment_id: int) -> Comment | None:
        """One comment, None where there is none."""

    def get_many(self, tx: Tx, comment_ids: Sequence[int]) -> list[Comment]:
        """The comments that exist, in any order."""

    def edit(self, tx: Tx, comment_id: int, text: str, now_ms: int) -> bool:
        """Change a text; False where there is no such comment, or it is deleted."""

    def delete(self, tx: Tx, comment_id: int, now_ms: int) -> bool:
        """Mark a comment deleted; False where there was nothing to delete."""

    def newest(self, tx: Tx, post_id: int, parent_id: int, before: int, limit: int) -> list[Comment]:
        """Answers to a comment (0: to the post itself) with lower ids, the newest first, deleted ones too."""

    def oldest(self, tx: Tx, post_id: int, parent_id: int, after: int, limit: int) -> list[Comment]:
        """As `newest`, with higher ids, the oldest first."""

    def top(
        self, tx: Tx, post_id: int, parent_id: int, *, lowest: int, before: Mark, limit: int
    ) -> list[tuple[int, Comment]]:
        """As `newest`, those from the id `lowest` on, by (number of reactions, id), descending."""

    def nth_newest(self, tx: Tx, post_id: int, parent_id: int, nth: int) -> int:
        """The id of the nth newest answer, counted from 1; 0 where there are not so many."""

    def answered(self, tx: Tx, comment_ids: Sequence[int], hidden: Ids, now_ms: int) -> set[int]:
        """Those under which there is a comment, however deep, that is neither deleted nor by somebody hidden.

        Hidden are `hidden`, and whoever is suspended at `now_ms`.
        """
