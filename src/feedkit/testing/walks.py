"""People who page down a surface, and people who poll for news, while the world changes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from feedkit.testing.known import TOP, Known, Line, Surface
from feedkit.testing.model import Model


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
    is_poll: bool = False
    top: int = 0
    served: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    shown: set[int] = field(default_factory=set)

    @classmethod
    def begin(cls, model: Model, surface: Surface) -> "Walk":
        """From the newest post down."""
        now = model.shown_at_all_times(surface)
        return cls(surface, None, model.commits, set.intersection(*now), set().union(*now))

    def observe(self, model: Model) -> None:
        """To be told after every change."""
        now = [
            {id for id in shown if self._may_bring(model, model.posts[id])}
            for shown in model.shown_at_all_times(self.surface)
        ]
        self.always.intersection_update(*now)
        self.ever.update(*(shown - self.old for shown in now))

    def expected(self, model: Model, shown: Sequence[Known], until: int) -> list[Known] | None:
        """What of all that is shown is to come down to a place; None where that depends on the log."""
        if self.is_poll:
            return None
        rest = [post for post in shown if until <= self.surface.place(post.position) < self.below]
        sure = [post for post in rest if post.order <= self.order]
        return sure if sure == [post for post in rest if self._may_bring(model, post)] else None

    def _may_bring(self, model: Model, post: Known) -> bool:
        return post.order <= self.order or post.at_ms < model.log_begins_ms

    def take(self, model: Model, got: Sequence[Line], until: int) -> None:
        """A page has been served, which went down to that place."""
        contents = {line.content for line in got}
        behind = [entry for entry in model.posts.values() if entry.content in contents]
        for line in got:
            for entry in behind:
                if entry.content != line.content or entry.id in model.deleted:
                    continue
                span = (until, self.surface.place(entry.position), self.surface.place(line.position))
                named = entry.author in line.reposted_by and span[0] <= span[1] <= span[2]
                if entry.position == line.position or (entry.repost_of is not None and named):
                    self.served.append(entry.id)
            self.places.append(self.surface.place(line.position))
            self.shown.add(line.content)
        self.below = until

    def fault(self) -> str | None:
        """At the end: what is wrong with the whole of it, or None. The law [paged]."""
        if len(set(self.served)) != len(self.served):
            return f"served twice: {sorted(id for id in self.served if self.served.count(id) > 1)}"
        if self.places != sorted(self.places, reverse=True):
            return f"out of order: {self.places}"
        if lost := self.always - set(self.served) - self.shown:
            return f"lost, though visible throughout: {sorted(lost)}"
        if alien := set(self.served) - self.ever:
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
        top = max((post.position for post in shown), default=0)
        return cls(surface, cursor, model.commits, top, {post.id for post in shown})

    def observe(self, model: Model) -> None:
        """To be told after every change."""
        now = model.shown_at_all_times(self.surface)
        self.seen.intersection_update(*now)
        self.appeared.update(*(shown - self.seen for shown in now))

    def poll(self, model: Model) -> Walk:
        """A walk over what is new: it owes what was published since and shows.

        It may also serve older posts that have only since come into view, and nothing else. That a post below
        the top was committed late can only be told from the log.
        """
        self.observe(model)
        walk = Walk.begin(model, self.surface)
        walk.cursor, walk.ever = self.cursor, walk.ever & self.appeared
        walk.always = {id for id in walk.always if self._owes(model, model.posts[id])}
        walk.old, walk.top, walk.is_poll = frozenset(self.seen), self.top, True
        return walk

    def _owes(self, model: Model, post: Known) -> bool:
        return post.order > self.order and (post.position > self.top or post.at_ms >= model.log_begins_ms)
