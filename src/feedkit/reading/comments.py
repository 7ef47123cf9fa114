"""Comments on a post, as a viewer may see them."""

from collections.abc import Callable, Sequence
from typing import Generic

from feedkit.clock import Clock
from feedkit.cursor import CursorCodec
from feedkit.errors import NotFound
from feedkit.ids import MAX_ID
from feedkit.model import Comment, CommentItem, CommentPage, Counts, Key
from feedkit.reading.posts import PostReader
from feedkit.reading.walks import TOP, MarkCursors, walk
from feedkit.relations import LOGGED_OUT, Relations
from feedkit.settings import Settings
from feedkit.storage.base import Truth
from feedkit.storage.engaging import Mark
from feedkit.storage.readthrough import ReadThrough
from feedkit.visibility import Surface, comments_visible, hidden_on

NEWEST, OLDEST, TOP_FIRST = "newest", "oldest", "top"
SORTS = (NEWEST, OLDEST, TOP_FIRST)
Ranked = tuple[Mark, Comment]


class CommentReader(Generic[Key]):
    """Reads comments. What is gone or hidden and has answers that are shown stays as a gap, else it is left out."""

    def __init__(
        self,
        truth: Truth,
        readthrough: ReadThrough[Key],
        posts: PostReader[Key],
        cursors: CursorCodec,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._truth, self._readthrough, self._posts = truth, readthrough, posts
        self._cursors, self._settings, self._clock = cursors, settings, clock

    def page(
        self,
        viewer_id: int | None,
        viewer_tag: int,
        post_id: int,
        parent_id: int | None,
        sort: str,
        *,
        cursor: object,
        limit: int,
    ) -> CommentPage[Key]:
        """Comments on a post, or answers to one of them. Raises NotFound where the viewer may not see that."""
        cursors = MarkCursors(self._cursors, viewer_tag, f"comments:{post_id}:{parent_id or 0}", sort)
        given = cursors.decode(cursor)
        post_id = self._posts.one(viewer_id, post_id).post.id
        relations = self._readthrough.viewer(viewer_id or LOGGED_OUT).relations
        if parent_id is not None:
            self._check_parent(post_id, parent_id, relations)
        lowest = self._lowest(post_id, parent_id or 0, sort) if given is None else given[1][1]
        start = given[0] if given else _BEFORE_ALL[sort]
        walked = walk(
            self._fetching(post_id, parent_id or 0, sort, lowest),
            lambda comments: self._items(post_id, comments, relations),
            start,
            limit,
            self._settings.max_scan,
        )
        return CommentPage(walked.items, cursors.within(walked.last, (0, lowest)))

    def one(self, viewer_id: int | None, comment_id: int) -> CommentItem[Key] | None:
        """One comment, None where there is none that this viewer may see, and for a gap."""
        found = self._truth.read(lambda tx: self._truth.comments.get(tx, comment_id))
        if found is None or self._posts.many(viewer_id, (found.post_id,))[0] is None:
            return None
        relations = self._readthrough.viewer(viewer_id or LOGGED_OUT).relations
        item = self._items(found.post_id, (found,), relations)[0]
        return None if item is None or item.author is None else item

    def _check_parent(self, post_id: int, parent_id: int, relations: Relations) -> None:
        found = self._truth.read(lambda tx: self._truth.comments.get(tx, parent_id))
        here = (found,) if found is not None and found.post_id == post_id else ()
        if not any(self._items(post_id, here, relations)):
            message = "parent names no comment on this post that the viewer can see"
            raise NotFound(message, argument="parent")

    def _lowest(self, post_id: int, parent_id: int, sort: str) -> int:
        """From which id on comments are ranked."""
        if sort != TOP_FIRST:
            return 0
        nth = self._settings.comments_ranked_max
        return self._truth.read(lambda tx: self._truth.comments.nth_newest(tx, post_id, parent_id, nth))

    def _fetching(
        self, post_id: int, parent_id: int, sort: str, lowest: int
    ) -> Callable[[Mark, int], Sequence[Ranked]]:
        comments, read = self._truth.comments, self._truth.read

        def newest(before: Mark, limit: int) -> list[Ranked]:
            found = read(lambda tx: comments.newest(tx, post_id, parent_id, before[1], limit))
            return [((0, comment.id), comment) for comment in found]

        def oldest(after: Mark, limit: int) -> list[Ranked]:
            found = read(lambda tx: comments.oldest(tx, post_id, parent_id, after[1], limit))
            return [((0, comment.id), comment) for comment in found]

        def top(before: Mark, limit: int) -> list[Ranked]:
            """Ranks begin with 1; what is too old to be ranked follows with rank 0."""
            if not before[0]:
                return newest(before, limit)
            at = (before[0] - 1, before[1])
            best = read(
                lambda tx: comments.top(tx, post_id, parent_id, lowest=lowest, before=at, limit=limit)
            )
            ranked = [((reactions + 1, comment.id), comment) for reactions, comment in best]
            return ranked if len(ranked) == limit else [*ranked, *newest((0, lowest), limit - len(ranked))]

        return {NEWEST: newest, OLDEST: oldest, TOP_FIRST: top}[sort]

    def _items(
        self, post_id: int, comments: Sequence[Comment], relations: Relations
    ) -> list[CommentItem[Key] | None]:
        """For each comment on one post its item, a gap, or None."""
        if not comments:
            return []
        now_ms = self._clock.now_ms()
        users = self._readthrough.users([comment.author_id for comment in comments])
        authors = [users.get(comment.author_id) for comment in comments]
        shown = comments_visible(comments, authors, relations, now_ms)
        hidden = [comment.id for comment, may_see in zip(comments, shown, strict=True) if not may_see]
        gaps = self._gaps(hidden, relations, now_ms) if hidden else set()
        ids = [comment.id for comment in comments]
        doings = self._readthrough.doings.of(relations, ids, on_post=post_id)
        return [
            CommentItem(comment, author, done.counts, done.own)
            if may_see
            else _gap(comment, done.counts)
            if comment.id in gaps
            else None
            for comment, author, may_see, done in zip(comments, authors, shown, doings, strict=True)
        ]

    def _gaps(self, comment_ids: Sequence[int], relations: Relations, now_ms: int) -> set[int]:
        """Those with something below them that this viewer is shown."""
        hidden = hidden_on(Surface.THREAD, relations)
        answered = self._truth.comments.answered
        return self._truth.read(lambda tx: answered(tx, comment_ids, hidden, now_ms))


_BEFORE_ALL: dict[str, Mark] = {NEWEST: (0, MAX_ID), OLDEST: (0, 0), TOP_FIRST: TOP}


def _gap(comment: Comment, counts: Counts) -> CommentItem[Key]:
    """What is left of a comment: its place. A deleted one and a hidden one look alike."""
    place = Comment(
        comment.id,
        comment.post_id,
        0,
        comment.created_ms,
        "",
        comment.parent_id,
        comment.path,
        deleted_ms=comment.created_ms,
    )
    return CommentItem(place, None, Counts(replies=counts.replies))
