"""Which people a delivery goes through: followers or holders of inboxes, whichever are fewer."""

from collections import Counter
from typing import Any

import pytest

import feedkit
from feedkit import Feed, PushAll, Settings


@pytest.fixture
def feed() -> Any:
    settings = Settings(delivery_chunk=10)
    with feedkit.connect("memory://", policy=PushAll(), settings=settings) as made:
        made.imports.follows(
            [(f"fan{n}", "star") for n in range(100)]
            + [(f"fan{n}", "middling") for n in range(15)]
            + [("fan0", "ben"), ("fan1", "ben")]
        )
        made.drain()
        yield made


@pytest.fixture
def asked(feed: Feed[str], monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often followers were walked ("range"), and how often holders were asked about ("among")."""
    graph, found = feed.runtime().truth.graph, Counter[str]()

    def watch(name: str) -> None:
        real = getattr(graph, name)

        def watched(*arguments: Any) -> Any:
            found[name] += 1
            return real(*arguments)

        monkeypatch.setattr(graph, name, watched)

    watch("range")
    watch("among")
    return found


def shown(feed: Feed[str], reader: str) -> list[int]:
    return [item.post.id for item in feed.home(reader)]


def test_few_holders_are_gone_through_for_a_large_audience(feed: Feed[str], asked: Counter[str]) -> None:
    # given
    for n in range(12):
        feed.home(f"fan{n}")

    # when
    post = feed.publish("star", text="x").id
    delivered = feed.drain().deliveries

    # then
    assert delivered == 12
    assert asked == {"among": 2}
    assert shown(feed, "fan3") == shown(feed, "fan99") == [post]


def test_followers_are_walked_where_holders_are_many(feed: Feed[str], asked: Counter[str]) -> None:
    # given
    for n in range(60):
        feed.home(f"fan{n}")

    # when
    for author in ("star", "middling"):
        feed.publish(author, text="x")
    delivered = feed.drain().deliveries

    # then
    assert delivered == 60 + 15
    assert asked == {"range": 11 + 2}


def test_small_audiences_beside_a_large_one_are_not_asked_about_holder_by_holder(
    feed: Feed[str], asked: Counter[str]
) -> None:
    # given
    for n in range(30):
        feed.home(f"fan{n}")

    # when: one batch
    for author in ("star", "ben"):
        feed.publish(author, text="x")
    delivered = feed.drain().deliveries

    # then
    assert delivered == 30 + 2
    assert asked == {"among": 3, "range": 1}


def test_nobody_is_delivered_to_who_holds_no_inbox(feed: Feed[str], asked: Counter[str]) -> None:
    feed.publish("star", text="x")
    assert feed.drain().deliveries == 0
    assert asked == {}
