"""Caches that processes share keep the laws of their contract: in memory, in a real Redis, and in a cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, cast
from uuid import uuid4

import pytest
import redis

from feedkit.errors import OutOfReach
from feedkit.storage.memory_cache import MemoryCache
from feedkit.storage.redis.cache import RedisCache
from feedkit.storage.redis.marks import RedisMarks
from feedkit.storage.redis.nodes import opened
from feedkit.storage.redis.opening import Place
from feedkit.storage.redis.wire import RedisWire
from feedkit.storage.shared import Lease, SharedCache, Slot, Tombstone, Value
from feedkit.storage.touching import Cached
from feedkit.testing.contracts import SharedCacheContract
from tests.redis_servers import run_redis
from tests.storage.test_redis_timelines import SERVERS, every_node


class TestMemoryCache(SharedCacheContract):
    def make_cache(self, **bounds: int) -> SharedCache:
        self.now_ms = 0
        return MemoryCache(lambda: self.now_ms, **bounds)

    def later(self, ms: int) -> None:
        self.now_ms += ms


@pytest.fixture(scope="module", params=["alone", "cluster"])
def server(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(SERVERS[request.param]))


@pytest.fixture(scope="module", params=[2, 3], ids=["resp2", "resp3"])
def wire(request: pytest.FixtureRequest, server: str) -> Iterator[RedisWire]:
    wire = RedisWire(opened(f"{server}?protocol={request.param}", timeout_s=10))
    yield wire
    wire.close()


class TestRedisCache(SharedCacheContract):
    @pytest.fixture(autouse=True)
    def _connected(self, wire: RedisWire, server: str) -> None:
        self.wire, self.server = wire, server

    def make_cache(self, **bounds: int) -> SharedCache:
        self.prefix = f"feedkit:{uuid4().hex[:12]}"
        place = Place(self.wire, self.prefix)
        return RedisCache(lambda: place, RedisMarks(lambda: place), **bounds)

    def later(self, ms: int) -> None:
        """Every key of this cache has that much less to live."""
        client = every_node(self.server)
        for key in list(client.scan_iter(f"{self.prefix}:*", count=1000)):
            if (left := cast(int, client.pttl(key))) >= 0:
                client.pexpire(key, left - ms)
        client.close()

    def test_what_is_no_value_is_absent_and_can_be_replaced(self) -> None:
        client: Any = every_node(self.server)
        short = (b"", b"V", b"L", b"N12345678abc")
        for garbage in (*short, b"V" * 200, b"X" + b"\x00" * 40, b"V12345678-000000000000001x"):
            assert self.fill(self.lease())
            client.set(self._name(), garbage)
            assert self.look() is Slot.ABSENT
        client.delete(self._name())
        client.rpush(self._name(), "a list")
        assert self.look() is Slot.ABSENT
        assert self.fill(self.lease())
        client.close()

    def test_a_tombstone_that_nobody_lifts_does_not_live_on_with_later_ones(self) -> None:
        """Whoever put it may have died; on a key that is changed all the time it would lie for ever."""
        short = RedisCache(
            cast(Any, self.cache)._place, cast(Any, self.cache)._marks, lease_ms=1, buried_ms=20
        )
        dead, alive = Tombstone((Cached.POST, 1), b"thedead1"), Tombstone((Cached.POST, 1), b"alive_01")
        short.bury([dead])
        self.cache.bury([alive])
        time.sleep(0.03)
        self.cache.lift([alive])
        assert self.look() is Slot.ABSENT

    def _name(self) -> bytes:
        return cast(bytes, cast(Any, self.cache)._names([(Cached.POST, 1)])[0])


def test_a_full_server_can_be_told_of_a_change_all_the_same() -> None:
    """Else what it holds would outlive a block."""
    key = (Cached.RELATIONS, 1)
    with run_redis("--maxmemory-policy", "noeviction") as url, redis.Redis.from_url(url) as client:
        wire = RedisWire(opened(url, timeout_s=10))
        place = Place(wire, "feedkit:full")
        cache = RedisCache(lambda: place, RedisMarks(lambda: place), lease_ms=10_000, buried_ms=10_000)
        (lease,) = cache.lease([key], [0])
        assert isinstance(lease, Lease)
        cache.fill([(key, lease, Value(1, b"x" * 100))], [10_000])
        client.config_set("maxmemory", 1)

        with pytest.raises(OutOfReach, match="full"):
            cache.lease([(Cached.RELATIONS, 2)], [0])
        cache.bury([Tombstone(key, b"tombone1")])
        assert cache.look([key], [0]) == [Slot.BURIED]
        cache.lift([Tombstone(key, b"tombone1")])
        assert cache.look([key], [0]) == [Slot.ABSENT]
        wire.close()
