"""One policy over one trace: what it makes the feed do, step by step, and what each step costs."""

import math
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feedkit.fanout.delivery import A_HOLDER
from feedkit.fanout.policy import CostBased, FanoutPolicy
from feedkit.fanout.simulate.prices import Prices
from feedkit.fanout.simulate.report import Priced, name_of
from feedkit.fanout.simulate.trace import Trace
from feedkit.idset import Ids
from feedkit.model import Route
from feedkit.settings import Settings
from feedkit.storage.base import AuthorLoad
from feedkit.storage.entries import ENTRY_BYTES

_NEVER = -(1 << 62)
_FAR = 500.0

Floats = NDArray[np.float64]


class Replay:
    """Counts what happens, with the state of every person in arrays.

    `run` replays events; `reset` forgets what was counted, and nothing else.
    """

    def __init__(self, trace: Trace, policy: FanoutPolicy, prices: Prices, settings: Settings) -> None:
        self._trace, self._policy, self._prices, self._settings = trace, policy, prices, settings
        people = trace.people
        self._followees = np.bincount(trace.followers, minlength=people)
        self._held = np.zeros(people, dtype=np.bool_)  # who holds an inbox
        self._read_at_ms: OrderedDict[int, int] = OrderedDict()  # the same, the least recently read first
        self._waiting = np.zeros(people, dtype=np.int64)  # entries delivered since the last read
        self._unmet = np.zeros(people, dtype=np.bool_)  # followees have posted since, whichever way that goes
        self._merged = np.zeros(people, dtype=np.int64)  # outboxes that a page merges in
        self._listed: set[int] = set()
        self._to_list: set[int] = set()  # by the next reader, who applies the log
        self._posted = np.zeros(people, dtype=np.int64)  # as far as an outbox holds them
        self._pairs = _Pairs(trace, policy) if isinstance(policy, CostBased) else None
        self._undone_us = 0.0  # deliveries that the next page finds undone
        self._free_at_ms = -math.inf
        self.reset()

    def reset(self) -> None:
        """Count from here on."""
        self._counts: dict[str, int] = dict.fromkeys(
            ("posts", "writes", "asked", "merges", "builds", "bytes_written", "bytes_read"), 0
        )
        self._write_us = self._found_undone_us = 0.0
        self._page_us: list[Floats] = []
        self._lag_ms: list[float] = []

    def run(self, start: int, stop: int) -> None:
        """Replay these events. The pages that are read between two posts are one step."""
        trace = self._trace
        posts = start + np.flatnonzero(trace.is_post[start:stop])
        before = start
        for nth in posts.tolist():
            self._read(slice(before, nth))
            self._post(int(trace.who[nth]), int(trace.at_ms[nth]))
            before = nth + 1
        self._read(slice(before, stop))

    def priced(self) -> Priced:
        """What was counted, and what it costs."""
        pages = np.concatenate(self._page_us) if self._page_us else np.zeros(0)
        lag = np.array(self._lag_ms)
        return Priced(
            policy=self._policy,
            name=name_of(self._policy),
            reads=len(pages),
            pulled_authors=len(self._listed),
            pulled_pairs=0 if self._pairs is None else int(self._pairs.pulling.sum()),
            write_cpu_s=self._write_us / 1e6,
            read_cpu_s=self._read_us(pages),
            read_p50_us=_share(pages, 50),
            read_p99_us=_share(pages, 99),
            lag_p50_ms=_share(lag, 50),
            lag_p99_ms=_share(lag, 99),
            lag_max_ms=_share(lag, 100),
            **self._counts,
        )

    def _read_us(self, pages: Floats) -> float:
        """Seconds for pages; the deliveries that they found undone are counted as writes."""
        return float(pages.sum() - self._found_undone_us) / 1e6

    # pages

    def _read(self, part: slice) -> None:
        readers = self._trace.who[part]
        if not len(readers):
            return
        self._list()
        prices, counts = self._prices, self._counts
        firsts, where = np.unique(readers, return_index=True)
        costs = self._page_costs(readers)
        built = self._open(readers, self._trace.at_ms[part])
        costs[built] += prices.build_us + prices.build_followee_us * self._followees[readers[built]]
        waiting = self._waiting[firsts]
        costs[where] += prices.seal_us * (waiting > 0) + prices.fresh_us * self._unmet[firsts]
        costs[0] += self._undone_us
        self._found_undone_us += self._undone_us
        self._undone_us = 0.0
        merged = int(self._merged[readers].sum())
        counts["merges"] += merged
        counts["builds"] += len(built)
        counts["bytes_read"] += ENTRY_BYTES * int(waiting.sum() + self._outbox_entries() * merged)
        self._waiting[firsts] = 0
        self._unmet[firsts] = False
        self._page_us.append(costs)

    def _page_costs(self, readers: Ids) -> Floats:
        """Microseconds for each of these pages, for what is merged whether anything is new or not."""
        prices, merged = self._prices, self._merged[readers]
        costs = prices.read_us + prices.merging_us * (merged > 0) + prices.merge_us * merged
        if self._pairs is not None:
            costs += prices.note_us
        return np.asarray(costs, np.float64)

    def _open(self, readers: Ids, at_ms: Ids) -> list[int]:
        """Have them all held; the indexes of those reads that had to build an inbox for it."""
        built, read_at_ms = [], self._read_at_ms
        ttl_ms, maximum = self._settings.inbox_ttl_s * 1000, self._settings.inboxes_max
        for nth, (reader, now_ms) in enumerate(zip(readers.tolist(), at_ms.tolist(), strict=True)):
            if now_ms - read_at_ms.pop(reader, _NEVER) > ttl_ms:
                built.append(nth)
                self._held[reader] = True
                if self._pairs is not None:
                    self._merged[reader] -= self._pairs.forget(reader)
            read_at_ms[reader] = now_ms
            if self._pairs is not None:
                self._pairs.read(reader, now_ms)
            if len(read_at_ms) > maximum:
                longest_ago, _ = read_at_ms.popitem(last=False)
                self._held[longest_ago] = False
                self._waiting[longest_ago] = 0
                if self._pairs is not None:
                    self._merged[longest_ago] -= self._pairs.give_up(longest_ago)
        return built

    def _outbox_entries(self) -> float:
        """How many entries an outbox that is merged in holds, about."""
        pulled = list(self._listed)
        if not pulled and self._pairs is None:
            return 0.0
        held = self._posted[pulled] if pulled else self._posted[self._posted > 0]
        return float(np.minimum(held, self._settings.outbox_entries).mean()) if len(held) else 0.0

    # posts

    def _post(self, author: int, at_ms: int) -> None:
        prices, counts = self._prices, self._counts
        followers = self._trace.followers[self._edges(author)]
        self._posted[author] += 1
        self._unmet[followers] = True
        counts["posts"] += 1
        counts["bytes_written"] += ENTRY_BYTES
        cost = prices.apply_us
        if self._pairs is not None:
            self._pairs.posted(author, at_ms)
        if self._is_pushed(author, len(followers)):
            cost += self._deliver(author, followers)
        self._undone_us += cost
        self._write_us += prices.publish_us + cost
        self._free_at_ms = max(self._free_at_ms, at_ms) + cost / 1000
        self._lag_ms.append(self._free_at_ms - at_ms)

    def _is_pushed(self, author: int, followers: int) -> bool:
        """As `Router` has it: what comes before the listing is pushed."""
        listed = author in self._listed
        route = self._policy.route(AuthorLoad(followers, listed=listed))
        if route is Route.PULL and not listed:
            self._to_list.add(author)
        return route is Route.PUSH or not listed

    def _list(self) -> None:
        for author in self._to_list - self._listed:
            self._merged[self._trace.followers[self._edges(author)]] += 1
        self._listed |= self._to_list
        self._to_list.clear()

    def _deliver(self, author: int, followers: Ids) -> float:
        """Microseconds."""
        prices, counts = self._prices, self._counts
        asked, cost = self._looked_up(len(followers))
        holding = self._held[followers]
        if self._pairs is not None:
            pulls, changed = self._pairs.split(author, self._edges(author), holding)
            cost += prices.decide_us * asked
            cost += prices.build_us * int((changed < 0).sum())  # a backfill asks truth, as a build does
            self._merged[followers] += changed
            holding = holding & ~pulls
        writes = int(holding.sum())
        self._waiting[followers[holding]] += 1
        counts["writes"] += writes
        counts["asked"] += asked
        counts["bytes_written"] += ENTRY_BYTES * writes
        return cost + prices.delivery_us * writes

    def _looked_up(self, followers: int) -> tuple[int, float]:
        """How many people `Delivery` goes through for an audience of that size, and the microseconds it takes."""
        prices, chunk = self._prices, self._settings.delivery_chunk
        if followers <= chunk:
            return followers, prices.audience_us + prices.follower_us * followers
        holders = int(self._held.sum())
        few = holders * A_HOLDER < followers
        asked = holders if few else followers
        steps = 2 + math.ceil(asked / chunk)
        found_too_many = prices.follower_us * chunk / 2
        each = prices.holder_us if few else prices.follower_us
        return asked, prices.audience_us * steps + found_too_many + each * asked

    def _edges(self, author: int) -> slice:
        return slice(int(self._trace.starts[author]), int(self._trace.starts[author + 1]))


