"""What every store of large deliveries keeps."""

import time
from itertools import pairwise

from feedkit.ids import MAX_ID
from feedkit.model import Assoc
from feedkit.storage.base import Truth, Tx
from feedkit.storage.chunks import Chunk, Large, LargeKind
from feedkit.storage.entries import of_rows, pack
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, read, room, write

_LONG_MS = 600_000


class ChunkStoreContract(TruthSuite):
    """The laws of `ChunkStore`."""

    def test_chunks_cover_all_followers_once(self, truth: Truth) -> None:
        # given
        large, followers = begun(truth, followers=7)

        # when
        chunks = claimed_all(truth, size=3)

        # then
        assert [chunk.nth for chunk in chunks] == [0, 1, 2]
        assert [chunk.large.number for chunk in chunks] == [large.number] * 3
        assert (chunks[0].after_id, chunks[-1].up_to_id) == (0, MAX_ID)
        for before, after in pairwise(chunks):
            assert before.up_to_id == after.after_id
        covered = [sum(chunk.after_id < one <= chunk.up_to_id for one in followers) for chunk in chunks]
        assert covered == [3, 3, 1]

    def test_an_audience_that_ends_with_a_chunk_has_an_empty_one_behind_it(self, truth: Truth) -> None:
        begun(truth, followers=3)
        first, last = claimed_all(truth, size=3)
        assert (last.after_id, last.up_to_id) == (first.up_to_id, MAX_ID)

    def test_a_delivery_is_noted_once(self, truth: Truth) -> None:
        large, _ = begun(truth, followers=1)
        write(truth, truth.chunks.begin, large._replace(entries=b"another"))
        assert read(truth, truth.chunks.under_way) == [large]

    def test_the_oldest_comes_first(self, truth: Truth) -> None:
        newer, _ = begun(truth, followers=1, number=9)
        older, _ = begun(truth, followers=1, number=4)
        assert read(truth, truth.chunks.under_way) == [older, newer]
        assert [chunk.large.number for chunk in claimed_all(truth)] == [4, 9]

    def test_a_chunk_is_the_one_of_whoever_claimed_it_last(self, truth: Truth) -> None:
        # given
        begun(truth, followers=1)
        late = claim(truth, "late", lease_ms=1)
        assert late is not None
        time.sleep(0.02)

        # when
        twin = claim(truth, "twin")

        # then
        assert twin is not None
        assert (twin.nth, twin.after_id, twin.up_to_id, twin.tries) == (late.nth, 0, MAX_ID, 2)
        assert claim(truth, "third") is None
        assert not write(truth, truth.chunks.renew, late, _LONG_MS)
        assert not write(truth, truth.chunks.done, late)
        write(truth, truth.chunks.release, late)
        assert claim(truth, "third") is None
        assert write(truth, truth.chunks.renew, twin, _LONG_MS)
        assert write(truth, truth.chunks.done, twin)
        assert not write(truth, truth.chunks.done, twin)

    def test_a_chunk_that_is_renewed_or_given_back(self, truth: Truth) -> None:
        begun(truth, followers=1)
        chunk = claim(truth, "one", lease_ms=1)
        assert chunk is not None
        assert write(truth, truth.chunks.renew, chunk, _LONG_MS)
        time.sleep(0.02)
        assert claim(truth, "two") is None
        write(truth, truth.chunks.release, chunk)
        again = claim(truth, "two")
        assert again is not None
        assert again.nth == chunk.nth

    def test_what_is_finished_redone_and_forgotten(self, truth: Truth) -> None:
        large, _ = begun(truth, followers=4)
        chunks = claimed_all(truth, size=3)
        assert [owner for _, owner in read(truth, truth.chunks.waiting)] == [chunks[0].owner]
        for chunk in chunks:
            assert read(truth, truth.chunks.finished) == []
            write(truth, truth.chunks.done, chunk)
        assert read(truth, truth.chunks.finished) == [large._replace(chunks=2)]
        assert claim(truth, "nobody") is None
        write(truth, truth.chunks.redo, large.number)
        assert read(truth, truth.chunks.finished) == []
        assert len(claimed_all(truth)) == 2
        write(truth, truth.chunks.remove, large.number)
        assert read(truth, truth.chunks.under_way) == []
        assert claim(truth, "nobody") is None

    def test_nobody_waits_for_a_chunk_that_somebody_is_claiming(self, shared: Truth) -> None:
        begun(shared, followers=1)
        begun(shared, followers=1, number=9)
        for chunk in claimed_all(shared):
            write(shared, shared.chunks.release, chunk)

        def hold(tx: Tx) -> tuple[Chunk | None, Chunk | None]:
            first = shared.chunks.claim(tx, "one", lease_ms=_LONG_MS, followers=3)
            return first, claim(shared, "two")

        first, second = shared.write(hold)
        assert first is not None
        assert second is not None
        assert first.large != second.large


def begun(truth: Truth, *, followers: int, number: int = 5) -> tuple[Large, list[int]]:
    """A large delivery, and who is to get it."""
    author_id = room()
    ids = [author_id + 10 * nth for nth in range(1, followers + 1)]
    for follower in ids:
        write(truth, truth.graph.add, follower, Assoc.FOLLOWS, author_id, NOW_MS)
    large = Large(number, author_id, LargeKind.PUSH, pack(of_rows([(number, author_id)])), NOW_MS)
    write(truth, truth.chunks.begin, large)
    return large, ids


def claim(truth: Truth, owner: str, *, lease_ms: int = _LONG_MS, size: int = 100) -> Chunk | None:
    """The next chunk, for a while."""
    return write(truth, truth.chunks.claim, owner, lease_ms=lease_ms, followers=size)


def claimed_all(truth: Truth, *, size: int = 100) -> list[Chunk]:
    """Every chunk there is, each by somebody else."""
    chunks: list[Chunk] = []
    while chunk := claim(truth, f"owner {len(chunks)}", size=size):
        chunks.append(chunk)
    return chunks
