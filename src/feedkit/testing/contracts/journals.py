"""What every store of journals keeps."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event as Signal

import pytest

from feedkit.ids import MAX_ID
from feedkit.storage.base import Truth, Tx
from feedkit.storage.lives import Act
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, read, write

TTL_MS = 1000


class JournalStoreContract(TruthSuite):
    """The laws of `JournalStore`."""

    def test_a_key_belongs_to_who_took_it_first_until_it_lapses(self, truth: Truth) -> None:
        assert claim(truth, 1, "k", 100) is None
        assert claim(truth, 1, "k", 101, NOW_MS + TTL_MS) == (b"100", 100)
        assert claim(truth, 1, "other", 102) is None
        assert claim(truth, 2, "k", 103) is None, "keys are those of one actor"
        assert claim(truth, 1, "k", 104, NOW_MS + TTL_MS + 1) is None, "it has lapsed"
        assert claim(truth, 1, "k", 105, NOW_MS + TTL_MS + 2) == (b"104", 104)

    def test_who_asks_for_a_key_that_is_being_taken_waits(self, shared: Truth) -> None:
        taken, asked = Signal(), Signal()

        def first(tx: Tx) -> None:
            assert claim_in(shared, tx, 1, "k", 100) is None
            taken.set()
            assert asked.wait(10)

        def second(tx: Tx) -> tuple[bytes, int] | None:
            asked.set()
            return claim_in(shared, tx, 1, "k", 101)

        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(shared.write, first)
            assert taken.wait(10)
            assert pool.submit(shared.write, second).result(10) == (b"100", 100)
            one.result(10)

    def test_a_key_of_a_transaction_that_failed_is_free(self, truth: Truth) -> None:
        def work(tx: Tx) -> None:
            claim_in(truth, tx, 1, "k", 100)
            raise LookupError

        with pytest.raises(LookupError):
            truth.write(work)
        assert claim(truth, 1, "k", 101) is None

    def test_the_oldest_keys_are_forgotten_first(self, truth: Truth) -> None:
        for n in range(5):
            claim(truth, 1, f"k{n}", n + 1, NOW_MS + n)
        assert write(truth, truth.journals.prune_keys, NOW_MS + 3, 2) == 2
        assert claim(truth, 1, "k0", 90) is None
        assert claim(truth, 1, "k2", 91) == (b"3", 3)
        assert write(truth, truth.journals.prune_keys, NOW_MS, 10) == 0

    def test_acts_come_newest_first_and_each_once(self, truth: Truth) -> None:
        # given
        acts = [Act(n, "sam", "suspend", n % 2, f"because {n}", NOW_MS) for n in range(1, 6)]

        # when
        for act in (*acts, acts[0]._replace(reason="another")):
            write(truth, truth.journals.audit, act)

        # then
        newest = acts[::-1]
        assert read(truth, truth.journals.acts, None, MAX_ID, 10) == newest
        assert read(truth, truth.journals.acts, None, 5, 2) == newest[1:3]
        assert read(truth, truth.journals.acts, 1, MAX_ID, 10) == newest[::2]
        assert read(truth, truth.journals.acts, 7, MAX_ID, 10) == []


def claim(
    truth: Truth, actor_id: int, key: str, result_id: int, now_ms: int = NOW_MS
) -> tuple[bytes, int] | None:
    """Ask for a key in a transaction of its own."""
    return truth.write(lambda tx: claim_in(truth, tx, actor_id, key, result_id, now_ms))


def claim_in(
    truth: Truth, tx: Tx, actor_id: int, key: str, result_id: int, now_ms: int = NOW_MS
) -> tuple[bytes, int] | None:
    """Ask for a key, with the digits of the result as its digest."""
    digest = str(result_id).encode()
    return truth.journals.claim_key(
        tx, actor_id, key, digest=digest, result_id=result_id, now_ms=now_ms, ttl_ms=TTL_MS
    )
