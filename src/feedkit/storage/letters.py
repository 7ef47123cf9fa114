"""The contract of truth for dead letters: events that a consumer could not handle. See `feedkit.storage.base`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from feedkit.storage.base import Tx


class Letter(NamedTuple):
    """An event as it is packed, by its number in the log; `at` in Unix milliseconds is when it was given up."""

    consumer: str
    number: int
    event: bytes
    tries: int
    reason: str
    at: int


class LetterStore(Protocol):
    """Events that were given up, by consumer."""

    def add(self, tx: Tx, letter: Letter) -> None:
        """Keep a letter, in place of an older one of that consumer and number."""

    def after(self, tx: Tx, consumer: str, number: int, limit: int) -> list[Letter]:
        """Letters of a consumer above that number, in order."""

    def get_many(self, tx: Tx, consumer: str, numbers: Sequence[int]) -> list[Letter]:
        """Those letters of a consumer with these numbers that are there, in order."""

    def consumers(self, tx: Tx) -> list[str]:
        """Who has letters, by name, in any order."""

    def count(self, tx: Tx, consumer: str, at_most: int) -> int:
        """How many letters a consumer has, counted up to `at_most`."""

    def remove(self, tx: Tx, consumer: str, numbers: Sequence[int]) -> int:
        """Remove letters; how many were there."""
