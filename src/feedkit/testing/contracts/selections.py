"""What every store keeps of posts by what they have in common."""

from collections.abc import Callable

import pytest

from feedkit.ids import MAX_ID
from feedkit.model import Audience, EventKind, Media, PostStatus
from feedkit.storage.base import Truth, Tx
from feedkit.storage.selections import Part, Span
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, post, read, store
from feedkit.testing.contracts.events import append, event, number

ALL = Span(MAX_ID, 0, 100)
ADA, BOB = 9, 8
PICTURE = Media("a.jpg", content_hash="c0ffee")


class SelectionStoreContract(TruthSuite):
    """The laws of `SelectionStore` and `TagStore`."""

    def test_only_posts_that_stand_are_selected(self, truth: Truth) -> None:
        # given
        gone = [post(n, ADA, reply_to=1, media=(PICTURE,)) for n in range(2, 6)]
        store(
            truth, post(1, ADA), *gone, post(6, ADA, reply_to=1, media=(PICTURE,), status=PostStatus.REMOVED)
        )
        tag(truth, "cats", 1, 2, 3, 4, 5, 6)

        # when
        truth.write(lambda tx: [truth.posts.delete(tx, n, ADA, NOW_MS) for n in (3, 4)])

        # then
        assert tagged(truth, "cats") == [5, 2, 1]
        assert part(truth, Part.REPLIES) == part(truth, Part.MEDIA) == [5, 2]
        assert read(truth, truth.selections.showing, "url", "a.jpg", ALL) == [5, 2]
        assert read(truth, truth.selections.replies, 1, ALL) == [2, 5]

    def test_a_tag_has_public_posts_and_may_be_taken_off(self, truth: Truth) -> None:
        store(truth, post(1), post(2, audience=Audience.FOLLOWERS), post(3), post(4))
        tag(truth, "cats", 1, 2, 3)
        tag(truth, "cats", 1)
        tag(truth, "dogs", 3)
        assert tagged(truth, "cats") == [3, 1]
        truth.write(lambda tx: truth.tags.change(tx, post(3), {"cats", "birds"}, {"fish"}))
        assert tagged(truth, "cats") == [1]
        assert tagged(truth, "dogs") == tagged(truth, "fish") == [3]
        assert tagged(truth, "CATS") == []

    def test_the_parts_of_a_profile(self, truth: Truth) -> None:
        store(
            truth,
            post(1, ADA),
            post(2, ADA, reply_to=1),
            post(3, ADA, media=(PICTURE,)),
            post(4, ADA, repost_of=1),
            post(5, ADA, quote_of=1),
            post(6, BOB, media=(PICTURE,)),
            post(7, ADA, reply_to=6, media=(PICTURE,)),
        )
        assert part(truth, Part.POSTS) == [5, 4, 3, 1]
        assert part(truth, Part.REPLIES) == [7, 2]
        assert part(truth, Part.MEDIA) == [7, 3]

    def test_a_medium_is_found_by_its_url_and_by_its_hash(self, truth: Truth) -> None:
        other = Media("b.jpg", content_hash="c0ffee")
        store(
            truth,
            post(1, media=(PICTURE,)),
            post(2, media=(other, PICTURE)),
            post(3, media=(other,)),
            post(4),
        )
        assert read(truth, truth.selections.showing, "url", "a.jpg", ALL) == [2, 1]
        assert read(truth, truth.selections.showing, "content_hash", "c0ffee", ALL) == [3, 2, 1]
        assert read(truth, truth.selections.showing, "content_hash", "a.jpg", ALL) == []

    def test_a_repost_is_found_as_long_as_it_stands(self, truth: Truth) -> None:
        store(truth, post(1, ADA), post(2, BOB, repost_of=1), post(3, ADA, quote_of=1))
        assert read(truth, truth.selections.repost_by, BOB, 1) == 2
        assert read(truth, truth.selections.repost_by, ADA, 1) is None
        truth.write(lambda tx: truth.posts.delete(tx, 2, BOB, NOW_MS))
        assert read(truth, truth.selections.repost_by, BOB, 1) is None

    def test_what_a_post_answers_the_nearest_first(self, truth: Truth) -> None:
        store(truth, post(1), *(post(n, reply_to=n - 1) for n in range(2, 8)))
        assert read(truth, truth.selections.ancestors, 6, 10) == [5, 4, 3, 2, 1]
        assert read(truth, truth.selections.ancestors, 6, 2) == [5, 4]
        assert read(truth, truth.selections.ancestors, 1, 10) == []

    @pytest.mark.parametrize("which", ["tagged", "part", "showing", "replies"])
    def test_a_span_bounds_every_selection(self, truth: Truth, which: str) -> None:
        # given
        store(truth, post(1, BOB), *(post(n, ADA, reply_to=1, media=(PICTURE,)) for n in range(10, 20)))
        tag(truth, "cats", *range(10, 20))
        for n in (12, 15, 18):
            append(truth, event(ADA, EventKind.POST_PUBLISHED, object_id=n, position=n))
        number(truth)
        selections = truth.selections
        selected: dict[str, Callable[[Tx, Span], list[int]]] = {
            "tagged": lambda tx, span: selections.tagged(tx, "cats", span),
            "part": lambda tx, span: selections.part(tx, ADA, Part.REPLIES, span),
            "showing": lambda tx, span: selections.showing(tx, "url", "a.jpg", span),
            "replies": lambda tx, span: selections.replies(tx, 1, span)[::-1],
        }

        def found(before: int, floor: int, limit: int, late: tuple[int, int] | None = None) -> list[int]:
            return truth.read(lambda tx: selected[which](tx, Span(before, floor, limit, late)))

        # then
        assert found(18, 14, 100) == [17, 16, 15, 14]
        assert found(14, 14, 100) == []
        three = [12, 11, 10] if which == "replies" else [19, 18, 17]
        assert found(MAX_ID, 0, 3) == three
        assert found(MAX_ID, 0, 100, (0, 2)) == [15, 12]
        assert found(MAX_ID, 13, 100, (1, 3)) == [18, 15]
        assert found(MAX_ID, 0, 100, (3, 3)) == []


def tag(truth: Truth, name: str, *numbers: int) -> None:
    """Put posts under a tag."""

    def work(tx: Tx) -> None:
        for n in numbers:
            truth.tags.change(tx, post(n), set(), {name})

    truth.write(work)


def tagged(truth: Truth, name: str) -> list[int]:
    """Everything under a tag."""
    return read(truth, truth.selections.tagged, name, ALL)


def part(truth: Truth, which: Part) -> list[int]:
    """The whole of a part of what Ada published."""
    return read(truth, truth.selections.part, ADA, which, ALL)
