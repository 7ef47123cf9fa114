"""The small stores of truth keep the laws in the docstrings of `feedkit.storage.base`, on both databases."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, pairwise, product
from typing import Any, Concatenate, ParamSpec, TypeVar

import attrs
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from feedkit import ConfigurationError, Conflict, KeyTypeMismatch, NodesExhausted, Settings, Unavailable
from feedkit.ids import LEASABLE_NODES, MAX_ID, Lease
from feedkit.idset import Ids, idset
from feedkit.model import Assoc, Audience, Count, Event, EventKind, Post, Route
from feedkit.storage.base import AuthorLoad, Tx, UserRow
from feedkit.storage.sql.tables import SCHEMA_VERSION, Tables
from feedkit.storage.sql.truth import SqlTruth, check_facts
from feedkit.visibility import Tie
from tests.storage.conftest import NOW_MS, opened

P = ParamSpec("P")
T = TypeVar("T")
TABLES = Tables("feedkit")
ROOMS = count(1)
few = settings(max_examples=20)


def read(truth: SqlTruth, work: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a store answers."""
    return truth.read(lambda tx: work(tx, *args, **kwargs))


def write(truth: SqlTruth, work: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a store does, in a transaction of its own."""
    return truth.write(lambda tx: work(tx, *args, **kwargs))


def rows(truth: SqlTruth, statement: sa.Select[tuple[int, ...]]) -> list[tuple[object, ...]]:
    """What is really stored."""
    with truth._database.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(statement)]


def room() -> int:
    """Ids from here on up are those of one example alone."""
    return next(ROOMS) * 1000


# users


def test_users_are_found_by_key_and_by_id(truth: SqlTruth) -> None:
    # given
    keys = {7: b"ada", 8: b"\x00\xff'; DROP TABLE", MAX_ID: "ünï".encode()}

    # when
    write(truth, truth.users.add, keys, NOW_MS)

    # then
    found = read(truth, truth.users.ids_of, [*keys.values(), b"nobody", b"ADA"])
    assert found == {key: user_id for user_id, key in keys.items()}
    users = read(truth, truth.users.get_many, [7, 9, MAX_ID])
    assert sorted(users, key=lambda user: user.id) == [
        UserRow(7, b"ada", None, None, None, "active"),
        UserRow(MAX_ID, "ünï".encode(), None, None, None, "active"),
    ]


def test_a_user_whose_id_or_key_is_there_is_left_as_they_are(truth: SqlTruth) -> None:
    # given
    write(truth, truth.users.add, {1: b"ada", 2: None}, NOW_MS)
    write(truth, truth.users.patch, 1, {"handle": "ada"})

    # when
    write(truth, truth.users.add, {1: b"bob", 3: b"ada", 2: None, 4: None, 5: b"new"}, NOW_MS)

    # then
    users = read(truth, truth.users.get_many, [1, 2, 3, 4, 5])
    assert sorted((user.id, user.key, user.handle) for user in users) == [
        (1, b"ada", "ada"),
        (2, None, None),
        (4, None, None),
        (5, b"new", None),
    ]


def test_a_patch_changes_the_given_fields_of_one_user(truth: SqlTruth) -> None:
    write(truth, truth.users.add, {1: b"a", 2: b"b"}, NOW_MS)
    write(truth, truth.users.patch, 1, {"handle": "h", "display_name": "n"})
    write(truth, truth.users.patch, 1, {"handle": None, "time_zone": "Europe/Vienna"})
    write(truth, truth.users.patch, 2, {})
    users = read(truth, truth.users.get_many, [1, 2])
    assert sorted(users, key=lambda user: user.id) == [
        UserRow(1, b"a", None, "n", "Europe/Vienna", "active"),
        UserRow(2, b"b", None, None, None, "active"),
    ]


@pytest.mark.parametrize("step", [1, 3, 10, 100])
def test_a_walk_over_everybody_in_steps(truth: SqlTruth, step: int) -> None:
    everybody = [n * n for n in range(1, 11)]
    write(truth, truth.users.add, dict.fromkeys(everybody), NOW_MS)
    walked: list[int] = []
    while chunk := read(truth, truth.users.ids_after, walked[-1] if walked else 0, step):
        assert len(chunk) <= step
        walked += chunk
    assert walked == everybody


# posts


def test_a_ref_names_one_post_and_a_conflict_leaves_nothing(truth: SqlTruth) -> None:
    first, second = (Post(n, n, 9, NOW_MS, ref="doc:1") for n in (1, 2))
    write(truth, truth.posts.insert, first)
    with pytest.raises(Conflict) as refused:
        write(truth, truth.posts.insert, second)
    assert refused.value.argument == "ref"
    assert read(truth, truth.posts.get_many, [1, 2]) == ([first], 0)


def test_a_ref_that_two_transactions_take_at_once_goes_to_one(pg_truth: SqlTruth) -> None:
    """Neither sees the other's when it looks; the index decides."""
    both_looked = threading.Barrier(2)

    def publish(post_id: int) -> bool:
        def work(tx: Tx) -> bool:
            assert pg_truth.posts.get_many(tx, [1, 2]) == ([], 0)
            both_looked.wait(10)
            pg_truth.posts.insert(tx, Post(post_id, post_id, 9, NOW_MS, ref="doc:1"))
            return True

        try:
            return pg_truth.write(work)
        except Conflict:
            return False

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(publish, (1, 2))) == [False, True]


