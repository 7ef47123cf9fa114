"""Hosts of every kind, each with a transaction open."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import psycopg_pool
import pytest
import sqlalchemy as sa
from django.db import transaction
from psycopg.rows import dict_row
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from tests.hosts import django_databases

collect_ignore = ["django_suite"]  # run by the test runner of its own Django project
Begin = Callable[[str], AbstractContextManager["Host"]]


class Host:
    """A host inside a transaction of its own: what it passes to feedkit, and how it runs a statement."""

    def __init__(self, connection: Any, run: Callable[[str], Any]) -> None:
        self.connection, self.run = connection, run

    def count(self, table: str = "notes") -> int:
        """Rows that it sees."""
        row = self.run(f"SELECT count(*) AS n FROM {table}").fetchone()
        return int(str(row["n"] if isinstance(row, dict) else row[0]).rstrip("!"))


@contextmanager
def sqlalchemy_connection(url: str) -> Iterator[Host]:
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            yield Host(connection, connection.exec_driver_sql)
    finally:
        engine.dispose()


@contextmanager
def sqlalchemy_session(url: str) -> Iterator[Host]:
    engine = sa.create_engine(url)
    try:
        with Session(engine) as session, session.begin():
            yield Host(session, lambda sql: session.execute(sa.text(sql)))
    finally:
        engine.dispose()


@contextmanager
def sqlalchemy_scoped_session(url: str) -> Iterator[Host]:
    engine = sa.create_engine(url)
    sessions = scoped_session(sessionmaker(engine))
    try:
        with sessions.begin():
            yield Host(sessions, lambda sql: sessions.execute(sa.text(sql)))
    finally:
        sessions.remove()
        engine.dispose()


@contextmanager
def sqlite_connection(url: str, **options: Any) -> Iterator[Host]:
    raw = sqlite3.connect(str(sa.make_url(url).database), **options)
    try:
        with raw:
            if raw.isolation_level is None:
                raw.execute("BEGIN")
            yield Host(raw, raw.execute)
    finally:
        raw.close()


@contextmanager
def sqlite_manual(url: str) -> Iterator[Host]:
    """The host begins transactions itself."""
    with sqlite_connection(url, isolation_level=None) as host:
        yield host


@contextmanager
def sqlite_odd(url: str) -> Iterator[Host]:
    """Rows of another kind, text as bytes, and cursors of a class of the host's."""

    class Odd(sqlite3.Connection):
        def cursor(self, *args: Any, **kwargs: Any) -> Any:
            raise AssertionError("feedkit makes its own cursors")

    with sqlite_connection(url, factory=Odd, detect_types=sqlite3.PARSE_DECLTYPES) as host:
        host.connection.row_factory = lambda cursor, row: {
            column[0]: value for column, value in zip(cursor.description, row, strict=True)
        }
        host.connection.text_factory = bytes
        yield host
        assert host.connection.text_factory is bytes


def psycopg_url(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


@contextmanager
def psycopg_connection(url: str) -> Iterator[Host]:
    with psycopg.connect(psycopg_url(url)) as raw:
        yield Host(raw, raw.execute)


@contextmanager
def psycopg_odd(url: str) -> Iterator[Host]:
    """Rows as dicts, statements with parameters of another style, adapters of the host's, in a block of psycopg's."""

    class Shouting(psycopg.adapt.Loader):
        def load(self, data: Any) -> str:
            return bytes(data).decode().upper() + "!"

    with psycopg.connect(
        psycopg_url(url), row_factory=dict_row, cursor_factory=psycopg.RawCursor, autocommit=True
    ) as raw:
        raw.adapters.register_loader("text", Shouting)
        raw.adapters.register_loader("int8", Shouting)
        with raw.transaction(), raw.transaction():
            yield Host(raw, lambda sql: psycopg.Cursor(raw).execute(sql))


@contextmanager
def psycopg_pooled(url: str) -> Iterator[Host]:
    with psycopg_pool.ConnectionPool(psycopg_url(url), min_size=1) as pool, pool.connection() as raw:
        yield Host(raw, raw.execute)


@contextmanager
def django_atomic(url: str, **options: Any) -> Iterator[Host]:
    with django_databases.connected(url, **options) as connection, transaction.atomic():
        yield Host(connection, lambda sql: _run(connection, sql))


@contextmanager
def django_nested(url: str) -> Iterator[Host]:
    with django_atomic(url) as host, transaction.atomic(), transaction.atomic(savepoint=False):
        yield host


@contextmanager
def django_pooled(url: str) -> Iterator[Host]:
    with django_atomic(url, pool=True) as host:
        yield host


def _run(connection: Any, sql: str) -> Any:
    cursor = connection.cursor()
    cursor.execute(sql)
    return cursor


ON_BOTH: list[Begin] = [
    sqlalchemy_connection,
    sqlalchemy_session,
    sqlalchemy_scoped_session,
    django_atomic,
    django_nested,
]
ON_SQLITE: list[Begin] = [sqlite_connection, sqlite_manual, sqlite_odd]
ON_POSTGRES: list[Begin] = [psycopg_connection, psycopg_odd, psycopg_pooled, django_pooled]
KINDS = [("sqlite", kind) for kind in (*ON_BOTH, *ON_SQLITE)] + [
    ("postgres", kind) for kind in (*ON_BOTH, *ON_POSTGRES)
]


def database_url(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if name == "sqlite":
        return f"sqlite:///{tmp_path / 'app.db'}"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that hosts can connect to as well."""
    return database_url(request.param, request, tmp_path)


@pytest.fixture(params=KINDS, ids=lambda kind: f"{kind[0]}-{kind[1].__name__}")
def kind(request: pytest.FixtureRequest) -> tuple[str, Begin]:
    found: tuple[str, Begin] = request.param
    return found
