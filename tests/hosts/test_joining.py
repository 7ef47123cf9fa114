"""`connection=`: one savepoint of a transaction of the host's, whatever kind of connection it is."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from django.db import transaction
from sqlalchemy.orm import Session

import feedkit
from feedkit.errors import Conflict, Forbidden, InvalidArgument, NotFound
from tests.hosts import django_databases
from tests.hosts.conftest import Begin, Host, database_url, psycopg_connection, psycopg_url, sqlite_connection


class Undo(Exception):
    """The host rolls back."""


@pytest.fixture
def feed(
    kind: tuple[str, Begin], request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[feedkit.Feed[str]]:
    """A feed whose database holds a table of the host's, `notes`."""
    url = database_url(kind[0], request, tmp_path)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (text TEXT)")
    engine.dispose()
    with feedkit.connect(url) as feed:
        feed.migrate()
        feed.follow("bob", "ada")
        yield feed


@pytest.fixture
def begin(kind: tuple[str, Begin], feed: feedkit.Feed[str]) -> Callable[[], AbstractContextManager[Host]]:
    """Begins a transaction of the host's."""
    return lambda: kind[1](str(feed.wiring.target))


def texts(feed: feedkit.Feed[str], viewer: str = "bob") -> list[str]:
    return [item.post.text for item in feed.home(viewer)]


def test_a_commit_of_the_host_lands_its_rows_and_ours(
    feed: feedkit.Feed[str], begin: Callable[[], AbstractContextManager[Host]]
) -> None:
    with begin() as host:
        host.run("INSERT INTO notes VALUES ('mine')")
        post = feed.publish("ada", text="ours, ü and 'quoted'", extra={"n": [1]}, connection=host.connection)
        feed.follow("cyd", "ada", connection=host.connection)
        assert texts(feed) == [], "nothing is seen before the commit"
        assert host.count() == 1
    with begin() as host:
        assert host.count() == 1
    assert texts(feed) == texts(feed, "cyd") == ["ours, ü and 'quoted'"]
    assert feed.post("bob", post.id).post == feed.home("bob").items[0].post == post


def test_a_rollback_of_the_host_leaves_nothing(
    feed: feedkit.Feed[str], begin: Callable[[], AbstractContextManager[Host]]
) -> None:
    with pytest.raises(Undo), begin() as host:  # noqa: PT012 - the transaction is undone by what is raised
        host.run("INSERT INTO notes VALUES ('mine')")
        feed.publish("ada", text="never", connection=host.connection)
        feed.follow("new", "newer", connection=host.connection)
        feed.block("ada", "bob", connection=host.connection)
        raise Undo
    assert texts(feed) == []
    assert feed.users.get(["new", "newer"]) == {}
    feed.publish("ada", text="next")
    assert texts(feed) == ["next"], "no block, and nothing in a cache"
    assert feed.drain().done
    with begin() as host:
        assert host.count() == 0
        assert host.count("feedkit_events") == 2, "a follow before, a post after, no event of what was undone"


def test_an_error_of_ours_undoes_that_verb_alone(
    feed: feedkit.Feed[str], begin: Callable[[], AbstractContextManager[Host]]
) -> None:
    feed.publish("ada", text="taken", ref="doc:1")
    with begin() as host:
        host.run("INSERT INTO notes VALUES ('first')")
        with pytest.raises(Conflict):
            feed.publish("stranger", text="x", ref="doc:1", connection=host.connection)
        with pytest.raises(NotFound):
            feed.delete("ada", 12345, connection=host.connection)
        feed.block("ada", "eve", connection=host.connection)
        with pytest.raises(Forbidden):
            feed.follow("eve", "ada", connection=host.connection)
        with pytest.raises(InvalidArgument):
            feed.publish("ada", text=7, connection=host.connection)  # type: ignore[arg-type]
        host.run("INSERT INTO notes VALUES ('second')")
        feed.publish("ada", text="good", connection=host.connection)
    assert texts(feed) == ["good", "taken"]
    assert feed.users.get(["stranger"]) == {}, "the savepoint took what the verb had begun"
    with begin() as host:
        assert host.count() == 2