# graph

LINKS = sa.select(
    TABLES.associations.c.id1,
    TABLES.associations.c.kind,
    TABLES.associations.c.id2,
    TABLES.associations.c.time,
)
FORWARD = (Assoc.FOLLOWS, Assoc.BLOCKS, Assoc.MUTES)
changes = st.lists(
    st.tuples(st.booleans(), st.integers(1, 4), st.sampled_from(FORWARD), st.integers(1, 4)), max_size=25
)


def test_every_association_stands_beside_its_inverse(truth: SqlTruth) -> None:
    @few
    @given(changes)
    def check(steps: list[tuple[bool, int, Assoc, int]]) -> None:
        base, model = room(), set[tuple[int, Assoc, int]]()

        # when
        for adds, id1, kind, id2 in steps:
            link = (base + id1, kind, base + id2)
            if adds:
                assert write(truth, truth.graph.add, *link, NOW_MS) == (link not in model)
                model.add(link)
            else:
                assert write(truth, truth.graph.remove, *link) == (link in model)
                model.discard(link)

        # then
        of_mine = TABLES.associations.c.id1.between(base, base + 999)
        there = {(id1, kind.value, id2, NOW_MS) for id1, kind, id2 in model}
        back = {(id2, kind.inverse.value, id1, NOW_MS) for id1, kind, id2 in model}
        assert sorted(rows(truth, LINKS.where(of_mine))) == sorted(there | back)
        for viewer in range(base + 1, base + 5):
            check_relations(truth, viewer, model, range(base + 1, base + 5))

    check()


def check_relations(
    truth: SqlTruth, viewer: int, model: set[tuple[int, Assoc, int]], everybody: range
) -> None:
    held = read(truth, truth.graph.relations, viewer, NOW_MS)
    assert held.viewer_id == viewer
    ends = {
        kind: {id2 for id1, of_kind, id2 in model if (id1, of_kind) == (viewer, kind)} for kind in FORWARD
    }
    blockers = {id1 for id1, kind, id2 in model if (kind, id2) == (Assoc.BLOCKS, viewer)}
    assert held.those(Tie.FOLLOWS).tolist() == sorted(ends[Assoc.FOLLOWS])
    assert held.those(Tie.BLOCKED).tolist() == sorted(ends[Assoc.BLOCKS] | blockers)
    assert held.those(Tie.MUTES).tolist() == sorted(ends[Assoc.MUTES])
    for other in everybody:
        blocked = read(truth, truth.graph.is_blocked, viewer, other)
        assert blocked == (other in ends[Assoc.BLOCKS] | blockers)


def test_doing_it_again_keeps_the_first_time(truth: SqlTruth) -> None:
    write(truth, truth.graph.add, 1, Assoc.FOLLOWS, 2, 111)
    assert write(truth, truth.graph.add, 1, Assoc.FOLLOWS, 2, 222) is False
    assert sorted(rows(truth, LINKS)) == [(1, "follows", 2, 111), (2, "followed_by", 1, 111)]


def test_ranges_and_counts_are_bounded(truth: SqlTruth) -> None:
    # given
    fans = [n * 10 for n in range(1, 12)]

    def follow(tx: Tx) -> None:
        for fan in fans:
            truth.graph.add(tx, fan, Assoc.FOLLOWS, 5, NOW_MS)
            truth.graph.add(tx, fan, Assoc.MUTES, 5, NOW_MS)
        truth.graph.add(tx, 999, Assoc.FOLLOWS, 6, NOW_MS)

    truth.write(follow)

    # then
    for step in (1, 4, 11, 50):
        walked: list[int] = []
        while len(chunk := chunk_after(truth, walked[-1] if walked else 0, step)):
            assert len(chunk) <= step
            walked += chunk.tolist()
        assert walked == fans
    for at_most, counted in ((1, 1), (11, 11), (12, 11)):
        assert read(truth, truth.graph.count, 5, Assoc.FOLLOWED_BY, at_most) == counted
    pairs = [(5, fan) for fan in fans] + [(6, 999)]
    for limit in (11, 12, 100):
        found = read(truth, truth.graph.small_audiences, [5, 6, 7], limit)
        assert found is None if limit < 12 else sorted(found or []) == pairs
    assert read(truth, truth.graph.small_audiences, [7], 1) == []
    for others in ([], [20, 30, 35, 999], fans):
        found_among = read(truth, truth.graph.among, 5, Assoc.FOLLOWED_BY, idset(others))
        assert found_among.tolist() == [other for other in others if other in fans]


