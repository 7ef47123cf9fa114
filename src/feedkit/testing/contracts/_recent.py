"""The newest entries of many authors, said in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import count

import attrs
from hypothesis import strategies as st

from feedkit.idset import idset
from feedkit.model import Audience, Post, PostStatus
from feedkit.storage.base import Truth, Tx
from feedkit.storage.entries import Entries
from feedkit.testing.contracts._truth import NOW_MS

ROOM = 10_000  # positions and users of one example; what the others have left stays where it is
EXAMPLES = count(1)
Row = tuple[int, int]
some_authors = st.sets(st.integers(1, 9), min_size=1)


@attrs.frozen
class Stored:
    """A post to be. Positions and authors are small numbers, moved to a room of the example's own."""

    position: int
    author: int
    audience: Audience = Audience.PUBLIC
    status: PostStatus = PostStatus.PUBLISHED
    deleted: bool = False
    reply: bool = False
    moved: bool = False
    """Whether it was published at another position than that of its id."""


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
        reply, moved = draw(st.booleans()), draw(st.booleans())
        post = Stored(position, draw(st.sampled_from(authors)), reply=reply, moved=moved)
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
                post.position + ROOM // 2 * post.moved,
                post.position,
                post.author,
                NOW_MS,
                audience=post.audience,
                status=post.status,
                reply_to=1 if post.reply else None,
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
