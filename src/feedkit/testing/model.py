"""What a feed should serve, said with dictionaries and sets: the other side of `machine`.

It shares no code with feedkit and is slow and obvious on purpose: nothing is stored twice, every
question is answered by going through all posts. Users are named by their keys.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

PUBLIC, FOLLOWERS, ONLY_ME = "public", "followers", "only_me"
TOP = 2**63
"""Above every position."""


@dataclass(frozen=True)
class Known:
    """A post as it was acknowledged.

    `order` counts commits: it is not the order of positions. `at_ms` is what the writer's clock said.
    """

    id: int
    position: int
    author: str
    audience: str
    text: str
    at_ms: int
    order: int = 0


@dataclass(frozen=True)
class Surface:
    """A feed that someone pages through: everyone's home, or one author's profile. None is logged out."""

    viewer: str | None
    author: str | None = None

    def __str__(self) -> str:
        return (
            f"home of {self.viewer}" if self.author is None else f"{self.viewer} at {self.author}'s profile"
        )


class Model:
    """Who published what and who stands how to whom, and therefore who sees what.

    The order of commits is known to a feed from its log, which may have forgotten what was written before
    `log_begins_ms`.
    """

    def __init__(self, users: Iterable[str]) -> None:
        self.users = tuple(users)
        self.posts: dict[int, Known] = {}
        self.deleted: set[int] = set()
        self.follows: set[tuple[str, str]] = set()
        self.blocks: set[tuple[str, str]] = set()
        self.mutes: set[tuple[str, str]] = set()
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

    def block(self, actor: str, target: str) -> bool:
        """Whether it is new. Both stop following each other."""
        self.follows -= {(actor, target), (target, actor)}
        return _added(self.blocks, (actor, target))

    def follow(self, actor: str, target: str) -> bool:
        """Whether it is new."""
        return _added(self.follows, (actor, target))

    def mute(self, actor: str, target: str) -> bool:
        """Whether it is new."""
        return _added(self.mutes, (actor, target))

    def unfollow(self, actor: str, target: str) -> bool:
        """Whether there was one."""
        return _removed(self.follows, (actor, target))

    def unblock(self, actor: str, target: str) -> bool:
        """Whether there was one."""
        return _removed(self.blocks, (actor, target))

    def unmute(self, actor: str, target: str) -> bool:
        """Whether there was one."""
        return _removed(self.mutes, (actor, target))

    # what follows from it

    def apart(self, one: str, other: str) -> bool:
        """Whether a block stands between two, whoever made it."""
        return bool(self.blocks & {(one, other), (other, one)})

    def may_see(self, viewer: str | None, post: Known) -> bool:
        """Whether the post exists for this viewer, wherever they meet it."""
        if post.id in self.deleted:
            return False
        if viewer == post.author:
            return True
        if viewer is None:
            return post.audience == PUBLIC
        if self.apart(viewer, post.author):
            return False
        following = (viewer, post.author) in self.follows
        return post.audience == PUBLIC or (post.audience == FOLLOWERS and following)

    def belongs(self, surface: Surface, post: Known) -> bool:
        """Whether a post shows on this surface now."""
        if surface.author is not None:
            return post.author == surface.author and self.may_see(surface.viewer, post)
        viewer = surface.viewer
        if viewer is None or not self.may_see(viewer, post):
            return False
        if viewer == post.author:
            return True
        return (viewer, post.author) in self.follows and (viewer, post.author) not in self.mutes

    def shown(self, surface: Surface) -> list[Known]:
        """All of a surface, newest first."""
        return newest_first(post for post in self.posts.values() if self.belongs(surface, post))

    def counts(self, user: str) -> tuple[int, int, int]:
        """Followers, followees and posts of a user. Only public posts count."""
        standing = [post for post in self.posts.values() if post.id not in self.deleted]
        return (
            sum(target == user for _, target in self.follows),
            sum(actor == user for actor, _ in self.follows),
            sum(post.author == user and post.audience == PUBLIC for post in standing),
        )


@dataclass(eq=False)
class Walk:
    """Someone pages down a surface, and meanwhile the world changes.

    What is committed after the walk began is for the next poll: `order` is the number of commits then.
    `always` has been visible ever since, `ever` at some time since; `old` are posts that do not belong to a
    poll, which only asks for what is newer than an earlier page.
    """

    surface: Surface
    cursor: str | None
    order: int
    always: set[int]
    ever: set[int]
    old: frozenset[int] = frozenset()
    below: int = TOP
    exact: bool = True
    is_poll: bool = False
    top: int = 0
    served: list[Known] = field(default_factory=list)

    @classmethod
    def begin(cls, model: Model, surface: Surface) -> "Walk":
        """From the newest post down."""
        now = {post.id for post in model.shown(surface)}
        return cls(surface, None, model.commits, set(now), set(now))

    def observe(self, model: Model) -> None:
        """To be told after every change."""
        now = {post.id for post in model.shown(self.surface) if self._may_bring(model, post)}
        self.always &= now
        self.ever |= now - self.old

    def expected(self, model: Model) -> list[Known] | None:
        """What is still to come, if nothing changes from here on; None where that depends on the log."""
        rest = [post for post in model.shown(self.surface) if post.position < self.below]
        sure = [post for post in rest if post.order <= self.order]
        return sure if sure == [post for post in rest if self._may_bring(model, post)] else None

    def _may_bring(self, model: Model, post: Known) -> bool:
        return post.order <= self.order or post.at_ms < model.log_begins_ms

    def take(self, posts: Sequence[Known]) -> None:
        """A page has been served."""
        self.served += posts
        if posts:
            self.below = posts[-1].position

    def fault(self) -> str | None:
        """At the end: what is wrong with the whole of it, or None. The law [paged]."""
        ids = [post.id for post in self.served]
        positions = [post.position for post in self.served]
        if len(set(ids)) != len(ids):
            return "served twice: " + texts(post for post in self.served if ids.count(post.id) > 1)
        if positions != sorted(positions, reverse=True):
            return "out of order: " + texts(self.served)
        if lost := self.always - set(ids):
            return f"lost, though visible throughout: {sorted(lost)}"
        if alien := set(ids) - self.ever:
            return f"does not belong: {sorted(alien)}"
        return None


@dataclass(eq=False)
class Watch:
    """Someone holds the `newer_cursor` of a page, and asks later what has come since.

    `order` is the number of commits when the page was read, and `top` the newest position in view then;
    `seen` has been in view ever since.
    """

    surface: Surface
    cursor: str
    order: int
    top: int
    seen: set[int]
    appeared: set[int] = field(default_factory=set)

    @classmethod
    def begin(cls, model: Model, surface: Surface, cursor: str) -> "Watch":
        """From a page that was read just now."""
        shown = model.shown(surface)
        top = shown[0].position if shown else 0
        return cls(surface, cursor, model.commits, top, {post.id for post in shown})

    def observe(self, model: Model) -> None:
        """To be told after every change."""
        now = {post.id for post in model.shown(self.surface)}
        self.seen &= now
        self.appeared |= now - self.seen

    def poll(self, model: Model) -> Walk:
        """A walk over what is new: it owes what was published since and shows.

        It may also serve older posts that have only since come into view, and nothing else. That a post below
        the top was committed late can only be told from the log.
        """
        shown = model.shown(self.surface)
        owed = {
            post.id
            for post in shown
            if post.order > self.order and (post.position > self.top or post.at_ms >= model.log_begins_ms)
        }
        walk = Walk.begin(model, self.surface)
        walk.cursor, walk.always, walk.ever = self.cursor, owed, walk.ever & self.appeared
        walk.old, walk.top, walk.exact, walk.is_poll = frozenset(self.seen), self.top, False, True
        return walk


def newest_first(posts: Iterable[Known]) -> list[Known]:
    """By position, the highest first."""
    return sorted(posts, key=lambda post: post.position, reverse=True)


def texts(posts: Iterable[Known]) -> str:
    """For messages: what the posts say, in order."""
    return " ".join(post.text for post in posts) or "nothing"


def _added(pairs: set[tuple[str, str]], pair: tuple[str, str]) -> bool:
    fresh = pair not in pairs
    pairs.add(pair)
    return fresh


def _removed(pairs: set[tuple[str, str]], pair: tuple[str, str]) -> bool:
    there = pair in pairs
    pairs.discard(pair)
    return there
