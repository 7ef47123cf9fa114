"""How every change is made: in a transaction of its own, or as one savepoint of the host's."""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any, TypeVar

from feedkit.errors import FeedkitError
from feedkit.log.waking import Alarm
from feedkit.storage.base import Truth, Tx
from feedkit.storage.guarding import Guard, unguarded

T = TypeVar("T")


class Changes:
    """Makes them.

    Args:
        truth: what is changed.
        guard: keeps what is changed out of the shared cache, if there is one.
        ambient: gives the host's connection that a change joins which was told none, or None for none of the host's.
        alarm: wakes workers, if there are any.
    """

    def __init__(
        self,
        truth: Truth,
        guard: Guard | None,
        ambient: Callable[[], AbstractContextManager[Any]] | None,
        alarm: Alarm | None,
    ) -> None:
        self._truth, self._guard, self._ambient, self._alarm = truth, guard, ambient, alarm

    def make(self, change: Callable[[Tx | None], T], connection: Any) -> T:
        """Make a change, in the transaction of the host's connection if there is one.

        What it gives says `guarded=False` where the shared cache could not be told before.
        """
        if self._guard is None:
            return self._made(change, connection)
        self._guard.missed()
        done = self._made(change, connection)
        return unguarded(done) if self._guard.missed() else done

    def _made(self, change: Callable[[Tx | None], T], connection: Any) -> T:
        if connection is not None:
            return self._truth.join(connection, change)
        if self._ambient is None:
            return self._alone(change)
        with self._ambient() as found:
            return self._alone(change) if found is None else self._truth.join(found, change)

    def _alone(self, change: Callable[[Tx | None], T]) -> T:
        done = change(None)
        if self._alarm is not None:
            with suppress(FeedkitError):  # it is done; workers look from time to time anyway
                self._alarm.ring()
        return done
