"""The contract of truth for exports. See `feedkit.storage.base`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from feedkit.storage.base import Tx

Row = Mapping[str, Any]
"""One row as it is stored, by column."""


class ExportStore(Protocol):
    """Walks over everything that people made, a chunk at a time.

    Laws: a row that stands throughout a walk is met exactly once; secrets, leases and what is only materialised
    are not met at all.
    """

    nouns: tuple[str, ...]
    """What there is to walk over, in the order in which an import would need it."""

    def after(self, tx: Tx, noun: str, last: Row | None, limit: int) -> list[Row]:
        """The next rows behind the last one that was met, of everybody."""

    def part_after(
        self, tx: Tx, part: str, whose: int | Sequence[int], last: Row | None, limit: int, *, before: int
    ) -> list[Row]:
        """As `after`, of one part of what a person made, however much there is of others.

        `whose` is a user for `user`, `list`, `draft`, `withdrawn`, `posts`, `replies` and `comment`; a user or a list
        for `relation`; posts for `media` and `revision`. Drafts, what was withdrawn, and what stands, `posts` and
        `replies`, are all that the user wrote, but for what was published at a position of `before` or above.
        """
