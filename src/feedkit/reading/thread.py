"""A thread: a post, what it answers, and a page of the answers to it, the oldest first."""

from typing import Generic

from feedkit.errors import NotFound
from feedkit.model import Item, Key, ThreadPage
from feedkit.reading.feeds import FeedReader, Opened
from feedkit.reading.hydrate import Hydrator
from feedkit.reading.sources import OldestFirst
from feedkit.relations import LOGGED_OUT, Relations
from feedkit.settings import Settings
from feedkit.storage.base import Truth
from feedkit.storage.readthrough import ReadThrough
from feedkit.visibility import Surface


class Thread(Generic[Key]):
    """Reads threads."""

    def __init__(
        self,
        reader: FeedReader[Key],
        readthrough: ReadThrough[Key],
        hydrator: Hydrator[Key],
        truth: Truth,
        settings: Settings,
    ) -> None:
        self._reader, self._readthrough, self._hydrator = reader, readthrough, hydrator
        self._truth, self._depth_max = truth, settings.thread_depth_max

    def page(
        self, viewer_id: int | None, viewer_tag: int, post_id: int, *, cursor: object, limit: int
    ) -> ThreadPage[Key]:
        """A page of the thread around a post; that of a repost is the thread around what it shares.

        Raises NotFound alike for a post that does not exist and for one that this viewer may not see.
        """
        fields = self._reader.read(
            f"thread:{post_id}", viewer_tag, cursor, limit, lambda: self._open(viewer_id, post_id)
        )
        relations = self._relations(viewer_id)
        focus = self._focus(relations, post_id)
        ancestors = self._ancestors(relations, focus) if cursor is None else ()
        return ThreadPage(**fields, focus=focus, ancestors=ancestors)

    def _open(self, viewer_id: int | None, post_id: int) -> Opened:
        relations = self._relations(viewer_id)
        focus_id = self._focus(relations, post_id).post.id
        source = OldestFirst(self._truth, lambda tx, span: self._truth.selections.replies(tx, focus_id, span))
        return Opened(source, relations, Surface.THREAD)

    def _relations(self, viewer_id: int | None) -> Relations:
        return self._readthrough.viewer(viewer_id or LOGGED_OUT).relations

    def _focus(self, relations: Relations, post_id: int) -> Item[Key]:
        posts = self._readthrough.posts((post_id,))
        item = self._hydrator.items([posts[post_id]], relations, Surface.POST)[0] if posts else None
        if item is None:
            raise NotFound("post_id names no post that this viewer can see", argument="post_id")
        return item

    def _ancestors(self, relations: Relations, focus: Item[Key]) -> tuple[Item[Key], ...]:
        """What the post answers, the first of the thread first; one that is hidden hides those above it."""
        if focus.post.reply_to is None:
            return ()
        ids = self._truth.read(
            lambda tx: self._truth.selections.ancestors(tx, focus.post.id, self._depth_max)
        )
        found = self._readthrough.posts(ids)
        items = self._hydrator.items([found[one] for one in ids if one in found], relations, Surface.THREAD)
        seen = {item.post.id: item for item in items if item is not None}
        chain: list[Item[Key]] = []
        for one in ids:
            if one not in seen:
                break
            chain.append(seen[one])
        return tuple(reversed(chain))
