"""Pinning posts to the top of their author's profile."""

from feedkit.clock import Clock
from feedkit.errors import Conflict, LimitExceeded
from feedkit.model import ACTIVE, NONE, Assoc, Event, EventKind, PostStatus, Relation
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx
from feedkit.writing.posts import PostWriting, no_such_post
from feedkit.writing.standing import Standing


class Pins:
    """The verbs for pins."""

    def __init__(
        self, truth: Truth, writing: PostWriting, standing: Standing, clock: Clock, settings: Settings
    ) -> None:
        self._truth, self._writing, self._standing = truth, writing, standing
        self._clock, self._settings = clock, settings

    def pin(self, author_id: int, post_id: int, host_tx: Tx | None = None) -> Relation:
        """Pin a published post of one's own.

        Raises NotFound where the author has no such post, Conflict for one that expires or is a repost,
        LimitExceeded past `pins_max`, Forbidden where the author is suspended.
        """
        return self._truth.write(lambda tx: self._pin(tx, author_id, post_id), within=host_tx)

    def unpin(self, author_id: int, post_id: int, host_tx: Tx | None = None) -> Relation:
        """Undo a pin."""

        def work(tx: Tx) -> Relation:
            changed = self._truth.graph.remove(tx, author_id, Assoc.PINS, post_id)
            return self._told(tx, NONE, author_id, post_id, changed=changed)

        return self._truth.write(work, within=host_tx)

    def _pin(self, tx: Tx, author_id: int, post_id: int) -> Relation:
        self._standing.check(tx, author_id)
        self._truth.graph.lock_pair(tx, author_id, author_id)
        post = self._writing.own(tx, author_id, post_id)
        if post.deleted_ms is not None or post.status is not PostStatus.PUBLISHED:
            raise no_such_post()
        if post.expires_ms is not None or post.repost_of is not None:
            raise Conflict(
                "post_id names a post that expires, or a repost; neither can be pinned", argument="post_id"
            )
        changed = self._truth.graph.add(tx, author_id, Assoc.PINS, post_id, self._clock.now_ms())
        limit = self._settings.pins_max
        if changed and self._truth.graph.count(tx, author_id, Assoc.PINS, limit + 1) > limit:
            raise LimitExceeded(
                f"author has {limit} posts pinned, the most there may be; unpin one, or raise the setting pins_max",
                argument="author",
                limit=limit,
            )
        return self._told(tx, ACTIVE, author_id, post_id, changed=changed)

    def _told(self, tx: Tx, status: str, author_id: int, post_id: int, *, changed: bool) -> Relation:
        if changed:
            event = Event(EventKind.PINS_CHANGED, author_id, post_id, self._clock.now_ms())
            self._truth.events.append(tx, event)
        return Relation(status, changed)
