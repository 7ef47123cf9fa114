"""Fan-out to inboxes in Redis: what a delivery, an entry and a large audience cost, beside the usual ways.

A real Redis is started for it. Twenty thousand full inboxes of 800 entries (the setting `inbox_entries`) take
posts one by one, each delivered to all of them; what comes behind a block is sealed as it would be at work, since
the inboxes start with tails of every length. Compared in turn, round by round, on the same server, are

    feedkit  `RedisTimelines.deliver` within a turn, 2,000 followers at a time (the setting `delivery_chunk`)
    zset     redis-py's pipeline of ZADD and ZREMRANGEBYRANK, 1,000 inboxes at a time
    list     redis-py's pipeline of LPUSH and LTRIM, the same

    <way>_per_s          deliveries per second
    ratio                of feedkit to zset, the median of the rounds; list_ratio likewise
    bytes_per_entry      of feedkit, by what Redis says of its memory, tails half full, keys and all
    cost_growth          a delivery to each of 1,000,000 inboxes of 50 entries over one to 100,000 of them drawn at
                         random, the median of the rounds
    end_to_end_per_s     from the committed event to the last inbox, by one process: an author with as many followers
                         posts, and the log is drained; follower lists are read from SQLite

    python benchmarks/fanout.py --quick --json
"""

import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import redis

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from anywhere

from benchmarks._common import Report, emit, machine, options, rounded, stopwatch
from benchmarks._planting import planting
from feedkit import Feed, PushAll, Settings, connect
from feedkit.idset import Ids
from feedkit.storage.entries import Entries, of_rows
from feedkit.storage.events import TIMELINES
from feedkit.storage.redis.commands import Alike
from feedkit.storage.redis.layout import sealed
from feedkit.storage.redis.nodes import opened
from feedkit.storage.redis.opening import Place
from feedkit.storage.redis.timelines import RedisTimelines, shared_timelines
from feedkit.storage.redis.wire import RedisWire
from feedkit.storage.timelines import Timeline
from tests.redis_servers import run_redis

SETTINGS = Settings()
CAPACITY, TAIL, CHUNK = SETTINGS.inbox_entries, SETTINGS.inbox_tail, SETTINGS.delivery_chunk
SHORT = 50
AUTHOR = 77
FIRST = 1 << 60
PIPELINE = 1000


@attrs.frozen
class Sizes:
    inboxes: int
    usual: int
    """Inboxes of the usual ways, which take seven times the memory."""
    posts: int
    audience: int


FULL = Sizes(20_000, 20_000, 60, 1_000_000)
QUICK = Sizes(20_000, 4_000, 20, 200_000)
SMOKE = Sizes(40, 20, 3, 200)


class Packed:
    """feedkit's own."""

    def __init__(self, place: Place) -> None:
        self.place = place
        stores = shared_timelines(lambda: place, SETTINGS)
        assert stores.marks is not None
        self.marks, self.inboxes = stores.marks, stores.inboxes

    @classmethod
    def alone(cls, place: Place) -> "Packed":
        """In a Redis that nothing else is in."""
        packed = cls(place)
        packed.marks.advance(0, 1, lambda: 1)
        return packed

    def plant(self, owners: Ids, count: int) -> None:
        """Whole inboxes of so many entries, all alike, in buckets that have marks."""
        block = sealed(Timeline(of_rows([(nth + 1, AUTHOR) for nth in range(count)]), 0), CAPACITY)
        before, after = block.around_epoch()
        keys, wire = self.place.keys("i"), self.place.wire
        of_owners = keys.buckets_of(owners)
        for bucket in np.unique(of_owners).tolist():
            (mark,) = wire.values(np.array([bucket]), Alike([b"GET"], _row(keys.mark(bucket)), []))
            for some in _chunks(owners[of_owners == bucket]):
                buckets = np.full(len(some), bucket)
                pushes = Alike([b"RPUSH"], keys.rows(some, buckets), [before + mark[:8] + after])
                wire.numbers(buckets, pushes)

    def deliver(self, owners: Ids, entries: Entries) -> None:
        with self.marks.turn() as is_ours:
            assert is_ours
            for some in _chunks(owners):
                self.inboxes.deliver(some, entries)


