"""What a bus over Redis Streams meets in the real world: other settings, other users, full and evicting servers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from feedkit import ConfigurationError, OutOfReach
from feedkit.idset import single
from feedkit.storage.bus import NOT_FILLED, Span
from feedkit.storage.redis.commands import Each, call
from feedkit.storage.redis.nodes import opened
from feedkit.storage.redis.opening import Place
from feedkit.storage.redis.scripts import BUS_TAKE
from feedkit.storage.redis.streams import RedisStreams
from feedkit.storage.redis.wire import RedisWire
from feedkit.testing.contracts._bus_world import LEASE_MS, event, fetch, fill, handled_all, numbers, tries
from tests.redis_servers import command, run_redis

EVICTING = ("--maxmemory", "100mb", "--maxmemory-policy")


@contextmanager
def connected(url: str, partitions: int = 1, most: int = 100, prefix: str = "") -> Iterator[RedisStreams]:
    place = Place(RedisWire(opened(url, timeout_s=10)), prefix or f"feedkit:{uuid4().hex[:12]}")
    yield RedisStreams(lambda: place, partitions, most)
    place.wire.close()


@pytest.fixture
def bus(redis_url: str) -> Iterator[RedisStreams]:
    with connected(redis_url) as bus:
        yield bus


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


# ---------------------------------------------------------------- what it refuses


def test_another_number_of_partitions_is_refused_with_the_one_there_is(redis_url: str) -> None:
    with connected(redis_url, 2, prefix="p") as two, connected(redis_url, 3, prefix="p") as three:
        fill(two, event(1))
        for use in (
            lambda: three.state({}),
            lambda: three.fetch("mail", 0, 1, LEASE_MS),
            lambda: fill(three, event(2), before=1),
        ):
            with pytest.raises(ConfigurationError, match="was made with 2, which is fixed") as refused:
                use()
            assert refused.value.argument == "bus_partitions"
        assert handled_all(two) == [1]
        two.clear()
        assert fill(three, event(2), before=1, settled=1) == 2


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random", "volatile-ttl"])
def test_f09_a_redis_that_may_evict_is_refused_with_the_setting_to_change(policy: str) -> None:
    with run_redis(*EVICTING, policy) as url, connected(url) as bus:
        with pytest.raises(
            ConfigurationError, match=f"{policy}.*set its maxmemory-policy to noeviction"
        ) as no:
            fill(bus, event(1))
        assert no.value.argument == "bus"
        command(port_of(url), "CONFIG", "SET", "maxmemory-policy", "noeviction")
        assert fill(bus, event(1)) == 1, "as soon as it is changed"


def test_f09_a_redis_that_keeps_everything_is_taken() -> None:
    with run_redis(*EVICTING, "noeviction") as url, connected(url) as bus:
        assert fill(bus, event(1)) == 1
    with run_redis("--maxmemory-policy", "allkeys-lru") as url, connected(url) as bus:
        assert fill(bus, event(1)) == 1, "there is no bound at which it would evict"


def test_f09_one_node_of_a_cluster_that_may_evict_is_enough(redis_cluster_url: str) -> None:
    with redis.RedisCluster.from_url(redis_cluster_url) as cluster:
        node = cluster.get_primaries()[-1]
        cluster.config_set("maxmemory", "100mb", target_nodes=node)
        cluster.config_set("maxmemory-policy", "allkeys-lfu", target_nodes=node)
        try:
            with connected(redis_cluster_url) as bus, pytest.raises(ConfigurationError, match="allkeys-lfu"):
                bus.state({})
        finally:
            cluster.config_set("maxmemory", "0", target_nodes=node)


def test_f09_one_that_is_set_to_evict_later_is_noticed() -> None:
    with run_redis(*EVICTING, "noeviction") as url, connected(url) as bus:
        fill(bus, event(1))
        command(port_of(url), "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        assert fill(bus, event(2), before=1) == 2, "not at once"
        bus._look_again_at = time.monotonic()
        with pytest.raises(ConfigurationError):
            fill(bus, event(3), before=2)


# ---------------------------------------------------------------- time


def test_a_lease_lapses_by_itself(bus: RedisStreams) -> None:
    fill(bus, event(1))
    slow = bus.fetch("mail", 0, 1, lease_ms=500)
    assert slow
    assert bus.fetch("mail", 0, 1, lease_ms=500) is None
    time.sleep(0.6)
    twin = fetch(bus)
    assert (numbers(twin), tries(twin)) == ([1], [2])
    assert not bus.acknowledge(slow)
    assert bus.acknowledge(twin)


def test_a_pause_ends_by_itself(bus: RedisStreams) -> None:
    fill(bus, event(1))
    assert bus.abandon(fetch(bus), 0, blamed=True, pause_ms=500)
    assert bus.fetch("mail", 0, 1, LEASE_MS) is None
    time.sleep(0.6)
    assert numbers(fetch(bus)) == [1]


# ---------------------------------------------------------------- others, and accidents


def test_a_fetch_that_is_sent_twice_gives_the_same(bus: RedisStreams) -> None:
    """The answer was lost with the connection, and the wire asks once more."""
    fill(bus, event(1))
    wire = bus._place().wire
    asked = call(BUS_TAKE, bus._keys(0), b"mail", b"fence", b"0", b"10", b"60000")
    first, again = (wire.values(single(0), Each([asked]))[0] for _ in range(2))
    assert first[1] == again[1]
    assert (first[0], again[0]) == (1, 2), "as if it had been abandoned"
    other = call(BUS_TAKE, bus._keys(0), b"mail", b"other", b"0", b"10", b"60000")
    assert wire.values(single(0), Each([other]))[0] == []


def test_what_a_stranger_has_trimmed_comes_back_from_the_log(bus: RedisStreams, client: redis.Redis) -> None:
    # given
    events = [event(number) for number in range(1, 6)]
    fill(bus, *events)
    assert bus.abandon(fetch(bus), 1, blamed=False, pause_ms=0)

    # when
    client.xtrim(bus._keys(0)[0], maxlen=2, approximate=False)

    # then
    assert bus.fetch("mail", 0, 10, LEASE_MS) is None
    state = bus.state({"mail": 1})
    assert (state.lowest, state.groups["mail"].handled) == (NOT_FILLED, 1)
    assert fill(bus, *events[1:], before=1, settled=1) == 5
    assert numbers(bus.fetch("mail", 1, 10, LEASE_MS)) == [2, 3, 4, 5]


def test_a_stream_that_was_deleted_takes_its_mark_along(bus: RedisStreams, client: redis.Redis) -> None:
    fill(bus, event(1), event(2))
    before = fetch(bus)
    client.delete(bus._keys(0)[0])
    assert bus.state({}).lowest == NOT_FILLED
    assert not bus.acknowledge(before)


def test_a_full_server_says_what_to_do_and_loses_nothing() -> None:
    with run_redis() as url, connected(url) as bus:
        fill(bus, event(1))
        command(port_of(url), "CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(OutOfReach, match="raise its maxmemory"):
            fill(bus, event(2), before=1)
        assert bus.state({}).lowest == 1
        command(port_of(url), "CONFIG", "SET", "maxmemory", "0")
        assert fill(bus, event(2), before=1) == 2
        assert handled_all(bus) == [1, 2]


def test_a_group_of_a_strangers_holds_trimming_back(bus: RedisStreams, client: redis.Redis) -> None:
    fill(bus, event(1), event(2))
    client.xgroup_create(bus._keys(0)[0], "somebody", id="1-0")
    bus.trim(2)
    assert bus.state({}).held == 1


def test_a_user_who_may_do_what_the_pages_say_and_no_more(redis_url: str, client: Any) -> None:
    rights = [right for page in ("redis.md", "bus.md") for right in named_rights(page)]
    client.execute_command("ACL", "SETUSER", "postman", "reset", "on", ">secret", "~feedkit:*", *rights)
    limited = redis_url.replace("redis://", "redis://postman:secret@")
    with connected(limited) as bus:
        fill(bus, *(event(number) for number in range(1, 6)))
        assert bus.abandon(fetch(bus), 2, blamed=True, pause_ms=1)
        time.sleep(0.01)
        assert handled_all(bus) == [3, 4, 5]
        bus.trim(5)
        bus.forget("mail")
        bus.clear()
        client.execute_command("ACL", "SETUSER", "postman", "-xadd")
        with pytest.raises(ConfigurationError, match="streams"):
            fill(bus, event(1))
    client.execute_command("ACL", "DELUSER", "postman")


def named_rights(page: str) -> list[str]:
    text = (Path(__file__).parents[2] / "docs" / "how-to" / page).read_text(encoding="utf-8")
    command_line = text.partition("ACL SETUSER feedkit ")[2].partition("\n\n")[0]
    return [word for word in command_line.split() if word.startswith("+")]


def test_a_publisher_that_is_behind_is_told_where_it_stands(bus: RedisStreams) -> None:
    fill(bus, *(event(number) for number in range(1, 10)))
    assert bus.publish([event(4)], Span(before=3, up_to=4, settled=0)) == 9
