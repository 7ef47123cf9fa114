"""The page: what was measured against what is aimed at, a section for each benchmark, and where it was taken."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from benchmarks.report.plots import PLOTS
from benchmarks.report.sections import SECTIONS, Section, listed

Report = Mapping[str, Any]
Reports = Mapping[str, Report]

HEAD = """\
# Benchmarks

Written by `make benchmarks`, which runs every script in [benchmarks](../benchmarks) and puts its figures here. Each
script says at its head what it does, starts the servers that it needs, verifies what it reads, and compares with the
usual way in the same run.
{remark}
Trust ratios more than figures: what is divided was measured in turns, within the same minutes. How busy the machine
was when each run ended is in [the last section](#where-it-was-taken).
"""


@attrs.frozen
class Goal:
    """What is aimed at: a figure of a run, and what it is to be."""

    what: str
    run: str
    value_of: Callable[[Report], float]
    bound: float
    at_least: bool = False
    shown: str = "{:,.2f}"

    def row(self, report: Report) -> str:
        """A line of the table."""
        value = self.value_of(report)
        holds = value >= self.bound if self.at_least else value <= self.bound
        sign = "at least" if self.at_least else "at most"
        return f"| {self.what} | {self.shown.format(value)} | {sign} {self.bound:,g} | {'yes' if holds else 'no'} |"


def _worst_hybrid(report: Report) -> float:
    return max((graph["hybrid_vs_best"] for graph in report["graphs"].values()), default=float("nan"))


GOALS = (
    Goal("fan-out over ZADD and ZREMRANGEBYRANK, times", "fanout", lambda r: r["ratio"], 8, at_least=True),
    Goal("bytes per inbox entry in Redis", "fanout", lambda r: r["bytes_per_entry"], 19, shown="{:.1f}"),
    Goal(
        "a delivery to ten times the inboxes over one to a tenth", "fanout", lambda r: r["cost_growth"], 1.2
    ),
    Goal("home page over Redis, in PINGs", "home_redis", lambda r: r["ratio_to_ping"], 5),
    Goal("200 pulled authors over the pushed page", "home_redis", lambda r: r["pull200_ratio"], 3),
    Goal("p99 of a page under fire over p99 in peace", "under_fire", lambda r: r["p99_ratio"], 3),
    Goal("home page embedded, us", "home", lambda r: r["home_p50_us"], 200, shown="{:,.0f}"),
    Goal("p99 of publish, most followers over fewest", "publish", lambda r: r["p99_growth"], 1.5),
    Goal("hybrid over the better of push and pull, the worst graph", "policies", _worst_hybrid, 1.05),
    Goal(
        "push over hybrid until visible beside a celebrity",
        "policies",
        lambda r: r["celebrity"]["lag_ratio"],
        10,
        at_least=True,
    ),
)


def page(reports: Reports, remark: str) -> str:
    """The whole page as Markdown."""
    parts = [HEAD.format(remark=f"\n{remark}\n" if remark else "").rstrip(), *_goals(reports)]
    for name, section in SECTIONS.items():
        if name in reports:
            parts += _section(name, reports[name], section)
    return "\n".join([*parts, *_conditions(reports)]) + "\n"


def _goals(reports: Reports) -> Iterator[str]:
    yield "\n## What is aimed at\n\n| | measured | goal | holds |\n|---|---|---|---|"
    for goal in GOALS:
        if goal.run in reports:
            yield goal.row(reports[goal.run])


def _section(name: str, report: Report, section: Section) -> Iterator[str]:
    yield f"\n## {section.title}\n\n`{report['command']}`\n"
    if name in PLOTS:
        yield f"![{section.title}](benchmarks/{name}.png)\n"
    yield from section.rows(report)
    if section.said:
        yield f"\n{section.said}"


def _conditions(reports: Reports) -> Iterator[str]:
    machine: dict[str, Any] = next(iter(reports.values()))["machine"]
    shown = {
        "processor": f"{machine['cpu']}, {machine['cpus']} virtual cores",
        "system": machine["system"],
        "Python": machine["python"],
        "numpy": machine["numpy"],
        "SQLAlchemy": machine["sqlalchemy"],
        "psycopg": machine["psycopg"],
        "redis-py": machine["redis"],
        "SQLite": machine["sqlite"],
    }
    if "home_redis" in reports:
        shown["Redis"] = reports["home_redis"]["redis_version"]
        shown["PostgreSQL"] = reports["home_redis"]["postgresql_version"]
    yield "\n## Where it was taken\n"
    yield from listed("", shown)
    yield "\n| run | ended at (UTC) | it took | load of the machine then |\n|---|---|---|---|"
    for report in reports.values():
        at = report["at"].removesuffix("+00:00").replace("T", " ")
        yield f"| `{report['command']}` | {at} | {report['seconds']} s | {report['machine']['load_1min']} |"
