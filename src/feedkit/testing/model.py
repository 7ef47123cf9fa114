"""What a feed should serve, said with dictionaries and sets: the other side of `machine`.

It shares no code with feedkit and is slow and obvious on purpose: nothing is stored twice, every
question is answered by going through all posts.
"""

from collections.abc import Iterable
from dataclasses import replace

from feedkit.testing.known import (
    FOLLOWERS,
    FRIENDS,
    HOME,
    PROFILE,
    PUBLIC,
    REPLIES,
    UNLISTED,
    Known,
    Surface,
    newest_first,
)
from feedkit.testing.people import People


class Model(People):
    """Who published what and who stands how to whom, and therefore who sees what.

    The order of commits is known to a feed from its log, which may have forgotten what was written before
    `log_begins_ms`.
    """

    def __init__(self, users: Iterable[str], instants: list[int]) -> None:
        super().__init__(users, instants)
        self.posts: dict[int, Known] = {}
        self.deleted: set[int] = set()
        self.commits = 0
        self.log_begins_ms = 0

    # what happens

    def publish(self, post: Known) -> None:
        """A post has been committed."""
        self.commits += 1
        self.posts[post.id] = replace(post, order=self.commits)

    def delete(self, id: int) -> bool:
        """Whether it was there to be deleted."""
        fresh = id not in self.deleted
        self.deleted.add(id)
        return fresh

    # what follows from it

    def stands(self, post: Known) -> bool:
        """Whether the post is there for anybody at all."""
        ended = post.expires_ms is not None and post.expires_ms <= self.now_ms
        return post.id not in self.deleted and not ended

    def may_see(self, viewer: str | None, post: Known) -> bool:
        """Whether the post exists for this viewer, wherever they meet it."""
        if not self.stands(post):
            return False
        if viewer == post.author:
            return True
        if viewer is not None and self.apart(viewer, post.author):
            return False
        if post.audience in (PUBLIC, UNLISTED):
            return True
        if post.audience == FOLLOWERS:
            return self.following(viewer, post.author)
        return post.audience == FRIENDS and self.friends(viewer, post.author)

    def shows(self, surface: Surface, post: Known) -> bool:
        """Whether a post is shown on such a surface, if it stands there at all."""
        if not self.may_see(surface.viewer, post):
            return False
        return surface.kind in (PROFILE, REPLIES) or not self.muting(surface.viewer, post.author)

    def belongs(self, surface: Surface, entry: Known) -> bool:
        """Whether an entry shows on this surface now: it, and what it shares."""
        shared = entry if entry.repost_of is None else self.posts[entry.repost_of]
        return self.stands_on(surface, entry) and self.shows(surface, entry) and self.shows(surface, shared)

    def stands_on(self, surface: Surface, entry: Known) -> bool:
        """Whether this surface is made of such entries."""
        if surface.kind == HOME:
            return surface.viewer == entry.author or self.following(surface.viewer, entry.author)
        return entry.author == surface.of and (entry.reply_to is not None) == (surface.kind == REPLIES)

    def shown(self, surface: Surface) -> list[Known]:
        """All entries of a surface, newest first."""
        return newest_first(post for post in self.posts.values() if self.belongs(surface, post))

    def shown_at_all_times(self, surface: Surface) -> list[set[int]]:
        """The ids of what the surface shows by the clock of each process."""
        instants = self.instants if self.edges() else self.instants[:1]
        return [{post.id for post in self._shown_at(surface, now_ms)} for now_ms in instants]

    def _shown_at(self, surface: Surface, now_ms: int) -> list[Known]:
        asked, self.now_ms = self.now_ms, now_ms
        shown = self.shown(surface)
        self.now_ms = asked
        return shown

    def edges(self) -> set[int]:
        """The instants at which something lapses by itself."""
        ends = {post.expires_ms for post in self.posts.values() if post.expires_ms is not None}
        return super().edges() | ends

    def counts(self, user: str) -> tuple[int, int, int]:
        """Followers, followees and posts of a user. Only public posts count."""
        standing = [post for post in self.posts.values() if post.id not in self.deleted]
        return (
            sum(target == user for _, target in self.follows),
            sum(actor == user for actor, _ in self.follows),
            sum(post.author == user and post.audience == PUBLIC for post in standing),
        )