def main() -> None:
    args = options(__doc__, rounds=5).parse_args()
    sizes = SMOKE if args.smoke else QUICK if args.quick else FULL
    report: Report = {"benchmark": "fanout", "quick": args.quick, "rounds": args.rounds}
    report |= {"inboxes": sizes.inboxes, "audience": sizes.audience, "entries": CAPACITY}
    for part in (deliveries, growth, end_to_end):
        with served() as (url, client, place):
            report |= part(url, client, place, sizes, args.rounds)
    report = rounded(report)
    report["machine"] = machine()
    emit(report, table(report), as_json=args.json)


@contextmanager
def served() -> Iterator[tuple[str, Any, Place]]:
    with ExitStack() as stack:
        url = stack.enter_context(run_redis())
        client: Any = stack.enter_context(redis.Redis.from_url(url))
        wire = stack.enter_context(closing(RedisWire(opened(url, timeout_s=60))))
        yield url, client, Place(wire, "feedkit:0123456789ab")


def deliveries(_url: str, client: Any, place: Place, sizes: Sizes, rounds: int) -> Report:
    """The three ways in turn, on full inboxes."""
    empty = client.info("memory")["used_memory"]
    packed, owners = Packed.alone(place), np.arange(FIRST, FIRST + sizes.inboxes)
    packed.plant(owners, CAPACITY)
    tails = with_tails(packed, owners)
    taken = client.info("memory")["used_memory"] - empty
    report: Report = {"bytes_per_entry": taken / (CAPACITY * len(owners) + tails)}
    usual = [f"{FIRST + nth:016x}" for nth in range(sizes.usual)]
    fill_usual(client, usual)
    seconds: dict[str, list[float]] = {"feedkit": [], "zset": [], "list": []}
    share = max(1, sizes.posts * sizes.usual // sizes.inboxes // 10)
    for nth in range(rounds):
        with stopwatch(seconds["feedkit"]):
            for post in range(sizes.posts):
                packed.deliver(owners, of_rows([(FIRST + nth * 1000 + post, AUTHOR)]))
        for name, post_to in (("zset", zset_post), ("list", list_post)):
            with stopwatch(seconds[name]):
                for post in range(share):
                    post_to(client, usual, FIRST + nth * 1000 + post)
    verify(client, packed, owners, usual)
    rates = {
        "feedkit": [len(owners) * sizes.posts / one for one in seconds["feedkit"]],
        "zset": [len(usual) * share / one for one in seconds["zset"]],
        "list": [len(usual) * share / one for one in seconds["list"]],
    }
    for name, per_s in rates.items():
        report[f"{name}_per_s"] = statistics.median(per_s)
    for name, other in (("ratio", "zset"), ("list_ratio", "list")):
        pairs = zip(rates["feedkit"], rates[other], strict=True)
        report[name] = statistics.median(ours / theirs for ours, theirs in pairs)
    return report


def with_tails(packed: Packed, owners: Ids) -> int:
    """Give inboxes tails of every length, so that some are sealed with every post; how many entries that is."""
    added = 0
    for length in range(1, TAIL):
        some = owners[length::TAIL]
        entries = of_rows([(CAPACITY + nth + 1, AUTHOR) for nth in range(length)])
        added += packed.inboxes.deliver(some, entries)
    return added


def fill_usual(client: Any, usual: Sequence[str]) -> None:
    members = {str(FIRST - nth): FIRST - nth for nth in range(1, CAPACITY + 1)}
    for start in range(0, len(usual), 100):
        pipeline = client.pipeline(transaction=False)
        for name in usual[start : start + 100]:
            pipeline.zadd(f"zset:{name}", members)
            pipeline.lpush(f"list:{name}", *members)
        pipeline.execute()


def zset_post(client: Any, usual: Sequence[str], position: int) -> None:
    for start in range(0, len(usual), PIPELINE):
        pipeline = client.pipeline(transaction=False)
        for name in usual[start : start + PIPELINE]:
            pipeline.zadd(f"zset:{name}", {str(position): position})
            pipeline.zremrangebyrank(f"zset:{name}", 0, -CAPACITY - 1)
        pipeline.execute()


def list_post(client: Any, usual: Sequence[str], position: int) -> None:
    for start in range(0, len(usual), PIPELINE):
        pipeline = client.pipeline(transaction=False)
        for name in usual[start : start + PIPELINE]:
            pipeline.lpush(f"list:{name}", str(position))
            pipeline.ltrim(f"list:{name}", 0, CAPACITY - 1)
        pipeline.execute()


def verify(client: Any, packed: Packed, owners: Ids, usual: Sequence[str]) -> None:
    """Every way holds the newest entries."""
    inbox = packed.inboxes.read(int(owners[-1]))
    assert inbox is not None
    assert len(inbox.entries) >= CAPACITY
    assert inbox.entries.positions[0] >= FIRST
    assert client.zcard(f"zset:{usual[0]}") == client.llen(f"list:{usual[0]}") == CAPACITY


def growth(_url: str, _client: Any, place: Place, sizes: Sizes, rounds: int) -> Report:
    """The cost of one delivery to a tenth of the inboxes, drawn at random, and to all of them, in random order."""
    rng = np.random.default_rng(7)
    packed, owners = Packed.alone(place), np.arange(FIRST, FIRST + sizes.audience)
    packed.plant(owners, SHORT)
    tenth = sizes.audience // 10
    costs: list[float] = []
    for nth in range(rounds):
        few: list[float] = []
        many: list[float] = []
        for part in range(3):
            with stopwatch(few):
                packed.deliver(rng.choice(owners, tenth, replace=False), _post(nth * 10 + part))
        with stopwatch(many):
            packed.deliver(rng.permutation(owners), _post(nth * 10 + 9))
        costs.append(many[0] / sizes.audience / (statistics.median(few) / tenth))
    return {"cost_growth": statistics.median(costs), "cost_growth_rounds": costs}


def end_to_end(url: str, _client: Any, _place: Place, sizes: Sizes, rounds: int) -> Report:
    """An author posts, one process drains the log, and the last follower sees it."""
    with ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "fanout.db"
        feed: Feed[str] = connect(f"sqlite:///{path}", redis=url, policy=PushAll())
        stack.enter_context(feed)
        feed.migrate()
        names = [f"reader{nth}" for nth in range(sizes.audience)]
        now_ms = int(time.time() * 1000) - 2 * 10**9
        with planting(path) as planter:
            ids = planter.users(["star", *names], now_ms)
            planter.follows([(ids[name], ids["star"]) for name in names], now_ms)
        with closing(sqlite3.connect(path)) as connection, connection:  # they are not what is measured
            (last,) = connection.execute("SELECT max(id) FROM feedkit_events").fetchone()
            for consumer in ("counters", "pulled-list", TIMELINES):
                connection.execute("INSERT OR REPLACE INTO feedkit_consumers VALUES (?, ?)", (consumer, last))
        runtime = feed.runtime()
        assert isinstance(runtime.stores.inboxes, RedisTimelines)
        assert runtime._place is not None
        packed = Packed(runtime._place())
        packed.marks.advance(0, last, lambda: last)
        packed.plant(np.array([ids[name] for name in names], dtype=np.int64), SHORT)
        per_s = []
        for nth in range(rounds + 1):
            post = feed.publish("star", text=str(nth))
            times: list[float] = []
            with stopwatch(times):
                result = feed.drain()
            assert result.deliveries == sizes.audience, result
            reader = random.Random(nth).choice([names[0], names[-1], names[sizes.audience // 2]])
            inbox = runtime.stores.inboxes.read(ids[reader])
            assert inbox is not None
            assert inbox.entries.positions[0] == post.id
            per_s.append(sizes.audience / times[0])
    return {"end_to_end_per_s": statistics.median(per_s[1:])}


def table(report: Report) -> dict[str, str]:
    return {
        "feedkit": f"{report['feedkit_per_s']:>11,.0f} deliveries/s, {report['bytes_per_entry']} bytes an entry",
        "zset": f"{report['zset_per_s']:>11,.0f} deliveries/s, feedkit {report['ratio']} times as many",
        "list": f"{report['list_per_s']:>11,.0f} deliveries/s, feedkit {report['list_ratio']} times as many",
        "growth": f"{report['cost_growth']:>11} the cost of a delivery at ten times the audience",
        "end to end": f"{report['end_to_end_per_s']:>11,.0f} deliveries/s",
    }


def _post(nth: int) -> Entries:
    return of_rows([(FIRST + nth, AUTHOR)])


def _chunks(owners: Ids) -> Iterator[Ids]:
    for start in range(0, len(owners), CHUNK):
        yield owners[start : start + CHUNK]


def _row(key: bytes) -> Any:
    return np.frombuffer(key, dtype=np.uint8).reshape(1, -1)


if __name__ == "__main__":
    main()
