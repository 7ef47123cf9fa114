"""Where a replay plays: an empty feed on a clock that is moved by hand, and its independent judge."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs

import feedkit
from feedkit import FanoutPolicy, Feed
from feedkit.cli.crew import Crew, StreamClock, crewed
from feedkit.cli.options import Target, opened, shown, sqlite_path
from feedkit.cli.recompute import Execute, Recompute
from feedkit.clock import ManualClock
from feedkit.errors import ConfigurationError, Conflict
from feedkit.ids import EPOCH_MS

MEMORY = "memory://"
_POLICIES: dict[type, str] = {
    feedkit.PushAll: "push",
    feedkit.PullAll: "pull",
    feedkit.Hybrid: "hybrid",
    feedkit.CostBased: "cost",
}


@attrs.frozen
class Stage:
    """A feed to replay into. `name` says where its tables are."""

    feed: Feed[Any]
    clock: ManualClock
    truth: Recompute
    name: str
    policy: str
    crew: Crew | None = None

    def pulled_authors(self) -> int:
        """How many authors are merged in when read."""
        return int(self.truth.rows("SELECT COUNT(*) FROM {pulled} WHERE resumed_at IS NULL")[0][0])


@contextmanager
def staged(
    chosen: Target, policy: FanoutPolicy | None, redis: str | None = None, workers: int = 0
) -> Iterator[Stage]:
    """A stage on the feed or the database that was named, or on a temporary SQLite file.

    With `redis`, inboxes are there, and so many `workers` deliver to them.

    Raises Conflict where posts are there already, and ConfigurationError where the feed of a host has
    a policy of its own beside `policy`, or a clock that cannot be moved.
    """
    with ExitStack() as stack:
        own = _own(chosen, policy, redis, workers)
        feed = stack.enter_context(_hosts(chosen, policy) if chosen.feed else own)
        wiring, clock = feed.wiring, feed.wiring.clock
        if not isinstance(clock, ManualClock):
            raise ConfigurationError(
                "a replay moves the clock: make the feed with clock=feedkit.ManualClock()"
            )
        feed.migrate()
        truth = stack.enter_context(Recompute(_reach(feed), wiring.namespace))
        name = chosen.feed or (shown(chosen.db) if chosen.db else "a temporary SQLite file")
        if truth.rows("SELECT 1 FROM {posts} LIMIT 1"):
            raise Conflict(
                f"{name} holds posts already; replay into an empty database or another --namespace"
            )
        kind = type(wiring.policy)
        crew = stack.enter_context(crewed(feed, workers))
        yield Stage(feed, clock, truth, name, _POLICIES.get(kind, kind.__name__), crew)


@contextmanager
def _own(chosen: Target, policy: FanoutPolicy | None, redis: str | None, workers: int) -> Iterator[Feed[Any]]:
    """A feed on the clock of the stream; it starts where ids start, and only ever moves on."""
    with TemporaryDirectory(prefix="feedkit-") as directory:
        url = chosen.db or f"sqlite:///{Path(directory) / 'replay.db'}"
        namespace = chosen.namespace or "feedkit"
        clock = StreamClock() if workers else ManualClock(EPOCH_MS)
        around: dict[str, Any] = {"policy": policy, "clock": clock, "redis": redis}
        deliver = "worker" if workers and redis else "inline"
        with feedkit.connect(url, key=str, namespace=namespace, deliver=deliver, **around) as feed:
            yield feed


@contextmanager
def _hosts(chosen: Target, policy: FanoutPolicy | None) -> Iterator[Feed[Any]]:
    if policy is not None:
        raise ConfigurationError(
            "--feed is wired already, with a policy of its own: give it without --policy"
        )
    with opened(chosen) as feed:
        if not isinstance(feed.wiring.clock, ManualClock):
            raise ConfigurationError(
                "a replay moves the clock: make the feed with clock=feedkit.ManualClock()"
            )
        yield feed


def _reach(feed: Feed[Any]) -> str | Execute:
    """The way to the feed's tables that avoids the feed, but in memory: there they take no other connection."""
    target = feed.wiring.target
    url = target if isinstance(target, str) else target.url.render_as_string(hide_password=False)
    in_memory = url == MEMORY or (url.startswith("sqlite") and sqlite_path(url) is None)
    return _through(feed) if in_memory else url


def _through(feed: Feed[Any]) -> Execute:
    truth: Any = feed.runtime().truth

    def execute(statement: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        rows: Sequence[Sequence[Any]] = truth.read(
            lambda tx: tx.raw.execute(statement, dict(parameters)).fetchall()
        )
        return rows

    return execute
