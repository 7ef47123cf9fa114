"""What push, pull, hybrid and cost-based fan-out cost on real follow graphs, with thresholds chosen by `simulate`.

Each graph that is found (`_graphs.py` says where) gets a trace: posts and reads over a day, a hundred pages read
for each post, few people who do much and many who do little (Zipf). `simulate` replays the first half of the trace
with unit prices that `calibrate` has just measured, and chooses a threshold for hybrid, a bound for cost-based, and
one policy among all. Then four real feeds (SQLite, inboxes in memory, delivering inline, on the clock of the trace)
live through the second half: after a warm-up on the end of the first, so that inboxes are held as in a process at
work, the same events five times over. The feeds take turns post by post, so that whatever else the machine does
falls on all alike; what counts is CPU time.

    graphs.NAME.hybrid_vs_best        CPU time of the better of push and pull, over hybrid's (median of the rounds)
    graphs.NAME.simulate_vs_cheapest  CPU time of the cheapest of the four, over that of the one that simulate picks
    graphs.NAME.policies.POLICY       cpu_s, home_p99_us, publish_p99_us; writes (entries delivered into inboxes),
                                      merges (outboxes merged into pages) and bytes (of either, 16 an entry) of a round

Afterwards the first pages of many readers are compared: they have to be the same under all four policies.

Then an author whom a million accounts follow, a tenth of whom hold inboxes (`_celebrity.py`):

    celebrity.lag_ratio               p99 until ordinary posts are visible, push over hybrid

Where no graphs are found, `graphs` is empty, and only this is measured.

    python benchmarks/policies.py --quick --json
"""

import gc
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import attrs

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from anywhere

from benchmarks import _celebrity
from benchmarks._common import Report, emit, machine, options, percentile, rounded
from benchmarks._graphs import DATA, Follow, graphs
from benchmarks._planting import copied, planting
from feedkit import (
    CostBased,
    FanoutPolicy,
    Feed,
    Hybrid,
    ManualClock,
    PullAll,
    PushAll,
    calibrate,
    connect,
)
from feedkit.fanout.simulate import Prices, Trace, simulate
from feedkit.storage.entries import ENTRY_BYTES

READS_PER_POST = 100
SHOWN = 20
POSTS_AT_A_TURN = 1
COMPARED = 200
FAMILIES: dict[str, type[FanoutPolicy]] = {
    "push": PushAll,
    "pull": PullAll,
    "hybrid": Hybrid,
    "cost_based": CostBased,
}


@attrs.frozen
class Sizes:
    """Posts of the trace that is simulated, of the warm-up, and of what is measured."""

    simulated: int
    warm_up: int
    measured: int
    graphs: int
    celebrity: _celebrity.Sizes


FULL = Sizes(2000, 300, 300, 100, _celebrity.FULL)
QUICK = Sizes(600, 28, 28, 100, _celebrity.QUICK)
SMOKE = Sizes(6, 2, 2, 1, _celebrity.SMOKE)


def main() -> None:
    parser = options(__doc__, rounds=5)
    parser.add_argument("--data", type=Path, default=DATA, help=f"where the graphs are (default {DATA})")
    args = parser.parse_args()
    sizes = SMOKE if args.smoke else QUICK if args.quick else FULL
    prices = calibrate()
    report: Report = {"benchmark": "policies", "quick": args.quick, "rounds": args.rounds}
    report |= {"prices": prices.to_dict(), "graphs": {}}
    for name, follows in list(graphs(args.data))[: sizes.graphs]:
        with tempfile.TemporaryDirectory() as folder:
            report["graphs"][name] = on_graph(Path(folder), follows, sizes, args.rounds, prices)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        report["celebrity"] = rounded(_celebrity.measure(stack, Path(folder), sizes.celebrity, prices))
    report["machine"] = machine()
    emit(report, table(report), as_json=args.json)


