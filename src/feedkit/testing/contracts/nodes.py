"""What everybody who leases node ids keeps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count, pairwise

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedkit.errors import NodesExhausted
from feedkit.ids import LEASABLE_NODES, Lease
from feedkit.storage.base import Truth, Tx
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, few, write


class NodeStoreContract(TruthSuite):
    """The laws of `NodeStore`."""

    def test_a_node_is_taken_over_only_after_its_lease_has_ended(self, truth: Truth) -> None:
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

    def test_a_renewed_lease_goes_on_and_a_released_one_is_free(self, truth: Truth) -> None:
        lease = acquire(truth, NOW_MS)
        renewed = write(truth, truth.nodes.renew, lease, NOW_MS + 500, 1000)
        assert renewed == attrs.evolve(lease, until_ms=NOW_MS + 2000)
        assert acquire(truth, NOW_MS + 1500).node == 1
        used = attrs.evolve(renewed, until_ms=NOW_MS + 600)
        write(truth, truth.nodes.release, used)
        again = acquire(truth, NOW_MS + 601)
        assert (again.node, again.floor_ms) == (0, NOW_MS + 601)

    def test_leases_of_one_node_never_overlap(self, truth: Truth) -> None:
        """Whatever the clocks of their owners say."""
        steps = st.lists(
            st.tuples(
                st.sampled_from(["acquire", "acquire", "renew", "release"]),
                st.integers(-3000, 5000),
                st.integers(0, 9),
            ),
            max_size=20,
        )

        examples = count(1)

        @few
        @given(steps)
        def check(drawn: list[tuple[str, int, int]]) -> None:
            start_ms = NOW_MS + next(examples) * 10**6  # what earlier examples leased has lapsed
            held: list[Lease] = []
            spans: dict[str, Lease] = {}
            for step, offset_ms, which in drawn:
                now_ms = start_ms + offset_ms
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

    def test_many_processes_lease_different_nodes(self, truth: Truth) -> None:
        with ThreadPoolExecutor(8) as pool:
            leases = list(pool.map(lambda _: acquire(truth, NOW_MS), range(24)))
        assert sorted(lease.node for lease in leases) == list(range(24))
        assert len({lease.owner for lease in leases}) == 24

    def test_when_every_node_is_leased_it_says_so(self, truth: Truth) -> None:
        # given
        def take_all(tx: Tx) -> list[int]:
            return [truth.nodes.acquire(tx, NOW_MS, 1000).node for _ in range(LEASABLE_NODES)]

        assert truth.write(take_all) == list(range(LEASABLE_NODES))

        # then
        with pytest.raises(NodesExhausted):
            acquire(truth, NOW_MS + 1000)
        assert acquire(truth, NOW_MS + 1001).node == 0, "until one lapses"


def acquire(truth: Truth, now_ms: int, duration_ms: int = 1000) -> Lease:
    """A lease in a transaction of its own."""
    return write(truth, truth.nodes.acquire, now_ms, duration_ms)
