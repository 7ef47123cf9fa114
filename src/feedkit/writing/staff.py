"""What staff do to posts and accounts. Each act and its row in the audit are one transaction."""

from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from feedkit.clock import Clock
from feedkit.errors import Conflict, Forbidden, InvalidArgument, NotFound
from feedkit.model import Event, EventKind, Post, PostStatus, UserStatus
from feedkit.storage.base import Truth, Tx, UserRow
from feedkit.storage.lives import Act
from feedkit.storage.minting import Minting
from feedkit.writing.posts import PostWriting
from feedkit.writing.reposts import Reposting
from feedkit.writing.targets import Targets

T = TypeVar("T")


@attrs.frozen(slots=True)
class Errand:
    """Who of the staff acts, in the host's own words, and why."""

    staff: str
    reason: str


class StaffWriting:
    """The verbs for staff. Drafts are nobody's business but their author's."""

    def __init__(
        self,
        truth: Truth,
        minting: Minting,
        writing: PostWriting,
        clock: Clock,
        *,
        targets: Targets[Any],
        reposting: Reposting,
    ) -> None:
        self._truth, self._minting, self._writing, self._clock = truth, minting, writing, clock
        self._targets, self._reposting = targets, reposting

    def note(self, errand: Errand, action: str, object_id: int, host_tx: Tx | None = None) -> None:
        """Write down that staff looked at something, before they see it."""
        self._act(errand, action, object_id, lambda _: None, host_tx)

    def remove(self, errand: Errand, post_id: int, host_tx: Tx | None = None) -> Post:
        """Take a post away from everybody, its author too. Raises NotFound."""

        def removed(_: Tx, post: Post) -> Post:
            return attrs.evolve(post, status=PostStatus.REMOVED)

        return self._change_post(errand, "remove", post_id, removed, host_tx)

    def restore(self, errand: Errand, post_id: int, host_tx: Tx | None = None) -> Post:
        """Undo a removal: at the place that the post had, or held as before.

        Raises NotFound, and Conflict for a repost whose author has reposted the same post again.
        """

        def restored(tx: Tx, post: Post) -> Post:
            if post.status is not PostStatus.REMOVED:
                return post
            shared = post.repost_of if post.deleted_ms is None else None
            if shared is not None and self._reposting.stands(tx, post.author_id, shared):
                message = "post_id names a repost whose author has reposted that post again; that one stands"
                raise Conflict(message, argument="post_id")
            status = PostStatus.PUBLISHED if post.position else PostStatus.PENDING_REVIEW
            return attrs.evolve(post, status=status)

        return self._change_post(errand, "restore", post_id, restored, host_tx)

    def release(self, errand: Errand, post_id: int, host_tx: Tx | None = None) -> Post:
        """Publish a post that was held.

        Raises NotFound, and Conflict for a post that was removed, or whose author may not answer or quote any more
        what it answers or quotes.
        """
        position = self._minting.mint(host_tx)

        def released(tx: Tx, post: Post) -> Post:
            if post.status is PostStatus.REMOVED:
                raise Conflict("post_id names a post that was removed; restore it first", argument="post_id")
            if post.status is PostStatus.PUBLISHED:
                return post
            try:
                named = self._targets.named_by(tx, post)
            except (NotFound, Forbidden) as error:
                message = "post_id names a post whose author may not see or share any more what it answers or quotes"
                raise Conflict(message, argument="post_id") from error
            now_ms = self._clock.now_ms()
            return attrs.evolve(named, status=PostStatus.PUBLISHED, position=position, published_ms=now_ms)

        return self._change_post(errand, "release", post_id, released, host_tx)

    def suspend(
        self, errand: Errand, user_id: int, until_ms: int | None, host_tx: Tx | None = None
    ) -> UserRow:
        """Hide all of a user's until that moment, or until they are reinstated."""
        if until_ms is not None and until_ms <= self._clock.now_ms():
            raise InvalidArgument("until must lie ahead; leave it out for no end", argument="until")
        return self._change_user(errand, "suspend", user_id, UserStatus.SUSPENDED, until_ms, host_tx)

    def reinstate(self, errand: Errand, user_id: int, host_tx: Tx | None = None) -> UserRow:
        """Undo a suspension."""
        return self._change_user(errand, "reinstate", user_id, UserStatus.ACTIVE, None, host_tx)

    def _change_post(
        self,
        errand: Errand,
        action: str,
        post_id: int,
        change: Callable[[Tx, Post], Post],
        host_tx: Tx | None,
    ) -> Post:
        def work(tx: Tx) -> Post:
            before = self._truth.lives.lock(tx, post_id)
            if before is None or before.status is PostStatus.DRAFT:
                raise NotFound("post_id names no post that was handed in", argument="post_id")
            after = change(tx, before)
            return before if after == before else self._writing.store(tx, before, after, self._clock.now_ms())

        return self._act(errand, action, post_id, work, host_tx)

    def _change_user(
        self,
        errand: Errand,
        action: str,
        user_id: int,
        status: UserStatus,
        until_ms: int | None,
        host_tx: Tx | None,
    ) -> UserRow:
        def work(tx: Tx) -> UserRow:
            fields = {"status": status.value, "suspended_until": until_ms}
            self._truth.users.patch(tx, user_id, fields)
            event = Event(EventKind.USER_CHANGED, user_id, user_id, self._clock.now_ms())
            self._truth.events.append(tx, event)
            return self._truth.users.get_many(tx, (user_id,))[0]

        return self._act(errand, action, user_id, work, host_tx)

    def _act(
        self, errand: Errand, action: str, object_id: int, work: Callable[[Tx], T], host_tx: Tx | None
    ) -> T:
        act_id, now_ms = self._minting.mint(host_tx), self._clock.now_ms()
        act = Act(act_id, errand.staff, action, object_id, errand.reason, now_ms)

        def audited(tx: Tx) -> T:
            done = work(tx)
            self._truth.journals.audit(tx, act)
            return done

        return self._truth.write(audited, within=host_tx)
