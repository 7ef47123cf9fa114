"""Single posts and batches of them, by id."""

from collections.abc import Sequence
from typing import Generic

from feedkit.errors import NotFound
from feedkit.model import Item, Key
from feedkit.reading.hydrate import Hydrator
from feedkit.relations import LOGGED_OUT, Relations, staff_relations
from feedkit.storage.base import Truth
from feedkit.storage.readthrough import ReadThrough
from feedkit.visibility import Surface


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
        posts, _ = self._truth.read_copy(lambda tx: self._truth.posts.get_many(tx, post_ids))
        items = self._hydrator.items(posts, self._relations(viewer_id), Surface.POST)
        found = {post.id: item for post, item in zip(posts, items, strict=True)}
        return [found.get(post_id) for post_id in post_ids]

    def by_ref(self, viewer_id: int | None, refs: Sequence[str]) -> dict[str, Item[Key]]:
        """Posts by the host's own names for them; nothing for what this viewer may not see."""
        posts = self._truth.read(lambda tx: self._truth.lives.by_refs(tx, refs))
        items = self._hydrator.items(posts, self._relations(viewer_id), Surface.POST)
        return {post.ref or "": item for post, item in zip(posts, items, strict=True) if item is not None}

    def for_staff(self, post_id: int) -> Item[Key]:
        """Any post that was handed in, as truth has it. Raises NotFound."""
        post = self._truth.read(lambda tx: self._truth.posts.get(tx, post_id))
        for item in self._hydrator.items([] if post is None else [post], staff_relations(), Surface.POST):
            if item is not None:
                return item
        raise NotFound("post_id names no post that was handed in", argument="post_id")

    def _relations(self, viewer_id: int | None) -> Relations:
        return self._readthrough.viewer(viewer_id or LOGGED_OUT).relations
