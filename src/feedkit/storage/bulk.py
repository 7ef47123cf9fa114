"""The contract of reading and writing many rows at once, as columns: for imports and for reconciling."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypedDict

import attrs
import numpy as np
from numpy.typing import NDArray

from feedkit.idset import Ids
from feedkit.model import Assoc, Audience, Count, Entity, Media

Tx = Any
"""As in `feedkit.storage.base`."""


@attrs.frozen(slots=True, eq=False)
class Links:
    """Associations as columns of int64, each of shape (n,): from `id1` to `id2`, since `time` (Unix milliseconds)."""

    id1: Ids
    id2: Ids
    time: Ids

    def __len__(self) -> int:
        return len(self.id1)

    def __getitem__(self, which: "NDArray[np.bool_] | NDArray[np.intp] | slice") -> "Links":
        return Links(self.id1[which], self.id2[which], self.time[which])

    def turned(self) -> "Links":
        """The same, seen from the other end."""
        return Links(self.id2, self.id1, self.time)

    def sorted(self) -> "Links":
        """In the order of the table, which spares its indexes most of the way."""
        ahead = np.diff(self.id1)
        if np.all((ahead > 0) | ((ahead == 0) & (np.diff(self.id2) >= 0))):
            return self
        return self[np.lexsort((self.id2, self.id1))]

    def distinct(self) -> "Links":
        """Sorted, and of those between the same two the first one only."""
        links = self.sorted()
        new = np.ones(len(links), dtype=np.bool_)
        new[1:] = (links.id1[1:] != links.id1[:-1]) | (links.id2[1:] != links.id2[:-1])
        return links[new]

    def pairs(self) -> list[tuple[int, int]]:
        """(id1, id2) of each."""
        return list(zip(self.id1.tolist(), self.id2.tolist(), strict=True))


@attrs.frozen(slots=True)
class NewUser:
    """A user to be stored; a key is None where the id itself is the host's key."""

    id: int
    key: bytes | None
    created_ms: int
    handle: str | None = None
    display_name: str | None = None
    time_zone: str | None = None
    private: int = 0


class Further(TypedDict, total=False):
    """What a new post may have beside what all have."""

    kind: str
    schema_version: int
    extra: str
    audience: Audience
    fallback: str | None
    entities: tuple[Entity, ...]
    media: tuple[Media, ...]


@attrs.frozen(slots=True, eq=False)
class NewPosts:
    """Published posts to be stored, as columns: very many are made, and most have nothing else."""

    positions: Sequence[int]
    """The ids as well."""
    author_ids: Sequence[int]
    times: Sequence[int]
    refs: Sequence[str]
    texts: Sequence[str]
    reply_to: Mapping[int, int]
    """By the place of a post in the columns, the id of what it answers."""
    further: Mapping[int, Further]
    """By the place of a post, what else it has."""


class RefTaken(Exception):
    """Some post to be stored has a ref that is there, or that somebody else has used meanwhile."""


class BulkStore(Protocol):
    """Many rows at once. What is written comes in the order of ids: transactions that overlap meet no deadlock."""

    def hold_graph(self, tx: Tx) -> None:
        """Keep everybody else from changing relations until the transaction ends. Comes first in it."""

    def hold_positions(self, tx: Tx) -> None:
        """Be the only one to take free positions of the past until the transaction ends."""

    # users

    def known(self, tx: Tx, user_ids: Sequence[int]) -> list[int]:
        """Which of these users exist."""

    def private_among(self, tx: Tx, user_ids: Ids) -> Ids:
        """Those of these users who are private, as a set."""

    def insert_users(self, tx: Tx, users: Sequence[NewUser]) -> int:
        """Create users; one whose id or key is there already is left as it is. How many were created."""

    def users_between(
        self, tx: Tx, after: bytes | int, up_to: bytes | int | None, limit: int
    ) -> list[tuple[bytes | int, int]]:
        """(key, id) of the first `limit` users with after < key <= up_to, by key; of all above without `up_to`.

        Keys are bytes, or the ids themselves where the host's keys are ids.
        """

    # follows

    def standing(self, tx: Tx, links: Links) -> tuple[NDArray[np.bool_], Ids]:
        """For each pair, whether id1 follows id2, and since when id2 follows id1: -1 where they do not.

        Needs a transaction that writes.
        """

    def from_each(self, tx: Tx, ids: Ids, *kinds: Assoc) -> tuple[Ids, Ids]:
        """id1 and id2 of every association of these kinds that begins at one of `ids`, in any order."""

    def insert_links(self, tx: Tx, kind: Assoc, links: Links) -> None:
        """Write rows, and not their inverses. None of them may be there."""

    def delete_links(self, tx: Tx, kind: Assoc, pairs: Sequence[tuple[int, int]]) -> None:
        """Remove rows, and not their inverses."""

    def add_counts(self, tx: Tx, kind: str, ids: Ids, deltas: Ids) -> None:
        """Apply deltas to the counters of one kind: `ids` ascend, and beside each stands what to add.

        Whoever calls has claimed the shared consumers, and so is the only one who counts.
        """

    def counted_above(self, tx: Tx, kind: Count, ids: Ids, limit: int) -> list[int]:
        """Whose counter is above `limit`."""

    # posts

    def by_refs(self, tx: Tx, refs: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        """(post id, author id) by ref."""

    def existing_posts(self, tx: Tx, post_ids: Sequence[int]) -> list[int]:
        """Which of these posts are there, deleted ones included, and no reposts."""

    def insert_posts(self, tx: Tx, posts: NewPosts) -> None:
        """Store posts and their media. Raises RefTaken, after which the transaction can do nothing else."""

    def insert_tags(self, tx: Tx, rows: Sequence[tuple[str, int, int]]) -> None:
        """Put posts under tags: (tag in its canonical form, position, post id)."""
