"""Buses in memory and in a real Redis, alone and as a cluster, keep the laws of their contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from feedkit.storage.bus import Bus
from feedkit.storage.memory_bus import MemoryBus
from feedkit.storage.redis.nodes import opened
from feedkit.storage.redis.opening import Place
from feedkit.storage.redis.streams import RedisStreams
from feedkit.storage.redis.wire import RedisWire
from feedkit.testing.contracts import BusContract
from tests.storage.test_redis_timelines import SERVERS, every_node


class TestMemoryBus(BusContract):
    def make_bus(self, partitions: int, most: int) -> Bus:
        self.now = 0.0
        return MemoryBus(partitions, most, lambda: self.now)

    def lapse(self, bus: Bus) -> None:
        self.now += 1e6


@pytest.fixture(scope="module", params=["alone", "cluster"])
def server(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(SERVERS[request.param]))


@pytest.fixture(scope="module", params=[2, 3], ids=["resp2", "resp3"])
def wire(request: pytest.FixtureRequest, server: str) -> Iterator[RedisWire]:
    wire = RedisWire(opened(f"{server}?protocol={request.param}", timeout_s=10))
    yield wire
    wire.close()


def streams(wire: RedisWire, prefix: str, partitions: int = 1, most: int = 100) -> RedisStreams:
    place = Place(wire, prefix)
    return RedisStreams(lambda: place, partitions, most)


class TestRedisStreams(BusContract):
    @pytest.fixture(autouse=True)
    def _connected(self, wire: RedisWire, server: str) -> Iterator[None]:
        self.wire = wire
        self.client = every_node(server)
        yield
        self.client.close()

    def make_bus(self, partitions: int, most: int) -> Bus:
        self.prefix = f"feedkit:{uuid4().hex[:12]}"
        return streams(self.wire, self.prefix, partitions, most)

    def lapse(self, bus: Bus) -> None:
        """Every lease ended long ago."""
        for number in range(bus.partitions):
            key = cast(RedisStreams, bus)._keys(number)[1]
            for group, lease in self.client.hgetall(key).items():
                if group:
                    self.client.hset(key, group, lease.rpartition(b":")[0] + b":1")

    # Without shrinking, which takes minutes here: what fails here mostly fails in memory, too.
    @settings(
        max_examples=15,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=[HealthCheck.differing_executors],
    )
    @given(st.data())
    def test_whatever_happens_each_group_is_handed_everything_in_order(self, data: st.DataObject) -> None:
        contract: Any = BusContract.test_whatever_happens_each_group_is_handed_everything_in_order
        contract.hypothesis.inner_test(self, data)
