"""Turns entries into what a viewer may see: posts with their authors, filtered by `visibility`."""

from collections.abc import Sequence
from typing import Generic

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
        posts = [post for post in found.values() if post is not None]
        items = {item.post.position: item for item in self.visible_items(posts, relations, surface)}
        unreadable = {position for position, post in found.items() if post is None}
        return [items.get(position) for position in positions], unreadable

    def visible_items(self, posts: Sequence[Post], relations: Relations, surface: Surface) -> list[Item[Key]]:
        """Those of the posts that this viewer may see on this surface, with their authors."""
        users = self._readthrough.users([post.author_id for post in posts])
        authors = [users.get(post.author_id) for post in posts]
        shown = visible(posts, authors, relations, surface)
        return [
            Item(post, author)
            for post, author, seen in zip(posts, authors, shown, strict=True)
            if seen and author is not None
        ]
