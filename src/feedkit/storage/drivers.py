"""Which drivers a host asked for. Those in Redis are imported where there is one alone: its client is slow to import.

Nothing is opened here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from feedkit.clock import Clock
from feedkit.settings import Settings
from feedkit.storage.bus import Bus
from feedkit.storage.memory import own_timelines
from feedkit.storage.memory_bus import MemoryBus
from feedkit.storage.shared import SharedCache
from feedkit.storage.timelines import TimelineStores

if TYPE_CHECKING:
    from feedkit.storage.redis.opening import Opening

MEMORY_BUS = "memory://"


def is_driver(target: object) -> bool:
    """Whether it is a bus already, a driver of the host's own."""
    return not isinstance(target, type) and hasattr(target, "acknowledge")


def is_in_redis(bus: object) -> bool:
    """Whether that bus is to be in a Redis, or is nothing that is known here."""
    return bus is not None and bus != MEMORY_BUS and not is_driver(bus)


def place_of(
    target: Any, namespace: str, install_id: Callable[[], str], settings: Settings
) -> Opening | None:
    """Where a feed is in a Redis, which is a URL or a client; None for none."""
    if target is None:
        return None
    from feedkit.storage.redis.opening import Opening

    return Opening(target, namespace, install_id, settings.redis_timeout_ms / 1000)


def bus_of(target: Any, place: Opening | None, settings: Settings) -> Bus | None:
    """The bus that is meant; `place` is where it is if it is in Redis."""
    bounds = (settings.bus_partitions, settings.bus_events_max)
    if place is not None:
        from feedkit.storage.redis.streams import RedisStreams

        return RedisStreams(place, *bounds)
    if target == MEMORY_BUS:
        return MemoryBus(*bounds)
    bus: Bus | None = target
    return bus


def timelines_of(place: Opening | None, settings: Settings, clock: Clock) -> TimelineStores:
    """Inboxes and outboxes: in Redis, for all processes, or in the memory of each."""
    if place is None:
        return own_timelines(settings, clock)
    from feedkit.storage.redis.timelines import shared_timelines

    return shared_timelines(place, settings)


def shared_cache_of(place: Opening | None, settings: Settings) -> SharedCache | None:
    """What processes share of posts, users and relations; None for nothing."""
    if place is None or settings.shared_cache == "off":
        return None
    from feedkit.storage.redis.cache import shared_cache

    return shared_cache(place, settings)
