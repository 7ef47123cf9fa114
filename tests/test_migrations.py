"""The schema over time: what older versions stored is found again, and the tables are the same however they came."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import feedkit
from feedkit import ConfigurationError, Hybrid, KeyTypeMismatch, ManualClock, SchemaMissing
from feedkit.alembic import include_name, include_object
from feedkit.storage.sql.migrations import runner
from feedkit.storage.sql.tables import SCHEMA_VERSION, Tables
from tests.first_schema import EXPECTED, plant_first_schema

NAMESPACES = ("feedkit", "app", "a_long_name_of_24_letter")
PEOPLE = ("ada", "bob", "cyn", "dan", "eve", "fay")
FRIENDS = {
    "ada": {"bob", "cyn"},
    "bob": {"ada", "cyn"},
    "cyn": {"ada", "bob"},
    "dan": {"eve"},
    "eve": {"dan"},
}
NO_ALEMBIC = "import sys; sys.modules['alembic'] = None\n"

any_namespace = pytest.mark.parametrize("namespace", NAMESPACES)


@pytest.fixture(params=["sqlite-file", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite-file":
        return f"sqlite:///{tmp_path / 'feed.db'}"
    found: str = request.getfixturevalue("postgres_database")
    return found


@pytest.fixture
def old(url: str) -> str:
    plant_first_schema(url)
    return url


def connected(url: str, **kwargs: Any) -> feedkit.Feed[str]:
    later = ManualClock(datetime.fromtimestamp(EXPECTED["until"] / 1000, UTC))
    return feedkit.connect(url, clock=later, policy=Hybrid(pull_above=2, resume_below=1), **kwargs)


# what was stored


def test_everything_is_found_again_after_an_upgrade(old: str) -> None:
    with connected(old) as feed:
        feed.migrate()

        assert {who: texts(feed, who) for who in PEOPLE} == EXPECTED["homes"]
        for pair, expected in EXPECTED["profiles"].items():
            viewer, author = pair.split()
            both = [*feed.profile(viewer, author), *feed.profile(viewer, author, tab="replies")]
            both.sort(key=lambda item: item.position, reverse=True)
            assert [item.post.text for item in both] == expected, pair
        first = feed.post("bob", EXPECTED["first"]["id"]).post
        assert (first.extra, first.ref) == (EXPECTED["first"]["extra"], "doc:1")
        assert first.media[0].to_dict() == {
            **EXPECTED["first"]["media"][0],
            "size_bytes": None,
            "status": "ready",
        }
        for who, counts in EXPECTED["counts"].items():
            assert feed.profile(who, who).counts.to_dict().items() >= counts.items(), who
        assert feed.users.get(["ada"])["ada"].display_name == "Ada Lovelace"


def test_a_cursor_of_the_first_version_says_to_start_anew(old: str) -> None:
    with connected(old) as feed:
        feed.migrate()
        with pytest.raises(feedkit.InvalidCursor, match="first page"):
            feed.home("bob", cursor=EXPECTED["cursor"])


def test_an_upgraded_database_can_be_written_to(old: str) -> None:
    with connected(old) as feed:
        feed.migrate()
        post = feed.publish("dan", text="After the upgrade")
        feed.follow("fay", "ada")

        assert feed.home("eve").items[0].post == post
        assert "The first" in texts(feed, "fay")
        feed.drain()
        assert feed.check().ok


def test_those_who_follow_each_other_are_friends_afterwards(old: str) -> None:
    with connected(old) as feed:
        feed.migrate()
        feed.drain()

        assert {who: feed.profile(who, who).counts.friends for who in PEOPLE} == {
            who: len(FRIENDS.get(who, ())) for who in PEOPLE
        }
        post = feed.publish("ada", text="For friends", audience="friends")
        assert {who for who in PEOPLE if feed.posts.get(who, [post.id])[0]} == {"ada", *FRIENDS["ada"]}


def test_answers_are_counted_afterwards_but_not_those_that_few_may_see(old: str) -> None:
    with connected(old) as feed:
        feed.migrate()
        feed.drain()

        first = EXPECTED["first"]["id"]
        assert feed.post("ada", first).counts.replies == 2

        # and what is taken back then is taken out
        replies = [item for who in PEOPLE for item in feed.profile(None, who, tab="replies")]
        answer = next(item for item in replies if item.post.reply_to == int(first))
        feed.delete(answer.author.key, answer.post.id)
        assert feed.post("ada", first).counts.replies == 1


def test_an_upgrade_may_be_repeated(old: str) -> None:
    with connected(old) as feed:
        feed.migrate()
        before = rows_of(old)
        feed.migrate()
    with connected(old) as feed:
        feed.migrate()

    assert {name: count for name, count in rows_of(old).items() if "nodes" not in name} == {
        name: count for name, count in before.items() if "nodes" not in name
    }


@pytest.mark.postgres
def test_an_upgrade_that_was_cut_off_half_way_is_finished(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    plant_first_schema(postgres_database)
    engine = sa.create_engine(postgres_database)
    cut_off_at = 0
    for cut_off_at in (3, 8, 14, 18, 20, 22):  # statements, some of them after the first commit
        with pytest.raises(RuntimeError, match="power"):
            upgrade_until(engine, cut_off_at)
    engine.dispose()

    # when
    with connected(postgres_database) as feed:
        with pytest.raises(SchemaMissing):
            feed.home("ada")
        feed.migrate()

        # then
        assert {who: texts(feed, who) for who in PEOPLE} == EXPECTED["homes"]
    assert differences(postgres_database, "feedkit") == []


def upgrade_until(engine: sa.Engine, statements: int) -> None:
    """Upgrade, and lose the connection before the n-th statement that changes something."""
    changes = 0

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal changes
        changes += statement.lstrip().upper().startswith(("ALTER", "CREATE", "INSERT", "UPDATE"))
        if changes > statements:
            raise RuntimeError("power failed")

    sa.event.listen(engine, "before_cursor_execute", count)
    try:
        with feedkit.connect(engine) as feed:
            feed.migrate()
    finally:
        sa.event.remove(engine, "before_cursor_execute", count)


# the tables


@any_namespace
def test_an_upgraded_schema_is_the_one_that_is_made_anew(url: str, namespace: str) -> None:
    plant_first_schema(url, namespace)
    with connected(url, namespace=namespace) as feed:
        feed.migrate()

    assert differences(url, namespace) == []


@any_namespace
def test_all_revisions_together_make_the_tables_of_today(url: str, namespace: str) -> None:
    """Fails where `tables.py` was changed without a revision."""
    upgrade_from_nothing(url, namespace)

    assert differences(url, namespace) == []


def test_the_first_revision_is_what_the_first_version_made(url: str, tmp_path: Path) -> None:
    upgrade_from_nothing(url, "made", to="0001")
    plant_first_schema(url, "planted")

    made, planted = (ddl(url, name, neutral=True) for name in ("made", "planted"))
    made = {name: what for name, what in made.items() if "alembic_version" not in name}
    assert made == planted


def test_a_column_without_a_revision_is_noticed(url: str) -> None:
    upgrade_from_nothing(url, "feedkit")
    tables = Tables("feedkit")
    tables.posts.append_column(sa.Column("mood", sa.Text))
    sa.Index("feedkit_posts_by_text", tables.posts.c.text)

    assert len(differences(url, "feedkit", tables)) >= 2


def test_the_newest_revision_is_the_schema_version(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    upgrade_from_nothing(url, "feedkit")

    with sa.create_engine(url).connect() as connection:
        assert (
            connection.scalar(sa.select(Tables("feedkit").revision.c.version_num)) == f"{SCHEMA_VERSION:04}"
        )


def test_a_fresh_database_is_stamped(url: str) -> None:
    with connected(url) as feed:
        feed.migrate()

    engine = sa.create_engine(url)
    with engine.connect() as connection:
        assert connection.scalars(sa.text("SELECT version_num FROM feedkit_alembic_version")).all() == [
            f"{SCHEMA_VERSION:04}"
        ]
    engine.dispose()


def upgrade_from_nothing(url: str, namespace: str, to: str = "head") -> None:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        runner.upgrade(connection, namespace, f"{namespace}_alembic_version", to)
        connection.commit()
    engine.dispose()


def differences(url: str, namespace: str, tables: Tables | None = None) -> list[Any]:
    """What Alembic, and SQLite's own record, find different from the tables made anew."""
    tables = tables or Tables(namespace)
    engine = sa.create_engine(url)
    made = sa.create_engine("sqlite://") if engine.dialect.name == "sqlite" else None
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": tables.revision.name,
                "compare_type": True,
                "compare_server_default": True,
                "include_name": lambda name, kind, _parents: (
                    kind != "table" or name in tables.metadata.tables
                ),
                "include_object": lambda thing, *_: (
                    not (isinstance(thing, sa.Index) and skipped(thing, engine))
                ),
            },
        )
        found = [one for one in compare_metadata(context, tables.metadata) if not is_identity(one, engine)]
    engine.dispose()
    if made is None:
        return found
    with made.begin() as connection:
        tables.metadata.create_all(connection)
        anew = ddl_of(connection, namespace, namespace)
    made.dispose()
    there = ddl(url, namespace)
    return found + [name for name in anew if anew[name] != there.get(name)]


