"""The contract of timelines: materialisations of what truth holds, as readers page through it.

A store of them may lose everything at any moment, but what it holds it holds completely. `feedkit.testing.contracts`
checks any driver against these laws.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import attrs

from feedkit.ids import MAX_ID
from feedkit.idset import Ids
from feedkit.storage.chunks import Large
from feedkit.storage.entries import Entries


@attrs.frozen(slots=True)
class Timeline:
    """What a store holds of one timeline: every entry at or above `floor`, perhaps some below it.

    `complete_to`: it holds what events of the log up to this number brought; in the memory of one process, what
    that process has applied.
    """

    entries: Entries
    floor: int
    complete_to: int = MAX_ID
    degraded: bool = False
    """Whether it had to be made from truth, since what is held was out of reach or behind."""


class TimelineStore(ABC):
    """Inboxes (by reader) or outboxes (by author): a materialisation, bounded in number and length.

    Laws: a timeline that is not there is never made by a delivery, so a partial one cannot arise; one
    that is being built reads as missing and keeps what is delivered meanwhile; a whole one is complete
    at and above its floor, in position order, each position once; to trim it is to raise its floor.
    """

    @abstractmethod
    def deliver(self, owners: Ids, entries: Entries) -> int:
        """Add these entries to each of these timelines that exists; how many entries were added in all."""

    @abstractmethod
    def append(self, owner: int, entries: Entries, floor: int) -> bool:
        """Add many entries that are complete only at and above `floor`; False where there is no timeline."""

    def backfill(self, owners: Ids, entries: Entries, floor: int) -> None:
        """As `append` to each of many timelines, of those entries at least that lie above its own floor."""
        for owner in owners.tolist():
            self.append(owner, entries, floor)

    @abstractmethod
    def read_many(self, owners: Sequence[int]) -> list[Timeline | None]:
        """The timelines, None for each that is missing or being built. Reading keeps one alive."""

    def read(self, owner: int) -> Timeline | None:
        """One timeline, or None."""
        return self.read_many((owner,))[0]

    def read_with(
        self, owners: Sequence[int], other: "TimelineStore", others: Sequence[int]
    ) -> tuple[list[Timeline | None], list[Timeline | None]]:
        """As `read_many` here and of another store: in one trip where both are in one place."""
        return self.read_many(owners), other.read_many(others)

    @abstractmethod
    def floors(self, owners: Sequence[int]) -> list[int | None]:
        """The floors, None for what is missing, 0 for what is being built. Keeps nothing alive."""

    @abstractmethod
    def begin(self, owner: int) -> int | None:
        """Start to build a timeline that is missing: a token, or None where it is whole or others build it."""

    @abstractmethod
    def install(self, owner: int, token: int, entries: Entries, floor: int) -> bool:
        """Finish what `begin` started; False, and nothing changed, where the token no longer stands."""

    @abstractmethod
    def remove(self, owners: Ids, positions: Ids) -> None:
        """Take entries out of those of these timelines that exist."""

    @abstractmethod
    def drop(self, owners: Sequence[int]) -> None:
        """Forget whole timelines; an unfinished build among them is void."""

    @abstractmethod
    def owners(self, limit: int | None = None) -> list[int]:
        """Whose timelines are held here whole, in any order; at most `limit`, None for all."""

    @abstractmethod
    def clear(self) -> None:
        """Forget everything."""

    def holders(self) -> Ids | None:
        """Everybody whose timeline is held here, whole or being built; None where that cannot be told."""
        return None


class TurnLost(Exception):
    """What was delivered in this turn cannot be relied on: it has to be done again."""


class TimelineMarks(Protocol):
    """How far the log has been delivered to timelines that processes share, as the very servers say that hold them.

    Laws: a timeline that is held contains what all events up to the mark beside it brought, but for what the mark
    *lists*: entries of large deliveries that are still under way, which readers merge in. A server whose mark is
    lower than truth remembers has lost something, and so has one that lists what truth does not know of; one whose
    mark is above the log has outlived truth: each begins a new epoch, and no timeline of an older one is ever read,
    appended to or installed again.
    """

    def turn(self) -> AbstractContextManager[bool]:
        """Be the one who delivers, and in whose turn the thread's deliveries are counted; False where others are.

        Raises:
            TurnLost: within it: something came between, and nobody knows what became of the deliveries.
        """

    def advance(
        self,
        before: int,
        up_to: int,
        last: Callable[[], int],
        under_way: Sequence[Large] = (),
        begun: Sequence[Large] = (),
    ) -> bool:
        """Note that all events up to number `up_to` are delivered, where truth remembers that those to `before` were.

        `last` gives the highest number of the log. Of large deliveries, `begun` are those that these events bring,
        and are listed from now on; `under_way` are all that truth knows of, these included. False where a new epoch
        had to begin.
        """

    def renew(self) -> None:
        """Begin a new epoch everywhere: all timelines count as missing."""

    def part(
        self, number: int, nth: int, keep_ms: int, keep: Callable[[], object]
    ) -> AbstractContextManager[None]:
        """Deliver one chunk of a large delivery; whoever begins the same later takes it over.

        `keep` is called whenever half of `keep_ms` milliseconds are over, so that the chunk stays claimed.

        Raises:
            TurnLost: as for a turn, and where somebody else has taken it over.
        """

    def holder(self) -> str:
        """Who has the turn, as "host:process:...", "" where nobody has."""

    def finish(self, large: Large, others: Sequence[Large]) -> bool:
        """List a large delivery no longer; False where a server has lost one of its chunks since it was done.

        `others` are under way as well, and may list the same entries.
        """


@attrs.frozen(slots=True)
class TimelineStores:
    """Where the timelines of a feed are; `marks` beside them where processes share them."""

    inboxes: TimelineStore
    outboxes: TimelineStore
    marks: TimelineMarks | None = None

    def clear(self) -> None:
        """Forget every timeline."""
        self.inboxes.clear()
        self.outboxes.clear()
