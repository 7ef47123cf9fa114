"""How long home pages take while another process delivers to the same Redis as fast as it can.

The servers are real: a PostgreSQL and a Redis. Ten viewers with full inboxes read in this process, in turn. In
another an author posts whom a crowd follows, and delivers each post to the inboxes of all of them, one post after the
other without a pause. Half of the viewers follow that author too. Each round reads for a while in peace and then for
a while under fire, with a PING over redis-py's own connection after each read.

Pages are verified: whoever does not follow that author gets the very page they had before, the others begin with that
author's newest posts, in order; and no page may have been made from truth.

    p99_ratio        p99 of a page under fire / p99 in peace, of the same round; median of the rounds
    ping_p99_ratio   the same of a PING, which is what the machine and Redis have to do with it
    fire_per_s       entries delivered per second meanwhile
    peace_*, fire_*  microseconds of a page

Two processes, PostgreSQL and Redis want four cores for themselves: with fewer, a page also waits for a core.

    python benchmarks/under_fire.py --quick --json
"""

import gc
import multiprocessing
import random
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import redis

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from anywhere

from benchmarks._common import (
    Report,
    emit,
    figures,
    machine,
    options,
    percentile,
    rounded,
    timed,
)
from benchmarks._home_world import PAGE, QUICK, SMOKE, Sizes, Stage, populate
from benchmarks._planting import planting
from benchmarks._servers import database_and_redis
from benchmarks.fanout import Packed
from feedkit import Feed, PushAll, Settings, connect

STAR = "star"
HELD = 50  # entries in each inbox of the crowd
WARM_S = 0.3


@attrs.frozen
class Fire:
    """How many follow the author who posts, and how many pages are read in each half of a round."""

    crowd: int
    reads: int
    world: Sizes


FULL_FIRE = Fire(200_000, 5000, QUICK)
QUICK_FIRE = Fire(
    50_000, 1500, attrs.evolve(QUICK, planted=20_000, authors=3000, published=300, engaged=3000)
)
SMOKE_FIRE = Fire(300, 30, SMOKE)


def main() -> None:
    args = options(__doc__, rounds=5).parse_args()
    fire = SMOKE_FIRE if args.smoke else QUICK_FIRE if args.quick else FULL_FIRE
    report: Report = {"benchmark": "under_fire", "quick": args.quick, "rounds": args.rounds}
    with ExitStack() as stack:
        report |= rounded(measure(stack, fire, args.rounds))
    report["machine"] = machine()
    emit(report, table(report), as_json=args.json)


def measure(stack: ExitStack, fire: Fire, rounds: int) -> Report:
    database, url = database_and_redis(stack)
    client = stack.enter_context(redis.Redis.from_url(url))
    stage = populate(opened(stack, database, url), database, fire.world, random.Random(7))
    gather_crowd(stage, fire.crowd)
    times: dict[str, list[list[float]]] = {name: [] for name in ("peace", "fire", "peace_ping", "fire_ping")}
    per_s = []
    for viewer in [*stage.world.viewers] * 4:
        stage.feed.home(viewer)
    reader = Reader(stage)
    with burning(database, url) as burn:
        for _ in range(rounds):
            pages, pings = reader.read(client, fire.reads)
            times["peace"].append(pages)
            times["peace_ping"].append(pings)
            burn.start()
            time.sleep(WARM_S)
            pages, pings = reader.read(client, fire.reads)
            per_s.append(burn.stop() * fire.crowd)
            times["fire"].append(pages)
            times["fire_ping"].append(pings)
            stage.feed.drain()
    return {
        "crowd": fire.crowd,
        "reads_per_round": fire.reads,
        "fire_per_s": statistics.median(per_s),
        **figures(times, list(times)),
        "p99_ratio": growth(times["fire"], times["peace"], 0.99),
        "p50_ratio": growth(times["fire"], times["peace"], 0.5),
        "ping_p99_ratio": growth(times["fire_ping"], times["peace_ping"], 0.99),
        "p99_ratio_of_rounds": [
            percentile(a, 0.99) / percentile(b, 0.99)
            for a, b in zip(times["fire"], times["peace"], strict=True)
        ],
    }


