"""Who reacted to what, saved it and said something about it: the part of the model that is about engagement."""

from dataclasses import dataclass

LIKE = "like"


@dataclass(frozen=True)
class Said:
    """A comment as it was acknowledged. `parent` is the comment that it answers."""

    id: int
    post: int
    author: str
    text: str
    parent: int | None = None


class Engagement:
    """One reaction per person and post or comment; saves; comments, which stay as gaps once they are answered."""

    def __init__(self) -> None:
        self.reactions: dict[tuple[str, int], str] = {}
        self.reacted_ms: dict[tuple[str, int], int] = {}
        self.saves: set[tuple[str, int]] = set()
        self.comments: dict[int, Said] = {}
        self.withdrawn: set[int] = set()

    def react(self, actor: str, target: int, kind: str, at_ms: int) -> bool:
        """Whether it is new; it takes the place of another kind."""
        fresh = self.reactions.get((actor, target)) != kind
        self.reactions[actor, target] = kind
        if fresh:
            self.reacted_ms[actor, target] = at_ms
        return fresh

    def unreact(self, actor: str, target: int) -> bool:
        """Whether there was one."""
        return self.reactions.pop((actor, target), None) is not None

    def save(self, actor: str, post: int) -> bool:
        """Whether it is new."""
        fresh = (actor, post) not in self.saves
        self.saves.add((actor, post))
        return fresh

    def unsave(self, actor: str, post: int) -> bool:
        """Whether it was there."""
        there = (actor, post) in self.saves
        self.saves.discard((actor, post))
        return there

    def withdraw(self, comment: int) -> bool:
        """Whether it was there to be deleted."""
        fresh = comment not in self.withdrawn
        self.withdrawn.add(comment)
        return fresh
