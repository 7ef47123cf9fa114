"""Where the timelines of a feed are: connected to at the first use, in each process."""

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import attrs
import redis
from redis.exceptions import RedisError

from feedkit.errors import ConfigurationError, OutOfReach, shown
from feedkit.storage.redis.keys import Keys
from feedkit.storage.redis.nodes import opened
from feedkit.storage.redis.resting import Rest
from feedkit.storage.redis.wire import RedisWire, Wire

_SCHEMES = ("redis://", "rediss://", "unix://")
_INSTALL_DIGITS = 12  # of 32: enough that no two installs on a server are alike


@attrs.frozen
class Place:
    """A connection to Redis, and what every key there begins with."""

    wire: Wire
    prefix: str

    def keys(self, kind: str) -> Keys:
        """The keys of one kind of timeline."""
        return _keys(self.prefix, kind, self.wire.buckets)


@cache
def _keys(prefix: str, kind: str, buckets: int) -> Keys:
    return Keys(prefix, kind, buckets)


class Opening:
    """Opens a place once, and tries again as long as it cannot.

    Args:
        target: a URL, or a client of redis-py's that stays the host's.
        namespace: of the feed.
        install: gives the install id of the database.
        timeout_s: how long a server may take to answer, where the client is made here.
    """

    def __init__(self, target: Any, namespace: str, install: Callable[[], str], timeout_s: float) -> None:
        self._target, self._namespace = target, namespace
        self._install, self._timeout_s = install, timeout_s
        self._lock = threading.Lock()
        self._place: Place | None = None
        self.rest = Rest()

    def __call__(self) -> Place:
        """The place. Raises OutOfReach."""
        if self._place is None:
            with self.rest.asking(), self._lock:
                if self._place is None:
                    self.rest.refuse()  # whoever had the lock before has found out
                    self._place = self._opened()
        return self._place

    def close(self) -> None:
        """Close what was opened here."""
        with self._lock:
            place, self._place = self._place, None
        if place is not None:
            place.wire.close()

    def _opened(self) -> Place:
        prefix = f"{self._namespace}:{self._install()[:_INSTALL_DIGITS]}"
        try:
            return Place(RedisWire(opened(self._target, self._timeout_s), self.rest), prefix)
        except (RedisError, OSError) as error:
            self.rest.begin()
            raise OutOfReach(f"Redis could not be reached ({type(error).__name__}); try again") from error


def checked_target(target: Any, argument: str = "redis") -> Any:
    """What `connect` may be given for Redis. Raises ConfigurationError."""
    if isinstance(target, redis.Redis | redis.RedisCluster):
        return target
    if isinstance(target, str) and target.startswith(_SCHEMES):
        return target
    raise ConfigurationError(
        f"{argument} must be a URL that starts with {', '.join(_SCHEMES)}, or a redis.Redis or redis.RedisCluster; "
        f"got {shown(type(target))}",
        argument=argument,
    )