def chunk_after(truth: SqlTruth, after: int, step: int) -> Ids:
    return read(truth, truth.graph.range, 5, Assoc.FOLLOWED_BY, after, step)


def test_a_pair_is_changed_by_one_transaction_at_a_time(pg_truth: SqlTruth) -> None:
    # given
    held, free = threading.Event(), threading.Event()
    order: list[str] = []

    def first(tx: Tx) -> None:
        pg_truth.graph.lock_pair(tx, 1, 2)
        held.set()
        free.wait(10)
        order.append("first")

    def second(tx: Tx) -> None:
        pg_truth.graph.lock_pair(tx, 2, 1)
        order.append("second")

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(pg_truth.write, first)
        assert held.wait(10)

        # when
        two = pool.submit(pg_truth.write, second)
        write(pg_truth, pg_truth.graph.lock_pair, 1, 3)  # others go on

        # then
        time.sleep(0.05)
        assert not two.done()
        free.set()
        one.result(10)
        two.result(10)
    assert order == ["first", "second"]


# counts


def test_counts_add_up(truth: SqlTruth) -> None:
    keys = st.tuples(st.integers(1, 3), st.sampled_from(Count))

    @few
    @given(st.lists(st.dictionaries(keys, st.integers(-3, 5)), max_size=6))
    def check(batches: list[dict[tuple[int, str], int]]) -> None:
        base, totals = room(), Counter[tuple[int, str]]()
        for batch in batches:
            moved = {(base + object_id, kind): delta for (object_id, kind), delta in batch.items()}
            write(truth, truth.counts.add, moved)
            totals.update(moved)
        for object_id in range(base + 1, base + 4):
            stored = read(truth, truth.counts.get_many, [object_id]).get(object_id, {})
            assert {kind: stored.get(kind, 0) for kind in Count} == {k: totals[object_id, k] for k in Count}

    check()


def test_counts_pass_the_borders_of_small_integers(truth: SqlTruth) -> None:
    for delta in (2**31 - 1, 1, 2**53):
        write(truth, truth.counts.add, {(MAX_ID, Count.FOLLOWERS): delta})
    assert read(truth, truth.counts.get_many, [MAX_ID])[MAX_ID] == {"followers": 2**31 + 2**53}


