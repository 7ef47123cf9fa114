"""Which server holds which bucket: one server (also behind Sentinel), or the nodes of a cluster."""

import threading
from contextlib import suppress
from typing import Any, Protocol

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import MovedError, RedisClusterException, RedisError
from redis.retry import Retry

from feedkit.storage.redis.keys import CLUSTER_BUCKETS, slot_of, tags

Pool = Any
"""A connection pool of redis-py's."""


class Nodes(Protocol):
    """The servers, as they are known at the moment."""

    buckets: int

    def pool(self, bucket: int) -> Pool:
        """The connections to the server that holds a bucket."""

    def named(self, host: str, port: int) -> Pool:
        """The connections to the server of that address."""

    def moved(self, message: str) -> None:
        """Take note of a reply `MOVED <slot> <host>:<port>`."""

    def refresh(self) -> None:
        """Find out anew who holds what."""

    def all(self) -> list[Pool]:
        """The connections to each server that holds buckets."""

    def close(self) -> None:
        """Close what was opened here."""


class OneServer:
    """A server alone; behind Sentinel, whichever is master when a connection is made."""

    buckets = 1

    def __init__(self, client: "redis.Redis", *, owned: bool) -> None:
        self._client, self._owned = client, owned

    def pool(self, bucket: int) -> Pool:  # noqa: ARG002 - there is one
        return self._client.connection_pool

    def named(self, host: str, port: int) -> Pool:  # noqa: ARG002 - only a cluster names nodes
        return self._client.connection_pool

    def moved(self, message: str) -> None:
        """Nothing moves."""

    def refresh(self) -> None:
        self._client.connection_pool.disconnect(inuse_connections=False)

    def all(self) -> list[Pool]:
        return [self._client.connection_pool]

    def close(self) -> None:
        if self._owned:
            self._client.close()


class ClusterNodes:
    """The primaries of a cluster."""

    buckets = CLUSTER_BUCKETS

    def __init__(self, client: "redis.RedisCluster", *, owned: bool) -> None:
        self._client, self._owned = client, owned
        self._slots = [slot_of(tag) for tag in tags()]
        self._lock = threading.Lock()

    def pool(self, bucket: int) -> Pool:
        return self._pool_of(self._client.nodes_manager.get_node_from_slot(self._slots[bucket]))

    def named(self, host: str, port: int) -> Pool:
        client: Any = self._client  # without annotations, as far as nodes are concerned
        if client.get_node(host=host, port=port) is None:
            self.refresh()
        node = client.get_node(host=host, port=port)
        if node is None:
            raise RedisClusterException(f"{host}:{port} is no node of this cluster")
        return self._pool_of(node)

    def moved(self, message: str) -> None:
        with suppress(RedisError, ValueError):
            self._client.nodes_manager.move_slot(MovedError(message.partition(" ")[2]))

    def refresh(self) -> None:
        with self._lock:
            self._client.nodes_manager.initialize()

    def all(self) -> list[Pool]:
        return list({id(pool): pool for pool in map(self.pool, range(self.buckets))}.values())

    def close(self) -> None:
        if self._owned:
            self._client.close()

    def _pool_of(self, node: ClusterNode) -> Pool:
        if node.redis_connection is None:
            self._client.get_redis_connection(node)
        return node.redis_connection.connection_pool


def opened(target: Any, timeout_s: float) -> Nodes:
    """The servers behind a URL, or behind a client of redis-py's, which stays the host's."""
    if isinstance(target, redis.RedisCluster):
        return ClusterNodes(target, owned=False)
    if isinstance(target, redis.Redis):
        return OneServer(target, owned=False)
    bounds: dict[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    bounds["retry"] = Retry(NoBackoff(), 0)  # what is worth another try is known to those who ask
    client = redis.Redis.from_url(target, **bounds)
    try:
        in_cluster = client.info("cluster").get("cluster_enabled") == 1
    except RedisError:
        client.close()
        raise
    if not in_cluster:
        return OneServer(client, owned=True)
    client.close()
    return ClusterNodes(redis.RedisCluster.from_url(target, **bounds), owned=True)
