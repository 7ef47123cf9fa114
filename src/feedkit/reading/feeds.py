"""What every feed read has in common: apply the log, open the source, fill a page, sign its cursors."""

from collections.abc import Callable, Sequence, Set
from functools import partial
from time import perf_counter
from typing import Any, Generic

import attrs

from feedkit.cursor import Cursor, CursorCodec
from feedkit.errors import InvalidCursor
from feedkit.ids import MAX_ID
from feedkit.log.applied import AppliedLog
from feedkit.metrics import PAGE, PAGES, Metrics
from feedkit.model import Item, Key
from feedkit.reading.hydrate import Hydrator
from feedkit.reading.pages import FIRST_PAGE, MODE_TIME, Filled, Hydrate, fill
from feedkit.reading.sources import OldestFirst, Source, Timelined, turned
from feedkit.relations import Relations
from feedkit.settings import Settings
from feedkit.storage.base import Truth
from feedkit.visibility import Surface


@attrs.frozen(slots=True)
class Opened:
    """A feed as one viewer has it before them: its entries, and what decides which of them are shown."""

    source: Source
    relations: Relations
    surface: Surface

    @property
    def oldest_first(self) -> bool:
        """Whether a page begins with the oldest."""
        return isinstance(self.source, OldestFirst)

    @property
    def degraded(self) -> bool:
        """Whether something was out of reach."""
        return isinstance(self.source, Timelined) and self.source.degraded

    @property
    def is_shared(self) -> bool:
        """Whether it may hold what this process has not heard of."""
        return isinstance(self.source, Timelined) and self.source.is_shared


_REFILLS = 3


