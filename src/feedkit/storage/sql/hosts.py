"""Hosts' connections: what each kind needs, so that a change of ours is one savepoint of a transaction of theirs.

Nothing is committed, rolled back beyond the savepoint, closed or configured for good. The host's libraries are not
imported here: whoever hands in a connection of theirs has imported them.
"""

import sqlite3
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from feedkit.errors import InvalidArgument
from feedkit.storage.sql.dialects import begin
from feedkit.storage.sql.prepared import Tx

_ACCEPTED = (
    "a SQLAlchemy Connection or Session, django.db.connection, a psycopg.Connection or a sqlite3.Connection"
)


class HostConnection(ABC):
    """A connection of the host's."""

    @property
    @abstractmethod
    def raw(self) -> Any:
        """The driver's own connection, opened if need be."""

    @abstractmethod
    def check(self) -> None:
        """Raises InvalidArgument where there is no transaction that could be joined, nor will be by itself."""

    @abstractmethod
    def savepoint(self, tx: Tx) -> AbstractContextManager[None]:
        """A savepoint of the host's transaction, undone on an error; the transaction is begun if need be."""

    def broke(self, error: Any) -> None:  # noqa: B027 - most hosts find out by themselves
        """The connection turned out to be broken."""


class SqlAlchemyConnection(HostConnection):
    """A SQLAlchemy Connection, or the one that a Session works on."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    @property
    def raw(self) -> Any:
        if self._connection.closed:
            raise refused("is closed; pass an open one")
        with _refusing(sa.exc.InvalidRequestError, _FAILED):  # invalidated, or its transaction is over
            return self._connection.connection.dbapi_connection

    def check(self) -> None:
        asked_for = self._connection.get_execution_options().get("isolation_level")
        if asked_for == "AUTOCOMMIT" or getattr(self.raw, "autocommit", None) is True:
            raise refused(_AUTOCOMMIT)

    @contextmanager
    def savepoint(self, tx: Tx) -> Iterator[None]:  # noqa: ARG002 - SQLAlchemy has its own way
        begin(self._connection)
        with _refusing(sa.exc.InvalidRequestError, _FAILED):
            nested = self._connection.begin_nested()
        with nested:
            yield

    def broke(self, error: Any) -> None:
        self._connection.invalidate(error)


class DjangoConnection(HostConnection):
    """`django.db.connection` or one of `connections`, inside `atomic()`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._errors: Any = sys.modules["django.db.utils"]

    @property
    def raw(self) -> Any:
        self._done(self._connection.ensure_connection)
        return self._connection.connection

    def check(self) -> None:
        if not self._connection.in_atomic_block:
            raise refused("is not in a transaction; call this inside transaction.atomic() of its database")
        if self._connection.needs_rollback or self._connection.closed_in_transaction:
            raise refused(_FAILED)

    @contextmanager
    def savepoint(self, tx: Tx) -> Iterator[None]:  # noqa: ARG002 - Django counts savepoints itself
        name = self._done(self._connection.savepoint)
        try:
            yield
            self._done(self._connection.savepoint_commit, name)
        except BaseException:
            with suppress(self._errors.Error):
                self._connection.savepoint_rollback(name)
                self._connection.savepoint_commit(name)
            raise

    def _done(self, step: Callable[..., Any], *args: Any) -> Any:
        """The driver's own error, which Django wraps in one of its own."""
        try:
            return step(*args)
        except self._errors.Error as error:
            raise error.__cause__ or error from None


