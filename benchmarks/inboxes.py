"""Ways to hold inboxes in the memory of one process: what a delivery, a read and an entry cost.

A thousand full inboxes of 800 entries (the setting `inbox_entries`) are given posts one by one; every
twentieth post comes late, with a position below those that came before it. Compared are

    packed   feedkit's `MemoryTimelines`: packed entries behind a sealed block
    sorted   a list of (position, author) per inbox, kept in order by bisect, cut at the old end
    heap     a heap of (position, author) per inbox, where a push pops the oldest
    dict     {position: author} per inbox, sorted when read, cut when it has grown by the tail

All hold the same entries, which is verified. The others are as lean as they can be: no lock, no floor, no
build token, no time to live. As in a process at work, an inbox is first built from rows of its own, as a
database gives them, and what is delivered then is shared by all that it is delivered to.

    <way>_deliver_per_s    entries per second, one post to all inboxes at a time
    <way>_read_us          the newest 20 by those who are still followed (95 % of authors), after 8 deliveries
    <way>_reread_us        the same again, with nothing delivered since
    <way>_bytes            bytes per entry, all in (tracemalloc), an eighth of the entries delivered

    python benchmarks/inboxes.py --quick --json
"""

import gc
import heapq
import random
import statistics
import sys
import tracemalloc
from bisect import insort
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import attrs
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from anywhere

from benchmarks._common import Report, emit, machine, options, rounded, stopwatch, timed
from feedkit import Settings, SystemClock
from feedkit.ids import MAX_ID, position_of
from feedkit.idset import idset
from feedkit.storage.entries import of_rows
from feedkit.storage.memory import MemoryTimelines

PAGE = 20
SETTINGS = Settings()
CAPACITY, TAIL = SETTINGS.inbox_entries, SETTINGS.inbox_tail
AUTHORS = [position_of(1_600_000_000_000 + nth) for nth in range(500)]  # ids as they are

Row = tuple[int, int]


@attrs.frozen
class Sizes:
    inboxes: int
    posts: int


FULL = Sizes(1000, 2000)
QUICK = Sizes(1000, 240)
SMOKE = Sizes(20, 300)


class Inboxes(Protocol):
    """A way to hold inboxes, by reader."""

    def deliver(self, row: Row) -> None: ...

    def newest(self, reader: int) -> list[int]: ...


class Packed:
    def __init__(self, readers: Sequence[int], rows: Sequence[Row], followees: frozenset[int]) -> None:
        self._readers, self._followees = np.array(readers, dtype=np.int64), idset(followees)
        self._held = MemoryTimelines(
            capacity=CAPACITY, tail=TAIL, maximum=len(readers), ttl_ms=None, clock=SystemClock()
        )
        for reader in readers:
            token = self._held.begin(reader)
            assert token is not None
            self._held.install(reader, token, of_rows(rows), 0)

    def deliver(self, row: Row) -> None:
        self._held.deliver(self._readers, of_rows([row]))

    def newest(self, reader: int) -> list[int]:
        inbox = self._held.read(reader)
        assert inbox is not None
        found = inbox.entries.window(MAX_ID, inbox.floor, 2 * PAGE).of_authors(self._followees)[:PAGE]
        assert len(found) == PAGE
        ids: list[int] = found.positions.tolist()
        return ids


class Sorted:
    def __init__(self, readers: Sequence[int], rows: Sequence[Row], followees: frozenset[int]) -> None:
        self._followees = followees
        self._held = {reader: sorted(own(rows)) for reader in readers}

    def deliver(self, row: Row) -> None:
        for inbox in self._held.values():
            insort(inbox, row)
            del inbox[: len(inbox) - CAPACITY]

    def newest(self, reader: int) -> list[int]:
        return _page(reversed(self._held[reader]), self._followees)


class Heap:
    def __init__(self, readers: Sequence[int], rows: Sequence[Row], followees: frozenset[int]) -> None:
        self._followees = followees
        self._held = {reader: sorted(own(rows)) for reader in readers}

    def deliver(self, row: Row) -> None:
        for inbox in self._held.values():
            heapq.heappushpop(inbox, row)

    def newest(self, reader: int) -> list[int]:
        return _page(sorted(self._held[reader], reverse=True), self._followees)


class Dict:
    def __init__(self, readers: Sequence[int], rows: Sequence[Row], followees: frozenset[int]) -> None:
        self._followees = followees
        self._held = {reader: dict(sorted(own(rows))) for reader in readers}

    def deliver(self, row: Row) -> None:
        position, author = row
        for inbox in self._held.values():
            inbox[position] = author
            if len(inbox) > CAPACITY + TAIL:
                for old in sorted(inbox)[:-CAPACITY]:
                    del inbox[old]

    def newest(self, reader: int) -> list[int]:
        return _page(sorted(self._held[reader].items(), reverse=True), self._followees)


