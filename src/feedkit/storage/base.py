"""The contract of truth, the durable side of storage, and the laws that every driver keeps.

`Truth` runs work in a transaction and offers one small store per noun. `feedkit.storage.timelines` has the contract
of what is materialised beside it. `feedkit.testing.contracts` checks any driver against these laws.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

import attrs

from feedkit.cursor import CursorKey
from feedkit.ids import Lease
from feedkit.idset import Ids
from feedkit.model import Audience, Post
from feedkit.storage.bulk import BulkStore
from feedkit.storage.chunks import ChunkStore
from feedkit.storage.engaging import CommentStore, EngagementStore
from feedkit.storage.entries import Entries
from feedkit.storage.events import EventStore
from feedkit.storage.exporting import ExportStore
from feedkit.storage.letters import LetterStore
from feedkit.storage.lives import JournalStore, LifeStore, MediaStore
from feedkit.storage.relating import GraphStore, ListStore
from feedkit.storage.selections import SelectionStore, TagStore

T = TypeVar("T")
Tx = Any
"""An open transaction of the driver's own kind; opaque above storage."""

REACTED, REACTED_BY = "reacted:", "reacted_by:"
"""What the kinds of associations and counters of reactions begin with; the kind of reaction follows."""
COUNTED = "counted"
"""The counter of a post that is 1 as long as what it answers, reposts or quotes counts it; 0 where it does not."""


@attrs.frozen(slots=True)
class UserRow:
    """A user as truth stores them; `key` is None where the id itself is the host's key."""

    id: int
    key: bytes | None
    handle: str | None
    display_name: str | None
    time_zone: str | None
    status: str
    private: int = 0
    suspended_until: int | None = None


@attrs.frozen(slots=True)
class AuthorLoad:
    """What a fan-out policy needs to know of an author: `followers` lags behind by what is not yet drained.

    `listed`: readers merge this author's outbox in; `resumed`: listed, but pushed to again.
    """

    followers: int
    listed: bool = False
    resumed: bool = False


class Answer(AbstractContextManager["Answer"], Protocol):
    """What truth will say; to be heard before the `with` block ends, or given up."""

    def nothing_newer(self) -> bool:
        """Whether no event above the number had been committed when truth was asked; False if nobody can tell."""


