"""Drafts that are kept: saved, scheduled, published later."""

from collections.abc import Mapping
from typing import Any

import attrs

from feedkit.clock import Clock
from feedkit.errors import Conflict, InvalidArgument, LimitExceeded
from feedkit.model import Audience, Post, PostStatus
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx
from feedkit.storage.minting import Minting
from feedkit.writing.drafts import Drafting
from feedkit.writing.entities import Entities
from feedkit.writing.posts import PostWriting, no_such_post
from feedkit.writing.standing import Standing
from feedkit.writing.targets import Targets
from feedkit.writing.timing import Timing, check_end


class StoredDrafts:
    """The verbs for drafts. A draft's id stays; its position is minted when it becomes visible."""

    def __init__(
        self,
        truth: Truth,
        minting: Minting,
        writing: PostWriting,
        standing: Standing,
        clock: Clock,
        settings: Settings,
        *,
        targets: Targets[Any],
        entities: Entities[Any],
    ) -> None:
        self._targets, self._entities = targets, entities
        self._truth, self._minting, self._writing = truth, minting, writing
        self._standing, self._clock, self._settings = standing, clock, settings
        self._drafting = Drafting(settings)

    def save(
        self, author_id: int, post_id: int | None, given: Mapping[str, object], host_tx: Tx | None = None
    ) -> Post:
        """Keep a new draft, or change what is given of one.

        Raises NotFound where the author has no such post, Conflict where it is no draft any more.
        """
        named = self._entities.given(given, host_tx)
        if post_id is not None:
            return self._truth.write(
                lambda tx: self._change(tx, author_id, post_id, given, named), within=host_tx
            )
        now_ms = self._clock.now_ms()
        content = self._drafting.changes(given, Audience.PUBLIC) | named
        post = Post(self._minting.mint(host_tx), 0, author_id, now_ms, status=PostStatus.DRAFT, **content)
        return self._truth.write(
            lambda tx: self._add(tx, post), within=host_tx, landed=lambda tx: self._landed(tx, post.id)
        )

    def publish(self, author_id: int, post_id: int, timing: Timing, host_tx: Tx | None = None) -> Post:
        """Publish a draft now or at a moment. One that is published already stays as it is.

        Raises:
            NotFound: the author has no such post, or may not see what it answers or quotes.
            Forbidden: what it quotes is not for everybody, or the author is suspended.
        """
        position = self._minting.mint(host_tx) if timing.at_ms is None else 0

        def work(tx: Tx) -> Post:
            self._standing.check(tx, author_id)
            before = self._standing_post(tx, author_id, post_id)
            if before.status is not PostStatus.DRAFT:
                return before
            now_ms = self._clock.now_ms()
            fields = timing.fields(now_ms, self._settings)
            if fields["expires_ms"] is None and before.expires_ms is not None:
                _check_kept_end(timing.at_ms or now_ms, before.expires_ms, self._settings)
                fields["expires_ms"] = before.expires_ms
            after = self._targets.named_by(tx, attrs.evolve(before, position=position, **fields))
            return self._writing.store(tx, before, after, now_ms)

        return self._truth.write(work, within=host_tx)

    def unschedule(self, author_id: int, post_id: int, host_tx: Tx | None = None) -> Post:
        """Make a scheduled post a plain draft again. Raises like `save`."""

        def work(tx: Tx) -> Post:
            before = self._draft(tx, author_id, post_id)
            after = attrs.evolve(before, scheduled_ms=None)
            return self._writing.store(tx, before, after, self._clock.now_ms())

        return self._truth.write(work, within=host_tx)

    def _add(self, tx: Tx, post: Post) -> Post:
        self._truth.graph.lock_pair(tx, post.author_id, post.author_id)
        limit = self._settings.drafts_max
        if self._truth.lives.count_drafts(tx, post.author_id, limit) >= limit:
            raise LimitExceeded(
                f"author has {limit} drafts, the most there may be; publish or discard some, or raise the setting "
                "drafts_max",
                argument="author",
                limit=limit,
            )
        self._writing.check_list(tx, post.author_id, post.list_id)
        return self._writing.store(tx, None, post, post.created_ms)

    def _change(
        self, tx: Tx, author_id: int, post_id: int, given: Mapping[str, object], named: Mapping[str, Any]
    ) -> Post:
        before = self._draft(tx, author_id, post_id)
        after = attrs.evolve(before, **self._drafting.changes(given, before.audience), **named)
        if after.list_id != before.list_id:
            self._writing.check_list(tx, author_id, after.list_id)
        return self._writing.store(tx, before, after, self._clock.now_ms())

    def _draft(self, tx: Tx, author_id: int, post_id: int) -> Post:
        post = self._standing_post(tx, author_id, post_id)
        if post.status is not PostStatus.DRAFT:
            raise Conflict("post_id names a post that is no draft any more; edit it", argument="post_id")
        return post

    def _standing_post(self, tx: Tx, author_id: int, post_id: int) -> Post:
        post = self._writing.own(tx, author_id, post_id)
        if post.deleted_ms is not None:
            raise no_such_post()
        return post

    def _landed(self, tx: Tx, post_id: int) -> Post | None:
        return self._truth.lives.lock(tx, post_id)


def _check_kept_end(start_ms: int, end_ms: int, settings: Settings) -> None:
    """As `check_end`, for an end that was given when the post was scheduled."""
    if end_ms <= start_ms:
        message = (
            "expires_at must lie after the moment when the post is published, and this one keeps what it was "
            "scheduled with; give expires_in or expires_at as well"
        )
        raise InvalidArgument(message, argument="expires_at")
    check_end(start_ms, end_ms, settings)