def test_counts_of_many_at_once_do_not_deadlock(pg_truth: SqlTruth) -> None:
    keys: list[tuple[int, str]] = [(n, kind) for n in range(1, 30) for kind in Count]

    def add(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(10):
            shuffled = dict.fromkeys(dice.sample(keys, len(keys)), 1)
            write(pg_truth, pg_truth.counts.add, shuffled)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    assert read(pg_truth, pg_truth.counts.get_many, [7, 8])[7] == dict.fromkeys(Count, 40)


# events


def event(actor: int, kind: EventKind = EventKind.FOLLOW_ADDED, **fields: Any) -> Event:
    return attrs.evolve(Event(kind, actor, 2, NOW_MS), **fields)


def append(truth: SqlTruth, *events: Event) -> None:
    def work(tx: Tx) -> None:
        for one in events:
            truth.events.append(tx, one)

    truth.write(work)


def number(truth: SqlTruth) -> None:
    truth.write(truth.events.number_new)


def log(truth: SqlTruth, after: int = 0, limit: int = 10_000) -> list[Event]:
    return read(truth, truth.events.after, after, limit)


def actors(events: list[Event]) -> list[int]:
    return [one.actor_id for one in events]


def test_an_event_comes_back_as_it_was(truth: SqlTruth) -> None:
    # given
    about_posts = [EventKind.POST_PUBLISHED, EventKind.POST_DELETED]
    told = [event(MAX_ID, kind) for kind in EventKind]
    for kind, route, audience in product(about_posts, Route, Audience):
        told.append(event(MAX_ID, kind, position=2**62, route=route, audience=audience))

    # when
    append(truth, *told)
    number(truth)

    # then
    assert log(truth) == [attrs.evolve(one, number=n) for n, one in enumerate(told, 1)]


def test_events_come_back_in_order_with_contiguous_numbers(truth: SqlTruth) -> None:
    for actor in range(1, 8):
        append(truth, event(actor))
    number(truth)
    assert [(one.number, one.actor_id) for one in log(truth)] == [(n, n) for n in range(1, 8)]
    assert actors(log(truth, after=3)) == [4, 5, 6, 7]
    assert actors(log(truth, after=3, limit=2)) == [4, 5]
    assert log(truth, after=7) == []
    assert truth.read(truth.events.last_number) == 7
    assert truth.write(truth.events.number_new) is False


def test_an_empty_log_ends_at_nothing(truth: SqlTruth) -> None:
    assert truth.read(truth.events.last_number) == 0
    assert log(truth) == []


def test_what_is_rolled_back_leaves_no_event_and_no_hole(truth: SqlTruth) -> None:
    append(truth, event(1))

    def change_of_mind(tx: Tx) -> None:
        truth.events.append(tx, event(2))
        raise LookupError

    with pytest.raises(LookupError):
        truth.write(change_of_mind)
    append(truth, event(3))
    number(truth)
    assert [(one.number, one.actor_id) for one in log(truth)] == [(1, 1), (2, 3)]


def test_events_that_commit_late_get_later_numbers(pg_truth: SqlTruth) -> None:
    def late(tx: Tx) -> None:
        pg_truth.events.append(tx, event(1))
        append(pg_truth, event(2))  # drawn later, committed before
        assert [(one.actor_id, one.number) for one in log(pg_truth)] == [(2, 0)], (
            "shown before it is numbered"
        )
        number(pg_truth)
        assert [(one.actor_id, one.number) for one in log(pg_truth)] == [(2, 1)]

    pg_truth.write(late)
    number(pg_truth)
    assert [(one.actor_id, one.number) for one in log(pg_truth)] == [(2, 1), (1, 2)]
    assert actors(log(pg_truth, after=1)) == [1], "whoever had read up to 1 misses nothing"


def test_a_reader_of_the_log_skips_nothing_while_many_write(truth: SqlTruth) -> None:
    """Writers commit in any order, some roll back; a reader remembers only the last number it saw."""
    # given
    committed: list[int] = []
    done = threading.Event()

    def write(seed: int) -> None:
        dice = random.Random(seed)
        for n in range(12):
            mine = [seed * 1000 + n * 10 + part for part in range(dice.randint(1, 3))]

            def work(tx: Tx, mine: list[int] = mine) -> None:
                for actor in mine:
                    truth.events.append(tx, event(actor))
                time.sleep(dice.random() * 0.004)
                if dice.random() < 0.3:
                    raise LookupError

            try:
                truth.write(work)
                committed.extend(mine)
            except LookupError:
                pass

    def follow() -> list[Event]:
        seen: list[Event] = []
        while True:
            last_round = done.is_set()
            truth.try_write(truth.events.number_new)
            news = [one for one in log(truth, after=len(seen), limit=5) if one.number]
            seen += news
            if last_round and not news:
                return seen

    # when
    with ThreadPoolExecutor() as pool:
        reader = pool.submit(follow)
        for writer in [pool.submit(write, seed) for seed in range(1, 5)]:
            writer.result(60)
        done.set()
        seen = reader.result(60)

    # then
    assert [one.number for one in seen] == list(range(1, len(seen) + 1))
    assert Counter(actors(seen)) == Counter(committed)


def test_two_sequencers_give_no_number_twice(pg_truth: SqlTruth) -> None:
    append(pg_truth, *(event(actor) for actor in range(1, 200)))
    together = threading.Barrier(4)

    def sequence(_: int) -> None:
        together.wait(10)
        number(pg_truth)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(sequence, range(4)))
    assert [one.number for one in log(pg_truth)] == list(range(1, 200))


def test_a_stuck_sequencer_is_not_waited_for_for_ever(pg_truth: SqlTruth) -> None:
    append(pg_truth, event(1))

    def hold(tx: Tx) -> None:
        pg_truth.events.number_new(tx)
        started = time.monotonic()
        assert pg_truth.try_write(pg_truth.events.number_new) is None
        assert time.monotonic() - started < 5

    pg_truth.write(hold)


@pytest.mark.parametrize(
    ("column", "value"),
    [("kind", "from.the.future"), ("data", b"\x01\x92\xa4warp\xa6public"), ("data", b"junk"), ("data", b"")],
)
def test_an_event_of_newer_code_is_unknown_and_keeps_its_number(
    truth: SqlTruth, column: str, value: str | bytes
) -> None:
    append(truth, event(1), event(2, EventKind.POST_PUBLISHED), event(3))
    number(truth)
    with truth._database.engine.begin() as connection:
        connection.execute(
            TABLES.events.update().where(TABLES.events.c.actor_id == 2).values({column: value})
        )
    assert [(one.number, one.kind) for one in log(truth)] == [
        (1, EventKind.FOLLOW_ADDED),
        (2, EventKind.UNKNOWN),
        (3, EventKind.FOLLOW_ADDED),
    ]


