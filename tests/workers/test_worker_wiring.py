"""Who may be a worker, of which feed, and who delivers otherwise."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

import feedkit
from feedkit import ConfigurationError
from tests.workers.conftest import Place


def test_a_worker_that_is_wired_differently_refuses_to_start(place: Place, feed: feedkit.Feed[str]) -> None:
    feed.home("bob")
    place.settings["inbox_entries"] = 100
    worker = place.worker(more=", policy=feedkit.PullAll()")
    assert worker.wait() == 1
    said = worker.complaints()
    assert "inbox_entries is 100 here and 800 there" in " ".join(said.split())
    assert "policy is PullAll() here and Hybrid(" in " ".join(said.split())
    place.worker("--adopt", "--max-seconds", "0", more=", policy=feedkit.PullAll()").wait()
    with pytest.raises(ConfigurationError, match="inbox_entries is 800 here and 100 there"):
        feed.work(max_seconds=0)


def test_a_worker_needs_redis() -> None:
    with feedkit.connect("memory://") as feed, pytest.raises(ConfigurationError, match="redis="):
        feed.work(max_seconds=0)


@pytest.mark.parametrize(
    ("target", "options", "said"),
    [
        ("sqlite:///x.db", {}, "without redis="),
        ("memory://", {"redis": "redis://localhost"}, "database in memory"),
        ("sqlite:///x.db", {"deliver": "workers"}, "must be one of inline, thread, worker"),
    ],
)
def test_combinations_that_make_no_sense_are_refused(target: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        feedkit.connect(target, **{"deliver": "worker", **options})


def test_who_delivers_unless_it_is_said() -> None:
    urls = {"postgresql+psycopg://h/x": "worker", "postgres://h/x": "worker", "sqlite:///x.db": "inline"}
    for url, deliver in urls.items():
        assert feedkit.connect(url, redis="redis://localhost").wiring.deliver == deliver
        assert feedkit.connect(url).wiring.deliver == "inline"
    engine = sa.create_engine("postgresql+psycopg://h/x")
    assert feedkit.connect(engine, redis="redis://localhost").wiring.deliver == "worker"
