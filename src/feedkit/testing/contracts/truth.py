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

    def test_a_copy_has_what_was_applied_and_nobody_else_asks_it(self, truth: Truth) -> None:
        for user_id in range(1, 20):
            write(truth, truth.users.add, {user_id: None}, NOW_MS)
            append(truth, event(user_id))
            number = max(event.number for event in log(truth))
            for up_to in (None, number):
                found = truth.read_copy(lambda tx, one=user_id: truth.users.get_many(tx, [one]), up_to)  # type: ignore[misc]
                assert [user.id for user in found] == [user_id]

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

    def test_whether_the_log_has_grown_is_heard_later(self, truth: Truth) -> None:
        number = grown(truth)
        assert hears_of_nothing(truth, number)
        append(truth, event(2))
        assert not truth.asks or not hears_of_nothing(truth, number), (
            "it is committed, though it has no number"
        )
        newest = grown(truth)
        assert hears_of_nothing(truth, newest)
        assert not truth.asks or not hears_of_nothing(truth, number)
        assert not truth.asks or not hears_of_nothing(truth, newest + 1), "the log is not what it was"

    def test_what_is_not_committed_is_not_heard_of(self, truth: Truth) -> None:
        number = grown(truth)

        def work(tx: Tx) -> None:
            truth.events.append(tx, event(2))
            assert hears_of_nothing(truth, number)

        if truth.asks:
            truth.write(work)

    def test_one_asks_at_a_time_and_may_give_up(self, truth: Truth) -> None:
        number = grown(truth)
        first = truth.ask(number)
        assert (first is not None) == truth.asks
        if first is None:
            return
        with first:
            assert truth.ask(number) is None
        assert hears_of_nothing(truth, number), "nobody has listened, and nobody hears what was for them"


def grown(truth: Truth) -> int:
    """The number of a new event."""
    append(truth, event(1))
    write(truth, truth.events.number_new)
    return read(truth, truth.events.last_number)


def hears_of_nothing(truth: Truth, number: int) -> bool:
    """What is heard when truth is asked whether the log ends at that number; True also where it cannot be asked."""
    if not truth.asks:
        return True
    asked = truth.ask(number)
    assert asked is not None
    with asked as answer:
        return answer.nothing_newer()
