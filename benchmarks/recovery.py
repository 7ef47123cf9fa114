"""How long a Redis takes to come back that was emptied: FLUSHALL under readers, over a real PostgreSQL and Redis.

Each reader follows 200 of 2,000 authors and has an inbox of 800 entries. All have read; then everything in Redis goes.
Their next page is built from truth, and so is the inbox behind it. Every page is compared with the one before.

    first_page_ms    from FLUSHALL to the first whole page
    all_pages_s      from FLUSHALL until every reader has had a page, one after the other
    rebuilt_per_s    pages and inboxes per second meanwhile
    page_p50_us, page_p99_us      a page that builds its inbox
    warm_p50_us      the same page before
    second_p50_us    the page after it: as before
    usual_s          the usual way, for as many: the same rows by SQL, and ZADD by redis-py
    ratio            all_pages_s / usual_s of the same round; median. What feedkit does besides: it hydrates, checks
                     and counts a page for each reader

    python benchmarks/recovery.py --quick --json
"""

import random
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import redis

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from anywhere

from benchmarks._common import Report, emit, figures, machine, options, rounded, stopwatch, timed
from benchmarks._planting import Planted, connected, planting
from benchmarks._servers import database_and_redis
from feedkit import Audience, Feed, PushAll, connect

PAGE = 20
ENTRIES = 800

SQL = """
SELECT position FROM feedkit_posts
WHERE author_id = ANY(SELECT id2 FROM feedkit_associations WHERE id1 = %s AND kind = 'follows')
  AND status = 'published' AND deleted_at IS NULL
ORDER BY position DESC LIMIT 800
"""


@attrs.frozen
class Sizes:
    readers: int
    authors: int
    followees: int
    posts: int


FULL = Sizes(2000, 2000, 200, 40_000)
QUICK = Sizes(200, 2000, 200, 20_000)
SMOKE = Sizes(5, 100, 20, 500)


def main() -> None:
    args = options(__doc__, rounds=3).parse_args()
    sizes = SMOKE if args.smoke else QUICK if args.quick else FULL
    report: Report = {"benchmark": "recovery", "quick": args.quick, "rounds": args.rounds}
    with ExitStack() as stack:
        report |= rounded(measure(stack, sizes, args.rounds))
    report["machine"] = machine()
    emit(report, table(report), as_json=args.json)


def measure(stack: ExitStack, sizes: Sizes, rounds: int) -> Report:
    database, url = database_and_redis(stack)
    client: Any = stack.enter_context(redis.Redis.from_url(url))
    feed: Feed[str] = stack.enter_context(connect(database, redis=url, policy=PushAll()))
    feed.migrate()
    readers = plant(database, sizes)
    feed.drain()
    whole = {name: read(feed, name, []) for name in readers}
    times: dict[str, list[list[float]]] = {"page": [], "warm": [], "second": []}
    first_ms: list[float] = []
    all_s: list[float] = []
    usual_s: list[float] = []
    for _ in range(rounds):
        for of_kind in times.values():
            of_kind.append([])
        for name in readers:
            read(feed, name, times["warm"][-1])
        seconds: list[float] = []
        with stopwatch(seconds):
            client.flushall()
            started = time.perf_counter()
            for nth, name in enumerate(readers):
                assert read(feed, name, times["page"][-1]) == whole[name]
                if nth == 0:
                    first_ms.append((time.perf_counter() - started) * 1000)
        for name in readers:
            assert read(feed, name, times["second"][-1]) == whole[name]
        assert len(feed.runtime().stores.inboxes.owners()) == len(readers)
        with stopwatch(seconds):
            rebuild_as_usual(stack, database, client, list(readers.values()))
        all_s.append(seconds[0])
        usual_s.append(seconds[1])
    assert feed.check(sample=100).ok
    return {
        "readers": sizes.readers,
        "followees": sizes.followees,
        "entries": min(ENTRIES, len(feed.runtime().stores.inboxes.read(min(readers.values())).entries)),  # type: ignore[union-attr]
        "first_page_ms": statistics.median(first_ms),
        "all_pages_s": statistics.median(all_s),
        "rebuilt_per_s": sizes.readers / statistics.median(all_s),
        **figures(times, list(times)),
        "usual_s": statistics.median(usual_s),
        "ratio": statistics.median(ours / theirs for ours, theirs in zip(all_s, usual_s, strict=True)),
    }


def plant(database: str, sizes: Sizes) -> dict[str, int]:
    """Readers by name, with their ids, whom they follow, and what these posted."""
    rng, now_ms = random.Random(7), int(time.time() * 1000) - 60_000
    readers = [f"reader{nth}" for nth in range(sizes.readers)]
    authors = [f"author{nth}" for nth in range(sizes.authors)]
    with planting(database) as planter:
        ids = planter.users([*readers, *authors], now_ms - 10**10)
        pairs = [
            (ids[reader], ids[author])
            for reader in readers
            for author in rng.sample(authors, sizes.followees)
        ]
        planter.follows(pairs, now_ms - 10**9, told=False)
        planter.posts(
            [
                Planted(
                    ids[rng.choice(authors)],
                    f"the {nth}th",
                    Audience.PUBLIC,
                    now_ms - 1000 * (sizes.posts - nth),
                )
                for nth in range(sizes.posts)
            ],
            told=False,
        )
    return {name: ids[name] for name in readers}


def read(feed: Feed[str], name: str, into: list[float]) -> list[int]:
    page = timed(into, lambda: feed.home(name, limit=PAGE))
    assert len(page.items) == PAGE
    return [item.post.id for item in page]


def rebuild_as_usual(stack: ExitStack, database: str, client: Any, readers: list[int]) -> None:
    """A sorted set for each reader."""
    connection = stack.enter_context(connected(database))
    for reader in readers:
        rows = connection.execute(SQL, (reader,)).fetchall()
        client.zadd(f"usual:{reader}", {str(position): position for (position,) in rows})


def table(report: Report) -> dict[str, str]:
    return {
        "readers": f"{report['readers']:,} who follow {report['followees']}, inboxes of {report['entries']}",
        "first page": f"{report['first_page_ms']:,.1f} ms after FLUSHALL",
        "all pages": f"{report['all_pages_s']:,.2f} s, {report['rebuilt_per_s']:,.0f} a second",
        "a page that builds": f"p50 {report['page_p50_us']:>8,.0f} us   p99 {report['page_p99_us']:>8,.0f} us",
        "the page before": f"p50 {report['warm_p50_us']:>8,.0f} us   p99 {report['warm_p99_us']:>8,.0f} us",
        "the page after": f"p50 {report['second_p50_us']:>8,.0f} us   p99 {report['second_p99_us']:>8,.0f} us",
        "SQL and ZADD": f"{report['usual_s']:,.2f} s, without pages; {report['ratio']} x",
    }


if __name__ == "__main__":
    main()
