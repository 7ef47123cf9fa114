"""Asks PostgreSQL whether the log has grown, and hears what it says later: it looks while this process works."""

import threading
from collections.abc import Generator
from selectors import EVENT_READ
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from feedkit.storage.sql.tables import Tables

_NAME = b"feedkit_log"
_ROWS = 2  # PGRES_TUPLES_OK


class LogAsking:
    """One connection of psycopg's for this question alone, never in a transaction.

    Whoever asks while somebody else waits for an answer is told None, and has to look for themselves.
    """

    def __init__(self, engine: sa.Engine, tables: Tables) -> None:
        self._engine = engine
        events = engine.dialect.identifier_preparer.format_table(tables.events)
        # One step down the index, whatever the planner believes: what has no number yet comes before all numbers.
        newest = f"SELECT number FROM {events} ORDER BY number DESC NULLS FIRST LIMIT 1"  # noqa: S608 - our own name
        self._sql = newest.encode()
        self._lock = threading.Lock()
        self._raw: Any = None
        self._left_behind: list[Any] = []

    def ask(self, number: int) -> "Answer | None":
        """Ask whether the log ends at that number; None where that cannot be asked now."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            if self._raw is None:
                self._raw = self._open()
            self._send()
        except (sa.exc.SQLAlchemyError, self._driver_error):
            self.done(heard=False)
            return None
        except BaseException:
            self.done(heard=False)
            raise
        return Answer(self, number)

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        with self._lock:
            self._drop()

    def forget(self) -> None:
        """After a fork, in the child: leave the parent's connection alone."""
        self._left_behind.append(self._raw)  # kept, so that it is not closed from here
        self._raw, self._lock = None, threading.Lock()

    def heard(self) -> int | None:
        """The highest number; None where some event has none yet, or where the question came to nothing."""
        try:
            result = self._raw.wait(_only_result(self._raw.pgconn))
        except self._driver_error:
            result = None
        if result is None or result.status != _ROWS:
            self._drop()
            return None
        if not result.ntuples:
            return 0
        number = result.get_value(0, 0)
        return None if number is None else int(number)

    def done(self, *, heard: bool) -> None:
        """Let others ask; a connection on which an answer may still come is of no use to them."""
        if not heard:
            self._drop()
        self._lock.release()

    @property
    def _driver_error(self) -> type[Exception]:
        error: type[Exception] = self._engine.dialect.loaded_dbapi.Error
        return error

    def _open(self) -> Any:
        fairy = self._engine.raw_connection()
        fairy.detach()
        raw: Any = fairy.dbapi_connection
        if raw.prepare_threshold is not None:  # otherwise somebody in between does not keep statements
            raw.pgconn.prepare(_NAME, self._sql)
        return raw

    def _send(self) -> None:
        connection = self._raw.pgconn
        if self._raw.prepare_threshold is None:
            connection.send_query_params(self._sql, None)
        else:
            connection.send_query_prepared(_NAME, None)
        connection.flush()

    def _drop(self) -> None:
        if self._raw is not None:
            self._raw.close()
            self._raw = None


def _only_result(pgconn: Any) -> Generator[int, int, Any]:
    """The result of a question, read in such steps as psycopg waits for, for as long as it waits for anything."""
    first = None
    while True:
        while pgconn.is_busy():
            if (yield EVENT_READ):
                pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            return first
        first = first or result


class Answer:
    """What will be heard. Ends with its `with` block."""

    __slots__ = ("_asking", "_heard", "_number")

    def __init__(self, asking: LogAsking, number: int) -> None:
        self._asking, self._number, self._heard = asking, number, False

    def nothing_newer(self) -> bool:
        """Whether no event above the number had been committed when it was asked; False also if nobody can tell."""
        said, self._heard = self._asking.heard(), True
        return said == self._number

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._asking.done(heard=self._heard)


def asking_of(engine: sa.Engine, tables: Tables) -> LogAsking | None:
    """What asks over this engine; None where it is not by psycopg, or where no connection may be kept open."""
    dialect = engine.dialect
    if (dialect.name, dialect.driver, dialect.is_async) != ("postgresql", "psycopg", False):
        return None
    return None if isinstance(engine.pool, sa.NullPool) else LogAsking(engine, tables)
