"""Pages of lists that are ordered by a number and an id: filled until they are full, linked by cursors."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import attrs

from feedkit.cursor import Cursor, CursorCodec
from feedkit.errors import InvalidCursor
from feedkit.ids import MAX_ID
from feedkit.storage.engaging import Mark

E = TypeVar("E")
T = TypeVar("T")

TOP: Mark = (MAX_ID, MAX_ID)
"""Before everything in a list that descends."""
WHOLE = (TOP, (0, 0))
_SPARE = 1  # one entry more tells whether the list goes on

Fetch = Callable[[Mark, int], Sequence[tuple[Mark, E]]]
"""So many entries past a mark, in order; fewer only where there are no more."""
Show = Callable[[Sequence[E]], Sequence[T | None]]
"""What a viewer gets to see of entries, beside them; None for nothing."""


@attrs.frozen(slots=True)
class Walked(Generic[T]):
    """What one page came to. `marks` stand beside `items`; `last` is where it goes on, None at the end."""

    items: tuple[T, ...]
    marks: tuple[Mark, ...]
    last: Mark | None
    truncated: bool


def walk(fetch: Fetch[E], show: Show[E, T], start: Mark, limit: int, max_scan: int) -> Walked[T]:
    """Take entries until `limit` of them can be shown, the list ends, or `max_scan` were looked at."""
    items: list[T] = []
    marks: list[Mark] = []
    last, scanned = start, 0
    while True:
        wanted = min(max(limit - len(items) + _SPARE, scanned), max_scan - scanned)
        entries = fetch(last, wanted)
        for (mark, _), item in zip(entries, show([entry for _, entry in entries]), strict=True):
            if item is not None:
                if len(items) == limit:
                    return Walked(tuple(items), tuple(marks), last, truncated=False)
                items.append(item)
                marks.append(mark)
            last = mark
        scanned += len(entries)
        if len(entries) < wanted:
            return Walked(tuple(items), tuple(marks), None, truncated=False)
        if scanned >= max_scan:
            return Walked(tuple(items), tuple(marks), last, truncated=len(items) < limit)


@attrs.frozen(slots=True)
class MarkCursors:
    """Cursors of one list for one viewer."""

    codec: CursorCodec
    viewer_tag: int
    name: str
    mode: str

    def decode(self, cursor: object) -> tuple[Mark, Mark] | None:
        """The two marks that a cursor holds; None for no cursor. Raises InvalidCursor."""
        if cursor is None:
            return None
        at = self.codec.decode(cursor, viewer=self.viewer_tag, feed=self.name)
        if at.mode != self.mode:
            raise InvalidCursor
        return (at.since, at.before), (at.mark, at.until)

    def within(self, start: Mark | None, stop: Mark = (0, 0)) -> str | None:
        """What lies between two marks, both left out; None where there is no start."""
        return None if start is None else self._encode(start, stop)

    def newer(self, stop: Mark) -> str:
        """What lies above a mark."""
        return self._encode(TOP, stop)

    def _encode(self, start: Mark, stop: Mark) -> str:
        cursor = Cursor(self.mode, before=start[1], since=start[0], until=stop[1], mark=stop[0])
        return self.codec.encode(cursor, viewer=self.viewer_tag, feed=self.name)
