"""The stores of a namespace are written once in a process, and each truth has its own of them."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from feedkit import Settings
from feedkit.storage.sql.prepared import Prepared
from feedkit.storage.sql.truth import SqlTruth
from tests.storage.conftest import NOW_MS, opened

FORKED_MEANWHILE = """
import os, signal, threading
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from feedkit.storage.sql.prepared import Prepared

begun, over = threading.Event(), threading.Event()

class Slow:
    def compile(self, dialect):
        begun.set()
        over.wait()
        return sa.select(sa.literal_column("1")).compile(dialect=dialect)

threading.Thread(target=lambda: Prepared(Slow(), sqlite.dialect())._sql).start()
begun.wait()
child = os.fork()
if not child:
    signal.alarm(5)
    os._exit(Prepared(sa.select(sa.literal_column("2")), sqlite.dialect())._sql != "SELECT 2")
over.set()
raise SystemExit(os.waitpid(child, 0)[1] != 0)
"""


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The statements that were compiled meanwhile."""
    statements: list[Any] = []
    compile_ = Prepared.__dict__["_compiled"].func

    def noted(prepared: Prepared) -> Any:
        statements.append(prepared)
        return compile_(prepared)

    monkeypatch.setattr(Prepared.__dict__["_compiled"], "func", noted)
    return statements


def use(truth: SqlTruth) -> list[int]:
    """The newest posts of nobody, by one of the longest statements that there are."""
    nobody = np.array([1])
    found = truth.read(lambda tx: truth.posts.recent(tx, nobody, before=1, floor=0, limit=1, viewer_id=1))
    return [int(position) for position in found.positions]


def test_the_second_truth_of_a_namespace_compiles_none_of_its_statements_anew(
    backend_url: str, compiled: list[Any]
) -> None:
    with closing(opened(backend_url)) as first:
        use(first)
    compiled.clear()
    with closing(opened(backend_url)) as second:
        assert use(second) == []
        assert not {id(prepared) for prepared in vars(second.posts).values()} & {id(one) for one in compiled}


def test_each_namespace_reads_its_own_tables() -> None:
    one, other = (SqlTruth("memory://", name, Settings()) for name in ("one", "other"))
    with closing(one), closing(other):
        one.migrate("str", NOW_MS)
        other.migrate("str", NOW_MS)
        assert use(one) == use(other) == []


def test_what_one_truth_does_otherwise_is_not_done_by_others() -> None:
    with closing(opened("memory://")) as patched, closing(opened("memory://")) as other:
        patched.posts.get = lambda *_: None  # type: ignore[method-assign]
        assert "get" not in vars(other.posts)


def test_an_engine_of_the_hosts_is_spoken_to_in_its_own_way(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'feedkit.db'}"
    engine = sa.create_engine(url, paramstyle="named")
    with closing(opened(url)) as own, closing(SqlTruth(engine, "feedkit", Settings())) as hosts:
        assert use(own) == use(hosts) == []
        assert ":before" in vars(hosts.posts)["_recent"]._sql
        assert ":before" not in vars(own.posts)["_recent"]._sql
    engine.dispose()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_child_that_is_forked_while_a_statement_is_compiled_waits_for_nobody() -> None:
    subprocess.run([sys.executable, "-c", FORKED_MEANWHILE], check=True, timeout=60)
