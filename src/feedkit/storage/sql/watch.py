"""Notices that somebody has committed to a SQLite file, almost for free."""

import sqlite3
import threading
from typing import cast

import sqlalchemy as sa

_OPENINGS = 40  # bits for what one connection counts


class SqliteWatch:
    """One connection for `PRAGMA data_version` alone (3 us), never in a transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._raw: sqlite3.Connection | None = None
        self._opened = 0

    def version(self) -> int | None:
        """A number that changes with every commit of anybody else; None where it cannot be read now."""
        try:
            with self._lock:
                if self._raw is None:
                    self._raw = self._open()
                counted = self._raw.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:  # a file without WAL is locked for readers while somebody commits
            return None
        return int(counted) + (self._opened << _OPENINGS)  # each connection counts from its own beginning

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        with self._lock:
            if self._raw is not None:
                self._raw.close()
                self._raw = None

    def _open(self) -> sqlite3.Connection:
        fairy = self._engine.raw_connection()
        fairy.detach()
        self._opened += 1
        return cast(sqlite3.Connection, fairy.dbapi_connection)
