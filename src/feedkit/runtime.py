"""Everything one process holds open for a feed, wired together. Made at first use, never before a fork."""

import logging
from typing import Generic

import attrs

from feedkit.cursor import CursorCodec, CursorKey
from feedkit.errors import FeedkitError, SchemaMissing
from feedkit.fanout.assembly import Fanout
from feedkit.fanout.routing import PulledList, Router
from feedkit.fingerprint import warn_of_differences
from feedkit.log.applied import AppliedLog
from feedkit.log.consumers import SharedConsumer
from feedkit.log.counters import Counters
from feedkit.log.hub import Hub
from feedkit.log.letters import DeadLetters
from feedkit.log.tail import Tail
from feedkit.log.waking import Alarm
from feedkit.log.worker import Worker, WorkerThread
from feedkit.metrics import Harmless
from feedkit.model import Key
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
from feedkit.storage.caches import Caches
from feedkit.storage.directory import KEY_TYPES, Directory
from feedkit.storage.drivers import MEMORY_BUS, bus_of, is_in_redis, place_of, shared_cache_of, timelines_of
from feedkit.storage.events import TIMELINES
from feedkit.storage.minting import Minting
from feedkit.storage.sql.truth import SqlTruth, check_facts
from feedkit.wiring import Wiring
from feedkit.writing.bulk.adopting import Adopting
from feedkit.writing.changes import Changes
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
        about = (wiring.namespace, self._install_id, settings)
        self._place = place_of(wiring.redis, *about)
        self._bus_place = place_of(wiring.bus if is_in_redis(wiring.bus) else None, *about)
        self._others_work = wiring.deliver == "worker"
        self._wire_log()
        self._wire_reading()
        self._wire_writing()
        self._keys: list[CursorKey] = []
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
        if self._others_work:
            warn_of_differences(self.truth, self._wiring)
        if self._wiring.deliver == "thread":
            self._thread = WorkerThread(self.log.step, self.settings.poll_interval_ms / 1000)
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

    def wipe(self) -> None:
        """Forget everything that can be had from truth."""
        self.tail.restart()
        if self.stores.marks is not None:
            self.stores.clear()
        if self.hub is not None:
            self.hub.bus.clear()

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

    def rotate_cursor_key(self) -> None:
        """Sign cursors with a new key from now on."""
        now_ms, keep = self._wiring.clock.now_ms(), self.settings.cursor_keys_kept
        self.truth.write(lambda tx: self.truth.install.add_cursor_key(tx, now_ms, keep))
        self._load_keys()

    def _install_id(self) -> str:
        return self.truth.read(self.truth.install.facts)["install_id"]

    def _load_keys(self) -> list[CursorKey]:
        self._keys = self.truth.read(self.truth.install.cursor_keys)
        return self._keys

    def _wire_log(self) -> None:
        truth, settings, clock, wiring = self.truth, self.settings, self._wiring.clock, self._wiring
        counters = Counters(truth)
        pulled_list = PulledList(wiring.policy, truth, clock, settings)
        self.shared_consumers: list[SharedConsumer] = [counters, pulled_list]
        known = [TIMELINES, *(consumer.name for consumer in self.shared_consumers)]
        self.letters = DeadLetters(truth, clock, settings, self.metrics, known)
        self.post_writing = PostWriting(truth, Router(wiring.policy, truth))
        self.targets = Targets(truth, self.directory, clock)
        self.schedule = Schedule(truth, self.post_writing, self.targets, clock)
        caches = self._caches(counters)
        self.readthrough, self._guard = caches.readthrough, caches.guard
        self.stores = timelines_of(self._place, settings, clock)
        self.fanout = Fanout(
            truth,
            self.stores,
            wiring.policy,
            clock,
            settings,
            letters=self.letters,
            metrics=self.metrics,
            place=lambda: self.tail.touched,
            others_deliver=self._others_work,
            also=[] if self._guard is None else [self._guard],
        )
        # Fan-out first: an author leaves the pulled list of this process only after the backfill.
        local = (*self.fanout.consumers, caches.touches, self.readthrough, self.schedule)
        self.tail = Tail(truth, local, settings.log_batch)
        self.worker = Worker(truth, self.shared_consumers, clock, settings, self.letters)
        bus = bus_of(wiring.bus, self._bus_place, settings)
        self.hub = None if bus is None else Hub(truth, bus, settings, self.letters)
        sharing = self.fanout.sharing
        self.log = AppliedLog(
            self.tail,
            self.worker,
            self.schedule,
            delivering=None if sharing is None else sharing.delivery,
            relay=None if self.hub is None else self.hub.relay,
            delivered=lambda: self.fanout.delivery.delivered,
            by_readers=wiring.deliver == "inline",
        )

    def _caches(self, counters: Counters) -> Caches[Key]:
        caches = Caches(
            self.truth,
            self.directory,
            self._wiring.clock,
            self.settings,
            self.metrics,
            shared=shared_cache_of(self._place, self.settings),
            tally=counters.deltas,
            applied=lambda: self.tail.number,
            touched=lambda: self.tail.touched,
        )
        self.truth.follow(lambda: self.tail.touched, self.metrics)
        if caches.guard is not None:
            self.truth.tell(caches.guard)
        return caches

    def _wire_reading(self) -> None:
        truth, settings, clock = self.truth, self.settings, self._wiring.clock
        timelines = self.fanout.timelines
        hydrator = Hydrator(self.readthrough, clock, settings)
        self.cursors = cursors = CursorCodec(lambda: self._keys, self._load_keys)
        reader = FeedReader(truth, hydrator, cursors, settings, self.log, self.metrics)
        self.home = Home(reader, self.readthrough, timelines, truth, self.metrics)
        self.list_feed = ListFeed(reader, self.readthrough, timelines, truth)
        marked = MarkedPosts(self.readthrough, hydrator, cursors, settings)
        self.saved = Saved(truth, self.readthrough, marked)
        reacted = Reacted(truth, self.readthrough, marked, clock)
        self.profile = Profile(reader, self.readthrough, truth, reacted)
        self.thread = Thread(reader, self.readthrough, hydrator, truth, settings)
        self.tag = Tag(reader, self.readthrough, truth)
        self.posts = PostReader(self.readthrough, hydrator, truth)
        self.people = People(truth, self.readthrough, cursors, self.log, clock, settings)
        self.suggestions = Suggestions(truth, self.readthrough, self.log, clock, settings)
        self.comments = CommentReader(truth, self.readthrough, self.posts, cursors, settings, clock)
        self.reactions = Reactions(
            truth, self.readthrough, self.posts, self.comments, cursors, settings, clock=clock
        )
        self.media_posts = MediaPosts(reader, self.readthrough, truth)
        self.own_posts = OwnPosts(truth, cursors, clock)
        self.audit = Audit(truth, self.readthrough, cursors)
        self.exporter = Exporter(truth, self.readthrough, hydrator, clock)
        self.explainer = Explainer(truth, self.readthrough, self.home, hydrator, self.stores, settings, clock)
        self.check = Check(
            truth,
            self.stores.inboxes,
            self.home,
            hydrator,
            depth=settings.inbox_entries,
            catch_up=self.log.catch_up,
            clock=clock,
        )

    def _wire_writing(self) -> None:
        truth, settings, clock = self.truth, self.settings, self._wiring.clock
        alarm = Alarm(truth.waking.wake) if self._others_work else None
        self.change = Changes(truth, self._guard, self._wiring.ambient, alarm).make
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
        self.staff_writing = StaffWriting(
            truth, self.minting, self.post_writing, clock, targets=targets, reposting=self.reposting
        )
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
