"""How fast a host's follow table is adopted and compared, while people go on, and whether drift is repaired exactly.

The host names its users by UUIDs and has a table of 1,000,000 follows (with --quick 100,000), read `ORDER BY follower`.
Into a feed that knows nobody, on a SQLite file and on a PostgreSQL of its own:

* the table is adopted by `feed.graph.reconcile`, while threads publish, follow, unfollow and read all the time
  (`adopted_per_s`, pairs per second);
* it is compared once more, by then with nothing to do (`compared_per_s`);
* drift is planted in the tables behind feedkit's back: one follow in a thousand is gone, half as many are too much;
* a dry run has to count exactly that, and a run that adopts the table again, while other people go on, has to
  repair exactly that (`repaired`): not one follow of theirs may be undone.

After each step plain SQL compares all follows, their inverses, friends and counters with what they have to be.

    python benchmarks/reconcile.py --quick --json
"""

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from anywhere

from benchmarks._common import Report, databases, emit, machine, options, rounded
from feedkit import Feed, ReconcileReport, connect

Pair = tuple[UUID, UUID]
THREADS = 2


@attrs.frozen
class Sizes:
    """How many people there are, and how many follows among them."""

    users: int
    follows: int


FULL = Sizes(50_000, 1_000_000)
QUICK = Sizes(10_000, 100_000)
SMOKE = Sizes(100, 1000)


