"""Everything one process holds open for a feed, wired together. Made at first use, never before a fork."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from feedkit.cursor import CursorCodec, CursorKey
from feedkit.errors import FeedkitError, SchemaMissing
from feedkit.fanout.delivery import Delivery
from feedkit.fanout.near import NearOutboxes
from feedkit.fanout.pairs import Pairs
from feedkit.fanout.policy import CostBased
from feedkit.fanout.rebuild import Timelines
from feedkit.fanout.recent import Recent
from feedkit.fanout.routing import PulledList, Router
from feedkit.fanout.shared import Shared, SharedDelivery
from feedkit.fanout.sharing import ChunkWork
from feedkit.fingerprint import warn_of_differences
from feedkit.log.consumers import LocalConsumer, SharedConsumer
from feedkit.log.counters import Counters
from feedkit.log.hub import Hub
from feedkit.log.letters import DeadLetters
from feedkit.log.tail import Tail
from feedkit.log.waking import Alarm
from feedkit.log.worker import Worker, WorkerThread
from feedkit.metrics import Harmless, Metric
from feedkit.model import DrainResult, Key
from feedkit.reading.audit import Audit
from feedkit.reading.check import Check
from feedkit.reading.comments import CommentReader
from feedkit.reading.engagement import Reactions
from feedkit.reading.explain import Explainer
from feedkit.reading.export import Exporter
from feedkit.reading.feeds import FeedReader
from feedkit.reading.home import Home
from feedkit.reading.hydrate import Hydrator
from feedkit.reading.lists import ListFeed
from feedkit.reading.marked import MarkedPosts, Reacted, Saved
from feedkit.reading.media import MediaPosts
from feedkit.reading.own import OwnPosts
from feedkit.reading.people import People
from feedkit.reading.posts import PostReader
from feedkit.reading.profile import Profile
from feedkit.reading.suggestions import Suggestions
from feedkit.reading.tag import Tag
from feedkit.reading.thread import Thread
from feedkit.storage.base import Answer, Tx
from feedkit.storage.buses import MEMORY_BUS, bus_of, is_in_redis
from feedkit.storage.directory import KEY_TYPES, Directory
from feedkit.storage.doings import Doings
from feedkit.storage.events import TIMELINES
from feedkit.storage.fetching import Fetching
from feedkit.storage.guarding import Guard, unguarded
from feedkit.storage.lookups import Lookup
from feedkit.storage.memory import own_outboxes, own_timelines
from feedkit.storage.minting import Minting
from feedkit.storage.readthrough import ReadThrough
from feedkit.storage.sql.truth import SqlTruth, check_facts
from feedkit.storage.tallies import Tallies
from feedkit.storage.timelines import TimelineStores
from feedkit.storage.touching import Touches
from feedkit.wiring import Wiring
from feedkit.writing.bulk.adopting import Adopting
from feedkit.writing.comments import Commenting
from feedkit.writing.drafts import Drafting
from feedkit.writing.editing import Editing
from feedkit.writing.engagement import Engagement
from feedkit.writing.entities import Entities
from feedkit.writing.graph import Graph
from feedkit.writing.lists import ListWriting
from feedkit.writing.media import MediaWriting
from feedkit.writing.pins import Pins
from feedkit.writing.posts import PostWriting
from feedkit.writing.publish import Publishing
from feedkit.writing.reposts import Reposting
from feedkit.writing.schedule import Schedule
from feedkit.writing.staff import StaffWriting
from feedkit.writing.standing import Standing
from feedkit.writing.stored import StoredDrafts
from feedkit.writing.targets import Targets
from feedkit.writing.users import UserWriting

if TYPE_CHECKING:
    from feedkit.storage.redis.opening import Opening

T = TypeVar("T")
logger = logging.getLogger(__name__)


class Runtime(Generic[Key]):
    """One process's connections, caches, timelines and place in the log.

    `truth` and `minting` are its own unless they are given.
    """

    def __init__(
        self, wiring: Wiring[Key], truth: SqlTruth | None = None, minting: Minting | None = None
    ) -> None:
        settings, clock = wiring.settings, wiring.clock
        self._wiring = wiring
        self.settings = settings
        self.metrics = None if wiring.metrics is None else Harmless(wiring.metrics)
        self.truth = truth = truth or SqlTruth(wiring.target, wiring.namespace, settings, wiring.replicas)
        self.minting = minting or Minting(truth, clock, settings.lease_ms)
        self.directory = Directory(
            wiring.key,
            truth,
            self.minting,
            clock,
            key_max_bytes=settings.key_max_bytes,
            cached=settings.users_cached,
        )
        self._place = self._opening(wiring.redis)
        self._bus_place = self._opening(wiring.bus if is_in_redis(wiring.bus) else None)
        self._wire_log()
        bus = bus_of(wiring.bus, self._bus_place, settings)
        self.hub = None if bus is None else Hub(truth, bus, settings, self.letters)
        self._wire_reading()
        self._wire_writing()
        self._keys: list[CursorKey] = []
        self.others_work = wiring.deliver == "worker"
        self._alarm = Alarm(truth.waking.wake)
        self._worked_up_to = -1
        self._delivered_up_to = -1
        self._thread: WorkerThread | None = None

    def open(self) -> None:
        """Check the schema (SQLite: make it), load the cursor keys, start the thread if one was asked for."""
        try:
            facts = self.truth.read(self.truth.install.facts)
            check_facts(facts, KEY_TYPES[self._wiring.key])
        except SchemaMissing:
            if not self.truth.embedded:
                raise
            self.migrate()
        self._load_keys()
        if self.others_work:
            warn_of_differences(self.truth, self._wiring)
        if self._wiring.deliver == "thread":
            self._thread = WorkerThread(self.step, self.settings.poll_interval_ms / 1000)
            self._thread.start()

    def migrate(self) -> None:
        """Make or complete the schema."""
        self.truth.migrate(KEY_TYPES[self._wiring.key], self._wiring.clock.now_ms())

    def close(self) -> None:
        """Stop the thread, give the node back, close connections."""
        if self._thread is not None:
            self._thread.stop()
        try:
            self.minting.retire()
        except FeedkitError as error:
            logger.info("the node lease is left to lapse: %s", error.code)
        finally:
            for place in (self._place, self._bus_place):
                if place is not None:
                    place.close()
            self.truth.close()

    def catch_up(self) -> int:
        """Apply what was committed before this moment; the number of the last event.

        Where no thread does it, whoever reads also applies the log to truth, if nobody else is at it.
        """
        number = self.tail.catch_up()
        if self.others_work or self._thread is not None:
            return number
        if self.schedule.is_due() and self.schedule.run():
            number = self.tail.catch_up()
        if number != self._worked_up_to:
            done = self.worker.run(wait=False)
            number = self.tail.catch_up()  # what the worker itself has added
            self._worked_up_to = number if done else self._worked_up_to
        return number

    def expected(self) -> int | None:
        """Where the log ends, if it does where it did at the last look; None where there may be something to do."""
        number = self.tail.expected()
        if number is None or self.others_work or self._thread is not None:
            return number
        return number if number == self._worked_up_to and not self.schedule.is_due() else None

    def ask(self, number: int) -> Answer:
        """Ask whether nothing above that number was committed, and go on."""
        return self.tail.ask(number)

    def wipe(self) -> None:
        """Forget everything that can be had from truth."""
        self.tail.restart()
        if self.sharing is not None:
            self.delivery.clear()
        if self.hub is not None:
            self.hub.bus.clear()

    def is_at(self, number: int) -> bool:
        """Whether nothing above that number has been applied here, not even in part."""
        return self.tail.is_at(number)

    def stands_at(self, number: int) -> bool:
        """Whether nothing was committed since the event of that number was applied, or nobody can tell."""
        return self.tail.stands_at(number)

    def timed(self, metric: Metric, work: Callable[[], T]) -> T:
        """The result of `work`; the seconds it took are observed, if anybody wants to know."""
        if self.metrics is None:
            return work()
        started = time.perf_counter()
        result = work()
        self.metrics.observe(metric, time.perf_counter() - started)
        return result

    def change(self, change: Callable[[Tx | None], T], connection: Any) -> T:
        """Make a change in a transaction of its own, or as one savepoint of the host's.

        What it gives says `guarded=False` where the shared cache could not be told before.
        """
        if self.guard is None:
            return self._change(change, connection)
        self.guard.missed()
        done = self._change(change, connection)
        return unguarded(done) if self.guard.missed() else done

    def _change(self, change: Callable[[Tx | None], T], connection: Any) -> T:
        if connection is not None:
            return self.truth.join(connection, change)
        if self._wiring.ambient is None:
            return self._change_alone(change)
        with self._wiring.ambient() as found:
            return self._change_alone(change) if found is None else self.truth.join(found, change)

    def _change_alone(self, change: Callable[[Tx | None], T]) -> T:
        done = change(None)
        if self.others_work:
            with suppress(FeedkitError):  # it is done; workers look from time to time anyway
                self._alarm.ring()
        return done

    def inside(self, connection: object, *, alone: bool) -> "Runtime[Key]":
        """A runtime for one verb that sees what a transaction of the host's sees; nothing of it is kept.

        Everything is built from truth, as for a reader who has just come, and nobody is told what that took. See
        `storage.sql.inside` for `alone`.
        """
        bus = MEMORY_BUS if alone and self._wiring.bus is not None else None
        wiring = attrs.evolve(self._wiring, deliver="inline", metrics=None, redis=None, bus=bus)
        truth = self.truth.inside(connection, alone=alone)
        return Runtime(wiring, truth, None if alone else self.minting)

    def viewer_id(self, viewer: Key | None) -> int | None:
        """The id of a viewer; None where nobody is logged in, and for somebody whom feedkit has not met."""
        return None if viewer is None else self.directory.find(viewer, "viewer")

    def drain(self, max_seconds: float | None) -> DrainResult:
        """Apply everything that is pending, to this process and to truth."""
        started = time.monotonic()
        until = None if max_seconds is None else started + max_seconds
        applied, delivered = self.tail.applied, self.delivery.delivered
        done = False
        while not done:
            number = self.tail.catch_up()
            if self.schedule.is_due() and self.schedule.run():
                number = self.tail.catch_up()
            finished = self.worker.run(until=until)
            self._worked_up_to = self.tail.catch_up()
            delivered_all = self.sharing is None or self.sharing.delivery.run(until=until, wait=True)
            delivered_all &= self.hub is None or self.hub.relay.run(until=until)
            done = finished and delivered_all and self._worked_up_to == number
            if not delivered_all or (until is not None and time.monotonic() >= until):
                break
        return DrainResult(
            events=self.tail.applied - applied,
            deliveries=self.delivery.delivered - delivered,
            seconds=time.monotonic() - started,
            done=done,
        )

    def rotate_cursor_key(self) -> None:
        """Sign cursors with a new key from now on."""
        now_ms, keep = self._wiring.clock.now_ms(), self.settings.cursor_keys_kept
        self.truth.write(lambda tx: self.truth.install.add_cursor_key(tx, now_ms, keep))
        self._load_keys()

    def step(self, *, share: bool = True) -> bool:
        """Do what is to be done for all processes; whether anything had happened.

        Without `share`, large deliveries are begun and left to others.
        """
        before = (self._worked_up_to, self._delivered_up_to)
        number = self.tail.catch_up()
        if self.schedule.is_due() and self.schedule.run():
            number = self.tail.catch_up()
        if number != self._worked_up_to and self.worker.run():
            self._worked_up_to = number
        if self.sharing is not None and number != self._delivered_up_to:
            done = self.sharing.delivery.run(share=share)
            self._delivered_up_to = number if done else self._delivered_up_to
        if self.hub is not None:
            self.hub.relay.run()
        return before != (self._worked_up_to, self._delivered_up_to)

    def _opening(self, target: Any) -> "Opening | None":
        if target is None:
            return None
        from feedkit.storage.redis.opening import Opening  # its client is slow to import

        wiring = self._wiring
        timeout_s = wiring.settings.redis_timeout_ms / 1000
        return Opening(target, wiring.namespace, self._install_id, timeout_s)

    def _install_id(self) -> str:
        return self.truth.read(self.truth.install.facts)["install_id"]

    def _load_keys(self) -> list[CursorKey]:
        self._keys = self.truth.read(self.truth.install.cursor_keys)
        return self._keys

    def _wire_log(self) -> None:
        truth, settings, clock = self.truth, self.settings, self._wiring.clock
        self.stores = self._timeline_stores()
        self.post_writing = PostWriting(truth, Router(self._wiring.policy, truth))
        self.targets = Targets(truth, self.directory, clock)
        self.schedule = Schedule(truth, self.post_writing, self.targets, clock)
        counters = Counters(truth)
        self.shared_consumers: list[SharedConsumer] = [
            counters,
            PulledList(self._wiring.policy, truth, clock, settings),
        ]
        known = [TIMELINES, *(consumer.name for consumer in self.shared_consumers)]
        self.letters = DeadLetters(truth, clock, settings, self.metrics, known)
        tallies = Tallies(truth, settings, counters.deltas, lambda: self.tail.touched)
        truth.follow(lambda: self.tail.touched, self.metrics)
        touches = Touches(lambda: self.tail.number)
        self._wire_shared_cache(touches)
        fetching = Fetching(truth, clock, touches, self.lookup)
        doings = Doings(truth, tallies, settings)
        self.readthrough = ReadThrough(
            truth, self.directory, clock, settings, doings, self.metrics, fetching=fetching
        )
        policy, stores = self._wiring.policy, self.stores
        self.pairs = Pairs(policy, stores.inboxes, clock, settings) if isinstance(policy, CostBased) else None
        self.delivery = Delivery(truth, stores, settings, self.pairs, clock=clock, metrics=self.metrics)
        # Delivery first: an author leaves the pulled list of this process only after the backfill.
        recent = Recent()
        self.near = None
        if stores.marks is not None:
            self.near = NearOutboxes(own_outboxes(settings, clock), self.metrics)
        first: list[LocalConsumer] = [self.delivery] if self.near is None else [recent, self.near]
        self.tail = Tail(truth, [*first, touches, self.readthrough, self.schedule], settings.log_batch)
        self.sharing: Shared | None = None
        self.chunks: ChunkWork | None = None
        if stores.marks is not None:
            self.chunks = ChunkWork(truth, self.delivery, stores.marks, self.letters, settings)
            around = (settings.log_batch, self.chunks, self.letters)
            also = [] if self.guard is None else [self.guard]
            delivery = SharedDelivery(truth, self.delivery, stores.marks, *around, also=also)
            others_deliver = self._wiring.deliver == "worker"
            self.sharing = Shared(delivery, lambda: self.tail.touched, recent, others_deliver=others_deliver)
        self.worker = Worker(truth, self.shared_consumers, clock, settings, self.letters)

    def _wire_shared_cache(self, touches: Touches) -> None:
        settings = self.settings
        self.lookup: Lookup | None = None
        self.guard: Guard | None = None
        if self._place is None or settings.shared_cache == "off":
            return
        from feedkit.storage.redis.cache import shared_cache

        cache = shared_cache(self._place, settings)
        self.lookup = Lookup(cache, touches, lambda: self.tail.number, settings, self.metrics)
        self.guard = Guard(cache, self.metrics)
        self.truth.tell(self.guard)

    def _timeline_stores(self) -> TimelineStores:
        if self._place is None:
            return own_timelines(self.settings, self._wiring.clock)
        from feedkit.storage.redis.timelines import shared_timelines

        return shared_timelines(self._place, self.settings)

    def _wire_reading(self) -> None:
        truth, settings, clock = self.truth, self.settings, self._wiring.clock
        timelines = Timelines(
            truth,
            self.stores,
            settings,
            self.pairs,
            shared=self.sharing,
            near=self.near,
            metrics=self.metrics,
        )
        hydrator = Hydrator(self.readthrough, clock)
        self.cursors = cursors = CursorCodec(lambda: self._keys, self._load_keys)
        reader = FeedReader(truth, hydrator, cursors, settings, self, self.metrics)
        self.home = Home(reader, self.readthrough, timelines, truth, self.metrics)
        self.list_feed = ListFeed(reader, self.readthrough, timelines, truth)
        marked = MarkedPosts(self.readthrough, hydrator, cursors, settings)
        self.saved = Saved(truth, self.readthrough, marked)
        reacted = Reacted(truth, self.readthrough, marked, clock)
        self.profile = Profile(reader, self.readthrough, truth, reacted)
        self.thread = Thread(reader, self.readthrough, hydrator, truth, settings)
        self.tag = Tag(reader, self.readthrough, truth)
        self.posts = PostReader(self.readthrough, hydrator, truth)
        self.people = People(truth, self.readthrough, cursors, self, clock, settings)
        self.suggestions = Suggestions(truth, self.readthrough, self, clock, settings)
        self.comments = CommentReader(truth, self.readthrough, self.posts, cursors, settings, clock)
        self.reactions = Reactions(
            truth, self.readthrough, self.posts, self.comments, cursors, settings, clock=clock
        )
        self.media_posts = MediaPosts(reader, self.readthrough, truth)
        self.own_posts = OwnPosts(truth, cursors)
        self.audit = Audit(truth, self.readthrough, cursors)
        self.exporter = Exporter(truth, self.readthrough, hydrator, clock)
        self.explainer = Explainer(truth, self.readthrough, self.home, hydrator, self.stores, settings, clock)
        self.check = Check(
            truth,
            self.stores.inboxes,
            self.home,
            hydrator,
            depth=settings.inbox_entries,
            catch_up=self.catch_up,
            clock=clock,
        )

    def _wire_writing(self) -> None:
        truth, settings, clock = self.truth, self.settings, self._wiring.clock
        self.drafting = Drafting(settings)
        standing = Standing(truth, self.directory, clock)
        targets = self.targets
        entities = Entities(truth, self.directory, self._wiring.mention_resolver, settings)
        around = (self.post_writing, standing, clock, settings)
        self.publishing = Publishing(truth, self.minting, *around, targets=targets, entities=entities)
        self.reposting = Reposting(truth, self.minting, self.post_writing, standing, targets, clock)
        self.drafts = StoredDrafts(truth, self.minting, *around, targets=targets, entities=entities)
        self.editing = Editing(truth, *around, entities=entities)
        self.pins = Pins(truth, *around)
        self.media_writing = MediaWriting(truth, clock, settings)
        self.staff_writing = StaffWriting(truth, self.minting, self.post_writing, clock)
        self.graph = Graph(truth, standing, clock, settings)
        self.list_writing = ListWriting(truth, self.minting, clock, settings)
        self.user_writing = UserWriting(truth, clock, settings)
        self.adopting = Adopting(
            truth,
            self.directory,
            self.minting,
            self.drafting,
            self.user_writing,
            entities,
            clock=clock,
            settings=settings,
        )
        self.engagement = Engagement(truth, targets, standing, clock, settings)
        self.commenting = Commenting(truth, self.minting, targets, standing, clock, settings)
