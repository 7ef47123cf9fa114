"""What reading gives: items, pages and threads."""

from collections.abc import Iterator
from typing import Any, Generic

import attrs

from feedkit.model.people import Key, Request, User, UserCounts
from feedkit.model.posts import Comment, Counts, Own, Post

NO_COUNTS = Counts()
NOTHING_DONE = Own()


@attrs.frozen(slots=True)
class Quoted(Generic[Key]):
    """A post inside another one that quotes it, with its author."""

    post: Post
    author: User[Key]

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {"post": self.post.to_dict(), "author": self.author.to_dict()}


@attrs.frozen(slots=True)
class Item(Generic[Key]):
    """One line of a page: a post that this viewer may see, with its author, counters and what the viewer did.

    Where others brought the post in by reposting it, `reposted_by` names them, the latest first. `quoted` is
    the post that this one quotes, None where the viewer may not see that. `position` is where the line stands
    in this feed: that of the post, or of its newest repost.
    """

    post: Post
    author: User[Key]
    counts: Counts = NO_COUNTS
    viewer: Own = NOTHING_DONE
    position: int = 0
    reposted_by: tuple[User[Key], ...] = ()
    quoted: Quoted[Key] | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "post": self.post.to_dict(),
            "author": self.author.to_dict(),
            "counts": self.counts.to_dict(),
            "viewer": self.viewer.to_dict(),
            "reposted_by": [user.to_dict() for user in self.reposted_by],
            "quoted": None if self.quoted is None else self.quoted.to_dict(),
        }


@attrs.frozen(slots=True)
class Page(Generic[Key]):
    """A part of a feed, newest first.

    `next_cursor` leads on to older items and is None where the feed ends; `newer_cursor` reads what
    has come since. `truncated`: the bound `max_scan` was hit, the page may be short and
    `next_cursor` goes on. `degraded`: something was out of reach and the page may lack items.
    `unreadable`: posts left out because their stored form cannot be decoded.
    """

    items: tuple[Item[Key], ...]
    next_cursor: str | None
    newer_cursor: str
    truncated: bool = False
    degraded: bool = False
    unreadable: int = 0

    def __iter__(self) -> Iterator[Item[Key]]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def author_keys(self) -> list[Key]:
        """The host's keys of everyone who wrote something on this page, each once, in order."""
        return list(dict.fromkeys(item.author.key for item in self.items))

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "items": [item.to_dict() for item in self.items],
            "next_cursor": self.next_cursor,
            "newer_cursor": self.newer_cursor,
            "truncated": self.truncated,
            "degraded": self.degraded,
            "unreadable": self.unreadable,
        }


@attrs.frozen(slots=True, kw_only=True)
class ProfilePage(Page[Key]):
    """A part of what one author published, as this viewer may see it; `pinned` on the first page only."""

    user: User[Key]
    counts: UserCounts
    pinned: tuple[Item[Key], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "user": self.user.to_dict(),
            "counts": self.counts.to_dict(),
            "pinned": [item.to_dict() for item in self.pinned],
            **Page.to_dict(self),
        }


@attrs.frozen(slots=True, kw_only=True)
class ThreadPage(Page[Key]):
    """A post, `focus`, with a part of the direct replies to it as items, the oldest first.

    `next_cursor` leads on to younger replies, and `newer_cursor` to all that come after this page. `ancestors`
    is what the post answers, what that answers and so on, the first of them first; on the first page only. It
    begins where the thread does, after the first post above that the viewer may not see, or `thread_depth_max`
    posts up.
    """

    focus: Item[Key]
    ancestors: tuple[Item[Key], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "focus": self.focus.to_dict(),
            "ancestors": [item.to_dict() for item in self.ancestors],
            **Page.to_dict(self),
        }


@attrs.frozen(slots=True)
class DraftPage:
    """A part of an author's drafts and scheduled posts. `next_cursor` leads on and is None at the end."""

    items: tuple[Post, ...]
    next_cursor: str | None

    def __iter__(self) -> Iterator[Post]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {"items": [post.to_dict() for post in self.items], "next_cursor": self.next_cursor}


@attrs.frozen(slots=True)
class CommentItem(Generic[Key]):
    """One comment as this viewer sees it.

    A comment that is gone and has answers stays as a gap that keeps the thread whole: `author` is None and its
    text is empty.
    """

    comment: Comment
    author: User[Key] | None
    counts: Counts = NO_COUNTS
    viewer: Own = NOTHING_DONE

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "comment": self.comment.to_dict(),
            "author": None if self.author is None else self.author.to_dict(),
            "counts": self.counts.to_dict(),
            "viewer": self.viewer.to_dict(),
        }


@attrs.frozen(slots=True)
class CommentPage(Generic[Key]):
    """A part of the comments on a post. `next_cursor` leads on and is None at the end."""

    items: tuple[CommentItem[Key], ...]
    next_cursor: str | None

    def __iter__(self) -> Iterator[CommentItem[Key]]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {"items": [item.to_dict() for item in self.items], "next_cursor": self.next_cursor}


@attrs.frozen(slots=True)
class UserPage(Generic[Key]):
    """A part of a list of users, such as somebody's followers, newest first.

    `next_cursor` leads on and is None at the end. `truncated`: the bound `max_scan` was hit, the page may be
    short and `next_cursor` goes on.
    """

    items: tuple[User[Key], ...]
    next_cursor: str | None
    truncated: bool = False

    def __iter__(self) -> Iterator[User[Key]]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def keys(self) -> list[Key]:
        """The host's keys of everyone on this page, in order."""
        return [user.key for user in self.items]

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "items": [user.to_dict() for user in self.items],
            "next_cursor": self.next_cursor,
            "truncated": self.truncated,
        }


@attrs.frozen(slots=True)
class RequestPage(Generic[Key]):
    """A part of those who wait for an answer, newest first, with cursors as those of `UserPage`."""

    items: tuple[Request[Key], ...]
    next_cursor: str | None
    truncated: bool = False

    def __iter__(self) -> Iterator[Request[Key]]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "items": [request.to_dict() for request in self.items],
            "next_cursor": self.next_cursor,
            "truncated": self.truncated,
        }
