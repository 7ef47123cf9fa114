"""Metrics: what a feed counts and times, and the protocol by which it hands that to whatever a host uses.

Pass an object with `count` and `observe` to `connect(metrics=...)`. `feedkit.metrics.prometheus` and
`feedkit.metrics.opentelemetry` hold one each. Without one nothing is counted or timed.
"""

import logging
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final, Protocol, TypeVar

import attrs

T = TypeVar("T")
logger = logging.getLogger(__name__)


class Kind(StrEnum):
    """How the values of a metric add up."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"


_FAST_S: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_SLOW_S: Final = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


@attrs.frozen(eq=False)
class Metric:
    """One thing that is counted or timed.

    Attributes:
        name: of lower-case words, without prefix or unit.
        kind: counter or histogram.
        help: one sentence.
        unit: of a histogram, "seconds"; of a counter what is counted.
        label: the name of its one label, "" for none.
        buckets: upper bounds of a histogram's buckets, in its unit.
    """

    name: str
    kind: Kind
    help: str
    unit: str
    label: str = ""
    buckets: tuple[float, ...] = ()


PUBLISH = Metric(
    "publish", Kind.HISTOGRAM, "How long `publish` took until it was durable.", "seconds", buckets=_FAST_S
)
PAGE = Metric(
    "page",
    Kind.HISTOGRAM,
    "How long a page took, what it applied of the log included.",
    "seconds",
    label="feed",
    buckets=_FAST_S,
)
LAG = Metric(
    "fanout_lag",
    Kind.HISTOGRAM,
    "How long after it was published a post had been delivered by this process.",
    "seconds",
    buckets=_SLOW_S,
)
EVENTS = Metric("events", Kind.COUNTER, "Events of the log that this process delivered.", "events")
DELIVERIES = Metric("deliveries", Kind.COUNTER, "Entries delivered into inboxes.", "entries")
CHUNKS = Metric("chunks", Kind.COUNTER, "Chunks of large deliveries that this process delivered.", "chunks")
DEAD_LETTERS = Metric("dead_letters", Kind.COUNTER, "Events that were given up.", "events", label="consumer")
BUILDS = Metric("inbox_builds", Kind.COUNTER, "Inboxes built from truth, since none was held.", "inboxes")
MERGES = Metric("outbox_merges", Kind.COUNTER, "Outboxes of pulled authors merged into pages.", "outboxes")
CACHE_HITS = Metric("cache_hits", Kind.COUNTER, "Values found cached.", "values", label="cache")
CACHE_MISSES = Metric("cache_misses", Kind.COUNTER, "Values loaded from truth.", "values", label="cache")
GUARDS = Metric(
    "guards",
    Kind.COUNTER,
    "Values in the shared cache that a change was kept out of: held, or missed since Redis was out of reach.",
    "values",
    label="outcome",
)
REPLICA_READS = Metric(
    "replica_reads",
    Kind.COUNTER,
    "Reads that a replica may serve: used, or not_used since none had come far enough.",
    "reads",
    label="outcome",
)
PAGES = Metric(
    "pages", Kind.COUNTER, "Pages by how they ended: whole, truncated or degraded.", "pages", label="outcome"
)

ALL: Final = (
    *(PUBLISH, PAGE, LAG, EVENTS, DELIVERIES, CHUNKS, DEAD_LETTERS, BUILDS, MERGES),
    *(CACHE_HITS, CACHE_MISSES, GUARDS, REPLICA_READS, PAGES),
)
"""Every metric that a feed hands on."""


class Metrics(Protocol):
    """Takes what a feed counts and times. Both are called on hot paths, from any thread: they must be quick."""

    def count(self, metric: Metric, amount: int, label: str = "") -> None:
        """Add to a counter; `label` is the value of the metric's label."""

    def observe(self, metric: Metric, value: float, label: str = "") -> None:
        """Note one value of a histogram, in its unit."""


class Harmless:
    """Metrics of a host's whose failures nobody suffers for: the first one is logged, all are passed over."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics, self._has_failed = metrics, False

    def count(self, metric: Metric, amount: int, label: str = "") -> None:
        """See `Metrics`."""
        try:
            self._metrics.count(metric, amount, label)
        except Exception as error:
            self._failed(error)

    def observe(self, metric: Metric, value: float, label: str = "") -> None:
        """See `Metrics`."""
        try:
            self._metrics.observe(metric, value, label)
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        if not self._has_failed:
            self._has_failed = True
            logger.error("connect(metrics=...) failed; further failures are not logged", exc_info=error)


def timed(metrics: Metrics | None, metric: Metric, work: Callable[[], T]) -> T:
    """The result of `work`; the seconds it took are observed, if anybody wants to know."""
    if metrics is None:
        return work()
    started = time.perf_counter()
    result = work()
    metrics.observe(metric, time.perf_counter() - started)
    return result


def of_cache(metrics: Metrics | None, name: str) -> Callable[[int, int], None] | None:
    """What a cache tells how many values it found and how many it lacked; None where nobody wants to know."""
    if metrics is None:
        return None

    def looked_up(hits: int, misses: int) -> None:
        if hits:
            metrics.count(CACHE_HITS, hits, name)
        if misses:
            metrics.count(CACHE_MISSES, misses, name)

    return looked_up
