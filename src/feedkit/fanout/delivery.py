"""Delivers the log's events to timelines: pushes, backfills, purges. A log consumer of each process."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from feedkit.clock import Clock, SystemClock
from feedkit.fanout.costs import Costs
from feedkit.fanout.pairs import Pairs
from feedkit.ids import MAX_ID
from feedkit.idset import EMPTY, Ids, contains, idset, single
from feedkit.metrics import CHUNKS, DELIVERIES, EVENTS, LAG, Metrics
from feedkit.model import Assoc, Audience, Event, EventKind, PostStatus, Route
from feedkit.settings import Settings
from feedkit.storage.base import Truth
from feedkit.storage.chunks import Chunk, Large, LargeKind
from feedkit.storage.entries import Entries, of_rows, pack, unpack
from feedkit.storage.timelines import TimelineStores
from feedkit.visibility import delivered_to_followers

A_HOLDER = 2
"""To ask whether one holder of an inbox follows somebody costs as much as to read so many followers in a row."""
_DELIVERED = frozenset(audience.value for audience in Audience if delivered_to_followers(audience))


class Delivery:
    """Keeps inboxes and outboxes complete above their floors.

    Followers are looked up after the event became visible, so a delivery and the backfill of a new
    follow never both miss a post; both may bring it, and readers see it once.
    """

    def __init__(
        self,
        truth: Truth,
        stores: TimelineStores,
        settings: Settings,
        pairs: Pairs | None = None,
        *,
        clock: Clock | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._truth, self._stores, self._pairs = truth, stores, pairs
        self._inboxes, self._outboxes = stores.inboxes, stores.outboxes
        self._clock, self._metrics = clock or SystemClock(), metrics
        self._chunk, self._inbox_entries = settings.delivery_chunk, settings.inbox_entries
        self.costs = Costs()

    @property
    def delivered(self) -> int:
        """How many entries were delivered into inboxes."""
        return self.costs.total

    def apply(self, events: Sequence[Event]) -> None:
        """Deliver all that these events bring, whatever it takes."""
        self.deliver(events)

    def deliver(self, events: Sequence[Event], *, share_above: int | None = None) -> list[Large]:
        """Deliver what was published, then purge and backfill. After an import, everything is built anew.

        What is left to be shared by many: deliveries to more than `share_above` followers, where that is given.
        """
        if any(event.kind is EventKind.IMPORTED for event in events):
            self.clear()
            return []
        delivered = self.delivered
        large = self._publish([event for event in events if brings_a_post(event)], share_above)
        large += self._purge([event for event in events if event.kind is EventKind.POST_DELETED], share_above)
        # Each once: who follows and unfollows again and again costs others no more than who follows.
        follows = (event for event in events if event.kind is EventKind.FOLLOW_ADDED)
        for reader_id, author_id in dict.fromkeys((event.actor_id, event.object_id) for event in follows):
            self._backfill(reader_id, author_id)
        for event in events:
            if event.kind is EventKind.PULL_ENDED:
                self._backfill_followers(event.object_id)
        if self._metrics is not None:
            self._measure(self._metrics, events, self.delivered - delivered)
        return large

    def deliver_chunk(self, chunk: Chunk) -> int:
        """Deliver one chunk of a large delivery, to its followers as they are now; how many entries were delivered."""
        large, delivered, after = chunk.large, 0, chunk.after_id
        entries = unpack(large.entries)
        while after < chunk.up_to_id:
            followers = self._after(large.author_id, after)
            ours = followers[followers <= chunk.up_to_id]
            if large.kind is LargeKind.PURGE:
                self._purge_from(ours, entries)
            else:
                delivered += self._inboxes.deliver(ours, entries)
            if len(ours) < self._chunk:
                break
            after = int(ours[-1])
        self.costs.add(large.author_id, delivered)
        if self._metrics is not None:
            self._metrics.count(CHUNKS, 1)
            self._metrics.count(DELIVERIES, delivered)
        return delivered

    def clear(self) -> None:
        """Forget every timeline: whoever is read next is rebuilt."""
        self._stores.clear()

    def holding(self, author_id: int, holders: Ids) -> Iterator[Ids]:
        """The followers of one author among these people, chunk by chunk."""
        for start in range(0, len(holders), self._chunk):
            yield self._among(author_id, holders[start : start + self._chunk])

    def _publish(self, published: Sequence[Event], share_above: int | None) -> list[Large]:
        by_author = of_each_author(published)
        for author_id, entries in by_author.items():
            self._outboxes.deliver(single(author_id), entries)
        pushed = [e for e in published if e.route is Route.PUSH and delivered_to_followers(e.audience)]
        if len(pushed) < len(published):
            by_author = of_each_author(pushed)
        if self._pairs is not None:
            for event in pushed:
                self._pairs.posted(event.actor_id, event.at_ms)
        large = []
        for author_id, followers in self._audiences(list(by_author), share_above):
            if followers is None:
                large.append(_large(LargeKind.PUSH, author_id, by_author[author_id], pushed))
                continue
            owners = self._pushed_to(author_id, followers)
            self.costs.add(author_id, self._inboxes.deliver(owners, by_author[author_id]))
        return large

    def _measure(self, metrics: Metrics, events: Sequence[Event], delivered: int) -> None:
        now_ms = self._clock.now_ms()
        metrics.count(EVENTS, len(events))
        if delivered:
            metrics.count(DELIVERIES, delivered)
        for event in events:
            if event.kind is EventKind.POST_PUBLISHED:
                metrics.observe(LAG, max(0, now_ms - event.at_ms) / 1000)

    def _pushed_to(self, author_id: int, followers: Ids) -> Ids:
        """Those of some followers whom the policy does not have pull; who had pulled is given what they lack."""
        if self._pairs is None:
            return followers
        pushed, resumed = self._pairs.split(author_id, followers)
        for reader_id in resumed:
            self._backfill(reader_id, author_id)
            self._pairs.resume(author_id, reader_id)
        return pushed

    def _purge(self, deleted: Sequence[Event], share_above: int | None) -> list[Large]:
        gone = self._gone(deleted)
        by_author, large = of_each_author(gone), []
        for author_id, entries in by_author.items():
            self._outboxes.remove(single(author_id), entries.positions[::-1])
        for author_id, followers in self._audiences(list(by_author), share_above):
            if followers is None:
                large.append(_large(LargeKind.PURGE, author_id, by_author[author_id], gone))
            else:
                self._inboxes.remove(followers, by_author[author_id].positions[::-1])
        return large

    def _purge_from(self, followers: Ids, entries: Entries) -> None:
        """Take entries out of inboxes; others may deliver one that comes back at the same time, before us or after."""
        gone = entries.without(self._back(entries.positions))
        self._inboxes.remove(followers, gone.positions[::-1])
        back = gone[contains(self._back(gone.positions), gone.positions)]
        if len(back):
            self._inboxes.deliver(followers, back)

    def _gone(self, deleted: Sequence[Event]) -> list[Event]:
        """Without those of posts that have come back since: a removal that was undone may be told of late."""
        back = set(self._back([event.position for event in deleted]).tolist())
        return [event for event in deleted if event.position not in back]

    def _back(self, positions: Iterable[int]) -> Ids:
        """Those of posts that stand, though they were deleted once; sorted."""
        asked = [int(position) for position in positions]
        if not asked:
            return EMPTY
        posts, _ = self._truth.read(lambda tx: self._truth.posts.at_positions(tx, asked))
        return idset(p.position for p in posts if p.status is PostStatus.PUBLISHED and p.deleted_ms is None)

    def _backfill(self, reader_id: int, author_id: int) -> None:
        floor = self._inboxes.floors((reader_id,))[0]
        if floor is not None:
            self._inboxes.append(reader_id, *self._newest(author_id, floor))

    def _backfill_followers(self, author_id: int) -> None:
        entries, floor = self._newest(author_id, 0)
        loads = self._truth.read(lambda tx: self._truth.pulled.load_many(tx, (author_id,)))
        for followers in self._steps(author_id, loads[author_id].followers, self._inboxes.holders()):
            self._inboxes.backfill(followers, entries, floor)

    def _newest(self, author_id: int, floor: int) -> tuple[Entries, int]:
        """The author's entries for followers, as far as an inbox can hold them, and from where they are complete."""
        entries = self._truth.read(
            lambda tx: self._truth.posts.recent(
                tx, single(author_id), before=MAX_ID, floor=floor, limit=self._inbox_entries, viewer_id=0
            )
        )
        return entries, int(entries.positions[-1]) if len(entries) == self._inbox_entries else floor

    def _audiences(self, authors: Sequence[int], share_above: int | None) -> Iterator[tuple[int, Ids | None]]:
        """(author, chunk of followers), each chunk bounded; all small audiences are asked for at once.

        None for an audience that is to be shared by many.
        """
        if not authors:
            return
        pairs = self._truth.read(lambda tx: self._truth.graph.small_audiences(tx, authors, self._chunk))
        if pairs is None:
            yield from self._large_audiences(authors, share_above)
            return
        grouped: dict[int, list[int]] = defaultdict(list)
        for author_id, follower_id in pairs:
            grouped[author_id].append(follower_id)
        for author_id, ids in grouped.items():
            yield author_id, np.array(ids, dtype=np.int64)

    def _large_audiences(
        self, authors: Sequence[int], share_above: int | None
    ) -> Iterator[tuple[int, Ids | None]]:
        """The same for authors one by one."""
        holders = self._inboxes.holders()
        loads = self._truth.read(lambda tx: self._truth.pulled.load_many(tx, authors))
        for author_id in authors:
            if share_above is not None and loads[author_id].followers > share_above:
                yield author_id, None
                continue
            for followers in self._steps(author_id, loads[author_id].followers, holders):
                yield author_id, followers

    def _steps(self, author_id: int, count: int, holders: Ids | None) -> Iterator[Ids]:
        """Those of some `count` followers who may hold an inbox, step by step.

        Where these are known and few beside the followers, it is they who are gone through.
        """
        if holders is not None and len(holders) * A_HOLDER < count:
            return self.holding(author_id, holders)
        return self._all(author_id)

    def _all(self, author_id: int) -> Iterator[Ids]:
        after = 0
        while True:
            followers = self._after(author_id, after)
            yield followers
            if len(followers) < self._chunk:
                return
            after = int(followers[-1])

    def _among(self, author_id: int, others: Ids) -> Ids:
        return self._truth.read(lambda tx: self._truth.graph.among(tx, author_id, Assoc.FOLLOWED_BY, others))

    def _after(self, author_id: int, after: int) -> Ids:
        return self._truth.read(
            lambda tx: self._truth.graph.range(tx, author_id, Assoc.FOLLOWED_BY, after, self._chunk)
        )


def brings_a_post(event: Event) -> bool:
    """Whether there are inboxes that a post has to come into: it is new, or it goes to followers from now on."""
    if event.kind is EventKind.POST_EDITED:
        return delivered_to_followers(event.audience) and event.detail not in _DELIVERED
    return event.kind is EventKind.POST_PUBLISHED


def of_each_author(events: Iterable[Event]) -> dict[int, Entries]:
    """The entries of what events are about, by author."""
    rows: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for event in events:
        rows[event.actor_id].append((event.position, event.actor_id))
    return {author_id: of_rows(entries) for author_id, entries in rows.items()}


def _large(kind: LargeKind, author_id: int, entries: Entries, events: Iterable[Event]) -> Large:
    theirs = [event for event in events if event.actor_id == author_id]
    number, at_ms = max(event.number for event in theirs), min(event.at_ms for event in theirs)
    return Large(number, author_id, kind, pack(entries), at_ms)
