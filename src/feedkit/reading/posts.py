"""Single posts and batches of them, by id."""

from collections.abc import Sequence
from typing import Generic

from feedkit.errors import NotFound
from feedkit.model import Item, Key
from feedkit.reading.hydrate import Hydrator
from feedkit.storage.base import Truth
from feedkit.storage.readthrough import ReadThrough
from feedkit.visibility import LOGGED_OUT, Surface


class PostReader(Generic[Key]):
    """Reads posts that a viewer may see."""

    def __init__(self, readthrough: ReadThrough[Key], hydrator: Hydrator[Key], truth: Truth) -> None:
        self._readthrough, self._hydrator, self._truth = readthrough, hydrator, truth

    def one(self, viewer_id: int | None, post_id: int) -> Item[Key]:
        """One post. Raises NotFound alike for what does not exist and for what this viewer may not see."""
        item = self.many(viewer_id, [post_id])[0]
        if item is None:
            raise NotFound("post_id names no post that this viewer can see", argument="post_id")
        return item

    def many(self, viewer_id: int | None, post_ids: Sequence[int]) -> list[Item[Key] | None]:
        """Posts in the order of `post_ids`, None where there is nothing that this viewer may see."""
        relations = self._readthrough.viewer(viewer_id or LOGGED_OUT).relations
        posts, _ = self._truth.read(lambda tx: self._truth.posts.get_many(tx, post_ids))
        items = self._hydrator.items(posts, relations, Surface.POST)
        found = {post.id: item for post, item in zip(posts, items, strict=True)}
        return [found.get(post_id) for post_id in post_ids]
