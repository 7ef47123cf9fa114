"""Bringing truth in line with the host's own table of follows, while both are in use.

Both sides are walked in the order of the followers' keys, a stretch at a time, so that memory holds one stretch
whatever their length, and who follows nobody in the host's table is met where they would stand. What is missing is
added at once. What is too much is removed when the host's pairs have ended as they should: a stream that breaks
off, or comes in the wrong order, has taken nothing away.

What people do meanwhile is in the log. A follow that was made since the run began is not removed, and one that was
ended since is not added again.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import attrs
import numpy as np

from feedkit.clock import Clock
from feedkit.errors import LimitExceeded
from feedkit.idset import Ids
from feedkit.model import Assoc, ReconcileReport
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx
from feedkit.storage.bulk import Links
from feedkit.writing.bulk.journal import Meanwhile
from feedkit.writing.bulk.links import FollowWriting, pairs_of
from feedkit.writing.bulk.people import People, Stored
from feedkit.writing.bulk.stream import Stretch, stretches
from feedkit.writing.bulk.token import Token

_USERS_AT_ONCE = 1000
_ALOUD = 1000
_SAMPLES = 10

Progress = Callable[[ReconcileReport[Any]], object]
Pair = tuple[Stored, Stored]


@attrs.frozen(slots=True, kw_only=True)
class Options:
    """How a reconciliation is to go."""

    dry_run: bool
    size: int
    max_removals: int
    progress: Progress | None
    token: Token


class Reconciling:
    """One run. What it has found so far is in its report."""

    def __init__(
        self,
        truth: Truth,
        people: People,
        writing: FollowWriting,
        clock: Clock,
        settings: Settings,
        options: Options,
    ) -> None:
        self._truth, self._people, self._writing, self._clock = truth, people, writing, clock
        self._settings, self._options = settings, options
        self._began = time.monotonic()
        self._meanwhile = Meanwhile(truth, options.token.since, settings.log_batch)
        self._surplus: list[tuple[int, int]] = list(options.token.removals)
        self._report: ReconcileReport[Any] = ReconcileReport(dry_run=options.dry_run)

    def run(self, pairs: Iterable[Any]) -> ReconcileReport[Any]:
        """Walk both sides to their ends."""
        after = self._options.token.after
        stored, most = self._people.stored, self._settings.following_max
        for stretch in stretches(pairs, stored, after=after, size=self._options.size, most=most):
            self._settle(stretch)
            if stretch.up_to is not None:
                self._advance(stretch.up_to)
        self._remove()
        self._tell(resume=None)
        return self._report

    def _settle(self, stretch: Stretch) -> None:
        found = self._people.find(key for pair in stretch.pairs for key in pair)
        wanted = list(dict.fromkeys(stretch.pairs))
        host = {(found[a], found[b]) for a, b in wanted if a in found and b in found}
        self._grow(pairs=len(stretch.pairs))
        standing: set[tuple[int, int]] = set()
        for followers in self._followers(stretch):
            those = self._follows_of(followers)
            standing |= those & host
            self._note_surplus(those - host)
        self._grow(unchanged=len(standing))
        missing = [pair for pair in wanted if _ids(pair, found) not in standing]
        if missing:
            self._add(missing, found)

    def _followers(self, stretch: Stretch) -> Iterator[Ids]:
        """The ids of everybody whose key lies in the stretch, in steps."""
        after = stretch.after
        while True:
            users = self._truth.read(
                partial(
                    self._truth.bulk.users_between, after=after, up_to=stretch.up_to, limit=_USERS_AT_ONCE
                )
            )
            if users:
                yield np.array([user_id for _, user_id in users], dtype=np.int64)
            if len(users) < _USERS_AT_ONCE:
                return
            after = users[-1][0]

    def _follows_of(self, followers: Ids) -> set[tuple[int, int]]:
        return pairs_of(self._truth.read(lambda tx: self._truth.bulk.from_each(tx, followers, Assoc.FOLLOWS)))

    # what is missing

    def _add(self, missing: list[Pair], found: dict[Stored, int]) -> None:
        if self._options.dry_run:
            self._truth.read(lambda tx: self._count_missing(tx, missing, found))
            return
        new = self._people.new_ids((key for pair in missing for key in pair), found)
        done = self._truth.write(lambda tx: self._write_missing(tx, missing, found, new))
        added, refused, in_flight = done
        self._grow(added=len(added), refused=len(refused), in_flight=in_flight)
        self._sample("sample_added", added)
        self._sample("sample_refused", refused)

    def _write_missing(
        self, tx: Tx, missing: list[Pair], found: dict[Stored, int], new: dict[Stored, int]
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]], int]:
        self._truth.bulk.hold_graph(tx)
        ids = found | self._people.add(tx, new)
        _, ended = self._meanwhile.look(tx)
        wanted = [pair for pair in (_ids(pair, ids) for pair in missing) if pair not in ended]
        done = self._writing.add(tx, self._links(wanted), aloud=len(wanted) <= _ALOUD)
        return done.added.pairs(), done.refused.pairs(), len(missing) - len(wanted)

    def _count_missing(self, tx: Tx, missing: list[Pair], found: dict[Stored, int]) -> None:
        """As `_write_missing`, without writing. Whom feedkit has not met, nobody blocks."""
        _, ended = self._meanwhile.look(tx)
        known = self._links([_ids(pair, found) for pair in missing if pair[0] in found and pair[1] in found])
        apart = set(self._writing.refused(tx, known).pairs()) if len(known) else set()
        for pair in missing:
            ids = _ids(pair, found)
            if ids in ended:
                self._grow(in_flight=1)
            elif ids in apart or pair[0] == pair[1]:
                self._grow(refused=1)
                self._sample_keys("sample_refused", [pair])
            else:
                self._grow(added=1)
                self._sample_keys("sample_added", [pair])

    # what is too much

    def _note_surplus(self, surplus: set[tuple[int, int]]) -> None:
        if not surplus:
            return
        if self._options.dry_run:
            started, _ = self._truth.read(self._meanwhile.look)
            gone = sorted(surplus - started)
            self._grow(removed=len(gone), in_flight=len(surplus) - len(gone))
            self._sample("sample_removed", gone)
            return
        self._surplus += sorted(surplus)
        limit = self._options.max_removals
        if len(self._surplus) > limit:
            started, _ = self._truth.read(self._meanwhile.look)
            self._surplus = [pair for pair in self._surplus if pair not in started]
        if len(self._surplus) > limit:
            raise LimitExceeded(
                f"pairs lack more than {limit} follows that stand in the feed; nothing was removed. Look at a dry_run, "
                "and if that is right raise max_removals",
                argument="max_removals",
                limit=limit,
                actual=len(self._surplus),
            )

    def _remove(self) -> None:
        surplus = sorted(set(self._surplus))
        for start in range(0, len(surplus), self._options.size):
            part = surplus[start : start + self._options.size]
            gone = self._truth.write(partial(self._write_removals, surplus=part))
            self._grow(removed=len(gone), in_flight=len(part) - len(gone))
            self._sample("sample_removed", gone)

    def _write_removals(self, tx: Tx, surplus: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        self._truth.bulk.hold_graph(tx)
        started, _ = self._meanwhile.look(tx)
        unwanted = [pair for pair in surplus if pair not in started]
        return self._writing.remove(tx, self._links(unwanted), aloud=len(unwanted) <= _ALOUD).pairs()

    # what is told

    def _advance(self, up_to: Stored) -> None:
        if self._options.progress is not None:
            token = Token(after=up_to, since=self._options.token.since, removals=tuple(self._surplus))
            self._tell(resume=None if self._options.dry_run else token.encode())
            self._options.progress(self._report)

    def _tell(self, resume: str | None) -> None:
        self._report = attrs.evolve(self._report, seconds=time.monotonic() - self._began, resume=resume)

    def _grow(self, **counts: int) -> None:
        grown = {name: getattr(self._report, name) + more for name, more in counts.items()}
        self._report = attrs.evolve(self._report, **grown)

    def _sample(self, name: str, pairs: Sequence[tuple[int, int]]) -> None:
        few = pairs[: _SAMPLES - len(getattr(self._report, name))]
        if few:
            keys = self._people.keys_of({user_id for pair in few for user_id in pair})
            self._sample_host(name, [(keys[a], keys[b]) for a, b in few])

    def _sample_keys(self, name: str, pairs: Sequence[Pair]) -> None:
        few = pairs[: _SAMPLES - len(getattr(self._report, name))]
        host_key = self._people.host_key
        self._sample_host(name, [(host_key(a), host_key(b)) for a, b in few])

    def _sample_host(self, name: str, pairs: Sequence[tuple[Any, Any]]) -> None:
        samples: dict[str, Any] = {name: (*getattr(self._report, name), *pairs)}
        self._report = attrs.evolve(self._report, **samples)

    def _links(self, pairs: Sequence[tuple[int, int]]) -> Links:
        columns = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        return Links(columns[:, 0], columns[:, 1], np.full(len(columns), self._clock.now_ms()))


def _ids(pair: Pair, found: dict[Stored, int]) -> tuple[int, int]:
    """0 stands for somebody whom feedkit has not met."""
    return found.get(pair[0], 0), found.get(pair[1], 0)
