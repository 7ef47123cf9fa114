"""Publishing, editing, deleting and pinning."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from feedkit.metrics import PUBLISH, timed
from feedkit.model import NONE, Audience, Done, Key, Media, Post, Relation
from feedkit.storage.base import Tx
from feedkit.verbs.base import UNSET, Verbs, given
from feedkit.writing.checks import checked_id
from feedkit.writing.once import checked_key
from feedkit.writing.posts import no_such_post
from feedkit.writing.timing import timing


class ContentVerbs(Verbs[Key]):
    """What authors do to their posts."""

    def publish(
        self,
        author: Key,
        *,
        text: str = "",
        kind: str | None = None,
        schema_version: int | None = None,
        audience: Audience | str | None = None,
        list: int | str | None = None,
        media: Sequence[Media | Mapping[str, Any]] | None = None,
        extra: Mapping[str, Any] | None = None,
        ref: str | None = None,
        reply_to: int | str | None = None,
        quote_of: int | str | None = None,
        fallback: str | None = None,
        at: datetime | None = None,
        hold: bool = False,
        expires_in: timedelta | None = None,
        expires_at: datetime | None = None,
        idempotency_key: str | None = None,
        connection: Any = None,
    ) -> Post:
        """Publish a post. When this returns it is durable, and every follower who may see it will.

        None is as good as left out for whatever a request need not have: for everything but the text.

        Args:
            author: the host's key of the author.
            text: at most `text_max_chars` characters.
            kind: what the content is, for the host's own rendering; else "post".
            schema_version: version of that content's form; else 1.
            audience: `public`, `unlisted`, `followers`, `friends`, `list` or `only_me`; else `public`.
            list: the id of a list of the author's own, together with the audience `list`.
            media: pictures, films or sounds, in order; at most `media_max`.
            extra: plain JSON of the host's own; at most `extra_max_bytes`. It never touches rights.
            ref: the host's own unique name for the post.
            reply_to: the id of the post that this one answers, which the author has to see.
            quote_of: the id of the post that this one quotes, which the author has to see and be allowed to share.
            fallback: what a client shows that does not know this kind; at most `fallback_max_chars`.
            at: publish it then, at most `schedule_max_s` ahead; until then it is a draft with `scheduled_at`.
            hold: keep it from everybody until staff release it; its status is `pending_review` until then.
            expires_in: nobody sees it any more so long after it is published; at most `lifetime_max_s`.
            expires_at: nobody sees it any more from then on.
            idempotency_key: the same key from the same author, within `idempotency_ttl_s`, gives the post that the
                first call made, as it stands now.
            connection: joins this transaction.

        Raises:
            InvalidArgument: an argument has the wrong type, is out of bounds, or contradicts another one.
            Conflict: `ref` is taken, or `idempotency_key` was used for other content.
            NotFound: `list` is no list of the author's; the author may not see what is answered or quoted.
            Forbidden: what is quoted is not for everybody; the author is suspended.
            Unavailable: the database could not be reached.
        """
        runtime = self.runtime()
        when = timing(self._settings, at=at, hold=hold, expires_in=expires_in, expires_at=expires_at)
        draft = runtime.drafting.draft(
            when,
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
        once = checked_key(idempotency_key)

        def change(tx: Tx | None) -> Post:
            (author_id,) = runtime.directory.ensure({"author": author}, tx)
            return runtime.publishing.publish(author_id, draft, key=once, host_tx=tx)

        return timed(runtime.metrics, PUBLISH, lambda: runtime.change(change, connection))

    def edit(
        self,
        author: Key,
        post_id: int | str,
        *,
        text: str = UNSET,
        media: Sequence[Media | Mapping[str, Any]] = UNSET,
        extra: Mapping[str, Any] | None = UNSET,
        audience: Audience | str = UNSET,
        list: int | str | None = UNSET,
        fallback: str | None = UNSET,
        connection: Any = None,
    ) -> Post:
        """Change what is given of one's own post; all bounds are those of `publish`.

        A narrower audience holds at the very next read; a wider one brings the post to where it stood. What it said
        before is kept for the author and for staff (`feed.posts.revisions`).

        Raises:
            NotFound: the author has no such post.
            Conflict: it is a draft, or a repost.
            Forbidden: staff removed it, or the author is suspended.
            LimitExceeded: its content was edited `revisions_max` times.
        """
        runtime, wanted = self.runtime(), checked_id("post_id", post_id)
        changes = given(text=text, media=media, extra=extra, audience=audience, list=list, fallback=fallback)

        def change(tx: Tx | None) -> Post:
            return runtime.editing.edit(self._author_id(author, tx), wanted, changes, tx)

        return runtime.change(change, connection)

    def delete(self, author: Key, post_id: int | str, *, connection: Any = None) -> Done:
        """Delete one's own post, draft or not; 0, which is false, where that has happened already.

        Raises:
            NotFound: the author has no such post.
        """
        runtime, wanted = self.runtime(), checked_id("post_id", post_id)

        def change(tx: Tx | None) -> Done:
            return Done(runtime.publishing.delete(self._author_id(author, tx), wanted, tx))

        return runtime.change(change, connection)

    def pin(self, author: Key, post_id: int | str, *, connection: Any = None) -> Relation:
        """Show one's own post at the top of one's profile, to whoever may see it.

        Raises:
            NotFound: the author has no such post.
            Conflict: it expires, or is a repost.
            LimitExceeded: `pins_max` are pinned.
            Forbidden: the author is suspended.
        """
        runtime, wanted = self.runtime(), checked_id("post_id", post_id)

        def change(tx: Tx | None) -> Relation:
            return runtime.pins.pin(self._author_id(author, tx), wanted, tx)

        return runtime.change(change, connection)

    def unpin(self, author: Key, post_id: int | str, *, connection: Any = None) -> Relation:
        """Undo a pin."""
        runtime, wanted = self.runtime(), checked_id("post_id", post_id)

        def change(tx: Tx | None) -> Relation:
            author_id = runtime.directory.find(author, "author", tx)
            if author_id is None:
                return Relation(NONE, changed=False)
            return runtime.pins.unpin(author_id, wanted, tx)

        return runtime.change(change, connection)

    def _author_id(self, author: Key, tx: Tx | None) -> int:
        author_id = self.runtime().directory.find(author, "author", tx)
        if author_id is None:
            raise no_such_post()
        return author_id
