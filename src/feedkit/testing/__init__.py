"""What a host or a driver needs to test against feedkit.

* `memory()` gives a feed that lives in this process and on a clock that stands still.
* `feedkit.testing.pytest` is a plugin with fixtures (`pytest_plugins = ["feedkit.testing.pytest"]`).
* `feedkit.testing.machine` drives any feed against a model made of dictionaries and sets (Hypothesis).
* `feedkit.testing.contracts` holds the suites that a storage driver has to pass (pytest, Hypothesis).

pytest and Hypothesis are not requirements of feedkit: only the modules that need them import them.
"""

from datetime import UTC, datetime
from typing import Any, overload

from feedkit.clock import Clock, ManualClock
from feedkit.engine import Feed, connect
from feedkit.model import Key

__all__ = ["START", "ManualClock", "memory"]

START = datetime(2026, 1, 1, tzinfo=UTC)
"""Where the clocks of this package stand at first."""


@overload
def memory(key: type[str] = ..., clock: Clock | None = None, **kwargs: Any) -> Feed[str]: ...


@overload
def memory(key: type[Key], clock: Clock | None = None, **kwargs: Any) -> Feed[Key]: ...


def memory(key: Any = str, clock: Clock | None = None, **kwargs: Any) -> Feed[Any]:
    """A feed of its own in memory, delivering at once; close it, or use it in a `with`.

    `clock` stands at `START` unless given. Everything else goes to `feedkit.connect`.
    """
    kwargs.setdefault("deliver", "inline")
    return connect("memory://", key=key, clock=clock or ManualClock(START), **kwargs)
