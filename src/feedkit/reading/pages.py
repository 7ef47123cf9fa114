"""Pages: filled until they are full, and linked by cursors that hold while the feed changes."""

from collections.abc import Callable, Sequence, Set
from typing import Generic

import attrs

from feedkit.cursor import Cursor
from feedkit.ids import MAX_ID
from feedkit.model import Item, Key
from feedkit.reading.sources import Source, turned

MODE_TIME = "time"
FIRST_PAGE = Cursor(MODE_TIME, before=MAX_ID)
_SPARE = 1  # one entry more tells whether the feed goes on

Hydrate = Callable[[Sequence[int]], tuple[list[Item[Key] | None], set[int]]]
"""Items for places, in order, None for what is not to be seen; and at which places posts cannot be decoded."""


@attrs.frozen(slots=True)
class Filled(Generic[Key]):
    """What one page came to. `last` is the lowest place that was dealt with.

    `positions` are those of all that it shows, in order; several may have come to one item.
    """

    items: tuple[Item[Key], ...]
    positions: tuple[int, ...]
    last: int
    ended: bool
    truncated: bool
    unreadable: int

    def next_cursor(self, at: Cursor) -> Cursor | None:
        """What goes on below this page; None where the feed ends."""
        return None if self.ended else Cursor(at.mode, self.last, at.until, at.since, at.mark)

    def newer_cursor(self, at: Cursor, *, oldest_first: bool = False) -> Cursor:
        """What is newer than all that this page shows, or committed after its walk began."""
        if self.positions:
            top = max(self.positions[-1 if oldest_first else 0], at.until)
        elif oldest_first:
            top = max(turned(at.before), at.until)
        else:
            top = at.until if at.before == MAX_ID else at.before - 1
        return Cursor(at.mode, before=MAX_ID, until=top, since=at.mark)


def fill(
    source: Source, hydrate: Hydrate[Key], at: Cursor, limit: int, max_scan: int, left_out: Set[int]
) -> Filled[Key]:
    """Take entries from `source` until `limit` of them can be shown, it ends, or `max_scan` were looked at.

    A full page goes on only where something follows that can be shown too: a cursor that leads to an empty page
    would tell of what is hidden. Places in `left_out` are passed over.
    """
    lines: Lines[Key] = Lines(limit)
    last, scanned, unreadable = at.before, 0, 0
    while True:
        # Twice as far each time: where little of a feed may be shown, that is a handful of rounds.
        wanted = min(max(lines.room() + _SPARE, scanned), max_scan - scanned)
        places = source.window(last, at.until, wanted)
        hydrated, undecoded = hydrate(places)
        if left_out:
            hydrated = [
                None if place in left_out else item for place, item in zip(places, hydrated, strict=True)
            ]
        taken = lines.take(hydrated)
        unreadable += len(undecoded.intersection(places[:taken])) if undecoded else 0
        scanned += taken
        last = places[taken - 1] if taken else last
        exhausted = taken == len(places)
        ended = exhausted and len(places) < wanted
        if ended or not exhausted or scanned >= max_scan:
            truncated = not ended and lines.room() > 0
            return Filled(tuple(lines.items), tuple(lines.positions), last, ended, truncated, unreadable)


class Lines(Generic[Key]):
    """The lines of a page, where a post stands once, however many reposts brought it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.items: list[Item[Key]] = []
        self.positions: list[int] = []
        self._places: dict[int, int] = {}

    def room(self) -> int:
        """How many more lines there may be."""
        return self._limit - len(self.items)

    def take(self, hydrated: Sequence[Item[Key] | None]) -> int:
        """Move items over until there is no more room; how many entries were dealt with."""
        first = 0 if self.items else self._take_first(hydrated[: self._limit])
        items, places = self.items, self._places
        for index, item in enumerate(hydrated[first:], first):
            if item is None:
                continue
            place = places.get(item.post.id)
            if place is not None:
                items[place] = _with_reposts(items[place], item)
            elif len(items) == self._limit:
                return index
            else:
                places[item.post.id] = len(items)
                items.append(item)
            self.positions.append(item.position)
        return len(hydrated)

    def _take_first(self, hydrated: Sequence[Item[Key] | None]) -> int:
        """Move all of these over at once if each is a line of its own, as they mostly are; how many were moved."""
        items = [item for item in hydrated if item is not None]
        places = {item.post.id: place for place, item in enumerate(items)}
        if len(places) < len(hydrated):
            return 0
        self.items, self._places = items, places
        self.positions = [item.position for item in items]
        return len(items)


def _with_reposts(line: Item[Key], further: Item[Key]) -> Item[Key]:
    people = dict.fromkeys((*line.reposted_by, *further.reposted_by))
    return attrs.evolve(line, reposted_by=tuple(people))
