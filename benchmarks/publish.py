"""Whether publishing stays as quick for an author whom 100,000 follow, and how fast posts are delivered.

The feed is one SQLite file (WAL, `synchronous` NORMAL), delivering inline, and every post is pushed. Three
authors have 10, 1,000 and 100,000 followers (without --quick a fourth has 1,000,000), 1,000 of whom hold an
inbox in memory; the 10 are among these. Followers and their events are planted by SQL (`_planting.py`), the
log is drained, and the counts that it came to are verified.

Publishing. In each round the authors publish in random order, one post each, again and again, so that what
else the machine does falls on all alike. One commit in some hundreds crosses the length at which SQLite copies
its log back into the database, and pays for that: so few that the p99 of an author stands or falls with the
one or two that chance has dealt them. In the rounds behind `publish_*` and `p99_growth` the benchmark
therefore copies the log itself, between the posts and outside the measured time. The rounds behind
`as_it_comes_*` leave it to whoever is struck, as a host would.

`p99_growth` is the p99 of the author with the most followers over that of the author with 10, both over the
posts of all rounds together: in a single round a p99 rests on a handful of posts, and ratios of such are
too far apart for their median to say much (`p99_growth_of_rounds`).

Delivery is not part of it: nobody reads meanwhile. It is measured by itself, author by author: some posts,
and then the time that `drain` takes to bring them to the inboxes that are held, looking up followers and
bringing counts up to date included.

    deliver_per_s       entries per second, for the author all of whose 1,000 followers hold inboxes
    drain_ms   milliseconds per post, per author

Afterwards the pages of some followers are compared with what was published, and the inboxes with truth.

    python benchmarks/publish.py --quick --json
"""

import gc
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import attrs

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from anywhere

from benchmarks._common import Report, emit, machine, options, percentile, rounded, timed
from benchmarks._planting import planting
from feedkit import Feed, PushAll, connect

SHOWN = 20
TURNS_BETWEEN_CHECKPOINTS = 100

Times = dict[int, list[float]]
"""Microseconds by the author's number of followers."""


@attrs.frozen
class Sizes:
    """How many follow, how many of them hold inboxes, and how much is published in a round."""

    audiences: tuple[int, ...]
    resident: int
    posts: int
    drained: int


FULL = Sizes((10, 1000, 100_000, 1_000_000), 1000, 4000, 20)
QUICK = Sizes((10, 1000, 100_000), 1000, 1000, 4)
SMOKE = Sizes((10, 50, 500), 50, 20, 4)


class Crowd:
    """Authors by the number of their followers, and what each has published."""

    def __init__(self, feed: Feed[str], sizes: Sizes) -> None:
        self.feed, self.sizes = feed, sizes
        self.authors = {audience: f"author{audience}" for audience in sizes.audiences}
        self.published: dict[int, list[int]] = {audience: [] for audience in sizes.audiences}

    def publish(self, audience: int, times: list[float]) -> None:
        author = self.authors[audience]
        post = timed(times, lambda: self.feed.publish(author, text="what a long day it has been " * 4))
        self.published[audience].append(post.id)

    def expected(self, nth: int) -> list[int]:
        """The first page of follower number `nth`, who follows every author with more followers than that."""
        followed = [ids for audience, ids in self.published.items() if audience > nth]
        return sorted((post_id for ids in followed for post_id in ids), reverse=True)[:SHOWN]


def main() -> None:
    args = options(__doc__, rounds=5).parse_args()
    sizes = SMOKE if args.smoke else QUICK if args.quick else FULL
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        report: Report = {"benchmark": "publish", "quick": args.quick, "rounds": args.rounds}
        report |= measure(stack, folder / "publish.db", sizes, args.rounds)
    report["machine"] = machine()
    emit(report, table(report), as_json=args.json)