def skipped(index: sa.Index, engine: sa.Engine) -> bool:
    """Indexes of PostgreSQL alone, which Alembic would look for everywhere."""
    return engine.dialect.name == "sqlite" and index.name.endswith(("_unnumbered", "events_by_number"))  # type: ignore[union-attr]


def is_identity(one: Any, engine: sa.Engine) -> bool:
    """SQLite has no identity columns: a rowid is one."""
    return engine.dialect.name == "sqlite" and isinstance(one, list) and one[0][0] == "modify_default"


def ddl(url: str, namespace: str, *, neutral: bool = False) -> dict[str, Any]:
    """What the database itself tells of the tables of a namespace."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = ddl_of(connection, namespace, "ns" if neutral else namespace)
    engine.dispose()
    return found


def ddl_of(connection: sa.Connection, namespace: str, called: str) -> dict[str, Any]:
    if connection.dialect.name == "sqlite":
        query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    else:
        query = (
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' UNION ALL "
            "SELECT table_name || '.' || column_name, concat_ws(' ', data_type, is_nullable, column_default, "
            "character_maximum_length, is_identity) FROM information_schema.columns WHERE table_schema = 'public'"
        )
    return {
        name.replace(namespace, called): sorted(sql.replace('"', "").replace(namespace, called).split())
        for name, sql in connection.exec_driver_sql(query)
        if name.startswith(f"{namespace}_")
    }


# who may migrate, and when


def test_several_processes_that_migrate_at_once_agree(old: str) -> None:
    def migrate(_: int) -> str:
        with connected(old) as feed:
            feed.migrate()
            return feed.post("bob", EXPECTED["first"]["id"]).post.text

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(migrate, range(6))) == {"The first"}
    assert differences(old, "feedkit") == []


def test_several_processes_that_begin_at_once_agree(url: str) -> None:
    def begin(number: int) -> None:
        with connected(url) as feed:
            feed.migrate()
            feed.publish(f"user {number}", text="x")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(begin, range(6)))
    assert rows_of(url)["feedkit_posts"] == 6
    assert rows_of(url)["feedkit_secrets"] == rows_of(url)["feedkit_alembic_version"] == 1


@pytest.mark.postgres
def test_readers_and_writers_go_on_while_indexes_are_built(postgres_database: str) -> None:
    """An index that is built beside writers waits for every old snapshot; writers wait for nothing."""
    # given
    plant_first_schema(postgres_database)
    engine = sa.create_engine(postgres_database)
    insert = sa.text("INSERT INTO feedkit_consumers VALUES (:name, 0)")
    with engine.connect() as idle, ThreadPoolExecutor(1) as pool:
        idle.execution_options(isolation_level="REPEATABLE READ")
        idle.execute(insert, {"name": "idle"})  # holds a snapshot, and no lock on posts

        # when
        migrating = pool.submit(migrate_now, postgres_database)
        wait_for(lambda: building(engine))

        # then
        with engine.begin() as host:
            host.execute(sa.text("SET LOCAL lock_timeout = '1s'"))
            host.execute(sa.text("UPDATE feedkit_posts SET text = text"))
        idle.commit()
        migrating.result()
    engine.dispose()
    assert differences(postgres_database, "feedkit") == []


def migrate_now(url: str) -> None:
    with connected(url) as feed:
        feed.migrate()


def building(engine: sa.Engine) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND state = 'active'"
    with engine.connect() as connection:
        return bool(connection.scalar(sa.text(query)))


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def test_an_older_file_is_upgraded_at_first_use(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    plant_first_schema(url)

    with connected(url) as feed:
        assert texts(feed, "bob") == EXPECTED["homes"]["bob"]


@pytest.mark.postgres
def test_an_older_server_waits_to_be_told(postgres_database: str) -> None:
    plant_first_schema(postgres_database)

    with connected(postgres_database) as feed:
        with pytest.raises(SchemaMissing, match="feedkit migrate"):
            feed.home("bob")
        with pytest.raises(SchemaMissing):
            feed.publish("bob", text="x")
        feed.migrate()
        assert texts(feed, "bob") == EXPECTED["homes"]["bob"]


def test_without_alembic_a_fresh_file_is_made(tmp_path: Path) -> None:
    done = child(
        "import feedkit\n"
        "with feedkit.connect('sqlite:///fresh.db') as feed:\n"
        "    feed.publish('ada', text='hi')\n"
        "    print(len(feed.home('ada')))",
        tmp_path,
    )

    assert done.stdout.strip() == "1", done.stderr
    assert differences(f"sqlite:///{tmp_path / 'fresh.db'}", "feedkit") == []


def test_without_alembic_an_older_file_says_what_to_install(tmp_path: Path) -> None:
    plant_first_schema(f"sqlite:///{tmp_path / 'old.db'}")

    done = child(
        "import feedkit\n"
        "with feedkit.connect('sqlite:///old.db') as feed:\n"
        "    try:\n"
        "        feed.home('ada')\n"
        "    except feedkit.SchemaMissing as error:\n"
        "        print(error)",
        tmp_path,
    )

    assert 'pip install "feedkit[migrate]"' in done.stdout, done.stderr
    assert "schema 1" in done.stdout
    with sqlite3.connect(tmp_path / "old.db") as untouched:
        assert untouched.execute(
            "SELECT value FROM feedkit_meta WHERE name = 'schema_version'"
        ).fetchone() == ("1",)
    untouched.close()


def child(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A process in which Alembic is not installed."""
    return subprocess.run(
        [sys.executable, "-c", NO_ALEMBIC + code], cwd=folder, capture_output=True, text=True, check=False
    )


