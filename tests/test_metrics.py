"""Metrics: what a feed counts and times, and the two adapters."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, generate_latest

import feedkit
from feedkit import ConfigurationError, Feed, Hybrid, ManualClock, Settings, metrics
from feedkit.metrics import ALL, Kind, Metric
from feedkit.metrics.opentelemetry import OpenTelemetryMetrics
from feedkit.metrics.prometheus import PrometheusMetrics
from tests.redis_servers import run_redis


class Noted:
    """Keeps everything that it is told."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.values: defaultdict[tuple[str, str], list[float]] = defaultdict(list)

    def count(self, metric: Metric, amount: int, label: str = "") -> None:
        assert metric.kind is Kind.COUNTER
        assert bool(label) == bool(metric.label)
        assert amount > 0
        self.counts[metric.name, label] += amount

    def observe(self, metric: Metric, value: float, label: str = "") -> None:
        assert metric.kind is Kind.HISTOGRAM
        assert bool(label) == bool(metric.label)
        assert value >= 0
        self.values[metric.name, label].append(value)


OF_SOME = {"chunks", "dead_letters", "guards", "replica_reads"}  # of workers, Redis and read replicas
OF_ALL = {metric.name for metric in ALL} - OF_SOME


@pytest.fixture
def noted() -> Noted:
    return Noted()


def live(feed: Feed[str], clock: ManualClock) -> None:
    """Three followers, one of whom reads; two posts, of which the second is pulled."""
    for reader in ("bob", "eve", "dan"):
        feed.follow(reader, "ada")
    feed.drain()
    feed.home("bob")
    for _ in range(2):
        feed.publish("ada", text="Hello")
        clock.advance(seconds=3)
        feed.drain()
    feed.home("bob")
    feed.home("bob")
    feed.profile(None, "ada")


def test_a_feed_tells_what_it_does(noted: Noted) -> None:
    clock = ManualClock()
    with feedkit.connect("memory://", metrics=noted, policy=Hybrid(2), clock=clock) as feed:
        live(feed, clock)

    assert noted.counts["deliveries", ""] == 1
    assert noted.counts["inbox_builds", ""] == 1
    assert noted.counts["outbox_merges", ""] == 2
    assert noted.counts["events", ""] == 2 + 1, "both posts, and that ada is pulled"
    assert noted.counts["pages", "whole"] == 4
    assert noted.counts["cache_hits", "posts"] > noted.counts["cache_misses", "posts"] == 2
    assert noted.counts["cache_hits", "users"] >= noted.counts["cache_misses", "users"] > 0
    assert noted.counts["cache_hits", "relations"] > 0
    assert noted.values["fanout_lag", ""] == [3, 3]
    assert len(noted.values["publish", ""]) == 2
    assert len(noted.values["page", "home"]) == 3
    assert len(noted.values["page", "profile"]) == 1
    assert {name for name, _ in [*noted.counts, *noted.values]} == OF_ALL


def test_a_page_that_ends_early_is_counted_as_such(noted: Noted) -> None:
    with feedkit.connect("memory://", metrics=noted, settings=Settings(max_scan=100)) as feed:
        feed.follow("cat", "bob")
        for _ in range(120):
            feed.publish("bob", text="x", audience="friends")
        assert feed.home("cat", limit=20).truncated
    assert noted.counts["pages", "truncated"] == 1


def test_what_processes_share_is_counted_by_whoever_delivers(tmp_path: Path, redis_url: str) -> None:
    # given two processes, as far as feedkit can tell, over one database and one Redis
    clock, told = ManualClock(), (Noted(), Noted())
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path / 'social.db'}"
        poster, reader = (
            stack.enter_context(feedkit.connect(url, redis=redis_url, clock=clock, metrics=one))
            for one in told
        )
        reader.follow("bob", "ada")
        assert not reader.home("bob").items
        reader.drain()
        before = told[1].counts["events", ""]

        # when one of them posts and the other delivers, with the first one reading after it
        poster.publish("ada", text="Hello")
        clock.advance(seconds=3)
        for feed in (reader, poster):
            assert len(feed.home("bob").items) == 1

    # then nothing is counted twice
    assert (told[1].counts["deliveries", ""], told[1].values["fanout_lag", ""]) == (1, [3])
    assert told[1].counts["events", ""] == before + 1
    assert told[1].counts["inbox_builds", ""] == 1
    assert told[0].counts.keys() & {("deliveries", ""), ("events", ""), ("inbox_builds", "")} == set()
    assert ("fanout_lag", "") not in told[0].values
    assert len(told[0].values["publish", ""]) == told[0].counts["pages", "whole"] == 1


