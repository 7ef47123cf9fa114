"""Where the entries of a feed come from: timelines down to their floors, then truth, without a seam."""

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Protocol, Self

import attrs
import numpy as np

from feedkit.ids import MAX_ID
from feedkit.idset import Ids, contains, idset
from feedkit.storage.base import Truth, Tx
from feedkit.storage.entries import EMPTY, newest_positions
from feedkit.storage.selections import Span
from feedkit.storage.timelines import Timeline

FROM_TRUTH = Timeline(EMPTY, MAX_ID)
"""A timeline that is complete for nothing, in place of those that are not to be asked."""

_SPARE = 16


class Source(Protocol):
    """The entries of one feed, for one read, each at a place of its own; a page begins with the highest.

    Where the newest comes first, the place of an entry is its position.
    """

    def window(self, before: int, until: int, limit: int) -> list[int]:
        """The highest `limit` places below `before` of what is newer than `until`; fewer only at the end.

        Newer is what has a position above `until`, and for `newer_than` also what was published late.
        """

    def newer_than(self, since: int, mark: int) -> Self:
        """The same feed, with what was published below `until` by events above `since`, up to `mark`."""


class Empty:
    """A feed without entries."""

    def window(self, before: int, until: int, limit: int) -> list[int]:  # noqa: ARG002 - nothing to look for
        """Nothing."""
        return []

    def newer_than(self, since: int, mark: int) -> Self:  # noqa: ARG002 - as above
        """Nothing either."""
        return self


@attrs.frozen(slots=True, eq=False)
class Selected:
    """Entries that truth is asked for each time, newest first.

    `late`, two numbers of events: the feed also brings what the events between them published below `until`.
    """

    truth: Truth
    select: Callable[[Tx, Span], list[int]]
    late: tuple[int, int] | None = None

    def window(self, before: int, until: int, limit: int) -> list[int]:
        """See `Source`."""
        found = self._read(Span(before, until + 1, limit))
        if self.late is not None:
            late = self._read(Span(min(before, until + 1), 0, limit, self.late))
            found = _merged(found, late)[:limit]
        return found

    def newer_than(self, since: int, mark: int) -> Self:
        """See `Source`."""
        return attrs.evolve(self, late=(since, mark))

    def _read(self, span: Span) -> list[int]:
        return self.truth.read_copy(lambda tx: self.select(tx, span))


class OldestFirst(Selected):
    """As `Selected`, oldest first: places fall from `MAX_ID` as positions rise (see `turned`)."""

    def window(self, before: int, until: int, limit: int) -> list[int]:
        """See `Source`."""
        after = turned(before)
        found = self._read(Span(MAX_ID, max(after, until) + 1, limit))
        if self.late is not None:
            late = self._read(Span(until + 1, after + 1, limit, self.late))
            found = sorted({*late, *found})[:limit]
        return [turned(position) for position in found]

    def committed_after(self, number: int, lowest: int, limit: int) -> list[int]:
        """The first positions from `lowest` on that events above `number` published."""
        span = Span(MAX_ID, lowest, limit, (number, MAX_ID))
        return self.truth.read(lambda tx: self.select(tx, span))


def turned(place: int) -> int:
    """The position at a place of a feed that begins with the oldest, and the place of a position."""
    return MAX_ID - place


@attrs.frozen(slots=True, eq=False)
class Timelined:
    """Entries of timelines, newest first.

    `inbox` may hold entries by anybody, and counts for posts of `authors`; all that is in `outboxes` counts.
    They are merged down to the highest of their floors; below it, `truth` is asked for posts of `authors`.
    With `late`, two numbers of events, the feed also brings what the events between them published below
    `until`: posts that were committed late, or by a host whose clock is behind.
    """

    truth: Truth
    viewer_id: int
    authors: Ids
    outboxes: Sequence[Timeline] = ()
    inbox: Timeline | None = None
    late: tuple[int, int] | None = None
    is_shared: bool = False
    """Whether other processes may have delivered what this one has not heard of."""

    def window(self, before: int, until: int, limit: int) -> list[int]:
        """See `Source`."""
        floor = max((timeline.floor for timeline in self._timelines()), default=0)
        lowest = max(floor, until + 1)
        found = _merged(self._delivered(before, lowest, limit), self._published(before, lowest, limit))[
            :limit
        ]
        if len(found) < limit and floor > until + 1:
            found = _merged(found, self._recent(min(before, floor), until + 1, limit - len(found)))
        if self.late is not None:
            found = _merged(found, self._late(self.late, min(before - 1, until), limit))[:limit]
        return found

    def newer_than(self, since: int, mark: int) -> Self:
        """See `Source`."""
        return attrs.evolve(self, late=(since, mark))

    def authors_at(self, positions: Sequence[int]) -> Ids:
        """Who wrote what the timelines hold at these positions, each once."""
        wanted = idset(positions)
        entries = [timeline.entries for timeline in self._timelines()]
        return np.unique(np.concatenate([one.authors[contains(wanted, one.positions)] for one in entries]))

    @property
    def degraded(self) -> bool:
        """Whether something had to be made from truth, since what is held was out of reach or behind."""
        return any(timeline.degraded for timeline in self._timelines())

    def _timelines(self) -> Sequence[Timeline]:
        return self.outboxes if self.inbox is None else [self.inbox, *self.outboxes]

    def _delivered(self, before: int, lowest: int, limit: int) -> list[int]:
        """From the inbox. Nearly all of it is by authors that count, so a little over `limit` mostly does."""
        if self.inbox is None:
            return []
        entries = self.inbox.entries
        some = entries.window(before, lowest, limit + _SPARE)
        counts = contains(self.authors, some.authors)
        found = [*compress(some.positions.tolist(), counts.tolist())]
        if len(found) < limit and len(some) == limit + _SPARE:
            all_of_it = entries.window(before, lowest, len(entries))
            found = all_of_it.of_authors(self.authors).positions[:limit].tolist()
        return found[:limit]

    def _published(self, before: int, lowest: int, limit: int) -> list[int]:
        """From the outboxes."""
        entries = [timeline.entries for timeline in self.outboxes]
        positions: list[int] = newest_positions(entries, before, lowest, limit).tolist()
        return positions

    def _recent(self, before: int, floor: int, limit: int) -> list[int]:
        if not len(self.authors):
            return []
        recent = self.truth.read_copy(
            lambda tx: self.truth.posts.recent(
                tx, self.authors, before=before, floor=floor, limit=limit, viewer_id=self.viewer_id
            )
        )
        positions: list[int] = recent.positions.tolist()
        return positions

    def _late(self, numbers: tuple[int, int], at_or_below: int, limit: int) -> list[int]:
        late = self.truth.read_copy(
            lambda tx: self.truth.events.late(
                tx, numbers, at_or_below=at_or_below, authors=self.authors, limit=limit
            )
        )
        positions: list[int] = late.positions.tolist()
        return positions


def _merged(some: list[int], others: list[int]) -> list[int]:
    """Positions of both, descending, each once."""
    if not some or not others:
        return some or others
    return sorted({*some, *others}, reverse=True)
