"""What truth keeps of associations in batches and pages, and of lists, on both databases."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedkit import Conflict, NotFound
from feedkit.ids import MAX_ID
from feedkit.idset import idset
from feedkit.model import Assoc, UserList
from feedkit.storage.base import Tx
from feedkit.storage.relating import NO_REPOSTS, Place
from feedkit.storage.sql.truth import SqlTruth
from tests.storage.conftest import NOW_MS
from tests.storage.test_truth import read, write

ROOMS = count(1)
TOP: Place = (MAX_ID, MAX_ID)
FOLLOWED_BY = Assoc.FOLLOWED_BY


def follow(truth: SqlTruth, user: int, followers: dict[int, int]) -> None:
    """Followers with the times at which they came."""

    def work(tx: Tx) -> None:
        for follower, time in followers.items():
            truth.graph.add(tx, follower, Assoc.FOLLOWS, user, time)

    truth.write(work)


def walked(truth: SqlTruth, user: int, step: int, among: list[int] | None = None) -> list[Place]:
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
def newest_are_walked(truth: SqlTruth, data: st.DataObject) -> None:
    room = next(ROOMS) * 1000
    times = data.draw(st.dictionaries(st.integers(1, 30), st.integers(0, 3), max_size=20))
    followers = {room + one: NOW_MS + time for one, time in times.items()}
    follow(truth, room, followers)
    expected = sorted(((time, one) for one, time in followers.items()), reverse=True)
    step = data.draw(st.integers(1, 8))
    assert walked(truth, room, step) == expected
    some = data.draw(st.lists(st.integers(1, 30)))
    wanted = {room + one for one in some}
    assert walked(truth, room, step, sorted(wanted)) == [place for place in expected if place[1] in wanted]


def test_the_newest_are_walked_in_steps_also_among_some(truth: SqlTruth) -> None:
    newest_are_walked(truth)


def test_the_newest_of_each(truth: SqlTruth) -> None:
    follow(truth, 1, {11: NOW_MS, 12: NOW_MS + 2, 13: NOW_MS + 1})
    follow(truth, 2, {12: NOW_MS, 14: NOW_MS})
    found = read(truth, truth.graph.newest_of_each, idset([1, 2, 3]), FOLLOWED_BY, 2)
    assert sorted(found) == [12, 12, 13, 14]


def test_many_are_added_and_removed_at_once(truth: SqlTruth) -> None:
    graph = truth.graph

    def members() -> list[int]:
        return list(map(int, read(truth, graph.range, 7, Assoc.LISTS, 0, 100)))

    assert truth.write(lambda tx: graph.add_many(tx, 7, Assoc.LISTS, idset([3, 1]), NOW_MS)).tolist() == [
        1,
        3,
    ]
    assert truth.write(lambda tx: graph.add_many(tx, 7, Assoc.LISTS, idset([1, 2]), NOW_MS)).tolist() == [2]
    assert members() == [1, 2, 3]
    assert truth.read(lambda tx: graph.relations(tx, 2, NOW_MS)).lists.tolist() == [7]
    assert truth.write(lambda tx: graph.remove_many(tx, 7, Assoc.LISTS, idset([1, 2, 9]))).tolist() == [1, 2]
    assert members() == [3]
    assert truth.read(lambda tx: graph.relations(tx, 2, NOW_MS)).lists.tolist() == []
    nobody = idset([])
    assert len(write(truth, graph.add_many, 7, Assoc.LISTS, nobody, NOW_MS)) == 0
    assert len(write(truth, graph.remove_many, 7, Assoc.LISTS, nobody)) == 0


def test_what_stands_between_is_told_from_both_sides_with_its_data(truth: SqlTruth) -> None:
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


def test_lists_belong_to_their_owner_and_have_names_of_their_own(truth: SqlTruth) -> None:
    lists = truth.lists
    made = UserList(70, "close", NOW_MS)
    truth.write(lambda tx: lists.insert(tx, made, 1))
    truth.write(lambda tx: lists.insert(tx, UserList(71, "Work", NOW_MS), 1))
    truth.write(lambda tx: lists.insert(tx, UserList(72, "close", NOW_MS), 2))
    truth.write(lambda tx: truth.graph.add_many(tx, 70, Assoc.LISTS, idset([9]), NOW_MS))
    truth.write(lambda tx: truth.graph.add_many(tx, 72, Assoc.LISTS, idset([9]), NOW_MS))

    assert truth.read(lambda tx: [one.id for one in lists.of(tx, 1)]) == [71, 70]
    assert truth.read(lambda tx: lists.get(tx, 1, 70)) == made
    assert truth.read(lambda tx: lists.with_member(tx, 1, 9)) == [70]
    assert truth.read(lambda tx: lists.with_member(tx, 1, 8)) == []
    for owner_id, list_id in ((2, 70), (1, 72), (1, 99)):
        with pytest.raises(NotFound):
            read(truth, lists.get, owner_id, list_id)
    with pytest.raises(Conflict):
        truth.write(lambda tx: lists.insert(tx, UserList(73, "close", NOW_MS), 1))
    with pytest.raises(Conflict):
        truth.write(lambda tx: lists.rename(tx, 71, "close"))
    truth.write(lambda tx: lists.delete(tx, 70))
    truth.write(lambda tx: lists.rename(tx, 71, "close"))
    assert truth.read(lambda tx: [(one.id, one.name) for one in lists.of(tx, 1)]) == [(71, "close")]
