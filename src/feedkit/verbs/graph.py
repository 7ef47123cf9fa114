"""Following, requests, friendship, blocking, muting, and every undo."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from feedkit.errors import InvalidArgument
from feedkit.model import NONE, Key, Relation
from feedkit.storage.base import Tx
from feedkit.verbs.base import Verbs
from feedkit.writing.checks import checked_duration, checked_flag
from feedkit.writing.graph import Change, Graph

_NAMES = ("actor", "target")
_REQUEST = ("owner", "requester")


class GraphVerbs(Verbs[Key]):
    """What people do to each other. Doing it twice changes nothing the second time."""

    def follow(self, actor: Key, target: Key, *, reposts: bool = True, connection: Any = None) -> Relation:
        """Follow somebody: their posts, past and future, stand in the actor's home feed.

        Somebody private is asked first: the status is "requested" until they `accept`. Without `reposts`, what they
        repost is left out of the actor's home feed; to follow again with another choice changes it.

        Raises:
            Forbidden: one of the two blocks the other.
            LimitExceeded: the actor follows `following_max` others, or waits for `requests_max`.
        """
        with_reposts = checked_flag("reposts", reposts)
        return self._relate(
            lambda graph: partial(graph.follow, reposts=with_reposts), actor, target, connection
        )

    def unfollow(self, actor: Key, target: Key, *, connection: Any = None) -> Relation:
        """Stop following, or withdraw the request to."""
        return self._unrelate(lambda graph: graph.unfollow, actor, target, connection)

    def befriend(self, actor: Key, target: Key, *, connection: Any = None) -> Relation:
        """Ask somebody to be friends; who has been asked by them accepts. Friends follow each other.

        Raises:
            Forbidden: one of the two blocks the other.
            LimitExceeded: one of the two follows `following_max` others, or the actor waits for `requests_max`.
        """
        return self._relate(lambda graph: graph.befriend, actor, target, connection)

    def unfriend(self, actor: Key, target: Key, *, connection: Any = None) -> Relation:
        """End a friendship and both its follows, or withdraw the request for one. Other follows stay."""
        return self._unrelate(lambda graph: graph.unfriend, actor, target, connection)

    def accept(self, owner: Key, requester: Key, *, connection: Any = None) -> Relation:
        """Give a requester what they wait for: friendship if they asked for that, else to follow the owner.

        The status is "active" where the requester follows the owner then.

        Raises:
            LimitExceeded: whoever would follow follows `following_max` others; the request stays.
        """
        return self._unrelate(lambda graph: graph.accept, owner, requester, connection, names=_REQUEST)

    def decline(self, owner: Key, requester: Key, *, connection: Any = None) -> Relation:
        """Refuse what a requester waits for. They are not told, and may ask again. Who follows already goes on."""
        return self._unrelate(lambda graph: graph.decline, owner, requester, connection, names=_REQUEST)

    def block(self, actor: Key, target: Key, *, connection: Any = None) -> Relation:
        """Hide each from the other on every surface.

        That ends follows, friendship and requests between them, and takes each off the other's lists.

        Raises:
            LimitExceeded: the actor blocks `blocks_max` others.
        """
        return self._relate(lambda graph: graph.block, actor, target, connection)

    def unblock(self, actor: Key, target: Key, *, connection: Any = None) -> Relation:
        """Undo a block. What it ended stays ended."""
        return self._unrelate(lambda graph: graph.unblock, actor, target, connection)

    def mute(
        self, actor: Key, target: Key, *, duration: timedelta | None = None, connection: Any = None
    ) -> Relation:
        """Hide somebody's posts from the actor's home feed; they are not told.

        For `duration` from now on, or until it is undone. To mute again sets the end anew.

        Raises:
            LimitExceeded: the actor mutes `mutes_max` others, or `duration` is over `mute_max_s` seconds.
        """
        at_most = self._settings.mute_max_s
        duration_ms = (
            None if duration is None else checked_duration("duration", duration, at_most, "mute_max_s")
        )
        return self._relate(
            lambda graph: partial(graph.mute, duration_ms=duration_ms), actor, target, connection
        )

    def unmute(self, actor: Key, target: Key, *, connection: Any = None) -> Relation:
        """Undo a mute."""
        return self._unrelate(lambda graph: graph.unmute, actor, target, connection)

    def _relate(
        self, choose: Callable[[Graph], Change], actor: Key, target: Key, connection: Any
    ) -> Relation:
        """Change something between two users, who are created if feedkit has not met them."""
        runtime = self.runtime()
        if len(set(runtime.directory.checked({"actor": actor, "target": target}))) == 1:
            raise InvalidArgument("target must be somebody other than the actor", argument="target")

        def change(tx: Tx | None) -> Relation:
            actor_id, target_id = runtime.directory.ensure({"actor": actor, "target": target}, tx)
            return runtime.graph.change(choose(runtime.graph), actor_id, target_id, tx)

        return runtime.change(change, connection)

    def _unrelate(
        self,
        choose: Callable[[Graph], Change],
        actor: Key,
        target: Key,
        connection: Any,
        *,
        names: tuple[str, str] = _NAMES,
    ) -> Relation:
        """Change something that stands between two users; between others there is nothing."""
        runtime = self.runtime()
        runtime.directory.checked(dict(zip(names, (actor, target), strict=True)))

        def change(tx: Tx | None) -> Relation:
            actor_id = runtime.directory.find(actor, names[0], tx)
            target_id = runtime.directory.find(target, names[1], tx)
            if actor_id is None or target_id is None or actor_id == target_id:
                return Relation(NONE, changed=False)
            return runtime.graph.change(choose(runtime.graph), actor_id, target_id, tx, names=names)

        return runtime.change(change, connection)
