"""Program (f): one module makes the feed, safe to import anywhere; the command line is given its name."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

FEEDS = """
import atexit
import os
from uuid import UUID
import sqlalchemy as sa
import feedkit

engine = sa.create_engine(os.environ["DATABASE_URL"])


@sa.event.listens_for(engine, "connect")
def note(*_):
    open("opened", "w").close()


def make_feed() -> feedkit.Feed[UUID]:
    return feedkit.connect(
        engine,
        key=UUID,
        deliver="inline",
        namespace="myapp",
        policy=feedkit.PushAll(),
        settings=feedkit.Settings.from_env("MYAPP_FEED_"),
    )


atexit.register(engine.dispose)
feed = make_feed()  # safe at import, under --preload and before a fork: opens nothing
"""


@pytest.fixture
def myapp(tmp_path: Path) -> Path:
    (tmp_path / "myapp").mkdir()
    (tmp_path / "myapp" / "__init__.py").touch()
    (tmp_path / "myapp" / "feeds.py").write_text(FEEDS)
    return tmp_path


def python(myapp: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=myapp,
        env={
            **os.environ,
            "DATABASE_URL": url,
            "MYAPP_FEED_PAGE_LIMIT_DEFAULT": "2",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def feedkit_command(myapp: Path, url: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    run = python(myapp, url, "-m", "feedkit.cli", "--feed", "myapp.feeds:feed", *arguments, "--json")
    assert "Warning" not in run.stderr, run.stderr
    return run.returncode, json.loads(run.stdout.splitlines()[-1]) if run.stdout else {"error": run.stderr}


def test_importing_it_opens_nothing(myapp: Path, database_url: str) -> None:
    assert python(myapp, database_url, "-c", "import myapp.feeds").returncode == 0
    assert not (myapp / "opened").exists()
    assert python(myapp, database_url, "-c", "from myapp.feeds import feed; feed.migrate()").returncode == 0
    assert (myapp / "opened").exists()


def test_commands_take_the_hosts_own_feed(myapp: Path, database_url: str) -> None:
    me = str(uuid4())
    code, done = feedkit_command(myapp, database_url, "migrate")
    assert (code, done["target"]) == (0, "myapp.feeds:feed")
    posting = f"from uuid import UUID; from myapp.feeds import feed; me = UUID('{me}')\n"
    posting += "for n in range(5): feed.publish(me, text=str(n))"
    run = python(myapp, database_url, "-c", posting)
    assert run.returncode == 0, run.stderr

    assert feedkit_command(myapp, database_url, "drain", "--max-seconds", "5")[1]["done"] is True
    assert feedkit_command(myapp, database_url, "check")[1]["ok"] is True
    code, page = feedkit_command(myapp, database_url, "home", me)
    assert code == 0, page
    assert [item["post"]["text"] for item in page["items"]][:2] == ["4", "3"], (
        "settings and key type are the feed's"
    )


def test_a_key_of_another_type_is_told_apart(myapp: Path, database_url: str) -> None:
    feedkit_command(myapp, database_url, "migrate")
    code, answer = feedkit_command(myapp, database_url, "home", "ada")
    assert code == 1
    assert "UUID" in answer["error"]


def test_workers_that_are_forked_from_it_agree(myapp: Path, database_url: str) -> None:
    """As under `gunicorn --preload`: the feed is made, and even used, before the fork."""
    program = """
import os
from uuid import UUID
from myapp.feeds import engine, feed

ada, bob = UUID(int=1), UUID(int=2)
feed.migrate()
feed.follow(bob, ada)
engine.dispose()
workers = []
for n in range(3):
    if not (worker := os.fork()):
        try:
            feed.publish(ada, text=f"of worker {n}")
            feed.home(bob)
            feed.close()
        finally:
            os._exit(0)
    workers.append(worker)
for worker in workers:
    os.waitpid(worker, 0)
page = feed.home(bob, limit=10)
print(sorted(item.post.text for item in page))
feed.close()
engine.dispose()
"""
    run = python(myapp, database_url, "-c", program)
    assert run.stdout.strip() == "['of worker 0', 'of worker 1', 'of worker 2']", run.stderr
