"""The connections of this process to a SQLite file of its own."""

import sqlite3
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa

from feedkit.storage.sql.prepared import Tx

T = TypeVar("T")
_IDLE_READERS = 8


class SqliteConnections:
    """One connection that writes, for one thread at a time, and some that read.

    SQLite lets one transaction write at a time, whatever the number of connections. So threads queue up here,
    where the next goes on at once, and not in SQLite, which asks again every few milliseconds. And taking a
    connection costs 1 us; from SQLAlchemy's pool, which is made for servers far away, it costs 35.
    """

    def __init__(self, engine: sa.Engine, busy_timeout_ms: int) -> None:
        self._engine = engine
        self._busy_timeout_s = busy_timeout_ms / 1000
        self._turn = threading.Lock()
        self._writer: Tx | None = None
        self._readers: list[Tx] = []

    def write(self, work: Callable[[Tx], T], *, wait: bool) -> T:
        """Run `work` on the connection that writes, once it is this thread's turn.

        Raises SQLite's own "database is locked".
        """
        if not self._turn.acquire(timeout=self._busy_timeout_s if wait else 0):
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise sa.exc.OperationalError("BEGIN IMMEDIATE", None, error) from error
        try:
            if self._writer is None:
                self._writer = self._open()
            return work(self._writer)
        finally:
            self._turn.release()

    def read(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on a connection that reads; one that is idle, or a new one."""
        try:
            tx = self._readers.pop()
        except IndexError:
            tx = self._open()
        try:
            done = work(tx)
        except BaseException:
            tx.raw.close()  # whatever state it is in, nobody shall inherit it
            raise
        if len(self._readers) < _IDLE_READERS:
            self._readers.append(tx)
        else:
            tx.raw.close()
        return done

    def close(self) -> None:
        """Close what nobody uses, and the writer when it is free."""
        self.pause()
        self.resume()

    def pause(self) -> None:
        """Close it, and keep whoever wants to write waiting."""
        self._turn.acquire()
        if self._writer is not None:
            self._writer.raw.close()
            self._writer = None
        while self._readers:
            self._readers.pop().raw.close()

    def resume(self) -> None:
        """Let writers go on."""
        self._turn.release()

    def _open(self) -> Tx:
        try:
            fairy = self._engine.raw_connection()
        except sqlite3.Error as error:
            raise sa.exc.OperationalError("connect", None, error) from error
        fairy.detach()
        return Tx(fairy.dbapi_connection, _ignore)


def _ignore(_error: Any) -> None:
    """A file does not go away as a server does: what broke is closed by whoever used it."""
