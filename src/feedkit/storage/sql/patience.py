"""Connections of psycopg's on which nothing is waited for longer than was agreed, whatever became of the server.

PostgreSQL's own time-outs are kept by the server, and those of TCP are for whoever does not acknowledge what was sent:
a server that froze, or something in between that takes everything and passes on nothing, would be waited for for ever.
"""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg.pq import PipelineStatus, TransactionStatus

T = TypeVar("T")
_SHORTEST_S = 2  # libpq takes 1 for 2


class TookTooLong(psycopg.OperationalError):
    """The server has not answered in time; nobody knows what became of the statement."""

    took_too_long = True  # for whoever may not import the driver


class Patient(psycopg.Connection[Any]):
    """A connection that closes itself rather than wait for longer than `patience_s`, None for ever.

    It does so as well where a reply broke off, whatever its patience: psycopg would go on, and find that another
    command is in progress.
    """

    patience_s: float | None = None

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """See psycopg."""
        if self.patience_s is not None and kwargs.get("timeout") is None:
            gen = _until(gen, time.monotonic() + self.patience_s)
        try:
            return super().wait(gen, *args, **kwargs)
        except psycopg.OperationalError as error:
            if isinstance(error, TookTooLong) or self._broke_off(error):
                self.close()
            raise

    def _broke_off(self, error: psycopg.OperationalError) -> bool:
        if error.sqlstate is not None or self.pgconn.pipeline_status != PipelineStatus.OFF:
            return False  # the server has said so, or says so when all is through
        return self.pgconn.transaction_status == TransactionStatus.ACTIVE


def connected(patience_s: float, *args: Any, **kwargs: Any) -> Patient:
    """A connection that is patient for so long, also while it is made, unless `connect_timeout` says otherwise."""
    kwargs.setdefault("connect_timeout", max(_SHORTEST_S, round(patience_s)))
    connection = Patient.connect(*args, **kwargs)
    connection.patience_s = patience_s
    return connection


def make_patient(engine: sa.Engine, patience_s: float) -> None:
    """Have an engine of psycopg's make such connections."""

    @sa.event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, args: list[Any], kwargs: dict[str, Any]) -> Patient:
        return connected(patience_s, *args, **kwargs)


@contextmanager
def unhurried(raw: Any) -> Iterator[None]:
    """Wait for ever meanwhile, for what may rightly take long."""
    if not isinstance(raw, Patient):
        yield
        return
    patience_s, raw.patience_s = raw.patience_s, None
    try:
        yield
    finally:
        raw.patience_s = patience_s


def _until(steps: Generator[Any, Any, T], deadline: float) -> Generator[Any, Any, T]:
    """The same steps, up to that moment of `time.monotonic()`."""
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                raise TookTooLong("the server took too long to answer")
            wanted = steps.send(ready)
    except StopIteration as end:
        found: T = end.value
        return found
