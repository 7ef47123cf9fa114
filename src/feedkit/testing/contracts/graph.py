"""What every store of relations keeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from feedkit.ids import MAX_ID
from feedkit.idset import Ids, idset
from feedkit.model import Assoc
from feedkit.relations import Tie
from feedkit.storage.base import Truth, Tx
from feedkit.storage.relating import NO_REPOSTS, Place
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, few, read, room, waits, write

FORWARD = (Assoc.FOLLOWS, Assoc.BLOCKS, Assoc.MUTES)
changes = st.lists(
    st.tuples(st.booleans(), st.integers(1, 4), st.sampled_from(FORWARD), st.integers(1, 4)), max_size=25
)
TOP: Place = (MAX_ID, MAX_ID)
FOLLOWED_BY = Assoc.FOLLOWED_BY


class GraphStoreContract(TruthSuite):
    """The laws of `GraphStore`."""

    def test_every_association_stands_beside_its_inverse(self, truth: Truth) -> None:
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
            there = {(id1, kind, id2, NOW_MS) for id1, kind, id2 in model}
            back = {(id2, kind.inverse, id1, NOW_MS) for id1, kind, id2 in model}
            assert links_of(truth, range(base + 1, base + 5)) == there | back
            for viewer in range(base + 1, base + 5):
                check_relations(truth, viewer, model, range(base + 1, base + 5))

        check()

    def test_doing_it_again_keeps_the_first_time(self, truth: Truth) -> None:
        write(truth, truth.graph.add, 1, Assoc.FOLLOWS, 2, 111)
        assert write(truth, truth.graph.add, 1, Assoc.FOLLOWS, 2, 222) is False
        there = {(1, Assoc.FOLLOWS, 2, 111), (2, Assoc.FOLLOWED_BY, 1, 111)}
        assert links_of(truth, range(1, 3)) == there

    def test_ranges_and_counts_are_bounded(self, truth: Truth) -> None:
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

    def test_a_pair_is_changed_by_one_transaction_at_a_time(self, shared: Truth) -> None:
        # given
        held, free = threading.Event(), threading.Event()
        order: list[str] = []

        def first(tx: Tx) -> None:
            shared.graph.lock_pair(tx, 1, 2)
            held.set()
            free.wait(10)
            order.append("first")

        def second(tx: Tx) -> None:
            shared.graph.lock_pair(tx, 2, 1)
            order.append("second")

        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(shared.write, first)
            assert held.wait(10)

            # when
            two = pool.submit(shared.write, second)
            write(shared, shared.graph.lock_pair, 1, 3)  # others go on

            # then
            time.sleep(0.05)
            assert not two.done()
            free.set()
            one.result(10)
            two.result(10)
        assert order == ["first", "second"]

    def test_the_newest_are_walked_in_steps_also_among_some(self, truth: Truth) -> None:
        newest_are_walked(truth)

    def test_the_newest_of_each(self, truth: Truth) -> None:
        follow(truth, 1, {11: NOW_MS, 12: NOW_MS + 2, 13: NOW_MS + 1})
        follow(truth, 2, {12: NOW_MS, 14: NOW_MS})
        found = read(truth, truth.graph.newest_of_each, idset([1, 2, 3]), FOLLOWED_BY, 2)
        assert sorted(found) == [12, 12, 13, 14]

    def test_many_are_added_and_removed_at_once(self, truth: Truth) -> None:
        graph = truth.graph

        def members() -> list[int]:
            return list(map(int, read(truth, graph.range, 7, Assoc.LISTS, 0, 100)))

        assert truth.write(lambda tx: graph.add_many(tx, 7, Assoc.LISTS, idset([3, 1]), NOW_MS)).tolist() == [
            1,
            3,
        ]
        assert truth.write(lambda tx: graph.add_many(tx, 7, Assoc.LISTS, idset([1, 2]), NOW_MS)).tolist() == [
            2
        ]
        assert members() == [1, 2, 3]
        assert truth.read(lambda tx: graph.relations(tx, 2, NOW_MS)).lists.tolist() == [7]
        assert truth.write(lambda tx: graph.remove_many(tx, 7, Assoc.LISTS, idset([1, 2, 9]))).tolist() == [
            1,
            2,
        ]
        assert members() == [3]
        assert truth.read(lambda tx: graph.relations(tx, 2, NOW_MS)).lists.tolist() == []
        nobody = idset([])
        assert len(write(truth, graph.add_many, 7, Assoc.LISTS, nobody, NOW_MS)) == 0
        assert len(write(truth, graph.remove_many, 7, Assoc.LISTS, nobody)) == 0

    def test_what_stands_between_is_told_from_both_sides_with_its_data(self, truth: Truth) -> None:
        graph = truth.graph

        def work(tx: Tx) -> None:
            graph.add(tx, 1, Assoc.FOLLOWS, 2, NOW_MS, data=NO_REPOSTS)
            graph.add(tx, 1, Assoc.MUTES, 2, NOW_MS)
            graph.add(tx, 1, Assoc.MUTES, 3, NOW_MS, data=NOW_MS + 5)
            graph.add(tx, 4, Assoc.BLOCKS, 1, NOW_MS)
            graph.change(tx, 1, Assoc.MUTES, 2, NOW_MS + 9)
            graph.change(tx, 1, Assoc.MUTES, 3, 0)

        truth.write(work)
        assert truth.read(lambda tx: graph.between_many(tx, 1, idset([2, 3, 4, 5]))) == {
            2: {Assoc.FOLLOWS: NO_REPOSTS, Assoc.MUTES: NOW_MS + 9},
            3: {Assoc.MUTES: 0},
            4: {Assoc.BLOCKED_BY: 0},
            5: {},
        }
        assert truth.read(lambda tx: graph.between_many(tx, 2, idset([1]))) == {
            1: {FOLLOWED_BY: NO_REPOSTS, Assoc.MUTED_BY: NOW_MS + 9}
        }
        for now_ms, lapsed in ((NOW_MS + 8, []), (NOW_MS + 9, [2])):
            found = read(truth, graph.lapsed_mutes, 1, now_ms)
            assert found.tolist() == lapsed

    def test_how_one_stands_to_another_by_what_they_did(self, truth: Truth) -> None:
        def work(tx: Tx) -> None:
            truth.graph.add(tx, 1, Assoc.FOLLOWS, 2, NOW_MS, data=NO_REPOSTS)
            truth.graph.add(tx, 2, Assoc.FOLLOWS, 1, NOW_MS + 1)
            truth.graph.add(tx, 1, Assoc.MUTES, 2, NOW_MS + 2)

        truth.write(work)
        one, other = (read(truth, truth.graph.between, *pair) for pair in ((1, 2), (2, 1)))
        assert {kind: since_ms for kind, (since_ms, _) in one.items()} == {
            Assoc.FOLLOWS: NOW_MS,
            Assoc.MUTES: NOW_MS + 2,
        }
        assert one[Assoc.FOLLOWS][1] == NO_REPOSTS
        assert list(other) == [Assoc.FOLLOWS]
        assert read(truth, truth.graph.between, 1, 3) == {}

    def test_the_relations_with_some_are_those_of_all_cut_down(self, truth: Truth) -> None:
        def work(tx: Tx) -> None:
            for other in (2, 3, 4):
                truth.graph.add(tx, 1, Assoc.FOLLOWS, other, NOW_MS)
                truth.graph.add(tx, 1, Assoc.MUTES, other, NOW_MS, data=NOW_MS + other)
            truth.graph.add(tx, 4, Assoc.BLOCKS, 1, NOW_MS)
            for list_id in (70, 71):
                truth.graph.add(tx, list_id, Assoc.LISTS, 1, NOW_MS)

        truth.write(work)
        held = read(truth, truth.graph.relations_with, 1, [3, 4, 5, 71], NOW_MS + 3)
        assert held.viewer_id == 1
        assert held.those(Tie.FOLLOWS).tolist() == [3, 4]
        assert held.those(Tie.MUTES).tolist() == [4], "the other has lapsed"
        assert held.those(Tie.BLOCKED).tolist() == [4]
        assert held.lists.tolist() == [71]

    def test_what_adds_to_one_kind_of_one_user_waits(self, shared: Truth) -> None:
        def lock(id1: int, kind: Assoc) -> Callable[[Tx], None]:
            return lambda tx: shared.graph.lock_kind(tx, id1, kind)

        assert waits(shared, lock(1, Assoc.FOLLOWS), lock(1, Assoc.FOLLOWS))
        assert not waits(shared, lock(1, Assoc.FOLLOWS), lock(2, Assoc.FOLLOWS))
        assert not waits(shared, lock(1, Assoc.FOLLOWS), lock(1, Assoc.BLOCKS))


def links_of(truth: Truth, people: range) -> set[tuple[int, Assoc, int, int]]:
    """Every association that begins at one of these: (id1, kind, id2, since when)."""
    kinds = [*FORWARD, *(kind.inverse for kind in FORWARD)]
    return {
        (id1, kind, id2, since_ms)
        for id1, kind in product(people, kinds)
        for since_ms, id2 in read(truth, truth.graph.newest, id1, kind, TOP, 100)
    }


def check_relations(truth: Truth, viewer: int, model: set[tuple[int, Assoc, int]], everybody: range) -> None:
    """What the viewer sees stands as the model has it."""
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


def chunk_after(truth: Truth, after: int, step: int) -> Ids:
    """One step of a walk over followers."""
    return read(truth, truth.graph.range, 5, Assoc.FOLLOWED_BY, after, step)


def follow(truth: Truth, user: int, followers: dict[int, int]) -> None:
    """Followers with the times at which they came."""

    def work(tx: Tx) -> None:
        for follower, since_ms in followers.items():
            truth.graph.add(tx, follower, Assoc.FOLLOWS, user, since_ms)

    truth.write(work)


def walked(truth: Truth, user: int, step: int, among: list[int] | None = None) -> list[Place]:
    """Everybody who follows, step by step from the newest on."""
    some = None if among is None else idset(among)
    found: list[Place] = []
    while True:
        before = found[-1] if found else TOP
        places = read(truth, truth.graph.newest, user, FOLLOWED_BY, before, step, some)
        assert len(places) <= step
        found += [(time, other) for time, other in places]
        if len(places) < step:
            return found


@settings(max_examples=25)
@given(data=st.data())
def newest_are_walked(truth: Truth, data: st.DataObject) -> None:
    """Whatever the followers and the steps, each is met once, in order."""
    user = room()
    times = data.draw(st.dictionaries(st.integers(1, 30), st.integers(0, 3), max_size=20))
    followers = {user + one: NOW_MS + time for one, time in times.items()}
    follow(truth, user, followers)
    expected = sorted(((time, one) for one, time in followers.items()), reverse=True)
    step = data.draw(st.integers(1, 8))
    assert walked(truth, user, step) == expected
    some = data.draw(st.lists(st.integers(1, 30)))
    wanted = {user + one for one in some}
    assert walked(truth, user, step, sorted(wanted)) == [place for place in expected if place[1] in wanted]
