"""Real servers for a benchmark: a PostgreSQL with an empty database, and a Redis, gone with the stack."""

import sys
from contextlib import ExitStack

from tests.redis_servers import run_cluster, run_redis
from tests.servers import ServerUnavailable, fresh_database, run_postgres


def database_and_redis(stack: ExitStack) -> tuple[str, str]:
    """The URLs of both; ends the program where the machine cannot start them."""
    try:
        database = stack.enter_context(fresh_database(stack.enter_context(run_postgres())))
        return database, stack.enter_context(run_redis())
    except ServerUnavailable as error:
        sys.exit(f"this benchmark needs its servers: {error}")


def cluster(stack: ExitStack, nodes: int) -> str:
    """The URL of a cluster of so many primaries."""
    try:
        return stack.enter_context(run_cluster(nodes))
    except ServerUnavailable as error:
        sys.exit(f"this benchmark needs its servers: {error}")
