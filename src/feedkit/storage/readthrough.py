"""Truth as readers see it, cached in this process: posts, users, relations, the pulled list.

Applying the log takes out what its events changed. A process applies the log before it serves a read,
so no reader meets a value from before a change that was committed before the read began.
"""

from collections.abc import Callable, Sequence
from typing import Generic

import attrs

from feedkit.clock import Clock
from feedkit.idset import EMPTY, Ids, contains
from feedkit.metrics import Metrics, of_cache
from feedkit.model import Event, EventKind, Key, Post, User
from feedkit.relations import LOGGED_OUT, Relations, no_relations
from feedkit.settings import Settings
from feedkit.storage.base import Truth
from feedkit.storage.cache import LeasedCache
from feedkit.storage.directory import Directory
from feedkit.storage.doings import Doings
from feedkit.storage.fetching import Fetching
from feedkit.visibility import home_authors

_PULLED = 0  # the pulled list is one value under one key


@attrs.define(slots=True, eq=False)
class Viewer:
    """One viewer's relations, and what follows from them for every home read: whose posts can stand there."""

    relations: Relations
    home_authors: Ids
    _merged: tuple[Ids, list[int]] = (EMPTY, [])

    def among_home_authors(self, authors: Ids) -> list[int]:
        """Those of some authors (sorted) whose posts can stand there; worked out once for the same array."""
        known, found = self._merged
        if known is not authors:
            found = authors[contains(self.home_authors, authors)].tolist()
            self._merged = authors, found
        return found


class ReadThrough(Generic[Key]):
    """Values by id; what is not cached comes from truth. A log consumer of this process."""

    def __init__(
        self,
        truth: Truth,
        directory: Directory[Key],
        clock: Clock,
        settings: Settings,
        doings: Doings,
        metrics: Metrics | None = None,
        *,
        fetching: Fetching,
    ) -> None:
        self._truth, self._directory, self._clock, self.doings = truth, directory, clock, doings
        self._fetching = fetching
        self._posts: LeasedCache[int, Post | None] = LeasedCache(
            settings.posts_cached, of_cache(metrics, "posts")
        )
        self._posts_by_id: LeasedCache[int, Post] = LeasedCache(
            settings.posts_cached, of_cache(metrics, "posts")
        )
        self._users: LeasedCache[int, User[Key]] = LeasedCache(
            settings.users_cached, of_cache(metrics, "users")
        )
        self._viewers: LeasedCache[int, Viewer] = LeasedCache(
            settings.relations_cached, of_cache(metrics, "relations")
        )
        self._pulled: LeasedCache[int, Ids] = LeasedCache(1)

    def posts_at(
        self, positions: Sequence[int], authors_at: Callable[[Sequence[int]], Ids] | None = None
    ) -> dict[int, Post | None]:
        """Posts by position; None for one that cannot be decoded, nothing for one that does not exist.

        `authors_at` tells whose posts some are, so that their authors are fetched along.
        """
        if authors_at is None or not self._fetching.are_shared:
            return self._posts.get_many(positions, self._fetching.posts_at)
        return self._posts.get_many(
            positions, lambda missing: self._with_authors(missing, authors_at(missing))
        )

    def posts(self, post_ids: Sequence[int]) -> dict[int, Post]:
        """Posts by id; nothing for one that does not exist or cannot be decoded."""
        return self._posts_by_id.get_many(post_ids, self._fetching.posts)

    def users(self, user_ids: Sequence[int]) -> dict[int, User[Key]]:
        """Users by id."""
        return self._users.get_many(user_ids, self._load_users)

    def authors(self, posts: Sequence[Post]) -> Sequence[User[Key] | None]:
        """The author of each post."""
        return self._users.get_each([post.author_id for post in posts], self._load_users)

    def viewer(self, viewer_id: int) -> Viewer:
        """What decides what this viewer sees."""
        if viewer_id == LOGGED_OUT:
            return _viewer(no_relations(LOGGED_OUT))
        viewer = self._viewers.get(viewer_id, lambda: self._load_viewer(viewer_id))
        if viewer.relations.until_ms > self._clock.now_ms():
            return viewer
        self._viewers.discard((viewer_id,))  # a mute has lapsed
        return self._viewers.get(viewer_id, lambda: self._load_viewer(viewer_id))

    def pulled(self) -> Ids:
        """Authors whose outboxes are merged in at read time."""
        return self._pulled.get(_PULLED, lambda: self._truth.read(self._truth.pulled.all))

    def apply(self, events: Sequence[Event]) -> None:
        """Take out what these events changed."""
        for event in events:
            self._apply(event)

    def clear(self) -> None:
        """Forget everything."""
        for cache in (
            self._posts,
            self._posts_by_id,
            self.doings,
            self._users,
            self._viewers,
            self._pulled,
        ):
            cache.clear()

    def _apply(self, event: Event) -> None:
        match event.kind:
            case EventKind.POST_PUBLISHED | EventKind.POST_EDITED | EventKind.POST_DELETED:
                self._posts.discard((event.position,))
                self._posts_by_id.discard((event.object_id,))
                self.doings.discard_counts([one for _, one in event.about])
            case EventKind.USER_CHANGED:
                self._users.discard((event.object_id,))
            case EventKind.REACTION_ADDED | EventKind.REACTION_REMOVED:
                self.doings.discard_counts((event.object_id,))
                self.doings.discard_own(event.actor_id, event.object_id)
            case EventKind.SAVE_ADDED | EventKind.SAVE_REMOVED:
                self.doings.discard_own(event.actor_id, event.object_id)
            case EventKind.COMMENT_ADDED | EventKind.COMMENT_REMOVED:
                self.doings.discard_counts([one for _, one in event.about])
            case EventKind.LIST_CHANGED:
                self._viewers.discard([one for _, one in event.about])
            case EventKind.PULL_STARTED | EventKind.PULL_ENDED:
                self._pulled.discard((_PULLED,))
            case EventKind.IMPORTED:
                self.clear()
            case EventKind.COMMENT_EDITED | EventKind.PINS_CHANGED | EventKind.POST_SCHEDULED:
                pass
            case _:
                self._viewers.discard((event.actor_id, event.object_id))

    def _with_authors(self, positions: Sequence[int], authors: Ids) -> dict[int, Post | None]:
        """Posts by position; their authors are cached after that, under leases of their own."""
        found: list[dict[int, Post | None]] = []

        def load(user_ids: Sequence[int]) -> dict[int, User[Key]]:
            posts, rows = self._fetching.posts_with_users(positions, user_ids)
            found.append(posts)
            return {row.id: self._directory.user(row) for row in rows.values()}

        self._users.get_many(authors.tolist(), load)
        return found[0] if found else self._fetching.posts_at(positions)

    def _load_users(self, user_ids: Sequence[int]) -> dict[int, User[Key]]:
        rows = self._fetching.users(user_ids)
        return {row.id: self._directory.user(row) for row in rows.values()}

    def _load_viewer(self, viewer_id: int) -> Viewer:
        return _viewer(self._fetching.relations(viewer_id))


def _viewer(relations: Relations) -> Viewer:
    return Viewer(relations, home_authors(relations))