def test_offsets_are_remembered_by_name(truth: SqlTruth) -> None:
    assert truth.read(truth.events.offsets) == {}
    write(truth, truth.events.set_offsets, ["a", "b"], 5)
    write(truth, truth.events.set_offsets, ["b", "c"], 2**40)
    assert truth.read(truth.events.offsets) == {"a": 5, "b": 2**40, "c": 2**40}


def test_one_process_runs_the_shared_consumers(pg_truth: SqlTruth) -> None:
    def run(tx: Tx) -> None:
        assert pg_truth.events.claim(tx, wait=False)
        assert pg_truth.events.claim(tx, wait=True), "it is ours already"
        assert not write(pg_truth, pg_truth.events.claim, wait=False)

    pg_truth.write(run)
    assert write(pg_truth, pg_truth.events.claim, wait=False), "it is free again"


def test_pruning_stops_at_the_slowest_consumer_the_retention_and_the_newest(truth: SqlTruth) -> None:
    # given
    append(truth, *(event(n, at_ms=NOW_MS + n) for n in range(1, 11)))
    number(truth)

    def prune(older_than_ms: int) -> int:
        return write(truth, truth.events.prune, older_than_ms)

    # then
    assert prune(NOW_MS + 1000) == 0, "no consumer has applied anything yet"
    write(truth, truth.events.set_offsets, ["fast"], 10)
    write(truth, truth.events.set_offsets, ["slow"], 6)
    assert prune(NOW_MS + 4) == 3
    assert actors(log(truth)) == [4, 5, 6, 7, 8, 9, 10]
    assert prune(NOW_MS + 1000) == 3
    assert actors(log(truth)) == [7, 8, 9, 10]
    write(truth, truth.events.set_offsets, ["slow"], 10)
    assert prune(NOW_MS + 1000) == 3
    assert actors(log(truth)) == [10], "the newest is never pruned"
    assert prune(NOW_MS + 1000) == 0
    append(truth, event(11))
    number(truth)
    assert [one.number for one in log(truth)] == [10, 11], "numbers go on"


def test_pruning_in_steps_takes_as_much_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feedkit.storage.sql.events._PRUNED_AT_ONCE", 4)
    small = opened("memory://")
    append(small, *(event(n) for n in range(1, 11)))
    write(small, small.events.set_offsets, ["all"], 10)
    assert write(small, small.events.prune, NOW_MS + 1) == 9
    assert actors(log(small)) == [10]
    small.close()


def test_pruning_takes_the_beginning_of_the_log_alone(truth: SqlTruth) -> None:
    """An old event behind a young one stays: numbers are contiguous."""
    ages = [0, 0, 50, 0, 0, 0]
    append(truth, *(event(n, at_ms=NOW_MS + age) for n, age in enumerate(ages, 1)))
    number(truth)
    write(truth, truth.events.set_offsets, ["all"], 6)
    assert write(truth, truth.events.prune, NOW_MS + 50) == 2
    assert actors(log(truth)) == [3, 4, 5, 6]
    assert write(truth, truth.events.prune, NOW_MS + 51) == 3
    assert actors(log(truth)) == [6]


def test_what_was_published_late(truth: SqlTruth) -> None:
    published = st.tuples(
        st.integers(1, 40),
        st.integers(1, 4),
        st.sampled_from([EventKind.POST_PUBLISHED, EventKind.POST_PUBLISHED, EventKind.POST_DELETED]),
    )

    @few
    @given(st.lists(published, max_size=15, unique_by=lambda one: one[0]), st.data())
    def check(drawn: list[tuple[int, int, EventKind]], data: st.DataObject) -> None:
        # given
        base, start = room(), truth.read(truth.events.last_number)
        events = [event(base + actor, kind, position=base + at) for at, actor, kind in drawn]
        append(truth, *events)
        number(truth)
        above = data.draw(st.integers(0, len(events)), "above")
        up_to = data.draw(st.integers(above, len(events)), "up to")
        top = base + data.draw(st.integers(0, 41), "top")
        limit = data.draw(st.integers(1, 10), "limit")
        authors = {base + actor for actor in data.draw(st.sets(st.integers(1, 4)), "authors")}

        # when
        ids = idset(authors)
        late = truth.read(
            lambda tx: truth.events.late(
                tx, (start + above, start + up_to), at_or_below=top, authors=ids, limit=limit
            )
        )
        after = read(truth, truth.events.published_after, start + above, top, limit)

        # then
        told = [one for one in events[above:] if one.kind is EventKind.POST_PUBLISHED and one.position <= top]
        mine = [one for one in told if one.actor_id in authors and one in events[:up_to]]
        assert late.positions.tolist() == sorted((one.position for one in mine), reverse=True)[:limit]
        assert after == sorted((one.position for one in told), reverse=True)[:limit]

    check()


