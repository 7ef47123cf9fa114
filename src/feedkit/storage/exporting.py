"""The contract of truth for exports. See `feedkit.storage.base`."""

from __future__ import annotations

from collections.abc import Mapping
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

    def after(
        self, tx: Tx, noun: str, last: Row | None, limit: int, *, user_id: int | None = None
    ) -> list[Row]:
        """The next rows behind the last one that was met, of everybody, or of what this user made."""
