"""What the SQL driver of truth promises beyond the contracts: versions, wrapping ids, retries, two processes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from feedkit import ConfigurationError, Settings, Unavailable
from feedkit.model import EventKind
from feedkit.storage.base import Tx
from feedkit.storage.sql.tables import SCHEMA_VERSION, Tables
from feedkit.storage.sql.truth import SqlTruth, check_facts
from feedkit.testing.contracts._truth import write
from feedkit.testing.contracts.events import actors, append, event, log, number
from tests.storage.conftest import NOW_MS, opened

TABLES = Tables("feedkit")


@pytest.mark.parametrize(
    ("column", "value"),
    [("kind", "from.the.future"), ("data", b"\x01\x92\xa4warp\xa6public"), ("data", b"junk"), ("data", b"")],
)
def test_an_event_of_newer_code_is_unknown_and_keeps_its_number(
    truth: SqlTruth, column: str, value: str | bytes
) -> None:
    append(truth, event(1), event(2, EventKind.POST_PUBLISHED), event(3))
    number(truth)
    with truth._database.engine.begin() as connection:
        connection.execute(
            TABLES.events.update().where(TABLES.events.c.actor_id == 2).values({column: value})
        )
    assert [(one.number, one.kind) for one in log(truth)] == [
        (1, EventKind.FOLLOW_ADDED),
        (2, EventKind.UNKNOWN),
        (3, EventKind.FOLLOW_ADDED),
    ]


def test_pruning_in_steps_takes_as_much_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feedkit.storage.sql.events._PRUNED_AT_ONCE", 4)
    small = opened("memory://")
    append(small, *(event(n) for n in range(1, 11)))
    write(small, small.events.set_offsets, ["all"], 10)
    assert write(small, small.events.prune, NOW_MS + 1) == 9
    assert actors(log(small)) == [10]
    small.close()


def test_a_migrated_database_has_the_schema_of_this_code(truth: SqlTruth) -> None:
    assert truth.read(truth.install.facts)["schema_version"] == str(SCHEMA_VERSION)


@pytest.mark.parametrize(("ahead", "refused"), [(1, False), (2, True)])
def test_the_next_schema_is_read_and_the_one_after_is_refused(
    truth: SqlTruth, ahead: int, refused: bool
) -> None:
    with truth._database.engine.begin() as connection:
        version = TABLES.meta.c.name == "schema_version"
        connection.execute(TABLES.meta.update().where(version).values(value=str(SCHEMA_VERSION + ahead)))
    facts = truth.read(truth.install.facts)
    if refused:
        with pytest.raises(ConfigurationError, match="upgrade"):
            check_facts(facts, "str")
    else:
        check_facts(facts, "str")
    with pytest.raises(ConfigurationError, match="upgrade"):
        truth.migrate("str", NOW_MS)


def test_ids_of_cursor_keys_begin_anew_after_the_last(truth: SqlTruth) -> None:
    with truth._database.engine.begin() as connection:
        connection.execute(TABLES.secrets.update().values(id=0xFFFF))
    for _ in range(2):
        write(truth, truth.install.add_cursor_key, NOW_MS, 3)
    assert [key.id for key in truth.read(truth.install.cursor_keys)] == [0xFFFF, 0, 1]


def test_work_is_tried_again_and_asks_first_whether_it_had_landed(truth: SqlTruth) -> None:
    tries: list[str] = []

    def landed(_: Tx) -> str | None:
        tries.append("landed?")
        return "landed" if tries.count("landed?") == 2 else None

    def work(_: Tx) -> str:
        tries.append("work")
        raise sa.exc.OperationalError("", {}, Exception("cut"), connection_invalidated=True)

    assert truth.write(work, landed=landed) == "landed"
    assert tries == ["work", "landed?", "work", "landed?"]


def test_tries_are_bounded(truth: SqlTruth) -> None:
    tries: list[int] = []

    def work(_: Tx) -> None:
        tries.append(1)
        raise sa.exc.OperationalError("", {}, Exception("cut"), connection_invalidated=True)

    with pytest.raises(Unavailable):
        truth.write(work)
    assert len(tries) == 1 + Settings().retries


@pytest.fixture
def two_writers(tmp_path: object) -> Iterator[tuple[SqlTruth, SqlTruth]]:
    """Two processes' ways into one SQLite file."""
    made = [SqlTruth(f"sqlite:///{tmp_path}/x.db", "feedkit", Settings()) for _ in range(2)]
    made[0].migrate("str", NOW_MS)
    yield made[0], made[1]
    for one in made:
        one.close()


def test_try_write_does_not_wait_for_another_writer(two_writers: tuple[SqlTruth, SqlTruth]) -> None:
    one, other = two_writers

    def work(_: Tx) -> None:
        started = time.monotonic()
        assert other.try_write(lambda _: "done") is None
        assert time.monotonic() - started < 1

    one.write(work)
    assert other.try_write(lambda _: "done") == "done"


def test_the_version_changes_with_every_commit_of_anybody(two_writers: tuple[SqlTruth, SqlTruth]) -> None:
    one, other = two_writers
    before = other.version()
    assert before is not None
    assert other.version() == before
    for writer in (one, other):
        append(writer, event(1))
        assert other.version() != before
        before = other.version()
    other.read(lambda tx: other.users.get_many(tx, [1]))
    assert other.version() == before, "reading changes nothing"
