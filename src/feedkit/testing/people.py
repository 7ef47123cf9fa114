"""Who stands how to whom, said with dictionaries and sets: the half of the model that is about people."""

from collections.abc import Iterable, Mapping


class People:
    """Everything that stands between users, and the clocks by which some of it lapses.

    `instants` is what the clock of each process says, and `now_ms` what that of the asked one says.
    """

    def __init__(self, users: Iterable[str], instants: list[int]) -> None:
        self.users = tuple(users)
        self.instants = instants
        self.now_ms = max(instants)
        self.follows: set[tuple[str, str]] = set()
        self.blocks: set[tuple[str, str]] = set()
        self.mutes: dict[tuple[str, str], int | None] = {}

    # what happens

    def block(self, actor: str, target: str) -> bool:
        """Whether it is new. Both stop following each other."""
        self.follows -= {(actor, target), (target, actor)}
        return _added(self.blocks, (actor, target))

    def follow(self, actor: str, target: str) -> bool:
        """Whether it is new."""
        return _added(self.follows, (actor, target))

    def mute(self, actor: str, target: str) -> bool:
        """Whether it is new."""
        fresh = (actor, target) not in self.mutes
        self.mutes[actor, target] = None
        return fresh

    def unfollow(self, actor: str, target: str) -> bool:
        """Whether there was one."""
        return _removed(self.follows, (actor, target))

    def unblock(self, actor: str, target: str) -> bool:
        """Whether there was one."""
        return _removed(self.blocks, (actor, target))

    def unmute(self, actor: str, target: str) -> bool:
        """Whether there was one."""
        there = (actor, target) in self.mutes
        self.mutes.pop((actor, target), None)
        return there

    # what follows from it

    def apart(self, one: str, other: str) -> bool:
        """Whether a block stands between two, whoever made it."""
        return bool(self.blocks & {(one, other), (other, one)})

    def following(self, one: str | None, other: str) -> bool:
        """Whether the first follows the second."""
        return one is not None and (one, other) in self.follows

    def friends(self, one: str | None, other: str) -> bool:
        """Whether they follow each other."""
        return one is not None and {(one, other), (other, one)} <= self.follows

    def muting(self, one: str | None, other: str) -> bool:
        """Whether the first mutes the second at this moment."""
        return one is not None and self.holds(self.mutes, (one, other))

    def holds(self, lapsing: Mapping[tuple[str, str], int | None], pair: tuple[str, str]) -> bool:
        """Whether something is there that has not lapsed."""
        until_ms = lapsing.get(pair, 0)
        return until_ms is None or until_ms > self.now_ms

    def edges(self) -> set[int]:
        """The instants at which something lapses by itself."""
        return {until_ms for until_ms in self.mutes.values() if until_ms is not None}


def _added(pairs: set[tuple[str, str]], pair: tuple[str, str]) -> bool:
    fresh = pair not in pairs
    pairs.add(pair)
    return fresh


def _removed(pairs: set[tuple[str, str]], pair: tuple[str, str]) -> bool:
    there = pair in pairs
    pairs.discard(pair)
    return there
