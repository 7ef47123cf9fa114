"""`feed.check` finds what is wrong with inboxes, and puts it right on request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import feedkit
from feedkit import CheckReport, PullAll, PushAll, Settings
from feedkit.idset import idset
from feedkit.storage.entries import of_rows
from feedkit.storage.timelines import TimelineStore
from tests.cases.case_tools import everything, ids, opened

Feed = feedkit.Feed[str]


@pytest.fixture
def feed(backend_url: str) -> Iterator[Feed]:
    """Bob follows ada and ben, who have posted; everybody's home has been read."""
    with opened(backend_url, policy=PushAll()) as made:
        fill(made)
        yield made


def fill(feed: Feed) -> None:
    for author in ("ada", "ben"):
        feed.follow("bob", author)
        for n in range(5):
            feed.publish(author, text=str(n))
    feed.publish("eve", text="not followed")
    for user in ("ada", "ben", "bob", "eve"):
        feed.home(user)


def user_id(feed: Feed, key: str) -> int:
    return feed.users.get([key])[key].id


def inboxes(feed: Feed) -> TimelineStore:
    return feed.runtime().stores.inboxes


def lose(feed: Feed, key: str, positions: list[int]) -> None:
    """Damage: entries are gone from an inbox."""
    inboxes(feed).remove(idset([user_id(feed, key)]), idset(positions))


def plant(feed: Feed, key: str, position: int, author: str) -> None:
    """Damage: an entry stands in an inbox where it does not belong."""
    entry = of_rows([(position, user_id(feed, author))])
    assert inboxes(feed).deliver(idset([user_id(feed, key)]), entry) == 1


def test_a_sound_feed(feed: Feed) -> None:
    report = feed.check()
    assert report == CheckReport(viewers=4, entries=10 + 5 + 5 + 1, missing=0, unexpected=0, doubled=0)
    assert report.ok
    assert report.to_dict() == {
        "ok": True,
        "viewers": 4,
        "entries": 21,
        "missing": 0,
        "unexpected": 0,
        "doubled": 0,
        "repaired": 0,
    }


def test_an_empty_feed(backend_url: str) -> None:
    with opened(backend_url) as feed:
        assert feed.check() == CheckReport(0, 0, 0, 0, 0)


def test_lost_entries_are_found_and_repaired(feed: Feed) -> None:
    # given
    whole = everything(feed, "bob")
    lose(feed, "bob", whole[3:6])
    assert everything(feed, "bob") == whole[:3] + whole[6:]

    # then
    report = feed.check()
    assert (report.missing, report.unexpected, report.ok, report.repaired) == (3, 0, False, 0)
    assert feed.check().missing == 3, "looking repairs nothing"
    report = feed.check(repair=True)
    assert (report.missing, report.repaired, report.ok) == (3, 1, False)
    assert everything(feed, "bob") == whole
    assert feed.check().ok


def test_an_entry_of_a_post_that_is_not_there_is_found_and_repaired(feed: Feed) -> None:
    # given
    whole = everything(feed, "bob")
    plant(feed, "bob", whole[0] + 1, "ada")
    assert everything(feed, "bob") == whole, "readers filter it away"

    # then
    report = feed.check()
    assert (report.missing, report.unexpected, report.ok) == (0, 1, True)
    assert feed.check(repair=True).repaired == 1
    assert (feed.check().unexpected, feed.check(repair=True).repaired) == (0, 0)
    assert everything(feed, "bob") == whole


def test_a_deleted_post_that_stayed_behind_is_found(feed: Feed) -> None:
    whole = everything(feed, "bob")
    author = feed.post("bob", whole[0]).author.key
    feed.delete(author, whole[0])
    feed.drain()
    plant(feed, "bob", whole[0], author)
    assert everything(feed, "bob") == whole[1:]
    assert feed.check(repair=True).unexpected == 1
    assert feed.check().unexpected == 0


