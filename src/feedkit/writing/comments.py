"""Commenting on posts: writing, editing and deleting comments."""

import hashlib
import json
from typing import Any

import attrs

from feedkit.clock import Clock
from feedkit.errors import NotFound
from feedkit.model import Comment, Event, EventKind
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx
from feedkit.storage.minting import Minting
from feedkit.writing.checks import checked_text
from feedkit.writing.once import Once
from feedkit.writing.standing import Standing
from feedkit.writing.targets import Targets

_NO_PARENT = "parent names no comment on this post that the actor can see"
_NOT_YOURS = "comment_id names no comment that is the actor's to change"


class Commenting:
    """The verbs for comments. A comment and its event are one transaction."""

    def __init__(
        self,
        truth: Truth,
        minting: Minting,
        targets: Targets[Any],
        standing: Standing,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._truth, self._targets, self._standing = truth, targets, standing
        self._minting, self._clock, self._once = minting, clock, Once(truth, settings)
        self._chars_max, self._depth_max = settings.comment_max_chars, settings.comment_depth_max

    def checked_text(self, text: object) -> str:
        """The text of a comment, within its bounds. Raises InvalidArgument or LimitExceeded."""
        return checked_text("text", text, self._chars_max, "comment_max_chars", at_least=1)

    def comment(
        self,
        author_id: int,
        post_id: int,
        text: str,
        parent_id: int | None,
        *,
        key: str | None = None,
        host_tx: Tx | None = None,
    ) -> Comment:
        """Comment on a post that the author sees, or answer a comment on it; with `key`, once.

        Raises NotFound where the author does not see these, Forbidden where the author is suspended, and
        Conflict where `key` stands for something else.
        """
        comment_id, now_ms = self._minting.mint(host_tx), self._clock.now_ms()
        comment = Comment(comment_id, post_id, author_id, now_ms, text, parent_id)

        def work(tx: Tx) -> Comment:
            self._standing.check(tx, author_id, "actor")
            digest = _digest(comment)
            earlier = self._once.earlier(
                tx, author_id, key, digest=digest, result_id=comment_id, now_ms=now_ms
            )
            if earlier is not None and (stored := self._truth.comments.get(tx, earlier)) is not None:
                return stored
            return self._store(tx, comment)

        return self._truth.write(
            work, within=host_tx, landed=lambda tx: self._truth.comments.get(tx, comment_id)
        )

    def edit(self, author_id: int, comment_id: int, text: str, host_tx: Tx | None = None) -> Comment:
        """Change the text of one's own comment. Raises NotFound where the author sees none of theirs."""
        return self._truth.write(lambda tx: self._edit(tx, author_id, comment_id, text), within=host_tx)

    def delete(self, actor_id: int, comment_id: int, host_tx: Tx | None = None) -> bool:
        """Delete one's own comment, or one on one's own post; False where that has happened already."""
        return self._truth.write(lambda tx: self._delete(tx, actor_id, comment_id), within=host_tx)

    def _store(self, tx: Tx, comment: Comment) -> Comment:
        post = self._targets.post(tx, comment.author_id, comment.post_id, "post_id")
        above = () if comment.parent_id is None else self._path_of(tx, comment, post.id, comment.parent_id)
        above = above[: self._depth_max - 1]
        placed = attrs.evolve(
            comment,
            post_id=post.id,
            parent_id=above[-1] if above else None,
            path=(*above, comment.id),
        )
        self._truth.comments.insert(tx, placed)
        self._append(tx, EventKind.COMMENT_ADDED, placed.author_id, placed)
        return placed

    def _path_of(self, tx: Tx, comment: Comment, post_id: int, parent_id: int) -> tuple[int, ...]:
        parent, post = self._targets.comment(tx, comment.author_id, parent_id, "parent", _NO_PARENT)
        if post.id != post_id:
            raise NotFound(_NO_PARENT, argument="parent")
        return parent.path

    def _edit(self, tx: Tx, author_id: int, comment_id: int, text: str) -> Comment:
        self._standing.check(tx, author_id, "actor")
        comment, _ = self._targets.comment(tx, author_id, comment_id, "comment_id", _NOT_YOURS)
        if comment.text == text and comment.author_id == author_id:
            return comment
        now_ms = self._clock.now_ms()
        if comment.author_id != author_id or not self._truth.comments.edit(tx, comment_id, text, now_ms):
            raise no_such_comment()
        self._append(tx, EventKind.COMMENT_EDITED, author_id, comment)
        return attrs.evolve(comment, text=text, edited_ms=now_ms)

    def _delete(self, tx: Tx, actor_id: int, comment_id: int) -> bool:
        comment = self._truth.comments.get(tx, comment_id)
        if comment is None or not self._may_delete(tx, actor_id, comment):
            raise no_such_comment()
        gone = self._truth.comments.delete(tx, comment_id, self._clock.now_ms())
        if gone:
            self._append(tx, EventKind.COMMENT_REMOVED, actor_id, comment)
        return gone

    def _may_delete(self, tx: Tx, actor_id: int, comment: Comment) -> bool:
        if comment.author_id == actor_id:
            return True
        post = self._truth.posts.get(tx, comment.post_id)
        return post is not None and post.author_id == actor_id

    def _append(self, tx: Tx, kind: EventKind, actor_id: int, comment: Comment) -> None:
        about = [("post", comment.post_id)]
        if comment.parent_id is not None:
            about.append(("parent", comment.parent_id))
        event = Event(kind, actor_id, comment.id, self._clock.now_ms(), about=tuple(about))
        self._truth.events.append(tx, event)


def _digest(comment: Comment) -> bytes:
    """The same for the same content."""
    told = json.dumps(["comment", comment.post_id, comment.parent_id, comment.text])
    return hashlib.blake2b(told.encode(), digest_size=16).digest()


def no_such_comment() -> NotFound:
    """One error for a comment that does not exist and for one that is somebody else's."""
    return NotFound(_NOT_YOURS, argument="comment_id")
