"""Transactions of which somebody hears what they are about to change, before they commit and after."""

from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from feedkit.model import Event
from feedkit.storage.sql.prepared import Tx
from feedkit.storage.touching import ChangeGuard

T = TypeVar("T")


class Watched:
    """Runs writes as `write` and `try_write` do, and tells `guard` of their events.

    What fails is not lifted: whether a commit that broke off has happened, or is yet to happen, nobody can tell.
    """

    def __init__(self, write: Callable[..., Any], try_write: Callable[..., Any], guard: ChangeGuard) -> None:
        self._write, self._try_write, self._guard = write, try_write, guard

    def write(
        self,
        work: Callable[[Tx], T],
        *,
        within: Tx | None = None,
        landed: Callable[[Tx], T | None] | None = None,
    ) -> T:
        """See `Truth.write`."""
        if within is not None:
            return work(within)
        watch = _Watch(self._guard)
        done: T = self._write(lambda tx: watch.run(tx, work), landed=landed)
        self._guard.after_commit(watch.told, watch.put)
        return done

    def try_write(self, work: Callable[[Tx], T]) -> T | None:
        """See `Truth.try_write`."""
        watch = _Watch(self._guard)
        done: T | None = self._try_write(lambda tx: watch.run(tx, work))
        if done is not None:
            self._guard.after_commit(watch.told, watch.put)
        return done

    def joined(self, work: Callable[[Tx], T]) -> Callable[[Tx], T]:
        """The same work, as part of a transaction that a host commits, or does not."""
        return lambda tx: _Watch(self._guard, of_host=True).run(tx, work)


@attrs.define
class _Watch:
    """One transaction, tried once or more often."""

    _guard: ChangeGuard
    of_host: bool = False
    told: list[Event] = attrs.Factory(list)
    """Its events, at the last try."""
    put: list[Any] = attrs.Factory(list)
    """What the guard put there, at any try."""

    def run(self, tx: Tx, work: Callable[[Tx], T]) -> T:
        """Run `work`, and tell of its events before anybody else can see them."""
        self.told.clear()
        tx.told = self.told
        try:
            done = work(tx)
        finally:
            tx.told = None
        self.put.extend(self._guard.before_commit(self.told, of_host=self.of_host))
        return done
