"""Program (g): how a host tests its own application, with feedkit's fixtures."""

import subprocess
import sys
from pathlib import Path

CONFTEST = """
from uuid import UUID, uuid4

import flask
import pytest

import feedkit.testing

pytest_plugins = ["feedkit.testing.pytest"]


@pytest.fixture
def feed(feedkit_clock):
    with feedkit.testing.memory(key=UUID, clock=feedkit_clock) as feed:  # deliver="inline"
        yield feed


@pytest.fixture
def ada():
    return uuid4()


@pytest.fixture
def bob():
    return uuid4()


@pytest.fixture
def client(feed):
    app = flask.Flask("myapp")

    def me():
        return UUID(flask.request.headers["X-User"])

    @app.post("/follow/<uuid:other>")
    def follow(other):
        return {"status": feed.follow(me(), other).status}

    @app.post("/posts")
    def publish():
        return feed.publish(me(), text=flask.request.json["text"]).to_dict(), 201

    @app.get("/feed")
    def home():
        return feed.home(me()).to_dict()

    return app.test_client()
"""
TESTS = """
from datetime import timedelta


def as_user(key):
    return {"X-User": str(key)}


def test_follow_shows_up(client, feed, ada, bob):
    client.post(f"/follow/{ada}", headers=as_user(bob))
    client.post("/posts", headers=as_user(ada), json={"text": "hi"})
    assert client.get("/feed", headers=as_user(bob)).json["items"][0]["post"]["text"] == "hi"


def test_story_expires(feed, feedkit_clock, ada, bob):
    feed.follow(bob, ada)
    feed.publish(ada, text="x", expires_in=timedelta(hours=24))
    assert feed.home(bob)
    feedkit_clock.advance(hours=25)
    assert not feed.home(bob)


def test_each_test_has_a_feed_of_its_own(feed, ada):
    assert not feed.profile(None, ada)
    assert feed.check().ok
"""


def test_a_hosts_tests_pass(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_myapp.py").write_text(TESTS)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "3 passed" in run.stdout
