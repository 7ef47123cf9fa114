"""Outboxes kept in one process: fetched once, and kept up to date by the log from the moment of the fetch on."""

from collections.abc import Sequence

import pytest

from feedkit import ManualClock
from feedkit.fanout.near import NearOutboxes
from feedkit.metrics import Metric
from feedkit.model import Event, EventKind
from feedkit.storage.entries import of_rows
from feedkit.storage.memory import MemoryTimelines
from feedkit.storage.timelines import Timeline
from feedkit.testing import START

ADA, BOB = 7, 8


class Shared:
    """What processes share, and how often it was asked."""

    def __init__(self) -> None:
        self.posts: dict[int, list[int]] = {ADA: [1], BOB: [2]}
        self.asked: list[int] = []

    def fetch(self, authors: Sequence[int]) -> dict[int, Timeline]:
        self.asked += authors
        return {one: Timeline(of_rows([(at, one) for at in self.posts[one]]), 0) for one in authors}


@pytest.fixture
def shared() -> Shared:
    return Shared()


@pytest.fixture
def near() -> NearOutboxes:
    clock = ManualClock(START)
    return NearOutboxes(MemoryTimelines(capacity=10, tail=2, maximum=100, ttl_ms=None, clock=clock))


def held(near: NearOutboxes, shared: Shared, *authors: int) -> set[int]:
    return {at for one in near.get(authors, shared.fetch) for at in one.entries.positions.tolist()}


def published(author: int, position: int) -> Event:
    return Event(EventKind.POST_PUBLISHED, author, position, 0, position)


def deleted(author: int, position: int) -> Event:
    return Event(EventKind.POST_DELETED, author, position, 0, position)


def test_what_is_held_is_not_fetched_again(near: NearOutboxes, shared: Shared) -> None:
    assert held(near, shared, ADA) == {1}
    assert held(near, shared, ADA, BOB) == {1, 2}
    assert held(near, shared, ADA, BOB) == {1, 2}
    assert shared.asked == [ADA, BOB]


def test_what_is_published_later_is_added(near: NearOutboxes, shared: Shared) -> None:
    held(near, shared, ADA)
    near.apply([published(ADA, 5), published(BOB, 6)])
    assert held(near, shared, ADA) == {1, 5}
    assert shared.asked == [ADA]


def test_who_has_deleted_is_fetched_anew(near: NearOutboxes, shared: Shared) -> None:
    held(near, shared, ADA, BOB)
    shared.posts[ADA] = [4]
    near.apply([deleted(ADA, 1)])
    assert held(near, shared, ADA, BOB) == {4, 2}
    assert shared.asked == [ADA, BOB, ADA]


def test_what_is_applied_during_a_fetch_is_not_lost(near: NearOutboxes, shared: Shared) -> None:
    def fetch(authors: Sequence[int]) -> dict[int, Timeline]:
        found = shared.fetch(authors)
        near.apply([published(ADA, 5)])  # by another thread, which comes later than what was fetched
        return found

    near.get([ADA], fetch)
    assert held(near, shared, ADA) == {1, 5}


def test_what_is_deleted_during_a_fetch_is_not_kept(near: NearOutboxes, shared: Shared) -> None:
    def fetch(authors: Sequence[int]) -> dict[int, Timeline]:
        found = shared.fetch(authors)
        near.apply([deleted(ADA, 1)])
        return found

    near.get([ADA], fetch)
    shared.posts[ADA] = []
    assert held(near, shared, ADA) == set()


def test_a_fetch_that_fails_leaves_nothing(near: NearOutboxes, shared: Shared) -> None:
    def fetch(authors: Sequence[int]) -> dict[int, Timeline]:
        raise LookupError(authors)

    with pytest.raises(LookupError):
        near.get([ADA], fetch)
    assert held(near, shared, ADA) == {1}


def test_after_an_import_everything_is_fetched_anew(near: NearOutboxes, shared: Shared) -> None:
    held(near, shared, ADA)
    near.apply([Event(EventKind.IMPORTED, 0, 0, 0)])
    shared.posts[ADA] = [9]
    assert held(near, shared, ADA) == {9}


def test_what_is_held_and_what_is_not_is_counted(shared: Shared) -> None:
    counted: list[tuple[str, int, str]] = []

    class Noted:
        def count(self, metric: Metric, amount: int, label: str = "") -> None:
            counted.append((metric.name, amount, label))

        def observe(self, metric: Metric, value: float, label: str = "") -> None:
            raise AssertionError

    clock = ManualClock(START)
    store = MemoryTimelines(capacity=10, tail=2, maximum=100, ttl_ms=None, clock=clock)
    near = NearOutboxes(store, Noted())
    held(near, shared, ADA)
    held(near, shared, ADA, BOB)
    assert counted == [
        ("cache_misses", 1, "outboxes"),
        ("cache_hits", 1, "outboxes"),
        ("cache_misses", 1, "outboxes"),
    ]
