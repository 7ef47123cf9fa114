"""Who reacted to a post or comment, and what somebody saved."""

from collections.abc import Sequence
from heapq import merge
from itertools import islice
from typing import Generic

from feedkit.clock import Clock
from feedkit.cursor import CursorCodec
from feedkit.errors import NotFound
from feedkit.model import Assoc, Item, Key, Page, User, UserPage
from feedkit.reading.comments import CommentReader
from feedkit.reading.hydrate import Hydrator
from feedkit.reading.posts import PostReader
from feedkit.reading.walks import TOP, WHOLE, MarkCursors, walk
from feedkit.settings import Settings
from feedkit.storage.base import REACTED_BY, Truth
from feedkit.storage.engaging import Mark
from feedkit.storage.readthrough import ReadThrough
from feedkit.visibility import LOGGED_OUT, Relations, Surface, people_visible

_NEWEST = "newest"


class Saved(Generic[Key]):
    """Reads what somebody saved, which nobody else ever sees."""

    def __init__(
        self,
        truth: Truth,
        readthrough: ReadThrough[Key],
        hydrator: Hydrator[Key],
        cursors: CursorCodec,
        settings: Settings,
    ) -> None:
        self._truth, self._readthrough, self._hydrator = truth, readthrough, hydrator
        self._cursors, self._settings = cursors, settings

    def page(self, viewer_id: int | None, viewer_tag: int, *, cursor: object, limit: int) -> Page[Key]:
        """The posts that this viewer saved and still may see, the newest save first."""
        cursors = MarkCursors(self._cursors, viewer_tag, "saved", _NEWEST)
        start, stop = cursors.decode(cursor) or WHOLE
        relations = self._readthrough.viewer(viewer_id or LOGGED_OUT).relations

        def fetch(before: Mark, limit: int) -> list[tuple[Mark, int]]:
            if viewer_id is None:
                return []
            newest = self._truth.engagement.newest
            marks = self._truth.read(lambda tx: newest(tx, viewer_id, Assoc.SAVES, before, limit))
            return [(mark, mark[1]) for mark in marks if mark > stop]

        walked = walk(fetch, lambda ids: self._items(ids, relations), start, limit, self._settings.max_scan)
        top = walked.marks[0] if walked.marks else stop if start == TOP else start
        return Page(
            walked.items,
            cursors.within(walked.last, stop),
            cursors.newer(top),
            truncated=walked.truncated,
        )

    def _items(self, post_ids: Sequence[int], relations: Relations) -> list[Item[Key] | None]:
        found = self._readthrough.posts(post_ids)
        posts = [found[one] for one in post_ids if one in found]
        items = iter(self._hydrator.items(posts, relations, Surface.POST))
        return [next(items) if one in found else None for one in post_ids]


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
        target_id, kinds = self._target(viewer_id, target_id)
        chosen = kinds if kind is None else [kind]
        relations = self._readthrough.viewer(viewer_id or LOGGED_OUT).relations

        def fetch(before: Mark, limit: int) -> list[tuple[Mark, Mark]]:
            return [(mark, mark) for mark in self._newest(target_id, chosen, before, limit)]

        def show(marks: Sequence[Mark]) -> list[User[Key] | None]:
            users = self._people(marks, relations)
            return users if kind is not None else self._once(target_id, marks, users)

        walked = walk(fetch, show, start, limit, self._settings.max_scan)
        return UserPage(walked.items, cursors.within(walked.last))

    def _target(self, viewer_id: int | None, target_id: int) -> tuple[int, Sequence[str]]:
        """What the id stands for, and the kinds of reactions that there may be to it."""
        seen = self._posts.many(viewer_id, (target_id,))[0] or self._comments.one(viewer_id, target_id)
        if seen is None:
            message = "target_id names no post or comment that this viewer can see"
            raise NotFound(message, argument="target_id")
        found_id = seen.post.id if isinstance(seen, Item) else seen.comment.id
        return found_id, sorted({*self._settings.reaction_kinds.split(","), *seen.counts.reacted})

    def _newest(self, target_id: int, kinds: Sequence[str], before: Mark, limit: int) -> list[Mark]:
        newest = self._truth.engagement.newest
        of_kinds = self._truth.read(
            lambda tx: [newest(tx, target_id, REACTED_BY + kind, before, limit) for kind in kinds]
        )
        merged = dict.fromkeys(merge(*of_kinds, reverse=True))
        return list(islice(merged, limit))

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
        last = self._truth.read(lambda tx: self._truth.engagement.reacted_last(tx, target_id, ids))
        return [
            user if last.get(user_id, time) == time else None
            for (time, user_id), user in zip(marks, users, strict=True)
        ]
