"""What every store of timelines keeps."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from feedkit.clock import ManualClock
from feedkit.ids import MAX_ID
from feedkit.idset import idset
from feedkit.storage.entries import of_rows
from feedkit.storage.timelines import TimelineStore
from feedkit.testing import START
from feedkit.testing.contracts._timeline_world import (
    ANN,
    BEN,
    CAT,
    TTL_MS,
    WRITER,
    World,
    begin,
    build,
    entries,
    positions,
)


class TimelineStoreContract:
    """The laws of `TimelineStore`."""

    maximum: int | None = None
    """How many timelines the store holds at most where it was made for 3 of them; None where it does not count."""

    def make_store(
        self, *, capacity: int, tail: int, maximum: int, ttl_ms: int | None, clock: ManualClock
    ) -> TimelineStore:
        """A new, empty store within these bounds; see `MemoryTimelines` for what they mean."""
        raise NotImplementedError

    def small(self, *, maximum: int = 100, ttl_ms: int | None = None) -> TimelineStore:
        """A store of 10 entries per timeline and 3 behind the block, on a clock that `self.clock` moves."""
        self.clock = ManualClock(START)
        return self.make_store(capacity=10, tail=3, maximum=maximum, ttl_ms=ttl_ms, clock=self.clock)

    def later(self, ms: int) -> None:
        """Let time pass, as the store tells it."""
        self.clock.advance(milliseconds=ms)

    # missing is not empty

    def test_a_delivery_never_makes_a_timeline(self) -> None:
        store = self.small()
        assert store.deliver(idset([ANN, BEN]), entries([5])) == 0
        assert store.append(ANN, entries([6]), 0) is False
        store.remove(idset([ANN]), idset([5]))
        assert store.read_many([ANN, BEN]) == [None, None]
        assert store.floors([ANN]) == [None]
        assert store.owners() == []

    def test_an_empty_timeline_is_not_missing(self) -> None:
        store = self.small()
        build(store, ANN, [])
        assert positions(store.read(ANN)) == []
        assert store.read(BEN) is None

    def test_what_is_being_built_reads_as_missing(self) -> None:
        store = self.small()
        store.begin(ANN)
        assert store.read(ANN) is None
        assert store.owners() == []
        assert store.floors([ANN, BEN]) == [0, None]

    def test_answers_keep_the_order_of_the_owners(self) -> None:
        store = self.small()
        build(store, CAT, [3])
        build(store, ANN, [1])
        read = store.read_many([ANN, BEN, CAT, ANN])
        assert [positions(one) if one else None for one in read] == [[1], None, [3], [1]]

    # building

    def test_a_whole_timeline_is_served_newest_first(self) -> None:
        store = self.small()
        build(store, ANN, [1, 3, 2], floor=1)
        timeline = store.read(ANN)
        assert timeline is not None
        assert positions(timeline) == [3, 2, 1]
        assert timeline.entries.authors.tolist() == [WRITER] * 3
        assert timeline.floor == 1
        assert store.owners() == [ANN]

    def test_deliveries_while_building_are_kept(self) -> None:
        store = self.small()
        token = begin(store, ANN)
        assert store.deliver(idset([ANN]), entries([8])) in (0, 1)
        assert store.append(ANN, entries([6, 7]), 0) is True
        assert store.install(ANN, token, entries([4, 5]), 0)
        assert positions(store.read(ANN)) == [8, 7, 6, 5, 4]

    def test_one_build_at_a_time(self) -> None:
        store = self.small()
        token = begin(store, ANN)
        assert store.begin(ANN) is None, "somebody else is building"
        assert store.install(ANN, token, entries([1]), 0)
        assert store.begin(ANN) is None, "it is whole"

    def test_a_stale_token_installs_nothing(self) -> None:
        store = self.small()
        stale = begin(store, ANN)
        store.drop([ANN])
        assert not store.install(ANN, stale, entries([1]), 0)
        assert store.read(ANN) is None
        fresh = begin(store, ANN)
        assert not store.install(ANN, stale, entries([1]), 0)
        assert store.read(ANN) is None, "still being built"
        assert store.install(ANN, fresh, entries([2]), 0)
        assert not store.install(ANN, stale, entries([1]), 0)
        assert positions(store.read(ANN)) == [2]

    def test_a_token_installs_once(self) -> None:
        store = self.small()
        token = begin(store, ANN)
        assert store.install(ANN, token, entries([1]), 0)
        store.deliver(idset([ANN]), entries([2]))
        assert not store.install(ANN, token, entries([9]), 5)
        assert positions(store.read(ANN)) == [2, 1]

    def test_a_token_is_no_good_for_another_owner(self) -> None:
        store = self.small()
        token = begin(store, ANN)
        begin(store, BEN)
        assert not store.install(BEN, token, entries([1]), 0)

    # order and duplicates

    def test_order_and_duplicates_are_settled_when_read(self) -> None:
        store = self.small()
        build(store, ANN, [2, 9, 2])
        for late in ([7], [4, 9], [7], [1]):
            store.deliver(idset([ANN]), entries(late))
        assert positions(store.read(ANN)) == [9, 7, 4, 2, 1]

    def test_a_delivery_reaches_those_it_names(self) -> None:
        store = self.small()
        for owner in (ANN, BEN, CAT):
            build(store, owner, [])
        assert store.deliver(idset([ANN, CAT, 99]), entries([1, 2])) == 4
        assert [positions(one) for one in store.read_many([ANN, BEN, CAT])] == [[2, 1], [], [2, 1]]

    def test_positions_and_authors_of_any_size_survive(self) -> None:
        store = self.small()
        build(store, 2**62, [])
        high = of_rows([(MAX_ID - 1, 2**62 + 1), (1, 1), (2**53 + 1, 2**53 + 1)])
        store.deliver(idset([2**62]), high)
        timeline = store.read(2**62)
        assert timeline is not None
        assert positions(timeline) == [MAX_ID - 1, 2**53 + 1, 1]
        assert timeline.entries.authors.tolist() == [2**62 + 1, 2**53 + 1, 1]

    # floors and bounds

    def test_overflow_raises_the_floor_and_keeps_the_newest(self) -> None:
        store = self.small()
        build(store, ANN, [])
        for position in range(1, 101):
            store.deliver(idset([ANN]), entries([position]))
        timeline = store.read(ANN)
        assert timeline is not None
        assert len(timeline.entries) <= 10 + 3
        complete = [p for p in range(100, 0, -1) if p >= timeline.floor]
        assert positions(timeline)[: len(complete)] == complete
        assert len(complete) >= 10, "it must keep what fits"

    def test_an_install_that_is_too_large_is_cut(self) -> None:
        store = self.small()
        build(store, ANN, range(1, 31), floor=1)
        timeline = store.read(ANN)
        assert timeline is not None
        assert timeline.floor == 21
        assert positions(timeline) == list(range(30, 20, -1))

    def test_a_floor_never_sinks(self) -> None:
        store = self.small()
        build(store, ANN, [60, 70], floor=50)
        store.deliver(idset([ANN]), entries([40]))
        store.append(ANN, entries([45, 65]), 10)
        timeline = store.read(ANN)
        assert timeline is not None
        assert timeline.floor == 50
        assert [p for p in positions(timeline) if p >= 50] == [70, 65, 60]

    def test_an_append_raises_the_floor_to_its_own(self) -> None:
        store = self.small()
        build(store, ANN, [10, 90], floor=1)
        assert store.append(ANN, entries([80, 95]), 75)
        timeline = store.read(ANN)
        assert timeline is not None
        assert timeline.floor == 75
        assert [p for p in positions(timeline) if p >= 75] == [95, 90, 80]
        assert store.floors([ANN]) == [75]

    def test_an_append_while_building_raises_the_floor_too(self) -> None:
        store = self.small()
        token = begin(store, ANN)
        store.append(ANN, entries([80, 95]), 75)
        store.install(ANN, token, entries([10, 90]), 1)
        timeline = store.read(ANN)
        assert timeline is not None
        assert timeline.floor >= 75
        assert [p for p in positions(timeline) if p >= timeline.floor] == [95, 90, 80]

    def test_a_backfill_brings_each_of_many_what_lies_above_its_own_floor(self) -> None:
        store = self.make_store(capacity=1000, tail=500, maximum=100, ttl_ms=None, clock=ManualClock(START))
        wanted = list(range(1000, 1300))
        lowest = (1, 500, 1000, 1150, 1195, 1289, 1299, 1300, 5000)
        floors = {10 + nth: floor for nth, floor in enumerate(lowest)}
        for owner, floor in floors.items():
            build(store, owner, [floor, 6000], floor=floor)
        missing, unfinished = 30, 31
        token = begin(store, unfinished)
        for floor, owners in ((0, (*floors, missing, unfinished)), (1000, (*floors, missing))):
            store.backfill(idset(owners), entries(wanted), floor)
            for owner, own_floor in floors.items():
                timeline = store.read(owner)
                assert timeline is not None
                assert timeline.floor == max(own_floor, floor)
                above = {one for one in (own_floor, *wanted, 6000) if one >= timeline.floor}
                assert {one for one in positions(timeline) if one >= timeline.floor} == above
        assert store.read(missing) is None
        assert store.install(unfinished, token, entries([900]), 0)
        assert positions(store.read(unfinished)) == [*wanted[::-1], 900]

    # removal

    def test_removed_entries_are_gone(self) -> None:
        store = self.small()
        build(store, ANN, [1, 2, 3], floor=1)
        build(store, BEN, [2])
        store.deliver(idset([ANN]), entries([4, 5]))
        store.remove(idset([ANN, 99]), idset([2, 5, 77]))
        timeline = store.read(ANN)
        assert timeline is not None
        assert positions(timeline) == [4, 3, 1]
        assert timeline.floor == 1
        assert positions(store.read(BEN)) == [2]
        assert store.read(99) is None

    def test_dropped_timelines_are_missing(self) -> None:
        store = self.small()
        build(store, ANN, [1])
        build(store, BEN, [1])
        store.drop([ANN, 99])
        assert store.read(ANN) is None
        assert store.read(BEN) is not None
        store.deliver(idset([ANN]), entries([2]))
        assert store.read(ANN) is None
        assert build(store, ANN, [3]), "it can be built again"
        assert positions(store.read(ANN)) == [3]

    def test_clear_forgets_everything(self) -> None:
        store = self.small()
        build(store, ANN, [1])
        stale = begin(store, BEN)
        store.clear()
        assert store.read_many([ANN, BEN]) == [None, None]
        assert store.owners() == []
        assert not store.install(BEN, stale, entries([1]), 0)

    # time to live

    def test_a_timeline_nobody_reads_expires(self) -> None:
        store = self.small(ttl_ms=TTL_MS)
        build(store, ANN, [1])
        self.later(TTL_MS + 1)
        store.deliver(idset([ANN]), entries([2]))
        assert store.read(ANN) is None
        assert build(store, ANN, [3]), "it can be built again"
        assert positions(store.read(ANN)) == [3]

    def test_an_expired_timeline_can_be_built_without_reading_it_first(self) -> None:
        store = self.small(ttl_ms=TTL_MS)
        build(store, ANN, [1])
        self.later(TTL_MS + 1)
        build(store, ANN, [3])
        assert positions(store.read(ANN)) == [3]

    def test_to_read_of_two_stores_at_once_is_to_read_of_each(self) -> None:
        store, other = self.small(ttl_ms=TTL_MS), self.small()
        build(store, ANN, [1, 2])
        begin(store, BEN)
        build(other, BEN, [7])
        build(other, ANN, [3])
        here, there = store.read_with([ANN, BEN, CAT], other, [BEN, CAT, ANN])
        assert [positions(one) if one else None for one in here] == [[2, 1], None, None]
        assert [positions(one) if one else None for one in there] == [[7], None, [3]]
        assert store.read_with([], other, []) == ([], [])
        self.later(TTL_MS * 2 // 3)
        store.read_with([ANN], other, [])
        self.later(TTL_MS * 2 // 3)
        assert positions(store.read(ANN)) == [2, 1], "it was kept alive"

    def test_reading_keeps_a_timeline_alive(self) -> None:
        store = self.small(ttl_ms=TTL_MS)
        build(store, ANN, [1])
        for _ in range(5):
            self.later(TTL_MS * 2 // 3)
            assert store.read(ANN) is not None

    def test_delivering_and_asking_for_floors_does_not(self) -> None:
        store = self.small(ttl_ms=TTL_MS)
        build(store, ANN, [1])
        for position in range(2, 5):
            self.later(TTL_MS * 2 // 3)
            store.deliver(idset([ANN]), entries([position]))
            store.floors([ANN])
        assert store.read(ANN) is None

    def test_a_clock_that_steps_back_loses_nothing(self) -> None:
        store = self.small(ttl_ms=TTL_MS)
        build(store, ANN, [1])
        self.clock.set(START - timedelta(minutes=5))
        assert store.read(ANN) is not None
        self.clock.set(START + timedelta(seconds=30))
        assert store.read(ANN) is not None

    def test_an_abandoned_build_does_not_stop_the_next_for_ever(self) -> None:
        store = self.small(ttl_ms=TTL_MS)
        stale = begin(store, ANN)
        self.later(TTL_MS + 1)
        fresh = begin(store, ANN)
        assert not store.install(ANN, stale, entries([1]), 0)
        assert store.install(ANN, fresh, entries([2]), 0)
        assert positions(store.read(ANN)) == [2]

    # everything at once

    @given(st.data())
    def test_whatever_happens_it_is_complete_above_its_floor(self, data: st.DataObject) -> None:
        store = self.small(maximum=3, ttl_ms=TTL_MS)
        world = World(store, self.later, self.maximum)
        for _ in range(data.draw(st.integers(1, 40), "steps")):
            name = data.draw(st.sampled_from(World.STEPS), "step")
            owner = data.draw(st.sampled_from(World.OWNERS), "owner")
            number = data.draw(st.integers(1, 60), "number")
            getattr(world, name)(owner, number)
            world.check()


class BoundedTimelineStoreContract(TimelineStoreContract):
    """Further laws, of a store that holds at most `maximum` timelines."""

    maximum = 3

    def test_the_number_of_timelines_is_bounded(self) -> None:
        store = self.small(maximum=3)
        for owner in range(1, 11):
            build(store, owner, [owner])
            assert len(store.owners()) <= 3
        assert store.read(10) is not None, "the newest is kept"

    def test_the_least_recently_read_goes_first(self) -> None:
        store = self.small(maximum=2)
        build(store, ANN, [1])
        build(store, BEN, [1])
        store.read(ANN)
        store.floors([BEN])
        build(store, CAT, [1])
        assert store.read(BEN) is None
        assert store.read(ANN) is not None