def opened(stack: ExitStack, database: str, url: str) -> Feed[str]:
    feed: Feed[str] = connect(database, redis=url, policy=PushAll(), settings=Settings())
    return stack.enter_context(feed)


def gather_crowd(stage: Stage, crowd: int) -> None:
    """Followers who all hold inboxes, and every other viewer."""
    now_ms = int(time.time() * 1000) - 2 * 10**9
    names = [f"fan{nth}" for nth in range(crowd)]
    with planting(stage.target) as planter:
        ids = planter.users([STAR, *names], now_ms)
        planter.follows([(ids[name], ids[STAR]) for name in names], now_ms, told=False)
    runtime = stage.feed.runtime()
    assert runtime._place is not None
    Packed(runtime._place()).plant(np.array([ids[name] for name in names], dtype=np.int64), HELD)
    for viewer in stage.world.viewers[::2]:
        stage.feed.follow(viewer, STAR)
        stage.world.follows[viewer].add(STAR)
    stage.feed.drain()


class Reader:
    """Reads and verifies pages, the viewers in turn."""

    def __init__(self, stage: Stage) -> None:
        self._feed, self._world = stage.feed, stage.world
        self._turns = cycle(stage.world.viewers)
        self._quiet = {
            viewer: list(islice(stage.world.feed_of(viewer), PAGE)) for viewer in stage.world.viewers
        }

    def read(self, client: Any, count: int) -> tuple[list[float], list[float]]:
        """The microseconds of so many pages, and of a PING after each."""
        pages: list[float] = []
        pings: list[float] = []
        gc.collect()
        for viewer in islice(self._turns, count):
            page = timed(pages, lambda: self._feed.home(viewer, limit=PAGE))  # noqa: B023 - called at once
            timed(pings, client.ping)
            self._verify(viewer, page)
        return pages, pings

    def _verify(self, viewer: str, page: Any) -> None:
        assert not page.degraded, "a page was made from truth"
        ids = [item.post.id for item in page]
        fresh = [item.post.id for item in page if item.author.key == STAR]
        assert not fresh or STAR in self._world.follows[viewer]
        if ids != sorted(fresh, reverse=True) + self._quiet[viewer][: PAGE - len(fresh)]:
            sys.exit(f"{viewer} was served {ids}, after {self._quiet[viewer]}")


# The other process


class Burning:
    """Tells the other process when to deliver."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe

    def start(self) -> None:
        self._pipe.send("burn")

    def stop(self) -> float:
        """How many posts per second it delivered."""
        self._pipe.send("rest")
        rate: float = self._pipe.recv()
        return rate


@contextmanager
def burning(database: str, url: str) -> Iterator[Burning]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=burn, args=(database, url, theirs))
    process.start()
    assert ours.recv() == "ready"
    try:
        yield Burning(ours)
    finally:
        ours.send("end")
        process.join()


def burn(database: str, url: str, pipe: Any) -> None:
    """Post and deliver while told to."""
    with ExitStack() as stack:
        feed = opened(stack, database, url)
        feed.drain()
        pipe.send("ready")
        while pipe.recv() == "burn":
            started, posts = time.monotonic(), 0
            while not pipe.poll():
                feed.publish(STAR, text="again")
                feed.drain()
                posts += 1
            assert pipe.recv() == "rest"
            pipe.send(posts / (time.monotonic() - started))


# The figures


def growth(slower: list[list[float]], quicker: list[list[float]], share: float) -> float:
    """That percentile over the other, round by round, and of these the median."""
    pairs = zip(slower, quicker, strict=True)
    return statistics.median(percentile(a, share) / percentile(b, share) for a, b in pairs)


def table(report: Report) -> dict[str, str]:
    def line(name: str) -> str:
        return f"p50 {report[f'{name}_p50_us']:>8,.0f} us   p99 {report[f'{name}_p99_us']:>8,.0f} us"

    return {
        "a page in peace": line("peace"),
        "a page under fire": f"{line('fire')}   p99 {report['p99_ratio']} x",
        "a PING in peace": line("peace_ping"),
        "a PING under fire": f"{line('fire_ping')}   p99 {report['ping_p99_ratio']} x",
        "delivered meanwhile": f"{report['fire_per_s']:,.0f} entries/s, to {report['crowd']:,} inboxes each post",
    }


if __name__ == "__main__":
    main()
