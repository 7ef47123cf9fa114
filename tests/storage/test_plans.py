"""Which plans PostgreSQL makes for statements that look up very many rows."""

from typing import Any

import pytest

from feedkit import connect
from feedkit.storage.sql.prepared import Prepared


def test_an_import_after_a_small_one_steps_down_an_index_for_each_row(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that has just been filled looks small, and to hold all of it beside every row looks cheap."""
    plans: list[str] = []
    execute = Prepared._execute

    def explaining(self: Any, tx: Any, method: str, bound: Any) -> Any:
        if "unnest" in self._sql and "JOIN" in self._sql:
            plans.extend(line for (line,) in tx.cursor().execute(f"EXPLAIN {self._sql}", bound).fetchall())
        return execute(self, tx, method, bound)

    with connect(postgres_database) as feed:
        feed.migrate()

        # given a table with some thousand follows
        feed.imports.follows([(f"ada{n % 500}", f"bob{n // 10}") for n in range(5000)])

        # when they follow each other
        monkeypatch.setattr(Prepared, "_execute", explaining)
        feed.imports.follows([(f"ada{n}", f"ada{(n + 1) % 500}") for n in range(500)])

    # then none of them is looked for in a copy of the table, nor in all of it
    assert sum("Index" in line for line in plans) >= 2
    assert not [
        line for line in plans if any(way in line for way in ("Materialize", "Seq Scan", "Hash", "Merge"))
    ]
