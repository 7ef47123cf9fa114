"""How many rows reach a database fast: prepared statements in SQLite, COPY and arrays in PostgreSQL."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, islice
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from feedkit.idset import Ids
from feedkit.storage.sql import arrays
from feedkit.storage.sql.dialects import Dialect
from feedkit.storage.sql.prepared import Tx, translated

_COPY_BEGIN, _COPY_END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_CACHE_KIB = 262_144
_VARIABLES = 900  # of one statement; older SQLite takes 999

_PART = 1500  # rows: with fewer there are more turns to take, with more the server waits for the first
_ESCAPED = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}  # in COPY's form as text; the backslash first
_WHOLE_TABLES = ("hashjoin", "material", "mergejoin", "seqscan")

_ARRAYS: Mapping[str, Callable[[Any], str]] = {
    "bigint": arrays.of_numbers,
    "smallint": arrays.of_numbers,
    "text": arrays.of_texts,
    "bytea": arrays.of_bytes,
}

Columns = Mapping[str, tuple[str, Sequence[Any]]]
"""Values by the name of a column, beside PostgreSQL's name of their type."""


class Loader(ABC):
    """Puts columns and rows into tables."""

    staged: sa.FromClause
    """Pairs (a, b), numbered from 1 (n), for a statement that is given what `stage` returns."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect.sa_dialect

    @abstractmethod
    def prepare(self, tx: Tx) -> None:
        """Make room for a transaction that writes much."""

    @abstractmethod
    def stage(self, tx: Tx, a: Ids, b: Ids) -> Mapping[str, Any]:
        """Have `staged` be these pairs and nothing else; the parameters of a statement that reads it."""

    @abstractmethod
    def insert(self, tx: Tx, table: str, columns: Columns, otherwise: str) -> int:
        """Insert rows; `otherwise` begins with ON CONFLICT. How many were inserted or changed."""

    @abstractmethod
    def load(self, tx: Tx, table: str, columns: Mapping[str, Sequence[Any]]) -> None:
        """Insert rows, none of which may be there."""

    @abstractmethod
    def load_of_kind(self, tx: Tx, table: str, kind: str, columns: Mapping[str, Ids]) -> None:
        """Insert rows of nothing but numbers and one `kind`, none of which may be there."""

    def _do(self, tx: Tx, sql: str, work: Callable[[Any], Any]) -> Any:
        """Let a cursor do something, with errors as statements of SQLAlchemy's raise them."""
        try:
            cursor = tx.raw.cursor()
            work(cursor)
        except self._dialect.loaded_dbapi.Error as error:
            raise translated(error, self._dialect, tx, sql) from error
        return cursor

    def _execute(self, tx: Tx, sql: str, values: Sequence[Any]) -> int:
        """How many rows a statement has changed."""
        return int(self._do(tx, sql, lambda cursor: cursor.execute(sql, values)).rowcount)

    def _run(self, tx: Tx, sql: str) -> None:
        self._do(tx, sql, lambda cursor: cursor.execute(sql))


