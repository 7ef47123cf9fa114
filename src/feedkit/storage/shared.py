"""The contract of a cache that processes share. See `feedkit.storage.base`; `lookups` reads through one."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum, auto

import attrs

from feedkit.storage.touching import CacheKey


class Slot(Enum):
    """What stands under a key, if it is no value."""

    ABSENT = auto()
    LEASED = auto()
    """Somebody loads it."""
    BURIED = auto()
    """It is being changed: use truth, and leave nothing here."""


@attrs.frozen(slots=True)
class Value:
    """A value that was loaded by a process which had applied the log up to `number`; without `data` there is none."""

    number: int
    data: bytes | None


@attrs.frozen(slots=True)
class Lease:
    """The right to fill one key, once, until it lapses or the key is buried or lifted."""

    token: bytes


@attrs.frozen(slots=True)
class Tombstone:
    """What lies over one key while whoever knows the token changes what belongs there.

    `number`: what was loaded by somebody who had applied the log that far need not go when it is lifted.
    """

    key: CacheKey
    token: bytes
    number: int | None = None


class SharedCache(ABC):
    """Values by key, for some time, shared by processes. It may lose anything at any moment.

    Laws: under a key stand at most one value or lease, or tombstones. A value gets there by a lease alone, and one
    lease stands at a time. A tombstone ends values and leases; while one lies there is neither. To lift one ends
    whatever was loaded before, also where the tombstone itself was lost. Tombstones outlive leases.

    Raises:
        OutOfReach: from every method.
    """

    @abstractmethod
    def look(self, keys: Sequence[CacheKey], since: Sequence[int]) -> list[Value | Slot]:
        """What stands there, in order. A value of a lower number than in `since` counts as absent."""

    @abstractmethod
    def lease(self, keys: Sequence[CacheKey], since: Sequence[int]) -> list[Value | Slot | Lease]:
        """As `look`, but whatever is absent is leased to the caller."""

    @abstractmethod
    def fill(
        self, leased: Sequence[tuple[CacheKey, Lease, Value | None]], ttl_ms: Sequence[int]
    ) -> list[bool]:
        """Put values where leases stand, for so many milliseconds; None gives a lease back. Which of them stood."""

    @abstractmethod
    def bury(self, tombstones: Sequence[Tombstone]) -> None:
        """Put these tombstones beside any that lie there."""

    @abstractmethod
    def lift(self, tombstones: Sequence[Tombstone]) -> None:
        """Take these tombstones away, and whatever stands there that may have been loaded before.

        With a number, of several that are alike one goes: each is lifted by an event of its own.
        """

    @abstractmethod
    def clear(self) -> None:
        """Forget all values and leases. Tombstones stay."""
