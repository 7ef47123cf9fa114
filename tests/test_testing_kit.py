"""What `feedkit.testing` gives to hosts works as the first page of its documentation says."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

import feedkit.testing
from feedkit import Closed, ManualClock

pytest_plugins = ["feedkit.testing.pytest"]


@pytest.fixture
def ada() -> UUID:
    return uuid4()


@pytest.fixture
def bob() -> UUID:
    return uuid4()


@pytest.fixture
def feed(feedkit_clock: ManualClock) -> Iterator["feedkit.Feed[UUID]"]:
    with feedkit.testing.memory(key=UUID, clock=feedkit_clock) as feed:
        yield feed


def test_a_host_tests_with_a_feed_of_its_own_keys(
    feed: "feedkit.Feed[UUID]", feedkit_clock: ManualClock, ada: UUID, bob: UUID
) -> None:
    feed.follow(bob, ada)
    post = feed.publish(ada, text="hi")
    assert post.created_at == feedkit.testing.START
    feedkit_clock.advance(hours=25)
    assert [item.post.text for item in feed.home(bob)] == ["hi"]
    assert feed.publish(ada, text="later").created_at > post.created_at


def test_the_fixtures_share_a_clock_that_stands_still(
    feedkit_feed: "feedkit.Feed[str]", feedkit_clock: ManualClock
) -> None:
    moments = {feedkit_feed.publish("ada", text="x").created_at for _ in range(3)}
    assert moments == {feedkit.testing.START}
    feedkit_clock.advance(minutes=1)
    assert feedkit_feed.publish("ada", text="x").created_at not in moments


def test_every_feed_in_memory_is_its_own_and_delivers_at_once() -> None:
    with feedkit.testing.memory() as one, feedkit.testing.memory() as other:
        one.follow("bob", "ada")
        one.publish("ada", text="hi")
        assert len(one.home("bob")) == 1
        assert len(other.home("bob")) == 0


def test_settings_and_policies_are_passed_on() -> None:
    settings = feedkit.Settings(page_limit_default=2)
    with feedkit.testing.memory(settings=settings, policy=feedkit.PullAll()) as feed:
        for n in range(3):
            feed.publish("ada", text=str(n))
        assert len(feed.home("ada")) == 2


HOST_TEST = """
pytest_plugins = ["feedkit.testing.pytest"]
KEPT = []

def test_first(feedkit_feed):
    feedkit_feed.publish("ada", text="hi")
    KEPT.append(feedkit_feed)

def test_second(feedkit_feed):
    assert len(feedkit_feed.home("ada")) == 0
    import feedkit, pytest
    with pytest.raises(feedkit.Closed):
        KEPT[0].home("ada")
"""


def test_the_plugin_in_a_hosts_own_run_of_pytest(tmp_path: Path) -> None:
    """Each test has a fresh feed, which is closed after it, and nothing warns or leaks."""
    (tmp_path / "test_host.py").write_text(HOST_TEST)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_a_closed_feed_says_so() -> None:
    feed = feedkit.testing.memory()
    feed.close()
    with pytest.raises(Closed):
        feed.home("ada")


def test_neither_pytest_nor_hypothesis_is_needed_to_import_the_kit() -> None:
    code = "import feedkit.testing, sys; assert not {'pytest', 'hypothesis'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
