"""Reposts: somebody else's post, shown to one's own followers."""

from typing import Any

import attrs

from feedkit.clock import Clock
from feedkit.model import Post
from feedkit.storage.base import Truth, Tx
from feedkit.storage.minting import Minting
from feedkit.writing.posts import PostWriting
from feedkit.writing.standing import Standing
from feedkit.writing.targets import Targets

REPOST = "repost"


class Reposting:
    """The verbs for reposts. Of one post, one person has one repost at a time, for whom that post itself is for."""

    def __init__(
        self,
        truth: Truth,
        minting: Minting,
        writing: PostWriting,
        standing: Standing,
        targets: Targets[Any],
        clock: Clock,
    ) -> None:
        self._truth, self._minting, self._writing = truth, minting, writing
        self._standing, self._targets, self._clock = standing, targets, clock

    def repost(self, actor_id: int, post_id: int, host_tx: Tx | None = None) -> Post:
        """Repost a post, or what a repost shares; the repost that stands already, if there is one.

        Raises:
            NotFound: there is no such post that the actor sees.
            Forbidden: it is not for everybody, or the actor is suspended.
        """
        new_id, now_ms = self._minting.mint(host_tx), self._clock.now_ms()

        def work(tx: Tx) -> Post:
            self._standing.check(tx, actor_id, "actor")
            original = self._targets.shareable(tx, actor_id, post_id, "post_id")
            earlier = self._earlier(tx, actor_id, original.id)
            if earlier is not None:
                return earlier
            return self._writing.store(tx, None, _repost(new_id, actor_id, original, now_ms), now_ms)

        return self._truth.write(work, within=host_tx, landed=lambda tx: self._truth.posts.get(tx, new_id))

    def unrepost(self, actor_id: int, post_id: int, host_tx: Tx | None = None) -> bool:
        """Delete the actor's repost of a post, whichever of the two is named; False where there is none."""

        def work(tx: Tx) -> bool:
            named = self._truth.posts.get(tx, post_id)
            original_id = post_id if named is None or named.repost_of is None else named.repost_of
            before = self._earlier(tx, actor_id, original_id)
            if before is None:
                return False
            now_ms = self._clock.now_ms()
            self._writing.store(tx, before, attrs.evolve(before, deleted_ms=now_ms), now_ms)
            return True

        return self._truth.write(work, within=host_tx)

    def stands(self, tx: Tx, actor_id: int, original_id: int) -> bool:
        """Whether the actor has a repost of this post that stands; nobody changes that before the transaction ends."""
        return self._earlier(tx, actor_id, original_id) is not None

    def _earlier(self, tx: Tx, actor_id: int, original_id: int) -> Post | None:
        """The actor's repost that stands, which nobody else makes or deletes until the transaction ends."""
        self._truth.graph.lock_pair(tx, actor_id, original_id)
        found = self._truth.selections.repost_by(tx, actor_id, original_id)
        return None if found is None else self._truth.posts.get(tx, found)


def _repost(post_id: int, actor_id: int, original: Post, now_ms: int) -> Post:
    """For the audience of the original, and as long, so that it tells nobody of what they may not see."""
    return Post(
        post_id,
        post_id,
        actor_id,
        now_ms,
        kind=REPOST,
        audience=original.audience,
        list_id=original.list_id,
        repost_of=original.id,
        published_ms=now_ms,
        expires_ms=original.expires_ms,
    )