def on_graph(folder: Path, follows: Sequence[Follow], sizes: Sizes, rounds: int, prices: Prices) -> Report:
    trace = Trace.made_up(follows, posts=sizes.simulated, reads_per_post=READS_PER_POST, seed=1)
    first, second = trace.halves()
    simulated = simulate(first, prices=prices, warm_up=0.5)
    chosen = {name: simulated.cheapest(family) for name, family in FAMILIES.items()}
    picked = next(name for name, one in chosen.items() if one is simulated.cheapest())
    warm_up = Events.of(first, last=sizes.warm_up)
    events = Events.of(second, first=sizes.measured)
    with ExitStack() as stack:
        path = plant(folder / "graph.db", follows)
        lives = {
            name: stack.enter_context(Life(copied(path, folder / f"{name}.db"), one.policy))
            for name, one in chosen.items()
        }
        taken = measure(lives, warm_up, events, rounds)
        verify(lives, events)
        counted = {name: life.counted(rounds) for name, life in lives.items()}
    return {
        "accounts": trace.people,
        "follows": len(trace.followers),
        "largest_audience": int(trace.audiences.max()),
        **verdicts(taken, picked),
        "policies": {
            name: rounded(
                {
                    "policy": repr(one.policy),
                    "pulls_any": bool(one.pulled_authors or one.pulled_pairs),
                    "cpu_s": statistics.median(taken[name]),
                    **counted[name],
                    "cpu_vs_push_simulated": one.cpu_s / chosen["push"].cpu_s,
                    "cpu_vs_push": median_ratio(taken[name], taken["push"]),
                }
            )
            for name, one in chosen.items()
        },
    }


def verdicts(taken: Mapping[str, Sequence[float]], picked: str) -> Report:
    over_push = {name: median_ratio(seconds, taken["push"]) for name, seconds in taken.items()}
    better = min(("push", "pull"), key=lambda name: over_push[name])
    cheapest = min(over_push, key=lambda name: over_push[name])
    return {
        "better_of_push_and_pull": better,
        "cheapest": cheapest,
        "picked_by_simulate": picked,
        "hybrid_vs_best": round(median_ratio(taken[better], taken["hybrid"]), 3),
        "simulate_vs_cheapest": round(median_ratio(taken[cheapest], taken[picked]), 3),
    }


def median_ratio(some: Sequence[float], others: Sequence[float]) -> float:
    """Of rounds that were taken side by side."""
    return statistics.median(one / other for one, other in zip(some, others, strict=True))


@attrs.frozen
class Events:
    """Posts and reads of a trace: (milliseconds from the first, name, whether it is a post)."""

    rows: list[tuple[int, str, bool]]

    @classmethod
    def of(cls, trace: Trace, *, first: int | None = None, last: int | None = None) -> "Events":
        """The events up to the first so many posts, or from the last so many on."""
        wanted = (READS_PER_POST + 1) * (first or last or 0)
        part = slice(0, wanted) if first is not None else slice(len(trace.at_ms) - wanted, None)
        at_ms = trace.at_ms[part]
        return cls(
            [
                (int(at - at_ms[0]), str(trace.keys[who]), bool(is_post))
                for at, who, is_post in zip(at_ms, trace.who[part], trace.is_post[part], strict=True)
            ]
        )

    @property
    def length_ms(self) -> int:
        return self.rows[-1][0] + 1

    def turns(self) -> list[list[tuple[int, str, bool]]]:
        """The rows in parts of some posts each."""
        parts: list[list[tuple[int, str, bool]]] = [[]]
        posts = 0
        for row in self.rows:
            if row[2] and posts == POSTS_AT_A_TURN:
                parts.append([])
                posts = 0
            posts += row[2]
            parts[-1].append(row)
        return parts


def plant(path: Path, follows: Sequence[Follow]) -> Path:
    """The graph in a database whose counters are up to date."""
    with connect(f"sqlite:///{path}", policy=PushAll()) as feed:
        feed.migrate()
        names = sorted({name for pair in follows for name in pair})
        with planting(path) as planter:
            at_ms = int(time.time() * 1000) - 4 * 10**9
            ids = planter.users(names, at_ms)
            planter.follows([(ids[one], ids[other]) for one, other in set(follows)], at_ms)
        feed.drain()
    return path