class Traffic:
    """Threads that publish, follow, unfollow and read, from when the table is first read to its end."""

    def __init__(self, feed: Feed[UUID], people: list[UUID], seed: int) -> None:
        self._feed, self._people, self._seed = feed, people, seed
        self._stop = threading.Event()
        self.left: set[Pair] = set()
        self.turns = 0
        self.longest_s = 0.0

    def beside(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """These pairs, while people go on; `left` are the follows that they leave standing."""
        with ThreadPoolExecutor(THREADS) as pool:
            running = [pool.submit(self._go, which) for which in range(THREADS)]
            try:
                yield from pairs
            finally:
                self._stop.set()
                for one in running:
                    left, turns, longest_s = one.result()
                    self.left |= left
                    self.turns += turns
                    self.longest_s = max(self.longest_s, longest_s)

    def _go(self, which: int) -> tuple[set[Pair], int, float]:
        rng = random.Random(self._seed + which)
        left: set[Pair] = set()
        turns, longest_s = 0, 0.0
        while not self._stop.is_set() or not turns:
            actor, target = rng.sample(self._people, 2)
            visitor = UUID(int=(self._seed << 64) + (which << 32) + turns)
            started = time.perf_counter()
            self._feed.publish(actor, text="on the way")
            self._feed.follow(visitor, target)
            if turns % 3 == 0:
                self._feed.unfollow(visitor, target)
            else:
                left.add((visitor, target))
            self._feed.home(visitor)
            longest_s = max(longest_s, time.perf_counter() - started)
            turns += 1
            time.sleep(0.005)
        return left, turns, longest_s


def main() -> None:
    parser = options(__doc__, rounds=1)
    parser.add_argument("--backend", choices=("both", "sqlite", "postgresql"), default="both")
    args = parser.parse_args()
    sizes = SMOKE if args.smoke else QUICK if args.quick else FULL
    report: Report = {"benchmark": "reconcile", "quick": args.quick, "rounds": 1, "backends": []}
    with ExitStack() as stack:
        for backend, fresh in databases(stack, args.backend):
            with fresh() as url:
                report |= {f"{backend}_{name}": value for name, value in measure(url, sizes).items()}
            report["backends"].append(backend)
    for name in ("adopted_per_s", "compared_per_s"):
        report[name] = min(report[f"{one}_{name}"] for one in report["backends"])
    report = rounded(report) | {"follows": sizes.follows, "verified": True, "machine": machine()}
    emit(report, table(report), as_json=args.json)


def measure(url: str, sizes: Sizes) -> Report:
    rng = random.Random(7)
    people = [UUID(int=rng.getrandbits(128)) for _ in range(sizes.users)]
    host: set[Pair] = set()
    while len(host) < sizes.follows:
        one, other = rng.choice(people), rng.choice(people)
        host |= {(one, other), (other, one)} if rng.random() < 0.2 else {(one, other)}
        host.discard((one, one))
    with connect(url, key=UUID) as feed:
        feed.migrate()
        adopting, traffic = adopt(feed, people, sorted(host), seed=5)
        assert (adopting.added, adopting.removed, adopting.refused) == (len(host), 0, 0), adopting
        host |= traffic.left
        verify(feed, url, host)

        ordered = sorted(host)
        compared = feed.graph.reconcile(iter(ordered))
        assert (compared.added, compared.removed, compared.unchanged) == (0, 0, len(host)), compared

        gone, extra = drift(rng, people, ordered)
        plant(url, gone, extra)
        feed.wipe()
        dry = feed.graph.reconcile(iter(ordered), dry_run=True)
        repairing, more = adopt(feed, people, ordered, seed=77)
        for found in (dry, repairing):
            assert (found.added, found.removed, found.refused) == (len(gone), len(extra), 0), found
        verify(feed, url, host | more.left)
        assert feed.check(sample=50).ok
    return {
        "adopted_per_s": len(host) / adopting.seconds,
        "compared_per_s": len(host) / compared.seconds,
        "repaired": len(gone) + len(extra),
        "drift_repaired_s": repairing.seconds,
        "turns_meanwhile": traffic.turns + more.turns,
        "longest_turn_ms": max(traffic.longest_s, more.longest_s) * 1000,
    }


def adopt(
    feed: Feed[UUID], people: list[UUID], pairs: list[Pair], seed: int
) -> tuple[ReconcileReport[UUID], Traffic]:
    traffic = Traffic(feed, people, seed)
    return feed.graph.reconcile(traffic.beside(pairs)), traffic


def drift(rng: random.Random, people: list[UUID], host: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Follows that go, and follows that come."""
    gone = rng.sample(host, max(1, len(host) // 1000))
    standing = set(host)
    extra: set[Pair] = set()
    while len(extra) < max(1, len(gone) // 2):
        one, other = rng.sample(people, 2)
        if (one, other) not in standing:
            extra.add((one, other))
    return gone, sorted(extra)


def plant(url: str, gone: list[Pair], extra: list[Pair]) -> None:
    """Drift as an incident would leave it: rows are wrong, and the counters with them."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        ids = {key: user_id for user_id, key in known(connection).items()}
        for pairs, sign in ((gone, -1), (extra, 1)):
            for one, other in pairs:
                change(connection, ids[one], ids[other], sign)
    engine.dispose()


_INSERT = "INSERT INTO feedkit_associations (id1, kind, id2, time) VALUES (:a, :kind, :b, 1700000000000)"
_DELETE = "DELETE FROM feedkit_associations WHERE id1 = :a AND kind = :kind AND id2 = :b"
_FOLLOWS = "SELECT 1 FROM feedkit_associations WHERE id1 = :a AND kind = 'follows' AND id2 = :b"
_COUNT = (
    "INSERT INTO feedkit_counts (object_id, kind, value) VALUES (:a, :kind, :delta) "
    "ON CONFLICT (object_id, kind) DO UPDATE SET value = feedkit_counts.value + :delta"
)


def change(connection: sa.Connection, a: int, b: int, sign: int) -> None:
    rows = [(a, "follows", b), (b, "followed_by", a)]
    counts = [(a, "following"), (b, "followers")]
    if connection.execute(sa.text(_FOLLOWS), {"a": b, "b": a}).first():
        rows += [(a, "friends", b), (b, "friends", a)]
        counts += [(a, "friends"), (b, "friends")]
    for one, kind, other in rows:
        connection.execute(sa.text(_INSERT if sign > 0 else _DELETE), {"a": one, "kind": kind, "b": other})
    for one, kind in counts:
        connection.execute(sa.text(_COUNT), {"a": one, "kind": kind, "delta": sign})


def known(connection: sa.Connection) -> dict[int, UUID]:
    rows = connection.execute(sa.text("SELECT id, key FROM feedkit_users"))
    return {user_id: UUID(bytes=bytes(key)) for user_id, key in rows}


def verify(feed: Feed[UUID], url: str, wanted: set[Pair]) -> None:
    """Compare every row with what has to be there, by plain SQL."""
    feed.drain()
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        keys = known(connection)
        links: dict[str, set[Pair]] = {kind: set() for kind in ("follows", "followed_by", "friends")}
        for one, kind, other in rows(connection, "SELECT id1, kind, id2 FROM feedkit_associations"):
            links[kind].add((keys[one], keys[other]))
        counts: dict[str, Counter[UUID]] = {kind: Counter() for kind in ("following", "followers", "friends")}
        for one, kind, value in rows(connection, "SELECT object_id, kind, value FROM feedkit_counts"):
            if kind in counts and value:
                counts[kind][keys[one]] = value
    engine.dispose()
    friends = {(one, other) for one, other in wanted if (other, one) in wanted}
    assert links["follows"] == wanted
    assert links["followed_by"] == {(other, one) for one, other in wanted}
    assert links["friends"] == friends
    assert counts["following"] == Counter(one for one, _ in wanted)
    assert counts["followers"] == Counter(other for _, other in wanted)
    assert counts["friends"] == Counter(one for one, _ in friends)


def rows(connection: sa.Connection, query: str) -> list[Any]:
    return list(connection.execute(sa.text(query)))


def table(report: Report) -> dict[str, str]:
    def of_each(name: str, form: str) -> str:
        return ", ".join(f"{one} {report[f'{one}_{name}']:{form}}" for one in report["backends"])

    return {
        "adopted per second": of_each("adopted_per_s", ",.0f"),
        "compared per second": of_each("compared_per_s", ",.0f"),
        "drift repaired": of_each("repaired", ",.0f"),
        "longest turn of others, ms": of_each("longest_turn_ms", ",.0f"),
    }


if __name__ == "__main__":
    main()
