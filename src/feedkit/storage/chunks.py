"""The contract of truth for deliveries over large audiences, which workers share. See `feedkit.storage.base`."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from feedkit.storage.base import Tx


def somebody() -> str:
    """A name that nobody else has, of at most 32 characters: which host and which process, and something random."""
    return f"{socket.gethostname()[:10]}:{os.getpid()}:{secrets.token_hex(6)}"[:32]


class LargeKind(StrEnum):
    """What a large delivery does to the inboxes of followers."""

    PUSH = "push"
    PURGE = "purge"
    UNKNOWN = ""
    """As later code has it, which sees to it."""


class Large(NamedTuple):
    """What all followers of an author are to be given, or lose.

    `number` is that of the last event that it comes from, `entries` are packed, `at` is the moment of the first of
    these events in Unix milliseconds, and `chunks` is how many of them there are once the audience is cut.
    """

    number: int
    author_id: int
    kind: LargeKind
    entries: bytes
    at: int
    chunks: int = 0

    @property
    def listed(self) -> bytes:
        """What readers may have to merge in as long as this is under way: what was deleted is filtered anyway."""
        return b"" if self.kind is LargeKind.PURGE else self.entries


class Chunk(NamedTuple):
    """The followers of one author with after_id < id <= up_to_id, claimed by `owner`; `tries` counts the claims."""

    large: Large
    nth: int
    after_id: int
    up_to_id: int
    owner: str
    tries: int


class ChunkStore(Protocol):
    """Large deliveries that are under way.

    Laws: the chunks of one cover all followers there are, each once; a chunk belongs to whoever claimed it last, for as
    long as its lease runs by the clock of the database; nobody waits for a chunk that somebody else has. What is of a
    kind that is not known is under way like the others, and nobody's to claim or to finish.
    """

    def begin(self, tx: Tx, large: Large) -> None:
        """Note a large delivery, unless it is there already."""

    def under_way(self, tx: Tx) -> list[Large]:
        """All of them, the oldest first."""

    def claim(self, tx: Tx, owner: str, *, lease_ms: int, followers: int) -> Chunk | None:
        """A chunk that nobody has: one that was left behind, else the next of the oldest; None where there is none.

        A new one has so many `followers`, or fewer at the end.
        """

    def renew(self, tx: Tx, chunk: Chunk, lease_ms: int) -> bool:
        """Keep a chunk for longer; False where it has another owner by now, or is done."""

    def release(self, tx: Tx, chunk: Chunk) -> None:
        """Give a chunk back, if it is still one's own, so that others may claim it at once."""

    def done(self, tx: Tx, chunk: Chunk) -> bool:
        """Note that it is done; False where it has another owner by now."""

    def finished(self, tx: Tx) -> list[Large]:
        """Those of which every chunk is cut and done."""

    def remove(self, tx: Tx, number: int) -> None:
        """Forget a large delivery and its chunks."""

    def redo(self, tx: Tx, number: int) -> None:
        """Have all chunks of a delivery claimed anew."""

    def waiting(self, tx: Tx) -> Sequence[tuple[Large, str]]:
        """Those under way, the oldest first, and who holds the chunk that was claimed first of those not done."""