@attrs.frozen(slots=True)
class FeedReader(Generic[Key]):
    """Reads pages of any feed."""

    truth: Truth
    hydrator: Hydrator[Key]
    cursors: CursorCodec
    settings: Settings
    log: AppliedLog
    metrics: Metrics | None = None

    def read(
        self, name: str, viewer_tag: int, cursor: object, limit: int, open_feed: Callable[[], Opened]
    ) -> dict[str, Any]:
        """The fields of a Page of the feed `name` as this viewer sees it."""
        if self.metrics is None:
            return self._read(name, viewer_tag, cursor, limit, open_feed)
        started = perf_counter()
        fields = self._read(name, viewer_tag, cursor, limit, open_feed)
        self.metrics.observe(PAGE, perf_counter() - started, name.partition(":")[0])
        outcome = "degraded" if fields.get("degraded") else "truncated" if fields["truncated"] else "whole"
        self.metrics.count(PAGES, 1, outcome)
        return fields

    def _read(
        self, name: str, viewer_tag: int, cursor: object, limit: int, open_feed: Callable[[], Opened]
    ) -> dict[str, Any]:
        at, opened, filled = self._page(self._decode(cursor, viewer_tag, name), limit, open_feed)
        follows, newer = filled.next_cursor(at), filled.newer_cursor(at, oldest_first=opened.oldest_first)
        return {
            "items": filled.items,
            "next_cursor": follows and self.cursors.encode(follows, viewer=viewer_tag, feed=name),
            "newer_cursor": self.cursors.encode(newer, viewer=viewer_tag, feed=name),
            "degraded": opened.degraded,
            "truncated": filled.truncated,
            "unreadable": filled.unreadable,
        }

    def count(
        self, name: str, viewer_tag: int, cursor: object, at_most: int, open_feed: Callable[[], Opened]
    ) -> int:
        """How many lines a page of at most so many would have. Raises InvalidCursor for any but a `newer_cursor`."""
        at = self._decode(cursor, viewer_tag, name)
        if cursor is None or at.before != MAX_ID:
            raise InvalidCursor
        return len(self._page(at, at_most, open_feed)[2].items)

    def _page(
        self, at: Cursor, limit: int, open_feed: Callable[[], Opened]
    ) -> tuple[Cursor, Opened, Filled[Key]]:
        """A page without what was committed while it was being read: the next poll brings that, once."""
        return self._unchanged(at, limit, open_feed) or self._applied(at, limit, open_feed)

    def _unchanged(
        self, at: Cursor, limit: int, open_feed: Callable[[], Opened]
    ) -> tuple[Cursor, Opened, Filled[Key]] | None:
        """A page as it is if nothing was committed of late; truth says whether that is so while it is made.

        It is asked once the feed was opened: so nothing that truth does not know of is in there either. None where
        something was committed, or where one has to look anyway.
        """
        number = self.log.expected()
        if number is None:
            return None
        at, opened = _begun(at, number), open_feed()
        with self.log.ask(number) as answer:
            times_read = self.truth.times_read()
            filled = self._fill(opened, at, limit)
            if not answer.nothing_newer() or not self.log.is_at(number):
                return None
        if self.truth.times_read() != times_read or number != at.mark:
            filled = self._without_new(opened, at, limit, filled)
        return at, opened, filled

    def _applied(
        self, at: Cursor, limit: int, open_feed: Callable[[], Opened]
    ) -> tuple[Cursor, Opened, Filled[Key]]:
        """The same, after the log was applied."""
        at, times_read = _begun(at, self.log.catch_up()), self.truth.times_read()
        opened = open_feed()
        filled = self._fill(opened, at, limit)
        unread = self.truth.times_read() == times_read and not opened.is_shared
        if not unread or not self.log.is_at(
            at.mark
        ):  # else all of it was in memory, and nothing newer is there
            filled = self._without_new(opened, at, limit, filled)
        return at, opened, filled

    def _fill(self, opened: Opened, at: Cursor, limit: int, left_out: Set[int] = frozenset()) -> Filled[Key]:
        hydrate: Hydrate[Key] = partial(
            self.hydrator.at_positions,
            relations=opened.relations,
            surface=opened.surface,
            authors_at=opened.source.authors_at if isinstance(opened.source, Timelined) else None,
        )
        if opened.oldest_first:
            hydrate = _turned(hydrate)
        source = opened.source.newer_than(at.since, at.mark) if at.until else opened.source
        return fill(source, hydrate, at, limit, self.settings.max_scan, left_out)

    def _without_new(self, opened: Opened, at: Cursor, limit: int, filled: Filled[Key]) -> Filled[Key]:
        left_out: set[int] = set()
        for _ in range(_REFILLS):
            too_new = self._too_new(opened.source, filled, at)
            if too_new <= left_out:
                break
            left_out |= too_new
            filled = self._fill(opened, at, limit, left_out)
        return filled

    def _too_new(self, source: Source, filled: Filled[Key], at: Cursor) -> set[int]:
        """The places of what was committed after this walk began, where it stands on the page or could come there."""
        if not filled.positions or self.log.stands_at(at.mark):
            return set()
        top, limit = filled.positions[0], self.settings.max_scan
        if isinstance(source, OldestFirst):
            self.log.catch_up()  # gives numbers to what was committed since
            return {turned(position) for position in source.committed_after(at.mark, top, limit)}
        newer = self.truth.read(lambda tx: self.truth.events.published_after(tx, at.mark, top, limit))
        return set() if set(filled.positions).isdisjoint(newer) else set(newer)

    def _decode(self, cursor: object, viewer_tag: int, name: str) -> Cursor:
        if cursor is None:
            return FIRST_PAGE
        at = self.cursors.decode(cursor, viewer=viewer_tag, feed=name)
        if at.mode != MODE_TIME:
            raise InvalidCursor
        return at


def _begun(at: Cursor, number: int) -> Cursor:
    """A walk that begins now, if it has not begun before, with the log applied up to this number."""
    return at if at.mark else Cursor(at.mode, at.before, at.until, at.since, mark=number)


def _turned(hydrate: Hydrate[Key]) -> Hydrate[Key]:
    """The same for the places of a feed that begins with the oldest."""

    def at_places(places: Sequence[int]) -> tuple[list[Item[Key] | None], set[int]]:
        items, undecoded = hydrate([turned(place) for place in places])
        return items, {turned(position) for position in undecoded}

    return at_places
