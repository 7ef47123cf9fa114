"""Copies of a PostgreSQL that follow it: read from as far as they have come, left alone while they have not.

How far one has come is the number of the last event in its own log. A copy replays transactions in the order in which
they were committed, and an event is numbered after its transaction was: whoever has event n has all that was
committed with events up to n.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar

import sqlalchemy as sa

from feedkit.errors import ConfigurationError
from feedkit.metrics import REPLICA_READS, Metrics
from feedkit.storage.sql.dialects import Dialect
from feedkit.storage.sql.dialects.base import tx_of
from feedkit.storage.sql.patience import connected
from feedkit.storage.sql.prepared import Tx
from feedkit.storage.sql.tables import Tables

T = TypeVar("T")
_RESTS_S = 2.0
_ASKED_EVERY_S = 0.01
_COME_TO = "feedkit_come_to"

logger = logging.getLogger(__name__)


class Behind(Exception):
    """A copy has not come far enough."""


class Replicas:
    """Copies of one database, asked in turn. Safe for threads.

    Args:
        urls: of PostgreSQL servers that replay what the primary writes.
        dialect: of the primary.
        tables: of the feed.
        timeout_s: how long one of them may take to connect, or to answer a statement.
        install_id: gives the id of the database that they are to be copies of.

    Raises:
        ConfigurationError: a URL is none of a PostgreSQL.
    """

    def __init__(
        self,
        urls: Sequence[str],
        dialect: Dialect,
        tables: Tables,
        timeout_s: float,
        install_id: Callable[[], str],
    ) -> None:
        self._all = [_Replica(url, dialect, tables, timeout_s, install_id) for url in urls]
        self._turns = count()
        self.metrics: Metrics | None = None

    def read(self, work: Callable[[Tx], T], number: int, *, otherwise: Callable[[], T]) -> T:
        """Run `work` on a copy that has all events up to `number`; `otherwise` where there is none at the moment.

        Raises:
            ConfigurationError: one of them is a copy of something else.
        """
        turn = next(self._turns)
        for nth in range(len(self._all)):
            with suppress(Behind):
                done = self._all[(turn + nth) % len(self._all)].read(work, number)
                self._count("used")
                return done
        self._count("not_used")
        return otherwise()

    def close(self) -> None:
        """Close all connections."""
        for replica in self._all:
            replica.engine.dispose()

    def forget(self) -> None:
        """After a fork, in the child: leave the parent's connections alone."""
        self._left_behind = [replica.engine.pool for replica in self._all]
        for replica in self._all:
            replica.engine.dispose(close=False)

    def _count(self, outcome: str) -> None:
        if self.metrics is not None:
            self.metrics.count(REPLICA_READS, 1, outcome)


class _Replica:
    """One copy. After a failure it is left alone for a while, and then tried by one reader."""

    def __init__(
        self, url: str, dialect: Dialect, tables: Tables, timeout_s: float, install_id: Callable[[], str]
    ) -> None:
        self._install_id = install_id
        self.engine = sa.create_engine(
            "postgresql+psycopg://", creator=_connector(url, timeout_s), pool_timeout=timeout_s
        )
        number, meta = tables.events.c.number, tables.meta
        newest = sa.select(sa.func.coalesce(sa.func.max(number), 0)).scalar_subquery()
        install = sa.select(meta.c.value).where(meta.c.name == "install_id").scalar_subquery()
        self._state = dialect.prepare(sa.select(sa.func.pg_is_in_recovery(), newest, install))
        self._lock = threading.Lock()
        self._rests_until = 0.0
        self._behind: tuple[int, float] = (0, 0.0)
        """How far it had come when it was last asked and had not come far enough, and until when that may be told."""

    def read(self, work: Callable[[Tx], T], number: int) -> T:
        """Run `work`. Raises Behind, also where it cannot be reached, and ConfigurationError."""
        if not self._is_worth_a_try(number):
            raise Behind
        try:
            with self.engine.connect() as connection:
                try:
                    done = self._on(connection, work, number)
                except (Behind, ConfigurationError):
                    raise
                except BaseException:
                    connection.invalidate()  # in the middle of something, perhaps
                    raise
        except (Behind, ConfigurationError):
            raise
        except Exception as error:
            self._rest(error)
            raise Behind from error
        self._rests_until = 0.0
        return done

    def _on(self, connection: sa.Connection, work: Callable[[Tx], T], number: int) -> T:
        tx = tx_of(connection.execution_options(isolation_level="AUTOCOMMIT"))
        come_to = connection.info.get(_COME_TO, -1)
        if come_to < number:
            connection.info[_COME_TO] = come_to = self._come_to(tx)
        if come_to < number:
            self._behind = come_to, time.monotonic() + _ASKED_EVERY_S
            raise Behind
        return work(tx)

    def _come_to(self, tx: Tx) -> int:
        row = self._state.first(tx)
        follows, number, install = row or (False, 0, None)
        if install is not None and install != self._install_id():
            raise ConfigurationError(
                "replicas names a copy of another database than the feed's; pass the URLs of its streaming replicas",
                argument="replicas",
            )
        if not follows:
            raise NotFollowing
        return int(number)

    def _is_worth_a_try(self, number: int) -> bool:
        now = time.monotonic()
        come_to, until = self._behind
        if come_to < number and now < until:
            return False
        if not self._rests_until:
            return True
        with self._lock:  # one reader finds out whether it is back
            if now < self._rests_until:
                return False
            self._rests_until = now + _RESTS_S
            return True

    def _rest(self, error: Exception) -> None:
        if not self._rests_until:
            logger.warning("a replica is left alone for a while: %s", type(error).__name__)
        self._rests_until = time.monotonic() + _RESTS_S


class NotFollowing(Exception):
    """A server does not follow any other: it is the primary, or was promoted."""


def _connector(url: str, timeout_s: float) -> Callable[[], Any]:
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() not in ("postgresql", "postgres"):
            raise sa.exc.ArgumentError(parsed.drivername)
    except sa.exc.ArgumentError as error:
        message = 'replicas must be URLs such as "postgresql://user@host/name"; one of them is not'
        raise ConfigurationError(message, argument="replicas") from error
    conninfo = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    return lambda: connected(timeout_s, conninfo)
