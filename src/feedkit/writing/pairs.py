"""Two users in one transaction: what stands between them, and every step that changes it, with its event."""

from feedkit.errors import Forbidden
from feedkit.idset import single
from feedkit.model import FRIENDS, Assoc, Event, EventKind
from feedkit.storage.base import Truth, Tx

_CHANGES = {
    Assoc.FOLLOWS: (EventKind.FOLLOW_ADDED, EventKind.FOLLOW_REMOVED),
    Assoc.REQUESTS: (EventKind.REQUEST_ADDED, EventKind.REQUEST_REMOVED),
    Assoc.ASKS: (EventKind.ASK_ADDED, EventKind.ASK_REMOVED),
    Assoc.BLOCKS: (EventKind.BLOCK_ADDED, EventKind.BLOCK_REMOVED),
    Assoc.MUTES: (EventKind.MUTE_ADDED, EventKind.MUTE_REMOVED),
}
_REQUEST_FOR = {Assoc.FOLLOWS: Assoc.REQUESTS, Assoc.FOLLOWED_BY: Assoc.REQUESTED_BY}


class Pair:
    """Kinds are those of associations from the actor to the target: `FOLLOWED_BY` is the target's own follow.

    Nobody else changes what stands between the two before the transaction ends. `names`: what the caller calls
    the actor and the target, for errors.
    """

    def __init__(
        self, truth: Truth, tx: Tx, actor_id: int, target_id: int, now_ms: int, *, names: tuple[str, str]
    ) -> None:
        self._truth, self.tx, self.now_ms = truth, tx, now_ms
        self.actor_id, self.target_id, self.names = actor_id, target_id, names
        truth.graph.lock_pair(tx, actor_id, target_id)
        self._held = truth.graph.between_many(tx, actor_id, single(target_id))[target_id]

    def has(self, kind: Assoc) -> bool:
        """Whether this association stands."""
        return kind in self._held

    def data(self, kind: Assoc) -> int:
        """The number beside it."""
        return self._held.get(kind, 0)

    @property
    def are_friends(self) -> bool:
        """Whether they follow each other."""
        return self.has(Assoc.FOLLOWS) and self.has(Assoc.FOLLOWED_BY)

    def refuse_if_blocked(self, verb: str) -> None:
        """Raise Forbidden where one of the two blocks the other; who was blocked is not told why."""
        if self.has(Assoc.BLOCKS) or self.has(Assoc.BLOCKED_BY):
            actor, target = self.names
            why = f", whom {actor} blocks; unblock them first" if self.has(Assoc.BLOCKS) else ""
            raise Forbidden(f"{actor} cannot {verb} {target}{why}", argument=target)

    def add(self, kind: Assoc, data: int = 0) -> bool:
        """Make one stand; whether it did not."""
        if self.has(kind):
            return False
        self._put(kind, data)
        self._log(kind, 0)
        return True

    def change(self, kind: Assoc, data: int) -> bool:
        """Give one that stands other data; whether they were different. The event is the caller's."""
        if self.data(kind) == data:
            return False
        self._truth.graph.change(self.tx, self.actor_id, kind, self.target_id, data)
        self._held[kind] = data
        return True

    def remove(self, kind: Assoc) -> bool:
        """End one; whether it stood."""
        if not self.has(kind):
            return False
        self._take(kind)
        self._log(kind, 1)
        return True

    def follow(self, kind: Assoc, data: int = 0) -> None:
        """Make a follow that does not stand, `FOLLOWS` or `FOLLOWED_BY`: it answers what was asked for."""
        self.remove(_REQUEST_FOR[kind])
        self._put(kind, data)
        self._log(kind, 0, FRIENDS if self.are_friends else "")
        if self.are_friends:
            self._put(Assoc.FRIENDS, 0)
            self.remove(Assoc.ASKS)
            self.remove(Assoc.ASKED_BY)

    def unfollow(self, kind: Assoc) -> bool:
        """End a follow, and the friendship that rests on it; whether it stood."""
        if not self.has(kind):
            return False
        self._log(kind, 1, FRIENDS if self.are_friends else "")
        if self.are_friends:
            self._take(Assoc.FRIENDS)
        self._take(kind)
        return True

    def log(self, kind: EventKind) -> None:
        """Append an event of the actor's, about the target."""
        self._truth.events.append(self.tx, Event(kind, self.actor_id, self.target_id, self.now_ms))

    def _put(self, kind: Assoc, data: int) -> None:
        self._truth.graph.add(self.tx, self.actor_id, kind, self.target_id, self.now_ms, data=data)
        self._held[kind] = data

    def _take(self, kind: Assoc) -> None:
        self._truth.graph.remove(self.tx, self.actor_id, kind, self.target_id)
        self._held.pop(kind, None)

    def _log(self, kind: Assoc, change: int, detail: str = "") -> None:
        """The event belongs to whoever follows, asks, blocks or mutes."""
        who, whom = self.actor_id, self.target_id
        if kind not in _CHANGES:
            kind, who, whom = kind.inverse, whom, who
        event = Event(_CHANGES[kind][change], who, whom, self.now_ms, detail=detail)
        self._truth.events.append(self.tx, event)
