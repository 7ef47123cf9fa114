"""`Feed`: all verbs over one database, and `connect`, which makes one."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self, overload

from feedkit.clock import Clock
from feedkit.errors import Closed, InvalidArgument
from feedkit.fanout.policy import FanoutPolicy
from feedkit.metrics import Metrics
from feedkit.model import Key
from feedkit.runtime import Runtime
from feedkit.settings import Settings
from feedkit.verbs.bus import EventBus
from feedkit.verbs.content import ContentVerbs
from feedkit.verbs.drafts import Drafts
from feedkit.verbs.engagement import EngagementVerbs
from feedkit.verbs.graph import GraphVerbs
from feedkit.verbs.imports import Graph, Imports
from feedkit.verbs.letters import Letters
from feedkit.verbs.lists import Lists
from feedkit.verbs.media import MediaOfPosts
from feedkit.verbs.nouns import Posts, Users
from feedkit.verbs.people import PeopleVerbs
from feedkit.verbs.reading import ReadingVerbs
from feedkit.verbs.reposts import RepostVerbs
from feedkit.verbs.staff import Staff
from feedkit.verbs.upkeep import UpkeepVerbs
from feedkit.wiring import Wiring, wire
from feedkit.writing.entities import MentionResolver

_open_feeds: weakref.WeakSet[Feed[Any]] = weakref.WeakSet()
_abandoned: list[
    Any
] = []  # what a fork left in this process belongs to the parent: never closed, never freed


class Feed(
    ContentVerbs[Key],
    RepostVerbs[Key],
    GraphVerbs[Key],
    PeopleVerbs[Key],
    EngagementVerbs[Key],
    ReadingVerbs[Key],
    UpkeepVerbs[Key],
):
    """A social feed over one database, safe to share between threads and to carry across a fork.

    Made by `feedkit.connect`. Nothing is opened before the first verb. The actor or viewer always comes
    first; None is a viewer who is not logged in. Verbs that write take `connection=`, a SQLAlchemy Connection or
    Session, a Django connection, a psycopg.Connection or a sqlite3.Connection, whose transaction they join:
    feedkit never commits, rolls back or closes it.
    """

    def __init__(self, wiring: Wiring[Key]) -> None:
        self.wiring = wiring
        """What was asked for in `connect`: target, key type, clock and so on."""
        self._runtime: Runtime[Key] | None = None
        self._lock = threading.Lock()
        self._closed = False
        self.users: Users[Key] = Users(self.runtime)
        self.posts: Posts[Key] = Posts(self.runtime)
        self.drafts: Drafts[Key] = Drafts(self.runtime)
        self.media: MediaOfPosts[Key] = MediaOfPosts(self.runtime)
        self.lists: Lists[Key] = Lists(self.runtime)
        self.imports: Imports[Key] = Imports(self.runtime)
        self.graph: Graph[Key] = Graph(self.runtime)
        self.bus: EventBus[Key] = EventBus(self.runtime)
        self.dead_letters: Letters[Key] = Letters(self.runtime)
        _open_feeds.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def staff(self, who: str, *, reason: str) -> Staff[Key]:
        """What a member of staff may do. `who` they are, in the host's own words, and why, is kept with each act.

        Raises:
            InvalidArgument: `who` or `reason` says nothing, or is longer than `reason_max_chars`.
        """
        return Staff(self.runtime, who, reason, self._settings.reason_max_chars)

    def migrate(self) -> None:
        """Make the tables, or bring those of an older version up to date; safe in several processes at once.

        SQLite does so by itself at first use; other databases wait to be told.

        Raises:
            SchemaMissing: the tables are older, and Alembic (the extra `migrate`) is not installed.
            ConfigurationError: the tables are newer than this feedkit.
            KeyTypeMismatch: the database names users by another type of key.
        """
        with self._lock:
            self._check_open()
            if self._runtime is not None:
                self._runtime.migrate()
            else:
                self._runtime = self._opened(migrate=True)

    def drop(self, *, confirm: str) -> None:
        """Remove every table of this feed's namespace, with all that is in them, and nothing else.

        There is no way back. Other processes that use the feed get SchemaMissing from then on; this feed may be
        migrated anew. `confirm` is the name of the namespace.

        Raises:
            InvalidArgument: `confirm` is not that name; nothing was removed.
            ConfigurationError: the tables are newer than this feedkit, which does not know them all.
        """
        if confirm != self.wiring.namespace:
            raise InvalidArgument(
                f"confirm must be {self.wiring.namespace!r}, the namespace whose tables are to be removed",
                argument="confirm",
            )
        with self._lock:
            self._check_open()
            runtime, self._runtime = self._runtime, None
            if runtime is not None:
                runtime.close()
            truth = Runtime(self.wiring).truth
            try:
                truth.drop()
            finally:
                truth.close()

    def close(self) -> None:
        """Close what the feed opened. Closing twice does nothing."""
        with self._lock:
            self._closed = True
            runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()

    def runtime(self) -> Runtime[Key]:
        """See `Verbs`."""
        runtime = self._runtime
        if runtime is None:
            with self._lock:
                self._check_open()
                if self._runtime is None:
                    self._runtime = self._opened()
                runtime = self._runtime
        return runtime

    @property
    def _settings(self) -> Settings:
        return self.wiring.settings

    def _opened(self, *, migrate: bool = False) -> Runtime[Key]:
        runtime = Runtime(self.wiring)
        try:
            if migrate:
                runtime.migrate()
            runtime.open()
        except BaseException:
            runtime.truth.close()
            raise
        return runtime

    def _check_open(self) -> None:
        if self._closed:
            raise Closed()

    def _before_fork(self) -> None:
        if self._runtime is not None:
            self._runtime.truth.before_fork()

    def _after_fork_in_parent(self) -> None:
        if self._runtime is not None:
            self._runtime.truth.after_fork()

    def _after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        if self._runtime is not None:
            _abandoned.append(self._runtime)
            self._runtime.truth.forget()
            self._runtime = None


@overload
def connect(
    target: Any,
    *,
    namespace: str = ...,
    policy: FanoutPolicy | None = ...,
    settings: Settings | None = ...,
    clock: Clock | None = ...,
    deliver: str | None = ...,
    mention_resolver: MentionResolver | None = ...,
    metrics: Metrics | None = ...,
    redis: Any = ...,
    bus: Any = ...,
    replicas: Sequence[str] = ...,
) -> Feed[str]: ...


@overload
def connect(
    target: Any,
    *,
    key: type[Key],
    namespace: str = ...,
    policy: FanoutPolicy | None = ...,
    settings: Settings | None = ...,
    clock: Clock | None = ...,
    deliver: str | None = ...,
    mention_resolver: MentionResolver | None = ...,
    metrics: Metrics | None = ...,
    redis: Any = ...,
    bus: Any = ...,
    replicas: Sequence[str] = ...,
) -> Feed[Key]: ...


def connect(
    target: Any,
    *,
    key: type[Any] = str,
    namespace: str = "feedkit",
    policy: FanoutPolicy | None = None,
    settings: Settings | None = None,
    clock: Clock | None = None,
    deliver: str | None = None,
    mention_resolver: MentionResolver | None = None,
    metrics: Metrics | None = None,
    redis: Any = None,
    bus: Any = None,
    replicas: Sequence[str] = (),
) -> Feed[Any]:
    """A feed over a database. Nothing is opened before its first verb, so this is safe before a fork.

    Args:
        target: `"sqlite:///file.db"`, `"memory://"`, `"postgresql+psycopg://..."`, or a SQLAlchemy Engine.
        key: the type of the host's user keys, `str`, `int` or `UUID`; the same for the life of a database.
        namespace: prefix of every table, so that several feeds share a database.
        policy: how posts reach their readers; `Hybrid()` by default.
        settings: every bound and size; `Settings.from_env()` reads them from the environment.
        clock: tells the time; tests pass a `ManualClock`.
        deliver: `"inline"`, the log is applied by whoever reads or drains; `"thread"`, by a thread as well;
            `"worker"`, by processes of their own (`feedkit worker`), which takes `redis`. The last is the default on
            PostgreSQL with `redis`, the first otherwise.
        mention_resolver: gives the keys of those whom handles in a text name, by handle; without one, it is the user
            who was put with exactly that handle.
        metrics: is told what the feed counts and times, such as `feedkit.metrics.prometheus.PrometheusMetrics()`.
        redis: `"redis://..."`, `"rediss://..."`, `"unix://..."`, a redis.Redis (Sentinel's too) or a
            redis.RedisCluster: inboxes and outboxes are kept there, shared by all processes, and a cache; without it,
            in the memory of each.
        bus: a Redis that keeps what it is given, as for `redis`, or `"memory://"` in tests, or a driver of your own:
            carries the log to groups of consumers, see `feed.bus`.
        replicas: URLs of streaming replicas of a PostgreSQL, which serve what they have come far enough for.

    Raises:
        ConfigurationError: an argument is not one of those.
    """
    return Feed(
        wire(
            target,
            key=key,
            namespace=namespace,
            policy=policy,
            settings=settings,
            clock=clock,
            deliver=deliver,
            mention_resolver=mention_resolver,
            metrics=metrics,
            redis=redis,
            bus=bus,
            replicas=replicas,
        )
    )


def _each_open_feed(step: Callable[[Feed[Any]], None]) -> Callable[[], None]:
    def run() -> None:
        for feed in list(_open_feeds):
            step(feed)

    return run


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_each_open_feed(Feed._before_fork),
        after_in_parent=_each_open_feed(Feed._after_fork_in_parent),
        after_in_child=_each_open_feed(Feed._after_fork_in_child),
    )
