"""Pipelines of commands to all servers that they concern, in one round trip, with what may go wrong set right.

Connections are those of redis-py's pools, so TLS, users, unix sockets, Sentinel and both versions of the
protocol are as the host has set them up. What is sent on them is packed here, and what comes back is read
here: redis-py spends 4-10 us per command, which is ten times what the server does.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import attrs
import numpy as np
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from feedkit.errors import ConfigurationError, OutOfReach
from feedkit.idset import Ids
from feedkit.storage.redis import scripts
from feedkit.storage.redis.commands import ASKING, Commands, command
from feedkit.storage.redis.nodes import Nodes, Pool
from feedkit.storage.redis.replies import Garbled, Refusal, Replies
from feedkit.storage.redis.resting import Rest

_ATTEMPTS = 6
_FIRST_PAUSE_S = 0.01
_AT_ONCE = 1000  # commands sent before the replies to those sent earlier are read
_BUSY = {"LOADING", "MASTERDOWN", "BUSY"}
_ELSEWHERE = {"READONLY", "CLUSTERDOWN", "TRYAGAIN"}
_NOT_ALLOWED = {"NOPERM", "NOAUTH", "WRONGPASS"}
_NOT_ALLOWED_INSIDE = ("The user executing the script can't", "ACL failure in script")  # Redis 6, and 7

Refused = dict[int, Refusal]
"""Refusals by the index of the command."""

logger = logging.getLogger(__name__)


class Wire(Protocol):
    """Sends commands; each belongs to a bucket, and goes to the server that holds it."""

    buckets: int

    def numbers(self, buckets: Ids, commands: Commands, *, together: bool = False) -> Ids:
        """Replies that are integers, shape (n,); 0 for a key that holds something else. Commands may be sent twice.

        `together`: all replies of a server come from one connection, without a break.
        """

    def values(self, buckets: Ids, commands: Commands, *, together: bool = False) -> list[Any]:
        """Replies of any kind, `None` for a key that holds something else."""

    def servers(self) -> int:
        """How many servers there are."""

    def ask(self, nth: int, packed: bytes) -> Any:
        """The reply of one server to a command that concerns no key."""

    def close(self) -> None:
        """Close what was opened."""


class RedisWire:
    """Over real connections. Safe for threads."""

    def __init__(self, nodes: Nodes, rest: Rest | None = None) -> None:
        self._nodes = nodes
        self.buckets = nodes.buckets
        self.rest = rest or Rest()

    def numbers(self, buckets: Ids, commands: Commands, *, together: bool = False) -> Ids:
        found = np.zeros(len(commands), dtype=np.int64)

        def read(replies: Replies, rows: Ids) -> Refused:
            numbers, refused = replies.numbers(len(rows))
            found[rows] = numbers
            return {int(rows[nth]): refusal for nth, refusal in refused.items()}

        self._run(_Job(buckets, commands, read), together=together)
        return found

    def values(self, buckets: Ids, commands: Commands, *, together: bool = False) -> list[Any]:
        found: list[Any] = [None] * len(commands)

        def read(replies: Replies, rows: Ids) -> Refused:
            refused = {}
            for row in rows.tolist():
                found[row] = value = replies.value()
                if isinstance(value, Refusal):
                    found[row], refused[row] = None, value
            return refused

        self._run(_Job(buckets, commands, read), together=together)
        return found

    def servers(self) -> int:
        with _told():
            return len(self._nodes.all())

    def ask(self, nth: int, packed: bytes) -> Any:
        with _told():
            pools = self._nodes.all()
            with _borrowed(pools[nth % len(pools)]) as connection:
                connection.send_packed_command([packed])
                reply = Replies(_receiver(connection)).value()
        if isinstance(reply, Refusal):
            raise _error_of(reply)
        return reply

    def close(self) -> None:
        self._nodes.close()

    def _run(self, job: "_Job", *, together: bool) -> None:
        everything: Ids = np.arange(len(job.commands))
        left, pause = everything, _FIRST_PAUSE_S
        with self.rest.asking(), _told(self.rest.begin):
            for attempt in range(_ATTEMPTS):
                again = self._once(job, left, is_first=not attempt)
                if not again:
                    return
                left = everything if together else np.array(sorted(again))
                if attempt:
                    time.sleep(pause)
                    pause *= 2
        raise OutOfReach("Redis keeps sending feedkit elsewhere; see whether its cluster or Sentinel is well")

    def _once(self, job: "_Job", rows: Ids, *, is_first: bool) -> list[int]:
        """Send these commands; which of them have to be sent again."""
        refused: Refused = {}
        trips = [_Trip(pool, chosen, job) for pool, chosen in self._by_server(job.buckets, rows)]
        try:
            for trip in trips:
                trip.start()
            for trip in trips:
                refused |= trip.finish()
        except (RedisError, OSError, Garbled) as error:
            # A connection that had idled is often found closed, so one failure says nothing yet.
            if not is_first or isinstance(error, AuthenticationError | AuthorizationError):
                raise
            logger.info("a connection to Redis failed, trying again: %s", type(error).__name__)
            self._nodes.refresh()
            unanswered: list[int] = rows.tolist()
            return unanswered
        finally:
            for trip in trips:
                trip.end()
        return [row for row, refusal in refused.items() if not self._is_settled(job, row, refusal)]

    def _by_server(self, buckets: Ids, rows: Ids) -> Iterator[tuple[Pool, Ids]]:
        if self.buckets == 1:
            yield self._nodes.pool(0), rows
            return
        wanted = buckets[rows]
        pools: dict[int, tuple[Pool, list[int]]] = {}
        for bucket in np.unique(wanted).tolist():
            pool = self._nodes.pool(bucket)
            pools.setdefault(id(pool), (pool, []))[1].append(bucket)
        for pool, theirs in pools.values():
            yield pool, rows[np.isin(wanted, theirs)]

    def _is_settled(self, job: "_Job", row: int, refusal: Refusal) -> bool:
        """Whether nothing is left to be done about a refusal; False to send the command again."""
        code = refusal.code
        if code == "WRONGTYPE":
            return True
        if code == "ASK":
            return self._asked(job, row, refusal)
        if code == "MOVED":
            self._nodes.moved(refusal.message)
        elif code == "NOSCRIPT":
            _teach(self._nodes.pool(int(job.buckets[row])))
        elif code in _ELSEWHERE:
            self._nodes.refresh()
        else:
            raise _error_of(refusal)
        return False

    def _asked(self, job: "_Job", row: int, refusal: Refusal) -> bool:
        """Ask the server that is taking the slot over, for this once."""
        host, _, port = refusal.message.split(" ")[2].rpartition(":")
        pool = self._nodes.named(host, int(port))
        rows: Ids = np.array([row])
        with _borrowed(pool) as connection:
            connection.send_packed_command([ASKING + job.commands.packed(rows)])
            replies = Replies(_receiver(connection))
            replies.value()
            refused = job.read(replies, rows)
        if refused and refused[row].code == "NOSCRIPT":
            _teach(pool)
        return not refused


@attrs.frozen
class _Job:
    """Commands, the bucket that each belongs to, and what takes in replies to some of them."""

    buckets: Ids
    commands: Commands
    read: Callable[[Replies, Ids], Refused]


class _Trip:
    """The commands for one server: sent in parts, each before the replies to the one before it are read."""

    def __init__(self, pool: Pool, rows: Ids, job: _Job) -> None:
        self._pool, self._job = pool, job
        self._parts = [rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE)]
        self._unsent = iter(self._parts)
        self._connection: Any = None
        self._done = False

    def start(self) -> None:
        """Send the first part."""
        self._connection = self._pool.get_connection()
        self._send_next()

    def finish(self) -> Refused:
        """Send the other parts, and read all replies."""
        refused: Refused = {}
        replies = Replies(_receiver(self._connection))
        for part in self._parts:
            self._send_next()
            refused |= self._job.read(replies, part)
        self._done = not any(refusal.code == "READONLY" for refusal in refused.values())
        return refused

    def end(self) -> None:
        """Give the connection back; one with replies that nobody has read is of no use to anybody."""
        if self._connection is not None:
            if not self._done:
                self._connection.disconnect()
            self._pool.release(self._connection)

    def _send_next(self) -> None:
        part = next(self._unsent, None)
        if part is not None:
            self._connection.send_packed_command([self._job.commands.packed(part)])


@contextmanager
def _borrowed(pool: Pool) -> Iterator[Any]:
    connection = pool.get_connection()
    try:
        yield connection
    except BaseException:
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


def _receiver(connection: Any) -> Callable[[int], bytes]:
    receive: Callable[[int], bytes] = connection._get_socket().recv
    return receive


def _teach(pool: Pool) -> None:
    """Have a server know all scripts."""
    with _borrowed(pool) as connection:
        for script in scripts.ALL:
            connection.send_packed_command([command(b"SCRIPT", b"LOAD", script.text)])
            refused = Replies(_receiver(connection)).value()
            if isinstance(refused, Refusal):
                raise _error_of(refused)


@contextmanager
def _told(failed: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Errors of the driver as those of feedkit; `failed` is called where the server could not be reached."""
    try:
        yield
    except (AuthenticationError, AuthorizationError) as error:
        raise ConfigurationError(f"Redis refuses the user it was given: {error}", argument="redis") from error
    except (RedisError, OSError, Garbled) as error:
        if isinstance(error, ResponseError) and not isinstance(error, RedisConnectionError):
            raise _error_of(Refusal(str(error))) from error
        failed()
        raise OutOfReach(f"Redis could not be reached ({type(error).__name__}); try again") from error


def _error_of(refusal: Refusal) -> Exception:
    code = refusal.code
    if code == "OOM":
        return OutOfReach(
            "Redis is full; raise its maxmemory, or, where it holds no bus, set maxmemory-policy to allkeys-lru so "
            "that inboxes make room"
        )
    if code in _BUSY:
        return OutOfReach(f"Redis is not ready ({code}); try again")
    if code in _NOT_ALLOWED or any(words in refusal.message for words in _NOT_ALLOWED_INSIDE):
        message = (
            "Redis does not let its user do what feedkit needs: GET, SET, RPUSHX, LRANGE, EVALSHA, SCRIPT LOAD, "
            "UNLINK, SCAN, INFO and those inside scripts (for a bus: of streams and hashes, TIME), on its own keys; "
            f"it says {refusal.message[:200]}"
        )
        return ConfigurationError(message, argument="redis")
    return OutOfReach(f"Redis answered {refusal.message[:200]}")
