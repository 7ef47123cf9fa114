"""How many deliveries per second a cluster of Redis takes, by its number of primaries.

Each cluster is a real one on this machine: one, two and three `redis-server` with all slots between them. One process
delivers posts to full inboxes (800 entries), through the very code that a worker uses, sealing included; beside it the
usual way, a pipeline of ZADD and ZREMRANGEBYRANK by redis-py's own cluster client. The rounds of all clusters are
interleaved.

    per_s        deliveries per second, by number of primaries
    usual_per_s  the same of the usual way
    speedup      per_s over that of one primary, of the same round; median
    server_us    CPU time of the busiest primary per delivery, as the servers themselves count it, in microseconds
    share        the part of all server CPU time that falls to the busiest primary; evenly spread it is 1 / n
    ceiling      1 / server_us: deliveries per second if every primary had a core for itself and nothing were slower

What `per_s` can show ends where the cores do: the servers, which work one core each, and the process that delivers,
share this machine. `cores` is how many it has; with fewer than primaries + 1, `per_s` says how well one machine is
shared, and only `server_us`, `share` and `ceiling` say what more machines would bring.

    python benchmarks/cluster.py --quick --json
"""

import statistics
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import redis

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from anywhere

from benchmarks._common import Report, emit, machine, options, rounded, stopwatch
from benchmarks._servers import cluster
from benchmarks.fanout import AUTHOR, CAPACITY, FIRST, PIPELINE, Packed, with_tails
from feedkit.idset import Ids
from feedkit.storage.entries import of_rows
from feedkit.storage.redis.nodes import opened
from feedkit.storage.redis.opening import Place
from feedkit.storage.redis.wire import RedisWire

PRIMARIES = (1, 2, 3)


@attrs.frozen
class Sizes:
    inboxes: int
    usual: int
    posts: int


FULL = Sizes(20_000, 2000, 20)
QUICK = Sizes(6000, 600, 10)
SMOKE = Sizes(60, 20, 2)


class Cluster:
    """One cluster with inboxes in it, and what was measured there."""

    def __init__(self, stack: ExitStack, primaries: int, sizes: Sizes) -> None:
        self.sizes, self.primaries = sizes, primaries
        url = cluster(stack, primaries)
        wire = stack.enter_context(closing(RedisWire(opened(url, timeout_s=60))))
        self.client: Any = stack.enter_context(closing(redis.RedisCluster.from_url(url)))
        self.packed = Packed.alone(Place(wire, "feedkit:0123456789ab"))
        self.owners: Ids = np.arange(FIRST, FIRST + sizes.inboxes)
        self.packed.plant(self.owners, CAPACITY)
        with_tails(self.packed, self.owners)
        self.usual = [f"zset:{nth}" for nth in range(sizes.usual)]
        members = {str(FIRST - nth): FIRST - nth for nth in range(1, CAPACITY + 1)}
        for name in self.usual:
            self.client.zadd(name, members)
        self.per_s: list[float] = []
        self.usual_per_s: list[float] = []
        self.busiest_s: list[float] = []
        self.shares: list[float] = []
        self._posted = 0

    def round(self) -> None:
        """Deliver, and have the usual way deliver."""
        seconds: list[float] = []
        before = self._server_seconds()
        with stopwatch(seconds):
            for _ in range(self.sizes.posts):
                self.packed.deliver(self.owners, of_rows([(self._next(), AUTHOR)]))
        taken = [after - was for after, was in zip(self._server_seconds(), before, strict=True)]
        deliveries = len(self.owners) * self.sizes.posts
        self.per_s.append(deliveries / seconds[0])
        self.busiest_s.append(max(taken) / deliveries)
        self.shares.append(max(taken) / max(sum(taken), 1e-9))
        with stopwatch(seconds):
            self._post_to_usual(self._next())
        self.usual_per_s.append(len(self.usual) / seconds[1])

    def _next(self) -> int:
        self._posted += 1
        return FIRST + self._posted

    def _post_to_usual(self, position: int) -> None:
        for start in range(0, len(self.usual), PIPELINE):
            pipeline = self.client.pipeline()
            for name in self.usual[start : start + PIPELINE]:
                pipeline.zadd(name, {str(position): position})
                pipeline.zremrangebyrank(name, 0, -CAPACITY - 1)
            pipeline.execute()

    def _server_seconds(self) -> list[float]:
        """CPU time of each primary so far, in seconds."""
        told = self.client.info("cpu", target_nodes=self.client.PRIMARIES)
        nodes = told.values() if self.primaries > 1 else [told]
        return [float(one["used_cpu_user"]) + float(one["used_cpu_sys"]) for one in nodes]

    def verify(self) -> None:
        """Every inbox has the newest post that was delivered to it."""
        inbox = self.packed.inboxes.read(int(self.owners[-1]))
        assert inbox is not None
        assert len(inbox.entries) >= CAPACITY
        assert inbox.entries.positions[0] == FIRST + self._posted - 1
        assert self.client.zcard(self.usual[0]) == CAPACITY


def main() -> None:
    args = options(__doc__, rounds=3).parse_args()
    sizes = SMOKE if args.smoke else QUICK if args.quick else FULL
    report: Report = {"benchmark": "cluster", "quick": args.quick, "rounds": args.rounds}
    with ExitStack() as stack:
        clusters = {primaries: Cluster(stack, primaries, sizes) for primaries in PRIMARIES}
        for _ in range(args.rounds):
            for one in clusters.values():
                one.round()
        for one in clusters.values():
            one.verify()
    report["machine"] = machine()
    report |= {"inboxes": sizes.inboxes, "entries": CAPACITY, "cores": report["machine"]["cpus"]}
    report |= figures(clusters)
    emit(report, table(report), as_json=args.json)


def figures(clusters: dict[int, Cluster]) -> Report:
    def by_primaries(value_of: Any) -> Report:
        return rounded({str(primaries): value_of(one) for primaries, one in clusters.items()})

    def speedup(one: Cluster) -> float:
        return statistics.median(a / b for a, b in zip(one.per_s, clusters[1].per_s, strict=True))

    def busiest_us(one: Cluster) -> float:
        return max(
            1e-3, statistics.median(one.busiest_s) * 1e6
        )  # a short run takes less than what is counted

    return {
        "per_s": by_primaries(lambda one: statistics.median(one.per_s)),
        "usual_per_s": by_primaries(lambda one: statistics.median(one.usual_per_s)),
        "ratio": by_primaries(lambda one: statistics.median(one.per_s) / statistics.median(one.usual_per_s)),
        "speedup": by_primaries(speedup),
        "server_us": by_primaries(busiest_us),
        "share": by_primaries(lambda one: statistics.median(one.shares)),
        "ceiling": by_primaries(lambda one: 1e6 / busiest_us(one)),
    }


def table(report: Report) -> dict[str, str]:
    def row(primaries: str) -> str:
        said = {
            name: report[name][primaries]
            for name in ("per_s", "speedup", "usual_per_s", "server_us", "share")
        }
        return (
            "{per_s:>9,.0f} deliveries/s, {speedup} x, the usual way {usual_per_s:>7,.0f}; the busiest server "
            "{server_us} us each ({share:.0%})".format(**said)
        )

    rows = {f"{primaries} primaries": row(primaries) for primaries in report["per_s"]}
    ceilings = ", ".join(f"{value:,.0f}" for value in report["ceiling"].values())
    return rows | {"ceilings": ceilings, "cores": f"{report['cores']}, of which this process takes one"}


if __name__ == "__main__":
    main()
