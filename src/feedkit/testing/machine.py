"""A Hypothesis state machine that drives real feeds against `feedkit.testing.model`.

    Machine = make_machine(open_feed, policy=lambda: Hybrid(pull_above=2))
    TestMyDriver = Machine.TestCase

Two feeds over one database stand for two processes: each has its own inboxes, clock, settings and policy
object, and every rule picks the one that acts. Whatever they do, what a reader is served has to be what the
model says at that moment: page by page, over any interleaving, from a resident inbox and from a wiped one.

`Machine.tally` counts the steps taken and the interesting situations met, so that a test can assert that
a run has really been through them.
"""

import itertools
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, ClassVar, Protocol

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from feedkit import Feed, Forbidden, InvalidArgument, ManualClock, NotFound, Relation, Settings
from feedkit.testing import START
from feedkit.testing.judge import Judge, refused
from feedkit.testing.model import FOLLOWERS, ONLY_ME, PUBLIC, Known, Model, Surface, Walk, Watch, newest_first

__all__ = ["SMALL", "TINY", "FeedMachine", "OpenFeed", "make_machine"]

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
)
"""The same for a second process, which does it a little differently."""

_who = st.sampled_from(USERS)
_audience = st.sampled_from((PUBLIC, PUBLIC, FOLLOWERS, ONLY_ME))
_limit = st.integers(1, 7)
_process = st.integers(0, 1)
_pick = st.integers(0, 50)
_seconds = st.sampled_from((-10, -1, -0.001, 0.001, 1, 60, 2 * 3_600, 43_200, 2 * 86_400, 8 * 86_400))
_pairs = st.lists(st.tuples(_who, _who), max_size=12)
_verb = st.sampled_from(("follow", "follow", "mute", "block", "unmute", "unblock", "unfollow"))
_restriction = st.sampled_from(("mute", "block", "unfollow"))
_upkeep = st.sampled_from(("wipe", "reopen", "drain", "check"))


class OpenFeed(Protocol):
    """Opens one more feed, as another process would, on the database that belongs to one `example`.

    The name is a plain identifier, new for every run of the machine: the database behind it is empty when
    the first feed is opened.
    """

    def __call__(self, example: str, *, clock: ManualClock, settings: Settings, policy: Any) -> Feed[str]: ...


