"""What every store of posts keeps."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feedkit.errors import Conflict
from feedkit.ids import MAX_ID
from feedkit.idset import EMPTY, idset
from feedkit.model import Audience, Entity, Media, Post
from feedkit.storage.base import Truth, Tx
from feedkit.testing.contracts._recent import Room, Stored, rows_of, some_authors, stored_posts
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, post, read, store, write

quick = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])


class PostStoreContract(TruthSuite):
    """The laws of `PostStore`."""

    def test_a_ref_names_one_post_and_a_conflict_leaves_nothing(self, truth: Truth) -> None:
        first, second = (Post(n, n, 9, NOW_MS, ref="doc:1") for n in (1, 2))
        write(truth, truth.posts.insert, first)
        with pytest.raises(Conflict) as refused:
            write(truth, truth.posts.insert, second)
        assert refused.value.argument == "ref"
        assert read(truth, truth.posts.get_many, [1, 2]) == ([first], 0)

    def test_a_ref_that_two_transactions_take_at_once_goes_to_one(self, shared: Truth) -> None:
        """Neither sees the other's when it looks; the index decides."""
        both_looked = threading.Barrier(2)

        def publish(post_id: int) -> bool:
            def work(tx: Tx) -> bool:
                assert shared.posts.get_many(tx, [1, 2]) == ([], 0)
                both_looked.wait(10)
                shared.posts.insert(tx, Post(post_id, post_id, 9, NOW_MS, ref="doc:1"))
                return True

            try:
                return shared.write(work)
            except Conflict:
                return False

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(publish, (1, 2))) == [False, True]

    def test_recent_is_the_newest_of_all(self, truth: Truth) -> None:
        @quick
        @given(stored_posts(), st.data())
        def check(posts: list[Stored], data: st.DataObject) -> None:
            room = Room(truth, posts)
            for _ in range(4):
                before = data.draw(st.integers(0, 61).map(room.at) | st.just(MAX_ID), "before")
                floor = data.draw(st.integers(0, 61).map(room.at) | st.just(0), "floor")
                viewer = data.draw(st.integers(1, 9).map(room.at) | st.just(0), "viewer")
                authors = {room.at(author) for author in data.draw(some_authors, "authors")}
                room.recent(authors, before, floor, data.draw(st.integers(1, 40), "limit"), viewer)

        check()

    def test_newest_of_each_is_that_of_every_single_one(self, truth: Truth) -> None:
        @quick
        @given(stored_posts(), some_authors, st.integers(1, 20))
        def check(posts: list[Stored], authors: set[int], each: int) -> None:
            room = Room(truth, posts)
            room.newest_of_each({room.at(author) for author in authors}, each)

        check()

    def test_an_author_who_wrote_nearly_everything_is_asked_again(self, truth: Truth) -> None:
        """Forty authors, of whom the threshold algorithm asks for a handful each at first."""
        # given
        chatty = [Stored(position, 1) for position in range(100, 400)]
        second = [Stored(position, 2) for position in range(60, 100)]
        quiet = [Stored(position, 3 + position % 38) for position in range(1, 60)]
        room = Room(truth, chatty + second + quiet)
        everybody = {room.at(author) for author in range(1, 41)}

        # then
        for limit in (1, 5, 20, 60, 299, 300, 301, 330, 350, 500):
            room.recent(everybody, MAX_ID, 0, limit, 0)
            room.recent(everybody, room.at(120), 0, limit, 0)
            room.recent(everybody, room.at(350), room.at(90), limit, 0)
        for each in (1, 3, 40, 299, 301):
            room.newest_of_each(everybody, each)

    def test_a_few_visible_ones_below_many_that_are_not(self, truth: Truth) -> None:
        hidden = [
            Stored(100 + n, 1 + n % 2, Audience.ONLY_ME if n % 3 else Audience.PUBLIC, deleted=n % 3 == 0)
            for n in range(200)
        ]
        room = Room(truth, [*hidden, *(Stored(position, 1 + position % 3) for position in range(1, 30))])
        everybody = {room.at(author) for author in (1, 2, 3)}
        for viewer in (0, room.at(1)):
            room.recent(everybody, MAX_ID, 0, 25, viewer)

    def test_nobody_has_nothing(self, truth: Truth) -> None:
        posts = truth.posts
        nothing = truth.read(lambda tx: posts.recent(tx, EMPTY, before=MAX_ID, floor=0, limit=5, viewer_id=0))
        assert rows_of(nothing) == []
        assert rows_of(truth.read(lambda tx: posts.newest_of_each(tx, EMPTY, 5))) == []

    def test_large_numbers_survive(self, truth: Truth) -> None:
        # given
        author, position = MAX_ID - 7, MAX_ID - 1
        row = Post(position, position, author, NOW_MS)
        truth.write(lambda tx: truth.posts.insert(tx, row))

        # when
        found = truth.read(
            lambda tx: truth.posts.recent(tx, idset([author]), before=MAX_ID, floor=0, limit=5, viewer_id=0)
        )

        # then
        assert rows_of(found) == [(position, author)]
        assert truth.read(lambda tx: truth.posts.at_positions(tx, [position])) == ([row], [])

    def test_a_post_comes_back_as_it_was_by_id_and_by_position(self, truth: Truth) -> None:
        # given
        media = (Media("a.jpg", "image/jpeg", 4, 3, "A cat", "c0ffee", 2**40), Media("b.mp4"))
        whole = post(
            7,
            position=MAX_ID - 1,
            kind="poll",
            schema_version=3,
            text="ünï '\"",
            extra_json='{"a":[1]}',
            audience=Audience.FOLLOWERS,
            ref="doc:7",
            reply_to=1,
            media=media,
            published_ms=NOW_MS + 1,
            edited_ms=NOW_MS + 2,
            expires_ms=NOW_MS + 3,
            revision=2,
            quote_of=3,
            fallback="a poll",
            entities=(Entity("tag", 0, 3, "cat"), Entity("mention", 4, 8, "ada", MAX_ID)),
        )

        # when
        store(truth, whole, post(8))

        # then
        assert read(truth, truth.posts.get, 7) == whole
        assert read(truth, truth.posts.get, 9) is None
        assert read(truth, truth.posts.get_many, [7, 9]) == ([whole], 0)
        assert read(truth, truth.posts.at_positions, [MAX_ID - 1, 7]) == ([whole], [])

    def test_a_post_is_deleted_once_by_its_author(self, truth: Truth) -> None:
        store(truth, post(1, 9, position=5, audience=Audience.FOLLOWERS))
        assert write(truth, truth.posts.delete, 1, 8, NOW_MS) is None
        assert write(truth, truth.posts.delete, 2, 9, NOW_MS) is None
        assert write(truth, truth.posts.delete, 1, 9, NOW_MS + 1) == (5, Audience.FOLLOWERS)
        assert write(truth, truth.posts.delete, 1, 9, NOW_MS + 2) is None
        (deleted,), _ = read(truth, truth.posts.get_many, [1])
        assert deleted.deleted_ms == NOW_MS + 1, "deletion is soft"

    def test_the_newest_reposts_by_some_as_far_as_they_stand(self, truth: Truth) -> None:
        store(truth, post(1), *(post(n, n, repost_of=1) for n in range(10, 16)), post(16, 10, repost_of=2))
        write(truth, truth.posts.delete, 14, 14, NOW_MS)

        def reposts(before: int, limit: int) -> list[int]:
            some = idset([10, 11, 13, 14, 15])
            return truth.read(lambda tx: truth.posts.reposts(tx, 1, some, before=before, limit=limit))

        assert sorted(reposts(MAX_ID, 10)) == [10, 11, 13, 15]
        assert sorted(reposts(15, 2)) == [11, 13]
        assert reposts(10, 5) == []
