"""What a replay did and how long it took."""

import os
import platform
import sqlite3
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter, perf_counter_ns
from typing import Any

import attrs
from rich.table import Table


@attrs.frozen(slots=True)
class Mismatch:
    """A page that is not what the tables say. `place` counts posts from the newest, 0 the first."""

    viewer: str
    surface: str
    place: int
    expected: int | None
    got: int | None
    at_ms: int

    def __str__(self) -> str:
        return (
            f"{self.surface}, read by {self.viewer!r} at {self.at_ms} ms: "
            f"post {self.place} is {self.got or 'missing'}, must be {self.expected or 'the end'}"
        )


@attrs.define(eq=False)
class Watch:
    """Adds up the seconds of what is done inside `with watch():`."""

    seconds: float = 0.0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Time what is done inside."""
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds += perf_counter() - started


@attrs.define(eq=False)
class Tally:
    """Counts and times of one replay, growing while it runs."""

    posts: int = 0
    follows: int = 0
    blocks: int = 0
    mutes: int = 0
    deletions: int = 0
    undone: int = 0
    detached: int = 0
    refused: int = 0
    deliveries: int = 0
    pages_checked: int = 0
    threads_checked: int = 0
    mismatches: list[Mismatch] = attrs.field(factory=list)
    writing: Watch = attrs.field(factory=Watch)
    verifying: Watch = attrs.field(factory=Watch)
    home_ns: "array[int]" = attrs.field(factory=lambda: array("q"))
    seconds: float = 0.0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Time one home page."""
        started = perf_counter_ns()
        yield
        self.home_ns.append(perf_counter_ns() - started)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe: seconds with the suffix `_s`, microseconds with `_us`."""
        write_s = self.writing.seconds
        return {
            "posts": self.posts,
            "follows": self.follows,
            "blocks": self.blocks,
            "mutes": self.mutes,
            "deletions": self.deletions,
            "undone": self.undone,
            "replies_detached": self.detached,
            "follows_refused": self.refused,
            "deliveries": self.deliveries,
            "seconds": round(self.seconds, 3),
            "write_s": round(write_s, 3),
            "read_s": round(sum(self.home_ns) / 1e9, 3),
            "verify_s": round(self.verifying.seconds, 3),
            "posts_per_s": round(self.posts / write_s, 1) if write_s else 0.0,
            "home_p50_us": self._home_us(0.50),
            "home_p99_us": self._home_us(0.99),
            "reads": len(self.home_ns),
            "pages_checked": self.pages_checked,
            "threads_checked": self.threads_checked,
            "mismatches": len(self.mismatches),
        }

    def _home_us(self, share: float) -> float:
        ordered = sorted(self.home_ns)
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1e3, 1) if ordered else 0.0


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {"cpus": os.cpu_count(), "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}


def table(title: str, report: dict[str, Any]) -> Table:
    """The report as a person reads it."""
    rows = Table(title=title, title_justify="left", title_style="bold", show_header=False, pad_edge=False)
    rows.add_column("what", style="dim")
    rows.add_column("figure", justify="right", style="bold")
    rows.add_column("", style="dim")
    for what, figure, remark in _rows(report):
        rows.add_row(what, figure, remark)
    return rows


def _rows(report: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    wrong = report["mismatches"]
    yield (
        "posts",
        f"{report['posts']:,}",
        f"{report['posts_per_s']:,.0f} a second, each one committed and delivered",
    )
    yield (
        "follows",
        f"{report['follows']:,}",
        f"{report['blocks']:,} blocks, {report['mutes']:,} mutes thrown in",
    )
    yield (
        "deliveries",
        f"{report['deliveries']:,}",
        f"policy {report['policy']}, {report['pulled_authors']:,} pulled",
    )
    yield "deletions", f"{report['deletions']:,}", ""
    yield (
        "home pages read",
        f"{report['reads']:,}",
        f"p50 {report['home_p50_us']:,.0f} us, p99 {report['home_p99_us']:,.0f} us",
    )
    yield (
        "pages verified",
        f"{report['pages_checked']:,}",
        f"against the tables, post by post; {report['threads_checked']:,} threads",
    )
    yield "mismatches", f"[bold {'red' if wrong else 'green'}]{wrong:,}[/]", ""
    yield (
        "seconds",
        f"{report['seconds']:,.1f}",
        (
            f"{report['write_s']:,.1f} writing and delivering, {report['read_s']:,.1f} reading, "
            f"{report['verify_s']:,.1f} verifying"
        ),
    )
