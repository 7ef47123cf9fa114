"""Metrics for Prometheus. Needs the extra `prometheus`."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram

from feedkit.metrics import ALL, Kind, Metric


class PrometheusMetrics:
    """Hands metrics to `prometheus_client`: `feedkit_publish_seconds`, `feedkit_deliveries_total` and so on.

    Make one per process and registry; feeds may share it.

    Args:
        registry: where they are registered, the default registry unless given.
        prefix: what the names begin with.
    """

    def __init__(self, registry: CollectorRegistry | None = None, *, prefix: str = "feedkit") -> None:
        registry = REGISTRY if registry is None else registry
        self._counters: dict[tuple[Metric, str], Counter] = {}
        self._histograms: dict[tuple[Metric, str], Histogram] = {}
        self._counter_of: dict[Metric, Counter] = {}
        self._histogram_of: dict[Metric, Histogram] = {}
        for metric in ALL:
            labels = [metric.label] if metric.label else []
            if metric.kind is Kind.COUNTER:
                name = f"{prefix}_{metric.name}"
                self._counter_of[metric] = Counter(name, metric.help, labels, registry=registry)
            else:
                name = f"{prefix}_{metric.name}_{metric.unit}"
                self._histogram_of[metric] = Histogram(
                    name, metric.help, labels, registry=registry, buckets=metric.buckets
                )

    def count(self, metric: Metric, amount: int, label: str = "") -> None:
        """See `Metrics`."""
        found = self._counters.get((metric, label))
        if found is None:
            whole = self._counter_of[metric]
            found = self._counters[metric, label] = whole.labels(label) if metric.label else whole
        found.inc(amount)

    def observe(self, metric: Metric, value: float, label: str = "") -> None:
        """See `Metrics`."""
        found = self._histograms.get((metric, label))
        if found is None:
            whole = self._histogram_of[metric]
            found = self._histograms[metric, label] = whole.labels(label) if metric.label else whole
        found.observe(value)
