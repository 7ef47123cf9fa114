"""What a host asked for in `connect`, checked. It holds nothing open."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Generic

import attrs

from feedkit.clock import Clock, SystemClock
from feedkit.errors import ConfigurationError, shown
from feedkit.fanout.policy import CostBased, FanoutPolicy, Hybrid
from feedkit.metrics import Metrics
from feedkit.model import Key
from feedkit.settings import Settings
from feedkit.storage.directory import KEY_TYPES
from feedkit.storage.drivers import is_in_redis
from feedkit.writing.entities import MentionResolver

_NAMESPACE = re.compile(r"[a-z][a-z0-9_]{0,23}")  # leaves room for the longest name of a table or index
_DELIVER = ("inline", "thread", "worker")
_IN_MEMORY = ("memory://", "sqlite://", "sqlite:///:memory:")
_EXAMPLES = {"clock": "feedkit.SystemClock()", "policy": "feedkit.Hybrid()", "metrics": "PrometheusMetrics()"}


@attrs.frozen(kw_only=True)
class Wiring(Generic[Key]):
    """The parts of one feed."""

    target: Any
    key: type[Key]
    namespace: str
    policy: FanoutPolicy
    settings: Settings
    clock: Clock
    deliver: str
    ambient: Callable[[], AbstractContextManager[Any]] | None = None
    """Gives the host's connection that a verb joins which was told none, or None for none of the host's."""
    mention_resolver: MentionResolver | None = None
    metrics: Metrics | None = None
    redis: Any = None
    """Where inboxes and outboxes are, a URL or a client; None for the memory of each process."""
    bus: Any = None
    """What carries the log to groups of consumers: a URL, a client of Redis or a `Bus`; None for none."""
    replicas: tuple[str, ...] = ()
    """URLs of servers that follow the target and may be read from."""


def wire(
    target: Any,
    *,
    key: type[Key],
    namespace: str,
    policy: FanoutPolicy | None,
    settings: Any,
    clock: Clock | None,
    deliver: str | None,
    mention_resolver: Any = None,
    metrics: Any = None,
    redis: Any = None,
    bus: Any = None,
    replicas: Any = (),
) -> Wiring[Key]:
    """The wiring of these arguments of `connect`. Raises ConfigurationError."""
    if not any(key is known for known in KEY_TYPES):
        message = (
            f"key must be str, int or uuid.UUID, got {shown(key)}; pass the type of your users' primary key"
        )
        raise ConfigurationError(message, argument="key")
    checked_namespace(namespace)
    deliver = _checked_deliver(deliver, target, redis)
    if settings is not None and not isinstance(settings, Settings):
        message = f"settings must be a feedkit.Settings, got {type(settings).__name__}; pass Settings(...)"
        raise ConfigurationError(message, argument="settings")
    if mention_resolver is not None and not callable(mention_resolver):
        message = (
            "mention_resolver must be a function from a list of handles to a dict of user keys by handle"
        )
        raise ConfigurationError(message, argument="mention_resolver")
    for name, part, method in (
        ("clock", clock, "now_ms"),
        ("policy", policy, "route"),
        ("metrics", metrics, "observe"),
    ):
        if part is not None and (isinstance(part, type) or not hasattr(part, method)):
            message = (
                f"{name} must be an object with {method}(), such as {_EXAMPLES[name]}; got {shown(part)}"
            )
            raise ConfigurationError(message, argument=name)
    if redis is not None and isinstance(policy, CostBased):
        message = (
            "policy must not be CostBased beside redis=: one process delivers for all, and would have to know what "
            "the others' readers do; leave redis out, or pass Hybrid()"
        )
        raise ConfigurationError(message, argument="policy")
    return Wiring(
        target=target,
        key=key,
        namespace=namespace,
        policy=policy or Hybrid(),
        settings=settings or Settings(),
        clock=clock or SystemClock(),
        deliver=deliver,
        mention_resolver=mention_resolver,
        metrics=metrics,
        redis=None if redis is None else _checked_redis(redis),
        bus=_checked_bus(bus),
        replicas=_checked_replicas(replicas),
    )


def _checked_replicas(urls: Any) -> tuple[str, ...]:
    if isinstance(urls, list | tuple) and all(isinstance(url, str) for url in urls):
        return tuple(urls)
    message = (
        f'replicas must be a list of URLs, such as ["postgresql://user@host/name"]; got {shown(type(urls))}'
    )
    raise ConfigurationError(message, argument="replicas")


def _checked_deliver(deliver: object, target: Any, redis: Any) -> str:
    if deliver is None:
        return "worker" if redis is not None and _is_postgres(target) else "inline"
    if deliver not in _DELIVER:
        message = f"deliver must be one of {', '.join(_DELIVER)}; got {shown(deliver)}"
        raise ConfigurationError(message, argument="deliver")
    if deliver == "worker" and redis is None:
        message = (
            'deliver must not be "worker" without redis=: inboxes in the memory of a process can be delivered to by '
            'that process alone; pass redis="redis://...", or take "inline" or "thread"'
        )
        raise ConfigurationError(message, argument="deliver")
    if deliver == "worker" and str(target) in _IN_MEMORY:
        message = 'deliver must not be "worker" for a database in memory, which no other process sees; take "inline"'
        raise ConfigurationError(message, argument="deliver")
    return str(deliver)


def _is_postgres(target: Any) -> bool:
    dialect = getattr(target, "dialect", None)
    name = dialect.name if dialect is not None else str(target).partition(":")[0].partition("+")[0]
    return name in ("postgresql", "postgres")


def _checked_redis(target: Any, argument: str = "redis") -> Any:
    from feedkit.storage.redis.opening import checked_target  # its client is slow to import

    return checked_target(target, argument)


def _checked_bus(target: Any) -> Any:
    return _checked_redis(target, "bus") if is_in_redis(target) else target


def checked_namespace(namespace: object) -> str:
    """A prefix that tables may have. Raises ConfigurationError."""
    if not _NAMESPACE.fullmatch(str(namespace)):
        message = "namespace must be 1..24 characters of a-z, 0-9 and _ that start with a letter"
        raise ConfigurationError(message, argument="namespace")
    return str(namespace)