def test_what_the_transaction_did_before_is_seen_by_its_next_verb(
    feed: feedkit.Feed[str], begin: Callable[[], AbstractContextManager[Host]]
) -> None:
    with begin() as host:
        minted = [feed.publish("cyd", text=str(n), connection=host.connection).id for n in range(3)]
        assert feed.delete("cyd", minted[1], connection=host.connection)
        assert not feed.delete("cyd", minted[1], connection=host.connection)
        assert feed.follow("bob", "cyd", connection=host.connection).changed
        assert not feed.follow("bob", "cyd", connection=host.connection).changed
    assert texts(feed) == ["2", "0"]
    assert len(set(minted)) == 3


def test_the_first_verb_of_a_process_may_be_in_a_transaction_of_the_hosts(
    feed: feedkit.Feed[str], begin: Callable[[], AbstractContextManager[Host]]
) -> None:
    with begin() as host:
        host.run("INSERT INTO notes VALUES ('mine')")
        with feedkit.connect(feed.wiring.target) as fresh:
            fresh.publish("ada", text="first", connection=host.connection)
    assert texts(feed) == ["first"]


# Refusals: each is one clear error, and leaves the connection as it was


def refused(feed: feedkit.Feed[str], connection: Any) -> str:
    with pytest.raises(InvalidArgument) as error:
        feed.publish("ada", text="x", connection=connection)
    assert error.value.argument == "connection"
    assert "connection" in error.value.message
    return error.value.message


@pytest.fixture
def migrated(url: str) -> Iterator[feedkit.Feed[str]]:
    with feedkit.connect(url) as feed:
        feed.migrate()
        yield feed
        assert [item.post.text for item in feed.profile(None, "ada")] == []


@pytest.mark.parametrize("thing", ["a string", object(), 7, sa.create_engine("sqlite://")])
def test_what_is_no_connection_is_refused(thing: Any) -> None:
    with feedkit.connect("memory://") as feed:
        assert "Session" in refused(feed, thing)


def test_sqlalchemy_connections_that_cannot_be_joined(migrated: feedkit.Feed[str], url: str) -> None:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        assert "AUTOCOMMIT" in refused(migrated, connection)
    assert "closed" in refused(migrated, connection)
    with engine.begin() as connection:
        with pytest.raises(sa.exc.DBAPIError):
            connection.exec_driver_sql("no statement")
        if engine.dialect.name == "postgresql":
            assert "failed already" in refused(migrated, connection)
    with Session() as unbound:
        assert "no single engine" in refused(migrated, unbound)
    with Session(engine) as session:
        session.begin()
        session.connection().close()
        assert "closed" in refused(migrated, session)
    engine.dispose()


def test_a_sqlalchemy_connection_that_was_invalidated(migrated: feedkit.Feed[str], url: str) -> None:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
        connection.invalidate()
        assert "failed already" in refused(migrated, connection)
        connection.rollback()
    engine.dispose()


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_another_isolation_level(postgres_database: str, level: str) -> None:
    engine = sa.create_engine(postgres_database, isolation_level=level)
    with feedkit.connect(postgres_database) as feed:
        feed.migrate()
        with engine.begin() as connection:
            assert level in refused(feed, connection)
        with psycopg_connection(postgres_database) as host:
            host.run(f"SET TRANSACTION ISOLATION LEVEL {level}")
            assert level in refused(feed, host.connection)
            host.connection.rollback()
            feed.publish("ada", text="after all", connection=host.connection)
    engine.dispose()


