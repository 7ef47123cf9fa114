"""The engine against the model of `feedkit.testing`, over every database and policy.

Each run begins with a story that is told the same way every time and goes wherever it hurts; then
Hypothesis makes up its own. The tally proves that both have been where they should.
"""

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import attrs
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

import feedkit
from feedkit import CostBased, Hybrid, PullAll, PushAll
from feedkit.fanout.delivery import Delivery
from feedkit.model import Event, EventKind
from feedkit.storage.readthrough import ReadThrough
from feedkit.storage.sql.tables import Tables
from feedkit.testing.machine import SMALL, TINY, FeedMachine, make_machine
from tests.machine_sabotage import SABOTAGE
from tests.machine_story import live_through
from tests.shared.tools import Used

pytestmark = pytest.mark.timeout(900)  # a failure takes its time to be told as briefly as it can be

POLICIES: dict[str, Callable[[], Any]] = {
    "push": PushAll,
    "pull": PullAll,
    "hybrid": lambda: Hybrid(pull_above=2, resume_below=2),
    "cost": lambda: CostBased(push_cost=1, pull_cost=2, half_life_s=60, authors=Hybrid(pull_above=3)),
}
FAST = [attrs.evolve(one, sqlite_synchronous="OFF") for one in (TINY, SMALL)]


def run(machine: type[FeedMachine], *, examples: int) -> None:
    """Let Hypothesis drive it, and print what it went through."""
    given = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=set(Phase) - {Phase.explain},
    )
    run_state_machine_as_test(machine, settings=given)
    print(dict(machine.tally))


# the databases


@pytest.fixture
def sqlite_machine(tmp_path: Path) -> Callable[..., type[FeedMachine]]:
    def open_feed(example: str, **kwargs: Any) -> feedkit.Feed[str]:
        return feedkit.connect(f"sqlite:///{tmp_path / example}.db", deliver="inline", **kwargs)

    def finished(example: str) -> None:
        for path in tmp_path.glob(f"{example}.db*"):
            path.unlink()

    def make(policy: str, **kwargs: Any) -> type[FeedMachine]:
        given = {"open_feed": open_feed, "settings": FAST, "finished": finished, **kwargs}
        return make_machine(policy=POLICIES[policy], **given)

    return make


def memory_machine(policy: str) -> type[FeedMachine]:
    def open_feed(example: str, **kwargs: Any) -> feedkit.Feed[str]:
        return feedkit.connect("memory://", deliver="inline", **kwargs)

    return make_machine(open_feed, policy=POLICIES[policy], settings=FAST[:1])


@pytest.fixture
def postgres_machine(postgres_database: str) -> Iterator[Callable[..., type[FeedMachine]]]:
    """Here transactions of the host's stay open while everybody goes on."""
    engine = sa.create_engine(postgres_database)

    def open_feed(example: str, **kwargs: Any) -> feedkit.Feed[str]:
        feed = feedkit.connect(postgres_database, namespace=example, deliver="inline", **kwargs)
        feed.migrate()
        return feed

    @contextlib.contextmanager
    def transaction(example: str) -> Iterator[sa.Connection]:
        with engine.connect() as connection:
            connection.execute(sa.text("SET lock_timeout = '2s'"))
            connection.commit()
            yield connection

    def finished(example: str) -> None:
        with engine.begin() as connection:
            names = ", ".join(f'"{table}"' for table in Tables(example).metadata.tables)
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {names}"))

    def make(policy: str, **given: Any) -> type[FeedMachine]:
        return make_machine(
            lambda example, **kwargs: open_feed(example, **given, **kwargs),
            policy=POLICIES[policy],
            transaction=transaction,
            finished=finished,
        )

    yield make
    engine.dispose()


@pytest.fixture
def redis_machine(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., type[FeedMachine]]:
    """Two processes that share their inboxes and outboxes, on a Redis or a cluster of them.

    They wait for Redis and for each other longer than readers would, so that a busy machine degrades no page; but
    not for so long as a turn stands that somebody has left behind.
    """
    monkeypatch.setattr("feedkit.fanout.shared._PATIENCE_S", 1.0)

    def make(policy: str, truth: str, redis: str) -> type[FeedMachine]:
        database = request.getfixturevalue("postgres_database") if truth == "postgres" else None
        url = request.getfixturevalue(redis)

        def open_feed(example: str, **kwargs: Any) -> feedkit.Feed[str]:
            target = database or f"sqlite:///{tmp_path / example}.db"
            feed = feedkit.connect(target, namespace=example, redis=url, deliver="inline", **kwargs)
            feed.migrate()
            return feed

        patient = [attrs.evolve(one, redis_timeout_ms=30_000) for one in FAST]
        return make_machine(open_feed, policy=POLICIES[policy], settings=patient)

    return make


# the story


def tell(machine: type[FeedMachine]) -> set[EventKind]:
    """Take one machine through everything that a run must not miss; what its log holds in the end."""
    world = machine()
    try:
        live_through(world, transactions=machine.transaction is not None)
        truth = world.feeds[0].runtime().truth
        events = truth.read(lambda tx: truth.events.after(tx, 0, 1_000))
    except BaseException:
        world.close()
        raise
    world.teardown()
    return {event.kind for event in events}


