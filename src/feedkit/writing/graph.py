"""Following, blocking and muting, and every undo."""

from collections.abc import Callable
from functools import partial

from feedkit.clock import Clock
from feedkit.errors import Forbidden, LimitExceeded
from feedkit.model import ACTIVE, NONE, Assoc, Event, EventKind, Relation
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx

_ADDED = {
    Assoc.FOLLOWS: EventKind.FOLLOW_ADDED,
    Assoc.BLOCKS: EventKind.BLOCK_ADDED,
    Assoc.MUTES: EventKind.MUTE_ADDED,
}
_REMOVED = {
    Assoc.FOLLOWS: EventKind.FOLLOW_REMOVED,
    Assoc.BLOCKS: EventKind.BLOCK_REMOVED,
    Assoc.MUTES: EventKind.MUTE_REMOVED,
}


Change = Callable[[Tx, int, int], Relation]


class Graph:
    """The verbs for relations. Doing one twice changes nothing the second time.

    A follow raises Forbidden where one of the two blocks the other, and LimitExceeded past `following_max`.
    A block ends the follows between the two, both ways.
    """

    def __init__(self, truth: Truth, clock: Clock, settings: Settings) -> None:
        self._truth, self._clock, self._settings = truth, clock, settings

    def add(self, kind: Assoc, actor_id: int, target_id: int, host_tx: Tx | None = None) -> Relation:
        """Follow, block or mute."""
        changes: dict[Assoc, Change] = {Assoc.FOLLOWS: self._follow, Assoc.BLOCKS: self._block}
        return self._write(changes.get(kind, partial(self._add, kind)), actor_id, target_id, host_tx)

    def remove(self, kind: Assoc, actor_id: int, target_id: int, host_tx: Tx | None = None) -> Relation:
        """Unfollow, unblock or unmute."""
        return self._write(partial(self._remove, kind), actor_id, target_id, host_tx)

    def _write(self, change: Change, actor_id: int, target_id: int, host_tx: Tx | None) -> Relation:
        def work(tx: Tx) -> Relation:
            self._truth.graph.lock_pair(tx, actor_id, target_id)
            return change(tx, actor_id, target_id)

        return self._truth.write(work, within=host_tx)

    def _follow(self, tx: Tx, actor_id: int, target_id: int) -> Relation:
        if self._truth.graph.is_blocked(tx, actor_id, target_id):
            raise Forbidden("actor cannot follow target: one of the two blocks the other", argument="target")
        relation = self._add(Assoc.FOLLOWS, tx, actor_id, target_id)
        limit = self._settings.following_max
        if relation.changed and self._truth.graph.count(tx, actor_id, Assoc.FOLLOWS, limit + 1) > limit:
            raise LimitExceeded(
                f"actor follows {limit} others, the most there may be; unfollow somebody, or raise the setting "
                "following_max",
                argument="actor",
                limit=limit,
            )
        return relation

    def _block(self, tx: Tx, actor_id: int, target_id: int) -> Relation:
        self._remove(Assoc.FOLLOWS, tx, actor_id, target_id)
        self._remove(Assoc.FOLLOWS, tx, target_id, actor_id)
        return self._add(Assoc.BLOCKS, tx, actor_id, target_id)

    def _add(self, kind: Assoc, tx: Tx, actor_id: int, target_id: int) -> Relation:
        now_ms = self._clock.now_ms()
        changed = self._truth.graph.add(tx, actor_id, kind, target_id, now_ms)
        if changed:
            self._truth.events.append(tx, Event(_ADDED[kind], actor_id, target_id, now_ms))
        return Relation(ACTIVE, changed)

    def _remove(self, kind: Assoc, tx: Tx, actor_id: int, target_id: int) -> Relation:
        changed = self._truth.graph.remove(tx, actor_id, kind, target_id)
        if changed:
            self._truth.events.append(tx, Event(_REMOVED[kind], actor_id, target_id, self._clock.now_ms()))
        return Relation(NONE, changed)
