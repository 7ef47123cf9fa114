"""What every store of counters keeps."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from feedkit.ids import MAX_ID
from feedkit.model import Count
from feedkit.storage.base import COUNTED, Truth
from feedkit.testing.contracts._truth import TruthSuite, few, read, room, write


class CountStoreContract(TruthSuite):
    """The laws of `CountStore`."""

    def test_counts_add_up(self, truth: Truth) -> None:
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
                assert {kind: stored.get(kind, 0) for kind in Count} == {
                    k: totals[object_id, k] for k in Count
                }

        check()

    def test_counts_pass_the_borders_of_small_integers(self, truth: Truth) -> None:
        for delta in (2**31 - 1, 1, 2**53):
            write(truth, truth.counts.add, {(MAX_ID, Count.FOLLOWERS): delta})
        assert read(truth, truth.counts.get_many, [MAX_ID])[MAX_ID] == {"followers": 2**31 + 2**53}

    def test_counts_of_many_at_once_do_not_deadlock(self, shared: Truth) -> None:
        keys: list[tuple[int, str]] = [(n, kind) for n in range(1, 30) for kind in Count]

        def add(seed: int) -> None:
            dice = random.Random(seed)
            for _ in range(10):
                shuffled = dict.fromkeys(dice.sample(keys, len(keys)), 1)
                write(shared, shared.counts.add, shuffled)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(add, range(4)))
        assert read(shared, shared.counts.get_many, [7, 8])[7] == dict.fromkeys(Count, 40)

    def test_what_is_counted_leaves_a_row_even_at_nothing(self, truth: Truth) -> None:
        write(truth, truth.counts.add, {(1, COUNTED): 0, (2, Count.POSTS): 0})
        assert read(truth, truth.counts.get_many, [1, 2]) == {1: {COUNTED: 0}}