def test_events_without_a_number_count_as_published_after(pg_truth: SqlTruth) -> None:
    append(pg_truth, event(1, EventKind.POST_PUBLISHED, position=5))
    assert read(pg_truth, pg_truth.events.published_after, 99, 5, 10) == [5]
    assert read(pg_truth, pg_truth.events.published_after, 99, 4, 10) == []


# the pulled list


def listed(truth: SqlTruth) -> list[int]:
    return [int(author) for author in truth.read(truth.pulled.all)]


def test_an_author_is_listed_resumes_and_leaves(truth: SqlTruth) -> None:
    pulled = truth.pulled
    write(truth, truth.counts.add, {(7, Count.FOLLOWERS): 12, (7, Count.POSTS): 99})

    def load() -> AuthorLoad | None:
        return read(truth, pulled.load_listed, 7)

    def loads() -> dict[int, AuthorLoad]:
        return read(truth, pulled.load_many, [7, 8])

    # not listed
    assert load() is None
    assert loads() == {7: AuthorLoad(12), 8: AuthorLoad(0)}
    assert read(truth, pulled.load_many, []) == {}
    write(truth, pulled.resume, 7, 100)
    assert listed(truth) == []

    # listed
    assert write(truth, pulled.start, 7, 100) is True
    assert write(truth, pulled.start, 7, 200) is False
    assert load() == AuthorLoad(12, listed=True)
    assert loads() == {7: AuthorLoad(12, listed=True), 8: AuthorLoad(0)}
    assert write(truth, pulled.end, 10**15, 10) == [], "who has not resumed stays"

    # resumed
    write(truth, pulled.resume, 7, 300)
    assert load() == loads()[7] == AuthorLoad(12, listed=True, resumed=True)
    assert write(truth, pulled.end, 300, 10) == []
    assert listed(truth) == [7]

    # listed anew, just in time
    assert write(truth, pulled.start, 7, 400) is False
    assert load() == AuthorLoad(12, listed=True)
    assert write(truth, pulled.end, 10**15, 10) == []

    # gone
    write(truth, pulled.resume, 7, 500)
    assert write(truth, pulled.end, 501, 10) == [7]
    assert load() is None
    assert listed(truth) == []
    assert write(truth, pulled.start, 7, 600) is True


def test_the_pulled_list_is_sorted_and_left_in_bounded_steps(truth: SqlTruth) -> None:
    for author in (MAX_ID, 3, 1, 2):
        write(truth, truth.pulled.start, author, 1)
        write(truth, truth.pulled.resume, author, 2)
    assert listed(truth) == [1, 2, 3, MAX_ID]
    gone = [write(truth, truth.pulled.end, 3, 3) for _ in range(3)]
    assert [len(step) for step in gone] == [3, 1, 0]
    assert sorted(author for step in gone for author in step) == [1, 2, 3, MAX_ID]


def test_an_author_who_is_being_posted_by_stays_listed(pg_truth: SqlTruth) -> None:
    pulled = pg_truth.pulled
    write(pg_truth, pulled.start, 7, 1)
    write(pg_truth, pulled.resume, 7, 2)

    def publish(tx: Tx) -> None:
        assert pulled.load_listed(tx, 7) == AuthorLoad(0, listed=True, resumed=True)
        assert write(pg_truth, pulled.end, 3, 10) == []
        write(pg_truth, pulled.resume, 7, 2)  # this need not wait

    pg_truth.write(publish)
    assert listed(pg_truth) == [7]
    assert write(pg_truth, pulled.end, 3, 10) == [7]


# node leases


def acquire(truth: SqlTruth, now_ms: int, duration_ms: int = 1000) -> Lease:
    return write(truth, truth.nodes.acquire, now_ms, duration_ms)