def test_psycopg_connections_that_cannot_be_joined(postgres_database: str) -> None:
    with feedkit.connect(postgres_database) as feed:
        feed.migrate()
        with psycopg.connect(psycopg_url(postgres_database), autocommit=True) as raw:
            assert "AUTOCOMMIT" in refused(feed, raw)
            with raw.pipeline():
                assert "pipeline" in refused(feed, raw)
            with raw.transaction():
                feed.publish("ada", text="in a block", connection=raw)
        assert "closed" in refused(feed, raw)
        with psycopg.connect(psycopg_url(postgres_database)) as raw:
            with pytest.raises(psycopg.Error):
                raw.execute("no statement")
            assert "failed already" in refused(feed, raw)
            raw.rollback()
            with raw.cursor().copy("COPY (SELECT 1) TO STDOUT") as copy:
                assert "busy" in refused(feed, raw)
                assert len(list(copy)) == 1


def test_an_asynchronous_connection_is_refused(postgres_database: str) -> None:
    with feedkit.connect("memory://") as feed:
        assert "AsyncConnection" in refused(feed, psycopg.AsyncConnection.__new__(psycopg.AsyncConnection))


def test_sqlite_connections_that_cannot_be_joined(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'app.db'}"
    with feedkit.connect(url) as feed, closing(sqlite3.connect(tmp_path / "app.db")) as raw:
        raw.isolation_level = None
        assert "AUTOCOMMIT" in refused(feed, raw)
        raw.execute("BEGIN")
        feed.publish("ada", text="begun", connection=raw)
        raw.execute("COMMIT")
        raw.close()
        assert "closed" in refused(feed, raw)
        assert [item.post.text for item in feed.profile(None, "ada")] == ["begun"]


def test_django_connections_that_cannot_be_joined(migrated: feedkit.Feed[str], url: str) -> None:
    with django_databases.connected(url) as connection:
        assert "atomic()" in refused(migrated, connection)
        with transaction.atomic():
            transaction.set_rollback(True)
            assert "failed already" in refused(migrated, connection)


def test_another_database_is_refused(migrated: feedkit.Feed[str], url: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    with sqlite_connection(other) as host:
        assert "database" in refused(migrated, host.connection)
    with feedkit.connect(other) as feed:
        feed.migrate()
    with sqlite_connection(other) as host:
        assert "database" in refused(migrated, host.connection)


def test_another_schema_of_the_same_database_is_refused(postgres_database: str) -> None:
    with feedkit.connect(postgres_database) as feed:
        feed.migrate()
        with psycopg_connection(postgres_database) as host:
            host.run("SET search_path TO pg_temp")
            assert "another database" in refused(feed, host.connection)
            assert host.run("SELECT 1").fetchone() == (1,), "its transaction goes on"


def test_a_feed_in_memory_has_no_transaction_to_share(tmp_path: Path) -> None:
    with feedkit.connect("memory://") as feed, sqlite_connection(f"sqlite:///{tmp_path / 'x.db'}") as host:
        assert "another database" in refused(feed, host.connection)


# SQLite has one writer


def test_a_deferred_transaction_of_the_host_waits_for_its_turn(tmp_path: Path) -> None:
    """It takes the write lock before feedkit reads: others who commit in between do not make it fail."""
    url = f"sqlite:///{tmp_path / 'app.db'}"
    with feedkit.connect(url) as feed, closing(sqlite3.connect(tmp_path / "app.db")) as raw:
        feed.follow("bob", "ada")
        raw.execute("BEGIN DEFERRED")
        feed.publish("ada", text="another writer")
        feed.publish("ada", text="joined", connection=raw)
        raw.commit()
        assert texts(feed) == ["joined", "another writer"]


def test_a_stale_deferred_transaction_is_unavailable_and_stays_usable(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'app.db'}"
    with feedkit.connect(url) as feed, closing(sqlite3.connect(tmp_path / "app.db")) as raw:
        feed.follow("bob", "ada")
        raw.execute("BEGIN DEFERRED")
        assert raw.execute("SELECT count(*) FROM feedkit_users").fetchone() == (2,)
        feed.publish("ada", text="another writer")
        with pytest.raises(feedkit.Unavailable):
            feed.publish("ada", text="joined", connection=raw)
        assert raw.in_transaction
        assert raw.execute("SELECT count(*) FROM feedkit_users").fetchone() == (2,)
        raw.rollback()
        assert texts(feed) == ["another writer"]
