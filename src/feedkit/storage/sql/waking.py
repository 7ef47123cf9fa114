"""How processes wake each other: PostgreSQL's NOTIFY; on SQLite, a look at the file every few milliseconds."""

import time
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from feedkit.storage.sql.database import Database

_LOOK_S = 0.01


class Waking:
    """Wakes whoever waits, in any process, and waits to be woken. To wait is for one thread."""

    def __init__(self, database: Database, namespace: str) -> None:
        self._database, self._channel = database, f"{namespace}_events"
        self._notify = database.dialect.prepare(
            sa.select(sa.func.pg_notify(sa.bindparam("channel"), sa.literal_column("''")))
        )
        self._listening: Any = None

    def wake(self) -> None:
        """Wake whoever waits now; SQLite tells them itself."""
        if self._database.dialect.name == "postgresql":
            self._database.read(lambda tx: self._notify.rows(tx, {"channel": self._channel}))

    def wait(self, at_most_s: float) -> None:
        """Until somebody wakes us, or for so many seconds."""
        until = time.monotonic() + at_most_s
        if self._database.dialect.name != "postgresql":
            self._watch(until)
            return
        try:
            for _ in self._connection().notifies(timeout=at_most_s, stop_after=1):
                return
        except (OSError, AttributeError, sa.exc.SQLAlchemyError, self._database.driver_error):
            self.close()  # the server is away, or it is another driver: then it is polling
            time.sleep(max(0.0, until - time.monotonic()))

    def close(self) -> None:
        """Listen no longer."""
        listening, self._listening = self._listening, None
        if listening is not None:
            with suppress(Exception):
                listening.close()

    def _watch(self, until: float) -> None:
        seen = self._database.version()
        while time.monotonic() < until and self._database.version() == seen:
            time.sleep(_LOOK_S)

    def _connection(self) -> Any:
        if self._listening is None:
            fairy = self._database.engine.raw_connection()
            fairy.detach()
            raw: Any = fairy.dbapi_connection
            raw.autocommit = True
            raw.execute(f'LISTEN "{self._channel}"')
            self._listening = raw
        return self._listening
