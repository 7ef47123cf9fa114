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

from collections.abc import Iterable, Mapping, Sequence
from enum import IntFlag, StrEnum
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from feedkit.ids import MAX_ID
from feedkit.idset import Ids
from feedkit.model import Audience, Post, PostStatus, User, UserStatus

LOGGED_OUT = 0
"""The viewer id of somebody who is not logged in."""


class Surface(StrEnum):
    """Where a post would be shown. Mutes hide on home alone: who opens a profile asks for it."""

    HOME = "home"
    PROFILE = "profile"
    POST = "post"


class Tie(IntFlag):
    """How one viewer stands to somebody else; several may hold at once."""

    FOLLOWS = 1
    BLOCKED = 2
    """One of the two blocks the other."""
    MUTES = 4


_NOBODY = np.array([MAX_ID], dtype=np.int64)
_NO_TIES = np.zeros(1, dtype=np.uint8)
# Members of an enum are looked up anew at each use, which tells in a loop over every post of every page.
_PUBLISHED, _ACTIVE = PostStatus.PUBLISHED, UserStatus.ACTIVE
_PUBLIC, _FOLLOWERS = Audience.PUBLIC, Audience.FOLLOWERS
_FOLLOWS = int(Tie.FOLLOWS)
_HIDING = {surface: int(Tie.BLOCKED) for surface in Surface} | {Surface.HOME: int(Tie.BLOCKED | Tie.MUTES)}


@attrs.frozen(slots=True, eq=False)
class Relations:
    """What stands between one viewer and others, as two columns, so that one search tells all about a batch.

    `others`: ids of users (int64, ascending); `ties`: `Tie` bits beside them (uint8). Both have the shape
    (n + 1,), and end with a row for nobody.
    """

    viewer_id: int
    others: Ids
    ties: NDArray[np.uint8]

    def with_each(self, user_ids: Sequence[int]) -> list[int]:
        """The `Tie` bits with each of these users, 0 where there are none."""
        wanted = np.array(user_ids, dtype=np.int64)
        where = self.others.searchsorted(wanted)
        found: list[int] = (self.ties[where] * (self.others[where] == wanted)).tolist()
        return found

    def those(self, tie: Tie) -> Ids:
        """Everybody with whom the viewer has this tie: sorted ids."""
        those: Ids = self.others[self.ties & tie.value != 0]
        return those

    def home_authors(self) -> Ids:
        """Whose posts can stand in this viewer's home feed: sorted ids, the viewer included."""
        shown = self.ties & (_FOLLOWS | _HIDING[Surface.HOME]) == _FOLLOWS
        return np.union1d(self.others[shown], [self.viewer_id])


def relations_of(viewer_id: int, ties: Mapping[Tie, Iterable[int]]) -> Relations:
    """Relations from the users of each tie, in any order and with duplicates."""
    of_each = [np.fromiter(users, dtype=np.int64) for users in ties.values()]
    others, where = np.unique(np.concatenate([*of_each, _NOBODY]), return_inverse=True)
    held = np.zeros(len(others), dtype=np.uint8)
    start = 0
    for tie, users in zip(ties, of_each, strict=True):
        held[where[start : start + len(users)]] |= tie.value
        start += len(users)
    return Relations(viewer_id, others, held)


def no_relations(viewer_id: int) -> Relations:
    """The relations of somebody who has none, such as a logged-out viewer."""
    return Relations(viewer_id, _NOBODY, _NO_TIES)


def visible(
    posts: Sequence[Post], authors: Sequence[User[Any] | None], relations: Relations, surface: Surface
) -> list[bool]:
    """For each post, whether the viewer may see it on this surface. `authors` stand beside their posts."""
    hiding, viewer_id = _HIDING[surface], relations.viewer_id
    ties_with = relations.with_each([post.author_id for post in posts])
    return [
        not ties & hiding and _stands(post, author) and _in_audience(post, viewer_id, ties)
        for post, author, ties in zip(posts, authors, ties_with, strict=True)
    ]


def delivered_to_followers(audience: Audience) -> bool:
    """Whether posts of this audience go to followers' inboxes at all."""
    return audience is not Audience.ONLY_ME


def _stands(post: Post, author: User[Any] | None) -> bool:
    return (
        post.deleted_ms is None
        and post.status is _PUBLISHED
        and author is not None
        and author.status is _ACTIVE
    )


def _in_audience(post: Post, viewer_id: int, ties: int) -> bool:
    return (
        post.audience is _PUBLIC
        or post.author_id == viewer_id
        or (post.audience is _FOLLOWERS and ties & _FOLLOWS != 0)
    )
