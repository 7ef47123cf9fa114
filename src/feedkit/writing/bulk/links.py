"""Adding and removing many follows in one transaction: both rows, friends, requests, counters and events."""

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from feedkit.clock import Clock
from feedkit.errors import LimitExceeded
from feedkit.idset import Ids
from feedkit.model import FRIENDS, Assoc, Count, Event, EventKind
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx
from feedkit.storage.bulk import Links
from feedkit.writing.bulk.chunks import Loading

Pairs = set[tuple[int, int]]


@attrs.frozen(slots=True, eq=False)
class Added:
    """Which follows were written, and which were refused; the others stood before."""

    added: Links
    refused: Links


class FollowWriting:
    """Many follows at once. Whoever calls is alone with the graph: see `BulkStore.hold_graph`.

    With `aloud`, each change is an event of its own, and counters follow as ever. Otherwise counters change
    here, and one event has every process drop what it holds.
    """

    def __init__(self, truth: Truth, clock: Clock, settings: Settings) -> None:
        self._truth, self._bulk, self._clock, self._settings = truth, truth.bulk, clock, settings

    def add(self, tx: Tx, wanted: Links, *, aloud: bool, loading: Loading | None = None) -> Added:
        """Write those follows that do not stand, and between nobody who is apart. `wanted` has no pair twice.

        `loading` is called once all is looked up and the rows are about to go.

        Raises LimitExceeded where somebody would follow more than `following_max` others.
        """
        wanted = wanted.sorted()
        stands, back = self._bulk.standing(tx, wanted)
        refused = self._apart(tx, wanted)
        fresh = ~(stands | refused)
        added, back = wanted[fresh], back[fresh]
        if loading is not None:
            loading()
        if len(added):
            self._write(tx, added, back, aloud)
            self._check_bound(tx, np.unique(added.id1))
        return Added(added, wanted[refused])

    def refused(self, tx: Tx, wanted: Links) -> Links:
        """Those of these follows that `add` would refuse."""
        return wanted[self._apart(tx, wanted)]

    def remove(self, tx: Tx, unwanted: Links, *, aloud: bool) -> Links:
        """Remove those of these follows that stand, which are given back."""
        unwanted = unwanted.sorted()
        stands, back = self._bulk.standing(tx, unwanted)
        gone, back = unwanted[stands], back[stands]
        if len(gone):
            friends = _friends(gone, back)
            self._bulk.delete_links(tx, Assoc.FOLLOWS, gone.pairs())
            self._bulk.delete_links(tx, Assoc.FOLLOWED_BY, gone.turned().pairs())
            self._bulk.delete_links(tx, Assoc.FRIENDS, friends.pairs())
            self._tell(tx, EventKind.FOLLOW_REMOVED, gone, friends, aloud)
        return gone

    def imported(self, tx: Tx) -> None:
        """Have every process drop what it holds."""
        self._truth.events.append(tx, Event(EventKind.IMPORTED, 0, 0, self._clock.now_ms()))

    def _apart(self, tx: Tx, wanted: Links) -> NDArray[np.bool_]:
        """Which pairs are one and the same, or apart since one blocks the other."""
        followers = np.unique(wanted.id1)
        apart = pairs_of(self._bulk.from_each(tx, followers, Assoc.BLOCKS, Assoc.BLOCKED_BY))
        refused: NDArray[np.bool_] = _among(wanted, apart) | (wanted.id1 == wanted.id2)
        return refused

    def _write(self, tx: Tx, added: Links, back: Ids, aloud: bool) -> None:
        friends = _friends(added, back)
        self._bulk.insert_links(tx, Assoc.FOLLOWS, added)
        self._bulk.insert_links(tx, Assoc.FOLLOWED_BY, added.turned())
        self._bulk.insert_links(tx, Assoc.FRIENDS, friends)
        self._settle(tx, Assoc.REQUESTS, added)
        self._settle(tx, Assoc.ASKS, friends)
        self._tell(tx, EventKind.FOLLOW_ADDED, added, friends, aloud)

    def _settle(self, tx: Tx, kind: Assoc, granted: Links) -> None:
        """Remove the requests that are granted by now."""
        waiting = pairs_of(self._bulk.from_each(tx, np.unique(granted.id1), kind))
        pairs = granted[_among(granted, waiting)]
        self._bulk.delete_links(tx, kind, pairs.pairs())
        self._bulk.delete_links(tx, kind.inverse, pairs.turned().pairs())

    def _tell(self, tx: Tx, kind: EventKind, changed: Links, friends: Links, aloud: bool) -> None:
        if aloud:
            self._append_each(tx, kind, changed, set(friends.pairs()))
            return
        sign = 1 if kind is EventKind.FOLLOW_ADDED else -1
        self.imported(tx)
        self._truth.events.claim(tx, wait=True)  # or whoever applies the log would wait for our rows
        for count, ids in (
            (Count.FOLLOWERS, changed.id2),
            (Count.FOLLOWING, changed.id1),
            (Count.FRIENDS, friends.id1),
        ):
            those, times = np.unique(ids, return_counts=True)
            if len(those):
                self._bulk.add_counts(tx, count, those, sign * times)

    def _append_each(self, tx: Tx, kind: EventKind, changed: Links, friends: Pairs) -> None:
        """An event per follow; of two that make or end a friendship together, the second says so."""
        now_ms = self._clock.now_ms()
        pairs = set(changed.pairs())
        for one, other in changed.pairs():
            tells = (one, other) in friends and not ((other, one) in pairs and one < other)
            detail = FRIENDS if tells else ""
            self._truth.events.append(tx, Event(kind, one, other, now_ms, detail=detail))

    def _check_bound(self, tx: Tx, followers: Ids) -> None:
        """By the counters, which lag behind by what is not drained."""
        limit = self._settings.following_max
        over = self._bulk.counted_above(tx, Count.FOLLOWING, followers, limit)
        for follower_id in over:
            if self._truth.graph.count(tx, follower_id, Assoc.FOLLOWS, limit + 1) > limit:
                raise LimitExceeded(
                    f"user {follower_id} would follow more than {limit} others; leave some out, or raise the setting "
                    "following_max",
                    limit=limit,
                )


def _friends(changed: Links, back: Ids) -> Links:
    """Both rows of every friendship that these follows make, or end. It is as old as the younger follow of both.

    `back`: since when each is followed back, -1 where they are not.
    """
    ids, dense = np.unique(np.concatenate((changed.id1, changed.id2)), return_inverse=True)
    there, other = np.split(dense.astype(np.int64), 2)
    codes, turned = there * len(ids) + other, other * len(ids) + there
    order = np.argsort(codes)
    partner = order[np.minimum(np.searchsorted(codes, turned, sorter=order), len(codes) - 1)]
    together = codes[partner] == turned
    since = np.where(together, changed.time[partner], back)
    made = Links(changed.id1, changed.id2, np.maximum(changed.time, since))
    alone = made[(since >= 0) & ~together].turned()
    both = made[since >= 0]
    return Links(*(np.concatenate(columns) for columns in zip(_columns(both), _columns(alone), strict=True)))


def _columns(links: Links) -> Sequence[Ids]:
    return links.id1, links.id2, links.time


def pairs_of(columns: tuple[Ids, Ids]) -> Pairs:
    """Two columns of ids, side by side."""
    return set(zip(columns[0].tolist(), columns[1].tolist(), strict=True))


def _among(links: Links, those: Pairs) -> NDArray[np.bool_]:
    if not those:
        return np.zeros(len(links), dtype=np.bool_)
    return np.fromiter((pair in those for pair in links.pairs()), dtype=np.bool_, count=len(links))
