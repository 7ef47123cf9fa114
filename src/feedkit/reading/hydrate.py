"""Turns entries into what a viewer may see: posts with their authors, filtered by `visibility`."""

from collections.abc import Sequence
from typing import Generic, TypeGuard

from feedkit.model import Item, Key, Post
from feedkit.storage.readthrough import ReadThrough
from feedkit.visibility import Relations, Surface, visible


class Hydrator(Generic[Key]):
    """Loads posts and authors in batches and asks `visibility` about each."""

    def __init__(self, readthrough: ReadThrough[Key]) -> None:
        self._readthrough = readthrough

    def at_positions(
        self, positions: Sequence[int], relations: Relations, surface: Surface
    ) -> tuple[list[Item[Key] | None], set[int]]:
        """For each position, in order, its item or None; and the positions whose post cannot be decoded."""
        found = self._readthrough.posts_at(positions)
        posts = [found.get(position) for position in positions]
        if _are_whole(posts):
            return self.items(posts, relations, surface), set()
        items = iter(self.items([post for post in posts if post is not None], relations, surface))
        unreadable = {position for position, post in found.items() if post is None}
        return [None if post is None else next(items) for post in posts], unreadable

    def items(self, posts: Sequence[Post], relations: Relations, surface: Surface) -> list[Item[Key] | None]:
        """For each post its item, None for what this viewer may not see on this surface."""
        users = self._readthrough.users([post.author_id for post in posts])
        authors = [users.get(post.author_id) for post in posts]
        shown = visible(posts, authors, relations, surface)
        return [
            Item(post, author) if seen and author is not None else None
            for post, author, seen in zip(posts, authors, shown, strict=True)
        ]


def _are_whole(posts: list[Post | None]) -> TypeGuard[list[Post]]:
    return all(posts)  # `None in posts` would ask each post whether it equals None
