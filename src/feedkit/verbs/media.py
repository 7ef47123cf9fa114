"""`feed.media`: pictures, films and sounds, whoever posted them."""

from typing import Any

from feedkit.errors import InvalidArgument
from feedkit.model import Key, MediaStatus, Page
from feedkit.verbs.base import UNSET, Noun, given
from feedkit.writing.checks import checked_text


class MediaOfPosts(Noun[Key]):
    """`feed.media`: what the host tells about media, and where they are shown."""

    def update(
        self,
        url: str,
        *,
        status: MediaStatus | str = UNSET,
        media_type: str | None = UNSET,
        width: int | None = UNSET,
        height: int | None = UNSET,
        alt_text: str | None = UNSET,
        content_hash: str | None = UNSET,
        size_bytes: int | None = UNSET,
        connection: Any = None,
    ) -> int:
        """Change what is given of a medium in every post that shows this URL; how many posts.

        For the host, as when its transcoder is done: it asks for nobody's leave and counts as no edit. Posts are
        changed in steps of `batch_max`; one that is handed in meanwhile may be missed.
        """
        runtime = self._runtime()
        told = given(
            url=url,
            status=status,
            media_type=media_type,
            width=width,
            height=height,
            alt_text=alt_text,
            content_hash=content_hash,
            size_bytes=size_bytes,
        )
        fields = runtime.drafting.media_fields(told)
        del fields["url"]
        if not fields:
            raise InvalidArgument("status, or another field to change, must be given", argument="status")
        return runtime.change(lambda tx: runtime.media_writing.update(url, fields, tx), connection)

    def posts(
        self,
        viewer: Key | None,
        *,
        url: str | None = None,
        content_hash: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page[Key]:
        """A page of the posts that show this medium, as far as the viewer may see them, newest first.

        Without those of people whom the viewer mutes, as wherever nobody in particular was asked for. One of `url`
        and `content_hash` says which.

        Raises:
            InvalidArgument: neither is given, or both are; `limit` is not 1..`page_limit_max`.
            InvalidCursor: the cursor was not made for this viewer and medium.
        """
        runtime, size = self._runtime(), self._page_limit(limit)
        if (url is None) is (content_hash is None):
            raise InvalidArgument("url or content_hash must be given, and not both", argument="url")
        column, value = ("url", url) if content_hash is None else ("content_hash", content_hash)
        return runtime.media_posts.page(
            runtime.viewer_id(viewer),
            runtime.directory.viewer_tag(viewer),
            column,
            checked_text(column, value, runtime.settings.url_max_chars, "url_max_chars", at_least=1),
            cursor=cursor,
            limit=size,
        )
