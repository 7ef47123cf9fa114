"""Statements that are compiled once and run on the driver's own cursor.

SQLAlchemy Core needs 40-60 us to execute a statement that it has compiled and cached already; SQLite
itself needs 3-8 us for one of ours. So statements are written and compiled with Core, and its
connections, pools and errors stay, but each execution goes straight to the driver.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from feedkit.model import Event

T = TypeVar("T")
Row = tuple[Any, ...]


class Tx:
    """A connection of the driver, inside a transaction or for reading: what statements run on.

    `invalidate` takes it out of its pool when it turns out to be broken; `cursor` gives a cursor whose rows are
    tuples. `told`: the events that were appended, where somebody wants to know.
    """

    __slots__ = ("cursor", "invalidate", "raw", "told")

    def __init__(
        self, raw: Any, invalidate: Callable[[Any], None], cursor: Callable[[], Any] | None = None
    ) -> None:
        self.raw = raw
        self.invalidate = invalidate
        self.cursor: Callable[[], Any] = cursor or raw.cursor
        self.told: list[Event] | None = None


class _once(Generic[T]):  # noqa: N801 - it is used as `property` is
    """Worked out at the first use, and by two threads at once if need be.

    Up to Python 3.11 `cached_property` has one lock for all statements, which a fork may leave taken in the child.
    """

    def __init__(self, func: Callable[[Any], T]) -> None:
        self.func = func

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, of: Any, _owner: type) -> T:
        found: T = self.func(of)
        of.__dict__[self._name] = found
        return found


class Prepared:
    """One statement for one kind of database. Parameters are plain ints, strings, bytes or None.

    Values that are written into the statement are bound along; parameters that are left out are None.
    """

    def __init__(self, statement: Any, dialect: sa.Dialect) -> None:
        self._statement, self._dialect = statement, dialect

    def rows(self, tx: Tx, parameters: Mapping[str, Any] = {}) -> list[Row]:
        """All rows."""
        rows: list[Row] = self._run(tx, parameters).fetchall()
        return rows

    def first(self, tx: Tx, parameters: Mapping[str, Any] = {}) -> Row | None:
        """The first row, or None."""
        rows = self.rows(tx, parameters)
        return rows[0] if rows else None

    def scalar(self, tx: Tx, parameters: Mapping[str, Any] = {}) -> Any:
        """The first column of the first row, or None."""
        row = self.first(tx, parameters)
        return None if row is None else row[0]

    def column(self, tx: Tx, parameters: Mapping[str, Any] = {}) -> list[Any]:
        """The first column of all rows."""
        return [row[0] for row in self.rows(tx, parameters)]

    def run(self, tx: Tx, parameters: Mapping[str, Any] = {}) -> int:
        """Execute, and tell how many rows were changed."""
        return int(self._run(tx, parameters).rowcount)

    def run_many(self, tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute once for each of `rows`."""
        self._execute(tx, "executemany", [self._bound(row) for row in rows])

    def _run(self, tx: Tx, parameters: Mapping[str, Any]) -> Any:
        return self._execute(tx, "execute", self._bound(parameters))

    def _execute(self, tx: Tx, method: str, bound: Any) -> Any:
        try:
            cursor = tx.cursor()
            getattr(cursor, method)(self._sql, bound)
        except self._dialect.loaded_dbapi.Error as error:
            raise translated(error, self._dialect, tx, self._sql) from error
        return cursor

    def _bound(self, parameters: Mapping[str, Any]) -> Any:
        in_order = self._in_order
        if in_order is not None and not self._has_constants:
            try:
                return in_order(parameters)
            except KeyError:  # some are left out
                pass
        values = {**self._constants, **parameters}
        return values if in_order is None else in_order(values)

    @_once
    def _compiled(self) -> Any:
        return self._statement.compile(dialect=self._dialect)

    @_once
    def _sql(self) -> str:
        return str(self._compiled)

    @_once
    def _constants(self) -> dict[str, Any]:
        return dict(self._compiled.params)

    @_once
    def _has_constants(self) -> bool:
        return any(value is not None for value in self._constants.values())

    @_once
    def _in_order(self) -> Callable[[Mapping[str, Any]], Sequence[Any]] | None:
        """What picks the values in the order of a statement with positional parameters."""
        if not self._compiled.positional:
            return None
        names = self._compiled.positiontup
        if len(names) > 1:
            return itemgetter(*names)
        return lambda values: [values[name] for name in names]


def translated(error: Any, dialect: sa.Dialect, tx: Tx, sql: str) -> BaseException:
    """A driver's error as SQLAlchemy would raise it; a connection that broke leaves its pool."""
    broken = dialect.is_disconnect(error, tx.raw, None)
    if broken:
        tx.invalidate(error)
    wrapped: BaseException = sa.exc.DBAPIError.instance(
        sql,
        None,  # parameters may hold what users wrote
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=broken,
        dialect=dialect,
    )
    return wrapped
