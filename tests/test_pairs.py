"""A policy that chooses for each pair: who reads seldom pulls, pages stay the same, and nothing is lost on the way."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest

import feedkit
from feedkit import ConfigurationError, CostBased, Feed, Hybrid, ManualClock, PushAll, Settings
from feedkit.fanout.pairs import Pairs, Rates
from feedkit.idset import idset
from feedkit.storage.memory import MemoryTimelines

HALF_A_READ_PER_POST = CostBased(push_cost=1, pull_cost=2, half_life_s=3600)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def connected(clock: ManualClock, policy: Any = HALF_A_READ_PER_POST, **settings: Any) -> Feed[str]:
    return feedkit.connect("memory://", policy=policy, clock=clock, settings=Settings(**settings))


def shown(feed: Feed[str], reader: str) -> list[int]:
    page = feed.home(reader, limit=10)
    found = [item.post.id for item in page]
    while page.next_cursor:
        page = feed.home(reader, cursor=page.next_cursor)
        found += [item.post.id for item in page]
    return found


def held(feed: Feed[str], reader: str) -> list[int]:
    runtime = feed.runtime()
    timeline = runtime.stores.inboxes.read(runtime.directory.find(reader, "reader") or 0)
    return [] if timeline is None else timeline.entries.positions.tolist()


def pairs(feed: Feed[str]) -> int:
    found = feed.runtime().fanout.pairs
    assert found is not None
    return len(found)


def publish(feed: Feed[str], clock: ManualClock, author: str, count: int) -> list[int]:
    ids = []
    for _ in range(count):
        clock.advance(seconds=1)
        ids.append(feed.publish(author, text="x").id)
        feed.drain()
    return ids


# a reader and an author


def test_who_reads_seldom_pulls_and_sees_all_the_same(clock: ManualClock) -> None:
    with connected(clock) as feed:
        # given: two followers with inboxes, one of whom reads all the time
        for reader in ("bob", "eve"):
            feed.follow(reader, "ada")
            feed.home(reader)

        # when
        posts = []
        for _ in range(10):
            posts += publish(feed, clock, "ada", 1)
            feed.home("eve")

        # then
        assert held(feed, "eve") == posts[::-1]
        assert held(feed, "bob") == posts[:1], "from the second on there are two posts to a read"
        assert pairs(feed) == 1
        assert shown(feed, "bob") == shown(feed, "eve") == posts[::-1]


def test_who_reads_again_is_given_what_was_not_pushed(clock: ManualClock) -> None:
    with connected(clock) as feed:
        # given
        feed.follow("bob", "ada")
        feed.home("bob")
        posts = publish(feed, clock, "ada", 6)
        assert pairs(feed) == 1

        # when
        for _ in range(10):
            feed.home("bob")
        posts += publish(feed, clock, "ada", 1)

        # then
        assert pairs(feed) == 0
        assert held(feed, "bob") == posts[::-1]
        assert shown(feed, "bob") == posts[::-1]


def test_what_was_long_ago_hardly_counts(clock: ManualClock) -> None:
    with connected(clock) as feed:
        # given
        feed.follow("bob", "ada")
        for _ in range(50):
            feed.home("bob")
        posts = publish(feed, clock, "ada", 1)

        # when: twenty half-lives later
        clock.advance(hours=20)
        posts += publish(feed, clock, "ada", 2)

        # then
        assert held(feed, "bob") == posts[:1]
        assert shown(feed, "bob") == posts[::-1]


def test_an_inbox_that_is_built_anew_lacks_nothing(clock: ManualClock) -> None:
    with connected(clock) as feed:
        # given
        feed.follow("bob", "ada")
        feed.home("bob")
        posts = publish(feed, clock, "ada", 5)
        assert pairs(feed) == 1

        # when
        feed.wipe()

        # then
        assert shown(feed, "bob") == posts[::-1]
        assert held(feed, "bob") == posts[::-1]
        assert pairs(feed) == 0


def test_an_explanation_says_that_the_outbox_is_merged_in(clock: ManualClock) -> None:
    with connected(clock) as feed:
        feed.follow("bob", "ada")
        feed.home("bob")
        post = publish(feed, clock, "ada", 5)[-1]
        assert "its author is pulled" in str(feed.explain("bob", post))
        assert feed.check().ok


def test_authors_with_very_many_followers_are_pulled_by_all(clock: ManualClock) -> None:
    policy = CostBased(authors=Hybrid(pull_above=1))
    with connected(clock, policy) as feed:
        for reader in ("bob", "eve"):
            feed.follow(reader, "ada")
            feed.home(reader)
        posts = publish(feed, clock, "ada", 3)
        assert len(feed.runtime().readthrough.pulled()) == 1
        assert pairs(feed) == 0
        assert shown(feed, "bob") == posts[::-1]


def test_readers_are_remembered_up_to_a_bound_and_forgotten_with_their_inbox(clock: ManualClock) -> None:
    with connected(clock, inboxes_max=3) as feed:
        # given
        readers = [f"reader{n}" for n in range(8)]
        for reader in readers:
            feed.follow(reader, "ada")
        posts = []

        # when
        for reader in readers * 3:
            feed.home(reader)
            posts += publish(feed, clock, "ada", 1)

        # then
        assert pairs(feed) <= 3
        assert all(shown(feed, reader) == posts[::-1] for reader in readers)


# against push, whatever happens


@pytest.mark.parametrize("seed", range(8))
def test_pages_are_those_of_push_whatever_happens(seed: int) -> None:
    # given: the same life on two feeds
    rng, clock = random.Random(seed), ManualClock()
    people = [f"user{n}" for n in range(6)]
    bounds = {"inbox_entries": 10, "inbox_tail": 3, "outbox_entries": 10, "inboxes_max": rng.choice([3, 100])}
    resumed = 0
    with connected(clock, **bounds) as feed, connected(clock, PushAll(), **bounds) as pushed:
        for _ in range(250):
            clock.advance(seconds=rng.expovariate(1 / 600))
            one, other = rng.sample(people, 2)
            author = people[min(int(rng.expovariate(1)), 5)]
            match rng.choice(["post"] * 5 + ["read"] * 3 + ["follow"] * 2 + ["unfollow", "mute", "wipe"]):
                case "post":
                    text = str(clock.now_ms())
                    for each in (feed, pushed):
                        each.publish(author, text=text)
                        each.drain()
                case "read":
                    before = pairs(feed)
                    for _ in range(rng.choice([1, 1, 20])):
                        texts = [
                            [item.post.text for item in each.home(one, limit=30)] for each in (feed, pushed)
                        ]
                        assert texts[0] == texts[1]
                    resumed += before
                case "wipe":
                    feed.wipe() if rng.random() < 0.1 else None
                case verb:
                    for each in (feed, pushed):
                        getattr(each, verb)(one, other)
        assert resumed, "nobody ever pulled"
        assert feed.check().ok


def test_readers_miss_nothing_while_deliveries_change_their_minds(clock: ManualClock) -> None:
    """One thread posts and delivers, readers walk their pages: each sees at least what was there when it began."""
    with connected(clock) as feed:
        readers = ["bob", "eve", "dan"]
        for reader in readers:
            feed.follow(reader, "ada")
            feed.home(reader)
        posts: list[int] = []
        missed: list[str] = []
        ended = threading.Event()

        def read(reader: str) -> None:
            rng = random.Random(reader)
            while not ended.is_set():
                for _ in range(rng.choice([1, 30])):
                    before = posts[-20:]
                    seen = {item.post.id for item in feed.home(reader, limit=50)}
                    if not set(before) <= seen:
                        missed.append(f"{reader} missed {set(before) - seen}")
                ended.wait(rng.random() / 50)

        threads = [threading.Thread(target=read, args=(reader,)) for reader in readers]
        for thread in threads:
            thread.start()
        for _ in range(150):
            clock.advance(minutes=1)
            posts.append(feed.publish("ada", text="x").id)
            feed.drain()
        ended.set()
        for thread in threads:
            thread.join()
        assert not missed


# rates


def test_rates_compare_whatever_time_has_passed() -> None:
    rates = Rates(half_life_s=1)
    for at_s in range(3000):  # e to the 2,079: more than a float holds
        rates.note(rates.reads, 1, at_s * 1000)
        rates.note(rates.posts, 2, at_s * 1000)
    rates.note(rates.posts, 2, 2999_000)
    # a doing a second: 1 + 1/2 + 1/4 ...
    assert rates.posts[2] / rates.reads[1] == pytest.approx(3 / 2)


def test_what_comes_late_counts_as_of_its_own_time() -> None:
    rates = Rates(half_life_s=1)
    for at_ms in (5000, 4000):
        rates.note(rates.reads, 1, at_ms)
    rates.note(rates.reads, 2, 5000)
    assert rates.reads[1] / rates.reads[2] == pytest.approx(1.5)


def test_a_reader_of_whom_nothing_is_known_is_pushed_to(clock: ManualClock) -> None:
    inboxes = MemoryTimelines(capacity=10, tail=3, maximum=10, ttl_ms=None, clock=clock)
    found = Pairs(CostBased(), inboxes, clock, Settings())
    for _ in range(100):
        found.posted(1, clock.now_ms())
    found.read(7)
    pushed, resumed = found.split(1, idset([7, 8]))
    assert (pushed.tolist(), resumed) == ([8], [])
    assert found.pulled_by(7).tolist() == [1]


def test_pairs_are_not_chosen_for_where_processes_share_inboxes() -> None:
    refusal = r"policy must not be CostBased beside redis=.*; leave redis out, or pass Hybrid\(\)"
    with pytest.raises(ConfigurationError, match=refusal) as refused:
        feedkit.connect("sqlite:///social.db", redis="redis://localhost:6379", policy=CostBased())
    assert refused.value.argument == "policy"