class Truth(Protocol):
    """The durable side. One instance belongs to one process.

    Laws: work passed to `write` commits as a whole or not at all; what `write` returned survives the
    loss of any process; `read` sees everything committed before it was called, on the primary.
    """

    users: "UserStore"
    posts: "PostStore"
    lives: LifeStore
    media: MediaStore
    journals: JournalStore
    selections: SelectionStore
    tags: TagStore
    graph: GraphStore
    lists: ListStore
    counts: "CountStore"
    engagement: EngagementStore
    comments: CommentStore
    bulk: BulkStore
    events: EventStore
    letters: LetterStore
    chunks: ChunkStore
    pulled: "PulledStore"
    nodes: "NodeStore"
    install: "InstallStore"
    export: ExportStore

    one_writer: bool
    """Whether an open transaction that has written keeps everybody else from writing."""

    def migrate(self, key_type: str, now_ms: int) -> None:
        """Make or complete the schema, mint the first cursor key and the install id. Safe to repeat."""

    def read(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on a reading connection; repeated if the connection drops, so it must only read."""

    def write(
        self,
        work: Callable[[Tx], T],
        *,
        within: Tx | None = None,
        landed: Callable[[Tx], T | None] | None = None,
    ) -> T:
        """Run `work` in one transaction and commit it, or `within` one that is open, and only run it.

        Repeated after a serialization failure, a lock time-out or a dropped connection. `landed` is asked
        first when an earlier try may have committed without our hearing of it.

        Raises:
            Unavailable: truth could not be reached, or stayed busy through every retry.
            SchemaMissing: the tables are not there.
        """

    @property
    def copies(self) -> bool:
        """Whether there are copies beside the primary."""

    def read_copy(self, work: Callable[[Tx], T], number: int | None = None) -> T:
        """As `read`, perhaps on a copy that has everything which the log brought up to that number.

        Without a number, up to what this process has applied. What leaves no event may not be there.
        """

    def times_read(self) -> int:
        """How often `read` was called by this thread: whether two moments saw nothing but what was in memory."""

    def join(self, connection: Any, work: Callable[[Tx], T]) -> T:
        """Run `work` as a savepoint of the transaction of a connection of the host's.

        Nothing is repeated, committed, rolled back beyond the savepoint, or closed.

        Raises:
            InvalidArgument: `connection` has no transaction that could be joined.
        """

    def try_write(self, work: Callable[[Tx], T]) -> T | None:
        """As `write`, once, and None instead of waiting where another writer is at work."""

    def version(self) -> int | None:
        """A number that changes whenever something has been committed; None where that is not cheap to know."""

    @property
    def asks(self) -> bool:
        """Whether `ask` is worth while."""

    def ask(self, number: int) -> Answer | None:
        """Ask whether the log ends at that number, and go on; None where that cannot be asked, or not now."""

    def close(self) -> None:
        """Close what this object opened, and nothing that the host handed in."""


class UserStore(Protocol):
    """Users and the directory from the host's keys to ids."""

    def ids_of(self, tx: Tx, keys: Sequence[bytes]) -> dict[bytes, int]:
        """The ids of those keys that are known."""

    def add(self, tx: Tx, rows: Mapping[int, bytes | None], now_ms: int) -> None:
        """Create users by id; one whose id or key is there already is left as it is."""

    def patch(self, tx: Tx, user_id: int, fields: Mapping[str, str | int | None]) -> None:
        """Change the given columns of one user."""

    def get(self, tx: Tx, user_id: int) -> UserRow | None:
        """One row, quicker than as one of many."""

    def get_many(self, tx: Tx, user_ids: Sequence[int]) -> list[UserRow]:
        """The rows that exist, in any order."""

    def with_handles(self, tx: Tx, handles: Sequence[str]) -> dict[str, int]:
        """The ids of users by handle; nothing for a handle that nobody has, nor for one that several have."""

    def ids_after(self, tx: Tx, after: int, limit: int) -> list[int]:
        """Ids above `after`, ascending: a walk over everybody in steps."""


class PostStore(Protocol):
    """Posts and their media. Deletion is soft; a position is never used twice."""

    def insert(self, tx: Tx, post: Post) -> None:
        """Store a post with its media. Raises Conflict where `ref` is taken."""

    def get(self, tx: Tx, post_id: int) -> Post | None:
        """One post, quicker than as one of many; None where there is none, or none that can be decoded."""

    def get_many(self, tx: Tx, post_ids: Sequence[int]) -> tuple[list[Post], int]:
        """The posts that exist, in any order, and how many of them could not be decoded."""

    def at_positions(self, tx: Tx, positions: Sequence[int]) -> tuple[list[Post], list[int]]:
        """The posts at these positions, in any order, and the positions whose post cannot be decoded."""

    def delete(self, tx: Tx, post_id: int, author_id: int, now_ms: int) -> tuple[int, Audience] | None:
        """Mark a post of this author deleted; its position and audience, None where there was nothing to delete."""

    def recent(self, tx: Tx, authors: Ids, *, before: int, floor: int, limit: int, viewer_id: int) -> Entries:
        """The newest `limit` entries of these authors with floor <= position < before, for this viewer.

        Only published posts that are not deleted; of others than the viewer, none that go to no follower.
        """

    def reposts(self, tx: Tx, post_id: int, authors: Ids, *, before: int, limit: int) -> list[int]:
        """The highest `limit` positions < before of reposts of a post by these authors, as far as they stand."""

    def newest_of_each(self, tx: Tx, authors: Ids, each: int) -> Entries:
        """The newest `each` entries of every one of these authors: published, not deleted, any audience."""


class CountStore(Protocol):
    """Counters that grow by deltas from the log, never by counting rows."""

    def add(self, tx: Tx, deltas: Mapping[tuple[int, str], int]) -> None:
        """Apply deltas, keyed by (object id, kind). One of `COUNTED` leaves a row even where it is 0."""

    def get_many(self, tx: Tx, object_ids: Sequence[int]) -> dict[int, dict[str, int]]:
        """All counters of some objects; nothing for those that have none."""


class PulledStore(Protocol):
    """Authors whose outboxes are merged in at read time.

    Law: an author whose post is routed to be pulled is listed when that post commits, and stays listed
    until every follower's inbox has been given what was not delivered.
    """

    def load_listed(self, tx: Tx, author_id: int) -> AuthorLoad | None:
        """An author's load if they are listed; if so, they stay listed until the transaction ends."""

    def load_many(self, tx: Tx, author_ids: Sequence[int]) -> dict[int, AuthorLoad]:
        """The loads of authors, listed or not; this keeps nobody on the list."""

    def start(self, tx: Tx, author_id: int, now_ms: int) -> bool:
        """List an author, or keep one listed who was about to go; True where they were not listed before."""

    def resume(self, tx: Tx, author_id: int, now_ms: int) -> None:
        """Note that posts of a listed author are pushed again from now on."""

    def end(self, tx: Tx, resumed_before_ms: int, limit: int) -> list[int]:
        """Take authors off the list who resumed before that moment; who they were."""

    def all(self, tx: Tx) -> Ids:
        """The whole list."""


class NodeStore(Protocol):
    """Leases of node ids. Law: two leases of one node never share a millisecond."""

    def acquire(self, tx: Tx, now_ms: int, duration_ms: int, *, ahead_ms: int = 0) -> Lease:
        """Take a node whose span is over, or will be within `ahead_ms`. Raises NodesExhausted."""

    def renew(self, tx: Tx, lease: Lease, now_ms: int, duration_ms: int) -> Lease | None:
        """Reserve more time; None where the node has another owner by now."""

    def release(self, tx: Tx, lease: Lease) -> None:
        """Give a node back; time up to the lease's `until_ms` counts as used."""


class InstallStore(Protocol):
    """What is decided once for a database: key type, install id, cursor keys."""

    def facts(self, tx: Tx) -> dict[str, str]:
        """`key_type`, `install_id`, `schema_version`. Raises SchemaMissing."""

    def state(self, tx: Tx, name: str, value: str, *, anew: bool = False) -> None:
        """Write a further fact; one that is there stays as it is, unless to be written `anew`."""

    def cursor_keys(self, tx: Tx) -> list[CursorKey]:
        """All keys, the one that signs last."""

    def add_cursor_key(self, tx: Tx, now_ms: int, keep: int) -> None:
        """Mint a key that signs from now on; keep the newest `keep`."""
