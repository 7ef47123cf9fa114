"""Ids are unique and grow, whatever clocks, leases, threads and other processes do."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from feedkit.clock import ManualClock, SystemClock, to_ms
from feedkit.errors import ConfigurationError, FeedkitError, InvalidArgument, NodesExhausted, Unavailable
from feedkit.ids import (
    BACKDATED_NODE,
    EPOCH_MS,
    LEASABLE_NODES,
    MAX_ID,
    MAX_MS,
    Lease,
    Minter,
    mint_within,
    ms_of,
    node_of,
    position_of,
)

NOON_MS = to_ms(datetime(2026, 3, 1, 12, tzinfo=UTC))
HOUR_MS = 3_600_000
MINUTE_MS = 60_000


class FakeLeases:
    """Truth, played by a dictionary: the lowest node whose last lease has ended is given out.

    Leases begin `ahead_ms` after the instant they are asked for.
    """

    def __init__(self, nodes: int = LEASABLE_NODES, ahead_ms: int = 0) -> None:
        self._lock = threading.Lock()
        self._leases: dict[int, Lease] = {}
        self._owners = itertools.count()
        self._nodes = nodes
        self._ahead_ms = ahead_ms
        self.acquired: list[Lease] = []
        self.floors: dict[int, int] = {}  # node -> the first millisecond ever leased on it
        self.reach: dict[int, int] = {}  # node -> the last
        self.renewals = 0
        self.outage: FeedkitError | None = None

    def acquire(self, now_ms: int, duration_ms: int) -> Lease:
        with self._lock:
            self._ask()
            for node in range(self._nodes):
                last = self._leases.get(node)
                if last is None or last.until_ms < now_ms:
                    owner, floor_ms = f"owner-{next(self._owners)}", now_ms + self._ahead_ms
                    self.acquired.append(self._store(Lease(node, owner, floor_ms, floor_ms + duration_ms)))
                    return self.acquired[-1]
            raise NodesExhausted

    def renew(self, lease: Lease, now_ms: int, duration_ms: int) -> Lease | None:
        with self._lock:
            self._ask()
            self.renewals += 1
            if self._leases[lease.node].owner != lease.owner:
                return None
            until_ms = max(lease.until_ms, now_ms + duration_ms)
            return self._store(attrs.evolve(lease, until_ms=until_ms))

    def release(self, lease: Lease) -> None:
        with self._lock:
            if self._leases[lease.node].owner == lease.owner:
                self._leases[lease.node] = attrs.evolve(lease, owner="nobody")

    def _store(self, lease: Lease) -> Lease:
        self._leases[lease.node] = lease
        self.floors.setdefault(lease.node, lease.floor_ms)
        self.reach[lease.node] = max(lease.until_ms, self.reach.get(lease.node, 0))
        return lease

    def _ask(self) -> None:
        if self.outage is not None:
            raise self.outage


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON_MS)


@pytest.fixture
def leases() -> FakeLeases:
    return FakeLeases()


@pytest.fixture
def minter(clock: ManualClock, leases: FakeLeases) -> Minter:
    return Minter(clock, leases, HOUR_MS)


def strictly_growing(ids: list[int]) -> bool:
    return all(one < other for one, other in itertools.pairwise(ids))


# ---- positions


@given(st.integers(EPOCH_MS, MAX_MS), st.integers(0, 1023), st.integers(0, 4095))
def test_a_position_holds_its_parts(ms: int, node: int, sequence: int) -> None:
    position = position_of(ms, node, sequence)

    assert 0 <= position <= MAX_ID
    assert (ms_of(position), node_of(position)) == (ms, node)
    assert position_of(ms) <= position <= position_of(ms, 1023, 4095)


def test_the_layout_never_changes_by_accident() -> None:
    assert to_ms(datetime(2000, 1, 1, tzinfo=UTC)) == EPOCH_MS
    assert position_of(EPOCH_MS) == 0
    assert position_of(EPOCH_MS + 1, 1, 1) == (1 << 22) + (1 << 12) + 1
    assert position_of(NOON_MS, 5, 6) == 3_463_159_637_606_420_486
    assert position_of(MAX_MS, 1023, 4095) == MAX_ID == 2**63 - 1
    assert BACKDATED_NODE == LEASABLE_NODES == 1023


@pytest.mark.parametrize(
    ("parts", "argument"),
    [
        ((EPOCH_MS - 1,), "ms"),
        ((MAX_MS + 1,), "ms"),
        ((10**5000,), "ms"),
        ((NOON_MS, 1024), "node"),
        ((NOON_MS, -1), "node"),
        ((NOON_MS, 0, 4096), "sequence"),
        ((NOON_MS, 0, -1), "sequence"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parts_out_of_range_are_refused(parts: tuple[int, ...], argument: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        position_of(*parts)
    assert refused.value.argument == argument


@pytest.mark.parametrize("node", [-1, 1023, 1024])
def test_no_lease_is_for_a_reserved_or_impossible_node(node: int) -> None:
    with pytest.raises(InvalidArgument, match=r"node must be 0\.\.1022"):
        Lease(node, "owner", 0, 1)


@pytest.mark.parametrize(
    ("now_ms", "minted_ms"),
    [(NOON_MS + 5, NOON_MS + 5), (NOON_MS - 5, NOON_MS), (NOON_MS + 99, NOON_MS + 10)],
)
def test_minting_within_a_lease_never_leaves_it(now_ms: int, minted_ms: int) -> None:
    lease = Lease(7, "owner", NOON_MS, NOON_MS + 10)

    assert mint_within(lease, now_ms) == position_of(minted_ms, 7)


# ---- one minter


def test_ids_are_of_the_present_instant_on_the_leased_node(minter: Minter, leases: FakeLeases) -> None:
    minted = minter.mint()

    assert ms_of(minted) == NOON_MS
    assert node_of(minted) == leases.acquired[0].node


def test_nothing_is_leased_before_the_first_mint(minter: Minter, leases: FakeLeases) -> None:
    assert leases.acquired == []
    assert not minter.lease_covers_now()
    assert minter.mint_held() is None
    assert minter.mint_many(0) == []
    assert leases.acquired == []


def test_f13_clock_steps_back_ids_stay_unique_and_monotone(clock: ManualClock, minter: Minter) -> None:
    # given
    before = minter.mint_many(100)

    # when
    clock.advance(seconds=-10)
    during = minter.mint_many(10_000) + [minter.mint() for _ in range(100)]
    clock.advance(seconds=20)
    after = [minter.mint() for _ in range(100)]

    # then
    assert strictly_growing(before + during + after)
    assert ms_of(after[0]) == NOON_MS + 10_000


def test_more_than_4096_in_a_millisecond_borrow_the_next_ones(minter: Minter) -> None:
    # when
    ids = [minter.mint() for _ in range(5000)] + minter.mint_many(5000)

    # then
    assert strictly_growing(ids)
    assert ms_of(ids[0]) == NOON_MS
    assert ms_of(ids[-1]) == NOON_MS + 2
    assert {node_of(minted) for minted in ids} == {0}


@pytest.mark.parametrize("n", [-1, 1_000_001, 10**30])
def test_a01_a_batch_is_bounded(minter: Minter, n: int) -> None:
    with pytest.raises(InvalidArgument, match=r"n must be 0\.\.1000000, got"):
        minter.mint_many(n)


def test_the_largest_batch_fits_the_shortest_lease(clock: ManualClock, leases: FakeLeases) -> None:
    ids = Minter(clock, leases, 1000).mint_many(1_000_000)

    assert strictly_growing(ids)
    assert all(lease.until_ms >= ms_of(ids[-1]) for lease in leases.acquired)


def test_a_clock_before_2000_still_gives_positive_ids(leases: FakeLeases) -> None:
    ids = Minter(ManualClock(0), leases, HOUR_MS).mint_many(3)

    assert strictly_growing([0, *ids])


def test_a_clock_past_the_end_of_ids_is_a_clear_error(leases: FakeLeases) -> None:
    # given
    clock = ManualClock(MAX_MS - 1)
    minter = Minter(clock, leases, HOUR_MS)

    # then
    assert 0 < minter.mint() < MAX_ID

    # when
    clock.advance(milliseconds=2)

    # then
    with pytest.raises(ConfigurationError, match="2069"):
        minter.mint()


def test_threads_never_share_an_id_and_lease_one_node() -> None:
    # given: a truth slow enough for every thread to want a lease at once
    class Slow(FakeLeases):
        def acquire(self, now_ms: int, duration_ms: int) -> Lease:
            time.sleep(0.05)
            return super().acquire(now_ms, duration_ms)

    leases = Slow()
    minter = Minter(SystemClock(), leases, HOUR_MS)
    start = threading.Barrier(8)

    def mint(_worker: int) -> list[int]:
        start.wait()
        return [minted for _ in range(1000) for minted in (minter.mint(), *minter.mint_many(2))]

    # when
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(mint, range(8)))

    # then
    assert all(strictly_growing(batch) for batch in batches)
    assert len(set().union(*batches)) == 8 * 3000
    assert len(leases.acquired) == 1
    assert leases.renewals == 0


# ---- renewing


def test_a_lease_from_later_on_is_minted_from_its_first_millisecond(clock: ManualClock) -> None:
    # given: a source whose leases begin a second from now
    minter = Minter(clock, FakeLeases(ahead_ms=1000), HOUR_MS)

    # when
    ids = [minter.mint(), *minter.mint_many(4096)]

    # then
    assert ids[0] == position_of(NOON_MS + 1000)
    assert ids[-1] == position_of(NOON_MS + 1001)


def test_a_lease_is_renewed_about_once_per_half(
    clock: ManualClock, leases: FakeLeases, minter: Minter
) -> None:
    # when: ten leases long, a mint every half minute
    for _ in range(10 * 120):
        minter.mint()
        clock.advance(seconds=30)

    # then
    assert 18 <= leases.renewals <= 20
    assert len(leases.acquired) == 1


def test_nothing_is_asked_of_truth_in_the_first_half(
    clock: ManualClock, leases: FakeLeases, minter: Minter
) -> None:
    # given
    minter.mint()
    leases.outage = Unavailable()

    # when
    clock.advance(minutes=29)

    # then
    assert minter.lease_covers_now()
    assert minter.mint() < minter.mint_many(10)[0]


def test_the_second_half_renews_with_a_mint_but_not_with_a_held_one(
    clock: ManualClock, leases: FakeLeases, minter: Minter
) -> None:
    # given
    minter.mint()
    clock.advance(minutes=31)

    # then
    assert not minter.lease_covers_now()
    assert minter.mint_held() is not None
    assert leases.renewals == 0

    # when
    minter.mint()

    # then
    assert leases.renewals == 1
    assert minter.lease_covers_now()


def test_a_clock_that_jumps_past_the_lease_costs_one_renewal(
    clock: ManualClock, leases: FakeLeases, minter: Minter
) -> None:
    # given
    first = minter.mint()

    # when
    clock.advance(days=3)
    assert minter.mint_held() is None
    ids = [minter.mint() for _ in range(10)]

    # then
    assert strictly_growing([first, *ids])
    assert ms_of(ids[0]) == clock.now_ms()
    assert (leases.renewals, len(leases.acquired)) == (1, 1)


def test_while_truth_is_away_the_lease_is_used_up_with_few_attempts(
    clock: ManualClock, leases: FakeLeases, minter: Minter, caplog: pytest.LogCaptureFixture
) -> None:
    # given
    ids = [minter.mint()]
    leases.outage = Unavailable()

    # when: a mint every second until the lease ends
    with caplog.at_level(logging.WARNING, "feedkit"):
        for _ in range(3600):
            clock.advance(seconds=1)
            ids.append(minter.mint())

    # then
    assert strictly_growing(ids)
    assert 1 <= len(caplog.records) <= 24
    assert {record.getMessage() for record in caplog.records} == {
        "the node lease could not be renewed yet: unavailable"
    }

    # when
    clock.advance(seconds=1)

    # then
    with pytest.raises(Unavailable):
        minter.mint()

    # when
    leases.outage = None

    # then
    assert minter.mint() > ids[-1]


def test_held_ids_do_not_wait_for_a_renewal_under_way(clock: ManualClock) -> None:
    # given: a source that answers a renewal only when told to
    asked, answer = threading.Event(), threading.Event()

    class Slow(FakeLeases):
        def renew(self, lease: Lease, now_ms: int, duration_ms: int) -> Lease | None:
            asked.set()
            assert answer.wait(10)
            return super().renew(lease, now_ms, duration_ms)

    leases = Slow()
    minter = Minter(clock, leases, HOUR_MS)
    ids = [minter.mint()]
    clock.advance(minutes=31)

    # when
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(minter.mint)
        assert asked.wait(10)
        held = minter.mint_held()
        assert held is not None
        ids += [held, minter.mint()]  # an ordinary mint goes on as well: one thread renews for all
        answer.set()
        renewing.result(10)

    # then
    assert strictly_growing([*ids, minter.mint()])
    assert leases.renewals == 1


def test_a_lease_that_ends_at_once_is_an_error_not_a_loop(clock: ManualClock) -> None:
    class Stingy(FakeLeases):
        def acquire(self, now_ms: int, duration_ms: int) -> Lease:
            return super().acquire(now_ms, -1)

    with pytest.raises(Unavailable, match="raise the setting lease_ms"):
        Minter(clock, Stingy(), HOUR_MS).mint()


# ---- several minters


def test_f13_two_hosts_five_minutes_apart_never_mint_the_same_value() -> None:
    # given: leases of four minutes, so that the fast host sees the slow one's as over while it is not
    leases = FakeLeases(nodes=2)
    slow, fast = ManualClock(NOON_MS), ManualClock(NOON_MS + 5 * MINUTE_MS)
    hosts = [(slow, Minter(slow, leases, 4 * MINUTE_MS)), (fast, Minter(fast, leases, 4 * MINUTE_MS))]
    minted: list[list[int]] = [[], []]

    # when: both run for half an hour, 5000 ids per 20 s each
    for _ in range(90):
        for ids, (clock, minter) in zip(minted, hosts, strict=True):
            ids += [minter.mint(), *minter.mint_many(4998), minter.mint()]
            clock.advance(seconds=20)

    # then
    assert all(strictly_growing(ids) for ids in minted)
    assert not set(minted[0]) & set(minted[1])
    assert {lease.node for lease in leases.acquired} == {0, 1}
    assert leases.acquired[1].node == 0  # a takeover did happen


def test_a_predecessor_that_still_runs_keeps_to_its_own_span() -> None:
    # given: a single node, and a successor whose clock is five minutes ahead
    leases = FakeLeases(nodes=1)
    clock, ahead = ManualClock(NOON_MS), ManualClock(NOON_MS + 5 * MINUTE_MS)
    predecessor, successor = Minter(clock, leases, 4 * MINUTE_MS), Minter(ahead, leases, 4 * MINUTE_MS)
    ids = [predecessor.mint()]

    # when: it takes the node over while the predecessor has four minutes left
    taken = successor.mint_many(10)
    clock.advance(minutes=3, seconds=59)
    ids += [predecessor.mint() for _ in range(10)]  # its early renewal fails, its own span does not

    # then
    assert node_of(taken[0]) == node_of(ids[0]) == 0
    assert max(ids) < min(taken)

    # when: its span ends
    clock.advance(seconds=2)

    # then: it asks for another node, of which there is none
    with pytest.raises(NodesExhausted):
        predecessor.mint()

    # when: the successor's lease has ended in turn
    clock.set(ahead.now_ms() + 4 * MINUTE_MS + 1)

    # then
    assert predecessor.mint() > max(taken)


def test_ids_grow_across_a_change_to_a_lower_node(clock: ManualClock) -> None:
    # given: a minter on node 1 whose lease is lost while node 0 is free
    leases = FakeLeases(nodes=2)
    other, minter = Minter(clock, leases, 1000), Minter(clock, leases, 2000)
    other.mint()
    ids = [minter.mint()]
    thief = ManualClock(NOON_MS + 3000)
    Minter(thief, leases, 1000).mint()  # takes node 0, whose lease is over
    Minter(thief, leases, 1000).mint()  # takes node 1
    clock.advance(milliseconds=1999)
    ids += minter.mint_many(4095)

    # when
    thief.advance(days=1)
    clock.set(thief.now_ms())
    ids += [minter.mint()]

    # then
    assert [node_of(ids[0]), node_of(ids[-1])] == [1, 0]
    assert strictly_growing(ids)


def test_within_one_millisecond_too_a_lower_node_gives_higher_ids(
    clock: ManualClock, leases: FakeLeases
) -> None:
    # given: a minter on node 1, which gives its lease back
    first, minter = Minter(clock, leases, HOUR_MS), Minter(clock, leases, HOUR_MS)
    first.mint()
    before = minter.mint()
    minter.retire()

    # when: it goes on, in the same millisecond, on node 0
    leases.release(attrs.evolve(leases.acquired[0], until_ms=NOON_MS - 1))
    after = minter.mint()

    # then
    assert [node_of(before), node_of(after)] == [1, 0]
    assert after > before


def test_every_node_can_be_leased_and_then_none(clock: ManualClock, leases: FakeLeases) -> None:
    # when
    ids = [Minter(clock, leases, HOUR_MS).mint() for _ in range(LEASABLE_NODES)]

    # then
    assert {node_of(minted) for minted in ids} == set(range(LEASABLE_NODES))
    with pytest.raises(NodesExhausted, match="lease_ms"):
        Minter(clock, leases, HOUR_MS).mint()


def test_a_retired_lease_frees_its_node_for_the_next_millisecond(clock: ManualClock) -> None:
    # given: a single node, as little as short-lived processes leave to each other
    leases = FakeLeases(nodes=1)
    ids: list[int] = []

    # when
    for _ in range(100):
        minter = Minter(clock, leases, HOUR_MS)
        ids += minter.mint_many(5000)
        lease = minter.retire()
        assert lease is not None
        assert lease.until_ms == ms_of(ids[-1])
        leases.release(lease)
        clock.advance(milliseconds=2)

    # then
    assert strictly_growing(ids)


def test_a_retired_minter_holds_nothing_and_can_go_on(minter: Minter, leases: FakeLeases) -> None:
    # given
    before = minter.mint()

    # when
    minter.retire()

    # then
    assert minter.retire() is None
    assert not minter.lease_covers_now()
    assert minter.mint_held() is None
    assert minter.mint() > before
    assert len(leases.acquired) == 2


class Hosts(RuleBasedStateMachine):
    """A few minters, each with a clock of its own, that share three nodes and an unreliable truth."""

    hosts = st.integers(0, 3)

    @initialize()
    def start(self) -> None:
        self.leases = FakeLeases(nodes=3, ahead_ms=2)
        self.clocks = [ManualClock(NOON_MS + skew) for skew in (0, 15, 300, -40)]
        self.minters = [Minter(clock, self.leases, 20) for clock in self.clocks]
        self.last = [0] * len(self.clocks)
        self.seen: set[int] = set()

    @rule(host=hosts, n=st.sampled_from([1, 1, 2, 4095, 4097, 40_000]))
    def mint(self, host: int, n: int) -> None:
        minter = self.minters[host]
        covered = minter.lease_covers_now()
        asked = self.leases.renewals + len(self.leases.acquired)
        try:
            ids = [minter.mint()] if n == 1 else minter.mint_many(n)
        except (NodesExhausted, Unavailable):
            assert not covered or n > 1
            return
        assert not covered or n > 1 or asked == self.leases.renewals + len(self.leases.acquired)
        self.take(host, ids)

    @rule(host=hosts)
    def mint_held(self, host: int) -> None:
        covered = self.minters[host].lease_covers_now()
        held = self.minters[host].mint_held()
        assert held is not None or not covered
        self.take(host, [] if held is None else [held])

    @rule(ms=st.integers(1, 50))
    def time_passes(self, ms: int) -> None:
        for clock in self.clocks:
            clock.advance(milliseconds=ms)

    @rule(host=hosts, ms=st.integers(-60, 60))
    def a_clock_is_set(self, host: int, ms: int) -> None:
        self.clocks[host].advance(milliseconds=ms)

    @rule(host=hosts)
    def retire(self, host: int) -> None:
        lease = self.minters[host].retire()
        if lease is not None:
            self.leases.release(lease)

    @rule(host=hosts)
    def restart(self, host: int) -> None:
        self.minters[host] = Minter(self.clocks[host], self.leases, 20)
        self.last[host] = 0

    @rule(away=st.booleans())
    def truth(self, away: bool) -> None:
        self.leases.outage = Unavailable() if away else None

    def take(self, host: int, ids: list[int]) -> None:
        assert strictly_growing([self.last[host], *ids])
        assert self.seen.isdisjoint(ids)
        for minted in ids[:1] + ids[-1:]:
            assert self.leases.floors[node_of(minted)] <= ms_of(minted) <= self.leases.reach[node_of(minted)]
        self.seen.update(ids)
        self.last[host] = max(ids, default=self.last[host])


Hosts.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestHosts = Hosts.TestCase
