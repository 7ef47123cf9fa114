"""Restrictions hold at the very next read, whoever reads: how changes are kept out of a cache that processes share.

Before a transaction commits, tombstones lie over every cached value that it changes; after the commit they are
lifted. Inside a host's transaction nobody here learns of the commit: there they are lifted when the log is applied,
by the token that follows from the event itself. Whoever never gets to lift them leaves them to lapse.
"""

import hashlib
import logging
import secrets
import threading
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import attrs

from feedkit.errors import FeedkitError
from feedkit.metrics import GUARDS, Metrics
from feedkit.model import Done, Event, EventKind
from feedkit.storage.shared import SharedCache, Tombstone
from feedkit.storage.touching import EVERYTHING, touched_by

T = TypeVar("T")
_TOKEN_BYTES = 8

logger = logging.getLogger(__name__)


class _Missed(threading.local):
    by_this_thread = False


class Guard:
    """Guards one shared cache. Also a log consumer, once for all processes."""

    def __init__(self, cache: SharedCache, metrics: Metrics | None = None) -> None:
        self._cache, self._metrics = cache, metrics
        self._missed = _Missed()

    def before_commit(self, events: Sequence[Event], *, of_host: bool) -> list[Tombstone]:
        """Put tombstones over what these events change, which are about to be committed.

        A cache that is out of reach, or does not let us, stops nobody: then `missed` tells.
        """
        token = secrets.token_bytes(_TOKEN_BYTES)
        tombs = [
            Tombstone(key, token_of(event) if of_host else token)
            for event in events
            if event.kind is not EventKind.POST_PUBLISHED  # what nobody could see is not cached
            for key in touched_by(event) or ()
        ]
        tombs = list(dict.fromkeys(tombs)) if not of_host else tombs
        if tombs:
            self._count("held" if self._is_told(tombs) else "missed", len(tombs))
        return tombs

    def after_commit(self, events: Sequence[Event], tombs: Sequence[Tombstone]) -> None:
        """Lift what `before_commit` gave for these events, which are committed now."""
        try:
            if any(touched_by(event) is EVERYTHING for event in events):
                self._cache.clear()
            if tombs:
                self._cache.lift(tombs)
        except FeedkitError as error:
            logger.info("tombstones are left to lapse: %s", error.code)

    def missed(self) -> bool:
        """Whether since this thread last asked there was a change of its own that the cache could not be told of."""
        missed, self._missed.by_this_thread = self._missed.by_this_thread, False
        return missed

    def apply(self, events: Sequence[Event]) -> None:
        """Lift the tombstones of hosts' transactions, and whatever is older than these events, which are committed.

        What is about everything begins a new epoch of the timelines, which ends what is cached as well.

        Raises:
            OutOfReach: then it is tried again.
        """
        tombs = [
            Tombstone(key, token_of(event), event.number)
            for event in events
            for key in touched_by(event) or ()
        ]
        if tombs:
            self._cache.lift(tombs)

    def clear(self) -> None:
        """Forget everything."""
        self._cache.clear()

    def _is_told(self, tombs: Sequence[Tombstone]) -> bool:
        try:
            self._cache.bury(tombs)
        except FeedkitError as error:
            self._missed.by_this_thread = True
            logger.warning("a change is committed of which the shared cache does not know: %s", error.code)
            return False
        return True

    def _count(self, outcome: str, tombs: int) -> None:
        if self._metrics is not None:
            self._metrics.count(GUARDS, tombs, outcome)


def unguarded(result: T) -> T:
    """The same result of a verb, saying that it is not guarded, if it can say so."""
    if isinstance(result, Done):
        return cast(T, Done(result, guarded=False))
    if attrs.has(type(result)) and hasattr(result, "guarded"):
        return cast(T, attrs.evolve(cast(Any, result), guarded=False))
    return result


def token_of(event: Event) -> bytes:
    """The token of a tombstone for an event that a host is about to commit: whoever reads the event knows it."""
    said = f"{event.kind.value}:{event.actor_id}:{event.object_id}:{event.at_ms}:{event.position}"
    return hashlib.blake2b(said.encode(), digest_size=_TOKEN_BYTES).digest()