class DriversConnection(HostConnection):
    """A connection of the driver itself: psycopg's or sqlite3's."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    @property
    def raw(self) -> Any:
        return self._raw

    def check(self) -> None:
        if isinstance(self._raw, sqlite3.Connection):
            _check_sqlite(self._raw)
        else:
            _check_psycopg(self._raw)

    @contextmanager
    def savepoint(self, tx: Tx) -> Iterator[None]:
        cursor = tx.cursor()
        if isinstance(self._raw, sqlite3.Connection) and not self._raw.in_transaction:
            cursor.execute("BEGIN IMMEDIATE")
        cursor.execute("SAVEPOINT feedkit")  # a name stands for the innermost savepoint that has it
        try:
            yield
            cursor.execute("RELEASE SAVEPOINT feedkit")
        except BaseException:
            with suppress(_driver_error(self._raw)):
                cursor.execute("ROLLBACK TO SAVEPOINT feedkit")
                cursor.execute("RELEASE SAVEPOINT feedkit")
            raise


def host_connection(connection: object) -> HostConnection:
    """What `connection=` was given, by kind. Raises InvalidArgument."""
    if isinstance(connection, sa.Connection):
        return SqlAlchemyConnection(connection)
    if _is_a(connection, "sqlalchemy.orm", "scoped_session"):
        connection = connection()  # type: ignore[operator]
    if _is_a(connection, "sqlalchemy.orm", "Session"):
        return SqlAlchemyConnection(_of_session(connection))
    if isinstance(connection, sqlite3.Connection) or _is_a(connection, "psycopg", "Connection"):
        return DriversConnection(connection)
    if hasattr(connection, "in_atomic_block") and hasattr(connection, "savepoint_commit"):
        return DjangoConnection(connection)
    raise InvalidArgument(
        f"connection must be {_ACCEPTED}, got {type(connection).__name__}; pass the one whose transaction the change "
        "is to join, or leave it out",
        argument="connection",
    )


def _of_session(session: Any) -> sa.Connection:
    try:
        connection: sa.Connection = session.connection()
    except sa.exc.UnboundExecutionError as error:
        raise refused(
            "is a Session that is bound to no single engine; pass session.connection(...) of the right one"
        ) from error
    except sa.exc.InvalidRequestError as error:
        raise refused(_FAILED) from error
    return connection


_FAILED = "cannot be used: its transaction has failed already or is over; roll it back before anything else"
_AUTOCOMMIT = "is in AUTOCOMMIT, so that there is no transaction to join; begin one"


def refused(why: str) -> InvalidArgument:
    """What is wrong with a connection, and what to do about it."""
    return InvalidArgument(f"connection {why}", argument="connection")


@contextmanager
def _refusing(errors: type[Exception], why: str) -> Iterator[None]:
    try:
        yield
    except errors as error:
        raise refused(why) from error


def _check_sqlite(raw: sqlite3.Connection) -> None:
    try:
        joinable = raw.in_transaction or _begins_by_itself(raw)
        raw.execute("SELECT 1")
    except sqlite3.ProgrammingError as error:
        raise refused(f"cannot be used here: {error}") from error
    if not joinable:
        raise refused(_AUTOCOMMIT)


def _begins_by_itself(raw: sqlite3.Connection) -> bool:
    """Whether the host expects to be in a transaction, and will end it."""
    autocommit = getattr(raw, "autocommit", -1)  # Python 3.12; -1: `isolation_level` decides
    return not autocommit if isinstance(autocommit, bool) else raw.isolation_level is not None


def _check_psycopg(raw: Any) -> None:
    from psycopg.pq import PipelineStatus, TransactionStatus

    if raw.closed or raw.broken:
        raise refused("is closed; pass an open one")
    if raw.info.pipeline_status is not PipelineStatus.OFF:
        raise refused(
            "is in pipeline mode, where no answer can be waited for; leave connection.pipeline() first"
        )
    status = raw.info.transaction_status
    if status is TransactionStatus.INERROR:
        raise refused(_FAILED)
    if status is TransactionStatus.ACTIVE:
        raise refused("is busy with a statement of yours, such as a COPY; finish it first")
    if status is TransactionStatus.IDLE and raw.autocommit:
        raise refused(_AUTOCOMMIT)


def _is_a(thing: object, module: str, name: str) -> bool:
    """Whether this is an instance of a class of a package that has been imported, by whoever made it."""
    found = sys.modules.get(module)
    return found is not None and isinstance(thing, getattr(found, name))


def plain_cursor(raw: Any) -> Any:
    """A cursor that gives tuples of plain values, whatever cursors and rows the host has chosen for itself."""
    if isinstance(raw, sqlite3.Connection):
        return sqlite3.Cursor(raw)
    if _is_a(raw, "psycopg", "Connection"):
        return _psycopg_cursor()(raw)
    return raw.cursor()


@lru_cache(maxsize=1)
def _psycopg_cursor() -> Callable[[Any], Any]:
    import psycopg
    from psycopg.rows import tuple_row

    class PlainCursor(psycopg.Cursor[tuple[Any, ...]]):
        """With psycopg's own adapters, and not those that the host has put on the connection."""

        @property
        def adapters(self) -> psycopg.adapt.AdaptersMap:
            return psycopg.adapters

    return lambda raw: PlainCursor(raw, row_factory=tuple_row)


@contextmanager
def text_as_str(raw: Any) -> Iterator[None]:
    """SQLite decodes text as the connection says, not as the cursor does."""
    if not isinstance(raw, sqlite3.Connection) or raw.text_factory is str:
        yield
        return
    chosen, raw.text_factory = raw.text_factory, str
    try:
        yield
    finally:
        raw.text_factory = chosen


def _driver_error(raw: Any) -> type[Exception]:
    error: type[Exception] = (
        sqlite3.Error if isinstance(raw, sqlite3.Connection) else sys.modules["psycopg"].Error
    )
    return error
