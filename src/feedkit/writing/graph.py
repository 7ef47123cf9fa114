"""Following, requests, friendship, blocking and muting, and every undo."""

from collections.abc import Callable
from functools import partial

import attrs

from feedkit.clock import Clock
from feedkit.errors import LimitExceeded
from feedkit.model import ACTIVE, NONE, REQUESTED, Assoc, Event, EventKind, Relation, has_lapsed
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx
from feedkit.storage.relating import NO_REPOSTS
from feedkit.writing.pairs import Pair
from feedkit.writing.standing import Standing

Change = Callable[[Pair], Relation]


@attrs.frozen
class _Bound:
    """How many of one kind a user may have, and how a refusal says so."""

    setting: str
    says: str
    way_out: str


_BOUNDS = {
    Assoc.FOLLOWS: _Bound("following_max", "follows {} others", "unfollow somebody"),
    Assoc.REQUESTS: _Bound("requests_max", "waits for {} others to let them follow", "withdraw a request"),
    Assoc.ASKS: _Bound("requests_max", "waits for {} others to become friends", "withdraw a request"),
    Assoc.BLOCKS: _Bound("blocks_max", "blocks {} others", "unblock somebody"),
    Assoc.MUTES: _Bound("mutes_max", "mutes {} others", "unmute somebody"),
}


