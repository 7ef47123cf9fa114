"""How many events a second go over a bus on one Redis, and how long one takes from its commit to its handler.

Events are follows, planted into the log of a SQLite file; the Redis is one that the benchmark starts, on the same
machine. The handler does nothing.

    fill_per_s      events a second from the log to the bus, by one relay, `log_batch` at a time
    consume_per_s   events a second from the bus to a handler, by one worker, `bus_batch` at a time, acknowledged
    redis_py_per_s  the same events read and acknowledged with redis-py alone: XREADGROUP of 500, XACK
    one_p50_us      a post that is published, handed over and handled, one at a time, publishing left out
    bytes_per_event memory of Redis per event held

Every event that the group is handed is counted.

    python benchmarks/bus.py --quick --json
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from anywhere

from benchmarks._common import Report, emit, machine, options, percentile, rounded
from feedkit import Feed, connect
from feedkit.model import Event, EventKind
from feedkit.storage.base import Tx
from tests.redis_servers import run_redis

FULL, QUICK, SMOKE = 200_000, 50_000, 500
AUTHORS = 5000
SINGLES = 300


def main() -> None:
    args = options(__doc__, rounds=5).parse_args()
    events = SMOKE if args.smoke else QUICK if args.quick else FULL
    report: Report = {"benchmark": "bus", "quick": args.quick, "rounds": args.rounds, "events": events}
    rounds = [one_round(events) for _ in range(args.rounds)]
    report |= {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    report["ratio"] = report["consume_per_s"] / report["redis_py_per_s"]
    report = rounded(report)
    report["machine"] = machine()
    emit(report, table(report), as_json=args.json)


@contextmanager
def served() -> Iterator[tuple[Feed[str], Any]]:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        url = stack.enter_context(run_redis())
        client: Any = stack.enter_context(redis.Redis.from_url(url))
        yield stack.enter_context(connect(f"sqlite:///{folder}/bus.db", bus=url)), client


def one_round(events: int) -> dict[str, float]:
    with served() as (feed, client):
        feed.bus.subscribe("bench")
        plant(feed, events)
        hub = feed.runtime().hub
        assert hub is not None
        before = client.info("memory")["used_memory"]
        fill_s = timed(hub.relay.run)
        held = feed.bus.lag("bench").held
        assert held == events
        bytes_per_event = (client.info("memory")["used_memory"] - before) / held
        by_redis_py_s = timed(lambda: with_redis_py(client, events))
        seen: list[int] = []
        consume_s = timed(lambda: feed.bus.consume("bench", lambda some: seen.append(len(some))))
        assert sum(seen) == events
        return {
            "fill_per_s": events / fill_s,
            "consume_per_s": events / consume_s,
            "redis_py_per_s": events / by_redis_py_s,
            "bytes_per_event": bytes_per_event,
            "one_p50_us": one_at_a_time(feed, min(SINGLES, events)),
        }


def plant(feed: Feed[str], events: int) -> None:
    """So many events of as many authors as there are, in one transaction."""
    truth = feed.runtime().truth

    def work(tx: Tx) -> None:
        for number in range(events):
            actor_id = (1 + number % AUTHORS) << 22  # as ids are: the lowest bits seldom differ
            truth.events.append(tx, Event(EventKind.FOLLOW_ADDED, actor_id, number + 1, 1_767_225_600_000))

    truth.write(work)


def with_redis_py(client: Any, events: int) -> None:
    """What a program without feedkit would do, over the same streams."""
    streams = list(client.scan_iter("*:bus:*", _type="stream"))
    for stream in streams:
        client.xgroup_create(stream, "plain", id="0")
    seen = 0
    for stream in streams:
        while found := client.xreadgroup("plain", "me", {stream: ">"}, count=500):
            ids = [entry_id for entry_id, _ in found[0][1]]
            seen += len(ids)
            client.xack(stream, "plain", *ids)
        client.xgroup_destroy(stream, "plain")
    assert seen == events


def one_at_a_time(feed: Feed[str], posts: int) -> float:
    times: list[float] = []
    seen: list[Event] = []
    for number in range(posts):
        feed.publish(f"author {number % 50}", text="what a long day it has been")
        times.append(timed(lambda: feed.bus.consume("bench", seen.extend)) * 1e6)
    assert len(seen) >= posts
    return percentile(times, 0.5)


def timed(work: Any) -> float:
    """Seconds that it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def table(report: Report) -> dict[str, str]:
    return {
        "from the log to the bus": f"{report['fill_per_s']:>9,.0f} events/s",
        "from the bus to a handler": f"{report['consume_per_s']:>9,.0f} events/s",
        "the same with redis-py alone": f"{report['redis_py_per_s']:>9,.0f} events/s",
        "one post, handed over and handled": f"{report['one_p50_us']:>9,.0f} us (p50)",
        "an event on the bus": f"{report['bytes_per_event']:>9,.0f} bytes",
    }


if __name__ == "__main__":
    main()
