"""The home feed: inbox, pulled outboxes and the viewer's own, merged and filtered."""

from typing import Generic

import numpy as np

from feedkit.fanout.rebuild import Timelines
from feedkit.idset import Ids
from feedkit.metrics import MERGES, Metrics
from feedkit.model import Key, Page
from feedkit.reading.feeds import FeedReader, Opened
from feedkit.reading.sources import Empty, Timelined
from feedkit.relations import LOGGED_OUT, no_relations
from feedkit.storage.base import Truth
from feedkit.storage.readthrough import ReadThrough
from feedkit.visibility import Surface


class Home(Generic[Key]):
    """Reads home pages."""

    def __init__(
        self,
        reader: FeedReader[Key],
        readthrough: ReadThrough[Key],
        timelines: Timelines,
        truth: Truth,
        metrics: Metrics | None = None,
    ) -> None:
        self._reader, self._readthrough, self._metrics = reader, readthrough, metrics
        self._timelines, self._truth = timelines, truth

    def page(self, viewer_id: int | None, viewer_tag: int, *, cursor: object, limit: int) -> Page[Key]:
        """A page of what followees and the viewer published; `viewer_id` is None for somebody not met yet."""
        fields = self._reader.read("home", viewer_tag, cursor, limit, lambda: self._read(viewer_id))
        return Page(**fields)

    def count_newer(self, viewer_id: int | None, viewer_tag: int, *, cursor: object, at_most: int) -> int:
        """How many lines a page of what is newer would have, up to `at_most`."""
        return self._reader.count("home", viewer_tag, cursor, at_most, lambda: self._read(viewer_id))

    def pulled(self, viewer_id: int) -> Ids:
        """Authors whose outboxes are merged in for this viewer as far as they follow them, sorted."""
        listed, chosen = self._readthrough.pulled(), self._timelines.pulled_by(viewer_id)
        if not len(chosen):
            return listed
        return np.union1d(listed, chosen) if len(listed) else chosen

    def open(self, viewer_id: int | None) -> Opened:
        """The feed of a viewer, ready to be read."""
        if viewer_id is None:
            return Opened(Empty(), no_relations(LOGGED_OUT), Surface.HOME)
        # Who is pulled before the inbox: an author is taken off only after the inbox was given what had not
        # been pushed.
        pulled = self.pulled(viewer_id)
        viewer = self._readthrough.viewer(viewer_id)
        merged_in = viewer.among_home_authors(pulled)
        if merged_in and self._metrics is not None:
            self._metrics.count(MERGES, len(merged_in))
        inbox, outboxes = self._timelines.home(viewer_id, list({viewer_id, *merged_in}))
        source = Timelined(
            self._truth,
            viewer_id,
            viewer.home_authors,
            outboxes,
            inbox,
            is_shared=self._timelines.are_shared,
        )
        return Opened(source, viewer.relations, Surface.HOME)

    def _read(self, viewer_id: int | None) -> Opened:
        if viewer_id is not None:
            self._timelines.note_read(viewer_id)
        return self.open(viewer_id)