class Graph:
    """The verbs for relations. Doing one twice changes nothing the second time.

    Whoever would be let too near where one of the two blocks the other gets Forbidden; past a bound of the
    settings there is LimitExceeded; to add a follow or a request while suspended is Forbidden. The friends of a
    user are those whom they follow and who follow them.
    """

    def __init__(self, truth: Truth, standing: Standing, clock: Clock, settings: Settings) -> None:
        self._truth, self._standing, self._clock, self._settings = truth, standing, clock, settings

    def change(
        self,
        change: Change,
        actor_id: int,
        target_id: int,
        host_tx: Tx | None = None,
        *,
        names: tuple[str, str] = ("actor", "target"),
    ) -> Relation:
        """Run one of the changes below in one transaction, while nobody else changes these two."""

        def work(tx: Tx) -> Relation:
            return change(Pair(self._truth, tx, actor_id, target_id, self._clock.now_ms(), names=names))

        return self._truth.write(work, within=host_tx)

    def follow(self, pair: Pair, *, reposts: bool) -> Relation:
        """Follow the target, or ask to where they are private."""
        self._standing.check(pair.tx, pair.actor_id, "actor")
        pair.refuse_if_blocked("follow")
        data = 0 if reposts else NO_REPOSTS
        if pair.has(Assoc.FOLLOWS):
            changed = pair.change(Assoc.FOLLOWS, data)
            if changed:
                pair.log(EventKind.FOLLOW_CHANGED)
            return Relation(ACTIVE, changed)
        if not self._is_private(pair):
            self._follow(pair, Assoc.FOLLOWS, data)
            return Relation(ACTIVE, changed=True)
        if pair.has(Assoc.REQUESTS):
            # No event: nobody sees the wish before the request is accepted.
            return Relation(REQUESTED, pair.change(Assoc.REQUESTS, data))
        return self._ask(pair, Assoc.REQUESTS, data)

    def unfollow(self, pair: Pair) -> Relation:
        """End the actor's follow, or withdraw the request for one."""
        changed = pair.unfollow(Assoc.FOLLOWS) or pair.remove(Assoc.REQUESTS)
        return Relation(NONE, changed)

    def befriend(self, pair: Pair) -> Relation:
        """Ask the target to be friends, or accept where they have asked."""
        self._standing.check(pair.tx, pair.actor_id, "actor")
        pair.refuse_if_blocked("befriend")
        if pair.are_friends:
            return Relation(ACTIVE, changed=False)
        if pair.has(Assoc.ASKED_BY):
            return self._make_friends(pair)
        if pair.has(Assoc.ASKS):
            return Relation(REQUESTED, changed=False)
        return self._ask(pair, Assoc.ASKS)

    def unfriend(self, pair: Pair) -> Relation:
        """End both follows of friends, or withdraw the request to be friends."""
        if not pair.are_friends:
            return Relation(NONE, pair.remove(Assoc.ASKS))
        pair.unfollow(Assoc.FOLLOWS)
        pair.unfollow(Assoc.FOLLOWED_BY)
        return Relation(NONE, changed=True)

    def accept(self, pair: Pair) -> Relation:
        """Give the target what they ask the actor for: friendship, or else to follow."""
        self._standing.check(pair.tx, pair.actor_id, pair.names[0])
        if pair.has(Assoc.ASKED_BY):
            return self._make_friends(pair)
        if pair.has(Assoc.REQUESTED_BY):
            self._follow(pair, Assoc.FOLLOWED_BY, pair.data(Assoc.REQUESTED_BY))
            return Relation(ACTIVE, changed=True)
        return Relation(ACTIVE if pair.has(Assoc.FOLLOWED_BY) else NONE, changed=False)

    def decline(self, pair: Pair) -> Relation:
        """Refuse everything that the target asks the actor for."""
        declined = [pair.remove(kind) for kind in (Assoc.REQUESTED_BY, Assoc.ASKED_BY)]
        stands = pair.has(Assoc.FOLLOWED_BY) and not any(declined)
        return Relation(ACTIVE if stands else NONE, any(declined))

    def block(self, pair: Pair) -> Relation:
        """Block the target, and end everything between the two but blocks and mutes."""
        for follow in (Assoc.FOLLOWS, Assoc.FOLLOWED_BY):
            pair.unfollow(follow)
        for request in (Assoc.REQUESTS, Assoc.REQUESTED_BY, Assoc.ASKS, Assoc.ASKED_BY):
            pair.remove(request)
        self._truth.lists.lock(pair.tx, (pair.actor_id, pair.target_id))
        self._take_off_lists(pair, pair.actor_id, pair.target_id)
        self._take_off_lists(pair, pair.target_id, pair.actor_id)
        changed = pair.add(Assoc.BLOCKS)
        if changed:
            self._check_bound(pair, Assoc.BLOCKS, pair.actor_id)
        return Relation(ACTIVE, changed)

    def unblock(self, pair: Pair) -> Relation:
        """Undo a block."""
        return Relation(NONE, pair.remove(Assoc.BLOCKS))

    def mute(self, pair: Pair, *, duration_ms: int | None) -> Relation:
        """Mute the target from now on for so long, whatever was before; None: until it is undone."""
        until_ms = 0 if duration_ms is None else pair.now_ms + duration_ms
        if not pair.has(Assoc.MUTES):
            pair.add(Assoc.MUTES, until_ms)
            self._check_bound(pair, Assoc.MUTES, pair.actor_id)
            return Relation(ACTIVE, changed=True)
        changed = pair.change(Assoc.MUTES, until_ms)
        if changed:
            pair.log(EventKind.MUTE_ADDED)
        return Relation(ACTIVE, changed)

    def unmute(self, pair: Pair) -> Relation:
        """Undo a mute; one that has lapsed is over already."""
        stood = not has_lapsed(pair.data(Assoc.MUTES), pair.now_ms)
        return Relation(NONE, pair.remove(Assoc.MUTES) and stood)

    def _ask(self, pair: Pair, kind: Assoc, data: int = 0) -> Relation:
        pair.add(kind, data)
        self._check_bound(pair, kind, pair.actor_id)
        return Relation(REQUESTED, changed=True)

    def _make_friends(self, pair: Pair) -> Relation:
        """Both follows, those of the lower id first: a bound is a lock, taken in one order everywhere."""
        both = [Assoc.FOLLOWS, Assoc.FOLLOWED_BY]
        for kind in both if pair.actor_id < pair.target_id else reversed(both):
            if not pair.has(kind):
                wish = Assoc.REQUESTS if kind is Assoc.FOLLOWS else Assoc.REQUESTED_BY
                self._follow(pair, kind, pair.data(wish))
        return Relation(ACTIVE, changed=True)

    def _follow(self, pair: Pair, kind: Assoc, data: int) -> None:
        pair.follow(kind, data)
        follower_id = pair.actor_id if kind is Assoc.FOLLOWS else pair.target_id
        self._check_bound(pair, Assoc.FOLLOWS, follower_id)

    def _is_private(self, pair: Pair) -> bool:
        return any(user.private for user in self._truth.users.get_many(pair.tx, (pair.target_id,)))

    def _check_bound(self, pair: Pair, kind: Assoc, user_id: int) -> None:
        """Refuse what has gone past its bound. Raises LimitExceeded."""
        graph, bound = self._truth.graph, _BOUNDS[kind]
        limit: int = getattr(self._settings, bound.setting)
        graph.lock_kind(pair.tx, user_id, kind)
        has = partial(graph.count, pair.tx, user_id, kind, limit + 1)
        if has() <= limit:
            return
        if kind is Assoc.MUTES:
            graph.remove_many(pair.tx, user_id, kind, graph.lapsed_mutes(pair.tx, user_id, pair.now_ms))
            if has() <= limit:
                return
        who = pair.names[user_id != pair.actor_id]
        raise LimitExceeded(
            f"{who} {bound.says.format(limit)}, the most there may be; {bound.way_out}, or raise the setting "
            f"{bound.setting}",
            argument=who,
            limit=limit,
        )

    def _take_off_lists(self, pair: Pair, owner_id: int, member_id: int) -> None:
        for list_id in self._truth.lists.with_member(pair.tx, owner_id, member_id):
            self._truth.graph.remove(pair.tx, list_id, Assoc.LISTS, member_id)
            about = (("member", member_id),)
            event = Event(EventKind.LIST_CHANGED, owner_id, list_id, pair.now_ms, about=about)
            self._truth.events.append(pair.tx, event)
