"""Who stands how to whom, said with dictionaries and sets: the half of the model that is about people."""

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

Pair = tuple[str, str]
Answer = tuple[str, bool]
"""What a verb says: how the two stand now, and whether it changed that."""

ACTIVE, REQUESTED, NONE = "active", "requested", "none"


class People:
    """Everything that stands between users, and the clocks by which some of it lapses.

    `instants` is what the clock of each process says, and `now_ms` what that of the asked one says. Of a pair the
    first does it to the second: (follower, followee). A follow and a request have a wish: no reposts.
    """

    def __init__(self, users: Iterable[str], instants: list[int]) -> None:
        self.users = tuple(users)
        self.instants = instants
        self.now_ms = max(instants)
        self.private: set[str] = set()
        self.suspended: dict[str, int | None] = {}
        self.follows: dict[Pair, bool] = {}
        self.requests: dict[Pair, bool] = {}
        self.asks: set[Pair] = set()
        self.blocks: set[Pair] = set()
        self.mutes: dict[Pair, int | None] = {}
        self.owners: dict[int, str] = {}
        self.members: dict[int, set[str]] = {}

    # follows, requests, friendship

    def follow(self, actor: str, target: str, *, reposts: bool = True) -> Answer:
        """Follow, or ask for it."""
        pair, wish = (actor, target), not reposts
        if pair in self.follows:
            return ACTIVE, _put(self.follows, pair, wish)
        if target not in self.private:
            self._begin(pair, wish)
            return ACTIVE, True
        return REQUESTED, _put(self.requests, pair, wish)

    def unfollow(self, actor: str, target: str) -> Answer:
        """End a follow, or take back the wish for one."""
        pair = (actor, target)
        there = pair in self.follows or pair in self.requests
        self.follows.pop(pair, None)
        self.requests.pop(pair, None)
        return NONE, there

    def befriend(self, actor: str, target: str) -> Answer:
        """Ask for friendship, or agree to it."""
        if self.friends(actor, target):
            return ACTIVE, False
        if (target, actor) in self.asks:
            return self._agree(actor, target)
        return REQUESTED, _add(self.asks, (actor, target))

    def unfriend(self, actor: str, target: str) -> Answer:
        """End a friendship with both its follows, or take back the wish for one."""
        if not self.friends(actor, target):
            return NONE, _remove(self.asks, (actor, target))
        del self.follows[actor, target], self.follows[target, actor]
        return NONE, True

    def accept(self, actor: str, target: str) -> Answer:
        """Give the target what they asked the actor for."""
        if (target, actor) in self.asks:
            return self._agree(actor, target)
        if (target, actor) in self.requests:
            self._begin((target, actor), self.requests[target, actor])
            return ACTIVE, True
        return ACTIVE if (target, actor) in self.follows else NONE, False

    def decline(self, actor: str, target: str) -> Answer:
        """Refuse all that the target asked the actor for."""
        asked = (target, actor) in self.requests or (target, actor) in self.asks
        self.requests.pop((target, actor), None)
        self.asks.discard((target, actor))
        return (ACTIVE if not asked and (target, actor) in self.follows else NONE), asked

    def _agree(self, actor: str, target: str) -> Answer:
        for pair in ((actor, target), (target, actor)):
            if pair not in self.follows:
                self._begin(pair, self.requests.get(pair, False))
        return ACTIVE, True

    def _begin(self, pair: Pair, wish: bool) -> None:
        self.requests.pop(pair, None)
        self.follows[pair] = wish
        if self.friends(*pair):
            self.asks -= {pair, pair[::-1]}

    # blocks and mutes

    def block(self, actor: str, target: str) -> Answer:
        """End everything between the two, and stand between them."""
        for pair in ((actor, target), (target, actor)):
            self.follows.pop(pair, None)
            self.requests.pop(pair, None)
            self.asks.discard(pair)
            for list_id, owner in self.owners.items():
                if owner == pair[0]:
                    self.members[list_id].discard(pair[1])
        return ACTIVE, _add(self.blocks, (actor, target))

    def unblock(self, actor: str, target: str) -> Answer:
        """Undo a block, and nothing that it ended."""
        return NONE, _remove(self.blocks, (actor, target))

    def mute(self, actor: str, target: str, *, until_ms: int | None = None) -> Answer:
        """From now on, whatever was before."""
        return ACTIVE, _put(self.mutes, (actor, target), until_ms)

    def unmute(self, actor: str, target: str) -> Answer:
        """Undo a mute, if it has not lapsed."""
        stood = self.muting(actor, target)
        self.mutes.pop((actor, target), None)
        return NONE, stood

    # lists

    def create_list(self, owner: str, list_id: int) -> None:
        """An empty list."""
        self.owners[list_id], self.members[list_id] = owner, set()

    def delete_list(self, list_id: int) -> None:
        """Nobody is on it any more."""
        del self.owners[list_id], self.members[list_id]

    def lists_of(self, owner: str) -> list[int]:
        """The ids of somebody's own."""
        return sorted(list_id for list_id, of in self.owners.items() if of == owner)

    # what follows from it

    def apart(self, one: str | None, other: str) -> bool:
        """Whether a block stands between two, whoever made it."""
        return one is not None and ((one, other) in self.blocks or (other, one) in self.blocks)

    def following(self, one: str | None, other: str) -> bool:
        """Whether the first follows the second."""
        return one is not None and (one, other) in self.follows

    def friends(self, one: str | None, other: str) -> bool:
        """Whether they follow each other."""
        return one is not None and (one, other) in self.follows and (other, one) in self.follows

    def muting(self, one: str | None, other: str) -> bool:
        """Whether the first mutes the second at this moment."""
        return one is not None and (one, other) in self.mutes and self._lasts(self.mutes[one, other])

    def is_suspended(self, user: str) -> bool:
        """Whether somebody takes no part at this moment."""
        return user in self.suspended and self._lasts(self.suspended[user])

    def edges(self) -> set[int]:
        """The instants at which something lapses by itself."""
        lapsing = (*self.mutes.values(), *self.suspended.values())
        return {until_ms for until_ms in lapsing if until_ms is not None}

    def user_counts(self, user: str) -> tuple[int, int, int]:
        """Followers, followees and friends of a user."""
        return (
            sum(target == user for _, target in self.follows),
            sum(actor == user for actor, _ in self.follows),
            sum(self.friends(user, other) for other in self.users),
        )

    def _lasts(self, until_ms: int | None) -> bool:
        return until_ms is None or until_ms > self.now_ms


def _put(held: dict[Pair, T], pair: Pair, value: T) -> bool:
    changed = pair not in held or held[pair] != value
    held[pair] = value
    return changed


def _add(pairs: set[Pair], pair: Pair) -> bool:
    fresh = pair not in pairs
    pairs.add(pair)
    return fresh


def _remove(pairs: set[Pair], pair: Pair) -> bool:
    there = pair in pairs
    pairs.discard(pair)
    return there
