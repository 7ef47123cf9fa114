"""Timelines as readers have them: as they are held, or built from truth where they are missing."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np
from attrs import evolve

from feedkit.errors import OutOfReach
from feedkit.fanout.near import NearOutboxes
from feedkit.fanout.pairs import Pairs
from feedkit.fanout.recent import Recent
from feedkit.ids import MAX_ID
from feedkit.idset import EMPTY, Ids, idset
from feedkit.metrics import BUILDS, Metrics
from feedkit.relations import Tie
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx
from feedkit.storage.entries import Entries
from feedkit.storage.flights import Flights
from feedkit.storage.timelines import Timeline, TimelineStore, TimelineStores

T = TypeVar("T")
_ROWS_AT_ONCE = 20_000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.002, 0.02


class Sharing(Protocol):
    """What a process knows of timelines that it shares with others."""

    def applied(self) -> int:
        """The number of the log up to which this process has come, or begun to come."""

    def deliver(self) -> None:
        """Deliver what is pending, or wait a moment for those who do, unless it cannot be done now."""

    @property
    def others_deliver(self) -> bool:
        """Whether readers leave it to workers, as long as they know what is missing."""

    recent: Recent


class Timelines:
    """Inboxes and outboxes, whole.

    To build one, the store is told first, so that deliveries queue up behind the build; only then truth is
    read. What is delivered meanwhile may be in both, and counts once.

    Timelines that processes share may be behind this one: then they are delivered to first. If that cannot be, or
    they are out of reach, readers get what truth says, and are told.
    """

    def __init__(
        self,
        truth: Truth,
        stores: TimelineStores,
        settings: Settings,
        pairs: Pairs | None = None,
        *,
        shared: Sharing | None = None,
        near: NearOutboxes | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._truth, self._pairs = truth, pairs
        self._inboxes, self._outboxes = stores.inboxes, stores.outboxes
        self._inbox_entries, self._outbox_entries = settings.inbox_entries, settings.outbox_entries
        self._metrics = metrics
        self._flights = Flights()
        self._shared, self._near = shared, near
        self._wait_s = settings.shared_wait_ms / 1000

    def note_read(self, reader_id: int) -> None:
        """Somebody is about to be shown a page; policies that choose by pairs go by this."""
        if self._pairs is not None:
            self._pairs.read(reader_id)

    def pulled_by(self, reader_id: int) -> Ids:
        """Authors whom this reader pulls for themselves, sorted; to be asked for before the inbox."""
        return EMPTY if self._pairs is None else self._pairs.pulled_by(reader_id)

    def home(self, reader_id: int, author_ids: Sequence[int]) -> tuple[Timeline, list[Timeline]]:
        """The inbox of a reader, and the outboxes of authors in any order: in one trip where both are far away."""
        read: list[Timeline | None] = []

        def fetch(missing: Sequence[int]) -> dict[int, Timeline]:
            try:
                inbox, outboxes = self._inboxes.read_with((reader_id,), self._outboxes, missing)
            except OutOfReach:
                return self._outboxes_from_truth(missing)
            read.extend(inbox)
            return self._outboxes_of(missing, outboxes)

        if self._near is None:
            return self.inbox(reader_id), self.outboxes(author_ids)
        outboxes = self._near.get(author_ids, fetch)
        return self.inbox(reader_id, read or None), outboxes

    def inbox(self, reader_id: int, read: Sequence[Timeline | None] | None = None) -> Timeline:
        """The inbox of a reader; who comes while it is being built waits for that same build.

        `read`: what is held of it, where that was looked at already.
        """
        goal = self._goal()
        try:
            (held,) = self._read(self._inboxes, (reader_id,), goal, read)
            if held is not None:
                return held if held.complete_to >= goal else self._from_truth(reader_id)
            with self._flights.one(reader_id):
                (held,) = self._read(self._inboxes, (reader_id,), goal)
                return held if held and held.complete_to >= goal else self._build_inbox(reader_id)
        except OutOfReach:
            return self._from_truth(reader_id)

    @property
    def are_shared(self) -> bool:
        """Whether other processes may have delivered what this one has not heard of."""
        return self._shared is not None

    def outboxes(self, author_ids: Sequence[int]) -> list[Timeline]:
        """The outboxes of authors, in any order."""
        if self._near is not None:
            return self._near.get(author_ids, self._outboxes_of)
        return list(self._outboxes_of(author_ids).values())

    def _outboxes_of(
        self, author_ids: Sequence[int], read: Sequence[Timeline | None] | None = None
    ) -> dict[int, Timeline]:
        goal = self._goal()
        try:
            held = dict(zip(author_ids, self._read(self._outboxes, author_ids, goal, read), strict=True))
            complete = {one: found for one, found in held.items() if found and found.complete_to >= goal}
            if len(complete) == len(held):
                return complete
            missing = [one for one, found in held.items() if found is None]
            behind = [one for one, found in held.items() if found and one not in complete]
            return (
                complete | self._in_steps(missing, self._build_outboxes) | self._outboxes_from_truth(behind)
            )
        except OutOfReach:
            return self._outboxes_from_truth(author_ids)

    def _goal(self) -> int:
        """How far timelines have to have come for this read: as far as all that it has looked at before."""
        return 0 if self._shared is None else self._shared.applied()

    def _read(
        self,
        store: TimelineStore,
        owners: Sequence[int],
        goal: int,
        read: Sequence[Timeline | None] | None = None,
    ) -> Sequence[Timeline | None]:
        """What a store holds; where that is behind this process, what it lacks is merged in or delivered first."""
        held, shared = store.read_many(owners) if read is None else read, self._shared
        if shared is None or _have_come(held, goal):
            return held
        complete = shared.recent.inbox if store is self._inboxes else shared.recent.outbox
        if shared.others_deliver:
            held = _completed(owners, held, goal, complete)
            if _have_come(held, goal):
                return held
        shared.deliver()
        return _completed(owners, store.read_many(owners), goal, complete)

    def _from_truth(self, reader_id: int) -> Timeline:
        found = self._ask(lambda tx: self._delivered(tx, reader_id))
        return evolve(self._timeline(found, self._inbox_entries), degraded=True)

    def _outboxes_from_truth(self, author_ids: Sequence[int]) -> dict[int, Timeline]:
        built = self._in_steps(author_ids, self._newest_of)
        return {one: evolve(timeline, degraded=True) for one, timeline in built.items()}

    def _in_steps(
        self, author_ids: Sequence[int], build: Callable[[Sequence[int]], list[Timeline]]
    ) -> dict[int, Timeline]:
        step = max(1, _ROWS_AT_ONCE // self._outbox_entries)
        built: dict[int, Timeline] = {}
        for start in range(0, len(author_ids), step):
            some = author_ids[start : start + step]
            built.update(zip(some, build(some), strict=True))
        return built

    def _build_inbox(self, reader_id: int) -> Timeline:
        token = self._inboxes.begin(reader_id)
        if token is None and (built := self._built_by_others(reader_id)) is not None:
            return built
        if self._metrics is not None:
            self._metrics.count(BUILDS, 1)
        if token is not None and self._pairs is not None:
            self._pairs.forget(reader_id)
        try:
            built = self._timeline(self._ask(lambda tx: self._delivered(tx, reader_id)), self._inbox_entries)
        except BaseException:
            if token is not None:
                self._inboxes.drop((reader_id,))
            raise
        if token is not None:
            self._inboxes.install(reader_id, token, built.entries, built.floor)
        return built

    def _built_by_others(self, reader_id: int) -> Timeline | None:
        """What another process builds at this moment, if that does not take too long."""
        until, pause = time.monotonic() + self._wait_s, _FIRST_PAUSE_S
        while self._shared is not None and time.monotonic() < until:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
            goal = self._goal()
            (held,) = self._read(self._inboxes, (reader_id,), goal)
            if held is not None:
                return held if held.complete_to >= goal else None
        return None

    def _ask(self, work: Callable[[Tx], T]) -> T:
        """Ask truth what timelines hold. What others have delivered may be more than this process has heard of."""
        return self._truth.read_copy(work) if self._shared is None else self._truth.read(work)

    def _delivered(self, tx: Tx, reader_id: int) -> Entries:
        """What a reader's inbox would hold.

        Muted followees are in it, since a mute may be undone; and pulled ones, since a reader at work may
        have looked at the list before they were on it.
        """
        followees = self._truth.graph.relations(tx, reader_id, 0).those(Tie.FOLLOWS)
        return self._truth.posts.recent(
            tx, followees, before=MAX_ID, floor=0, limit=self._inbox_entries, viewer_id=reader_id
        )

    def _build_outboxes(self, author_ids: Sequence[int]) -> list[Timeline]:
        tokens = {author_id: self._outboxes.begin(author_id) for author_id in author_ids}
        try:
            built = self._newest_of(author_ids)
        except BaseException:
            self._outboxes.drop([author_id for author_id, token in tokens.items() if token is not None])
            raise
        for author_id, timeline in zip(author_ids, built, strict=True):
            token = tokens[author_id]
            if token is not None:
                self._outboxes.install(author_id, token, timeline.entries, timeline.floor)
        return built

    def _newest_of(self, author_ids: Sequence[int]) -> list[Timeline]:
        newest = self._ask(
            lambda tx: self._truth.posts.newest_of_each(tx, idset(author_ids), self._outbox_entries)
        )
        return self._split(newest, author_ids)

    def _split(self, newest: Entries, author_ids: Sequence[int]) -> list[Timeline]:
        order = np.argsort(newest.authors, kind="stable")
        sorted_authors = newest.authors[order]
        starts = np.searchsorted(sorted_authors, author_ids, side="left")
        stops = np.searchsorted(sorted_authors, author_ids, side="right")
        return [
            self._timeline(newest[order[start:stop]], self._outbox_entries)
            for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)
        ]

    def _timeline(self, entries: Entries, limit: int) -> Timeline:
        """Entries that were asked for up to `limit`: complete to their end, or to the beginning of time."""
        return Timeline(entries, int(entries.positions[-1]) if len(entries) >= limit else 0)


def _have_come(held: Sequence[Timeline | None], goal: int) -> bool:
    return all(timeline is None or timeline.complete_to >= goal for timeline in held)


def _completed(
    owners: Sequence[int],
    held: Sequence[Timeline | None],
    goal: int,
    complete: Callable[[int, Timeline, int], Timeline | None],
) -> list[Timeline | None]:
    """With what this process knows to be missing, as far as it does."""
    return [
        one if one is None or one.complete_to >= goal else complete(owner, one, goal) or one
        for owner, one in zip(owners, held, strict=True)
    ]
