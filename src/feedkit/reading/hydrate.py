"""Turns entries into what a viewer may see: posts with all that belongs to them, filtered by `visibility`."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeGuard
from weakref import ref

from feedkit.clock import Clock
from feedkit.idset import Ids
from feedkit.model import Item, Key, Post, Quoted, User
from feedkit.relations import Relations
from feedkit.settings import Settings
from feedkit.storage.doings import Shown
from feedkit.storage.readthrough import ReadThrough
from feedkit.visibility import Surface, visible


class Hydrator(Generic[Key]):
    """Loads posts, what they share, authors, counters and the viewer's own doings in batches."""

    def __init__(self, readthrough: ReadThrough[Key], clock: Clock, settings: Settings) -> None:
        self._readthrough, self._clock = readthrough, clock
        # No more than there are posts: each keeps its post, and what that was before it was edited or deleted.
        self._lines: deque[Item[Key]] = deque(maxlen=settings.posts_cached)

    def at_positions(
        self,
        positions: Sequence[int],
        relations: Relations,
        surface: Surface,
        authors_at: Callable[[Sequence[int]], Ids] | None = None,
    ) -> tuple[list[Item[Key] | None], set[int]]:
        """For each position, in order, its item or None; and the positions whose post cannot be decoded.

        `authors_at` tells whose posts stand at some positions, as far as that is known before.
        """
        found = self._readthrough.posts_at(positions, authors_at)
        posts = [found.get(position) for position in positions]
        if _are_whole(posts):
            return self.items(posts, relations, surface), set()
        items = iter(self.items([post for post in posts if post is not None], relations, surface))
        unreadable = {position for position, post in found.items() if post is None}
        return [None if post is None else next(items) for post in posts], unreadable

    def items(self, posts: Sequence[Post], relations: Relations, surface: Surface) -> list[Item[Key] | None]:
        """For each post its item, None for what this viewer may not see on this surface."""
        shared_ids = [one for post in posts if (one := post.repost_of or post.quote_of)]
        if not shared_ids:
            return self._plain(posts, relations, surface)
        shared = self._shared(shared_ids)
        seen = self._seen([*posts, *shared.values()], relations, surface)
        lines = [self._line(post, shared, seen) for post in posts]
        content = [line[0] for line in lines if line is not None]
        doings = iter(self._readthrough.doings.of(relations, [post.id for post in content]))
        return [
            line and _item(seen[line[0].id], next(doings), post.position, *line)
            for post, line in zip(posts, lines, strict=True)
        ]

    def _plain(self, posts: Sequence[Post], relations: Relations, surface: Surface) -> list[Item[Key] | None]:
        """The items of posts that share nothing, which are most: the same as below, in fewer steps."""
        authors = self._authors(posts, relations, surface)
        shown = [post.id for post, author in zip(posts, authors, strict=True) if author is not None]
        doings = iter(self._readthrough.doings.of(relations, shown))
        return [
            None if author is None else self._plain_line(post, author, next(doings))
            for post, author in zip(posts, authors, strict=True)
        ]

    def _plain_line(self, post: Post, author: User[Key], shown: Shown) -> Item[Key]:
        """That of the last time, where all that it is made of is the very same: lines do not change."""
        line = shown.line()
        if line is None or line.post is not post or line.author is not author:
            line = Item(post, author, shown.counts, shown.own, post.position)
            shown.line = ref(line)
            self._lines.append(line)
        return line

    def _shared(self, post_ids: Sequence[int]) -> dict[int, Post]:
        """Posts that others share, and those that they quote themselves."""
        shared = self._readthrough.posts(post_ids)
        quoted = [post.quote_of for post in shared.values() if post.quote_of is not None]
        return {**self._readthrough.posts(quoted), **shared} if quoted else shared

    def _seen(self, posts: Sequence[Post], relations: Relations, surface: Surface) -> dict[int, User[Key]]:
        """The authors of those of the posts that may be seen, by the post's id."""
        authors = self._authors(posts, relations, surface)
        return {post.id: author for post, author in zip(posts, authors, strict=True) if author is not None}

    def _authors(
        self, posts: Sequence[Post], relations: Relations, surface: Surface
    ) -> list[User[Key] | None]:
        """The author of each of the posts; None for a post that may not be seen."""
        authors = self._readthrough.authors(posts)
        shown = visible(posts, authors, relations, surface, self._clock.now_ms())
        return [author if may_see else None for author, may_see in zip(authors, shown, strict=True)]

    def _line(
        self, post: Post, shared: dict[int, Post], seen: dict[int, User[Key]]
    ) -> tuple[Post, tuple[User[Key], ...], Quoted[Key] | None] | None:
        """What a post shows: its content, who reposted that, and what it quotes; None for nothing."""
        author = seen.get(post.id)
        if author is None:
            return None
        if post.repost_of is not None:
            original = shared.get(post.repost_of)
            if original is None or original.id not in seen:
                return None
            return original, (author,), self._quoted(original, shared, seen)
        return post, (), self._quoted(post, shared, seen)

    def _quoted(self, post: Post, shared: dict[int, Post], seen: dict[int, User[Key]]) -> Quoted[Key] | None:
        quoted = None if post.quote_of is None else shared.get(post.quote_of)
        author = None if quoted is None else seen.get(quoted.id)
        return None if quoted is None or author is None else Quoted(quoted, author)


def _item(
    author: User[Key],
    shown: Shown,
    position: int,
    post: Post,
    reposted_by: tuple[User[Key], ...],
    quoted: Quoted[Key] | None,
) -> Item[Key]:
    return Item(post, author, shown.counts, shown.own, position, reposted_by, quoted)


def _are_whole(posts: list[Post | None]) -> TypeGuard[list[Post]]:
    return all(posts)  # `None in posts` would ask each post whether it equals None
