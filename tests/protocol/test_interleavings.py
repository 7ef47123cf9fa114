"""F23: deliveries, seals, rebuilds, expiries, removals and set-backs of one inbox, interleaved at every step."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import pytest

from feedkit import Settings
from feedkit.fanout import shared
from feedkit.fanout.delivery import Delivery
from feedkit.fanout.rebuild import Timelines
from feedkit.fanout.recent import Recent
from feedkit.fanout.shared import Shared, SharedDelivery
from feedkit.fanout.sharing import ChunkWork
from feedkit.idset import Ids, idset
from feedkit.model import EventKind
from feedkit.storage.entries import Entries
from feedkit.storage.redis.marks import RedisMarks
from feedkit.storage.redis.opening import Place
from feedkit.storage.redis.timelines import RedisTimelines
from feedkit.storage.timelines import Timeline, TimelineStores, TurnLost
from tests.protocol.simulated import (
    AUTHOR,
    OTHER,
    READER,
    Log,
    Schedule,
    SimulatedRedis,
    SimulatedTruth,
    SimulatedWire,
    pause,
)

SETTINGS = Settings(inbox_entries=10, shared_wait_ms=0, chunk_followers=10)
SCHEDULES = 600
# How often each thing happens, beside the others.
EVEN = {
    "publish": 8,
    "delete": 1,
    "follow": 1,
    "deliver": 5,
    "read": 4,
    "seal": 1,
    "expire": 1,
    "set_back": 1,
}
BUSY = {"publish": 12, "follow": 1, "deliver": 10, "read": 3, "seal": 4, "let_go": 1}
LAPSING = {"publish": 6, "deliver": 6, "read": 6, "expire": 3}
COLD = {"publish": 3, "read": 5, "expire": 5}
RECALLING = {"publish": 2, "delete": 6, "restore": 6, "deliver": 12, "read": 6, "let_go": 3}
# As EVEN, where AUTHOR has so many followers that deliveries to them are shared, chunk by chunk.
SHARED = {**EVEN, "work": 12, "lapse": 2, "deliver": 7, "set_back": 2}
PARTS = {"publish": 2, "deliver": 5, "work": 20, "set_back": 5, "read": 3}
RECALLING_SHARED = {"publish": 1, "delete": 3, "restore": 3, "deliver": 10, "work": 12, "read": 8}
PROFILES = (EVEN, BUSY, LAPSING, COLD, RECALLING, SHARED, PARTS, RECALLING_SHARED)
UNTIL_CAUGHT = 3000


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still in a schedule: who finds that others deliver goes to truth."""
    monkeypatch.setattr(shared, "_PATIENCE_S", 0)


class Incomplete(AssertionError):
    """An inbox was served that lacks a post above its floor."""


class Process(NamedTuple):
    """One process of a host."""

    inboxes: RedisTimelines
    stores: TimelineStores
    delivery: SharedDelivery
    chunks: ChunkWork


