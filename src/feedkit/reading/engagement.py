"""Who reacted to a post or comment."""

from collections.abc import Sequence
from functools import partial
from typing import Generic

from feedkit.clock import Clock
from feedkit.cursor import CursorCodec
from feedkit.errors import NotFound
from feedkit.model import Item, Key, User, UserPage
from feedkit.reading.comments import CommentReader
from feedkit.reading.posts import PostReader
from feedkit.reading.walks import WHOLE, MarkCursors, walk
from feedkit.relations import LOGGED_OUT, Relations
from feedkit.settings import Settings
from feedkit.storage.base import REACTED_BY, Truth
from feedkit.storage.engaging import Mark
from feedkit.storage.readthrough import ReadThrough
from feedkit.visibility import people_visible

_NEWEST = "newest"


class Reactions(Generic[Key]):
    """Reads who reacted."""

    def __init__(
        self,
        truth: Truth,
        readthrough: ReadThrough[Key],
        posts: PostReader[Key],
        comments: CommentReader[Key],
        cursors: CursorCodec,
        settings: Settings,
        *,
        clock: Clock,
    ) -> None:
        self._truth, self._readthrough, self._posts, self._comments = truth, readthrough, posts, comments
        self._cursors, self._settings, self._clock = cursors, settings, clock

    def page(
        self,
        viewer_id: int | None,
        viewer_tag: int,
        target_id: int,
        kind: str | None,
        *,
        cursor: object,
        limit: int,
    ) -> UserPage[Key]:
        """The people who reacted, with that kind or any, those who did so last first; each stands there once.

        Raises NotFound where there is no such post or comment that this viewer may see.
        """
        cursors = MarkCursors(self._cursors, viewer_tag, f"reactions:{target_id}:{kind or ''}", _NEWEST)
        start, _ = cursors.decode(cursor) or WHOLE
        target_id = self._target(viewer_id, target_id)
        relations = self._readthrough.viewer(viewer_id or LOGGED_OUT).relations

        def fetch(before: Mark, limit: int) -> list[tuple[Mark, Mark]]:
            return [(mark, mark) for mark in self._newest(target_id, kind, before, limit)]

        def show(marks: Sequence[Mark]) -> list[User[Key] | None]:
            users = self._people(marks, relations)
            return users if kind is not None else self._once(target_id, marks, users)

        walked = walk(fetch, show, start, limit, self._settings.max_scan)
        return UserPage(walked.items, cursors.within(walked.last))

    def _target(self, viewer_id: int | None, target_id: int) -> int:
        """What the id stands for."""
        seen = self._posts.many(viewer_id, (target_id,))[0] or self._comments.one(viewer_id, target_id)
        if seen is None:
            message = "target_id names no post or comment that this viewer can see"
            raise NotFound(message, argument="target_id")
        return seen.post.id if isinstance(seen, Item) else seen.comment.id

    def _newest(self, target_id: int, kind: str | None, before: Mark, limit: int) -> list[Mark]:
        engagement = self._truth.engagement
        if kind is None:
            newest = partial(engagement.newest_of_kinds, id1=target_id, prefix=REACTED_BY)
        else:
            newest = partial(engagement.newest, id1=target_id, kind=REACTED_BY + kind)
        return self._truth.read(lambda tx: newest(tx, before=before, limit=limit))

    def _people(self, marks: Sequence[Mark], relations: Relations) -> list[User[Key] | None]:
        found = self._readthrough.users([user_id for _, user_id in marks])
        users = list(found.values())
        visible = dict(zip(found, people_visible(users, relations, self._clock.now_ms()), strict=True))
        return [found[one] if visible.get(one) else None for _, one in marks]

    def _once(
        self, target_id: int, marks: Sequence[Mark], users: Sequence[User[Key] | None]
    ) -> list[User[Key] | None]:
        """Who reacted in several ways stands where they did so last."""
        ids = [user_id for _, user_id in marks]
        last = self._truth.read(lambda tx: self._truth.engagement.last(tx, target_id, REACTED_BY, ids))
        return [
            user if last.get(user_id, time) == time else None
            for (time, user_id), user in zip(marks, users, strict=True)
        ]
