"""Sets of ids, against Python's own."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from feedkit.ids import MAX_ID
from feedkit.idset import EMPTY, contains, idset, single

ids = st.integers(0, 20) | st.integers(2**53 - 1, 2**53 + 2) | st.integers(MAX_ID - 2, MAX_ID)


@given(st.lists(ids))
def test_an_idset_is_sorted_and_holds_each_once(values: list[int]) -> None:
    for given_as in (values, tuple(values), iter(values)):
        made = idset(given_as)
        assert made.dtype == np.int64
        assert made.tolist() == sorted(set(values))


@given(st.sets(ids), st.lists(ids))
@example(set(), [1])
@example({5}, [4, 5, 6])
def test_contains_is_in(members: set[int], values: list[int]) -> None:
    found = contains(idset(members), np.array(values, dtype=np.int64))
    assert found.dtype == np.bool_
    assert found.tolist() == [value in members for value in values]


@given(ids)
def test_single_is_the_set_of_one(value: int) -> None:
    assert single(value).tolist() == idset([value]).tolist() == [value]
    assert single(value).dtype == np.int64


def test_the_empty_set_is_empty() -> None:
    assert EMPTY.shape == (0,)
    assert EMPTY.dtype == np.int64