class World:
    """A feed of one reader, whose inbox lies in a Redis that anything may happen to."""

    def __init__(
        self,
        seed: int,
        *,
        often: Mapping[str, int],
        ignored: str = "",
        timelines: type[Timelines] = Timelines,
        delivery: type[Delivery] = Delivery,
    ) -> None:
        self.often = often
        self.rng = random.Random(seed)
        self.redis, self.log = SimulatedRedis(), Log(celebrity=AUTHOR if "work" in often else None)
        self.redis.ignored = {ignored}
        self.timelines, self.delivery = timelines, delivery
        self.schedule = Schedule(self.rng)
        self.truth: Any = SimulatedTruth(self.log)
        self.position = 100

    def process(self) -> Process:
        """Somebody else, who shares nothing with others but Redis and truth."""
        place = Place(SimulatedWire(self.redis), "f")
        marks = RedisMarks(lambda: place)
        bounds: Any = {"capacity": 4, "tail": 2, "ttl_ms": None, "lease_ms": 1}
        inboxes = RedisTimelines(lambda: place, "i", marks, **bounds)
        outboxes = RedisTimelines(lambda: place, "o", marks, **bounds)
        stores = TimelineStores(inboxes, outboxes, marks)
        delivery = self.delivery(self.truth, stores, SETTINGS)
        letters: Any = None  # nothing is undeliverable here
        chunks = ChunkWork(self.truth, delivery, marks, letters, SETTINGS)
        return Process(
            inboxes, stores, SharedDelivery(self.truth, delivery, marks, 3, chunks, letters), chunks
        )

    def publish(self) -> None:
        self.position += self.rng.choice((1, 2, 3))
        position, author = self.position, self.rng.choice((AUTHOR, AUTHOR, OTHER))
        if self.rng.random() < 0.3:
            pause()  # the position is minted, the commit comes later
        self.log.posts[position] = author
        self.log.commit(EventKind.POST_PUBLISHED, author, position, position)

    def delete(self) -> None:
        if self.log.posts:
            position = self.rng.choice(sorted(self.log.posts))
            author = self.log.gone[position] = self.log.posts.pop(position)
            self.log.commit(EventKind.POST_DELETED, author, position, position)

    def restore(self) -> None:
        """Staff has second thoughts."""
        if self.log.gone:
            position = self.rng.choice(sorted(self.log.gone))
            author = self.log.posts[position] = self.log.gone.pop(position)
            self.log.commit(EventKind.POST_PUBLISHED, author, position, position)

    def follow(self) -> None:
        if OTHER not in self.log.followees:
            self.log.followees.add(OTHER)
            self.log.commit(EventKind.FOLLOW_ADDED, READER, OTHER)

    def deliver(self) -> None:
        with suppress(TurnLost):
            self.process().delivery.run_batch()

    def work(self) -> None:
        """A worker takes a chunk."""
        self.process().chunks.step()

    def lapse(self) -> None:
        """For a moment the leases of all chunks are over, though their owners may go on."""
        self.truth.chunks.lapsed = True
        for _ in range(self.rng.randrange(20)):
            pause()
        self.truth.chunks.lapsed = False

    def seal(self) -> None:
        """Anybody may, at any time."""
        self.process().inboxes._pushing.seal(idset([READER]))

    def expire(self) -> None:
        """Timelines, finished or not."""
        self._lapse(self.rng.choice((b"f:i:", b"f:i:", b"f:o:")))
        self.let_go()

    def let_go(self) -> None:
        """The turn of whoever delivers."""
        self._lapse(b"f:turn")

    def _lapse(self, gone: bytes) -> None:
        self.redis.held = {key: held for key, held in self.redis.held.items() if not key.startswith(gone)}

    def set_back(self) -> None:
        held = {} if self.rng.random() < 0.2 else self.redis.copy()
        for _ in range(self.rng.randrange(30)):
            pause()
        self.redis.set_back(held)

    def read(self) -> None:
        """What a reader in a process of its own gets must hold all that was committed before they came."""
        applied = len(self.log.events)
        followees = set(self.log.followees)
        wanted = {position for position, author in self.log.posts.items() if author in followees}
        own = self.process()
        sharing = Shared(
            own.delivery, lambda: applied, self.known(applied), others_deliver=self.rng.random() < 0.3
        )
        inbox = self.timelines(self.truth, own.stores, SETTINGS, shared=sharing).inbox(READER)
        held = set(inbox.entries.positions.tolist())
        deleted = {
            event.position for event in self.log.events[applied:] if event.kind is EventKind.POST_DELETED
        }
        missing = {p for p in wanted - deleted if p >= inbox.floor} - held
        if missing:
            raise Incomplete(f"{missing} of {wanted} is not in {sorted(held)} above {inbox.floor}")

    def known(self, applied: int) -> Recent:
        """What a process remembers that began to follow the log at some moment."""
        recent, at = Recent(), self.rng.randint(0, applied)
        while at < applied:
            step = self.rng.randint(1, applied - at)
            recent.apply(self.log.events[at : at + step])
            at += step
        return recent

    def run(self, steps: int = 400) -> None:
        acts = [getattr(self, name) for name in self.often]
        for _ in range(steps):
            if self.rng.random() < 0.15:
                self.schedule.start(self.rng.choices(acts, list(self.often.values()))[0])
            self.schedule.step()
        self.schedule.finish()
        self.schedule.start(self.read)
        self.schedule.finish()


def test_f23_whatever_interleaves_an_inbox_is_complete_above_its_floor() -> None:
    for seed in range(SCHEDULES):
        try:
            World(seed, often=PROFILES[seed % len(PROFILES)]).run()
        except Incomplete as error:
            pytest.fail(f"schedule {seed}: {error}")


@pytest.mark.parametrize(
    ("ignored", "often"),
    [
        ("token", LAPSING),
        ("generation", BUSY),
        ("epoch", EVEN),
        ("step", EVEN),
        ("listed", SHARED),
        ("part", PARTS),
        ("done", SHARED),
        ("fence", RECALLING),
        ("others", RECALLING_SHARED),
    ],
)
def test_f23_a_protocol_without_it_is_caught(ignored: str, often: Mapping[str, int]) -> None:
    assert is_caught(partial(World, ignored=ignored, often=often)), f"nobody misses the {ignored}"


class Heedless(Delivery):
    """Takes out what was deleted, whatever has become of it since."""

    def _purge_from(self, followers: Ids, entries: Entries) -> None:
        self._inboxes.remove(followers, entries.positions[::-1])


def test_f23_a_chunk_that_takes_out_what_has_come_back_is_caught() -> None:
    assert is_caught(partial(World, delivery=Heedless, often=RECALLING_SHARED))


class TruthFirst(Timelines):
    """Looks at truth, and only then has deliveries queue up."""

    def _build_inbox(self, reader_id: int) -> Timeline:
        found = self._truth.read(lambda tx: self._delivered(tx, reader_id))
        built = self._timeline(found, self._inbox_entries)
        token = self._inboxes.begin(reader_id)
        if token is not None:
            self._inboxes.install(reader_id, token, built.entries, built.floor)
        return built


def test_f23_a_rebuild_that_looks_at_truth_first_is_caught() -> None:
    assert is_caught(partial(World, timelines=TruthFirst, often=LAPSING))


def is_caught(make: Callable[[int], World]) -> bool:
    for seed in range(UNTIL_CAUGHT):
        try:
            make(seed).run()
        except Incomplete:
            return True
    return False