WAYS: dict[str, type[Packed | Sorted | Heap | Dict]] = {
    "packed": Packed,
    "sorted": Sorted,
    "heap": Heap,
    "dict": Dict,
}


def own(rows: Sequence[Row]) -> list[Row]:
    """The same rows in numbers of their own, as a database driver makes them."""
    return [(int(str(position)), int(str(author))) for position, author in rows]


def _page(rows: Iterable[Row], followees: frozenset[int]) -> list[int]:
    found: list[int] = []
    for position, author in rows:
        if author in followees:
            found.append(position)
            if len(found) == PAGE:
                break
    return found


def main() -> None:
    args = options(__doc__, rounds=5).parse_args()
    sizes = SMOKE if args.smoke else QUICK if args.quick else FULL
    report: Report = {"benchmark": "inboxes", "quick": args.quick, "rounds": args.rounds}
    report |= {"inboxes": sizes.inboxes, "entries": CAPACITY}
    report |= rounded(measure(sizes, args.rounds))
    report["machine"] = machine()
    emit(report, table(report), as_json=args.json)


def measure(sizes: Sizes, rounds: int) -> Report:
    rng = random.Random(7)
    followees = frozenset(rng.sample(AUTHORS, len(AUTHORS) * 19 // 20))
    first = stream(rng, 0, CAPACITY)
    readers = range(1, sizes.inboxes + 1)
    report = {f"{name}_bytes": bytes_per_entry(name, sizes, first, followees, rng) for name in WAYS}
    held: dict[str, Inboxes] = {name: way(readers, first, followees) for name, way in WAYS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    reads: dict[str, list[float]] = {name: [] for name in WAYS}
    rereads: dict[str, list[float]] = {name: [] for name in WAYS}
    for nth in range(rounds):
        for rows in _some_at_once(stream(rng, CAPACITY + nth * sizes.posts, sizes.posts)):
            deliver_and_read(held, rows, rng.choice(readers), seconds, reads, rereads)
    delivered = sizes.inboxes * sizes.posts * rounds
    for name in WAYS:
        report[f"{name}_deliver_per_s"] = delivered / sum(seconds[name])
        report[f"{name}_read_us"] = statistics.median(reads[name])
        report[f"{name}_reread_us"] = statistics.median(rereads[name])
    return report


def deliver_and_read(
    held: dict[str, Inboxes],
    rows: Sequence[Row],
    reader: int,
    seconds: dict[str, list[float]],
    reads: dict[str, list[float]],
    rereads: dict[str, list[float]],
) -> None:
    """The same for each way, in turn; all must then show the same page."""
    pages = {}
    for name, inboxes in held.items():
        with stopwatch(seconds[name]):
            for row in rows:
                inboxes.deliver(row)
        pages[name] = timed(reads[name], partial(inboxes.newest, reader))
        timed(rereads[name], partial(inboxes.newest, reader))
    assert all(page == pages["packed"] for page in pages.values()), "the ways differ"


def stream(rng: random.Random, start: int, count: int) -> list[Row]:
    """Posts as they come: one second apart, every twentieth of them up to a minute late."""
    base_ms = 1_700_000_000_000
    seconds = [nth - (rng.randint(1, 60) if nth % 20 == 0 else 0) for nth in range(start, start + count)]
    return [
        (position_of(base_ms + second * 1000, sequence=nth % 4096), rng.choice(AUTHORS))
        for nth, second in enumerate(seconds)
    ]


def _some_at_once(rows: Sequence[Row]) -> list[Sequence[Row]]:
    return [rows[start : start + 8] for start in range(0, len(rows), 8)]


def bytes_per_entry(
    name: str, sizes: Sizes, rows: Sequence[Row], followees: frozenset[int], rng: random.Random
) -> float:
    """What tracemalloc sees for inboxes that were filled, delivered to, and read once."""
    inboxes = max(1, sizes.inboxes // 10)
    later = stream(rng, CAPACITY, CAPACITY // 8)
    gc.collect()
    tracemalloc.start()
    held = WAYS[name](range(1, inboxes + 1), rows, followees)
    for row in later:
        held.deliver(row)
    for reader in range(1, inboxes + 1):
        held.newest(reader)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return taken / inboxes / CAPACITY


def table(report: Report) -> dict[str, str]:
    return {
        name: f"{report[f'{name}_deliver_per_s']:>11,.0f} deliveries/s   "
        f"page {report[f'{name}_read_us']:>4,.0f} us, again {report[f'{name}_reread_us']:>4,.0f} us   "
        f"{report[f'{name}_bytes']:>5,.0f} bytes an entry"
        for name in WAYS
    }


if __name__ == "__main__":
    main()
