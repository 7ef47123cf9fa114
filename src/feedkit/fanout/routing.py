"""Which way each post goes, and who is on the list of pulled authors.

`publish` only looks at the list: a post is pulled if its author is listed and the policy says so, and
pushed otherwise, which is always right. So publishers never wait for one another. The list itself is
kept by a consumer of the log. Readers never ask the policy: they merge in the outboxes of whoever is listed.
"""

import logging
from collections.abc import Sequence

from feedkit.clock import Clock
from feedkit.fanout.policy import FanoutPolicy
from feedkit.model import Event, EventKind, Route
from feedkit.settings import Settings
from feedkit.storage.base import AuthorLoad, Truth, Tx

_ENDED_AT_ONCE = 100

logger = logging.getLogger(__name__)


class Router:
    """Routes a post within its own transaction."""

    def __init__(self, policy: FanoutPolicy, truth: Truth) -> None:
        self._policy, self._truth = policy, truth

    def route(self, tx: Tx, author_id: int) -> Route:
        """The route of a post. Where it is pulled, the author stays listed until the transaction ends."""
        load = self._truth.pulled.load_listed(tx, author_id)
        if load is None or load.resumed:
            return Route.PUSH
        return self._policy.route(load)


class PulledList:
    """A shared consumer: lists authors when the policy has their posts pulled, and lets them go later.

    An author leaves the list `pull_grace_s` after pushing to them has resumed. The event that says so makes
    every process deliver what had not been pushed before it stops merging.
    """

    name = "pulled-list"

    def __init__(self, policy: FanoutPolicy, truth: Truth, clock: Clock, settings: Settings) -> None:
        self._policy, self._truth, self._clock = policy, truth, clock
        self._grace_ms = settings.pull_grace_s * 1000
        self._next_ms = 0

    def apply(self, tx: Tx, events: Sequence[Event]) -> None:
        """Look at whoever has posted, and let those go whose time has come."""
        now_ms = self._clock.now_ms()
        authors = sorted({event.actor_id for event in events if event.kind is EventKind.POST_PUBLISHED})
        for author_id, load in self._truth.pulled.load_many(tx, authors).items():
            self._review(tx, author_id, load, now_ms)
        self._let_go(tx, now_ms)

    def _review(self, tx: Tx, author_id: int, load: AuthorLoad, now_ms: int) -> None:
        pulled_now = load.listed and not load.resumed
        try:
            route = self._policy.route(load)
        except Exception:  # a host's own policy; whoever reads must not suffer for it
            logger.exception("the fan-out policy failed; the author stays as they are")
            return
        if route is Route.PULL and not pulled_now:
            if self._truth.pulled.start(tx, author_id, now_ms):
                self._truth.events.append(tx, Event(EventKind.PULL_STARTED, author_id, author_id, now_ms))
        elif route is Route.PUSH and pulled_now:
            self._truth.pulled.resume(tx, author_id, now_ms)

    def _let_go(self, tx: Tx, now_ms: int) -> None:
        if now_ms < self._next_ms:
            return
        self._next_ms = now_ms + self._grace_ms // 100
        for author_id in self._truth.pulled.end(tx, now_ms - self._grace_ms, _ENDED_AT_ONCE):
            self._truth.events.append(tx, Event(EventKind.PULL_ENDED, author_id, author_id, now_ms))