def test_a_node_is_taken_over_only_after_its_lease_has_ended(truth: SqlTruth) -> None:
    # given
    first = acquire(truth, NOW_MS)
    assert (first.node, first.floor_ms, first.until_ms) == (0, NOW_MS, NOW_MS + 1000)

    # then
    assert acquire(truth, NOW_MS + 1000).node == 1, "the last millisecond is still the first one's"
    successor = acquire(truth, NOW_MS + 1001)
    assert successor.node == 0
    assert successor.owner != first.owner
    assert successor.floor_ms == NOW_MS + 1001
    assert write(truth, truth.nodes.renew, first, NOW_MS + 1002, 1000) is None
    write(truth, truth.nodes.release, first)
    assert acquire(truth, NOW_MS + 1002).node == 2, "a release by the former owner frees nothing"


def test_a_renewed_lease_goes_on_and_a_released_one_is_free(truth: SqlTruth) -> None:
    lease = acquire(truth, NOW_MS)
    renewed = write(truth, truth.nodes.renew, lease, NOW_MS + 500, 1000)
    assert renewed == attrs.evolve(lease, until_ms=NOW_MS + 2000)
    assert acquire(truth, NOW_MS + 1500).node == 1
    used = attrs.evolve(renewed, until_ms=NOW_MS + 600)
    write(truth, truth.nodes.release, used)
    again = acquire(truth, NOW_MS + 601)
    assert (again.node, again.floor_ms) == (0, NOW_MS + 601)


def test_leases_of_one_node_never_overlap(truth: SqlTruth) -> None:
    """Whatever the clocks of their owners say."""
    steps = st.lists(
        st.tuples(
            st.sampled_from(["acquire", "acquire", "renew", "release"]),
            st.integers(-3000, 5000),
            st.integers(0, 9),
        ),
        max_size=20,
    )

    @few
    @given(steps)
    def check(drawn: list[tuple[str, int, int]]) -> None:
        with truth._database.engine.begin() as connection:
            connection.execute(TABLES.nodes.delete())
        held: list[Lease] = []
        spans: dict[str, Lease] = {}
        for step, offset_ms, which in drawn:
            now_ms = NOW_MS + offset_ms
            if step == "acquire":
                lease = acquire(truth, now_ms, 1 + offset_ms % 1500)
                assert lease.until_ms >= max(now_ms, lease.floor_ms) + offset_ms % 1500
                held.append(lease)
                spans[lease.owner] = lease
            elif held and step == "renew":
                old = held.pop(which % len(held))
                new = write(truth, truth.nodes.renew, old, now_ms, 700)
                if new is not None:
                    assert new.until_ms >= max(now_ms, old.until_ms) + 700
                    held.append(new)
                    spans[new.owner] = new
            elif held:
                old = held.pop(which % len(held))
                used = attrs.evolve(old, until_ms=old.floor_ms + which)
                if used.until_ms <= old.until_ms:
                    write(truth, truth.nodes.release, used)
                    spans[used.owner] = used if spans[used.owner] == old else spans[used.owner]
        for node in {lease.node for lease in spans.values()}:
            on_node = sorted((one.floor_ms, one.until_ms) for one in spans.values() if one.node == node)
            for (_, until_ms), (floor_ms, _) in pairwise(on_node):
                assert floor_ms > until_ms

    check()


def test_many_processes_lease_different_nodes(truth: SqlTruth) -> None:
    with ThreadPoolExecutor(8) as pool:
        leases = list(pool.map(lambda _: acquire(truth, NOW_MS), range(24)))
    assert sorted(lease.node for lease in leases) == list(range(24))
    assert len({lease.owner for lease in leases}) == 24


def test_when_every_node_is_leased_it_says_so(truth: SqlTruth) -> None:
    # given
    def take_all(tx: Tx) -> list[int]:
        return [truth.nodes.acquire(tx, NOW_MS, 1000).node for _ in range(LEASABLE_NODES)]

    assert truth.write(take_all) == list(range(LEASABLE_NODES))

    # then
    with pytest.raises(NodesExhausted):
        acquire(truth, NOW_MS + 1000)
    assert acquire(truth, NOW_MS + 1001).node == 0, "until one lapses"


# what is decided once


def test_migrating_again_changes_nothing(truth: SqlTruth) -> None:
    facts = truth.read(truth.install.facts)
    keys = truth.read(truth.install.cursor_keys)
    truth.migrate("str", NOW_MS + 1)
    assert truth.read(truth.install.facts) == facts
    assert truth.read(truth.install.cursor_keys) == keys
    assert facts["key_type"] == "str"
    assert facts["schema_version"] == str(SCHEMA_VERSION)
    assert len(facts["install_id"]) == 32
    assert len(keys) == 1
    with pytest.raises(KeyTypeMismatch, match="pass key=str"):
        truth.migrate("int", NOW_MS)