class Life:
    """One feed under one policy, on the clock of the trace."""

    def __init__(self, path: Path, policy: FanoutPolicy) -> None:
        self._clock = ManualClock(int(time.time() * 1000))
        self.feed: Feed[str] = connect(f"sqlite:///{path}", policy=policy, clock=self._clock)
        self._stack = ExitStack()
        self._start_ms = self._clock.now_ms()
        self.texts = 0
        self._merges = self._delivered = 0
        self._merged_entries = 0
        self.took: dict[bool, list[float]] = defaultdict(list)
        self._watch()

    def __enter__(self) -> "Life":
        self._stack.enter_context(self.feed)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _watch(self) -> None:
        """Count the outboxes that pages merge in, beside the viewer's own."""
        timelines = self.feed.runtime().home._timelines
        outboxes = timelines.outboxes

        def counted(author_ids: Sequence[int]) -> list[object]:
            found = outboxes(author_ids)
            self._merges += len(found) - 1
            self._merged_entries += sum(len(one.entries) for one in found)
            return found  # type: ignore[return-value]

        timelines.outboxes = counted  # type: ignore[method-assign, assignment]

    def begin(self) -> None:
        """Count from here on."""
        self.took.clear()
        self._merges = self._merged_entries = 0
        self._delivered = self.feed.runtime().fanout.delivery.delivered

    def live(self, rows: Sequence[tuple[int, str, bool]]) -> float:
        """Seconds of CPU time for these events."""
        before = time.process_time_ns()
        for at_ms, name, is_post in rows:
            self._clock.set(self._start_ms + at_ms)
            started = time.perf_counter_ns()
            if is_post:
                self.texts += 1
                self.feed.publish(name, text=f"post {self.texts}: what a long day it has been")
            else:
                self.feed.home(name, limit=SHOWN)
            self.took[is_post].append((time.perf_counter_ns() - started) / 1000)
        return (time.process_time_ns() - before) / 1e9

    def pass_by(self, milliseconds: int) -> None:
        """The next events begin so much later."""
        self._start_ms += milliseconds

    def counted(self, rounds: int) -> Report:
        delivered = self.feed.runtime().fanout.delivery.delivered - self._delivered
        return {
            "home_p99_us": percentile(self.took[False], 0.99),
            "publish_p99_us": percentile(self.took[True], 0.99),
            "writes": delivered // rounds,
            "merges": self._merges // rounds,
            "bytes": ENTRY_BYTES * (delivered + self._merged_entries) // rounds,
        }


def measure(
    lives: Mapping[str, Life], warm_up: Events, events: Events, rounds: int
) -> dict[str, list[float]]:
    """Seconds of CPU time of each round, by policy."""
    for life in lives.values():
        life.live(warm_up.rows)
        life.pass_by(warm_up.length_ms)
        life.feed.drain()
        life.begin()
    taken: dict[str, list[float]] = {name: [] for name in lives}
    order = list(lives)
    rng = random.Random(5)
    for _ in range(rounds):
        seconds = dict.fromkeys(lives, 0.0)
        gc.collect()
        gc.disable()
        for rows in events.turns():
            rng.shuffle(order)
            for name in order:
                seconds[name] += lives[name].live(rows)
        gc.enable()
        for name, life in lives.items():
            taken[name].append(seconds[name])
            life.pass_by(events.length_ms)
    return taken


def verify(lives: Mapping[str, Life], events: Events) -> None:
    """The same pages under every policy."""
    readers = sorted({name for _, name, is_post in events.rows if not is_post})
    for reader in random.Random(9).sample(readers, min(COMPARED, len(readers))):
        pages = {
            name: [item.post.text for item in life.feed.home(reader, limit=SHOWN)]
            for name, life in lives.items()
        }
        assert all(page == pages["push"] for page in pages.values()), f"{reader} is shown different pages"


def table(report: Report) -> dict[str, str]:
    rows = {name: _on_graph(graph) for name, graph in report["graphs"].items()}
    return rows | {"celebrity": _celebrity.said(report["celebrity"])}


def _on_graph(graph: Report) -> str:
    costs = ", ".join(
        f"{name} {one['cpu_s']:.2f} s (page p99 {one['home_p99_us']:,.0f} us)"
        for name, one in graph["policies"].items()
    )
    hybrid = graph["policies"]["hybrid"]
    why = ""
    if graph["better_of_push_and_pull"] == "push":
        why = ": deliveries are so cheap that push wins" + (
            "" if hybrid["pulls_any"] else ", and hybrid pulls nobody"
        )
    return (
        f"{costs}; {hybrid['policy']} costs 1/{graph['hybrid_vs_best']:.2f} of "
        f"{graph['better_of_push_and_pull']}{why}; simulate picked {graph['picked_by_simulate']}, "
        f"{graph['simulate_vs_cheapest']:.2f} of the cheapest, {graph['cheapest']}"
    )


if __name__ == "__main__":
    main()
