"""The contracts of what happens to posts after they were written: changes, drafts, schedules, and journals."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from feedkit.model import Post, Revision

Tx = Any
"""As in `feedkit.storage.base`."""


class LifeStore(Protocol):
    """Posts as they change.

    Laws: who has locked a post is the only one to change it until the transaction ends; a post's id never
    changes, nor its position once it has one.
    """

    def lock(self, tx: Tx, post_id: int) -> Post | None:
        """A post as it stands now, for this transaction alone to change; None where there is none."""

    def change(self, tx: Tx, before: Post, after: Post) -> None:
        """Write what differs, media included. Raises Conflict where a new `ref` is taken."""

    def add_revision(self, tx: Tx, post_id: int, revision: Revision) -> None:
        """Keep what a post said before an edit."""

    def revisions(self, tx: Tx, post_id: int) -> list[Revision]:
        """What a post said before, the first first."""

    def drafts(self, tx: Tx, author_id: int, before: int, limit: int) -> list[Post]:
        """An author's drafts and scheduled posts with ids below `before`, the newest first."""

    def count_drafts(self, tx: Tx, author_id: int, at_most: int) -> int:
        """How many drafts and scheduled posts an author has, counted no further than `at_most`."""

    def claim_due(self, tx: Tx, now_ms: int, limit: int) -> list[Post] | None:
        """The first posts whose time has come, locked; None where somebody else is publishing them.

        One that an open transaction is changing is left out, and comes up again.
        """

    def next_due(self, tx: Tx) -> int | None:
        """When the next scheduled post is to be published; None where there is none."""

    def free_positions(self, tx: Tx, instants: Sequence[int]) -> list[int]:
        """A position that nothing has for each of these instants, which ascend: at it or just after.

        They are on the node that is never leased. Only who has claimed what is due may take them.
        """

    def by_refs(self, tx: Tx, refs: Sequence[str]) -> list[Post]:
        """The posts that the host named so, in any order."""

    def owns_list(self, tx: Tx, user_id: int, list_id: int) -> bool:
        """Whether a list is there and is this user's."""


class MediaStore(Protocol):
    """The media of posts, by what they are rather than by whose."""

    def update(self, tx: Tx, url: str, fields: Mapping[str, Any], after: int, limit: int) -> list[int]:
        """Change the first `limit` posts above `after` that show this URL; their ids, ascending."""


_ON_USERS = frozenset(("profile", "suspend", "reinstate", "user_audit"))


class Act(NamedTuple):
    """One act of staff; `at` in Unix milliseconds. `object_id` is 0 where it concerns nothing in particular."""

    id: int
    staff: str
    action: str
    object_id: int
    reason: str
    at: int

    @property
    def is_on_user(self) -> bool:
        """Whether `object_id` is a user; else it is a post."""
        return self.action in _ON_USERS


class JournalStore(Protocol):
    """What was asked for under which key, and what staff did."""

    def claim_key(
        self, tx: Tx, actor_id: int, key: str, *, digest: bytes, result_id: int, now_ms: int, ttl_ms: int
    ) -> tuple[bytes, int] | None:
        """Take a key for a result; where it stands for another one already, that one's digest and id.

        Law: of all who ask for one key, one gets None until it has lapsed, and the others wait for that one's
        transaction to end.
        """

    def prune_keys(self, tx: Tx, before_ms: int, limit: int) -> int:
        """Forget the oldest keys that were taken before that moment; how many."""

    def audit(self, tx: Tx, act: Act) -> None:
        """Note an act of staff; the same one again changes nothing."""

    def acts(self, tx: Tx, object_id: int | None, before: int, limit: int) -> list[Act]:
        """The newest acts with ids below `before`, on one object or (None) on any, the newest first."""