def test_a_page_without_its_redis_is_counted_as_degraded(noted: Noted, tmp_path: Path) -> None:
    with run_redis() as redis_url:
        pass  # nobody is there any more
    with feedkit.connect(f"sqlite:///{tmp_path / 'social.db'}", redis=redis_url, metrics=noted) as feed:
        assert feed.home("bob").degraded is False, "whom nobody has met holds no inbox"
        feed.follow("bob", "ada")
        assert feed.home("bob").degraded
    assert noted.counts["pages", "degraded"] == 1
    assert noted.counts["inbox_builds", ""] == 0, "nothing was built that somebody else could read"


def test_labels_are_few_whatever_is_read(noted: Noted) -> None:
    with feedkit.connect("memory://", metrics=noted) as feed:
        post = feed.publish("ada", text="Hello #python")
        feed.thread("bob", post.id)
        feed.tag("bob", "python")
        made = feed.lists.create("bob", "friends")
        feed.list_feed("bob", made.id)
        feed.profile("bob", "ada", tab="replies")
    assert {label for name, label in noted.values if name == "page"} == {"thread", "tag", "list", "profile"}


def test_a_verb_inside_a_transaction_of_the_hosts_is_timed_once(noted: Noted, tmp_path: Any) -> None:
    import sqlite3

    path = tmp_path / "social.db"
    with feedkit.connect(f"sqlite:///{path}", metrics=noted) as feed:
        feed.migrate()
        with sqlite3.connect(path) as connection:
            connection.execute("BEGIN IMMEDIATE")
            feed.publish("ada", text="x", connection=connection)
        connection.close()
        assert len(noted.values["publish", ""]) == 1


def test_a_failure_of_the_hosts_is_logged_once_and_nobody_suffers(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def count(self, *_: Any) -> None:
            raise RuntimeError("out of order")

        observe = count

    clock = ManualClock()
    with (
        caplog.at_level(logging.ERROR, "feedkit"),
        feedkit.connect("memory://", metrics=Broken(), clock=clock) as feed,
    ):
        live(feed, clock)
    assert [record.message for record in caplog.records] == [
        "connect(metrics=...) failed; further failures are not logged"
    ]


@pytest.mark.parametrize("wrong", [42, Noted])
def test_metrics_that_take_nothing_are_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"metrics must be an object with observe\(\)"):
        feedkit.connect("memory://", metrics=wrong)


# the catalogue


def test_every_metric_is_named_once_and_says_what_it_is() -> None:
    assert len({metric.name for metric in ALL}) == len(ALL)
    assert {value for value in vars(metrics).values() if isinstance(value, Metric)} == set(ALL)
    for metric in ALL:
        assert metric.help.endswith(".")
        assert metric.unit
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
        assert list(metric.buckets) == sorted(metric.buckets)


# adapters


def test_prometheus_scrapes_it() -> None:
    registry, clock = CollectorRegistry(), ManualClock()
    told = PrometheusMetrics(registry)
    with feedkit.connect("memory://", metrics=told, policy=Hybrid(2), clock=clock) as feed:
        live(feed, clock)

    assert registry.get_sample_value("feedkit_deliveries_total") == 1
    assert registry.get_sample_value("feedkit_pages_total", {"outcome": "whole"}) == 4
    assert registry.get_sample_value("feedkit_page_seconds_count", {"feed": "home"}) == 3
    assert registry.get_sample_value("feedkit_fanout_lag_seconds_sum") == 6
    text = generate_latest(registry).decode()
    assert all(f"# HELP feedkit_{metric.name}" in text for metric in ALL)


def test_two_prefixes_share_a_registry() -> None:
    registry = CollectorRegistry()
    for prefix in ("feedkit", "other"):
        PrometheusMetrics(registry, prefix=prefix).count(metrics.DELIVERIES, 2)
    assert registry.get_sample_value("other_deliveries_total") == 2


def test_open_telemetry_exports_it() -> None:
    reader, clock = InMemoryMetricReader(), ManualClock()
    provider = MeterProvider([reader])
    told = OpenTelemetryMetrics(provider)
    with feedkit.connect("memory://", metrics=told, policy=Hybrid(2), clock=clock) as feed:
        live(feed, clock)

    data: Any = reader.get_metrics_data()
    found = {
        metric.name: metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert found.keys() == {f"feedkit.{name}" for name in OF_ALL}
    assert found["feedkit.deliveries"].data.data_points[0].value == 1
    lag = found["feedkit.fanout_lag"]
    assert (lag.unit, lag.data.data_points[0].sum) == ("s", 6)
    assert lag.data.data_points[0].explicit_bounds == metrics.LAG.buckets
    provider.shutdown()
