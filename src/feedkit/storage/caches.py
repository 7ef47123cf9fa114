"""What answers reads instead of truth: the caches of one process, in front of the one that processes share."""

from collections.abc import Callable
from typing import Generic

from feedkit.clock import Clock
from feedkit.metrics import Metrics
from feedkit.model import Key
from feedkit.settings import Settings
from feedkit.storage.base import Truth
from feedkit.storage.directory import Directory
from feedkit.storage.doings import Doings
from feedkit.storage.fetching import Fetching
from feedkit.storage.guarding import Guard
from feedkit.storage.lookups import Lookup
from feedkit.storage.readthrough import ReadThrough
from feedkit.storage.shared import SharedCache
from feedkit.storage.tallies import Tallies, Tally
from feedkit.storage.touching import Touches


class Caches(Generic[Key]):
    """The parts, wired together.

    Args:
        truth: what they are filled from.
        directory: gives users their keys.
        clock: tells the time.
        settings: every bound.
        metrics: is told what was found and what was not.
        shared: what processes share; None for nothing.
        tally: what events change in the counters.
        applied: gives the number of the last event that this process has applied.
        touched: gives the number above which it has applied nothing, not even in part.
    """

    def __init__(
        self,
        truth: Truth,
        directory: Directory[Key],
        clock: Clock,
        settings: Settings,
        metrics: Metrics | None,
        *,
        shared: SharedCache | None,
        tally: Tally,
        applied: Callable[[], int],
        touched: Callable[[], int],
    ) -> None:
        self.touches = touches = Touches(applied)
        lookup = None if shared is None else Lookup(shared, touches, applied, settings, metrics)
        self.guard = None if shared is None else Guard(shared, metrics)
        doings = Doings(truth, Tallies(truth, settings, tally, touched), settings)
        fetching = Fetching(truth, clock, touches, lookup)
        self.readthrough = ReadThrough(truth, directory, clock, settings, doings, metrics, fetching=fetching)
