"""What every store of dead letters keeps."""

from feedkit.storage.base import Truth
from feedkit.storage.letters import Letter
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, read, write


class LetterStoreContract(TruthSuite):
    """The laws of `LetterStore`."""

    def test_letters_come_in_order_and_by_consumer(self, truth: Truth) -> None:
        # given
        letters = [letter(number) for number in (5, 2, 9)]
        for one in (*letters, letter(3, consumer="another")):
            write(truth, truth.letters.add, one)

        # then
        in_order = sorted(letters, key=lambda one: one.number)
        assert read(truth, truth.letters.after, "search", 0, 10) == in_order
        assert read(truth, truth.letters.after, "search", 2, 1) == in_order[1:2]
        assert read(truth, truth.letters.count, "search", 10) == 3
        assert read(truth, truth.letters.count, "search", 2) == 2, "counted no further"
        assert read(truth, truth.letters.count, "nobody", 2) == 0

    def test_the_last_word_on_an_event_stands(self, truth: Truth) -> None:
        write(truth, truth.letters.add, letter(5))
        last = letter(5)._replace(tries=9, reason="still not", at=NOW_MS + 1, event=b"\x01other")
        write(truth, truth.letters.add, last)
        assert read(truth, truth.letters.after, "search", 0, 10) == [last]

    def test_letters_are_removed_by_number(self, truth: Truth) -> None:
        for number in (1, 2, 3):
            write(truth, truth.letters.add, letter(number))
        write(truth, truth.letters.add, letter(1, consumer="another"))
        assert write(truth, truth.letters.remove, "search", [1, 3, 7]) == 2
        assert read(truth, truth.letters.after, "search", 0, 10) == [letter(2)]
        assert read(truth, truth.letters.count, "another", 10) == 1
        assert write(truth, truth.letters.remove, "search", []) == 0

    def test_letters_are_read_by_number(self, truth: Truth) -> None:
        for number in (3, 1, 2):
            write(truth, truth.letters.add, letter(number))
        write(truth, truth.letters.add, letter(7, consumer="another"))
        assert read(truth, truth.letters.get_many, "search", [3, 7, 1, 3]) == [letter(1), letter(3)]
        assert read(truth, truth.letters.get_many, "search", []) == []

    def test_it_is_known_who_has_letters(self, truth: Truth) -> None:
        assert read(truth, truth.letters.consumers) == []
        for one in (letter(1), letter(2), letter(3, consumer="another")):
            write(truth, truth.letters.add, one)
        assert sorted(read(truth, truth.letters.consumers)) == ["another", "search"]
        write(truth, truth.letters.remove, "search", [1, 2])
        assert read(truth, truth.letters.consumers) == ["another"]


def letter(number: int, consumer: str = "search") -> Letter:
    """A letter of that number."""
    return Letter(consumer, number, b"\x01\x00event", 5, "ValueError: no", NOW_MS)
