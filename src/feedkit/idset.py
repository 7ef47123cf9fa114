"""Sets of ids as sorted int64 arrays: small, quick to intersect, the same in every layer."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


def idset(values: Iterable[int]) -> Ids:
    """A sorted int64 array of `values` without duplicates, shape (n,)."""
    return np.unique(np.fromiter(values, dtype=np.int64))


def single(value: int) -> Ids:
    """The set of one id."""
    return np.array((value,), dtype=np.int64)


EMPTY: Ids = idset(())


def contains(sorted_ids: Ids, values: Ids) -> NDArray[np.bool_]:
    """For each of `values` (shape (n,)), whether it is in the set: booleans of shape (n,)."""
    if not len(sorted_ids):
        return np.zeros(len(values), dtype=np.bool_)
    where = sorted_ids.searchsorted(values)
    found: NDArray[np.bool_] = sorted_ids.take(where, mode="clip") == values
    return found
