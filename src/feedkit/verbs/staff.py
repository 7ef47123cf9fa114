"""`feed.staff(...)`: what moderators and supporters do, each act written down."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from feedkit.errors import InvalidArgument, NotFound
from feedkit.model import AuditPage, Item, Key, Post, ProfilePage, Revision, User
from feedkit.runtime import Runtime
from feedkit.storage.base import Tx
from feedkit.verbs.base import Noun
from feedkit.writing.checks import checked_id, checked_moment, checked_text
from feedkit.writing.staff import Errand

_NOTHING = 0
"""The id of what an act concerns that concerns nothing in particular."""


class Staff(Noun[Key]):
    """A handle for one errand of one member of staff. Give it to no one else: it sees what users do not.

    Every call leaves a row in the audit table: who, what, to what, why, when. An act and its row are one
    transaction; who only looks is written down first.
    """

    def __init__(
        self, runtime: Callable[[], Runtime[Key]], who: object, reason: object, longest: int
    ) -> None:
        super().__init__(runtime)
        self._errand = Errand(_said("who", who, longest), _said("reason", reason, longest))

    def post(self, post_id: int | str) -> Item[Key]:
        """Any post that was handed in: held, removed, deleted or expired, for whatever audience.

        Raises:
            NotFound: there is none, or it is a draft.
        """
        runtime, wanted = self._runtime(), checked_id("post_id", post_id)
        self._look("post", wanted)
        runtime.log.catch_up()
        return runtime.posts.for_staff(wanted)

    def revisions(self, post_id: int | str) -> list[Revision]:
        """What a post said before each edit, the first first. Raises like `post`."""
        runtime, wanted = self._runtime(), checked_id("post_id", post_id)
        self._look("revisions", wanted)
        runtime.posts.for_staff(wanted)
        return runtime.own_posts.revisions_of(wanted)

    def profile(self, user: Key, *, limit: int | None = None, cursor: str | None = None) -> ProfilePage[Key]:
        """A page of all that a user has published and that was not taken back, suspended or not.

        Raises:
            NotFound: feedkit has not met this user.
            InvalidArgument: `limit` is not 1..`page_limit_max`.
            InvalidCursor: the cursor was not made for this page.
        """
        runtime, size = self._runtime(), self._page_limit(limit)
        user_id = self._met(user)
        self._look("profile", user_id)
        return runtime.profile.for_staff(
            user_id, user, runtime.directory.viewer_tag(user), cursor=cursor, limit=size
        )

    def audit(
        self,
        *,
        post_id: int | str | None = None,
        user: Key | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> AuditPage[Key]:
        """A page of what staff did: all of it, or what was done to one post or one user. The newest first.

        To read the audit is written down like all else, and stands in it.

        Raises:
            NotFound: feedkit has not met this user.
            InvalidArgument: both a post and a user are given, or `limit` is not 1..`page_limit_max`.
            InvalidCursor: the cursor was not made for this page.
        """
        runtime, size = self._runtime(), self._page_limit(limit)
        if post_id is not None and user is not None:
            raise InvalidArgument("user cannot be given together with post_id; pass one", argument="user")
        wanted = None if post_id is None else checked_id("post_id", post_id)
        user_id = None if user is None else self._met(user)
        self._look("audit" if user is None else "user_audit", wanted or user_id or _NOTHING)
        return runtime.audit.page(post_id=wanted, user_id=user_id, cursor=cursor, limit=size)

    def remove(self, post_id: int | str, *, connection: Any = None) -> Post:
        """Take a post away from everybody, its author included. Raises NotFound."""
        runtime, wanted = self._runtime(), checked_id("post_id", post_id)
        return runtime.change(lambda tx: runtime.staff_writing.remove(self._errand, wanted, tx), connection)

    def restore(self, post_id: int | str, *, connection: Any = None) -> Post:
        """Undo a removal: the post stands where it stood, or is held as it was.

        Raises NotFound, and Conflict for a repost whose author has reposted the same post again.
        """
        runtime, wanted = self._runtime(), checked_id("post_id", post_id)
        return runtime.change(lambda tx: runtime.staff_writing.restore(self._errand, wanted, tx), connection)

    def release(self, post_id: int | str, *, connection: Any = None) -> Post:
        """Publish a post that was held.

        Raises NotFound, and Conflict for one that was removed, or whose author may not see or share any more what it
        answers or quotes.
        """
        runtime, wanted = self._runtime(), checked_id("post_id", post_id)
        return runtime.change(lambda tx: runtime.staff_writing.release(self._errand, wanted, tx), connection)

    def suspend(self, user: Key, *, until: datetime | None = None, connection: Any = None) -> User[Key]:
        """Hide all that a user wrote and did, until that moment or until they are reinstated.

        A suspended user cannot publish, edit, pin, follow or react; they may take back what they did.
        """
        until_ms = None if until is None else checked_moment("until", until)
        writing = self._runtime().staff_writing
        return self._to_user(
            user, connection, lambda user_id, tx: writing.suspend(self._errand, user_id, until_ms, tx)
        )

    def reinstate(self, user: Key, *, connection: Any = None) -> User[Key]:
        """Undo a suspension: all is where it was."""
        writing = self._runtime().staff_writing
        return self._to_user(
            user, connection, lambda user_id, tx: writing.reinstate(self._errand, user_id, tx)
        )

    def _look(self, action: str, object_id: int) -> None:
        self._runtime().staff_writing.note(self._errand, action, object_id)

    def _met(self, user: Key) -> int:
        user_id = self._runtime().directory.find(user, "user")
        if user_id is None:
            raise NotFound("user names nobody whom feedkit has met", argument="user")
        return user_id

    def _to_user(self, user: Key, connection: Any, act: Callable[[int, Tx | None], Any]) -> User[Key]:
        runtime = self._runtime()

        def change(tx: Tx | None) -> User[Key]:
            (user_id,) = runtime.directory.ensure({"user": user}, tx)
            return runtime.directory.user(act(user_id, tx))

        return runtime.change(change, connection)


def _said(name: str, said: object, longest: int) -> str:
    text = checked_text(name, said, longest, "reason_max_chars", at_least=1)
    if not text.strip():
        raise InvalidArgument(f"{name} must say something; it is kept in the audit", argument=name)
    return text
