"""What only its author is shown: drafts, and what a post said before it was edited."""

from feedkit.clock import Clock
from feedkit.cursor import Cursor, CursorCodec
from feedkit.errors import NotFound
from feedkit.ids import MAX_ID
from feedkit.model import DraftPage, Post, PostStatus, Revision
from feedkit.storage.base import Truth

_DRAFTS = "drafts"
_UNPUBLISHED = (PostStatus.DRAFT, PostStatus.PENDING_REVIEW)


class OwnPosts:
    """Reads an author's own posts, straight from truth: nothing here is asked for often."""

    def __init__(self, truth: Truth, cursors: CursorCodec, clock: Clock) -> None:
        self._truth, self._cursors, self._clock = truth, cursors, clock

    def drafts(self, author_id: int | None, author_tag: int, *, cursor: object, limit: int) -> DraftPage:
        """A page of drafts and scheduled posts, the newest first. Raises InvalidCursor."""
        before = MAX_ID
        if cursor is not None:
            before = self._cursors.decode(cursor, viewer=author_tag, feed=_DRAFTS).before
        if author_id is None:
            return DraftPage((), None)
        found = self._truth.read(lambda tx: self._truth.lives.drafts(tx, author_id, before, limit + 1))
        shown = found[:limit]
        if len(found) == len(shown):
            return DraftPage(tuple(shown), None)
        follows = Cursor(_DRAFTS, before=shown[-1].id)
        return DraftPage(tuple(shown), self._cursors.encode(follows, viewer=author_tag, feed=_DRAFTS))

    def unpublished(self, author_id: int | None, post_id: int) -> Post:
        """A draft, a scheduled post, or one that is held. Raises NotFound."""
        post = self._own(author_id, post_id)
        if post.status not in _UNPUBLISHED:
            raise _not_found()
        return post

    def revisions(self, author_id: int | None, post_id: int) -> list[Revision]:
        """What a post of this author said before each edit, the first first. Raises NotFound."""
        if self._own(author_id, post_id).has_ended(self._clock.now_ms()):
            raise _not_found()
        return self.revisions_of(post_id)

    def revisions_of(self, post_id: int) -> list[Revision]:
        """What a post said before each edit, for whoever may know."""
        return self._truth.read(lambda tx: self._truth.lives.revisions(tx, post_id))

    def _own(self, author_id: int | None, post_id: int) -> Post:
        post = self._truth.read(lambda tx: self._truth.posts.get(tx, post_id))
        gone = post is None or post.deleted_ms is not None or post.status is PostStatus.REMOVED
        if post is None or gone or post.author_id != author_id:
            raise _not_found()
        return post


def _not_found() -> NotFound:
    return NotFound("post_id names no such post of this author", argument="post_id")
