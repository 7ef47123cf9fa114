"""Timelines in a real Redis, alone and as a cluster, keep the laws of their contract."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, cast
from uuid import uuid4

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feedkit import Settings
from feedkit.idset import idset
from feedkit.storage.entries import of_rows
from feedkit.storage.redis import marks
from feedkit.storage.redis.marks import RedisMarks
from feedkit.storage.redis.nodes import opened
from feedkit.storage.redis.opening import Place
from feedkit.storage.redis.timelines import RedisTimelines, shared_timelines
from feedkit.storage.redis.wire import RedisWire
from feedkit.storage.timelines import Timeline, TimelineStore
from feedkit.testing.contracts import TimelineStoreContract

SERVERS = {"alone": "redis_url", "cluster": "redis_cluster_url"}


@pytest.fixture(scope="module", params=["alone", "cluster"])
def server(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(SERVERS[request.param]))


@pytest.fixture(scope="module", params=[2, 3], ids=["resp2", "resp3"])
def wire(request: pytest.FixtureRequest, server: str) -> Iterator[RedisWire]:
    wire = RedisWire(opened(f"{server}?protocol={request.param}", timeout_s=10))
    yield wire
    wire.close()


class TestRedisTimelines(TimelineStoreContract):
    @pytest.fixture(autouse=True)
    def _connected(self, wire: RedisWire, server: str) -> None:
        self.wire, self.server = wire, server

    def make_store(self, **bounds: Any) -> TimelineStore:
        self.prefix = f"feedkit:{uuid4().hex[:12]}"
        place = Place(self.wire, self.prefix)
        return RedisTimelines(
            lambda: place,
            "i",
            RedisMarks(lambda: place),
            capacity=bounds["capacity"],
            tail=bounds["tail"],
            ttl_ms=bounds["ttl_ms"],
            lease_ms=30_000,
        )

    def test_inboxes_and_outboxes_of_one_feed_are_read_in_one_trip(self, monkeypatch: Any) -> None:
        place = Place(self.wire, f"feedkit:{uuid4().hex[:12]}")
        stores = shared_timelines(lambda: place, Settings())
        inboxes, outboxes = stores.inboxes, stores.outboxes
        for store, owner, position in ((inboxes, 1, 5), (outboxes, 1, 6), (outboxes, 2, 7)):
            token = store.begin(owner)
            assert token is not None
            store.install(owner, token, of_rows([(position, 9)]), 0)
        outboxes.begin(3)
        each = inboxes.read_many([1, 4]), outboxes.read_many([2, 3, 1])
        trips: list[int] = []
        run = RedisWire._run

        def running(*args: Any, **how: Any) -> None:
            trips.append(1)
            run(*args, **how)

        monkeypatch.setattr(RedisWire, "_run", running)

        both = inboxes.read_with([1, 4], outboxes, [2, 3, 1])

        assert [[one and told(one) for one in held] for held in both] == [
            [one and told(one) for one in held] for held in each
        ]
        assert [one is None for held in both for one in held] == [False, True, False, True, False]
        assert len(trips) == 1

    @pytest.mark.parametrize("work", ["look", "ask", "seal"])
    def test_who_does_much_between_deliveries_keeps_the_turn(
        self, work: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # given: who looks for the inboxes of many, or seals many
        monkeypatch.setattr(marks, "_TURN_MS", 300)
        place = Place(self.wire, f"feedkit:{uuid4().hex[:12]}")
        mine, theirs = (RedisMarks(lambda: place) for _ in range(2))
        store = RedisTimelines(lambda: place, "i", mine, capacity=10, tail=5, ttl_ms=None, lease_ms=1000)
        owners, entries = idset(range(1, 9)), of_rows([(5, 9)])
        steps: dict[str, Callable[[], object]] = {
            "look": lambda: store.floors([1]),
            "ask": lambda: store.backfill(owners, entries, 0),
            "seal": lambda: store._pushing.seal(owners),
        }

        # when that takes longer than a turn lasts
        with mine.turn() as is_mine:
            assert is_mine
            until = time.monotonic() + 0.7
            while time.monotonic() < until:
                steps[work]()
                time.sleep(0.02)
            # then nobody else has had it meanwhile
            with theirs.turn() as is_theirs:
                assert not is_theirs

    def later(self, ms: int) -> None:
        """Every key of this store has that much less to live."""
        client = every_node(self.server)
        for key in list(client.scan_iter(f"{self.prefix}:*", count=1000)):
            if (left := cast(int, client.pttl(key))) >= 0:
                client.pexpire(key, left - ms)
        client.close()

    @settings(max_examples=15, suppress_health_check=[HealthCheck.differing_executors])
    @given(st.data())
    def test_whatever_happens_it_is_complete_above_its_floor(self, data: st.DataObject) -> None:
        contract: Any = TimelineStoreContract.test_whatever_happens_it_is_complete_above_its_floor
        contract.hypothesis.inner_test(self, data)


def told(timeline: Timeline) -> tuple[list[int], int, int]:
    return timeline.entries.positions.tolist(), timeline.floor, timeline.complete_to


def every_node(url: str) -> Any:
    """A client of redis-py's for whatever stands at that address."""
    client: Any = redis.Redis.from_url(url)
    if client.info("cluster")["cluster_enabled"]:
        client.close()
        return redis.RedisCluster.from_url(url)
    return client
