"""What people did is looked up by steps of an index, however much they did elsewhere."""

from collections.abc import Callable
from typing import Any

import pytest

from feedkit import Settings
from feedkit.ids import MAX_ID
from feedkit.storage.base import REACTED, REACTED_BY
from feedkit.storage.sql.truth import SqlTruth

NOW_MS = 1_767_225_600_000
BOB = 7
OBJECTS = range(1, 21)


def steps(tx: Any, work: Callable[[Any], object]) -> int:
    """How many hundreds of instructions SQLite needs for it."""
    count = 0

    def step() -> None:
        nonlocal count
        count += 1

    tx.raw.set_progress_handler(step, 100)
    work(tx)
    tx.raw.set_progress_handler(None, 100)
    return count


@pytest.mark.parametrize("analyzed", [False, True])
def test_a_busy_person_costs_no_more_than_a_new_one(analyzed: bool) -> None:
    truth = SqlTruth("memory://", "feedkit", Settings())
    truth.migrate("str", NOW_MS)
    looks: list[Callable[[Any], object]] = [
        lambda tx: truth.engagement.own(tx, BOB, OBJECTS),
        lambda tx: truth.engagement.held(tx, BOB, 1),
        lambda tx: truth.engagement.newest_of_kinds(tx, BOB, REACTED, (MAX_ID, MAX_ID), 20),
        lambda tx: truth.engagement.last(tx, BOB, REACTED_BY, OBJECTS),
        lambda tx: truth.graph.relations_with(tx, BOB, OBJECTS, NOW_MS),
    ]

    def fill(tx: Any) -> None:
        kinds = ("reacted:like", "reacted:love", "reacted_by:like", "follows", "followed_by", "saves")
        rows = [(BOB, kind, 1000 + nth, NOW_MS) for kind in kinds for nth in range(5000)]
        insert = "INSERT INTO feedkit_associations (id1, kind, id2, time) VALUES (?, ?, ?, ?)"
        tx.raw.executemany(insert, rows)

    truth.write(fill)
    if analyzed:
        truth.write(lambda tx: tx.raw.execute("ANALYZE"))
    taken = truth.read(lambda tx: [steps(tx, look) for look in looks])
    assert max(taken) < 100, taken
    truth.close()