def test_a_newer_schema_is_refused(url: str) -> None:
    with connected(url) as feed:
        feed.migrate()
    write(url, f"UPDATE feedkit_meta SET value = '{SCHEMA_VERSION + 1}' WHERE name = 'schema_version'")
    with connected(url) as feed, pytest.raises(ConfigurationError, match="upgrade the feedkit package"):
        feed.migrate()
    with connected(url) as feed:
        assert len(feed.home("ada")) == 0, "but used: a release may still run beside the next one"

    write(url, f"UPDATE feedkit_meta SET value = '{SCHEMA_VERSION + 2}' WHERE name = 'schema_version'")
    with connected(url) as feed, pytest.raises(ConfigurationError, match="upgrade the feedkit package"):
        feed.home("ada")


def test_an_older_schema_of_another_key_type_stays_as_it_is(old: str) -> None:
    with feedkit.connect(old, key=int) as feed, pytest.raises(KeyTypeMismatch):
        feed.migrate()

    assert "feedkit_alembic_version" not in rows_of(old)


def write(url: str, statement: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def rows_of(url: str) -> dict[str, int]:
    """How many rows every table holds."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        found = {name: int(connection.scalar(sa.text(f"SELECT count(*) FROM {name}")) or 0) for name in names}
    engine.dispose()
    return found


def texts(feed: feedkit.Feed[str], viewer: str) -> list[str]:
    """A whole home feed."""
    page = feed.home(viewer, limit=2)
    found = [item.post.text for item in page]
    while page.next_cursor:
        page = feed.home(viewer, limit=2, cursor=page.next_cursor)
        found += [item.post.text for item in page]
    return found


# removing


def test_drop_removes_the_tables_of_its_namespace_and_no_others(url: str) -> None:
    # given
    for namespace in ("app", "app_two"):
        with connected(url, namespace=namespace) as feed:
            feed.migrate()
            feed.publish("ada", text=namespace)
    write(url, "CREATE TABLE app_notes (id INTEGER PRIMARY KEY)")  # the host's own

    # when
    with connected(url, namespace="app") as feed:
        feed.home("ada")
        feed.drop(confirm="app")

    # then
    left = set(rows_of(url))
    assert left == {"app_notes", *Tables("app_two").metadata.tables, "app_two_alembic_version"}
    with connected(url, namespace="app_two") as feed:
        assert texts(feed, "ada") == ["app_two"]


@pytest.mark.parametrize("confirm", ["", "other", None, True])
def test_drop_wants_the_namespace_said(url: str, confirm: Any) -> None:
    with connected(url) as feed:
        feed.migrate()
        feed.publish("ada", text="x")
        with pytest.raises(feedkit.InvalidArgument, match="confirm"):
            feed.drop(confirm=confirm)
        assert texts(feed, "ada") == ["x"]


def test_after_a_drop_a_feed_begins_anew(url: str) -> None:
    with connected(url) as feed:
        feed.migrate()
        feed.publish("ada", text="x")
        feed.drop(confirm="feedkit")
        feed.drop(confirm="feedkit")
        feed.migrate()

        assert texts(feed, "ada") == []
        feed.publish("ada", text="y")
        assert texts(feed, "ada") == ["y"]


def test_tables_of_another_version_are_dropped_as_far_as_they_are_known(old: str) -> None:
    with connected(old) as feed:
        feed.drop(confirm="feedkit")

    assert rows_of(old) == {}


def test_newer_tables_are_not_dropped(url: str) -> None:
    with connected(url) as feed:
        feed.migrate()
    write(url, f"UPDATE feedkit_meta SET value = '{SCHEMA_VERSION + 1}' WHERE name = 'schema_version'")

    with connected(url) as feed, pytest.raises(ConfigurationError):
        feed.drop(confirm="feedkit")
    assert "feedkit_posts" in rows_of(url)


# the host's own migrations


@pytest.fixture
def host(url: str) -> Iterator[tuple[sa.Connection, sa.MetaData]]:
    """A database with tables of a host's, and two feeds beside them; one host table is not made yet."""
    metadata = sa.MetaData()
    sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True))
    sa.Table("feedkit_notes", metadata, sa.Column("id", sa.Integer, primary_key=True))
    engine = sa.create_engine(url)
    metadata.create_all(engine)
    for namespace in ("feedkit", "app"):
        with connected(url, namespace=namespace) as feed:
            feed.migrate()
    sa.Table("new_table", metadata, sa.Column("id", sa.Integer, primary_key=True))
    with engine.connect() as connection:
        yield connection, metadata
    engine.dispose()


