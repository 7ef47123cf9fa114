"""The contract of reading and writing many rows at once, as columns: for imports and for reconciling."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from feedkit.idset import Ids
from feedkit.model import Assoc, Count, Entity, Media, PostStatus

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


class NewPost(NamedTuple):
    """A post to be stored, published. Its fields are the columns; what is not among them has no value yet.

    A plain tuple, since very many are made, and most are handed to the database as they are.
    """

    id: int
    position: int
    author_id: int
    created_at: int
    published_at: int
    ref: str
    text: str
    extra: str
    kind: str
    schema_version: int
    audience: str
    reply_to: int | None
    fallback: str | None
    entities: tuple[Entity, ...] | None
    media_count: int
    status: str = PostStatus.PUBLISHED.value


class BulkStore(Protocol):
    """Many rows at once. What is written comes in the order of ids: transactions that overlap meet no deadlock."""

    def hold_graph(self, tx: Tx) -> None:
        """Keep everybody else from changing relations until the transaction ends. Comes first in it."""

    def hold_positions(self, tx: Tx) -> None:
        """Be the only one to take free positions of the past until the transaction ends."""

    # users

    def known(self, tx: Tx, user_ids: Sequence[int]) -> list[int]:
        """Which of these users exist."""

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

    def from_each(self, tx: Tx, ids: Ids, kind: Assoc) -> tuple[Ids, Ids]:
        """id1 and id2 of every association of this kind that begins at one of `ids`, in any order."""

    def insert_links(self, tx: Tx, kind: Assoc, links: Links) -> None:
        """Write rows, and not their inverses. None of them may be there."""

    def delete_links(self, tx: Tx, kind: Assoc, pairs: Sequence[tuple[int, int]]) -> None:
        """Remove rows, and not their inverses."""

    def add_counts(self, tx: Tx, kind: str, ids: Ids, deltas: Ids) -> None:
        """Apply deltas to the counters of one kind: `ids` ascend, and beside each stands what to add."""

    def counted_above(self, tx: Tx, kind: Count, ids: Ids, limit: int) -> list[int]:
        """Whose counter is above `limit`."""

    # posts

    def by_refs(self, tx: Tx, refs: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        """(post id, author id) by ref."""

    def existing_posts(self, tx: Tx, post_ids: Sequence[int]) -> list[int]:
        """Which of these posts are there, deleted ones included, and no reposts."""

    def insert_posts(self, tx: Tx, posts: Sequence[NewPost], media: Mapping[int, Sequence[Media]]) -> None:
        """Store posts, and by their ids the media of those that have any."""

    def insert_tags(self, tx: Tx, rows: Sequence[tuple[str, int, int]]) -> None:
        """Put posts under tags: (tag in its canonical form, position, author id)."""
