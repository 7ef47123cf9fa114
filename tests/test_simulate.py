"""Simulations: they count what a real feed does, and price it."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest

import feedkit
from feedkit import CostBased, FanoutPolicy, Hybrid, InvalidArgument, ManualClock, NotFound, PullAll, PushAll
from feedkit.fanout.simulate import Prices, Trace, candidates, simulate
from feedkit.model import Route
from feedkit.settings import Settings
from feedkit.storage.base import AuthorLoad

START_MS = 1_750_000_000_000
FREE = Prices(**dict.fromkeys(Prices().to_dict(), 0.0))


def community(seed: int, people: int = 40) -> list[tuple[str, str]]:
    """A few whom most follow, and many whom few follow."""
    rng = random.Random(seed)
    names = [f"user{n}" for n in range(people)]
    weights = [1 / (n + 1) for n in range(people)]
    return [
        (one, other)
        for one in names
        for other in set(rng.choices(names, weights, k=rng.randint(1, 12)))
        if other != one
    ]


# against the real thing


@pytest.mark.parametrize(
    "policy",
    [PushAll(), PullAll(), Hybrid(10), Hybrid(4), CostBased(push_cost=1, pull_cost=2, half_life_s=3600)],
    ids=repr,
)
def test_it_counts_what_a_real_feed_does(policy: FanoutPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    follows = community(1)
    trace = Trace.made_up(follows, posts=60, reads_per_post=8, days=0.2, seed=3)
    settings = Settings(delivery_chunk=10, inboxes_max=25)
    clock = ManualClock(START_MS)
    seen: Counter[str] = Counter()
    with feedkit.connect("memory://", policy=policy, settings=settings, clock=clock) as feed:
        feed.imports.follows(follows)
        feed.drain()
        runtime = feed.runtime()
        count_calls(monkeypatch, runtime.stores.inboxes, "begin", lambda _: seen.update(builds=1))
        merging = runtime.home._timelines
        count_calls(monkeypatch, merging, "outboxes", lambda ids: seen.update(merges=len(ids) - 1))

        # when: it is lived through
        for at_ms, who, is_post in zip(trace.at_ms, trace.who, trace.is_post, strict=True):
            clock.set(START_MS + int(at_ms))
            name = str(trace.keys[who])
            feed.publish(name, text="x") if is_post else feed.home(name)
        feed.drain()
        (simulated,) = simulate(trace, [policy], settings=settings)

        # then
        assert simulated.writes == runtime.fanout.delivery.delivered
        assert simulated.builds == seen["builds"]
        assert simulated.merges == seen["merges"]
        assert simulated.pulled_authors == len(runtime.readthrough.pulled())
        assert simulated.pulled_pairs == (0 if runtime.fanout.pairs is None else len(runtime.fanout.pairs))
        if isinstance(policy, CostBased):
            assert simulated.pulled_pairs > 3
        else:
            assert bool(simulated.merges) == bool(simulated.pulled_authors) == (policy != PushAll())


def count_calls(patch: pytest.MonkeyPatch, owner: Any, name: str, count: Callable[[Any], None]) -> None:
    real = getattr(owner, name)

    def counted(argument: Any) -> Any:
        count(argument)
        return real(argument)

    patch.setattr(owner, name, counted)


# what it comes to


def two_authors() -> Trace:
    """`star` has 100 followers and `ben` one, who is the only one that reads: once after each post."""
    follows = [(f"fan{n}", "star") for n in range(100)] + [("fan0", "ben")]
    reads = [(n * 1000 + 500, "fan0") for n in range(-1, 40)]
    posts = [(n * 1000, "star" if n % 2 else "ben") for n in range(40)]
    return Trace.of(follows, posts, reads)


def test_each_thing_is_priced_once() -> None:
    trace = two_authors()

    def cost(policy: FanoutPolicy, **price: float) -> float:
        (priced,) = simulate(trace, [policy], prices=attrs.evolve(FREE, **price))
        return round(priced.cpu_s * 1e6, 3)

    assert cost(PushAll()) == 0
    assert cost(PushAll(), publish_us=1) == cost(PullAll(), publish_us=1) == 40
    assert cost(PushAll(), read_us=1) == cost(PullAll(), read_us=1) == 41
    assert cost(PushAll(), apply_us=1) == cost(PullAll(), apply_us=1) == 40
    assert cost(PushAll(), fresh_us=1) == cost(PullAll(), fresh_us=1) == 40
    assert cost(PushAll(), build_us=1) == cost(PullAll(), build_us=1) == 1
    assert cost(PushAll(), build_followee_us=1) == 2
    assert cost(PushAll(), delivery_us=1) == cost(PushAll(), seal_us=1) == 40
    assert cost(PushAll(), follower_us=1) == 20 * 1 + 20 * 100
    assert cost(PushAll(), audience_us=1) == 40
    assert cost(PushAll(), merge_us=1) == 0
    # each author's first post is pushed, and lists them
    assert cost(PullAll(), delivery_us=1) == cost(PullAll(), audience_us=1) == 2
    assert cost(PullAll(), merge_us=1) == 40 + 39
    assert cost(Hybrid(50), merge_us=1) == cost(Hybrid(50), merging_us=1) == 39
    assert cost(PullAll(), merging_us=1) == 40
    assert cost(Hybrid(50), follower_us=1) == 20 * 1 + 100
    assert cost(CostBased(), decide_us=1) == cost(PushAll(), follower_us=1)
    assert cost(CostBased(), note_us=1) == cost(PushAll(), read_us=1)
    assert cost(PushAll(), note_us=1) == 0


def test_where_few_hold_inboxes_these_are_gone_through() -> None:
    trace = two_authors()
    (priced,) = simulate(
        trace, [PushAll()], prices=attrs.evolve(FREE, holder_us=1), settings=Settings(delivery_chunk=10)
    )
    assert priced.cpu_s * 1e6 == pytest.approx(20)
    assert priced.asked == 20 + 20


def test_the_cheapest_depends_on_the_prices() -> None:
    trace = two_authors()
    dear_writes = simulate(trace, prices=attrs.evolve(FREE, follower_us=10, merge_us=15))
    dear_reads = simulate(trace, prices=attrs.evolve(FREE, follower_us=1, merge_us=1000))
    assert dear_writes.cheapest().policy == Hybrid(99), "star is pulled, ben is pushed"
    assert dear_reads.cheapest().policy == PushAll()
    assert dear_reads.cheapest(Hybrid).policy == Hybrid(100), "which pushes everybody"
    assert dear_reads.cheapest(PullAll).policy == PullAll()


def test_posts_wait_for_those_before_them() -> None:
    # given: a second of work for each post of the star, and ben right behind
    follows = [(f"fan{n}", "star") for n in range(100)] + [("fan0", "ben")]
    reads = [(0, f"fan{n}") for n in range(100)]
    posts = [(n * 10_000 + (1 if n % 2 else 0), "ben" if n % 2 else "star") for n in range(20)]
    posts = [(at_ms // 20_000 * 20_000 + at_ms % 10, author) for at_ms, author in posts]
    trace = Trace.of(follows, posts, reads)
    prices = attrs.evolve(FREE, delivery_us=10_000)

    # when
    push, hybrid = simulate(trace, [PushAll(), Hybrid(50)], prices=prices, warm_up=0.1)

    # then
    assert push.lag_p99_ms == pytest.approx(1009, abs=1)
    assert push.lag_p50_ms == pytest.approx(1004, abs=6)
    assert hybrid.lag_p50_ms <= 10
    report = simulate(trace, [PushAll(), Hybrid(50)], prices=prices)
    with pytest.raises(NotFound, match="raise max_lag_ms"):
        report.cheapest(max_lag_ms=0.001)
    assert report.cheapest(PushAll, max_lag_ms=2000).name == "push"


def test_bytes_are_those_of_entries() -> None:
    push, pull = simulate(two_authors(), [PushAll(), PullAll()])
    assert push.bytes_written == 16 * (40 + 40), "the outbox of the author, and one inbox"
    assert pull.bytes_written == 16 * (40 + 2)
    assert push.bytes_read == 16 * 40
    assert pull.bytes_read > push.bytes_read


def test_a_page_that_finds_a_delivery_undone_takes_longer() -> None:
    trace = two_authors()
    (priced,) = simulate(trace, [PushAll()], prices=attrs.evolve(FREE, read_us=10, delivery_us=1000))
    assert priced.read_p99_us == pytest.approx(1010)
    assert priced.read_cpu_s == pytest.approx(41 * 10e-6), "which is not counted twice"
    assert priced.write_cpu_s == pytest.approx(40 * 1000e-6)


def test_what_is_warmed_up_with_is_not_counted() -> None:
    whole, half = (simulate(two_authors(), [PullAll()], warm_up=share).policies[0] for share in (0, 0.5))
    assert (whole.posts, whole.reads, whole.builds) == (40, 41, 1)
    assert (half.posts, half.reads, half.builds, half.writes) == (20, 21, 0, 0)


def test_inboxes_lapse_and_are_bounded() -> None:
    follows = [("bob", "ada"), ("eve", "ada")]
    day_ms = 86_400_000
    weekly = Trace.of(follows, [(0, "ada")], [(n * 8 * day_ms, "bob") for n in range(5)])
    assert simulate(weekly, [PushAll()]).policies[0].builds == 5
    in_turn = Trace.of(
        follows,
        [(n * 2, "ada") for n in range(10)],
        [(n * 2 + 1, "bob" if n % 2 else "eve") for n in range(10)],
    )
    (priced,) = simulate(in_turn, [PushAll()], settings=Settings(inboxes_max=1))
    assert (priced.builds, priced.writes) == (10, 9)


def test_a_policy_of_the_hosts_own_is_asked_as_publish_would() -> None:
    @attrs.frozen
    class Odd:
        """Pulls whoever has an odd number of followers."""

        def route(self, author: AuthorLoad) -> Route:
            return Route.PULL if author.followers % 2 else Route.PUSH

    (priced,) = simulate(two_authors(), [Odd()])
    assert (priced.pulled_authors, priced.name) == (1, repr(Odd()))


def test_candidates_cover_everything_from_nobody_to_everybody_pulled() -> None:
    policies = candidates(two_authors())
    assert policies[0] == PushAll()
    assert policies[-1] == PullAll()
    assert [one for one in policies if isinstance(one, Hybrid)] == [Hybrid(100), Hybrid(99), Hybrid(0)]
    assert all(one.push_cost < one.pull_cost for one in policies if isinstance(one, CostBased))


def test_a_report_is_json() -> None:
    report = simulate(two_authors())
    found = json.loads(json.dumps(report.to_dict()))
    assert found["cheapest"] in {one["name"] for one in found["policies"]}
    assert found["policies"][0]["policy"] == "PushAll()"
    assert found["policies"][0]["cpu_s"] == pytest.approx(report.policies[0].cpu_s, rel=1e-4)
    assert Prices.from_dict(found["prices"]) == report.prices == Prices()


# traces


def test_a_trace_that_was_made_up_looks_like_people() -> None:
    # given
    follows = community(5, people=300)

    # when
    trace = Trace.made_up(follows, posts=2000, reads_per_post=20, days=2, seed=1)

    # then
    assert (trace.posts, trace.reads) == (2000, 40_000)
    assert 0 <= trace.at_ms.min() <= trace.at_ms.max() < 2 * 86_400_000
    assert (np.diff(trace.at_ms) >= 0).all()
    by_author = np.sort(np.bincount(trace.who[trace.is_post], minlength=trace.people))[::-1]
    assert by_author[0] == pytest.approx(2000 / 6.3, rel=0.2), "one over the harmonic number of 300"
    assert by_author[0] > 5 * by_author[9] > 0
    readers = set(trace.who[~trace.is_post].tolist())
    assert readers <= {trace.keys.index(one) for one, _ in follows}
    again = Trace.made_up(follows, posts=2000, reads_per_post=20, days=2, seed=1)
    other = Trace.made_up(follows, posts=2000, reads_per_post=20, days=2, seed=2)
    assert (trace.who == again.who).all()
    assert not (trace.who == other.who).all()


def test_a_trace_falls_into_halves() -> None:
    trace = two_authors()
    first, second = trace.halves()
    assert first.posts + second.posts == 40
    assert first.at_ms[-1] <= second.at_ms[0]
    assert first.people == second.people == trace.people


def test_events_come_in_any_order_and_follows_count_once() -> None:
    trace = Trace.of([("b", "a"), ("b", "a"), ("c", "a")], [(9, "a"), (1, "a")], [(5, "b")])
    assert trace.audiences.tolist() == [0, 2, 0]
    assert trace.at_ms.tolist() == [1, 5, 9]
    assert trace.is_post.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"follows": [("a",)]}, r"follows\[0\] must be \(follower, followee\)"),
        ({"follows": [("a", "b"), ([], "b")]}, r"follows\[1\]"),
        ({"posts": [("now", "a")]}, r"posts\[0\] must be \(milliseconds, person\)"),
        ({"reads": [(0, "a"), 7]}, r"reads\[1\]"),
        ({"posts": [], "reads": []}, "nothing to replay"),
    ],
)
def test_a_trace_of_something_else_is_refused(changes: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"follows": [("b", "a")], "posts": [(0, "a")], "reads": [(1, "b")]} | changes
    with pytest.raises(InvalidArgument, match=message) as refused:
        Trace.of(**given)
    assert refused.value.argument in given


def test_nobody_to_read_and_nothing_to_try_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="follows must not be empty"):
        Trace.made_up([], posts=1)
    with pytest.raises(InvalidArgument, match="policies must hold at least one"):
        simulate(two_authors(), [])
    for share in (-0.1, 1):
        with pytest.raises(InvalidArgument, match="warm_up must be"):
            simulate(two_authors(), warm_up=share)


@pytest.mark.parametrize("name", ["posts", "reads_per_post", "days", "skew"])
@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), "1", None])
def test_a_trace_is_made_up_by_numbers(name: str, wrong: Any) -> None:
    with pytest.raises(InvalidArgument, match=f"{name} must be a number, [01] or more") as refused:
        Trace.made_up([("b", "a")], **{"posts": 1, name: wrong})
    assert refused.value.argument == name


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), "1", None, True])
def test_a_price_that_is_no_number_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidArgument, match="merge_us must be a number of microseconds"):
        Prices(merge_us=wrong)
    with pytest.raises(InvalidArgument, match="merge_us"):
        Prices.from_dict({"merge_us": wrong})


@pytest.mark.parametrize("wrong", [None, [], {"merge_ms": 1}])
def test_prices_that_are_none_are_refused(wrong: Any) -> None:
    with pytest.raises(InvalidArgument, match="prices must be an object"):
        Prices.from_dict(wrong)


# calibration


def test_prices_are_measured_here() -> None:
    prices = feedkit.calibrate()
    assert all(0 <= price < 1e6 for price in prices.to_dict().values())
    assert prices.read_us > prices.merge_us > 0
    assert prices.publish_us > prices.follower_us > 0
    assert prices.build_us + prices.build_followee_us > 0
