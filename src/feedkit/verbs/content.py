"""Publishing, editing and deleting."""

from collections.abc import Mapping, Sequence
from typing import Any

from feedkit.model import Audience, Key, Media, Post
from feedkit.storage.base import Tx
from feedkit.verbs.base import Verbs
from feedkit.writing.drafts import checked_id
from feedkit.writing.publish import no_such_post


class ContentVerbs(Verbs[Key]):
    """What authors do to their posts."""

    def publish(
        self,
        author: Key,
        *,
        text: str = "",
        kind: str = "post",
        schema_version: int = 1,
        audience: Audience | str = Audience.PUBLIC,
        media: Sequence[Media | Mapping[str, Any]] = (),
        extra: Mapping[str, Any] | None = None,
        ref: str | None = None,
        reply_to: int | str | None = None,
        connection: Any = None,
    ) -> Post:
        """Publish a post. When this returns it is durable, and every follower who may see it will.

        Args:
            author: the host's key of the author.
            text: at most `text_max_chars` characters.
            kind: what the content is, for the host's own rendering.
            schema_version: version of that content's form.
            audience: `public`, `followers` or `only_me`.
            media: pictures, films or sounds, in order; at most `media_max`.
            extra: plain JSON of the host's own; at most `extra_max_bytes`. It never touches rights.
            ref: the host's own unique name for the post.
            reply_to: the id of the post that this one answers.
            connection: joins this transaction.

        Raises:
            InvalidArgument: an argument has the wrong type or is out of bounds; nothing was written.
            Conflict: `ref` is taken.
            Unavailable: the database could not be reached.
        """
        runtime = self.runtime()
        draft = runtime.drafting.draft(
            text=text,
            kind=kind,
            schema_version=schema_version,
            audience=audience,
            media=media,
            extra=extra,
            ref=ref,
            reply_to=reply_to,
        )

        def change(tx: Tx | None) -> Post:
            (author_id,) = runtime.directory.ensure({"author": author}, tx)
            return runtime.publishing.publish(author_id, draft, tx)

        return runtime.change(change, connection)

    def delete(self, author: Key, post_id: int | str, *, connection: Any = None) -> bool:
        """Delete one's own post; False where that has happened already.

        Raises:
            NotFound: the author has no such post.
        """
        runtime, wanted = self.runtime(), checked_id("post_id", post_id)

        def change(tx: Tx | None) -> bool:
            author_id = runtime.directory.find(author, "author", tx)
            if author_id is None:
                raise no_such_post()
            return runtime.publishing.delete(author_id, wanted, tx)

        return runtime.change(change, connection)
