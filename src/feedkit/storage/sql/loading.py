"""How many rows reach a database fast: prepared statements in SQLite, COPY and arrays in PostgreSQL."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from feedkit.idset import Ids
from feedkit.storage.bulk import Links
from feedkit.storage.sql.dialects import Dialect
from feedkit.storage.sql.prepared import Tx, translated

_COPY_BEGIN, _COPY_END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_CACHE_KIB = 262_144

Columns = Mapping[str, tuple[str, Sequence[Any]]]
"""Values by the name of a column, beside PostgreSQL's name of their type."""


class Loader(ABC):
    """Puts columns and rows into tables."""

    def __init__(self, dialect: Dialect, namespace: str) -> None:
        self._dialect = dialect.sa_dialect
        self._name = f"{namespace}_staged"
        self.staged = sa.table(self._name, *(sa.column(name, sa.BigInteger) for name in ("n", "a", "b")))
        """A temporary table of pairs, numbered from 0, for the transaction that has staged them."""

    @abstractmethod
    def prepare(self, tx: Tx) -> None:
        """Make room for a transaction that writes much."""

    @abstractmethod
    def stage(self, tx: Tx, a: Ids, b: Ids) -> None:
        """Fill `staged` with these pairs and nothing else."""

    @abstractmethod
    def insert(self, tx: Tx, table: str, columns: Columns, otherwise: str) -> int:
        """Insert rows; `otherwise` begins with ON CONFLICT. How many were inserted or changed."""

    @abstractmethod
    def load(self, tx: Tx, table: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows, none of which may be there."""

    @abstractmethod
    def load_links(self, tx: Tx, table: str, kind: str, links: Links) -> None:
        """Insert associations of one kind, none of which may be there."""

    def _do(self, tx: Tx, sql: str, work: Callable[[Any], Any]) -> Any:
        """Let a cursor do something, with errors as statements of SQLAlchemy's raise them."""
        try:
            cursor = tx.raw.cursor()
            work(cursor)
        except self._dialect.loaded_dbapi.Error as error:
            raise translated(error, self._dialect, tx, sql) from error
        return cursor

    def _run(self, tx: Tx, sql: str) -> None:
        self._do(tx, sql, lambda cursor: cursor.execute(sql))


class SqliteLoader(Loader):
    """Row by row, in this process: less than a microsecond beside what the row itself costs."""

    def prepare(self, tx: Tx) -> None:
        # What a transaction writes stays in memory until it commits, if it fits; else pages travel twice.
        self._run(tx, f"PRAGMA cache_size = -{_CACHE_KIB}")

    def stage(self, tx: Tx, a: Ids, b: Ids) -> None:
        self._run(tx, f"DROP TABLE IF EXISTS temp.{self._name}")
        self._run(tx, f"CREATE TEMP TABLE {self._name} (n INTEGER PRIMARY KEY, a INTEGER, b INTEGER)")
        rows = zip(range(len(a)), a.tolist(), b.tolist(), strict=True)
        self._insert(tx, f"temp.{self._name}", ("n", "a", "b"), rows)

    def insert(self, tx: Tx, table: str, columns: Columns, otherwise: str) -> int:
        rows = zip(*(values for _, values in columns.values()), strict=True)
        return int(self._insert(tx, table, tuple(columns), rows, otherwise).rowcount)

    def load(self, tx: Tx, table: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        self._insert(tx, table, names, rows)

    def load_links(self, tx: Tx, table: str, kind: str, links: Links) -> None:
        ids = (links.id1.tolist(), links.id2.tolist(), links.time.tolist())
        rows = ((id1, kind, id2, time) for id1, id2, time in zip(*ids, strict=True))
        self._insert(tx, table, ("id1", "kind", "id2", "time"), rows)

    def _insert(
        self, tx: Tx, table: str, names: Sequence[str], rows: Iterable[Sequence[Any]], otherwise: str = ""
    ) -> Any:
        marks = ", ".join("?" * len(names))
        sql = f"INSERT INTO {table} ({_listed(names)}) VALUES ({marks}) {otherwise}"  # noqa: S608 - our own names
        return self._do(tx, sql, lambda cursor: cursor.executemany(sql, rows))


class PostgresLoader(Loader):
    """COPY where every row is new, and in its binary form where numpy can write it; arrays where some may be there."""

    def prepare(self, tx: Tx) -> None:
        """Nothing: the memory is the server's."""

    def stage(self, tx: Tx, a: Ids, b: Ids) -> None:
        self._run(tx, f"DROP TABLE IF EXISTS pg_temp.{self._name}")
        self._run(tx, f"CREATE TEMP TABLE {self._name} (n bigint, a bigint, b bigint) ON COMMIT DROP")
        # It has no statistics, and every plan but a nested loop reads all of what it is joined with.
        self._run(tx, "SET LOCAL enable_hashjoin = off")
        self._run(tx, "SET LOCAL enable_mergejoin = off")
        numbers = np.arange(len(a), dtype=np.int64)
        self._copy(tx, f"pg_temp.{self._name}", ("n", "a", "b"), (numbers, a, b))

    def insert(self, tx: Tx, table: str, columns: Columns, otherwise: str) -> int:
        arrays = ", ".join(f"%s::{kind}[]" for kind, _ in columns.values())
        sql = f"INSERT INTO {table} ({_listed(columns)}) SELECT * FROM unnest({arrays}) {otherwise}"  # noqa: S608 - our own names
        values = [list(values) for _, values in columns.values()]
        return int(self._do(tx, sql, lambda cursor: cursor.execute(sql, values)).rowcount)

    def load(self, tx: Tx, table: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        sql = f"COPY {table} ({_listed(names)}) FROM STDIN"

        def work(cursor: Any) -> None:
            with cursor.copy(sql) as copy:
                for row in rows:
                    copy.write_row(row)

        self._do(tx, sql, work)

    def load_links(self, tx: Tx, table: str, kind: str, links: Links) -> None:
        kinds = np.full(len(links), kind.encode())
        columns = (links.id1, kinds, links.id2, links.time)
        self._copy(tx, table, ("id1", "kind", "id2", "time"), columns)

    def _copy(
        self, tx: Tx, table: str, names: Sequence[str], columns: Sequence["np.ndarray[Any, Any]"]
    ) -> None:
        sql = f"COPY {table} ({_listed(names)}) FROM STDIN (FORMAT binary)"

        def work(cursor: Any) -> None:
            with cursor.copy(sql) as copy:
                copy.write(_binary(columns))

        self._do(tx, sql, work)


def loader_of(dialect: Dialect, namespace: str) -> Loader:
    """The loader for a database."""
    kind = SqliteLoader if dialect.name == "sqlite" else PostgresLoader
    return kind(dialect, namespace)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _binary(columns: Sequence["np.ndarray[Any, Any]"]) -> bytes:
    """Columns of int64, or of strings of one length, as rows of PostgreSQL's binary COPY."""
    fields = [("count", ">i2")]
    for nth, column in enumerate(columns):
        form = ">i8" if column.dtype.kind == "i" else column.dtype.str
        fields += [(f"length{nth}", ">i4"), (f"value{nth}", form)]
    rows = np.zeros(len(columns[0]), dtype=fields)
    rows["count"] = len(columns)
    for nth, column in enumerate(columns):
        rows[f"length{nth}"] = column.dtype.itemsize
        rows[f"value{nth}"] = column
    return _COPY_BEGIN + rows.tobytes() + _COPY_END
