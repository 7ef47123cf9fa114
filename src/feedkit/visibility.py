"""Who may see what: the one place that decides it, for a batch, from values handed to it.

Fan-out, home, profile and every other surface ask here; nothing in this module fetches anything.
An entry in an inbox is never a permission.

=============  ======================  =========================================
audience       who may see the post    and never, whatever the audience
=============  ======================  =========================================
``public``     everyone                those who block the author, or whom the
``followers``  followers, the author   author blocks; on home also not those who
``only_me``    the author              mute the author
=============  ======================  =========================================

A post that is deleted or not published is seen by nobody. Logged-out viewers see public posts.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import attrs
import numpy as np

from feedkit.idset import EMPTY, Ids, contains
from feedkit.model import Audience, Post, PostStatus, User, UserStatus

LOGGED_OUT = 0
"""The viewer id of somebody who is not logged in."""


class Surface(StrEnum):
    """Where a post would be shown. Mutes hide on home alone: who opens a profile asks for it."""

    HOME = "home"
    PROFILE = "profile"
    POST = "post"


@attrs.frozen(slots=True, eq=False)
class Relations:
    """What stands between one viewer and others: sorted int64 arrays of user ids, each of shape (n,).

    `blocked` holds both those whom the viewer blocks and those who block the viewer.
    """

    viewer_id: int
    followees: Ids
    blocked: Ids
    muted: Ids

    def home_authors(self) -> Ids:
        """Whose posts can stand in this viewer's home feed: sorted ids, the viewer included."""
        hidden = np.union1d(self.blocked, self.muted)
        return np.union1d(np.setdiff1d(self.followees, hidden, assume_unique=True), [self.viewer_id])


def no_relations(viewer_id: int) -> Relations:
    """The relations of somebody who has none, such as a logged-out viewer."""
    return Relations(viewer_id, EMPTY, EMPTY, EMPTY)


def visible(
    posts: Sequence[Post], authors: Sequence[User[Any] | None], relations: Relations, surface: Surface
) -> list[bool]:
    """For each post, whether the viewer may see it on this surface. `authors` stand beside their posts."""
    author_ids = np.fromiter((post.author_id for post in posts), dtype=np.int64, count=len(posts))
    hidden = contains(relations.blocked, author_ids)
    if surface is Surface.HOME:
        hidden |= contains(relations.muted, author_ids)
    follows = contains(relations.followees, author_ids)
    viewer_id = relations.viewer_id
    return [
        not hides and _stands(post, author) and _in_audience(post, viewer_id, follower)
        for post, author, hides, follower in zip(
            posts, authors, hidden.tolist(), follows.tolist(), strict=True
        )
    ]


def delivered_to_followers(audience: Audience) -> bool:
    """Whether posts of this audience go to followers' inboxes at all."""
    return audience is not Audience.ONLY_ME


def _stands(post: Post, author: User[Any] | None) -> bool:
    return (
        post.deleted_at is None
        and post.status is PostStatus.PUBLISHED
        and author is not None
        and author.status is UserStatus.ACTIVE
    )


def _in_audience(post: Post, viewer_id: int, follows: bool) -> bool:
    if post.author_id == viewer_id:
        return True
    return post.audience is Audience.PUBLIC or (post.audience is Audience.FOLLOWERS and follows)
