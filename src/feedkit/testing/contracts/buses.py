"""What every bus keeps."""

from abc import abstractmethod
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedkit.model import Audience, Event, EventKind, Route
from feedkit.storage.bus import NOT_FILLED, Bus, Span, partition_of
from feedkit.testing.contracts._bus_world import (
    LEASE_MS,
    BusWorld,
    event,
    fetch,
    fill,
    handled_all,
    numbers,
    tries,
)
from feedkit.testing.contracts._truth import few

_STEPS = st.lists(st.tuples(st.sampled_from(BusWorld.STEPS), st.integers(0, 11)), min_size=30, max_size=80)


class BusContract:
    """The laws of `feedkit.storage.bus.Bus`."""

    @abstractmethod
    def make_bus(self, partitions: int, most: int) -> Bus:
        """A bus of one's own, empty, whose partitions hold `most` events each."""

    @abstractmethod
    def lapse(self, bus: Bus) -> None:
        """Have every lease lapse, and every pause be over."""

    @pytest.fixture
    def bus(self) -> Bus:
        return self.make_bus(partitions=1, most=100)

    def test_an_event_comes_back_as_it_was(self, bus: Bus) -> None:
        told = [Event(kind, 5, 6, 7, number=number) for number, kind in enumerate(EventKind, 1)]
        told.append(
            Event(
                *(EventKind.POST_EDITED, 2**62, 2**62 + 1, 2**41, 2**62 + 2, Route.PULL),
                *(Audience.LIST, len(told) + 1, "public", (("reply", 2**62), ("private", 3))),
            )
        )
        fill(bus, *told)
        assert list(fetch(bus).events) == told

    def test_events_of_one_author_lie_in_one_partition_in_order(self) -> None:
        # given
        bus = self.make_bus(partitions=4, most=100)
        events = [event(number, author=1 + number % 20) for number in range(1, 81)]
        fill(bus, *events)

        # when
        found: dict[int, list[Event]] = defaultdict(list)
        while batch := bus.fetch("mail", 0, 7, LEASE_MS):
            found[batch.partition] += batch.events
            assert bus.acknowledge(batch)

        # then
        assert sorted(one.number for its in found.values() for one in its) == list(range(1, 81))
        for partition, its in found.items():
            assert [one.number for one in its] == sorted(one.number for one in its)
            assert {partition_of(one.actor_id, 4) for one in its} == {partition}
        assert len(found) == 4

    def test_every_group_is_handed_everything(self, bus: Bus) -> None:
        fill(bus, event(1), event(2))
        assert handled_all(bus, "mail") == handled_all(bus, "search") == [1, 2]
        assert handled_all(bus, "mail") == []

    def test_what_is_published_again_is_not_handed_out_again(self, bus: Bus) -> None:
        events = [event(number) for number in (1, 2, 3)]
        assert fill(bus, *events) == 3
        assert fill(bus, *events) == 3
        assert handled_all(bus) == [1, 2, 3]
        bus.trim(3)
        assert fill(bus, *events, event(4)) == 4
        assert bus.state({}).held == 1
        assert handled_all(bus) == [4]

    def test_a_publisher_that_was_asleep_leaves_no_gap(self, bus: Bus) -> None:
        # given
        fill(bus, event(1), event(2))

        # then
        assert bus.publish([event(6)], Span(before=5, up_to=6, settled=4)) == 2
        assert handled_all(bus) == [1, 2]
        assert bus.publish([event(6)], Span(before=5, up_to=6, settled=5)) == 6, "nobody lacks 3, 4 and 5"
        assert handled_all(bus) == [6]

    def test_a_bus_that_lost_everything_is_filled_from_what_is_settled(self, bus: Bus) -> None:
        fill(bus, *(event(number) for number in range(1, 6)))
        before = fetch(bus)
        bus.clear()
        state = bus.state({"mail": 2})
        assert (state.lowest, state.highest, state.held) == (NOT_FILLED, NOT_FILLED, 0)
        assert (state.groups["mail"].handled, state.groups["mail"].taken) == (2, 0)
        assert not bus.acknowledge(before)
        assert fill(bus, event(6), before=5, settled=2) == NOT_FILLED
        assert fill(bus, event(3), event(4), before=2, settled=2) == 4
        assert not bus.acknowledge(before)
        assert handled_all(bus) == [3, 4]

    def test_a_full_partition_takes_what_fits_and_the_rest_later(self) -> None:
        # given
        bus = self.make_bus(partitions=1, most=3)
        events = [event(number) for number in range(1, 9)]

        # when
        assert fill(bus, *events) == 3
        assert fill(bus, *events[3:], before=3) == 3
        assert handled_all(bus) == [1, 2, 3]
        assert fill(bus, *events[3:], before=3) == 3, "it is handled, and not dropped yet"
        bus.trim(2)
        assert fill(bus, *events[3:], before=3) == 5

        # then
        assert handled_all(bus) == [4, 5]

    def test_a_full_partition_holds_up_no_other(self) -> None:
        bus = self.make_bus(partitions=2, most=2)
        here = next(author for author in range(1, 99) if partition_of(author, 2) == 0)
        there = next(author for author in range(1, 99) if partition_of(author, 2) == 1)
        events = [*(event(number, here) for number in range(1, 6)), event(6, there)]
        assert fill(bus, *events) == 2
        state = bus.state({})
        assert (state.lowest, state.highest, state.held) == (2, 6, 3)
        assert sorted(handled_all(bus)) == [1, 2, 6]

    def test_one_worker_of_a_group_has_a_partition(self, bus: Bus) -> None:
        fill(bus, event(1), event(2), event(3))
        first = fetch(bus, limit=2)
        assert numbers(first) == [1, 2]
        assert bus.fetch("mail", 0, 10, LEASE_MS) is None
        assert numbers(fetch(bus, "search")) == [1, 2, 3], "groups do not wait for each other"
        assert bus.acknowledge(first)
        assert numbers(fetch(bus)) == [3]

    def test_what_was_abandoned_comes_again_before_anything_new(self, bus: Bus) -> None:
        fill(bus, event(1), event(2), event(3))
        assert tries(fetch(bus, limit=2)) == [1, 1]
        self.lapse(bus)
        again = fetch(bus)
        assert (numbers(again), tries(again)) == ([1], [2]), "alone: it may be what brought the worker down"
        assert bus.acknowledge(again)
        assert handled_all(bus) == [2, 3]

    def test_a_late_acknowledgement_is_fenced(self, bus: Bus) -> None:
        # given
        fill(bus, event(1), event(2))
        slow = fetch(bus)
        self.lapse(bus)
        twin = fetch(bus)

        # then
        assert not bus.acknowledge(slow)
        assert not bus.abandon(slow, 1, blamed=True, pause_ms=99_000)
        assert bus.state({"mail": 0}).groups["mail"].taken == 2
        assert bus.acknowledge(twin)
        assert not bus.acknowledge(twin), "once"
        assert not bus.acknowledge(slow)
        assert handled_all(bus) == [2]

    def test_whoever_is_late_and_alone_is_believed(self, bus: Bus) -> None:
        fill(bus, event(1))
        slow = fetch(bus)
        self.lapse(bus)
        assert bus.acknowledge(slow)
        assert handled_all(bus) == []

    def test_what_is_given_back_counts_against_the_one_that_is_to_blame(self, bus: Bus) -> None:
        # given
        fill(bus, *(event(number) for number in range(1, 6)))
        assert bus.abandon(fetch(bus), 2, blamed=True, pause_ms=0)

        # when
        failed = fetch(bus)

        # then
        assert (numbers(failed), tries(failed)) == ([3], [2])
        assert bus.abandon(failed, 0, blamed=True, pause_ms=0)
        failed = fetch(bus)
        assert (numbers(failed), tries(failed)) == ([3], [3])
        assert bus.abandon(failed, 0, blamed=False, pause_ms=0)
        failed = fetch(bus)
        assert (numbers(failed), tries(failed)) == ([3], [3]), "nobody was to blame"
        assert bus.acknowledge(failed)
        others = fetch(bus)
        assert (numbers(others), tries(others)) == ([4, 5], [1, 1])

    def test_a_partition_rests_after_a_failure(self, bus: Bus) -> None:
        fill(bus, event(1))
        assert bus.abandon(fetch(bus), 0, blamed=True, pause_ms=LEASE_MS)
        assert bus.fetch("mail", 0, 10, LEASE_MS) is None
        assert numbers(fetch(bus, "search")) == [1]
        self.lapse(bus)
        assert numbers(fetch(bus)) == [1]

    def test_nothing_is_dropped_that_a_group_has_not_acknowledged(self, bus: Bus) -> None:
        # given
        fill(bus, *(event(number) for number in range(1, 7)))
        assert bus.acknowledge(fetch(bus, "mail", limit=5))
        assert bus.acknowledge(fetch(bus, "search", limit=1))
        fetch(bus, "search", limit=2)

        # when
        bus.trim(6)

        # then
        assert bus.state({}).held == 5
        self.lapse(bus)
        assert handled_all(bus, "search") == [2, 3, 4, 5, 6]
        bus.trim(4)
        assert bus.state({}).held == 2
        assert handled_all(bus, "mail") == [6]
        bus.trim(9)
        assert bus.state({}).held == 0
        assert fill(bus, event(7), before=6) == 7, "the mark is what it was"

    def test_it_tells_how_far_a_group_is(self) -> None:
        # given
        bus = self.make_bus(partitions=3, most=100)
        events = [event(number, author=number % 7) for number in range(1, 31)]
        fill(bus, *events)
        groups = {"mail": 0, "search": 30}

        # then
        state = bus.state(groups)
        assert (state.lowest, state.highest, state.held) == (30, 30, 30)
        assert (state.groups["mail"].handled, state.groups["mail"].taken) == (0, 0)
        assert (state.groups["search"].handled, state.groups["search"].taken) == (30, 0)
        done = set()
        while batch := bus.fetch("mail", 0, 4, LEASE_MS):
            assert bus.state(groups).groups["mail"].taken == len(batch.entries)
            assert bus.acknowledge(batch)
            done.update(numbers(batch))
            handled = bus.state(groups).groups["mail"].handled
            assert done >= set(range(1, handled + 1))
        assert bus.state(groups).groups["mail"].handled == 30

    def test_a_new_group_begins_where_it_is_told(self, bus: Bus) -> None:
        fill(bus, *(event(number) for number in range(1, 6)))
        assert numbers(bus.fetch("late", 3, 10, LEASE_MS)) == [4, 5]
        assert bus.fetch("later", 5, 10, LEASE_MS) is None
        assert bus.fetch("latest", 7, 10, LEASE_MS) is None
        fill(bus, *(event(number) for number in range(6, 9)), before=5)
        assert numbers(bus.fetch("latest", 7, 10, LEASE_MS)) == [8]

    def test_a_group_that_is_forgotten_holds_nothing_back(self, bus: Bus) -> None:
        fill(bus, event(1), event(2))
        gone = fetch(bus, "search")
        handled_all(bus)
        bus.trim(2)
        assert bus.state({}).held == 2
        bus.forget("search")
        bus.forget("search")
        bus.trim(2)
        assert bus.state({}).held == 0
        assert not bus.acknowledge(gone)

    def test_an_empty_bus_has_nothing_to_hand_out(self, bus: Bus) -> None:
        assert bus.fetch("mail", 0, 10, LEASE_MS) is None
        bus.trim(5)
        bus.forget("mail")
        bus.clear()
        assert bus.state({"mail": 3}).groups["mail"].handled == 3

    def test_many_workers_share_the_work_and_never_a_partition(self) -> None:
        # given
        bus = self.make_bus(partitions=4, most=1000)
        fill(bus, *(event(number, author=number % 50) for number in range(1, 401)))
        held: Counter[int] = Counter()
        clashes: list[int] = []

        def work(_: int) -> list[int]:
            mine = []
            while (batch := bus.fetch("mail", 0, 5, LEASE_MS)) is not None or len(seen) < 400:
                if batch is None:
                    continue
                held[batch.partition] += 1
                if held[batch.partition] > 1:
                    clashes.append(batch.partition)
                mine += numbers(batch)
                seen.update(numbers(batch))
                held[batch.partition] -= 1
                assert bus.acknowledge(batch)
            return mine

        # when
        seen: set[int] = set()
        with ThreadPoolExecutor(4) as pool:
            handled = [number for mine in pool.map(work, range(4)) for number in mine]

        # then
        assert clashes == []
        assert sorted(handled) == list(range(1, 401)), "each once, where nobody crashed"

    @few
    @given(st.data())
    def test_whatever_happens_each_group_is_handed_everything_in_order(self, data: st.DataObject) -> None:
        """Publishers and workers fall asleep, crash and are late; the bus is full, and may lose everything."""
        bus = self.make_bus(partitions=2, most=4)
        world = BusWorld(bus, lambda: self.lapse(bus))
        for step, nth in data.draw(_STEPS, "steps"):
            getattr(world, step)(nth)
        world.finish()
