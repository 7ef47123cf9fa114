"""Where the entries of a feed come from: timelines down to their floors, then truth, without a seam."""

from collections.abc import Sequence

import attrs

from feedkit.idset import Ids
from feedkit.storage.base import Timeline, Truth
from feedkit.storage.entries import EMPTY, Entries, merge, newest

_SPARE = 16


@attrs.frozen(slots=True, eq=False)
class Source:
    """The entries of one feed, for one read.

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

    def window(self, before: int, until: int, limit: int) -> Entries:
        """The newest `limit` entries with until < position < before; fewer only where there are no more."""
        floor = max((timeline.floor for timeline in self._timelines()), default=0)
        lowest = max(floor, until + 1)
        found = merge([self._delivered(before, lowest, limit), self._published(before, lowest, limit)])[
            :limit
        ]
        if len(found) < limit and floor > until + 1:
            found = merge([found, self._recent(min(before, floor), until + 1, limit - len(found))])
        if self.late is not None:
            found = merge([found, self._late(self.late, min(before - 1, until), limit)])[:limit]
        return found

    def newer_than(self, since: int, mark: int) -> "Source":
        """The same feed, with what was published below `until` by events above `since`, up to `mark`."""
        return attrs.evolve(self, late=(since, mark))

    def _timelines(self) -> Sequence[Timeline]:
        return self.outboxes if self.inbox is None else [self.inbox, *self.outboxes]

    def _delivered(self, before: int, lowest: int, limit: int) -> Entries:
        """From the inbox. Nearly all of it is by authors that count, so a little over `limit` mostly does."""
        if self.inbox is None:
            return EMPTY
        entries = self.inbox.entries
        some = entries.window(before, lowest, limit + _SPARE)
        found = some.of_authors(self.authors)
        if len(found) < limit and len(some) == limit + _SPARE:
            found = entries.window(before, lowest, len(entries)).of_authors(self.authors)
        return found[:limit]

    def _published(self, before: int, lowest: int, limit: int) -> Entries:
        """From the outboxes."""
        return newest([timeline.entries for timeline in self.outboxes], before, lowest, limit)

    def _recent(self, before: int, floor: int, limit: int) -> Entries:
        if not len(self.authors):
            return EMPTY
        return self.truth.read(
            lambda tx: self.truth.posts.recent(
                tx, self.authors, before=before, floor=floor, limit=limit, viewer_id=self.viewer_id
            )
        )

    def _late(self, numbers: tuple[int, int], at_or_below: int, limit: int) -> Entries:
        return self.truth.read(
            lambda tx: self.truth.events.late(
                tx, numbers, at_or_below=at_or_below, authors=self.authors, limit=limit
            )
        )
