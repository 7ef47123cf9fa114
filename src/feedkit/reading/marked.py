"""Posts in the order in which one person did something to them: what they saved, and what they reacted to."""

from collections.abc import Sequence
from typing import Any, Generic

import attrs

from feedkit.clock import Clock
from feedkit.cursor import CursorCodec
from feedkit.model import Assoc, Item, Key, Page
from feedkit.reading.hydrate import Hydrator
from feedkit.reading.walks import TOP, WHOLE, Fetch, MarkCursors, walk
from feedkit.relations import LOGGED_OUT, Relations
from feedkit.settings import Settings
from feedkit.storage.base import REACTED, Truth
from feedkit.storage.engaging import Mark
from feedkit.storage.readthrough import ReadThrough
from feedkit.visibility import Surface, shows_reactions

_NEWEST = "newest"


@attrs.frozen(slots=True)
class MarkedPosts(Generic[Key]):
    """Fills pages of posts that stand in a list of somebody's, the last that they put there first."""

    readthrough: ReadThrough[Key]
    hydrator: Hydrator[Key]
    cursors: CursorCodec
    settings: Settings

    def fields(
        self,
        name: str,
        viewer_tag: int,
        relations: Relations,
        surface: Surface,
        newest: Fetch[int | None],
        *,
        cursor: object,
        limit: int,
    ) -> dict[str, Any]:
        """The fields of a Page. `newest` gives the ids of posts by their marks; None for what stands elsewhere too."""
        cursors = MarkCursors(self.cursors, viewer_tag, name, _NEWEST)
        start, stop = cursors.decode(cursor) or WHOLE

        def fetch(before: Mark, limit: int) -> list[tuple[Mark, int | None]]:
            return [(mark, one) for mark, one in newest(before, limit) if mark > stop]

        def show(post_ids: Sequence[int | None]) -> list[Item[Key] | None]:
            return self._items(post_ids, relations, surface)

        walked = walk(fetch, show, start, limit, self.settings.max_scan)
        top = walked.marks[0] if walked.marks else stop if start == TOP else start
        return {
            "items": walked.items,
            "next_cursor": cursors.within(walked.last, stop),
            "newer_cursor": cursors.newer(top),
            "truncated": walked.truncated,
        }

    def _items(
        self, post_ids: Sequence[int | None], relations: Relations, surface: Surface
    ) -> list[Item[Key] | None]:
        found = self.readthrough.posts([one for one in post_ids if one is not None])
        posts = [found.get(one) if one is not None else None for one in post_ids]
        items = iter(self.hydrator.items([post for post in posts if post is not None], relations, surface))
        return [None if post is None else next(items) for post in posts]


class Saved(Generic[Key]):
    """Reads what somebody saved, which nobody else ever sees."""

    def __init__(self, truth: Truth, readthrough: ReadThrough[Key], posts: MarkedPosts[Key]) -> None:
        self._truth, self._readthrough, self._posts = truth, readthrough, posts

    def page(self, viewer_id: int | None, viewer_tag: int, *, cursor: object, limit: int) -> Page[Key]:
        """The posts that this viewer saved and still may see, the newest save first."""
        relations = self._readthrough.viewer(viewer_id or LOGGED_OUT).relations
        fields = self._posts.fields(
            "saved", viewer_tag, relations, Surface.POST, self._newest(viewer_id), cursor=cursor, limit=limit
        )
        return Page(**fields)

    def _newest(self, viewer_id: int | None) -> Fetch[int | None]:
        if viewer_id is None:
            return nothing
        newest = self._truth.engagement.newest

        def fetch(before: Mark, limit: int) -> list[tuple[Mark, int | None]]:
            marks = self._truth.read(lambda tx: newest(tx, viewer_id, Assoc.SAVES, before, limit))
            return [(mark, mark[1]) for mark in marks]

        return fetch


class Reacted(Generic[Key]):
    """Reads to what somebody reacted: their own business, unless `reactions_shown_to` says otherwise."""

    def __init__(
        self, truth: Truth, readthrough: ReadThrough[Key], posts: MarkedPosts[Key], clock: Clock
    ) -> None:
        self._truth, self._readthrough, self._posts, self._clock = truth, readthrough, posts, clock
        self._to_others = posts.settings.reactions_shown_to == "everybody"

    def fields(
        self,
        name: str,
        viewer_tag: int,
        relations: Relations,
        person_id: int | None,
        *,
        cursor: object,
        limit: int,
    ) -> dict[str, Any]:
        """The fields of a page of the posts that they reacted to, in whichever way, and that the viewer may see.

        Each stands once, where they last reacted to it. Whoever may not look meets an empty page.
        """
        newest: Fetch[int | None] = nothing
        if person_id is not None and self._is_shown(person_id, relations):
            newest = self._newest(person_id)
        return self._posts.fields(
            name, viewer_tag, relations, Surface.PROFILE, newest, cursor=cursor, limit=limit
        )

    def _is_shown(self, person_id: int, relations: Relations) -> bool:
        person = self._readthrough.users((person_id,)).get(person_id)
        return shows_reactions(person, relations, self._clock.now_ms(), to_others=self._to_others)

    def _newest(self, person_id: int) -> Fetch[int | None]:
        engagement = self._truth.engagement

        def fetch(before: Mark, limit: int) -> list[tuple[Mark, int | None]]:
            def read(tx: Any) -> tuple[list[Mark], dict[int, int]]:
                marks = engagement.newest_of_kinds(tx, person_id, REACTED, before, limit)
                return marks, engagement.last(tx, person_id, REACTED, [one for _, one in marks])

            marks, last = self._truth.read(read)
            return [((time, one), one if last.get(one, time) == time else None) for time, one in marks]

        return fetch


def nothing(_before: Mark, _limit: int) -> list[tuple[Mark, int | None]]:
    """An empty list, to fetch from."""
    return []
