"""Reacting, saving and commenting."""

from typing import Any

from feedkit.errors import InvalidArgument, shown
from feedkit.model import NONE, Comment, CommentPage, Key, Page, Relation, UserPage
from feedkit.reading.comments import NEWEST, SORTS
from feedkit.storage.base import Tx
from feedkit.verbs.base import Verbs
from feedkit.writing.checks import checked_id
from feedkit.writing.comments import no_such_comment
from feedkit.writing.once import checked_key


class EngagementVerbs(Verbs[Key]):
    """What people do to posts and comments."""

    def react(
        self, actor: Key, target_id: int | str, kind: str = "like", *, connection: Any = None
    ) -> Relation:
        """React to a post or comment. A reaction past `reactions_per_person` takes the place of the oldest.

        Raises:
            InvalidArgument: `kind` is none of the setting `reaction_kinds`.
            NotFound: there is no such post or comment that the actor may see.
            Forbidden: the actor is suspended.
        """
        runtime, wanted = self.runtime(), checked_id("target_id", target_id)
        chosen = runtime.engagement.checked_kind(kind)

        def change(tx: Tx | None) -> Relation:
            (actor_id,) = runtime.directory.ensure({"actor": actor}, tx)
            return runtime.engagement.react(actor_id, wanted, chosen, tx)

        return runtime.change(change, connection)

    def unreact(
        self, actor: Key, target_id: int | str, kind: str | None = None, *, connection: Any = None
    ) -> Relation:
        """Take back one's reaction of that kind, or all of one's reactions to a post or comment.

        Works also where the actor may see the post no longer; where there is nothing to take back, nothing
        changes.

        Raises:
            InvalidArgument: `kind` is none of the setting `reaction_kinds`.
        """
        runtime, wanted = self.runtime(), checked_id("target_id", target_id)
        chosen = None if kind is None else runtime.engagement.checked_kind(kind)

        def change(tx: Tx | None) -> Relation:
            actor_id = runtime.directory.find(actor, "actor", tx)
            if actor_id is None:
                return Relation(NONE, changed=False)
            return runtime.engagement.unreact(actor_id, wanted, chosen, tx)

        return runtime.change(change, connection)

    def reactions(
        self,
        viewer: Key | None,
        target_id: int | str,
        kind: str | None = None,
        *,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> UserPage[Key]:
        """A page of who reacted to a post or comment, with that kind or any, those who did so last first.

        Nobody is named who is suspended, or who blocks the viewer or is blocked by them.

        Raises:
            InvalidArgument: `kind` is none of the setting `reaction_kinds`, or `limit` is out of bounds.
            InvalidCursor: the cursor was not made for this viewer and list.
            NotFound: there is no such post or comment that the viewer may see.
        """
        runtime, wanted, size = self.runtime(), checked_id("target_id", target_id), self._page_limit(limit)
        chosen = None if kind is None else runtime.engagement.checked_kind(kind)
        viewer_id, tag = runtime.viewer_id(viewer), runtime.directory.viewer_tag(viewer)
        runtime.log.catch_up()
        return runtime.reactions.page(viewer_id, tag, wanted, chosen, cursor=cursor, limit=size)

    def save(self, actor: Key, post_id: int | str, *, connection: Any = None) -> Relation:
        """Keep a post for oneself; nobody else is told.

        Raises:
            NotFound: there is no such post that the actor may see.
            Forbidden: the actor is suspended.
        """
        runtime, wanted = self.runtime(), checked_id("post_id", post_id)

        def change(tx: Tx | None) -> Relation:
            (actor_id,) = runtime.directory.ensure({"actor": actor}, tx)
            return runtime.engagement.save(actor_id, wanted, tx)

        return runtime.change(change, connection)

    def unsave(self, actor: Key, post_id: int | str, *, connection: Any = None) -> Relation:
        """Keep a post no longer. Works also where the actor may see it no longer."""
        runtime, wanted = self.runtime(), checked_id("post_id", post_id)

        def change(tx: Tx | None) -> Relation:
            actor_id = runtime.directory.find(actor, "actor", tx)
            if actor_id is None:
                return Relation(NONE, changed=False)
            return runtime.engagement.unsave(actor_id, wanted, tx)

        return runtime.change(change, connection)

    def saved(self, viewer: Key, *, limit: int | None = None, cursor: str | None = None) -> Page[Key]:
        """A page of what the viewer saved and still may see, the newest save first. Raises like `home`."""
        runtime, size = self.runtime(), self._page_limit(limit)
        viewer_id = runtime.directory.find(viewer, "viewer")
        tag = runtime.directory.viewer_tag(viewer)
        runtime.log.catch_up()
        return runtime.saved.page(viewer_id, tag, cursor=cursor, limit=size)

    def comment(
        self,
        actor: Key,
        post_id: int | str,
        *,
        text: str = "",
        parent: int | str | None = None,
        idempotency_key: str | None = None,
        connection: Any = None,
    ) -> Comment:
        """Comment on a post, or answer a comment on it.

        Answers stand at most `comment_depth_max` deep: one to a comment at that depth stands beside it.

        Args:
            actor: the host's key of who writes it.
            post_id: the post.
            text: 1 to `comment_max_chars` characters.
            parent: the id of the comment that this one answers.
            idempotency_key: the same key from the same actor, within `idempotency_ttl_s`, gives the comment
                that the first call has made.
            connection: joins this transaction.

        Raises:
            InvalidArgument: an argument has the wrong type or is out of bounds.
            NotFound: there is no such post or comment that the actor may see.
            Forbidden: the actor is suspended.
            Conflict: `idempotency_key` was used for other content.
        """
        runtime, wanted = self.runtime(), checked_id("post_id", post_id)
        parent_id = None if parent is None else checked_id("parent", parent)
        checked, key = runtime.commenting.checked_text(text), checked_key(idempotency_key)

        def change(tx: Tx | None) -> Comment:
            (actor_id,) = runtime.directory.ensure({"actor": actor}, tx)
            return runtime.commenting.comment(actor_id, wanted, checked, parent_id, key=key, host_tx=tx)

        return runtime.change(change, connection)

    def edit_comment(
        self, actor: Key, comment_id: int | str, *, text: str, connection: Any = None
    ) -> Comment:
        """Change the text of one's own comment.

        Raises:
            InvalidArgument: `text` has the wrong type or is out of bounds.
            NotFound: the actor has no such comment, or may no longer see its post.
            Forbidden: the actor is suspended.
        """
        runtime, wanted = self.runtime(), checked_id("comment_id", comment_id)
        checked = runtime.commenting.checked_text(text)

        def change(tx: Tx | None) -> Comment:
            actor_id = runtime.directory.find(actor, "actor", tx)
            if actor_id is None:
                raise no_such_comment()
            return runtime.commenting.edit(actor_id, wanted, checked, tx)

        return runtime.change(change, connection)

    def delete_comment(self, actor: Key, comment_id: int | str, *, connection: Any = None) -> bool:
        """Delete one's own comment, or one on one's own post; False where that has happened already.

        Answers to it stay: where there are any, a gap keeps its place.

        Raises:
            NotFound: there is no such comment that the actor may delete.
        """
        runtime, wanted = self.runtime(), checked_id("comment_id", comment_id)

        def change(tx: Tx | None) -> bool:
            actor_id = runtime.directory.find(actor, "actor", tx)
            if actor_id is None:
                raise no_such_comment()
            return runtime.commenting.delete(actor_id, wanted, tx)

        return runtime.change(change, connection)

    def comments(
        self,
        viewer: Key | None,
        post_id: int | str,
        *,
        sort: str = NEWEST,
        parent: int | str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> CommentPage[Key]:
        """A page of the comments on a post, or of the answers to one of them.

        Args:
            viewer: the host's key of who reads, None where nobody is logged in.
            post_id: the post.
            sort: "newest", "oldest", or "top": the most reactions first, then the newest.
            parent: the comment whose answers are asked for; None for those that answer the post itself.
            limit: the most items on the page.
            cursor: a `next_cursor` of a page of the same post, parent and sort.

        Raises:
            InvalidArgument: `sort` is none of these, or `limit` is out of bounds.
            InvalidCursor: the cursor was not made for this viewer and list.
            NotFound: there is no such post or comment that the viewer may see.
        """
        runtime, wanted, size = self.runtime(), checked_id("post_id", post_id), self._page_limit(limit)
        parent_id = None if parent is None else checked_id("parent", parent)
        if sort not in SORTS:
            message = f"sort must be one of {', '.join(SORTS)}; got {shown(sort)}"
            raise InvalidArgument(message, argument="sort")
        viewer_id, tag = runtime.viewer_id(viewer), runtime.directory.viewer_tag(viewer)
        runtime.log.catch_up()
        return runtime.comments.page(viewer_id, tag, wanted, parent_id, sort, cursor=cursor, limit=size)
