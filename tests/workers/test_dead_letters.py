"""What cannot be handled becomes a dead letter, and the rest flows on (F07)."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

import feedkit
from feedkit.fanout.delivery import Delivery
from tests.workers.conftest import Place, audience, is_all_delivered, run_command, texts, until


def test_f07_an_event_that_nobody_can_read_becomes_a_dead_letter(
    place: Place, feed: feedkit.Feed[str]
) -> None:
    feed.follow("bob", "ada")
    feed.drain()
    feed.home("bob")
    for text in "abc":
        feed.publish("ada", text=text)
    engine = sa.create_engine(place.url)
    newest = "SELECT max(id) - 1 FROM feedkit_events"
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE feedkit_events SET data = 'nonsense' WHERE id = ({newest})"))
    engine.dispose()
    place.worker()
    until(lambda: is_all_delivered(feed))
    assert texts(feed.home("bob")) == ["c", "b", "a"]
    feed.publish("ada", text="d")
    until(lambda: is_all_delivered(feed))
    page = feed.home("bob")
    assert (texts(page), page.degraded) == (["d", "c", "b", "a"], False)
    until(lambda: bool(feed.dead_letters.page("counters")))
    (letter,) = feed.dead_letters.page("counters")
    assert "cannot read" in letter.reason
    assert feed.dead_letters.retry("counters") == 0
    (letter,) = feed.dead_letters.page("counters")
    assert (letter.tries, "cannot read" in letter.reason) == (2, True)
    assert feed.dead_letters.discard("counters", [letter.number]) == 1


def test_f07_what_a_consumer_stumbles_over_waits_for_a_retry(place: Place, feed: feedkit.Feed[str]) -> None:
    clumsy = """
    from feedkit.log.counters import Counters
    from feedkit.fanout.delivery import Delivery
    def stumbling(of, kind, detail):
        original = getattr(of, kind)
        def apply(self, *args, **how):
            if any(event.detail == "love" for event in args[-1]):
                raise ValueError(detail)
            return original(self, *args, **how)
        setattr(of, kind, apply)
    stumbling(Counters, "apply", "love is not counted")
    stumbling(Delivery, "deliver", "love is not delivered")
    """
    feed.follow("bob", "ada")
    post = feed.publish("ada", text="a")
    for who, kind in (("bob", "like"), ("cyn", "love"), ("dan", "like")):
        feed.react(who, post.id, kind)
    worker = place.worker(before=clumsy)
    until(lambda: is_all_delivered(feed) and bool(feed.dead_letters.page("counters")))
    feed.publish("ada", text="b")
    until(lambda: is_all_delivered(feed))
    worker.stop()
    letters = {name: feed.dead_letters.page(name) for name in feed.dead_letters.consumers()}
    assert {name: len(found) for name, found in letters.items()} == {
        "timelines": 1,
        "counters": 1,
        "pulled-list": 0,
    }
    (letter,) = letters["counters"]
    assert letter.tries == 3
    assert letter.reason.startswith("ValueError in apply")
    assert "love" not in letter.reason  # which may be what somebody wrote
    assert texts(feed.home("bob")) == ["b", "a"]
    assert feed.post("bob", post.id).counts.reactions == 2
    # when
    said = run_command(place, "dead-letters", "--retry", "counters")
    # then
    assert said["retried"] == 1
    assert [one["consumer"] for one in said["letters"]] == ["timelines"]
    with place.connect() as another:
        assert another.post("eve", post.id).counts.reactions == 3


def test_f07_a_chunk_that_cannot_be_delivered_is_given_up(place: Place, feed: feedkit.Feed[str]) -> None:
    clumsy = """
    from feedkit.fanout.delivery import Delivery
    def deliver_chunk(self, chunk):
        raise ValueError(chunk)
    Delivery.deliver_chunk = deliver_chunk
    """
    readers = audience(feed, 120)
    feed.drain()
    for reader in readers:
        feed.home(reader)
    place.worker(before=clumsy)
    feed.publish("ada", text="a")
    until(lambda: is_all_delivered(feed) and bool(feed.dead_letters.page("timelines")))
    assert all(texts(feed.home(reader)) == ["a"] for reader in readers)
    (letter,) = feed.dead_letters.page("timelines")
    assert letter.tries == 3
    assert letter.reason.startswith("ValueError in deliver_chunk, line ")
    assert feed.check(sample=500).ok


def test_f07_a_large_delivery_is_made_whole_when_it_is_retried(
    place: Place, feed: feedkit.Feed[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    readers = audience(feed, 120)
    feed.drain()
    with monkeypatch.context() as broken:
        broken.setattr(Delivery, "deliver_chunk", lambda *_: 1 / 0)
        post = feed.publish("ada", text="a")
        feed.drain()
    assert [letter.event.position for letter in feed.dead_letters.page("timelines")] == [post.id]
    assert all(texts(feed.home(reader)) == ["a"] for reader in readers)
    before = feed.runtime().fanout.delivery.delivered

    # when
    assert feed.dead_letters.retry("timelines") == 1

    # then
    assert feed.runtime().fanout.delivery.delivered - before == 120
    inboxes = feed.runtime().stores.inboxes
    held = [
        timeline.entries.positions.tolist() for timeline in inboxes.read_many(inboxes.owners()) if timeline
    ]
    assert held == [[post.id]] * 120
    assert all(texts(feed.home(reader)) == ["a"] for reader in readers)
    assert feed.check(sample=500).ok


def test_f07_the_letter_of_a_large_delivery_is_the_event_that_it_comes_from(
    place: Place, feed: feedkit.Feed[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a post that does not stand at its id, among others, and is deleted afterwards
    audience(feed, 60)
    draft = feed.drafts.save("ada", text="b", audience="followers")
    feed.publish("ada", text="a")
    post = feed.drafts.publish("ada", draft.id)
    assert post.position != post.id

    # when neither can be brought to so many
    with monkeypatch.context() as broken:
        broken.setattr(Delivery, "deliver_chunk", lambda *_: 1 / 0)
        feed.drain()
        feed.delete("ada", post.id)
        feed.drain()

    # then letters say of which post, and whose it is to see
    letters = feed.dead_letters.page("timelines")
    assert [
        (str(letter.event.kind), letter.event.object_id, letter.event.position, letter.event.audience)
        for letter in letters
    ] == [
        ("post.published", post.id, post.position, "followers"),
        ("post.deleted", post.id, post.position, "followers"),
    ]
    assert feed.dead_letters.retry("timelines") == 2
    assert feed.check(sample=500).ok


def test_f07_a_large_delivery_that_the_log_has_forgotten_leaves_a_letter_that_can_be_retried(
    place: Place, feed: feedkit.Feed[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    readers = audience(feed, 60)
    engine = sa.create_engine(place.url)

    def forgotten(*_: object) -> int:
        with engine.begin() as connection:
            connection.execute(sa.text(f"DELETE FROM feedkit_events WHERE position = {post.id}"))
        raise ValueError

    # when
    with monkeypatch.context() as broken:
        broken.setattr(Delivery, "deliver_chunk", forgotten)
        post = feed.publish("ada", text="a")
        feed.follow("bob", "cyn")
        feed.drain()
    engine.dispose()

    # then
    (letter,) = feed.dead_letters.page("timelines")
    assert (letter.event.kind, letter.event.position) == ("post.published", post.id)
    assert feed.dead_letters.retry("timelines") == 1
    assert all(texts(feed.home(reader)) == ["a"] for reader in readers)
    assert feed.check(sample=500).ok
