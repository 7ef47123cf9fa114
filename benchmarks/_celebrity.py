"""Ordinary posts while an author posts whom everybody follows: the part of `policies.py` that is made up.

Of all accounts a tenth hold inboxes. Ordinary authors post at a steady pace, the celebrity now and then, and
one worker delivers in the order of the log. What is measured is how long after the moment when it was to be
published an ordinary post stands where its readers find it, under push and under the hybrid that `simulate`
chooses: the cheapest of those that promise 99 of 100 posts within `MAX_LAG_MS`.
"""

import random
import sqlite3
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from benchmarks._common import Report, percentile
from benchmarks._planting import copied, planting
from feedkit import FanoutPolicy, Feed, Hybrid, PushAll, Settings, connect
from feedkit.fanout.simulate import Prices, Trace, candidates, simulate
from feedkit.model import Event
from feedkit.storage.entries import EMPTY

MAX_LAG_MS = 20.0
AUTHORS, EACH = 100, 50
"""Ordinary authors, and followers of each, who all hold inboxes."""
PER_SECOND = 40.0


@attrs.frozen
class Sizes:
    """How many accounts, over how many seconds for each policy and round, and how often the celebrity posts."""

    accounts: int
    seconds: float
    celebrity_every_s: float
    rounds: int

    @property
    def holders(self) -> int:
        return self.accounts // 10


FULL = Sizes(1_000_000, 20, 1.0, 5)
QUICK = Sizes(1_000_000, 5, 1.0, 3)
SMOKE = Sizes(2_000, 0.5, 0.2, 1)


def measure(stack: ExitStack, folder: Path, sizes: Sizes, prices: Prices) -> Report:
    """The report of this part."""
    rng = random.Random(11)
    readers = [f"reader{nth}" for nth in range(sizes.accounts)]
    audiences = {f"author{nth}": rng.sample(readers[: sizes.holders], EACH) for nth in range(AUTHORS)}
    policy, lags = chosen(readers, audiences, sizes, prices)
    planted = plant(folder / "celebrity.db", readers, audiences)
    stages = {
        name: Stage(stack, copied(planted, folder / f"celebrity_{name}.db"), one, readers[: sizes.holders])
        for name, one in (("push", PushAll()), ("hybrid", policy))
    }
    rounds: dict[str, list[float]] = {name: [] for name in stages}
    for stage in stages.values():
        stage.warm_up()
    for nth in range(sizes.rounds):
        for name, stage in stages.items():
            rounds[name].append(percentile(stage.live(sizes, seed=nth), 0.99))
    ratios = [push / hybrid for push, hybrid in zip(rounds["push"], rounds["hybrid"], strict=True)]
    return {
        "accounts": sizes.accounts,
        "inboxes": sizes.holders,
        "pull_above": policy.pull_above,
        "lag_ratio": statistics.median(ratios),
        "lag_ratio_of_rounds": ratios,
        **{f"{name}_lag_p99_ms": statistics.median(values) for name, values in rounds.items()},
        **{f"{name}_lag_p99_ms_simulated": lag for name, lag in lags.items()},
    }


def chosen(
    readers: Sequence[str], audiences: dict[str, list[str]], sizes: Sizes, prices: Prices
) -> tuple[Hybrid, dict[str, float]]:
    """The thresholds that `simulate` finds on half of a trace of the same kind, and what lag it expects."""
    follows = [(one, "celebrity") for one in readers]
    follows += [(one, author) for author, those in audiences.items() for one in those]
    rng = random.Random(12)
    holders = readers[: sizes.holders]
    every_ms, posts = 1000 / PER_SECOND, 80
    spread = int(PER_SECOND * sizes.celebrity_every_s)
    written = [
        (int(nth * every_ms), "celebrity" if nth % spread == 0 else f"author{nth % AUTHORS}")
        for nth in range(posts)
    ]
    # A minute before: everybody looks, and the celebrity posts, which puts them on the list if they are to be on it.
    before = [(-60_000, one) for one in holders] + [(-58_000, holders[0])]
    written.append((-59_000, "celebrity"))
    reads = before + [(rng.randrange(int(posts * every_ms)), rng.choice(holders)) for _ in range(100 * posts)]
    trace = Trace.of(follows, written, reads)
    settings = Settings(inboxes_max=sizes.holders)
    tried: list[FanoutPolicy] = [PushAll(), *(one for one in candidates(trace) if isinstance(one, Hybrid))]
    share = (len(before) + 1) / len(trace.at_ms)
    report = simulate(trace, tried, prices=prices, settings=settings, warm_up=share)
    best = report.cheapest(Hybrid, max_lag_ms=MAX_LAG_MS)
    assert isinstance(best.policy, Hybrid)
    return best.policy, {"push": report.cheapest(PushAll).lag_p99_ms, "hybrid": best.lag_p99_ms}


