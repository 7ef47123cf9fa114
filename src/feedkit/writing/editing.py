"""Editing posts: what they say, and who may see them."""

from collections.abc import Mapping
from typing import Any

import attrs

from feedkit.clock import Clock
from feedkit.errors import Conflict, Forbidden, LimitExceeded
from feedkit.model import Post, PostStatus, Revision
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx
from feedkit.writing.drafts import Drafting
from feedkit.writing.entities import Entities
from feedkit.writing.posts import PostWriting, no_such_post
from feedkit.writing.standing import Standing

_CONTENT = ("text", "media", "extra_json", "fallback")


class Editing:
    """The verb for edits. What a post said before is kept beside it, for its author and staff."""

    def __init__(
        self,
        truth: Truth,
        writing: PostWriting,
        standing: Standing,
        clock: Clock,
        settings: Settings,
        *,
        entities: Entities[Any],
    ) -> None:
        self._truth, self._writing, self._standing = truth, writing, standing
        self._entities = entities
        self._clock, self._settings = clock, settings
        self._drafting = Drafting(settings)

    def edit(
        self, author_id: int, post_id: int, given: Mapping[str, object], host_tx: Tx | None = None
    ) -> Post:
        """Change what is given of a post. What comes to nothing new leaves no trace.

        Raises:
            NotFound: the author has no such post, or no such list.
            Conflict: it is a draft, or a repost.
            Forbidden: staff removed it, or the author is suspended.
            LimitExceeded: it was edited `revisions_max` times.
        """
        named = self._entities.given(given, host_tx)

        def work(tx: Tx) -> Post:
            self._standing.check(tx, author_id)
            before = self._writing.own(tx, author_id, post_id)
            _check_editable(before, self._clock.now_ms())
            after = attrs.evolve(before, **self._drafting.changes(given, before.audience), **named)
            if after.list_id != before.list_id:
                self._writing.check_list(tx, author_id, after.list_id)
            return before if after == before else self._edit(tx, before, after)

        return self._truth.write(work, within=host_tx)

    def _edit(self, tx: Tx, before: Post, after: Post) -> Post:
        now_ms = self._clock.now_ms()
        if any(getattr(after, name) != getattr(before, name) for name in _CONTENT):
            self._keep(tx, before, now_ms)
            after = attrs.evolve(after, revision=before.revision + 1, edited_ms=now_ms)
        return self._writing.store(tx, before, after, now_ms)

    def _keep(self, tx: Tx, before: Post, now_ms: int) -> None:
        limit = self._settings.revisions_max
        if before.revision >= limit:
            raise LimitExceeded(
                f"post_id names a post that was edited {limit} times, the most there may be; publish a new one, or "
                "raise the setting revisions_max",
                argument="post_id",
                limit=limit,
            )
        said = Revision(before.revision, before.text, before.media, before.extra_json, now_ms)
        self._truth.lives.add_revision(tx, before.id, said)


def _check_editable(post: Post, now_ms: int) -> None:
    if post.deleted_ms is not None or post.has_ended(now_ms):
        raise no_such_post()
    if post.status is PostStatus.DRAFT:
        raise Conflict("post_id names a draft; change it with feed.drafts.save", argument="post_id")
    if post.status is PostStatus.REMOVED:
        raise Forbidden("post_id names a post that staff removed", argument="post_id")
    if post.repost_of is not None:
        raise Conflict("post_id names a repost, which has no content of its own", argument="post_id")
