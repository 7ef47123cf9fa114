"""The profile: what one author published, and what they reacted to, as a viewer may see it."""

from enum import StrEnum
from typing import Any, Generic

from feedkit.idset import single
from feedkit.model import Assoc, Count, Item, Key, ProfilePage, User, UserCounts
from feedkit.reading.feeds import FeedReader, Opened
from feedkit.reading.marked import Reacted
from feedkit.reading.sources import FROM_TRUTH, Empty, Selected, Source, Timelined
from feedkit.reading.walks import TOP
from feedkit.relations import LOGGED_OUT, Relations, Tie, no_relations, staff_relations
from feedkit.storage.base import Truth
from feedkit.storage.readthrough import ReadThrough
from feedkit.storage.selections import Part
from feedkit.visibility import Surface


class Tab(StrEnum):
    """What a page of a profile shows: a part of what somebody published, or what they reacted to."""

    POSTS = Part.POSTS.value
    REPLIES = Part.REPLIES.value
    MEDIA = Part.MEDIA.value
    REACTIONS = "reactions"


class Profile(Generic[Key]):
    """Reads profile pages."""

    def __init__(
        self,
        reader: FeedReader[Key],
        readthrough: ReadThrough[Key],
        truth: Truth,
        reacted: Reacted[Key],
    ) -> None:
        self._reader, self._readthrough, self._reacted = reader, readthrough, reacted
        self._truth = truth

    def page(
        self,
        viewer_id: int | None,
        viewer_tag: int,
        author_id: int | None,
        author_key: Key,
        author_tag: int,
        *,
        tab: Tab,
        cursor: object,
        limit: int,
    ) -> ProfilePage[Key]:
        """A page of one tab of somebody's profile.

        An author whom feedkit has not met, and one who blocks or is blocked, look alike: nothing is told.
        """

        def relations_now() -> Relations:
            return self._readthrough.viewer(viewer_id or LOGGED_OUT).relations

        name = f"profile:{author_tag}:{tab}"
        if tab is Tab.REACTIONS:
            self._reader.log.catch_up()
            fields = self._reacted.fields(
                name, viewer_tag, relations_now(), author_id, cursor=cursor, limit=limit
            )
        else:
            part = Part(tab)
            fields = self._reader.read(
                name, viewer_tag, cursor, limit, lambda: self._open(relations_now(), author_id, part)
            )
        pins = cursor is None and tab is Tab.POSTS
        return self._page(fields, relations_now(), author_id, author_key, pins=pins)

    def for_staff(
        self, author_id: int, author_key: Key, author_tag: int, *, cursor: object, limit: int
    ) -> ProfilePage[Key]:
        """A page of an author's posts of every audience, whatever stands between them and others."""
        name, relations = f"staff-profile:{author_tag}", staff_relations()
        fields = self._reader.read(
            name, LOGGED_OUT, cursor, limit, lambda: self._open(relations, author_id, None)
        )
        return self._page(fields, relations, author_id, author_key, pins=cursor is None)

    def _page(
        self,
        fields: dict[str, Any],
        relations: Relations,
        author_id: int | None,
        author_key: Key,
        *,
        pins: bool,
    ) -> ProfilePage[Key]:
        """What was read, beside whose it is."""
        stranger = User(0, author_key)
        if author_id is None or _is_blocked(relations, author_id):
            return ProfilePage(**fields, user=stranger, counts=UserCounts())
        user = self._readthrough.users((author_id,)).get(author_id, stranger)
        counts = self._truth.read(lambda tx: self._truth.counts.get_many(tx, (author_id,)))
        pinned = self._pinned(relations, author_id) if pins else ()
        return ProfilePage(
            **fields, user=user, counts=_counts(counts.get(author_id, {})), pinned=tuple(pinned)
        )

    def _open(self, relations: Relations, author_id: int | None, part: Part | None) -> Opened:
        if author_id is None or _is_blocked(relations, author_id):
            return Opened(Empty(), no_relations(LOGGED_OUT), Surface.PROFILE)
        source = self._everything(author_id) if part is None else self._part(author_id, part)
        return Opened(source, relations, Surface.PROFILE)

    def _part(self, author_id: int, part: Part) -> Source:
        return Selected(self._truth, lambda tx, span: self._truth.selections.part(tx, author_id, part, span))

    def _everything(self, author_id: int) -> Source:
        """From truth: an outbox may hold what was taken back, which staff are not kept from seeing."""
        return Timelined(self._truth, author_id, single(author_id), [FROM_TRUTH])

    def _pinned(self, relations: Relations, author_id: int) -> list[Item[Key]]:
        """What the author has pinned, what was pinned last first, as far as the viewer may see it."""
        limit = self._reader.settings.pins_max
        pins = self._truth.read(lambda tx: self._truth.graph.newest(tx, author_id, Assoc.PINS, TOP, limit))
        posts = self._readthrough.posts([post_id for _, post_id in pins]) if pins else {}
        pinned = [posts[post_id] for _, post_id in pins if post_id in posts]
        items = self._reader.hydrator.items(pinned, relations, Surface.PROFILE)
        return [item for item in items if item is not None]


def _is_blocked(relations: Relations, author_id: int) -> bool:
    return relations.with_each((author_id,))[0] & Tie.BLOCKED != 0


_OF_USERS = (Count.FOLLOWERS, Count.FOLLOWING, Count.FRIENDS, Count.POSTS)


def _counts(stored: dict[str, int]) -> UserCounts:
    """Those kinds that this code knows; newer code may keep others."""
    return UserCounts(**{kind.value: stored.get(kind.value, 0) for kind in _OF_USERS})
