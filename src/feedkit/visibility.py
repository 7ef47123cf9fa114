"""Who may see what: the one place that decides it, for a batch, from values handed to it.

Fan-out, home, profile and every other surface ask here; nothing in this module fetches anything.
An entry in an inbox is never a permission.

=============  ==================================  =============================================
audience       who may see the post                where it is not shown, though they may see it
=============  ==================================  =============================================
``public``     everyone; of a private author,
               followers and the author
``unlisted``   the same as for ``public``          under its tags
``followers``  followers, the author               under its tags
``friends``    friends of the author, the author   under its tags
``list``       members of the list, the author     under its tags
``only_me``    the author                          under its tags
=============  ==================================  =============================================

Never, whatever the audience: those who block the author or whom the author blocks. Those who mute the author
do not meet their posts on home, in lists, under tags, by a picture and among the answers to others; who opens a
profile or a post asks for it. A post that is deleted, expired or not published, and all of a suspended author, is
seen by nobody. Logged-out viewers see what everyone may see. A repost shows what it shares to those alone who may
see both. Staff see everything that was ever published, and what is held for review.

A comment is seen by those who see its post, but for comments by suspended people, by those who block the viewer
or whom the viewer blocks or mutes. Among those who reacted, nobody suspended or blocked either way is named.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import numpy as np

from feedkit.idset import Ids
from feedkit.model import Audience, Comment, Post, PostStatus, User, UserStatus
from feedkit.relations import Relations, Tie


class Surface(StrEnum):
    """Where a post would be shown."""

    HOME = "home"
    LIST = "list"
    TAG = "tag"
    MEDIA = "media"
    THREAD = "thread"
    PROFILE = "profile"
    POST = "post"


class Hidden(StrEnum):
    """Why a post is not shown to a viewer somewhere."""

    DELETED = "deleted"
    DRAFT = "draft"
    HELD = "held"
    REMOVED = "removed"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    """Its author is suspended, or is not there."""
    BLOCKED = "blocked"
    MUTED = "muted"
    PRIVATE = "private"
    FOLLOWERS_ONLY = "followers_only"
    FRIENDS_ONLY = "friends_only"
    LIST_ONLY = "list_only"
    AUTHOR_ONLY = "author_only"
    NO_REPOSTS = "no_reposts"
    NOT_UNDER_TAGS = "not_under_tags"


# Members of an enum are looked up anew at each use, which tells in a loop over every post of every page.
_PUBLISHED, _DRAFT, _ACTIVE = PostStatus.PUBLISHED, PostStatus.DRAFT, UserStatus.ACTIVE
_HOME, _TAG = Surface.HOME, Surface.TAG
_PUBLIC, _UNLISTED, _FOLLOWERS = Audience.PUBLIC, Audience.UNLISTED, Audience.FOLLOWERS
_FRIENDS_ONLY, _LIST = Audience.FRIENDS, Audience.LIST
_FOLLOWS, _FRIENDS, _NO_REPOSTS = int(Tie.FOLLOWS), int(Tie.FRIENDS), int(Tie.NO_REPOSTS)
_BLOCKED = int(Tie.BLOCKED)
_BY_STATUS = {
    PostStatus.DRAFT: Hidden.DRAFT,
    PostStatus.PENDING_REVIEW: Hidden.HELD,
    PostStatus.REMOVED: Hidden.REMOVED,
}
_ASKED_FOR = (Surface.PROFILE, Surface.POST)
_HIDING = {
    surface: int(Tie.BLOCKED if surface in _ASKED_FOR else Tie.BLOCKED | Tie.MUTES) for surface in Surface
}


def visible(
    posts: Sequence[Post],
    authors: Sequence[User[Any] | None],
    relations: Relations,
    surface: Surface,
    now_ms: int,
) -> list[bool]:
    """For each post, whether the viewer may see it on this surface. `authors` stand beside their posts.

    Each is decided by itself: a repost is to be shown only where what it shares may be seen too.
    """
    if relations.staff:
        return [post.status is not _DRAFT for post in posts]
    apart, hiding = relations.apart, _HIDING[surface]
    shown = [
        apart is not None and _is_plain(post, author) and post.author_id not in apart
        for post, author in zip(posts, authors, strict=True)
    ]
    others = [nth for nth, is_plain in enumerate(shown) if not is_plain]
    ties_with = relations.with_each([posts[nth].author_id for nth in others])
    for nth, ties in zip(others, ties_with, strict=True):
        if not ties & hiding:
            shown[nth] = _reason(posts[nth], authors[nth], relations, ties, surface, now_ms) is None
    return shown


def verdict(
    post: Post, author: User[Any] | None, relations: Relations, surface: Surface, now_ms: int
) -> Hidden | None:
    """Why `visible` hides a post from a viewer there; None where it does not."""
    if relations.staff:
        return Hidden.DRAFT if post.status is _DRAFT else None
    (ties,) = relations.with_each((post.author_id,))
    if ties & _HIDING[surface]:
        return Hidden.BLOCKED if ties & _BLOCKED else Hidden.MUTED
    return _reason(post, author, relations, ties, surface, now_ms)


def _is_plain(post: Post, author: User[Any] | None) -> bool:
    """Whether there is nothing about a post that could be a `_reason`: so it is with most, and quick to tell."""
    return (
        post.status is _PUBLISHED
        and post.audience is _PUBLIC
        and post.deleted_ms is None
        and post.expires_ms is None
        and post.repost_of is None
        and author is not None
        and author.status is _ACTIVE
        and not author.private
    )


def _reason(
    post: Post, author: User[Any] | None, relations: Relations, ties: int, surface: Surface, now_ms: int
) -> Hidden | None:
    """Why a post is hidden from somebody who has not hidden its author."""
    return (
        _gone(post, author, now_ms)
        or _withheld(post, author, relations, ties)
        or _not_there(post, ties, surface)
    )


def comments_visible(
    comments: Sequence[Comment],
    authors: Sequence[User[Any] | None],
    relations: Relations,
    now_ms: int,
) -> list[bool]:
    """For each comment on a post that the viewer may see, whether they may see it. `authors` stand beside them."""
    if relations.staff:
        return [True] * len(comments)
    hiding = _HIDING[Surface.THREAD]
    ties_with = relations.with_each([comment.author_id for comment in comments])
    return [
        comment.deleted_ms is None and not ties & hiding and takes_part(author, now_ms)
        for comment, author, ties in zip(comments, authors, ties_with, strict=True)
    ]


def people_visible(users: Sequence[User[Any] | None], relations: Relations, now_ms: int) -> list[bool]:
    """For each of these people, as far as they are there, whether the viewer may meet them in a list of people."""
    if relations.staff:
        return [user is not None for user in users]
    ties_with = relations.with_each([0 if user is None else user.id for user in users])
    return [
        not ties & _BLOCKED and takes_part(user, now_ms) for user, ties in zip(users, ties_with, strict=True)
    ]


def home_authors(relations: Relations) -> Ids:
    """Whose posts can stand in this viewer's home feed: sorted ids, the viewer included."""
    shown = relations.ties & (_FOLLOWS | _HIDING[_HOME]) == _FOLLOWS
    return np.union1d(relations.others[shown], [relations.viewer_id])


