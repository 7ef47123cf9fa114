"""Packed timeline entries: order, merge, cut and filter, in pure numpy.

An entry is 16 bytes, big-endian: position (int64), author (int64). A timeline is any
concatenation of entries; order and duplicates are settled when it is read. The same codec
serves every timeline driver.
"""

from collections.abc import Sequence
from itertools import pairwise

import attrs
import numpy as np
from numpy.typing import NDArray

from feedkit.ids import MAX_ID
from feedkit.idset import EMPTY as NO_IDS
from feedkit.idset import Ids, contains

ENTRY_BYTES = 16


@attrs.define(eq=False)
class Entries:
    """Entries in timeline order: `positions` strictly descending, `authors` beside them (both int64, shape (n,))."""

    positions: Ids
    authors: Ids

    def __len__(self) -> int:
        return len(self.positions)

    def window(self, before: int, floor: int, limit: int) -> "Entries":
        """The first `limit` entries with `floor` <= position < `before`."""
        start = self.start(before)
        return self[start : min(self.start(floor), start + limit)]

    def start(self, before: int) -> int:
        """The index of the first entry with position < `before`."""
        positions = self.positions
        if not len(positions) or positions[0] < before:  # as for every first page
            return 0
        if positions[-1] >= before:
            return len(positions)
        return len(self.positions) - int(self.positions[::-1].searchsorted(before))

    def without(self, positions: Ids) -> "Entries":
        """All but those at `positions` (sorted)."""
        return self[~contains(positions, self.positions)]

    def of_authors(self, authors: Ids) -> "Entries":
        """Those by `authors` (sorted)."""
        theirs = contains(authors, self.authors)
        return self if theirs.all() else self[theirs]

    def __getitem__(self, part: "slice | NDArray[np.bool_] | Ids") -> "Entries":
        return Entries(self.positions[part], self.authors[part])


EMPTY = Entries(NO_IDS, NO_IDS)


def settle(positions: Ids, authors: Ids) -> Entries:
    """Entries from arrays in any order, with duplicates: newest first, each position once."""
    order = np.argsort(positions, kind="stable")[::-1]
    positions, authors = positions[order], authors[order]
    if len(positions) > 1:
        first = np.empty(len(positions), dtype=np.bool_)
        first[0] = True
        np.not_equal(positions[1:], positions[:-1], out=first[1:])
        if not first.all():
            return Entries(positions[first], authors[first])
    return Entries(positions, authors)


def of_rows(rows: Sequence[tuple[int, int]]) -> Entries:
    """Entries from (position, author) rows in any order."""
    if not rows:
        return EMPTY
    if len(rows) == 1:
        return Entries(np.array(rows[0][:1]), np.array(rows[0][1:]))
    table = np.array(rows, dtype=np.int64)
    return settle(table[:, 0], table[:, 1])


def merge(parts: Sequence[Entries]) -> Entries:
    """One timeline of several, each position once."""
    held = [part for part in parts if len(part)]
    if not held:
        return EMPTY
    if len(held) == 1:
        return held[0]
    if all(above.positions[-1] > below.positions[0] for above, below in pairwise(held)):
        return Entries(  # as it mostly is: what was delivered last is newer than all that was there
            np.concatenate([part.positions for part in held]), np.concatenate([part.authors for part in held])
        )
    return settle(
        np.concatenate([part.positions for part in held]),
        np.concatenate([part.authors for part in held]),
    )


def newest_positions(parts: Sequence[Entries], before: int, floor: int, limit: int) -> Ids:
    """The highest `limit` positions p with floor <= p < before of timelines that have none in common, descending.

    Made for hundreds of outboxes, so it does as little as it can for each.
    """
    chosen = []
    for part in parts:
        positions = part.positions
        if not len(positions) or positions[0] < floor:
            continue
        start = 0 if positions[0] < before else part.start(before)
        chosen.append(positions[start : start + limit])
    if not chosen:
        return NO_IDS
    if len(chosen) == 1:
        merged = chosen[0]
    else:
        merged = np.concatenate(chosen)
        if len(merged) > limit:
            merged = np.partition(merged, len(merged) - limit)[-limit:]
        merged = np.sort(merged)[::-1]
    if not len(merged) or merged[-1] >= floor:
        return merged
    return merged[merged >= floor]


def cut(entries: Entries, capacity: int, floor: int) -> tuple[Entries, int]:
    """The newest `capacity` entries at or above `floor`, and the floor above which they are complete."""
    kept = entries.window(MAX_ID, floor, len(entries))
    if len(kept) <= capacity:
        return kept, floor
    newest = Entries(kept.positions[:capacity].copy(), kept.authors[:capacity].copy())  # frees the rest
    return newest, int(kept.positions[capacity]) + 1


def pack(entries: Entries) -> bytes:
    """Entries as bytes, in their order."""
    table = np.empty((len(entries), 2), dtype=">i8")
    table[:, 0] = entries.positions
    table[:, 1] = entries.authors
    return table.tobytes()


def unpack(data: bytes | bytearray) -> Entries:
    """Entries of any concatenation of packed ones, and of any other bytes: what cannot be an entry is left out."""
    whole = len(data) // ENTRY_BYTES
    table = np.frombuffer(data, dtype=">i8", count=whole * 2).reshape(whole, 2).astype(np.int64)
    sane = (table > 0).all(axis=1)
    if not sane.all():
        table = table[sane]
    return settle(table[:, 0], table[:, 1])
