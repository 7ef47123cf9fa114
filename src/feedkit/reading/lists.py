"""The feed of a list: what its members published, for its owner."""

from typing import Generic

import numpy as np

from feedkit.errors import NotFound
from feedkit.fanout.rebuild import Timelines
from feedkit.idset import Ids
from feedkit.model import Assoc, Key, Page
from feedkit.reading.feeds import FeedReader, Opened
from feedkit.reading.sources import FROM_TRUTH, Timelined
from feedkit.storage.base import Truth, Tx
from feedkit.storage.readthrough import ReadThrough
from feedkit.visibility import Surface, hidden_on

_OUTBOXES_MAX = 200


class ListFeed(Generic[Key]):
    """Reads pages of lists."""

    def __init__(
        self, reader: FeedReader[Key], readthrough: ReadThrough[Key], timelines: Timelines, truth: Truth
    ) -> None:
        self._reader, self._readthrough = reader, readthrough
        self._timelines, self._truth = timelines, truth

    def page(
        self, viewer_id: int | None, viewer_tag: int, list_id: int, *, cursor: object, limit: int
    ) -> Page[Key]:
        """A page of what the members of one's own list published. Raises NotFound where it is not one's own."""
        if viewer_id is None:
            raise NotFound("list_id names no list of this owner", argument="list_id")
        fields = self._reader.read(
            f"list:{list_id}", viewer_tag, cursor, limit, lambda: self._open(viewer_id, list_id)
        )
        return Page(**fields)

    def _open(self, viewer_id: int, list_id: int) -> Opened:
        members = self._truth.read(lambda tx: self._members(tx, viewer_id, list_id))
        relations = self._readthrough.viewer(viewer_id).relations
        shown = np.setdiff1d(members, hidden_on(Surface.LIST, relations))
        few = (
            len(shown) <= _OUTBOXES_MAX
        )  # to hold those of all members of a long list would push out all others
        outboxes = self._timelines.outboxes(shown.tolist()) if few else [FROM_TRUTH]
        shared = self._timelines.are_shared
        source = Timelined(self._truth, viewer_id, shown, outboxes, is_shared=shared)
        return Opened(source, relations, Surface.LIST)

    def _members(self, tx: Tx, viewer_id: int, list_id: int) -> Ids:
        found = self._truth.lists.get(tx, viewer_id, list_id)
        most = self._reader.settings.list_members_max
        return self._truth.graph.range(tx, found.id, Assoc.LISTS, 0, most)