def hidden_on(surface: Surface, relations: Relations) -> Ids:
    """Whose content the viewer does not meet there: sorted ids."""
    hidden: Ids = relations.others[relations.ties & _HIDING[surface] != 0]
    return hidden


def delivered_to_followers(audience: Audience) -> bool:
    """Whether posts of this audience go to followers' inboxes at all."""
    return audience is not Audience.ONLY_ME


def may_share(post: Post, author: User[Any], sharer_id: int) -> bool:
    """Whether somebody who sees this post may repost or quote it: never so that more people would see it."""
    if post.author_id == sharer_id:
        return True
    return post.audience in (_PUBLIC, _UNLISTED) and not author.private


def shows_ties(user: User[Any] | None, relations: Relations, now_ms: int) -> bool:
    """Whether the viewer may see whom somebody follows, who follows them, and who their friends are."""
    if user is None:
        return False
    if relations.staff or user.id == relations.viewer_id:
        return True
    (ties,) = relations.with_each((user.id,))
    if ties & _BLOCKED or not takes_part(user, now_ms):
        return False
    return not user.private or ties & _FOLLOWS != 0


def shows_reactions(user: User[Any] | None, relations: Relations, now_ms: int, *, to_others: bool) -> bool:
    """Whether the viewer may page through what somebody reacted to.

    It is their own business; where a host opens it (`to_others`), it is seen by those who see their ties.
    """
    is_own = user is not None and user.id == relations.viewer_id
    return is_own or (to_others and shows_ties(user, relations, now_ms))


def takes_part(user: User[Any] | None, now_ms: int) -> bool:
    """Whether somebody is there and not suspended now."""
    if user is None:
        return False
    if user.status is _ACTIVE:
        return True
    return user.suspended_until_ms is not None and user.suspended_until_ms <= now_ms


def _gone(post: Post, author: User[Any] | None, now_ms: int) -> Hidden | None:
    """Why nobody sees it."""
    if post.deleted_ms is not None:
        return Hidden.DELETED
    if post.status is not _PUBLISHED:
        return _BY_STATUS[post.status]
    if post.has_ended(now_ms):
        return Hidden.EXPIRED
    return None if takes_part(author, now_ms) else Hidden.SUSPENDED


def _withheld(post: Post, author: User[Any] | None, relations: Relations, ties: int) -> Hidden | None:
    """Why it is not for this viewer."""
    audience = post.audience
    if post.author_id == relations.viewer_id:
        return None
    if audience is _PUBLIC or audience is _UNLISTED:
        open_to_all = author is not None and not author.private
        return None if open_to_all or ties & _FOLLOWS else Hidden.PRIVATE
    if audience is _FOLLOWERS:
        return None if ties & _FOLLOWS else Hidden.FOLLOWERS_ONLY
    if audience is _FRIENDS_ONLY:
        return None if ties & _FRIENDS else Hidden.FRIENDS_ONLY
    if audience is _LIST:
        listed = post.list_id is not None and _has(relations.lists, post.list_id)
        return None if listed else Hidden.LIST_ONLY
    return Hidden.AUTHOR_ONLY


def _not_there(post: Post, ties: int, surface: Surface) -> Hidden | None:
    """Why what may be seen is not shown there."""
    if post.repost_of is not None and surface is _HOME and ties & _NO_REPOSTS:
        return Hidden.NO_REPOSTS
    return Hidden.NOT_UNDER_TAGS if surface is _TAG and post.audience is not _PUBLIC else None


def _has(ids: Ids, wanted: int) -> bool:
    where = int(ids.searchsorted(wanted))
    return where < len(ids) and int(ids[where]) == wanted
