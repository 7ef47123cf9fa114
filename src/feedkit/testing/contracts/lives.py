"""What every store of posts that change keeps."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event as Signal

import attrs
import pytest

from feedkit.errors import Conflict
from feedkit.ids import MAX_ID, ms_of
from feedkit.model import Audience, Media, MediaStatus, Post, PostStatus, Revision, UserList
from feedkit.storage.base import Truth, Tx
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, post, read, store, write


class LifeStoreContract(TruthSuite):
    """The laws of `LifeStore`."""

    def test_a_change_writes_what_differs_media_included(self, truth: Truth) -> None:
        # given
        before = post(1, text="old", media=(Media("a.jpg"), Media("b.jpg", width=5)))
        other = post(2, text="old")
        store(truth, before, other)
        after = attrs.evolve(
            before,
            text="new",
            audience=Audience.FOLLOWERS,
            edited_ms=NOW_MS + 1,
            revision=1,
            ref="doc:1",
            media=(Media("c.jpg", alt_text="A cat", status=MediaStatus.PROCESSING), Media("a.jpg")),
        )

        # when
        def work(tx: Tx) -> None:
            assert truth.lives.lock(tx, 1) == before
            assert truth.lives.lock(tx, 3) is None
            truth.lives.change(tx, before, after)
            assert truth.lives.lock(tx, 1) == after

        truth.write(work)

        # then
        posts, undecoded = read(truth, truth.posts.get_many, [1, 2])
        assert sorted(posts, key=lambda one: one.id) == [after, other]
        assert undecoded == 0

    def test_a_ref_that_is_taken_is_refused(self, truth: Truth) -> None:
        one, other = post(1, ref="doc:1"), post(2)
        store(truth, one, other)
        with pytest.raises(Conflict):
            write(truth, truth.lives.change, other, attrs.evolve(other, ref="doc:1"))
        assert read(truth, truth.lives.by_refs, ["doc:1", "doc:2"]) == [one]

    def test_who_has_locked_a_post_is_the_only_one_to_change_it(self, shared: Truth) -> None:
        # given
        first = post(1, text="first")
        store(shared, first)
        locked, asked = Signal(), Signal()

        def change(tx: Tx) -> None:
            shared.lives.lock(tx, 1)
            locked.set()
            assert asked.wait(10)
            shared.lives.change(tx, first, attrs.evolve(first, text="second"))

        def look(tx: Tx) -> Post | None:
            asked.set()
            return shared.lives.lock(tx, 1)

        # when
        with ThreadPoolExecutor(2) as pool:
            changing = pool.submit(shared.write, change)
            assert locked.wait(10)
            found = pool.submit(shared.write, look).result(10)
            changing.result(10)

        # then
        assert found is not None
        assert found.text == "second"

    def test_what_a_post_said_comes_back_the_first_first(self, truth: Truth) -> None:
        store(truth, post(1), post(2))
        said = [Revision(n, f"text {n}", (Media("a.jpg", width=n + 1),), "{}", NOW_MS + n) for n in range(3)]
        for one in reversed(said):
            write(truth, truth.lives.add_revision, 1, one)
        assert read(truth, truth.lives.revisions, 1) == said
        assert read(truth, truth.lives.revisions, 2) == []

    def test_drafts_are_those_of_one_author_newest_first(self, truth: Truth) -> None:
        # given
        mine = [draft(n) for n in (1, 2, 3)]
        scheduled = draft(4, scheduled_ms=NOW_MS + 1000)
        store(truth, *mine, scheduled, draft(5, author_id=8), draft(6, deleted_ms=NOW_MS), post(7))

        # then
        everything = [scheduled, *reversed(mine)]
        assert read(truth, truth.lives.drafts, 9, MAX_ID, 10) == everything
        assert read(truth, truth.lives.drafts, 9, MAX_ID, 2) == everything[:2]
        assert read(truth, truth.lives.drafts, 9, 3, 10) == everything[2:]
        for at_most, counted in ((1, 1), (4, 4), (10, 4)):
            assert read(truth, truth.lives.count_drafts, 9, at_most) == counted

    def test_what_is_due_comes_in_the_order_of_its_time(self, truth: Truth) -> None:
        assert truth.read(truth.lives.next_due) is None
        store(truth, draft(1), *(draft(n, scheduled_ms=NOW_MS + 10 - n) for n in (2, 3, 4)))
        assert truth.read(truth.lives.next_due) == NOW_MS + 6

        def due(now_ms: int, limit: int) -> list[int]:
            return [one.id for one in write(truth, truth.lives.claim_due, now_ms, limit) or []]

        assert due(NOW_MS + 5, 10) == []
        assert due(NOW_MS + 7, 10) == [4, 3]
        assert due(NOW_MS + 100, 10) == [4, 3, 2]
        assert due(NOW_MS + 100, 1) == [4]

    def test_one_process_publishes_what_is_due_and_passes_over_what_is_being_changed(
        self, shared: Truth
    ) -> None:
        store(shared, *(draft(n, scheduled_ms=NOW_MS) for n in (1, 2)))

        def publish(tx: Tx) -> None:
            assert shared.lives.claim_due(tx, NOW_MS, 10)
            assert write(shared, shared.lives.claim_due, NOW_MS, 10) is None

        def edit(tx: Tx) -> None:
            shared.lives.lock(tx, 1)
            assert [one.id for one in write(shared, shared.lives.claim_due, NOW_MS, 10) or []] == [2]

        shared.write(publish)
        shared.write(edit)
        assert len(write(shared, shared.lives.claim_due, NOW_MS, 10) or []) == 2, "it comes up again"

    def test_free_positions_ascend_and_nothing_has_them(self, truth: Truth) -> None:
        # given
        instants = sorted([NOW_MS] * 5000 + [NOW_MS + 1] * 10 + [NOW_MS + 50])

        # when
        def take(tx: Tx) -> list[int]:
            assert truth.lives.claim_due(tx, NOW_MS, 1) == []
            found = truth.lives.free_positions(tx, instants)
            for nth, at in enumerate(found[::100]):
                truth.posts.insert(tx, post(at if nth % 2 else at + 50, position=at))
            return found

        first, second = truth.write(take), truth.write(take)

        # then
        assert write(truth, truth.lives.free_positions, []) == []
        for found in (first, second):
            assert found == sorted(set(found))
            assert all(ms_of(at) >= ms for at, ms in zip(found, instants, strict=True))
            assert ms_of(found[-1]) == NOW_MS + 50
        assert not set(first[::100]) & set(second)

    def test_a_list_is_of_one_owner(self, truth: Truth) -> None:
        truth.write(lambda tx: truth.lists.insert(tx, UserList(70, "close", NOW_MS), 1))
        for user_id, list_id, owns in ((1, 70, True), (2, 70, False), (1, 71, False)):
            assert read(truth, truth.lives.owns_list, user_id, list_id) is owns


class MediaStoreContract(TruthSuite):
    """The laws of `MediaStore`."""

    def test_a_picture_is_changed_wherever_it_is_shown_step_by_step(self, truth: Truth) -> None:
        # given
        shown = Media("a.jpg", status=MediaStatus.PROCESSING)
        store(
            truth,
            *(post(n, media=(Media("b.jpg"), shown)) for n in range(1, 6)),
            post(6, media=(Media("b.jpg"),)),
        )
        fields = {"status": MediaStatus.READY.value, "width": 640}

        # when
        steps = [write(truth, truth.media.update, "a.jpg", fields, after, 2) for after in (0, 2, 4, 5)]

        # then
        assert steps == [[1, 2], [3, 4], [5], []]
        posts, _ = read(truth, truth.posts.get_many, [1, 5, 6])
        changed = (Media("b.jpg"), Media("a.jpg", width=640))
        assert {one.id: one.media for one in posts} == {1: changed, 5: changed, 6: (Media("b.jpg"),)}


def draft(post_id: int, author_id: int = 9, **fields: int) -> Post:
    """A post that has no position yet."""
    return post(post_id, author_id, position=0, status=PostStatus.DRAFT, **fields)
