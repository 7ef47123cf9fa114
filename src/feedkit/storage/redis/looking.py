"""Looking at lists, and at the marks of their buckets before, in one trip."""

from collections.abc import Sequence

import attrs
import numpy as np

from feedkit.storage.entries import merge, unpack
from feedkit.storage.redis.commands import Each, command
from feedkit.storage.redis.keys import Keys
from feedkit.storage.redis.layout import (
    BUILDING,
    HEADER_BYTES,
    IDENTITY_BYTES,
    SEALED,
    Header,
    header_of,
    timeline_of,
)
from feedkit.storage.redis.marks import Mark, mark_of
from feedkit.storage.redis.replies import Listed
from feedkit.storage.redis.wire import Wire
from feedkit.storage.timelines import Timeline

_FOREIGN = Header(b"", b"", b"")


@attrs.frozen(slots=True)
class Held:
    """A list, and the mark of its bucket as it was before."""

    header: Header
    block: bytes
    tail: bytes
    length: int
    left_ms: int
    mark: Mark

    @property
    def identity(self) -> bytes:
        """What no other list begins with."""
        return self.block[:IDENTITY_BYTES]

    @property
    def is_foreign(self) -> bool:
        """Whether this code does not know its form."""
        return self.header is _FOREIGN

    def of_now(self) -> "Held | None":
        """Itself, None where it is of an older epoch, or foreign."""
        return self if self.header.epoch == self.mark.epoch and not self.is_foreign else None

    def wanted_from(self) -> int | None:
        """From where on entries have to come into it: always, where that is not known; None where nobody reads it."""
        if self.is_foreign:
            return 0
        if self.of_now() is None:
            return None
        return 0 if self.header.kind == BUILDING else self.timeline(of_inbox=False).floor

    def timeline(self, *, of_inbox: bool) -> Timeline:
        """What it holds, and in an inbox what is still to be delivered to it."""
        timeline = timeline_of(self.block, self.tail, self.header.floor)
        entries = timeline.entries
        if of_inbox and self.mark.under_way:
            entries = merge([entries, unpack(self.mark.under_way)])
        return Timeline(entries, timeline.floor, self.mark.number)


@attrs.frozen(slots=True)
class Looking:
    """Lists of one kind to be looked at, with their buckets; `timed`: also how long they have left to live."""

    keys: Keys
    owners: Sequence[int]
    buckets: Sequence[int]
    timed: bool


def looked_at(wire: Wire, lookings: Sequence[Looking]) -> list[list[Held | None]]:
    """What is held of the lists of each kind, in order; None for what is missing."""
    marked = sorted({bucket for one in lookings for bucket in one.buckets})
    commands = [command(b"GET", lookings[0].keys.mark(bucket)) for bucket in marked]
    buckets = list(marked)
    for one in lookings:
        names = [one.keys.of(owner) for owner in one.owners]
        commands += [command(b"LRANGE", name, b"0", b"-1") for name in names]
        commands += [command(b"PTTL", name) for name in names] if one.timed else []
        buckets += [*one.buckets, *one.buckets] if one.timed else one.buckets
    # Marks come first, over the same connection: the lists then hold what they say.
    answers = iter(wire.values(np.array(buckets, dtype=np.int64), Each(commands), together=True))
    marks = {bucket: mark_of(next(answers)) for bucket in marked}
    found = []
    for one in lookings:
        listed = [next(answers) for _ in one.owners]
        left_ms = [next(answers) if one.timed else 0 for _ in one.owners]
        rows = zip(listed, left_ms, one.buckets, strict=True)
        found.append([_held(data, ms, marks[bucket]) for data, ms, bucket in rows])
    return found


def is_whole(head: bytes) -> bool:
    """Whether what `scripts.HEAD` gives is of a timeline to be read."""
    header = header_of(head)
    return header is not None and header.kind == SEALED and header.epoch == head[HEADER_BYTES:]


def wanted_from(head: bytes) -> int | None:
    """From where on entries have to come into a timeline, by what `scripts.HEAD` gives of it; None for nowhere."""
    if not head:
        return None
    header = header_of(head)
    if header is None:
        return 0
    if header.epoch != head[HEADER_BYTES:]:
        return None
    return header.floor if header.kind == SEALED else 0


def _held(listed: object, left_ms: int, mark: Mark) -> Held | None:
    match listed:
        case Listed(head, tail, length):
            return Held(header_of(head) or _FOREIGN, head, tail, length, left_ms, mark)
        case [bytes(head), *others]:
            return Held(_FOREIGN, head, b"", 1 + len(others), left_ms, mark)
    return None
