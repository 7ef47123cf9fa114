"""What every store of posts keeps."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feedkit.errors import Conflict
from feedkit.ids import MAX_ID
from feedkit.idset import EMPTY, idset
from feedkit.model import Audience, Post, PostStatus
from feedkit.storage.base import Truth, Tx
from feedkit.storage.entries import Entries
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, read, write

ROOM = 10_000  # positions and users of one example; what the others have left stays where it is
EXAMPLES = count(1)
Row = tuple[int, int]
some_authors = st.sets(st.integers(1, 9), min_size=1)
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


@attrs.frozen
class Stored:
    """A post to be. Positions and authors are small numbers, moved to a room of the example's own."""

    position: int
    author: int
    audience: Audience = Audience.PUBLIC
    status: PostStatus = PostStatus.PUBLISHED
    deleted: bool = False


@st.composite
def stored_posts(draw: st.DrawFn) -> list[Stored]:
    """Posts of a few authors, some of whom have many more than others, in any order."""
    authors = draw(st.lists(st.integers(1, 8), min_size=1, max_size=5))
    positions = draw(st.lists(st.integers(1, 60), unique=True, max_size=50))
    odd = st.sampled_from(
        ["stands", "stands", "stands", "stands", "deleted", "only_me", "followers", "draft", "removed"]
    )
    posts = []
    for position in positions:
        post = Stored(position, draw(st.sampled_from(authors)))
        match draw(odd):
            case "deleted":
                post = attrs.evolve(post, deleted=True)
            case "only_me" | "followers" as audience:
                post = attrs.evolve(post, audience=Audience(audience))
            case "draft" | "removed" as status:
                post = attrs.evolve(post, status=PostStatus(status))
        posts.append(post)
    return posts


class Room:
    """One example's posts in truth, and the naive answers."""

    def __init__(self, truth: Truth, posts: Sequence[Stored]) -> None:
        self.truth = truth
        self.base = next(EXAMPLES) * ROOM
        self.posts = [
            attrs.evolve(post, position=self.at(post.position), author=self.at(post.author)) for post in posts
        ]
        truth.write(self._store)

    def at(self, number: int) -> int:
        return self.base + number

    def _store(self, tx: Tx) -> None:
        for post in self.posts:
            row = Post(
                post.position, post.position, post.author, NOW_MS, audience=post.audience, status=post.status
            )
            self.truth.posts.insert(tx, row)
            if post.deleted:
                assert self.truth.posts.delete(tx, row.id, row.author_id, 1) == (row.position, row.audience)

    def standing(self) -> list[Stored]:
        newest_first = sorted(self.posts, key=lambda post: post.position, reverse=True)
        return [post for post in newest_first if post.status == "published" and not post.deleted]

    def recent(self, authors: set[int], before: int, floor: int, limit: int, viewer: int) -> None:
        """Ask truth, and compare."""
        found = self.truth.read(
            lambda tx: self.truth.posts.recent(
                tx, idset(authors), before=before, floor=floor, limit=limit, viewer_id=viewer
            )
        )
        wanted = [
            (post.position, post.author)
            for post in self.standing()
            if post.author in authors
            and floor <= post.position < before
            and (post.audience != "only_me" or post.author == viewer)
        ]
        assert rows_of(found) == wanted[:limit]

    def newest_of_each(self, authors: set[int], each: int) -> None:
        """Ask truth, and compare."""
        found = self.truth.read(lambda tx: self.truth.posts.newest_of_each(tx, idset(authors), each))
        by_author: dict[int, list[Row]] = defaultdict(list)
        for post in self.standing():
            if post.author in authors:
                by_author[post.author].append((post.position, post.author))
        wanted = [row for rows in by_author.values() for row in rows[:each]]
        assert rows_of(found) == sorted(wanted, reverse=True)


def rows_of(entries: Entries) -> list[Row]:
    """(position, author) of each entry."""
    return list(zip(entries.positions.tolist(), entries.authors.tolist(), strict=True))
