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
from feedkit import Hybrid, PullAll, PushAll, visibility
from feedkit.fanout.delivery import Delivery
from feedkit.model import Event, EventKind
from feedkit.reading.sources import Timelined
from feedkit.storage.readthrough import ReadThrough
from feedkit.storage.sql.tables import Tables
from feedkit.testing.machine import SMALL, TINY, FeedMachine, make_machine

pytestmark = pytest.mark.timeout(900)  # a failure takes its time to be told as briefly as it can be

POLICIES: dict[str, Callable[[], Any]] = {
    "push": PushAll,
    "pull": PullAll,
    "hybrid": lambda: Hybrid(pull_above=2, resume_below=2),
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

    yield lambda policy: make_machine(
        open_feed, policy=POLICIES[policy], transaction=transaction, finished=finished
    )
    engine.dispose()


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


def live_through(world: FeedMachine, *, transactions: bool) -> None:
    world.populate(stars={"ada"}, follows=[("bob", "cyd"), ("cyd", "bob")], process=0)
    for process in (0, 1):
        world.burst(author="ada", audience="public", n=14, process=process)
        world.burst(author="cyd", audience="followers", n=3, process=process)
        world.burst(author="bob", audience="only_me", n=2, process=process)
        world.begin_walk(viewer="bob", author=None, nobody=False, limit=3, process=process)
    world.burst(author="dee", audience="followers", n=12, process=1)
    world.relate(verb="follow", actor="bob", other="dee", look=True, process=1, reader=0)
    world.relate(verb="mute", actor="bob", other="cyd", look=True, process=1, reader=0)
    world.continue_walk(pick=0, pages=2, limit=5, process=1)
    world.burst(author="ada", audience="public", n=5, process=0)
    world.poll(pick=0, limit=2, at_once=False, process=1)
    for size in (1, 4, 4, 1, 1):  # across the threshold of a hybrid, and back
        world.crowd(other="eve", size=size, audience="public", process=0, reader=1)
        world.move_clock(seconds=2 * 3_600, process=0)
        world.move_clock(seconds=2 * 3_600, process=1)
    live_privately(world)
    engage(world)
    share(world)
    moderate(world)
    for what in ("wipe", "drain", "check", "reopen"):
        world.upkeep(what=what, process=1)
    world.move_clock(seconds=-10, process=1)
    world.burst(author="ada", audience="followers", n=12, process=1)
    for process, audience in enumerate(("only_me", "followers", "unlisted", "public")):
        world.edit(
            pick=2, audience=audience, reword=process < 2, who="bob", process=process % 2, reader=process % 2
        )
        world.publish_for_a_while(author="ada", audience=audience, seconds=5, process=0, reader=1)
    world.move_clock(seconds=60, process=1)
    world.compare_everything(process=0)
    for pick in range(4):
        world.delete(pick=pick, who="bob", mine=True, process=pick % 2, reader=0)
    if transactions:
        world.open_transaction()
        world.publish_in_transaction(author="dee", audience="public", n=2, process=0)
        world.publish(author="ada", audience="public", parent=None, process=1)
        world.compare_everything(process=1)
        world.end_transaction(keep=True)
    world.relate(verb="block", actor="bob", other="ada", look=True, process=0, reader=1)
    world.compare_everything(process=0)


def live_privately(world: FeedMachine) -> None:
    """A private account, requests and their answers, friends, and a mute that lapses."""
    world.close_the_door(who="cyd", private=True, process=0, reader=1)
    for number, name in enumerate(("dee", "eve", "ada")):
        world.follow_for(actor=name, other="cyd", reposts=number > 0, process=0)
    world.burst(author="cyd", audience="public", n=2, process=1)
    world.burst(author="cyd", audience="friends", n=2, process=0)
    for verb in ("accept", "decline"):
        world.answer(verb=verb, pick=0, process=0, reader=1)
    world.relate(verb="befriend", actor="cyd", other="dee", look=True, process=1, reader=0)
    world.answer(verb="accept", pick=1, process=1, reader=0)
    world.mute_for_a_while(actor="dee", other="cyd", seconds=5, process=1, reader=1)
    world.move_clock(seconds=60, process=1)
    world.compare_everything(process=1)
    world.relate(verb="unfriend", actor="dee", other="cyd", look=True, process=0, reader=1)
    world.close_the_door(who="cyd", private=False, process=1, reader=0)


def engage(world: FeedMachine) -> None:
    """Reactions, saves and comments, with answers below one that is deleted."""
    for number, name in enumerate(("bob", "cyd", "dee", "bob")):
        for pick in range(3):
            world.react(
                actor=name, pick=pick, kind="love" if pick else "like", undo=False, process=0, reader=1
            )
        world.save(actor=name, pick=number, undo=number == 3, process=1, reader=0)
        world.comment(actor=name, pick=0, answer=number if number else None, process=0, reader=1)
    for pick in range(3):
        world.delete_comment(pick=pick, who="bob", process=1, reader=0)
    world.react(actor="bob", pick=0, kind="like", undo=True, process=1, reader=0)


def share(world: FeedMachine) -> None:
    """One post that many repost, one of whom takes it back; quotes of what not everybody sees."""
    world.post("ada", "public", 0)
    post = world.posts()[0]
    for number, name in enumerate(("bob", "cyd", "dee", "bob")):
        pick = world.posts().index(world.model.posts[post.id])
        world.repost(actor=name, pick=pick, undo=False, process=number % 2, reader=1)
    world.repost(actor="dee", pick=0, undo=True, process=0, reader=0)
    pick = world.posts().index(world.model.posts[post.id])
    world.quote(actor="eve", pick=pick, audience="public", process=0, reader=1)
    world.repost(actor="bob", pick=0, undo=False, process=0, reader=1)
    world.edit(
        pick=world.posts().index(world.model.posts[post.id]),
        audience="followers",
        reword=True,
        who="eve",
        process=0,
        reader=1,
    )
    world.compare_everything(process=0)


def moderate(world: FeedMachine) -> None:
    """Removals and their undo, suspensions that end by themselves or by hand, drafts and schedules."""
    for pick in (0, 1, 0):
        world.moderate(pick=pick, who="bob", restore=False, process=0, reader=1)
    for pick in range(2):
        world.moderate(pick=pick, who="bob", restore=True, process=pick, reader=0)
    mine = [number for number, post in enumerate(world.posts()) if post.author == "ada"]
    for process in (0, 1):
        world.moderate_by_mistake(picks=mine[:3], who="bob", process=process, reader=process)
    for seconds in (60, None):
        world.suspend(other="ada", who="bob", seconds=seconds, undo=False, process=0, reader=1)
        world.publish(author="ada", audience="public", parent=None, process=0)
        world.compare_everything(process=0)
        for process in (0, 1):
            world.move_clock(seconds=120, process=process)
    world.suspend(other="ada", who="bob", seconds=None, undo=True, process=1, reader=0)
    world.hold_and_release(author="ada", audience="public", process=0, reader=1)
    world.draft(author="ada", audience="followers", process=0, reader=1)
    world.finish(pick=0, discard=False, process=1, reader=0)
    world.schedule(author="ada", audience="public", seconds=30, process=0, reader=0)
    world.post("ada", "public", 0)
    world.move_clock(seconds=60, process=0)
    world.compare_everything(process=1)
    world.compare_everything(process=0)


def check_story(machine: type[FeedMachine], policy: str) -> None:
    kinds = tell(machine)
    wanted = ["walks past the inbox", "pages with gaps closed", "polls with news", "walks ended", "deleted"]
    wanted += ["edited", "lapsed", "private", "accept", "decline", "reacted", "commented"]
    wanted += ["reposted", "quoted", "reposts undone", "removed", "restored", "suspended", "refused"]
    wanted += ["released", "drafts published", "published in time"]
    if len(machine.settings_of) > 1:
        wanted += ["posts below the top", "polls with late news"]
    if machine.transaction is not None:
        wanted += ["committed late"]
    if policy == "hybrid":
        wanted += ["crossed up", "crossed down"]
        assert {EventKind.PULL_STARTED, EventKind.PULL_ENDED} <= kinds
    assert all(machine.tally[name] for name in wanted), machine.tally
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


def no_backfill(*_: object) -> None:
    """What a follow brings with it does not arrive."""


def one_too_many(self: Timelined, before: int, until: int, limit: int) -> Any:
    """A page begins with the last entry of the page above."""
    return WINDOW(self, before + 1, until, limit)


def nothing_late(self: Timelined, *_: object) -> Timelined:
    """Who polls is not told of what was committed late."""
    return self


def stale_relations(self: ReadThrough[Any], events: Sequence[Event]) -> None:
    """Blocks and mutes reach readers who happen to know nothing yet."""
    APPLY(
        self, [event for event in events if event.kind not in (EventKind.BLOCK_ADDED, EventKind.MUTE_ADDED)]
    )


def purge_what_is_back(_: Delivery, deleted: Sequence[Event]) -> list[Event]:
    """A removal that was undone takes the post out of inboxes all the same."""
    return list(deleted)


def suspended_or_not(user: Any, _: int) -> bool:
    """Whoever is there takes part."""
    return user is not None


def nobody_is_private(post: Any, author: Any, relations: Any, ties: int) -> Any:
    """What is for everybody is for everybody, whoever wrote it."""
    if author is not None and author.private:
        author = attrs.evolve(author, private=False)
    return WITHHELD(post, author, relations, ties)


WINDOW, APPLY, WITHHELD = Timelined.window, ReadThrough.apply, visibility._withheld
SABOTAGE: list[tuple[Any, str, Any]] = [
    (Delivery, "_backfill", no_backfill),
    (Timelined, "window", one_too_many),
    (Timelined, "newer_than", nothing_late),
    (ReadThrough, "apply", stale_relations),
    (Delivery, "_gone", purge_what_is_back),
    (visibility, "takes_part", suspended_or_not),
    (visibility, "_withheld", nobody_is_private),
]


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
