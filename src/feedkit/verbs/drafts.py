"""`feed.drafts`: posts that are not published yet."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from feedkit.model import Audience, DraftPage, Key, Media, Post
from feedkit.storage.base import Tx
from feedkit.verbs.base import UNSET, Noun, given
from feedkit.writing.checks import checked_id
from feedkit.writing.posts import no_such_post
from feedkit.writing.timing import timing


class Drafts(Noun[Key]):
    """`feed.drafts`: one's own drafts and scheduled posts. To everybody else they do not exist."""

    def save(
        self,
        author: Key,
        post_id: int | str | None = None,
        *,
        text: str = UNSET,
        kind: str = UNSET,
        schema_version: int = UNSET,
        audience: Audience | str = UNSET,
        list: int | str | None = UNSET,
        media: Sequence[Media | Mapping[str, Any]] = UNSET,
        extra: Mapping[str, Any] | None = UNSET,
        ref: str | None = UNSET,
        reply_to: int | str | None = UNSET,
        quote_of: int | str | None = UNSET,
        fallback: str | None = UNSET,
        connection: Any = None,
    ) -> Post:
        """Keep a new draft, or change what is given of one; all bounds are those of `publish`.

        Raises:
            NotFound: the author has no such post.
            Conflict: it is published already, or `ref` is taken.
            LimitExceeded: the author has `drafts_max` drafts.
        """
        runtime = self._runtime()
        wanted = None if post_id is None else checked_id("post_id", post_id)
        content = given(
            text=text,
            kind=kind,
            schema_version=schema_version,
            audience=audience,
            list=list,
            media=media,
            extra=extra,
            ref=ref,
            reply_to=reply_to,
            quote_of=quote_of,
            fallback=fallback,
        )

        def change(tx: Tx | None) -> Post:
            if wanted is not None:
                return runtime.drafts.save(self._author_id(author, tx), wanted, content, tx)
            (author_id,) = runtime.directory.ensure({"author": author}, tx)
            return runtime.drafts.save(author_id, None, content, tx)

        return runtime.change(change, connection)

    def page(self, author: Key, *, limit: int | None = None, cursor: str | None = None) -> DraftPage:
        """A page of one's drafts and scheduled posts, the newest first.

        Raises:
            InvalidArgument: `limit` is not 1..`page_limit_max`.
            InvalidCursor: the cursor was not made for this author and these pages.
        """
        runtime, size = self._runtime(), self._page_limit(limit)
        author_id, tag = runtime.directory.find(author, "author"), runtime.directory.viewer_tag(author)
        runtime.log.catch_up()
        return runtime.own_posts.drafts(author_id, tag, cursor=cursor, limit=size)

    def get(self, author: Key, post_id: int | str) -> Post:
        """One's own draft, scheduled post, or post that is held. Raises NotFound."""
        runtime, wanted = self._runtime(), checked_id("post_id", post_id)
        runtime.log.catch_up()
        return runtime.own_posts.unpublished(runtime.directory.find(author, "author"), wanted)

    def publish(
        self,
        author: Key,
        post_id: int | str,
        *,
        at: datetime | None = None,
        expires_in: timedelta | None = None,
        expires_at: datetime | None = None,
        connection: Any = None,
    ) -> Post:
        """Publish a draft now, or schedule it for `at`. One that is published already stays as it is.

        Raises:
            NotFound: the author has no such post.
            InvalidArgument: `at` is not ahead, or it would expire before it is seen.
            Forbidden: the author is suspended.
        """
        runtime, wanted = self._runtime(), checked_id("post_id", post_id)
        when = timing(runtime.settings, at=at, expires_in=expires_in, expires_at=expires_at)

        def change(tx: Tx | None) -> Post:
            return runtime.drafts.publish(self._author_id(author, tx), wanted, when, tx)

        return runtime.change(change, connection)

    def unschedule(self, author: Key, post_id: int | str, *, connection: Any = None) -> Post:
        """Make a scheduled post a plain draft again. Raises NotFound, and Conflict for one that is published."""
        runtime, wanted = self._runtime(), checked_id("post_id", post_id)

        def change(tx: Tx | None) -> Post:
            return runtime.drafts.unschedule(self._author_id(author, tx), wanted, tx)

        return runtime.change(change, connection)

    def discard(self, author: Key, post_id: int | str, *, connection: Any = None) -> bool:
        """Delete a draft or a scheduled post; False where that has happened already.

        Raises:
            NotFound: the author has no such draft.
        """
        runtime, wanted = self._runtime(), checked_id("post_id", post_id)

        def change(tx: Tx | None) -> bool:
            return runtime.publishing.discard(self._author_id(author, tx), wanted, tx)

        return runtime.change(change, connection)

    def _author_id(self, author: Key, tx: Tx | None) -> int:
        author_id = self._runtime().directory.find(author, "author", tx)
        if author_id is None:
            raise no_such_post()
        return author_id
