"""Metrics for OpenTelemetry. Needs the extra `opentelemetry`."""

from opentelemetry.metrics import Counter, Histogram, MeterProvider, get_meter

from feedkit.metrics import ALL, Kind, Metric

_UNITS = {"seconds": "s"}


class OpenTelemetryMetrics:
    """Hands metrics to a meter: `feedkit.publish`, `feedkit.deliveries` and so on.

    Args:
        provider: the meter provider, the global one unless given.
        prefix: what the names begin with.
    """

    def __init__(self, provider: MeterProvider | None = None, *, prefix: str = "feedkit") -> None:
        meter = get_meter("feedkit", meter_provider=provider)
        self._counters: dict[Metric, Counter] = {}
        self._histograms: dict[Metric, Histogram] = {}
        for metric in ALL:
            named = {"name": f"{prefix}.{metric.name}", "description": metric.help}
            if metric.kind is Kind.COUNTER:
                self._counters[metric] = meter.create_counter(unit=f"{{{metric.unit}}}", **named)
            else:
                self._histograms[metric] = meter.create_histogram(
                    unit=_UNITS[metric.unit], explicit_bucket_boundaries_advisory=metric.buckets, **named
                )

    def count(self, metric: Metric, amount: int, label: str = "") -> None:
        """See `Metrics`."""
        self._counters[metric].add(amount, {metric.label: label} if metric.label else None)

    def observe(self, metric: Metric, value: float, label: str = "") -> None:
        """See `Metrics`."""
        self._histograms[metric].record(value, {metric.label: label} if metric.label else None)