def test_an_entry_by_somebody_who_is_not_followed_is_no_permission(feed: Feed) -> None:
    whole = everything(feed, "bob")
    strange = ids(feed.profile(None, "eve"))[0]
    plant(feed, "bob", strange, "eve")
    assert everything(feed, "bob") == whole
    assert feed.check().ok
    assert feed.check().missing == 0


def test_damage_in_several_inboxes_is_added_up(feed: Feed) -> None:
    feed.follow("eve", "ada")
    assert len(everything(feed, "eve")) == 6
    whole = everything(feed, "bob")
    lose(feed, "bob", whole[:2])
    lose(feed, "eve", ids(feed.profile("eve", "ada"))[:1])
    plant(feed, "bob", whole[0] + 1, "ben")
    report = feed.check(repair=True)
    assert (report.missing, report.unexpected, report.repaired) == (3, 1, 2)
    assert feed.check() == CheckReport(4, 10 + 5 + 5 + 6, 0, 0, 0)


def test_a_wiped_or_never_read_inbox_is_not_damage(feed: Feed) -> None:
    feed.wipe()
    assert feed.check() == CheckReport(4, 21, 0, 0, 0)


def test_hidden_authors_are_not_expected(feed: Feed) -> None:
    feed.mute("bob", "ada")
    feed.publish("ben", text="x", audience="only_me")
    feed.block("ben", "eve")
    assert feed.check().ok
    assert feed.check().unexpected == 0
    feed.unmute("bob", "ada")
    assert feed.check().ok


@pytest.mark.parametrize("policy", [PushAll(), PullAll()], ids=repr)
def test_damage_is_found_however_deep(policy: Any) -> None:
    # given: more entries than are compared at once
    with opened("memory://", policy=policy) as feed:
        feed.follow("bob", "ada")
        posts = [feed.publish("ada", text=str(n)).id for n in range(250)]
        assert len(everything(feed, "bob", limit=100)) == 250
        assert feed.check().ok

        # when
        lose(feed, "bob", posts[4:6])

        # then
        report = feed.check()
        pulled = feed.runtime().readthrough.pulled().tolist() != []
        assert report.missing == (0 if pulled else 2), "a pulled author's posts come from the outbox"
        assert feed.check(repair=True).ok == pulled
        assert feed.check().ok


def test_only_as_much_as_an_inbox_holds_is_compared() -> None:
    with opened("memory://", settings=Settings(inbox_entries=10, outbox_entries=10)) as feed:
        feed.follow("bob", "ada")
        for n in range(30):
            feed.publish("ada", text=str(n))
        assert feed.check() == CheckReport(2, 20, 0, 0, 0)


# the sample


def test_the_sample_is_the_most_that_is_looked_at(feed: Feed) -> None:
    for sample, viewers in ((1, 1), (3, 3), (4, 4), (5, 4), (10**9, 4)):
        assert feed.check(sample=sample).viewers == viewers


def test_those_who_hold_an_inbox_are_looked_at_first(feed: Feed) -> None:
    # given
    feed.wipe()
    whole = everything(feed, "bob")
    lose(feed, "bob", whole[:1])

    # then
    for _ in range(5):
        assert feed.check(sample=1).missing == 1


def test_others_are_drawn_at_random(feed: Feed) -> None:
    drawn = set()
    for _ in range(100):
        feed.wipe()
        feed.check(sample=1)
        drawn.update(inboxes(feed).owners())
    assert drawn == {user_id(feed, key) for key in ("ada", "ben", "bob", "eve")}


@pytest.mark.parametrize("wrong", [0, -1, 10**9 + 1, True, 1.5, "10", None])
def test_a_sample_that_makes_no_sense_is_refused(wrong: Any) -> None:
    with opened("memory://") as feed, pytest.raises(feedkit.InvalidArgument) as refused:
        feed.check(sample=wrong)
    assert refused.value.argument == "sample"
