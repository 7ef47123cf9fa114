"""Pages: filled until they are full, and linked by cursors that hold while the feed changes."""

from collections.abc import Callable, Sequence, Set
from typing import Generic

import attrs

from feedkit.cursor import Cursor
from feedkit.ids import MAX_ID
from feedkit.model import Item, Key
from feedkit.reading.sources import Source

MODE_TIME = "time"
FIRST_PAGE = Cursor(MODE_TIME, before=MAX_ID)
_SPARE = 1  # one entry more tells whether the feed goes on

Hydrate = Callable[[Sequence[int]], tuple[list[Item[Key] | None], set[int]]]
"""Items for positions, in order, None for what is not to be seen; and which posts cannot be decoded."""


@attrs.frozen(slots=True)
class Filled(Generic[Key]):
    """What one page came to. `last` is the lowest position that was dealt with."""

    items: tuple[Item[Key], ...]
    last: int
    ended: bool
    truncated: bool
    unreadable: int

    def next_cursor(self, at: Cursor) -> Cursor | None:
        """What goes on below this page; None where the feed ends."""
        return None if self.ended else Cursor(at.mode, self.last, at.until, at.since, at.mark)

    def newer_cursor(self, at: Cursor) -> Cursor:
        """What is newer than this page: above its first item, or committed after its walk began."""
        if self.items:
            top = max(self.items[0].post.position, at.until)
        else:
            top = at.until if at.before == MAX_ID else at.before - 1
        return Cursor(at.mode, before=MAX_ID, until=top, since=at.mark)


def fill(
    source: Source, hydrate: Hydrate[Key], at: Cursor, limit: int, max_scan: int, left_out: Set[int]
) -> Filled[Key]:
    """Take entries from `source` until `limit` of them can be shown, it ends, or `max_scan` were looked at.

    Positions in `left_out` are passed over.
    """
    items: list[Item[Key]] = []
    last, scanned, unreadable = at.before, 0, 0
    while True:
        # Twice as far each time: where little of a feed may be shown, that is a handful of rounds.
        wanted = min(max(limit - len(items) + _SPARE, scanned), max_scan - scanned)
        positions = source.window(last, at.until, wanted)
        hydrated, undecoded = hydrate(positions)
        if left_out:
            hydrated = [
                None if position in left_out else item
                for position, item in zip(positions, hydrated, strict=True)
            ]
        taken = _take(hydrated, limit - len(items), items)
        unreadable += len(undecoded.intersection(positions[:taken]))
        scanned += taken
        last = positions[taken - 1] if taken else last
        exhausted = taken == len(positions)
        ended = exhausted and len(positions) < wanted
        if ended or len(items) == limit or scanned >= max_scan:
            truncated = not ended and len(items) < limit
            return Filled(tuple(items), last, ended, truncated, unreadable)


def _take(hydrated: Sequence[Item[Key] | None], room: int, items: list[Item[Key]]) -> int:
    """Move items over until there is no more room; how many entries were dealt with."""
    for index, item in enumerate(hydrated):
        if item is not None:
            items.append(item)
            room -= 1
            if not room:
                return index + 1
    return len(hydrated)
