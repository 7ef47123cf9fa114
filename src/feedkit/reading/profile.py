"""The profile: what one author published, as a viewer may see it."""

from typing import Generic

from feedkit.fanout.rebuild import Timelines
from feedkit.idset import EMPTY, single
from feedkit.model import Count, Key, ProfilePage, User, UserCounts
from feedkit.reading.feeds import FeedReader, Opened
from feedkit.reading.sources import Source
from feedkit.storage.base import Truth
from feedkit.storage.readthrough import ReadThrough
from feedkit.visibility import LOGGED_OUT, Surface, Tie, no_relations


class Profile(Generic[Key]):
    """Reads profile pages."""

    def __init__(
        self, reader: FeedReader[Key], readthrough: ReadThrough[Key], timelines: Timelines, truth: Truth
    ) -> None:
        self._reader, self._readthrough = reader, readthrough
        self._timelines, self._truth = timelines, truth

    def page(
        self,
        viewer_id: int | None,
        viewer_tag: int,
        author_id: int | None,
        author_key: Key,
        author_tag: int,
        *,
        cursor: object,
        limit: int,
    ) -> ProfilePage[Key]:
        """A page of an author's posts.

        An author whom feedkit has not met, and one who blocks or is blocked, look alike: nothing is told.
        """
        fields = self._reader.read(
            f"profile:{author_tag}", viewer_tag, cursor, limit, lambda: self._open(viewer_id, author_id)
        )
        stranger = User(0, author_key)
        if author_id is None or self._is_blocked(viewer_id, author_id):
            return ProfilePage(**fields, user=stranger, counts=UserCounts())
        user = self._readthrough.users((author_id,)).get(author_id, stranger)
        counts = self._truth.read(lambda tx: self._truth.counts.get_many(tx, (author_id,)))
        return ProfilePage(**fields, user=user, counts=_counts(counts.get(author_id, {})))

    def _open(self, viewer_id: int | None, author_id: int | None) -> Opened:
        viewer = self._readthrough.viewer(viewer_id or LOGGED_OUT)
        if author_id is None or self._is_blocked(viewer_id, author_id):
            return Opened(Source(self._truth, LOGGED_OUT, EMPTY), no_relations(LOGGED_OUT), Surface.PROFILE)
        source = Source(
            self._truth, viewer_id or LOGGED_OUT, single(author_id), self._timelines.outboxes((author_id,))
        )
        return Opened(source, viewer.relations, Surface.PROFILE)

    def _is_blocked(self, viewer_id: int | None, author_id: int) -> bool:
        relations = self._readthrough.viewer(viewer_id or LOGGED_OUT).relations
        return relations.with_each((author_id,))[0] & Tie.BLOCKED != 0


_OF_USERS = (Count.FOLLOWERS, Count.FOLLOWING, Count.FRIENDS, Count.POSTS)


def _counts(stored: dict[str, int]) -> UserCounts:
    """Those kinds that this code knows; newer code may keep others."""
    return UserCounts(**{kind.value: stored.get(kind.value, 0) for kind in _OF_USERS})
