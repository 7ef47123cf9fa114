"""Importing follows."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from feedkit.clock import Clock
from feedkit.model import ImportReport
from feedkit.storage.base import Truth, Tx
from feedkit.storage.bulk import Links
from feedkit.writing.bulk.chunks import Past, Progress, Settled, in_chunks, unlike
from feedkit.writing.bulk.links import FollowWriting
from feedkit.writing.bulk.people import People, Stored

_Follow = tuple[Stored, Stored, int]
"""Follower, followee, and when (Unix milliseconds)."""


class FollowImport:
    """Follows as the host has them, each at its own time or now."""

    def __init__(self, truth: Truth, people: People, writing: FollowWriting, clock: Clock) -> None:
        self._truth, self._people, self._writing, self._past = truth, people, writing, Past(clock)

    def run(self, rows: Iterable[Any], *, size: int, start: int, progress: Progress | None) -> ImportReport:
        """Import (follower, followee) or (follower, followee, at) rows."""
        return in_chunks(rows, self._check, self._write, size=size, start=start, progress=progress)

    def _check(self, row: Any) -> _Follow:
        if not isinstance(row, (tuple, list)) or len(row) not in (2, 3):
            raise unlike(row, "(follower, followee) or (follower, followee, at)")
        at = row[2] if len(row) == 3 else None
        stored = self._people.stored
        return stored(row[0], "follower"), stored(row[1], "followee"), self._past.ms("at", at)

    def _write(self, chunk: list[_Follow], _first: int) -> Settled:
        followers, followees, times = zip(*chunk, strict=True)
        keys = set(followers) | set(followees)
        found = self._people.find(keys)
        new = self._people.new_ids(keys, found)

        def work(tx: Tx) -> Settled:
            self._truth.bulk.hold_graph(tx)
            ids = found | self._people.add(tx, new)
            columns = ([ids[one] for one in followers], [ids[one] for one in followees], times)
            return self._store(tx, Links(*(np.array(column, dtype=np.int64) for column in columns)))

        return self._truth.write(work)

    def _store(self, tx: Tx, links: Links) -> Settled:
        """Of rows that name the same two, the first stands for them all."""
        done = self._writing.add(tx, links.distinct(), aloud=False)
        return Settled(len(done.added), len(done.refused))
