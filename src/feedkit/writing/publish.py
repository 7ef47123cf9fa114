"""Publishing and deleting posts."""

from typing import Any

import attrs

from feedkit.clock import Clock
from feedkit.model import Assoc, Entity, Event, EventKind, Post, PostStatus
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx
from feedkit.storage.minting import Minting
from feedkit.writing.drafts import Draft
from feedkit.writing.entities import Entities
from feedkit.writing.once import Once
from feedkit.writing.posts import PostWriting, no_such_post
from feedkit.writing.standing import Standing
from feedkit.writing.targets import Targets


class Publishing:
    """The verbs for posts. A post, its media, its route and its event are one transaction."""

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
        self._once = Once(truth, settings)

    def publish(
        self, author_id: int, draft: Draft, *, key: str | None = None, host_tx: Tx | None = None
    ) -> Post:
        """Store a post and the event that will deliver it; with `key`, once, however often this is called.

        Raises:
            Conflict: its `ref` is taken, or `key` stands for other content.
            NotFound: the author may not see what it answers or quotes, or has no such list.
            Forbidden: what it quotes is not for everybody, or the author is suspended.
        """
        post_id = self._minting.mint(host_tx)
        now_ms = self._clock.now_ms()
        entities = self._entities.of(draft.text, host_tx)

        def work(tx: Tx) -> Post:
            self._standing.check(tx, author_id)
            digest = b"" if key is None else draft.digest()
            earlier = self._once.earlier(tx, author_id, key, digest=digest, result_id=post_id, now_ms=now_ms)
            if earlier is not None and (post := self._truth.posts.get(tx, earlier)) is not None:
                return post
            self._writing.check_list(tx, author_id, draft.list_id)
            post = self._targets.named_by(tx, self._post(post_id, author_id, draft, entities, now_ms))
            return self._writing.store(tx, None, post, now_ms)

        return self._truth.write(work, within=host_tx, landed=lambda tx: self._truth.posts.get(tx, post_id))

    def delete(self, author_id: int, post_id: int, host_tx: Tx | None = None) -> bool:
        """Delete a post of this author; False where that has happened already.

        Raises NotFound where the author has no such post, whoever else may.
        """

        def work(tx: Tx) -> bool:
            before = self._writing.own(tx, author_id, post_id)
            return before.deleted_ms is None and self._delete(tx, before)

        return self._truth.write(work, within=host_tx)

    def discard(self, author_id: int, post_id: int, host_tx: Tx | None = None) -> bool:
        """Delete a draft or a scheduled post; False where that has happened already. Raises NotFound."""

        def work(tx: Tx) -> bool:
            before = self._writing.own(tx, author_id, post_id)
            if before.status is not PostStatus.DRAFT:
                raise no_such_post()
            return before.deleted_ms is None and self._delete(tx, before)

        return self._truth.write(work, within=host_tx)

    def _post(
        self, post_id: int, author_id: int, draft: Draft, entities: tuple[Entity, ...], now_ms: int
    ) -> Post:
        timing = draft.timing.fields(now_ms, self._settings)
        position = post_id if timing["status"] is PostStatus.PUBLISHED else 0
        return Post(
            id=post_id,
            position=position,
            author_id=author_id,
            created_ms=now_ms,
            entities=entities,
            **draft.content(),
            **timing,
        )

    def _delete(self, tx: Tx, before: Post) -> bool:
        now_ms = self._clock.now_ms()
        self._writing.store(tx, before, attrs.evolve(before, deleted_ms=now_ms, scheduled_ms=None), now_ms)
        if self._truth.graph.remove(tx, before.author_id, Assoc.PINS, before.id):
            self._truth.events.append(tx, Event(EventKind.PINS_CHANGED, before.author_id, before.id, now_ms))
        return True
