"""A host with a job queue of its own: RQ's workers deliver."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import feedkit
from feedkit import ConfigurationError, jobs
from tests.redis_servers import run_redis

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def environ(postgres_database: str) -> Iterator[dict[str, str]]:
    with run_redis() as redis:
        yield {"DATABASE_URL": postgres_database, "REDIS_URL": redis}


def run(environ: dict[str, str], *command: str) -> str:
    path = os.pathsep.join((str(EXAMPLES), *sys.path))
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, **environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_rq_app(environ: dict[str, str]) -> None:
    assert "Delivered by RQ" in run(environ, str(EXAMPLES / "rq_app.py"))
    said = run(environ, "-m", "rq.cli", "worker", "--burst", "--url", environ["REDIS_URL"], "feed")
    assert "Job OK" in said
    with feedkit.connect(environ["DATABASE_URL"], redis=environ["REDIS_URL"]) as feed:
        runtime = feed.runtime()
        number = runtime.tail.catch_up()
        assert runtime.fanout.sharing is not None
        assert runtime.fanout.sharing.delivery.delivered_to() == number > 0


def test_what_a_tick_gives_is_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = f"sqlite:///{tmp_path / 'feed.db'}"
    (tmp_path / "feeds_of_jobs.py").write_text(
        "import feedkit\n"
        f"feed = feedkit.connect({target!r})\n"
        f"def make(): return feedkit.connect({target!r})\n"
        "number = 7\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with feedkit.connect(target) as feed:
        feed.follow("bob", "ada")
    done = json.loads(json.dumps(jobs.tick("feeds_of_jobs:feed", max_seconds=5)))
    assert done["done"] is True
    assert jobs.tick("feeds_of_jobs:make")["done"] is True
    for wrong in ("feeds_of_jobs:number", "feeds_of_jobs:other", "nothing:there", ""):
        with pytest.raises(ConfigurationError, match=r"feed|neither"):
            jobs.tick(wrong)
    sys.modules.pop("feeds_of_jobs").feed.close()
