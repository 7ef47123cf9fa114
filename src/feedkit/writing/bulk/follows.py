"""Importing follows."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import attrs
import numpy as np

from feedkit.clock import Clock
from feedkit.model import ImportReport
from feedkit.storage.base import Truth, Tx
from feedkit.storage.bulk import Links
from feedkit.writing.bulk.chunks import Loading, Past, Progress, Settled, in_chunks, unlike
from feedkit.writing.bulk.links import FollowWriting
from feedkit.writing.bulk.people import Named, People, Stored


@attrs.frozen(slots=True)
class _Follows:
    """Columns: who, whom, and when (Unix milliseconds)."""

    followers: Sequence[Stored]
    followees: Sequence[Stored]
    times: Sequence[int]


_Prepared = tuple[Named, Links]
"""Those who are named, and follows between their places."""


class FollowImport:
    """Follows as the host has them, each at its own time or now."""

    def __init__(self, truth: Truth, people: People, writing: FollowWriting, clock: Clock) -> None:
        self._truth, self._people, self._writing, self._past = truth, people, writing, Past(clock)

    def run(self, rows: Iterable[Any], *, size: int, start: int, progress: Progress | None) -> ImportReport:
        """Import (follower, followee) or (follower, followee, at) rows."""
        ahead = not self._truth.one_writer
        steps = self._check, self._prepare, self._write
        return in_chunks(rows, *steps, size=size, start=start, progress=progress, ahead=ahead)

    def _check(self, rows: Sequence[Any]) -> _Follows:
        if not ({*map(type, rows)} <= {tuple, list} and {*map(len, rows)} == {3}):
            rows = [_with_time(row) for row in rows]
        followers, followees, ats = zip(*rows, strict=True)
        stored = self._people.stored_many
        return _Follows(
            stored(followers, "follower"), stored(followees, "followee"), self._past.ms_of_many("at", ats)
        )

    def _prepare(self, pieces: Sequence[_Follows]) -> _Prepared:
        columns = zip(*((piece.followers, piece.followees, piece.times) for piece in pieces), strict=True)
        followers, followees, times = (list(chain.from_iterable(column)) for column in columns)
        named, places = self._people.named(followers, followees)
        return named, Links(places[0], places[1], np.array(times, dtype=np.int64))

    def _write(self, chunk: _Prepared, _first: int, loading: Loading) -> Settled:
        """Of rows that name the same two, the first stands for them all."""
        named, places = chunk

        def work(tx: Tx) -> Settled:
            self._truth.bulk.hold_graph(tx)
            ids = self._people.ids(tx, named)
            links = Links(ids[places.id1], ids[places.id2], places.time).distinct()
            done = self._writing.add(tx, links, aloud=False, loading=loading)
            return Settled(len(done.added), len(done.refused))

        return self._truth.write(work)


def _with_time(row: Any) -> Sequence[Any]:
    if not isinstance(row, (tuple, list)) or len(row) not in (2, 3):
        raise unlike(row, "(follower, followee) or (follower, followee, at)")
    return (*row, None)[:3]
