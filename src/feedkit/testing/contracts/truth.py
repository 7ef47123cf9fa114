"""What every truth keeps of its transactions."""

from __future__ import annotations

import pytest

from feedkit.storage.base import Truth, Tx
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, read, write
from feedkit.testing.contracts.events import append, event, log


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

    def test_what_was_written_is_seen_by_every_read_after_it(self, truth: Truth) -> None:
        for user_id in range(1, 20):
            write(truth, truth.users.add, {user_id: None}, NOW_MS)
            assert [user.id for user in read(truth, truth.users.get_many, [user_id])] == [user_id]

    def test_what_had_landed_is_not_asked_for_where_the_first_try_succeeds(self, truth: Truth) -> None:
        asked: list[int] = []
        assert truth.write(lambda _: "done", landed=lambda _: asked.append(1)) == "done"
        assert asked == []

    def test_the_version_changes_with_every_commit(self, truth: Truth) -> None:
        before = truth.version()
        append(truth, event(1))
        after = truth.version()
        assert (before is None) == (after is None), "it is cheap to know, or it is not"
        if after is not None:
            assert after != before
            read(truth, truth.users.get_many, [1])
            assert truth.version() == after, "reading changes nothing"

    def test_how_often_a_thread_has_read(self, truth: Truth) -> None:
        before = truth.times_read()
        truth.write(lambda _: None)
        assert truth.times_read() == before
        read(truth, truth.users.get_many, [1])
        assert truth.times_read() == before + 1
