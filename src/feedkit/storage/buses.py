"""Which bus a host asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from feedkit.settings import Settings
from feedkit.storage.bus import Bus
from feedkit.storage.memory_bus import MemoryBus

if TYPE_CHECKING:
    from feedkit.storage.redis.opening import Opening

MEMORY_BUS = "memory://"


def is_driver(target: object) -> bool:
    """Whether it is a bus already, a driver of the host's own."""
    return not isinstance(target, type) and hasattr(target, "acknowledge")


def is_in_redis(target: object) -> bool:
    """Whether it names a Redis, or nothing that is known here."""
    return target is not None and target != MEMORY_BUS and not is_driver(target)


def bus_of(target: Any, place: Opening | None, settings: Settings) -> Bus | None:
    """The bus that is meant; `place` is where it is if it is in Redis. Nothing is opened yet."""
    bounds = (settings.bus_partitions, settings.bus_events_max)
    if place is not None:
        from feedkit.storage.redis.streams import RedisStreams  # its client is slow to import

        return RedisStreams(place, *bounds)
    if target == MEMORY_BUS:
        return MemoryBus(*bounds)
    bus: Bus | None = target
    return bus
