"""Reacting to posts and comments, saving posts, and every undo."""

from collections.abc import Sequence
from typing import Any

from feedkit.clock import Clock
from feedkit.errors import InvalidArgument, shown
from feedkit.ids import MAX_ID
from feedkit.model import ACTIVE, NONE, Assoc, Event, EventKind, Relation
from feedkit.settings import Settings
from feedkit.storage.base import REACTED, Truth, Tx
from feedkit.storage.engaging import Mark
from feedkit.writing.standing import Standing
from feedkit.writing.targets import Targets

_BEHIND_ALL: Mark = (MAX_ID, MAX_ID)


class Engagement:
    """The verbs for reactions and saves. Doing one twice changes nothing the second time.

    Reacting and saving raise NotFound for what the actor does not see, and Forbidden for an actor who is
    suspended. An undo asks for no such right: it takes back what is one's own, and tells nothing where there is
    nothing to take back.
    """

    def __init__(
        self, truth: Truth, targets: Targets[Any], standing: Standing, clock: Clock, settings: Settings
    ) -> None:
        self._truth, self._targets, self._standing, self._clock = truth, targets, standing, clock
        self._kinds = tuple(settings.reaction_kinds.split(","))
        self._most = settings.reactions_per_person

    def react(self, actor_id: int, target_id: int, kind: str, host_tx: Tx | None = None) -> Relation:
        """React to a post or comment."""
        return self._truth.write(lambda tx: self._react(tx, actor_id, target_id, kind), within=host_tx)

    def unreact(self, actor_id: int, target_id: int, kind: str | None, host_tx: Tx | None = None) -> Relation:
        """Take back one's reaction of that kind, or all of them."""
        return self._truth.write(lambda tx: self._unreact(tx, actor_id, target_id, kind), within=host_tx)

    def save(self, actor_id: int, post_id: int, host_tx: Tx | None = None) -> Relation:
        """Keep a post for oneself."""
        return self._truth.write(lambda tx: self._save(tx, actor_id, post_id), within=host_tx)

    def unsave(self, actor_id: int, post_id: int, host_tx: Tx | None = None) -> Relation:
        """Keep it no longer."""
        return self._truth.write(lambda tx: self._unsave(tx, actor_id, post_id), within=host_tx)

    def checked_kind(self, kind: object) -> str:
        """A kind of reaction that there is. Raises InvalidArgument."""
        if not isinstance(kind, str) or kind not in self._kinds:
            raise InvalidArgument(
                f"kind must be one of {', '.join(self._kinds)}; got {shown(kind)}. The setting reaction_kinds "
                "names them",
                argument="kind",
            )
        return kind

    def _react(self, tx: Tx, actor_id: int, target_id: int, kind: str) -> Relation:
        self._standing.check(tx, actor_id, "actor")
        target_id = self._targets.either(tx, actor_id, target_id, "target_id")
        engagement = self._truth.engagement
        engagement.lock(tx, actor_id)
        held = engagement.held(tx, actor_id, target_id)
        if kind in held:
            return Relation(ACTIVE, changed=False)
        moment = self._behind(engagement.newest_of_kinds(tx, actor_id, REACTED, _BEHIND_ALL, 1))
        for displaced in _displaced(held, self._most):
            self._remove(tx, actor_id, displaced, target_id)
        engagement.add(tx, actor_id, kind, target_id, moment)
        self._append(tx, EventKind.REACTION_ADDED, actor_id, target_id, kind)
        return Relation(ACTIVE, changed=True)

    def _unreact(self, tx: Tx, actor_id: int, target_id: int, kind: str | None) -> Relation:
        target_id = self._own_target(tx, target_id)
        self._truth.engagement.lock(tx, actor_id)
        held = self._truth.engagement.held(tx, actor_id, target_id)
        gone = [one for one in held if kind in (None, one)]
        for one in gone:
            self._remove(tx, actor_id, one, target_id)
        return Relation(NONE if len(gone) == len(held) else ACTIVE, changed=bool(gone))

    def _save(self, tx: Tx, actor_id: int, post_id: int) -> Relation:
        self._standing.check(tx, actor_id, "actor")
        post_id = self._targets.post(tx, actor_id, post_id, "post_id").id
        self._truth.engagement.lock(tx, actor_id)
        moment = self._behind(self._truth.graph.newest(tx, actor_id, Assoc.SAVES, _BEHIND_ALL, 1))
        changed = self._truth.graph.add(tx, actor_id, Assoc.SAVES, post_id, moment)
        if changed:
            self._append(tx, EventKind.SAVE_ADDED, actor_id, post_id)
        return Relation(ACTIVE, changed)

    def _unsave(self, tx: Tx, actor_id: int, post_id: int) -> Relation:
        post_id = self._own_target(tx, post_id)
        changed = self._truth.graph.remove(tx, actor_id, Assoc.SAVES, post_id)
        if changed:
            self._append(tx, EventKind.SAVE_REMOVED, actor_id, post_id)
        return Relation(NONE, changed)

    def _behind(self, newest: Sequence[Mark]) -> int:
        """Now, but after what this person did before: a list that is read on from there then misses nothing."""
        return max([self._clock.now_ms(), *(time + 1 for time, _ in newest)])

    def _own_target(self, tx: Tx, target_id: int) -> int:
        """Of a repost, the post that it shares: there stands what was done."""
        post = self._truth.posts.get(tx, target_id)
        return target_id if post is None else post.repost_of or target_id

    def _remove(self, tx: Tx, actor_id: int, kind: str, target_id: int) -> None:
        self._truth.engagement.remove(tx, actor_id, kind, target_id)
        self._append(tx, EventKind.REACTION_REMOVED, actor_id, target_id, kind)

    def _append(self, tx: Tx, kind: EventKind, actor_id: int, object_id: int, detail: str = "") -> None:
        event = Event(kind, actor_id, object_id, self._clock.now_ms(), detail=detail)
        self._truth.events.append(tx, event)


def _displaced(held: Sequence[str], most: int) -> Sequence[str]:
    """The oldest reactions, as many as must go before there is room for one more."""
    return held[: max(0, len(held) + 1 - most)]