class FeedMachine(RuleBasedStateMachine):
    """The rules. Use `make_machine`, which gives a subclass that knows what to open."""

    open_feed: ClassVar[OpenFeed]
    policy: ClassVar[Callable[[], Any]]
    settings_of: ClassVar[Sequence[Settings]]
    pull_above: ClassVar[int]
    transaction: ClassVar[Callable[[str], AbstractContextManager[Any]] | None]
    finished: ClassVar[Callable[[str], None]]
    tally: ClassVar[Counter[str]]
    _numbers: ClassVar["itertools.count[int]"] = itertools.count(1)

    def __init__(self) -> None:
        super().__init__()
        self.example = f"x{os.getpid()}_{next(self._numbers)}"
        self.model = Model(USERS)
        largest = max(settings.inbox_entries for settings in self.settings_of)
        self.judge = Judge(self.model, self.tally, largest)
        skewed = (START.timestamp() * 1000 + number * SKEW_MS for number in range(len(self.settings_of)))
        self.clocks = [ManualClock(int(start_ms)) for start_ms in skewed]
        self.feeds = [self._open(number) for number in range(len(self.settings_of))]
        self.walks: list[Walk] = []
        self.watches: list[Watch] = []
        self.written = 0
        self.host = ExitStack()
        self.connection: Any = None
        self.pending: list[Known] = []
        self.pulled: dict[str, bool] = {}
        self.compared = False
        self.tally["examples"] += 1

    def _open(self, number: int) -> Feed[str]:
        return type(self).open_feed(
            self.example,
            clock=self.clocks[number],
            settings=self.settings_of[number],
            policy=type(self).policy(),
        )

    def feed(self, process: int) -> Feed[str]:
        """The feed of one process; there may be only one. Its clock goes on by a millisecond."""
        self.tally["steps"] += 1
        number = process % len(self.feeds)
        self.clocks[number].advance(milliseconds=1)
        # Whoever's clock is ahead may prune what to others is new.
        kept_ms = min(settings.event_retention_s for settings in self.settings_of) * 1000
        fastest_ms = max(clock.now_ms() for clock in self.clocks)
        self.model.log_begins_ms = max(self.model.log_begins_ms, fastest_ms - kept_ms)
        return self.feeds[number]

    def _observe(self) -> None:
        self.compared = False
        for walk in self.walks:
            walk.observe(self.model)
        for watch in self.watches:
            watch.observe(self.model)

    # people, and what stands between them

    @initialize(stars=st.sets(_who, max_size=3), follows=_pairs, process=_process)
    def populate(self, stars: set[str], follows: list[tuple[str, str]], process: int) -> None:
        feed = self.feed(process)
        for name in USERS:
            feed.users.put(name, handle=name)
        for actor, other in (*itertools.product(USERS, sorted(stars)), *follows):
            if actor != other:
                self.relate("follow", actor, other, look=False, process=process, reader=process)

    @rule(verb=_verb, actor=_who, other=_who, look=st.booleans(), process=_process, reader=_process)
    def relate(self, verb: str, actor: str, other: str, look: bool, process: int, reader: int) -> None:
        """Somebody follows, blocks, mutes, or takes it back; the two may look at each other before and after."""
        if look:
            self._glance(actor, other, process=reader)
        do = getattr(self.feed(process), verb)
        if actor == other and not verb.startswith("un"):
            refused(InvalidArgument, lambda: do(actor, other))
        elif verb == "follow" and self.model.apart(actor, other):
            refused(Forbidden, lambda: do(actor, other))
        else:
            self._changed(do(actor, other), getattr(self.model, verb)(actor, other), verb)
        if look:
            self._glance(actor, other, process=reader)

    @precondition(lambda self: self.model.follows)
    @rule(verb=_restriction, pick=_pick, forth=st.booleans(), process=_process, reader=_process)
    def restrict(self, verb: str, pick: int, forth: bool, process: int, reader: int) -> None:
        """A follower turns away, or is turned away, while both are looking on."""
        follows = sorted(self.model.follows)
        pair = follows[pick % len(follows)]
        actor, other = pair if forth else pair[::-1]
        self.relate(verb, actor, other, look=True, process=process, reader=reader)

    @rule(other=_who, size=st.integers(0, 4), audience=_audience, process=_process, reader=_process)
    def crowd(self, other: str, size: int, audience: str, process: int, reader: int) -> None:
        """Just so many follow somebody, who then posts: an author crosses the threshold of a hybrid policy."""
        for number, name in enumerate(name for name in USERS if name != other):
            verb = "follow" if number < size else "unfollow"
            self.relate(verb, name, other, look=False, process=process, reader=reader)
        for _ in range(2):
            self.feed(process).drain()
            self._publish(other, audience, process)
        self._finish_walks(reader)
        self._glance(*(name for name in USERS if name != other), process=reader)

    def _glance(self, *people: str, process: int) -> None:
        """Each scrolls through their home to its end, and opens the profiles of the others."""
        for viewer, author in itertools.product(people, people):
            walk = Walk.begin(self.model, Surface(viewer, None if viewer == author else author))
            page = self.judge.page(self.feed(process), walk, limit=7)
            if viewer == author:
                self._watch(walk.surface, page.newer_cursor)
                if walk.cursor is not None:
                    self.judge.walk(self.feed(process), walk, limit=7)

    def _changed(self, relation: Relation, changed: bool, verb: str) -> None:
        assert (relation.changed, relation.active) == (changed, not verb.startswith("un")), (verb, relation)
        self._observe()

    # posts

    @rule(author=_who, audience=_audience, parent=st.none() | _pick, process=_process)
    def publish(self, author: str, audience: str, parent: int | None, process: int) -> None:
        self._publish(author, audience, process, parent=parent)

    @rule(author=_who, audience=_audience, n=st.integers(2, 14), process=_process)
    def burst(self, author: str, audience: str, n: int, process: int) -> None:
        for _ in range(n):
            self._publish(author, audience, process)

    def _publish(self, author: str, audience: str, process: int, parent: int | None = None) -> None:
        if any(post.author == author for post in self.pending):
            return  # the open transaction may hold what the next one of this author has to wait for
        visible = [post for post in self._posts() if self.model.may_see(author, post)]
        reply_to = visible[parent % len(visible)].id if parent is not None and visible else None
        self._know(self._write(self.feed(process), author, audience, reply_to=reply_to))
        self._observe()

    def _write(
        self, feed: Feed[str], author: str, audience: str, *, reply_to: int | None = None, **kwargs: Any
    ) -> Known:
        self.written += 1
        text = f"{author[0]}{self.written}"
        post = feed.publish(author, text=text, audience=audience, reply_to=reply_to, **kwargs)
        assert (post.text, str(post.audience), post.reply_to) == (text, audience, reply_to)
        assert post.id not in self.model.posts, "an id was minted twice"
        self._count_crossing(author)
        return Known(post.id, post.position, author, audience, text, post.created_ms)

    def _know(self, post: Known) -> None:
        below = any(post.position < other.position for other in self.model.posts.values())
        self.tally["posts below the top"] += below
        self.model.publish(post)

    def _count_crossing(self, author: str) -> None:
        pulled = self.model.counts(author)[0] > self.pull_above
        if self.pulled.setdefault(author, pulled) != pulled:
            self.tally["crossed up" if pulled else "crossed down"] += 1
        self.pulled[author] = pulled

    def _posts(self) -> list[Known]:
        return newest_first(self.model.posts.values())

    @precondition(lambda self: self.model.posts)
    @rule(pick=_pick, who=_who, mine=st.booleans(), process=_process, reader=_process)
    def delete(self, pick: int, who: str, mine: bool, process: int, reader: int) -> None:
        """Somebody who may have seen a post tries to delete it, or its author does."""
        post, feed = self._posts()[pick % len(self.model.posts)], self.feed(process)
        self._glance(who, post.author, process=reader)
        if who != post.author and not mine:
            refused(NotFound, lambda: feed.delete(who, post.id))
        else:
            done = feed.delete(post.author, post.id)
            assert done == self.model.delete(post.id), "delete says whether this call did it"
            self.tally["deleted"] += done
            self._observe()
        self._glance(who, post.author, process=reader)

    # the host's own transactions, left open while everything goes on

    @precondition(lambda self: self.transaction and not self.connection)
    @rule()
    def open_transaction(self) -> None:
        begin = type(self).transaction
        assert begin is not None
        self.connection = self.host.enter_context(begin(self.example))

    @precondition(lambda self: self.connection)
    @rule(author=_who, audience=_audience, n=st.integers(1, 3), process=_process)
    def publish_in_transaction(self, author: str, audience: str, n: int, process: int) -> None:
        for _ in range(n):
            written = self._write(self.feed(process), author, audience, connection=self.connection)
            self.pending.append(written)

    @precondition(lambda self: self.pending)
    @rule(keep=st.booleans())
    def end_transaction(self, keep: bool) -> None:
        pending, self.pending = self.pending, []
        if keep:
            self.connection.commit()
            for post in pending:
                self._know(post)
            self.tally["committed late"] += len(pending)
        else:
            self.connection.rollback()
        self.host.close()
        self.connection = None
        self._observe()

    # time and failures

    @rule(seconds=_seconds, process=_process)
    def move_clock(self, seconds: float, process: int) -> None:
        self.clocks[process % len(self.clocks)].advance(seconds=seconds)

    @rule(what=_upkeep, process=_process)
    def upkeep(self, what: str, process: int) -> None:
        feed = self.feed(process)
        if what == "reopen":
            self._reopen(process % len(self.feeds))
        elif what == "wipe":
            feed.wipe()
        elif what == "drain":
            assert feed.drain().done
        else:
            report = feed.check()
            assert report.ok, report
        self.tally[what] += 1

    def _reopen(self, number: int) -> None:
        if len(self.feeds) > 1:  # a database in memory lives no longer than its feed
            self.feeds[number].close()
            self.feeds[number] = self._open(number)

    # reading

    @rule(viewer=_who, author=st.none() | _who, nobody=st.booleans(), limit=_limit, process=_process)
    def begin_walk(self, viewer: str, author: str | None, nobody: bool, limit: int, process: int) -> None:
        logged_out = nobody and author is not None
        walk = Walk.begin(self.model, Surface(None if logged_out else viewer, author))
        page = self._page(walk, limit, process)
        self._watch(walk.surface, page.newer_cursor)

    @precondition(lambda self: self.walks)
    @rule(pick=_pick, pages=st.integers(1, 5), limit=_limit, process=_process)
    def continue_walk(self, pick: int, pages: int, limit: int, process: int) -> None:
        walk = self.walks.pop(pick % len(self.walks))
        for _ in range(pages):
            self._page(walk, limit, process)
            if walk.cursor is None:
                return
            self.walks.remove(walk)
        self._keep(walk)

    @precondition(lambda self: self.watches)
    @rule(pick=_pick, limit=_limit, at_once=st.booleans(), process=_process)
    def poll(self, pick: int, limit: int, at_once: bool, process: int) -> None:
        """What has come since some page: read to its end, or left open for `continue_walk`."""
        watch = self.watches.pop(pick % len(self.watches))
        walk = watch.poll(self.model)
        page = self._page(walk, limit, process)
        self._watch(walk.surface, page.newer_cursor)
        while at_once and walk.cursor is not None:
            self.walks.remove(walk)
            self._page(walk, limit, process)

    def _page(self, walk: Walk, limit: int, process: int) -> Any:
        page = self.judge.page(self.feed(process), walk, limit)
        if walk.cursor is not None:
            self._keep(walk)
        return page

    def _keep(self, walk: Walk) -> None:
        self.walks = [*self.walks, walk][-KEPT:]

    def _watch(self, surface: Surface, cursor: str) -> None:
        self.watches = [*self.watches, Watch.begin(self.model, surface, cursor)][-KEPT:]

    @precondition(lambda self: self.model.posts)
    @rule(viewer=st.none() | _who, picks=st.lists(_pick, min_size=1, max_size=6), process=_process)
    def look_up(self, viewer: str | None, picks: list[int], process: int) -> None:
        posts = self._posts()
        self.judge.look_up(self.feed(process), viewer, [posts[pick % len(posts)] for pick in picks])

    @precondition(lambda self: not self.compared)
    @rule(process=_process)
    def compare_everything(self, process: int) -> None:
        self._finish_walks(process)
        self.judge.everything(self.feed(process))
        self.compared = True

    def _finish_walks(self, process: int) -> None:
        """Every walk that is open goes on to its end, and every watch is polled to its end."""
        walks, self.walks = self.walks, []
        watches, self.watches = self.watches, []
        for walk in (*walks, *(watch.poll(self.model) for watch in watches)):
            self.judge.walk(self.feed(process), walk, limit=5)

    def teardown(self) -> None:
        try:
            if self.connection is not None:
                self.end_transaction(keep=True)
            self._finish_walks(process=0)
            for feed in self.feeds:
                self.judge.everything(feed)
                self.judge.counts(feed)
        finally:
            self.close()

    def close(self) -> None:
        """Give everything back."""
        self.host.close()
        for feed in self.feeds:
            feed.close()
        type(self).finished(self.example)


def make_machine(
    open_feed: OpenFeed,
    *,
    policy: Callable[[], Any],
    settings: Sequence[Settings] = (TINY, SMALL),
    pull_above: int = 2,
    transaction: Callable[[str], AbstractContextManager[Any]] | None = None,
    finished: Callable[[str], None] = lambda _: None,
) -> type[FeedMachine]:
    """A state machine for one kind of database and one policy; its `TestCase` runs it.

    `settings` has one entry per process: give one alone where a database cannot be opened twice.
    `pull_above` only serves the tally: with more followers than that an author is pulled.
    `transaction(example)` opens a connection of the host's to the database of an example; leave it out where
    an open transaction stops all other writers. `finished(example)` may throw the database away.
    """
    body = {
        "open_feed": staticmethod(open_feed),
        "policy": staticmethod(policy),
        "settings_of": tuple(settings),
        "pull_above": pull_above,
        "transaction": None if transaction is None else staticmethod(transaction),
        "finished": staticmethod(finished),
        "tally": Counter(),
    }
    return type("FeedMachineOfPlace", (FeedMachine,), body)