def check_story(machine: type[FeedMachine], policy: str) -> None:
    kinds = tell(machine)
    wanted = ["walks past the inbox", "pages with gaps closed", "polls with news", "walks ended", "deleted"]
    wanted += ["edited", "lapsed", "private", "accept", "decline", "reacted", "commented"]
    wanted += ["reposted", "quoted", "reposts undone", "removed", "restored", "suspended", "refused"]
    wanted += ["released", "drafts published", "published in time"]
    wanted += [f"walks: {kind}" for kind in ("home", "profile", "replies of", "media of", "tag", "list")]
    wanted += ["walks: thread below", "closed", "ancestors seen", "pins seen", "counted newer"]
    wanted += ["listed", "lists dropped"]
    if len(machine.settings_of) > 1:
        wanted += ["posts below the top", "polls with late news"]
    if machine.transaction is not None:
        wanted += ["committed late"]
    if policy == "hybrid":
        wanted += ["crossed up", "crossed down"]
        assert {EventKind.PULL_STARTED, EventKind.PULL_ENDED} <= kinds
    missed = [name for name in wanted if not machine.tally[name]]
    assert not missed, f"{missed}: {machine.tally}"
    machine.tally.clear()


@pytest.mark.parametrize("policy", POLICIES)
def test_sqlite_agrees_with_the_model(policy: str, sqlite_machine: Callable[..., type[FeedMachine]]) -> None:
    machine = sqlite_machine(policy)
    check_story(machine, policy)
    run(machine, examples=8)
    assert machine.tally["steps"] >= 500, machine.tally


@pytest.mark.parametrize("policy", POLICIES)
def test_memory_agrees_with_the_model(policy: str) -> None:
    machine = memory_machine(policy)
    check_story(machine, policy)
    run(machine, examples=8)
    assert machine.tally["steps"] >= 500, machine.tally


@pytest.mark.parametrize("policy", POLICIES)
def test_postgres_agrees_with_the_model(
    policy: str, postgres_machine: Callable[..., type[FeedMachine]]
) -> None:
    machine = postgres_machine(policy)
    check_story(machine, policy)
    run(machine, examples=4)
    assert machine.tally["steps"] >= 200, machine.tally


def test_read_replicas_agree_with_the_model(
    postgres_machine: Callable[..., type[FeedMachine]], replica: str
) -> None:
    machine = postgres_machine("hybrid", replicas=[replica], metrics=(used := Used()))
    check_story(machine, "hybrid")
    run(machine, examples=4)
    assert machine.tally["steps"] >= 200, machine.tally
    assert used.reads["used"] > 100


@pytest.mark.redis
@pytest.mark.parametrize(
    ("policy", "truth", "redis"),
    [
        ("push", "sqlite", "redis_url"),
        ("hybrid", "sqlite", "redis_cluster_url"),
        ("pull", "sqlite", "redis_url"),
        pytest.param("hybrid", "postgres", "redis_url", marks=pytest.mark.postgres),
    ],
)
def test_timelines_in_redis_agree_with_the_model(
    policy: str, truth: str, redis: str, redis_machine: Callable[..., type[FeedMachine]]
) -> None:
    machine = redis_machine(policy, truth, redis)
    check_story(machine, policy)
    run(machine, examples=4)
    assert machine.tally["steps"] >= 200, machine.tally


# [idempotent]


@pytest.mark.parametrize("policy", POLICIES)
def test_idempotent_events_may_come_twice_and_out_of_order(
    policy: str, sqlite_machine: Callable[..., type[FeedMachine]], monkeypatch: pytest.MonkeyPatch
) -> None:
    disorder = Disorder()
    for consumer in (Delivery, ReadThrough):
        monkeypatch.setattr(consumer, "apply", disorder.around(consumer.apply))
    machine = sqlite_machine(policy, orderly=False)
    tell(machine)
    run(machine, examples=4)
    assert disorder.repeated > 100


class Disorder:
    """Gives consumers their events in a wrong order, and some of them again and again."""

    def __init__(self) -> None:
        self.repeated = 0
        self._dice = random.Random(0)
        self._past: WeakKeyDictionary[Any, list[Event]] = WeakKeyDictionary()

    def around(self, apply: Callable[[Any, Sequence[Event]], None]) -> Any:
        """The same method of a consumer, but in disorder."""

        def apply_in_disorder(consumer: Any, events: Sequence[Event]) -> None:
            past = self._past.setdefault(consumer, [])
            again = self._dice.sample(past, min(len(past), 4)) + self._dice.sample(events, len(events) // 2)
            self.repeated += len(again)
            batch = [*events, *again]
            self._dice.shuffle(batch)
            past.extend(events)
            apply(consumer, batch[: len(batch) // 2])
            apply(consumer, batch[len(batch) // 2 :])

        return apply_in_disorder


# whether the machine can fail


@pytest.mark.parametrize(
    ("where", "name", "sabotage"), SABOTAGE, ids=lambda value: getattr(value, "__name__", None)
)
def test_the_machine_notices_sabotage(
    where: Any,
    name: str,
    sabotage: Any,
    sqlite_machine: Callable[..., type[FeedMachine]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(where, name, sabotage)
    machine = sqlite_machine("push")
    with pytest.raises(AssertionError):
        tell(machine)
