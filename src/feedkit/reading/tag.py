"""A tag: what was published under it for everybody, newest first."""

from typing import Generic

from feedkit.model import Key, Page
from feedkit.reading.feeds import FeedReader, Opened
from feedkit.reading.sources import Selected
from feedkit.relations import LOGGED_OUT
from feedkit.storage.base import Truth
from feedkit.storage.readthrough import ReadThrough
from feedkit.visibility import Surface


class Tag(Generic[Key]):
    """Reads pages of tags."""

    def __init__(self, reader: FeedReader[Key], readthrough: ReadThrough[Key], truth: Truth) -> None:
        self._reader, self._readthrough, self._truth = reader, readthrough, truth

    def page(
        self, viewer_id: int | None, viewer_tag: int, tag: str, *, cursor: object, limit: int
    ) -> Page[Key]:
        """A page of a tag, which is given in its canonical form."""
        fields = self._reader.read(
            f"tag:{tag}", viewer_tag, cursor, limit, lambda: self._open(viewer_id, tag)
        )
        return Page(**fields)

    def _open(self, viewer_id: int | None, tag: str) -> Opened:
        source = Selected(self._truth, lambda tx, span: self._truth.selections.tagged(tx, tag, span))
        relations = self._readthrough.viewer(viewer_id or LOGGED_OUT).relations
        return Opened(source, relations, Surface.TAG)