class SqliteLoader(Loader):
    """Many rows per statement: each statement opens the table and all its indexes, which costs as much as a row."""

    def __init__(self, dialect: Dialect, namespace: str) -> None:
        super().__init__(dialect)
        self._name = f"{namespace}_staged"
        self.staged = sa.table(self._name, *(sa.column(name, sa.BigInteger) for name in ("n", "a", "b")))

    def prepare(self, tx: Tx) -> None:
        # What a transaction writes stays in memory until it commits, if it fits; else pages travel twice.
        self._run(tx, f"PRAGMA cache_size = -{_CACHE_KIB}")

    def stage(self, tx: Tx, a: Ids, b: Ids) -> Mapping[str, Any]:
        self._run(tx, f"DROP TABLE IF EXISTS temp.{self._name}")
        self._run(tx, f"CREATE TEMP TABLE {self._name} (n INTEGER PRIMARY KEY, a INTEGER, b INTEGER)")
        self._insert(tx, f"temp.{self._name}", {"a": a.tolist(), "b": b.tolist()})
        return {}

    def insert(self, tx: Tx, table: str, columns: Columns, otherwise: str) -> int:
        return self._insert(tx, table, {name: values for name, (_, values) in columns.items()}, otherwise)

    def load(self, tx: Tx, table: str, columns: Mapping[str, Sequence[Any]]) -> None:
        self._insert(tx, table, columns)

    def load_of_kind(self, tx: Tx, table: str, kind: str, columns: Mapping[str, Ids]) -> None:
        numbers = {name: values.tolist() for name, values in columns.items()}
        kinds = [kind] * len(next(iter(numbers.values())))
        self._insert(tx, table, {**numbers, "kind": kinds})

    def _insert(self, tx: Tx, table: str, columns: Mapping[str, Sequence[Any]], otherwise: str = "") -> int:
        if not len(next(iter(columns.values()))):
            return 0
        same, varied = _split(columns)
        given = {id(columns[name]): columns[name] for name in varied}  # a column given twice is bound once
        places = [[*given].index(id(columns[name])) + 1 for name in varied]
        chosen = ", ".join([*("?" for _ in same), *(f"column{place}" for place in places)])
        # FAIL leaves it to us to roll back; otherwise SQLite copies every page that a statement may change.
        into = f"INSERT OR FAIL INTO {table} ({_listed([*same, *varied])}) SELECT {chosen} FROM"
        row, at_once = f"({', '.join('?' * len(given))})", (_VARIABLES - len(same)) // len(given)

        @cache
        def sql(rows: int) -> str:
            return f"{into} (VALUES {', '.join([row] * rows)}) WHERE true {otherwise}"

        changed, values = 0, chain.from_iterable(zip(*given.values(), strict=True))
        while block := tuple(islice(values, at_once * len(given))):
            changed += self._execute(tx, sql(len(block) // len(given)), (*same.values(), *block))
        return changed


class PostgresLoader(Loader):
    """COPY where every row is new, and in its binary form where numpy can write it; arrays where some may be there."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        a, b = (sa.bindparam(f"staged_{name}", type_=postgresql.ARRAY(sa.BigInteger)) for name in "ab")
        pairs = sa.func.unnest(a, b).table_valued("a", "b", with_ordinality="n", name="staged")
        self.staged = pairs.render_derived()

    def prepare(self, tx: Tx) -> None:
        # Where an import has filled a table its statistics are of before, and a plan may read all of it for each row.
        off = ", ".join(f"set_config('enable_{way}', 'off', true)" for way in _WHOLE_TABLES)
        self._run(tx, f"SELECT {off}")

    def stage(self, tx: Tx, a: Ids, b: Ids) -> Mapping[str, Any]:  # noqa: ARG002 - arrays need no table
        return {"staged_a": arrays.of_numbers(a.tolist()), "staged_b": arrays.of_numbers(b.tolist())}

    def insert(self, tx: Tx, table: str, columns: Columns, otherwise: str) -> int:
        same, varied = _split({name: values for name, (_, values) in columns.items()})
        kinds = {name: kind for name, (kind, _) in columns.items()}
        scalars = [f"%s::{kinds[name]}" for name in same]
        lists = ", ".join(f"%s::{kinds[name]}[]" for name in varied)
        sql = (
            f"INSERT INTO {table} ({_listed([*same, *varied])}) "  # noqa: S608 - our own names
            f"SELECT {', '.join([*scalars, 'varied.*'])} FROM unnest({lists}) AS varied {otherwise}"
        )
        values = [*same.values(), *(_ARRAYS[kinds[name]](columns[name][1]) for name in varied)]
        return self._execute(tx, sql, values)

    def load(self, tx: Tx, table: str, columns: Mapping[str, Sequence[Any]]) -> None:
        same, varied = _split(columns)
        end = "\t".join(["", *(_column([value])[0] for value in same.values())]) + "\n"
        parts = _parts([columns[name] for name in varied], end)
        self._copy(tx, f"COPY {table} ({_listed([*varied, *same])}) FROM STDIN", parts)

    def load_of_kind(self, tx: Tx, table: str, kind: str, columns: Mapping[str, Ids]) -> None:
        numbers = tuple(columns.values())
        rows = _binary((*numbers, np.full(len(numbers[0]), kind.encode())))
        into = f"COPY {table} ({_listed([*columns, 'kind'])})"
        self._copy(tx, f"{into} FROM STDIN (FORMAT binary)", (rows,))

    def _copy(self, tx: Tx, sql: str, parts: Iterable[bytes]) -> None:
        """The server works on a part while the next one is made."""

        def work(cursor: Any) -> None:
            with cursor.copy(sql) as copy:
                for part in parts:
                    copy.write(part)

        self._do(tx, sql, work)


def loader_of(dialect: Dialect, namespace: str) -> Loader:
    """The loader for a database."""
    return SqliteLoader(dialect, namespace) if dialect.name == "sqlite" else PostgresLoader(dialect)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _split(columns: Mapping[str, Sequence[Any]]) -> tuple[dict[str, Any], list[str]]:
    """What is the same in every row, which then need not say it; and the other columns, the first always among them."""
    first, *others = columns
    same = {
        name: columns[name][0]
        for name in others
        if columns[name][-1] == columns[name][0]
        and columns[name].count(columns[name][0]) == len(columns[name])
    }
    return same, [first, *(name for name in others if name not in same)]


def _parts(columns: Sequence[Sequence[Any]], end: str) -> Iterator[bytes]:
    """Columns as rows of PostgreSQL's COPY, in its form as text, each ended by `end`. One given twice is made once."""
    for first in range(0, len(columns[0]), _PART):
        written = {id(column): _column(column[first : first + _PART]) for column in columns}
        rows = zip(*(written[id(column)] for column in columns), strict=True)
        yield end.join([*map("\t".join, rows), ""]).encode()


def _column(values: Sequence[Any]) -> Sequence[str]:
    """Numbers or strings, in which there is no NUL."""
    if {*map(type, values)} == {int}:
        return list(map(str, values))
    if {*map(type, values)} <= {int, type(None)}:
        return [r"\N" if value is None else str(value) for value in values]
    joined = "\0".join(["" if value is None else value for value in values])
    special = [char for char in _ESCAPED if char in joined]
    if not special and None not in values:
        return values
    for char in special:
        joined = joined.replace(char, _ESCAPED[char])
    return [r"\N" if value is None else one for value, one in zip(values, joined.split("\0"), strict=True)]


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