def plant(path: Path, readers: Sequence[str], audiences: dict[str, list[str]]) -> Path:
    """Everybody and their follows, as if the log had been drained and pruned long ago."""
    with connect(f"sqlite:///{path}") as feed:
        feed.migrate()
    at_ms = int(time.time() * 1000) - 4 * 10**9
    with planting(path) as planter:
        ids = planter.users(["celebrity", *audiences, *readers], at_ms)
        pairs = [(ids[one], ids["celebrity"]) for one in readers]
        pairs += [(ids[one], ids[author]) for author, those in audiences.items() for one in those]
        planter.follows(pairs, at_ms, told=False)
        planter.counts(ids["celebrity"], "followers", len(readers))
        for author, those in audiences.items():
            planter.counts(ids[author], "followers", len(those))
    return path


class Stage:
    """One feed with its own worker thread, whose holders have inboxes, empty as the history is."""

    def __init__(self, stack: ExitStack, path: Path, policy: FanoutPolicy, holders: Sequence[str]) -> None:
        settings = Settings(inboxes_max=len(holders), poll_interval_ms=1, sqlite_synchronous="OFF")
        self.feed: Feed[str] = stack.enter_context(
            connect(f"sqlite:///{path}", policy=policy, settings=settings, deliver="thread")
        )
        runtime: Any = self.feed.runtime()
        with closing(sqlite3.connect(path)) as raw:
            keys = dict(raw.execute("SELECT key, id FROM feedkit_users"))
        for one in holders:
            reader_id = keys[one.encode()]
            token = runtime.stores.inboxes.begin(reader_id)
            runtime.stores.inboxes.install(reader_id, token, EMPTY, 0)
        self._reader = holders[0]
        self._visible: dict[int, float] = {}
        self._watch(runtime.fanout.delivery)

    def _watch(self, delivery: Any) -> None:
        """Note when a post has been delivered to all."""
        apply = delivery.apply

        def applied(events: Sequence[Event]) -> None:
            apply(events)
            now = time.perf_counter()
            self._visible.update((event.position, now) for event in events if event.position)

        delivery.apply = applied

    def warm_up(self) -> None:
        """The celebrity's first posts, by which they come on the list of those who are pulled."""
        for _ in range(3):
            self.feed.publish("celebrity", text="hello everybody")
            self.feed.drain()

    def live(self, sizes: Sizes, seed: int) -> list[float]:
        """Milliseconds until each ordinary post was visible."""
        rng = random.Random(seed)
        due = self._due(sizes, rng)
        began = time.perf_counter()
        published = []
        for at_s, author in due:
            time.sleep(max(0.0, began + at_s - time.perf_counter()))
            post = self.feed.publish(author, text="what a long day it has been")
            published.append((author, began + at_s, post.position))
        deadline = time.perf_counter() + 60
        while published[-1][2] not in self._visible and time.perf_counter() < deadline:
            time.sleep(0.01)
        shown = {item.post.position for item in self.feed.home(self._reader, limit=100)}
        celebrity = [position for author, _, position in published if author == "celebrity"]
        assert set(celebrity[-5:]) <= shown, "whoever follows the celebrity sees them, whichever way"
        return [
            (self._visible[position] - at) * 1000
            for author, at, position in published
            if author != "celebrity"
        ]

    @staticmethod
    def _due(sizes: Sizes, rng: random.Random) -> list[tuple[float, str]]:
        """(second, author) in order: ordinary posts at random moments, the celebrity's on the beat."""
        ordinary = [
            (rng.random() * sizes.seconds, f"author{rng.randrange(AUTHORS)}")
            for _ in range(int(PER_SECOND * sizes.seconds))
        ]
        beats = np.arange(0, sizes.seconds, sizes.celebrity_every_s).tolist()
        return sorted([*ordinary, *((beat, "celebrity") for beat in beats)])


def said(report: Report) -> str:
    """The report in a line."""
    return (
        f"p99 until ordinary posts are visible: push {report['push_lag_p99_ms']:,.0f} ms, "
        f"hybrid above {report['pull_above']:,} {report['hybrid_lag_p99_ms']:,.1f} ms: "
        f"{report['lag_ratio']:,.0f} times as long"
    )
