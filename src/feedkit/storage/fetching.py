"""Posts, users and relations by id for one process: from the cache that processes share, else from truth."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from feedkit.clock import Clock
from feedkit.model import Post
from feedkit.relations import Relations
from feedkit.storage.base import Truth, Tx, UserRow
from feedkit.storage.lookups import Lookup, Shape
from feedkit.storage.shapes import PostShape, RelationsShape, UserShape
from feedkit.storage.touching import Cached, Touches

V = TypeVar("V")


class Fetching:
    """Fetches what this process has not cached itself.

    What fills the shared cache is asked of the primary. Without such a cache any copy of truth will do that has what
    the last events changed which are known here; what it lacks, the primary is asked for.
    """

    def __init__(self, truth: Truth, clock: Clock, touches: Touches, lookup: Lookup | None = None) -> None:
        self._truth, self._clock, self._touches, self._lookup = truth, clock, touches, lookup
        self._posts_at, self._posts = PostShape(Cached.POST_AT), PostShape(Cached.POST)
        self._users, self._relations = UserShape(), RelationsShape(clock)
        self.are_shared = lookup is not None

    def posts_at(self, positions: Sequence[int]) -> dict[int, Post | None]:
        """Posts by position; None for one that cannot be decoded."""
        return self._fetch(self._posts_at, positions, self._load_at)

    def posts_with_users(
        self, positions: Sequence[int], user_ids: Sequence[int]
    ) -> tuple[dict[int, Post | None], dict[int, UserRow]]:
        """Both at once, in one trip as far as processes share them."""
        if self._lookup is None:
            return self.posts_at(positions), self.users(user_ids)
        return self._lookup.get_both(
            (self._posts_at, positions, lambda some: self._truth.read(lambda tx: self._load_at(tx, some))),
            (self._users, user_ids, lambda some: self._truth.read(lambda tx: self._load_users(tx, some))),
        )

    def posts(self, post_ids: Sequence[int]) -> dict[int, Post]:
        """Posts by id."""

        def load(tx: Tx, wanted: Sequence[int]) -> dict[int, Post]:
            return {post.id: post for post in self._truth.posts.get_many(tx, wanted)[0]}

        return self._fetch(self._posts, post_ids, load)

    def users(self, user_ids: Sequence[int]) -> dict[int, UserRow]:
        """Users by id."""
        return self._fetch(self._users, user_ids, self._load_users)

    def relations(self, viewer_id: int) -> Relations:
        """Everything that decides what a viewer may see."""

        def load(tx: Tx, wanted: Sequence[int]) -> dict[int, Relations]:
            now_ms = self._clock.now_ms()
            return {one: self._truth.graph.relations(tx, one, now_ms) for one in wanted}

        return self._fetch(self._relations, (viewer_id,), load)[viewer_id]

    def _load_at(self, tx: Tx, positions: Sequence[int]) -> dict[int, Post | None]:
        posts, unreadable = self._truth.posts.at_positions(tx, positions)
        return {**{post.position: post for post in posts}, **dict.fromkeys(unreadable)}

    def _load_users(self, tx: Tx, user_ids: Sequence[int]) -> dict[int, UserRow]:
        return {row.id: row for row in self._truth.users.get_many(tx, user_ids)}

    def _fetch(
        self, shape: Shape[V], ids: Sequence[int], load: Callable[[Tx, Sequence[int]], Mapping[int, V]]
    ) -> dict[int, V]:
        if self._lookup is not None:
            return self._lookup.get_many(shape, ids, lambda some: self._truth.read(lambda tx: load(tx, some)))
        if not self._truth.copies:
            return dict(self._truth.read(lambda tx: load(tx, ids)))
        needed = self._touches.needed([(shape.kind, one) for one in ids])
        found = dict(self._truth.read_copy(lambda tx: load(tx, ids), needed))
        lacking = [one for one in ids if one not in found]
        if lacking:
            found |= self._truth.read(lambda tx: load(tx, lacking))
        return found
