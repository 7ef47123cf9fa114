"""What stands in the list of a timeline: a block, sealed or being built, and behind it entries as they came.

The block is the first element: a header, and in a sealed one its entries, newest first. Every other element
is 16 bytes: an entry, or a *note*, whose author is no user.

    header  "FK", version, "S" sealed or "B" building, stamp (8 bytes), epoch (8), floor (int64), 4 spare bytes

The stamp is the generation of a sealed block and the token of one being built: who would replace a block
must have seen the very block that stands there.

While releases change, one finds lists of another version. It delivers to them as to its own, so whatever a later
version puts in place of the block, behind it come elements of this form, or its lists have other keys. It does not
read them: who looks for such an inbox has it built anew, in a form that the next version still reads.
"""

import secrets
import struct
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from feedkit.idset import Ids
from feedkit.storage.entries import EMPTY, ENTRY_BYTES, Entries, cut, pack
from feedkit.storage.timelines import Timeline

_VERSION = 1
_HEADER = struct.Struct(">2sBc8s8sq4x")
HEADER_BYTES = _HEADER.size
EPOCH_BYTES = 8
IDENTITY_BYTES = 12  # up to and with the stamp
SEALED, BUILDING = b"S", b"B"
FLOOR_NOTE, REMOVAL_NOTE = 0, -1
"""In the place of an author: the floor is at least that position; what came before at that position is gone."""

_ENTRY = np.dtype((np.void, ENTRY_BYTES))


@attrs.frozen(slots=True)
class Header:
    """How a block begins."""

    kind: bytes
    stamp: bytes
    epoch: bytes
    floor: int = 0

    def pack(self) -> bytes:
        """Its bytes."""
        return _HEADER.pack(b"FK", _VERSION, self.kind, self.stamp, self.epoch, self.floor)

    @property
    def identity(self) -> bytes:
        """What no other block ever begins with."""
        return self.pack()[:IDENTITY_BYTES]


@attrs.frozen(slots=True)
class Block:
    """A sealed block of a new generation, but for its epoch: that of whatever it replaces."""

    floor: int
    entries: bytes

    def around_epoch(self) -> tuple[bytes, bytes]:
        """Its bytes, up to the epoch and behind it."""
        header = Header(SEALED, stamp_of(fresh_token()), b"", self.floor).pack()
        return header[:IDENTITY_BYTES], header[IDENTITY_BYTES + EPOCH_BYTES :] + self.entries


def header_of(block: bytes) -> Header | None:
    """The header of a block, None where it is none of this version's."""
    if len(block) < HEADER_BYTES:
        return None
    magic, version, kind, stamp, epoch, floor = _HEADER.unpack_from(block)
    if magic != b"FK" or version != _VERSION or kind not in (SEALED, BUILDING) or floor < 0:
        return None
    return Header(kind, stamp, epoch, floor)


def stamp_of(token: int) -> bytes:
    """A token as it stands in a header."""
    return token.to_bytes(8, "big")


def fresh_token() -> int:
    """A token or generation that nothing else has, nor will have."""
    return secrets.randbits(63) | 1


def notes(positions: Ids, kind: int) -> bytes:
    """A note of this kind for each position."""
    table = np.empty((len(positions), 2), dtype=">i8")
    table[:, 0], table[:, 1] = positions, kind
    return table.tobytes()


def timeline_of(block: bytes, tail: bytes, floor: int) -> Timeline:
    """What a list holds: the last word on every position counts, and floors only rise."""
    entries = _table(memoryview(block)[HEADER_BYTES:])
    newest_first = np.concatenate([_table(tail)[::-1], entries]) if tail else entries
    positions, authors = np.array(newest_first.T, dtype=np.int64, order="C")
    if not len(positions):
        return Timeline(EMPTY, floor)
    if authors.min() > 0 and positions[-1] > 0 and (positions[1:] < positions[:-1]).all():
        return Timeline(Entries(positions, authors), floor)  # as it mostly is: without notes, and each newer
    positions, authors = positions[::-1], authors[::-1]
    if (authors == FLOOR_NOTE).any():
        floor = max(floor, int(positions[authors == FLOOR_NOTE].max()))
        kept = authors != FLOOR_NOTE
        positions, authors = positions[kept], authors[kept]
    if len(positions) > 1 and not (positions[1:] > positions[:-1]).all():
        order = np.argsort(positions, kind="stable")
        positions, authors = positions[order], authors[order]
        last = np.append(positions[1:] != positions[:-1], True)
        positions, authors = positions[last], authors[last]
    sane = (positions > 0) & (authors > 0)
    if not sane.all():
        positions, authors = positions[sane], authors[sane]
    return Timeline(Entries(positions[::-1], authors[::-1]), floor)


def sealed_anew(block: bytes, tail: bytes, floor: int, capacity: int) -> "Block":
    """What a list holds, in one block: at most `capacity` entries at or above its floor."""
    entries = _grown(block, tail)
    if entries is None or int.from_bytes(entries[-ENTRY_BYTES:][:8], "big") < floor:
        return sealed(timeline_of(block, tail, floor), capacity)
    if len(entries) > capacity * ENTRY_BYTES:
        first_cut = entries[capacity * ENTRY_BYTES :][:8]
        entries, floor = entries[: capacity * ENTRY_BYTES], int.from_bytes(first_cut, "big") + 1
    return Block(floor, entries)


def sealed(timeline: Timeline, capacity: int) -> "Block":
    """A timeline in one block, cut to `capacity` entries."""
    entries, floor = cut(timeline.entries, capacity, timeline.floor)
    return Block(floor, pack(entries))


def _grown(block: bytes, tail: bytes) -> bytes | None:
    """The entries, newest first, where all that came is newer than what was there, in order, and no note."""
    came = np.frombuffer(tail, dtype=">i8").astype(np.int64)
    positions, authors = came[::2], came[1::2]
    newest = int.from_bytes(block[HEADER_BYTES : HEADER_BYTES + 8], "big") if len(block) > HEADER_BYTES else 0
    if not len(positions) or positions[0] <= newest or authors.min() <= 0:
        return None
    if not (positions[1:] > positions[:-1]).all():
        return None
    return np.frombuffer(tail, dtype=_ENTRY)[::-1].tobytes() + block[HEADER_BYTES:]


def _table(data: bytes | memoryview) -> NDArray[Any]:
    whole = len(data) // ENTRY_BYTES
    return np.frombuffer(data, dtype=">i8", count=2 * whole).reshape(whole, 2)
