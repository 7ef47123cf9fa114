"""A feed that knows Django's transactions: writes join them, reads see what they have written."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
from django.db import connections, transaction

from feedkit.engine import Feed
from feedkit.errors import InvalidArgument
from feedkit.model import Key
from feedkit.runtime import Runtime
from feedkit.wiring import Wiring

_NO_BLOCK = object()


class DjangoFeed(Feed[Key]):
    """A feed over one of DATABASES.

    * Outside of `atomic()` verbs run on connections of feedkit's own, made as Django makes its.
    * Inside, those that write join its transaction; from then on, until its end, those that read see it as well.
    * In a TestCase, which never commits, everything happens on the test's connection: it is truth there.
    * So it is with a SQLite database in memory, which nobody else can connect to.
    """

    def __init__(self, wiring: Wiring[Key], alias: str, target_of: Callable[[str], Any]) -> None:
        super().__init__(attrs.evolve(wiring, ambient=self._ambient))
        self.alias = alias
        """Which of DATABASES."""
        self._target_of = target_of
        self._name: Any = None
        self._unopened: Runtime[Key] | None = None
        self._changed_in: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def runtime(self) -> Runtime[Key]:
        """See `Verbs`. What the calling thread's transaction has changed is seen through one of its own."""
        connection = connections[self.alias]
        self._follow_settings(connection)
        if _is_truth(connection):
            return self._inside(connection)
        opened = super().runtime()
        if self._has_changed(connection):
            return opened.inside(connection, alone=False)
        return opened

    def migrate(self) -> None:
        """Make or complete the tables; `manage.py migrate` does so by itself."""
        connection = connections[self.alias]
        self._follow_settings(connection)
        if _is_truth(connection):
            self._inside(connection).migrate()
        else:
            super().migrate()
            self.let_go()

    def drop(self, *, confirm: str) -> None:
        """See `Feed.drop`."""
        connection = connections[self.alias]
        self._follow_settings(connection)
        if _is_truth(connection):
            raise InvalidArgument("tables of a database in memory, or inside a TestCase, go by themselves")
        super().drop(confirm=confirm)

    def let_go(self) -> None:
        """Close what is open; the next verb opens it anew. So a file holds all, and a test runner can copy it."""
        with self._lock:
            opened, self._runtime = self._runtime, None
        if opened is not None:
            opened.close()

    def empty(self) -> None:
        """Remove everybody and everything, as `manage.py flush` does from the tables of models."""
        self.runtime().truth.empty(self.wiring.clock.now_ms())
        self.let_go()  # what is open knows people by ids that are gone

    def _inside(self, connection: Any) -> Runtime[Key]:
        if self._unopened is None:
            self._unopened = Runtime(self.wiring)
        runtime = self._unopened.inside(connection, alone=True)
        runtime.open()
        return runtime

    def _follow_settings(self, connection: Any) -> None:
        """Go where DATABASES points now: a test runner puts another database there."""
        name = connection.settings_dict["NAME"]
        if name == self._name:
            return
        with self._lock:
            if name == self._name:  # another thread was quicker
                return
            opened, self._runtime = self._runtime, None
            self.wiring = attrs.evolve(self.wiring, target=self._target_of(self.alias))
            self._name, self._unopened = name, None
        if opened is not None:
            opened.close()

    @contextmanager
    def _ambient(self) -> Iterator[Any]:
        connection = connections[self.alias]
        if connection.in_atomic_block:
            self._changed_in[connection] = _outermost(connection)
            yield connection
        elif _is_truth(connection):
            with transaction.atomic(using=self.alias):
                yield connection
        else:
            yield None

    def _has_changed(self, connection: Any) -> bool:
        changed_in = self._changed_in.get(connection, _NO_BLOCK)
        if changed_in is _NO_BLOCK:
            return False
        if connection.in_atomic_block and changed_in is _outermost(connection):
            return True
        del self._changed_in[connection]  # that one is over
        return False


def _is_truth(connection: Any) -> bool:
    """Whether nobody but this connection will ever see what is written on it."""
    if connection.vendor == "sqlite" and connection.is_in_memory_db():
        return True
    return any(block._from_testcase for block in connection.atomic_blocks)


def _outermost(connection: Any) -> Any:
    return connection.atomic_blocks[0] if connection.atomic_blocks else None