def measure(stack: ExitStack, path: Path, sizes: Sizes, rounds: int) -> Report:
    started = time.perf_counter()
    crowd = gathered(stack, path, sizes)
    setup_s = time.perf_counter() - started
    log = stack.enter_context(closing(sqlite3.connect(path)))
    rng = random.Random(7)
    apart = [one_round(crowd, sizes.posts, rng, log) for _ in range(rounds)]
    as_it_comes = [one_round(crowd, sizes.posts // 2, rng, None) for _ in range(rounds)]
    delivered = delivering(crowd, rounds)
    verify(crowd)
    return rounded(
        {"setup_s": setup_s, "resident_inboxes": sizes.resident, "posts_per_round": sizes.posts}
    ) | {
        "audiences": list(sizes.audiences),
        **publishing(apart, sizes.audiences),
        **as_a_host_has_it(as_it_comes, sizes.audiences),
        **delivered,
    }


def gathered(stack: ExitStack, path: Path, sizes: Sizes) -> Crowd:
    """Authors, their followers with true counts, and the inboxes of those who read."""
    feed: Feed[str] = stack.enter_context(connect(f"sqlite:///{path}", policy=PushAll()))
    feed.migrate()
    crowd = Crowd(feed, sizes)
    followers = [follower(nth) for nth in range(max(sizes.audiences))]
    now_ms = int(time.time() * 1000) - 2 * 10**9
    with planting(path) as planter:
        ids = planter.users([*crowd.authors.values(), *followers], now_ms)
        for audience, author in crowd.authors.items():
            planter.follows([(ids[one], ids[author]) for one in followers[:audience]], now_ms)
    feed.drain()
    for audience, author in crowd.authors.items():
        counted = feed.profile(None, author).counts.followers
        assert counted == audience, f"{author} has {counted} followers"
        crowd.publish(audience, [])
    for one in followers[: sizes.resident]:
        feed.home(one)
    return crowd


def follower(nth: int) -> str:
    return f"reader{nth}"


def one_round(crowd: Crowd, posts: int, rng: random.Random, log: sqlite3.Connection | None) -> Times:
    """Publish so many posts each; all is delivered afterwards. With `log`, keep that short in between."""
    times: Times = {audience: [] for audience in crowd.authors}
    order = list(crowd.authors)
    gc.collect()
    for turn in range(posts):
        if log and turn % TURNS_BETWEEN_CHECKPOINTS == 0:
            log.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        rng.shuffle(order)
        for audience in order:
            crowd.publish(audience, times[audience])
    crowd.feed.drain()
    return times


def drains(crowd: Crowd, audience: int, posts: int, times: int) -> list[float]:
    """The seconds that it takes to deliver so many posts of an author at once, some times over."""
    seconds = []
    for _ in range(times):
        for _ in range(posts):
            crowd.publish(audience, [])
        result = crowd.feed.drain()
        assert result.deliveries == min(audience, crowd.sizes.resident) * posts, result
        seconds.append(result.seconds)
    return seconds


def verify(crowd: Crowd) -> None:
    """Followers with and without an inbox see what they should, and no inbox lacks anything."""
    for nth in {0, *(edge for audience in crowd.sizes.audiences for edge in (audience - 1, audience // 2))}:
        served = [item.post.id for item in crowd.feed.home(follower(nth), limit=SHOWN)]
        assert served == crowd.expected(nth), f"follower {nth} was served {served}"
    report = crowd.feed.check(sample=100)
    assert report.ok, report


# The figures


def publishing(rounds: list[Times], audiences: tuple[int, ...]) -> Report:
    pooled = together(rounds, audiences)
    return {
        "publish_p50_us": of_each(pooled, 0.5),
        "publish_p99_us": of_each(pooled, 0.99),
        "p50_growth": growth(pooled, 0.5),
        "p99_growth": growth(pooled, 0.99),
        "p99_growth_of_rounds": [growth(times, 0.99) for times in rounds],
    }


def as_a_host_has_it(rounds: list[Times], audiences: tuple[int, ...]) -> Report:
    pooled = together(rounds, audiences)
    return {"as_it_comes_p50_us": of_each(pooled, 0.5), "as_it_comes_p99_us": of_each(pooled, 0.99)}


def together(rounds: list[Times], audiences: tuple[int, ...]) -> Times:
    return {audience: [one for times in rounds for one in times[audience]] for audience in audiences}


def of_each(times: Times, share: float) -> dict[str, float]:
    return {str(audience): round(percentile(values, share), 1) for audience, values in times.items()}


def growth(times: Times, share: float) -> float:
    """The percentile of the author with the most followers over that of the one with the fewest."""
    return round(percentile(times[max(times)], share) / percentile(times[min(times)], share), 3)


def delivering(crowd: Crowd, rounds: int) -> Report:
    sizes = crowd.sizes
    singly: dict[int, list[float]] = {audience: [] for audience in sizes.audiences}
    at_once: list[float] = []
    for _ in range(rounds):
        for audience, seconds in singly.items():
            seconds.extend(drains(crowd, audience, 1, sizes.drained))
        at_once += drains(crowd, sizes.resident, sizes.drained, 1)
    return {
        "deliver_per_s": round(sizes.resident / statistics.median(singly[sizes.resident])),
        "deliver_batch_per_s": round(sizes.resident * sizes.drained / statistics.median(at_once)),
        "drain_ms": {
            str(one): round(statistics.median(seconds) * 1000, 3) for one, seconds in singly.items()
        },
    }


def table(report: Report) -> dict[str, str]:
    rows = {}
    for audience in map(str, report["audiences"]):
        rows[f"{int(audience):,} followers"] = (
            f"publish p50 {report['publish_p50_us'][audience]:>7,.0f} us   "
            f"p99 {report['publish_p99_us'][audience]:>7,.0f} us   "
            f"delivery {report['drain_ms'][audience]:>8,.2f} ms"
        )
    rows["growth of p99"] = f"{report['p99_growth']:.2f} x"
    rows["deliveries"] = (
        f"{report['deliver_per_s']:,} entries/s to {report['resident_inboxes']:,} inboxes, "
        f"{report['deliver_batch_per_s']:,} when posts have piled up"
    )
    return rows


if __name__ == "__main__":
    main()
