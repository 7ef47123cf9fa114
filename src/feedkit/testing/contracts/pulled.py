"""What every list of pulled authors keeps."""

from __future__ import annotations

from feedkit.ids import MAX_ID
from feedkit.model import Count
from feedkit.storage.base import AuthorLoad, Truth, Tx
from feedkit.testing.contracts._truth import TruthSuite, read, write


class PulledStoreContract(TruthSuite):
    """The laws of `PulledStore`."""

    def test_an_author_is_listed_resumes_and_leaves(self, truth: Truth) -> None:
        pulled = truth.pulled
        write(truth, truth.counts.add, {(7, Count.FOLLOWERS): 12, (7, Count.POSTS): 99})

        def load() -> AuthorLoad | None:
            return read(truth, pulled.load_listed, 7)

        def loads() -> dict[int, AuthorLoad]:
            return read(truth, pulled.load_many, [7, 8])

        # not listed
        assert load() is None
        assert loads() == {7: AuthorLoad(12), 8: AuthorLoad(0)}
        assert read(truth, pulled.load_many, []) == {}
        write(truth, pulled.resume, 7, 100)
        assert listed(truth) == []

        # listed
        assert write(truth, pulled.start, 7, 100) is True
        assert write(truth, pulled.start, 7, 200) is False
        assert load() == AuthorLoad(12, listed=True)
        assert loads() == {7: AuthorLoad(12, listed=True), 8: AuthorLoad(0)}
        assert write(truth, pulled.end, 10**15, 10) == [], "who has not resumed stays"

        # resumed
        write(truth, pulled.resume, 7, 300)
        assert load() == loads()[7] == AuthorLoad(12, listed=True, resumed=True)
        assert write(truth, pulled.end, 300, 10) == []
        assert listed(truth) == [7]

        # listed anew, just in time
        assert write(truth, pulled.start, 7, 400) is False
        assert load() == AuthorLoad(12, listed=True)
        assert write(truth, pulled.end, 10**15, 10) == []

        # gone
        write(truth, pulled.resume, 7, 500)
        assert write(truth, pulled.end, 501, 10) == [7]
        assert load() is None
        assert listed(truth) == []
        assert write(truth, pulled.start, 7, 600) is True

    def test_the_pulled_list_is_sorted_and_left_in_bounded_steps(self, truth: Truth) -> None:
        for author in (MAX_ID, 3, 1, 2):
            write(truth, truth.pulled.start, author, 1)
            write(truth, truth.pulled.resume, author, 2)
        assert listed(truth) == [1, 2, 3, MAX_ID]
        gone = [write(truth, truth.pulled.end, 3, 3) for _ in range(3)]
        assert [len(step) for step in gone] == [3, 1, 0]
        assert sorted(author for step in gone for author in step) == [1, 2, 3, MAX_ID]

    def test_an_author_who_is_being_posted_by_stays_listed(self, shared: Truth) -> None:
        pulled = shared.pulled
        write(shared, pulled.start, 7, 1)
        write(shared, pulled.resume, 7, 2)

        def publish(tx: Tx) -> None:
            assert pulled.load_listed(tx, 7) == AuthorLoad(0, listed=True, resumed=True)
            assert write(shared, pulled.end, 3, 10) == []
            write(shared, pulled.resume, 7, 2)  # this need not wait

        shared.write(publish)
        assert listed(shared) == [7]
        assert write(shared, pulled.end, 3, 10) == [7]


def listed(truth: Truth) -> list[int]:
    """The pulled list as numbers."""
    return [int(author) for author in truth.read(truth.pulled.all)]
