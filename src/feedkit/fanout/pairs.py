"""Which followers pull which authors, under a policy that chooses for each pair. In this process alone.

An inbox lacks what was not pushed to it, so the process that holds it remembers whom its reader pulls. That is
noted before a delivery leaves the inbox out, and forgotten only after the inbox was given what it lacks: a
backfill, or a build from truth. So whoever reads this first and the inbox then misses nothing.
"""

import math
import threading
from collections import OrderedDict, defaultdict

import numpy as np

from feedkit.clock import Clock
from feedkit.fanout.policy import CostBased
from feedkit.idset import EMPTY, Ids, idset
from feedkit.settings import Settings
from feedkit.storage.timelines import TimelineStore

_FAR = 500.0  # e to this still leaves room for sums


class Rates:
    """How often each of some ids has done something lately, in a unit that they share.

    Every doing weighs more than those before it, instead of all of these being made lighter as time passes
    (forward decay: Cormode et al., ICDE 2009). So rates can be compared, which is all they are for, at any moment.
    """

    def __init__(self, half_life_s: float) -> None:
        self._per_ms = math.log(2) / half_life_s / 1000
        self._landmark_ms: int | None = None
        self.reads: OrderedDict[int, float] = OrderedDict()
        self.posts: OrderedDict[int, float] = OrderedDict()

    def note(self, rates: "OrderedDict[int, float]", one: int, at_ms: int) -> None:
        """Count a doing at that moment; `one` is then the last in the order."""
        weight = self._weight(at_ms)  # first: it may change the unit of all that is there
        rates[one] = rates.pop(one, 0.0) + weight

    def _weight(self, at_ms: int) -> float:
        if self._landmark_ms is None:
            self._landmark_ms = at_ms
        exponent = (at_ms - self._landmark_ms) * self._per_ms
        if exponent > _FAR:
            for rates in (self.reads, self.posts):
                for one in rates:
                    rates[one] *= math.exp(-exponent)
            self._landmark_ms, exponent = at_ms, 0.0
        return math.exp(exponent)


class Pairs:
    """Chooses between push and pull for the pairs of this process. Safe for threads.

    It remembers `inboxes_max` readers and `outboxes_max` authors; who has not read for longest is forgotten,
    and their inbox with them.
    """

    def __init__(self, policy: CostBased, inboxes: TimelineStore, clock: Clock, settings: Settings) -> None:
        self._policy, self._inboxes, self._clock = policy, inboxes, clock
        self._readers, self._authors = settings.inboxes_max, settings.outboxes_max
        self._rates = Rates(policy.half_life_s)
        self._pulls: defaultdict[int, set[int]] = defaultdict(set)  # authors by reader
        self._pulled_by: defaultdict[int, set[int]] = defaultdict(set)  # readers by author
        self._sorted: dict[int, Ids] = {}  # the authors of those readers who have looked since they changed
        self._lock = threading.Lock()

    def read(self, reader_id: int) -> None:
        """Note that somebody reads a page of their home feed."""
        now_ms = self._clock.now_ms()
        with self._lock:
            self._rates.note(self._rates.reads, reader_id, now_ms)
            if len(self._rates.reads) > self._readers:
                longest_ago, _ = self._rates.reads.popitem(last=False)
                self._inboxes.drop((longest_ago,))
                self._forget(longest_ago)

    def posted(self, author_id: int, at_ms: int) -> None:
        """Note that somebody has posted."""
        with self._lock:
            self._rates.note(self._rates.posts, author_id, at_ms)
            if len(self._rates.posts) > self._authors:
                self._rates.posts.popitem(last=False)

    def pulled_by(self, reader_id: int) -> Ids:
        """Authors whose outboxes are merged in for this reader, sorted."""
        with self._lock:
            pulls = self._pulls.get(reader_id)
            if not pulls:
                return EMPTY
            if reader_id not in self._sorted:
                self._sorted[reader_id] = idset(pulls)
            return self._sorted[reader_id]

    def split(self, author_id: int, followers: Ids) -> tuple[Ids, list[int]]:
        """Of these followers, those to push to, and those among them who had pulled until now.

        Give the latter what they lack, then say so by `resume`. All others are noted to pull.
        """
        reads, ids = self._rates.reads, followers.tolist()
        with self._lock:
            posts = self._rates.posts.get(author_id, 0.0)
            rates = np.fromiter((reads.get(one, math.inf) for one in ids), np.float64, len(ids))
            already = self._pulled_by.get(author_id, ())
            pulled_now = np.fromiter((one in already for one in ids), np.bool_, len(ids))
            pulls = self._policy.pulls(rates, posts, pulled_now)
            for reader_id in followers[pulls & ~pulled_now].tolist():
                self._pulls[reader_id].add(author_id)
                self._sorted.pop(reader_id, None)
                self._pulled_by[author_id].add(reader_id)
        return followers[~pulls], followers[~pulls & pulled_now].tolist()

    def resume(self, author_id: int, reader_id: int) -> None:
        """That reader's inbox now holds whatever of this author it had lacked."""
        with self._lock:
            self._end(author_id, reader_id)
            if not self._pulls[reader_id]:
                del self._pulls[reader_id]

    def forget(self, reader_id: int) -> None:
        """That reader's inbox is gone, or being built from a truth that is yet to be read."""
        with self._lock:
            self._forget(reader_id)

    def __len__(self) -> int:
        """How many pairs pull."""
        with self._lock:
            return sum(map(len, self._pulls.values()))

    def _forget(self, reader_id: int) -> None:
        for author_id in list(self._pulls.get(reader_id, ())):
            self._end(author_id, reader_id)
        self._pulls.pop(reader_id, None)

    def _end(self, author_id: int, reader_id: int) -> None:
        self._pulls[reader_id].discard(author_id)
        self._sorted.pop(reader_id, None)
        readers = self._pulled_by[author_id]
        readers.discard(reader_id)
        if not readers:
            del self._pulled_by[author_id]
