"""Following, blocking, muting, and every undo."""

from typing import Any

from feedkit.errors import InvalidArgument
from feedkit.model import NONE, Assoc, Key, Relation
from feedkit.storage.base import Tx
from feedkit.verbs.base import Verbs


class GraphVerbs(Verbs[Key]):
    """What people do to each other."""

    def follow(self, actor: Key, target: Key, *, connection: Any = None) -> Relation:
        """Follow somebody: their posts, past and future, stand in the actor's home feed.

        Raises:
            Forbidden: one of the two blocks the other.
            LimitExceeded: the actor follows `following_max` others.
        """
        return self._relate(Assoc.FOLLOWS, actor, target, connection)

    def unfollow(self, actor: Key, target: Key, *, connection: Any = None) -> Relation:
        """Stop following."""
        return self._unrelate(Assoc.FOLLOWS, actor, target, connection)

    def block(self, actor: Key, target: Key, *, connection: Any = None) -> Relation:
        """Hide each from the other on every surface, and end the follows between them."""
        return self._relate(Assoc.BLOCKS, actor, target, connection)

    def unblock(self, actor: Key, target: Key, *, connection: Any = None) -> Relation:
        """Undo a block. Follows that it ended stay ended."""
        return self._unrelate(Assoc.BLOCKS, actor, target, connection)

    def mute(self, actor: Key, target: Key, *, connection: Any = None) -> Relation:
        """Hide somebody's posts from the actor's home feed; they are not told."""
        return self._relate(Assoc.MUTES, actor, target, connection)

    def unmute(self, actor: Key, target: Key, *, connection: Any = None) -> Relation:
        """Undo a mute."""
        return self._unrelate(Assoc.MUTES, actor, target, connection)

    def _relate(self, kind: Assoc, actor: Key, target: Key, connection: Any) -> Relation:
        runtime = self.runtime()
        if len(set(runtime.directory.checked({"actor": actor, "target": target}))) == 1:
            raise InvalidArgument("target must be somebody other than the actor", argument="target")

        def change(tx: Tx | None) -> Relation:
            actor_id, target_id = runtime.directory.ensure({"actor": actor, "target": target}, tx)
            return runtime.graph.add(kind, actor_id, target_id, tx)

        return runtime.change(change, connection)

    def _unrelate(self, kind: Assoc, actor: Key, target: Key, connection: Any) -> Relation:
        runtime = self.runtime()

        def change(tx: Tx | None) -> Relation:
            actor_id = runtime.directory.find(actor, "actor", tx)
            target_id = runtime.directory.find(target, "target", tx)
            if actor_id is None or target_id is None:
                return Relation(NONE, changed=False)
            return runtime.graph.remove(kind, actor_id, target_id, tx)

        return runtime.change(change, connection)
