"""What every rule stands on: feeds over one database, their clocks, and who is reading what."""

import itertools
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, ClassVar, Protocol

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from feedkit import Feed, ManualClock, Settings
from feedkit.testing import START
from feedkit.testing.judge import Judge
from feedkit.testing.known import Known, Surface, home, newest_first, profile
from feedkit.testing.model import Model
from feedkit.testing.walks import Walk, Watch

USERS = ("ada", "bob", "cyd", "dee", "eve")
SKEW_MS = 5 * 60_000
"""How far the clock of the second process is ahead."""

KEPT = 4
"""Walks and watches that are kept open at the same time."""

TINY = Settings(
    inbox_entries=10,
    inbox_tail=3,
    inboxes_max=5,
    outbox_entries=10,
    outboxes_max=4,
    inbox_ttl_s=7 * 86_400,
    pull_grace_s=0,
    posts_cached=20,
    users_cached=10,
    own_cached=20,
    relations_cached=10,
    delivery_chunk=2,
    log_batch=3,
    prune_every=10,
    page_limit_max=50,
)
"""Settings so small that every bound is met within a few steps."""

SMALL = attrs.evolve(
    TINY,
    inbox_entries=16,
    outbox_entries=12,
    inbox_tail=5,
    log_batch=20,
    pull_grace_s=3_600,
    inboxes_max=3,
    posts_cached=0,
    own_cached=0,
)
"""The same for a second process, which does it a little differently."""

who = st.sampled_from(USERS)
process = st.integers(0, 1)
pick = st.integers(0, 50)
limit = st.integers(1, 7)


class OpenFeed(Protocol):
    """Opens one more feed, as another process would, on the database that belongs to one `example`.

    The name is a plain identifier, new for every run of the machine: the database behind it is empty when
    the first feed is opened.
    """

    def __call__(self, example: str, *, clock: ManualClock, settings: Settings, policy: Any) -> Feed[str]: ...


class Stage(RuleBasedStateMachine):
    """Two processes over one database, the model beside them, and the walks that are open."""

    open_feed: ClassVar[OpenFeed]
    policy: ClassVar[Callable[[], Any]]
    settings_of: ClassVar[Sequence[Settings]]
    pull_above: ClassVar[int]
    orderly: ClassVar[bool]
    transaction: ClassVar[Callable[[str], AbstractContextManager[Any]] | None]
    finished: ClassVar[Callable[[str], None]]
    tally: ClassVar[Counter[str]]
    _numbers: ClassVar["itertools.count[int]"] = itertools.count(1)

    def __init__(self) -> None:
        super().__init__()
        self.example = f"x{os.getpid()}_{next(self._numbers)}"
        skewed = (START.timestamp() * 1000 + number * SKEW_MS for number in range(len(self.settings_of)))
        self.clocks = [ManualClock(int(start_ms)) for start_ms in skewed]
        self.model = Model(USERS, [clock.now_ms() for clock in self.clocks])
        largest = max(settings.inbox_entries for settings in self.settings_of)
        self.judge = Judge(self.model, self.tally, largest)
        self.feeds = [self.opened(number) for number in range(len(self.settings_of))]
        self.walks: list[Walk] = []
        self.watches: list[Watch] = []
        self.host = ExitStack()
        self.connection: Any = None
        self.compared = False
        self.tally["examples"] += 1

    def opened(self, number: int) -> Feed[str]:
        """A new feed for one of the processes."""
        return type(self).open_feed(
            self.example,
            clock=self.clocks[number],
            settings=self.settings_of[number],
            policy=type(self).policy(),
        )

    def feed(self, process: int) -> Feed[str]:
        """The feed of one process, which is about to be asked; there may be only one. Its clock goes on by 1 ms."""
        self.tally["steps"] += 1
        number = process % len(self.feeds)
        self.advance(number, 0.001)
        # Whoever's clock is ahead may prune what to others is new.
        kept_ms = min(settings.event_retention_s for settings in self.settings_of) * 1000
        fastest_ms = max(clock.now_ms() for clock in self.clocks)
        self.model.log_begins_ms = max(self.model.log_begins_ms, fastest_ms - kept_ms)
        self.model.now_ms = self.clocks[number].now_ms()
        return self.feeds[number]

    def advance(self, number: int, seconds: float) -> None:
        """Move one clock; what lapses by that is seen by everybody who is reading."""
        clock = self.clocks[number]
        before = clock.now_ms()
        clock.advance(seconds=seconds)
        now = self.model.instants[number] = clock.now_ms()
        low, high = sorted((before, now))
        if any(low < edge <= high for edge in self.model.edges()):
            self.tally["lapsed"] += 1
            self.observe()

    def observe(self) -> None:
        """To be called after every change: everybody who is reading may meet it."""
        self.compared = False
        for walk in self.walks:
            walk.observe(self.model)
        for watch in self.watches:
            watch.observe(self.model)

    # reading, as part of a rule

    def begin(self, surface: Surface, limit: int, process: int) -> None:
        """Somebody opens a surface, and may read on and poll later."""
        feed = self.feed(process)
        walk = Walk.begin(self.model, surface)
        page = self.judge.page(feed, walk, limit)
        if walk.cursor is not None:
            self.keep(walk)
        if page is not None:
            self.watch(surface, page.newer_cursor)

    def page(self, walk: Walk, limit: int, process: int) -> None:
        """The next page of a walk, which is kept open if it goes on."""
        self.judge.page(self.feed(process), walk, limit)
        if walk.cursor is not None:
            self.keep(walk)

    def keep(self, walk: Walk) -> None:
        """Leave a walk open, in place of an older one."""
        self.walks = [*self.walks, walk][-KEPT:]

    def watch(self, surface: Surface, cursor: str) -> None:
        """Hold a cursor, to poll with it later."""
        self.watches = [*self.watches, Watch.begin(self.model, surface, cursor)][-KEPT:]

    def glance(self, *people: str, process: int) -> None:
        """Each scrolls through their home to its end, and opens the profiles of the others."""
        for viewer, author in itertools.product(people, people):
            feed = self.feed(process)
            walk = Walk.begin(self.model, home(viewer) if viewer == author else profile(viewer, author))
            page = self.judge.page(feed, walk, limit=7)
            if viewer == author and page is not None:
                self.watch(walk.surface, page.newer_cursor)
                if walk.cursor is not None:
                    self.judge.walk(self.feed(process), walk, limit=7)

    def finish_walks(self, process: int) -> None:
        """Every walk that is open goes on to its end, and every watch is polled to its end."""
        feed = self.feed(process)
        walks, self.walks = self.walks, []
        watches, self.watches = self.watches, []
        for walk in (*walks, *(watch.poll(self.model) for watch in watches)):
            self.judge.walk(feed, walk, limit=5)

    def posts(self) -> list[Known]:
        """All that was ever published, newest first."""
        return newest_first(self.model.posts.values())

    def close(self) -> None:
        """Give everything back."""
        self.host.close()
        for feed in self.feeds:
            feed.close()
        type(self).finished(self.example)