class _Pairs:
    """As `feedkit.fanout.pairs`, for everybody at once; a pair is an edge of the graph."""

    def __init__(self, trace: Trace, policy: CostBased) -> None:
        self._trace, self._policy = trace, policy
        self._reads, self._posts = np.zeros(trace.people), np.zeros(trace.people)
        self._per_ms = math.log(2) / policy.half_life_s / 1000
        self._landmark_ms = int(trace.at_ms[0]) if len(trace.at_ms) else 0
        self.pulling = np.zeros(len(trace.followers), dtype=np.bool_)
        self._by_reader = np.argsort(trace.followers, kind="stable")
        self._starts = np.searchsorted(trace.followers[self._by_reader], np.arange(trace.people + 1))

    def read(self, reader: int, at_ms: int) -> None:
        weight = self._weight(at_ms)  # first: it may change the unit of all that is there
        self._reads[reader] += weight

    def posted(self, author: int, at_ms: int) -> None:
        weight = self._weight(at_ms)
        self._posts[author] += weight

    def split(
        self, author: int, edges: slice, holding: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], NDArray[Any]]:
        """Who pulls from now on; and for each follower 1 who begins to, -1 who no longer does, else 0."""
        before = self.pulling[edges]
        reads = self._reads[self._trace.followers[edges]]
        now = holding & self._policy.pulls(reads, float(self._posts[author]), before)
        changed = now.astype(np.int64) - (before & holding)
        self.pulling[edges] = np.where(holding, now, before)
        return now, changed

    def forget(self, reader: int) -> int:
        """That inbox was built; how many of its reader's pairs were pulled."""
        edges = self._by_reader[self._starts[reader] : self._starts[reader + 1]]
        ended = int(self.pulling[edges].sum())
        self.pulling[edges] = False
        return ended

    def give_up(self, reader: int) -> int:
        """As `forget`; nor is it known any more how often they read."""
        self._reads[reader] = 0.0
        return self.forget(reader)

    def _weight(self, at_ms: int) -> float:
        exponent = (at_ms - self._landmark_ms) * self._per_ms
        if exponent > _FAR:
            self._reads *= math.exp(-exponent)
            self._posts *= math.exp(-exponent)
            self._landmark_ms, exponent = at_ms, 0.0
        return math.exp(exponent)


def _share(values: Floats, percent: float) -> float:
    return float(np.percentile(values, percent)) if len(values) else 0.0