@pytest.mark.parametrize(("ahead", "refused"), [(1, False), (2, True)])
def test_the_next_schema_is_read_and_the_one_after_is_refused(
    truth: SqlTruth, ahead: int, refused: bool
) -> None:
    with truth._database.engine.begin() as connection:
        version = TABLES.meta.c.name == "schema_version"
        connection.execute(TABLES.meta.update().where(version).values(value=str(SCHEMA_VERSION + ahead)))
    facts = truth.read(truth.install.facts)
    if refused:
        with pytest.raises(ConfigurationError, match="upgrade"):
            check_facts(facts, "str")
    else:
        check_facts(facts, "str")
    with pytest.raises(ConfigurationError, match="upgrade"):
        truth.migrate("str", NOW_MS)


def test_the_newest_cursor_key_signs_whatever_the_clock_says(truth: SqlTruth) -> None:
    # given
    signing = [truth.read(truth.install.cursor_keys)[-1]]

    # when
    for now_ms in (NOW_MS + 5, NOW_MS - 1000, NOW_MS - 1000, NOW_MS):
        write(truth, truth.install.add_cursor_key, now_ms, 3)
        keys = truth.read(truth.install.cursor_keys)
        signing.append(keys[-1])

        # then
        assert keys == signing[-3:], "the newest three stay valid, in order"
    assert len({key.id for key in signing}) == len({key.secret for key in signing}) == 5


def test_ids_of_cursor_keys_begin_anew_after_the_last(truth: SqlTruth) -> None:
    with truth._database.engine.begin() as connection:
        connection.execute(TABLES.secrets.update().values(id=0xFFFF))
    for _ in range(2):
        write(truth, truth.install.add_cursor_key, NOW_MS, 3)
    assert [key.id for key in truth.read(truth.install.cursor_keys)] == [0xFFFF, 0, 1]


# transactions


def test_work_that_fails_leaves_nothing(truth: SqlTruth) -> None:
    def work(tx: Tx) -> None:
        truth.users.add(tx, {1: b"a"}, NOW_MS)
        truth.events.append(tx, event(1))
        raise LookupError

    with pytest.raises(LookupError):
        truth.write(work)
    with pytest.raises(LookupError):
        truth.try_write(work)
    assert read(truth, truth.users.get_many, [1]) == []
    assert log(truth) == []


def test_work_within_a_transaction_shares_its_fate(truth: SqlTruth) -> None:
    def outer(tx: Tx) -> None:
        truth.write(lambda inner: truth.users.add(inner, {1: b"a"}, NOW_MS), within=tx)
        raise LookupError

    with pytest.raises(LookupError):
        truth.write(outer)
    assert read(truth, truth.users.get_many, [1]) == []


def test_work_is_tried_again_and_asks_first_whether_it_had_landed(truth: SqlTruth) -> None:
    tries: list[str] = []

    def landed(_: Tx) -> str | None:
        tries.append("landed?")
        return "landed" if tries.count("landed?") == 2 else None

    def work(_: Tx) -> str:
        tries.append("work")
        raise sa.exc.OperationalError("", {}, Exception("cut"), connection_invalidated=True)

    assert truth.write(work, landed=landed) == "landed"
    assert tries == ["work", "landed?", "work", "landed?"]


def test_tries_are_bounded(truth: SqlTruth) -> None:
    tries: list[int] = []

    def work(_: Tx) -> None:
        tries.append(1)
        raise sa.exc.OperationalError("", {}, Exception("cut"), connection_invalidated=True)

    with pytest.raises(Unavailable):
        truth.write(work)
    assert len(tries) == 1 + Settings().retries


@pytest.fixture
def two_writers(tmp_path: object) -> Iterator[tuple[SqlTruth, SqlTruth]]:
    """Two processes' ways into one SQLite file."""
    made = [SqlTruth(f"sqlite:///{tmp_path}/x.db", "feedkit", Settings()) for _ in range(2)]
    made[0].migrate("str", NOW_MS)
    yield made[0], made[1]
    for one in made:
        one.close()


def test_try_write_does_not_wait_for_another_writer(two_writers: tuple[SqlTruth, SqlTruth]) -> None:
    one, other = two_writers

    def work(_: Tx) -> None:
        started = time.monotonic()
        assert other.try_write(lambda _: "done") is None
        assert time.monotonic() - started < 1

    one.write(work)
    assert other.try_write(lambda _: "done") == "done"


def test_the_version_changes_with_every_commit_of_anybody(two_writers: tuple[SqlTruth, SqlTruth]) -> None:
    one, other = two_writers
    before = other.version()
    assert before is not None
    assert other.version() == before
    for writer in (one, other):
        append(writer, event(1))
        assert other.version() != before
        before = other.version()
    other.read(lambda tx: other.users.get_many(tx, [1]))
    assert other.version() == before, "reading changes nothing"
