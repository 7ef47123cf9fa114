"""Which posts show a picture, film or sound."""

import hashlib
from typing import Generic

from feedkit.model import Key, Page
from feedkit.reading.feeds import FeedReader, Opened
from feedkit.reading.sources import Selected
from feedkit.relations import LOGGED_OUT
from feedkit.storage.base import Truth
from feedkit.storage.readthrough import ReadThrough
from feedkit.visibility import Surface


class MediaPosts(Generic[Key]):
    """Reads the posts with a medium, as a viewer may see them."""

    def __init__(self, reader: FeedReader[Key], readthrough: ReadThrough[Key], truth: Truth) -> None:
        self._reader, self._readthrough, self._truth = reader, readthrough, truth

    def page(
        self,
        viewer_id: int | None,
        viewer_tag: int,
        column: str,
        value: str,
        *,
        cursor: object,
        limit: int,
    ) -> Page[Key]:
        """A page of them, newest first. `column` is "url" or "content_hash"."""
        digest = hashlib.blake2b(f"{column}:{value}".encode(), digest_size=16).hexdigest()

        def open_feed() -> Opened:
            relations = self._readthrough.viewer(viewer_id or LOGGED_OUT).relations
            showing = self._truth.selections.showing
            source = Selected(self._truth, lambda tx, span: showing(tx, column, value, span))
            return Opened(source, relations, Surface.MEDIA)

        return Page(**self._reader.read(f"media:{digest}", viewer_tag, cursor, limit, open_feed))
