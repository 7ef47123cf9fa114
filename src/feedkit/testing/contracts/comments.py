"""What every store of comments keeps."""

import attrs

from feedkit.ids import MAX_ID
from feedkit.idset import EMPTY, idset
from feedkit.model import Comment, Count
from feedkit.storage.base import Truth, Tx
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, read, write

POST, ADA, BOB = 5, 1, 2


class CommentStoreContract(TruthSuite):
    """The laws of `CommentStore`."""

    def test_a_comment_comes_back_as_it_was(self, truth: Truth) -> None:
        first = Comment(MAX_ID - 1, MAX_ID, ADA, NOW_MS, "ünï '\"", path=(MAX_ID - 1,))
        answer = Comment(7, MAX_ID, BOB, NOW_MS, "", MAX_ID - 1, path=(MAX_ID - 1, 7))
        write(truth, truth.comments.insert, first)
        write(truth, truth.comments.insert, answer)
        found = read(truth, truth.comments.get_many, [7, 8, MAX_ID - 1])
        assert sorted(found, key=lambda one: one.id) == [answer, first]
        assert read(truth, truth.comments.get, 7) == answer
        assert read(truth, truth.comments.get, 8) is None

    def test_a_comment_is_edited_until_it_is_deleted(self, truth: Truth) -> None:
        stored = comment(truth, 10)
        assert write(truth, truth.comments.edit, 10, "new", NOW_MS + 1)
        edited = attrs.evolve(stored, text="new", edited_ms=NOW_MS + 1)
        assert read(truth, truth.comments.get_many, [10]) == [edited]
        assert write(truth, truth.comments.delete, 10, NOW_MS + 2)
        assert not write(truth, truth.comments.delete, 10, NOW_MS + 3)
        assert not write(truth, truth.comments.edit, 10, "newer", NOW_MS + 3)
        assert not write(truth, truth.comments.edit, 11, "nobody's", NOW_MS)
        (deleted,) = read(truth, truth.comments.get_many, [10])
        assert deleted.deleted_ms == NOW_MS + 2

    def test_answers_are_walked_either_way_deleted_ones_too(self, truth: Truth) -> None:
        # given
        for n in range(10, 17):
            comment(truth, n)
        comment(truth, 20, 10)
        write(truth, truth.comments.delete, 12, NOW_MS)

        # then
        def newest(parent: int, before: int, limit: int) -> list[int]:
            return [one.id for one in read(truth, truth.comments.newest, POST, parent, before, limit)]

        def oldest(parent: int, after: int, limit: int) -> list[int]:
            return [one.id for one in read(truth, truth.comments.oldest, POST, parent, after, limit)]

        assert newest(0, MAX_ID, 3) == [16, 15, 14]
        assert newest(0, 14, 10) == [13, 12, 11, 10]
        assert oldest(0, 0, 3) == [10, 11, 12]
        assert oldest(0, 12, 10) == [13, 14, 15, 16]
        assert newest(10, MAX_ID, 10) == oldest(10, 0, 10) == [20]
        nths = [read(truth, truth.comments.nth_newest, POST, 0, nth) for nth in (1, 2, 7, 8)]
        assert nths == [16, 15, 10, 0]

    def test_the_top_ones_are_by_reactions_and_then_the_newest(self, truth: Truth) -> None:
        for n in range(10, 16):
            comment(truth, n)
        write(
            truth, truth.counts.add, {(n, Count.REACTIONS): value for n, value in ((10, 9), (12, 4), (14, 4))}
        )

        def top(lowest: int, before: tuple[int, int], limit: int) -> list[tuple[int, int]]:
            found = truth.read(
                lambda tx: truth.comments.top(tx, POST, 0, lowest=lowest, before=before, limit=limit)
            )
            return [(reactions, one.id) for reactions, one in found]

        everything = [(9, 10), (4, 14), (4, 12), (0, 15), (0, 13), (0, 11)]
        for nth in range(6):
            assert top(0, everything[nth], 10) == everything[nth + 1 :]
        assert top(0, (MAX_ID, MAX_ID), 2) == everything[:2]
        assert top(13, (MAX_ID, MAX_ID), 10) == [(4, 14), (0, 15), (0, 13)]

    def test_what_has_answers_that_are_shown_however_deep(self, truth: Truth) -> None:
        # given
        write(truth, truth.users.add, {ADA: None, BOB: None}, NOW_MS)
        for n in (10, 11, 12):
            comment(truth, n)
        comment(truth, 20, 10)
        comment(truth, 30, 10, 20, author=BOB)
        comment(truth, 21, 11)

        def answered(*hidden: int) -> set[int]:
            some = idset(hidden) if hidden else EMPTY
            return read(truth, truth.comments.answered, [10, 11, 12, 20, 30], some, NOW_MS)

        # then
        assert answered() == {10, 11, 20}
        assert answered(ADA) == {10, 20}
        assert answered(BOB) == {10, 11}
        write(truth, truth.comments.delete, 21, NOW_MS)
        assert answered() == {10, 20}
        write(truth, truth.users.patch, BOB, {"status": "suspended", "suspended_until": NOW_MS + 1})
        assert answered(ADA) == set()
        write(truth, truth.users.patch, BOB, {"suspended_until": NOW_MS})
        assert answered(ADA) == {10, 20}, "the suspension is over"


def comment(truth: Truth, comment_id: int, *above: int, author: int = ADA) -> Comment:
    """Store a comment under those above it."""
    parent_id = above[-1] if above else None
    made = Comment(comment_id, POST, author, NOW_MS, "text", parent_id, (*above, comment_id))

    def work(tx: Tx) -> None:
        truth.comments.insert(tx, made)

    truth.write(work)
    return made