def autogenerated(connection: sa.Connection, metadata: sa.MetaData, **options: Any) -> list[str]:
    context = MigrationContext.configure(connection, opts={"target_metadata": metadata, **options})
    return sorted(f"{one[0]} {one[1].name}" for one in compare_metadata(context, metadata))


def test_without_help_autogenerate_would_drop_the_feeds(host: tuple[sa.Connection, sa.MetaData]) -> None:
    assert "remove_table feedkit_posts" in autogenerated(*host)


@pytest.mark.parametrize(
    "options",
    [
        {"include_name": include_name("feedkit", "app")},
        {"include_object": include_object("feedkit", "app")},
    ],
    ids=["include_name", "include_object"],
)
def test_autogenerate_is_kept_away_from_the_feeds(
    host: tuple[sa.Connection, sa.MetaData], options: dict[str, Any]
) -> None:
    assert autogenerated(*host, **options) == ["add_table new_table"]


def test_only_the_namespaces_that_are_named_are_left_out(host: tuple[sa.Connection, sa.MetaData]) -> None:
    found = autogenerated(*host, include_name=include_name("feedkit"))

    assert "remove_table app_posts" in found
    assert "remove_table feedkit_posts" not in found


def test_the_hosts_own_tables_stay_in_whatever_they_are_called(
    host: tuple[sa.Connection, sa.MetaData],
) -> None:
    connection, metadata = host
    metadata.remove(metadata.tables["feedkit_notes"])

    found = autogenerated(connection, metadata, include_name=include_name("feedkit", "app"))

    assert found == ["add_table new_table", "remove_table feedkit_notes"]


def test_a_hosts_own_hook_is_asked_too(host: tuple[sa.Connection, sa.MetaData]) -> None:
    connection, metadata = host
    metadata.remove(metadata.tables["users"])

    def no_users(name: str | None, _kind: str, _parents: Any) -> bool:
        return name != "users"

    def no_new(_object: Any, name: str | None, *_: Any) -> bool:
        return name != "new_table"

    names = include_name("feedkit", "app", also=no_users)
    objects = include_object("feedkit", "app", also=no_new)
    assert autogenerated(connection, metadata, include_name=names, include_object=objects) == []


def test_a_namespace_that_cannot_be_one_is_refused() -> None:
    for make in (include_name, include_object):
        with pytest.raises(ConfigurationError, match="namespace"):
            make("Bad Name")
