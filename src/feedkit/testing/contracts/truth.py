"""What every truth keeps of its transactions."""

from __future__ import annotations

import pytest

from feedkit.storage.base import Truth, Tx
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, read
from feedkit.testing.contracts.events import event, log


class TruthContract(TruthSuite):
    """The laws of `Truth`."""

    def test_work_that_fails_leaves_nothing(self, truth: Truth) -> None:
        def work(tx: Tx) -> None:
            truth.users.add(tx, {1: b"a"}, NOW_MS)
            truth.events.append(tx, event(1))
            raise LookupError

        with pytest.raises(LookupError):
            truth.write(work)
        with pytest.raises(LookupError):
            truth.try_write(work)
        assert read(truth, truth.users.get_many, [1]) == []
        assert log(truth) == []

    def test_work_within_a_transaction_shares_its_fate(self, truth: Truth) -> None:
        def outer(tx: Tx) -> None:
            truth.write(lambda inner: truth.users.add(inner, {1: b"a"}, NOW_MS), within=tx)
            raise LookupError

        with pytest.raises(LookupError):
            truth.write(outer)
        assert read(truth, truth.users.get_many, [1]) == []
