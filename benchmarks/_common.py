"""What the benchmarks share: their options, the machine they ran on, percentiles, and the report.

Every script prints a short table; with `--json` the last line of its output is one JSON object that holds
the same figures and the machine. Times named `_us` are microseconds, `_ms` milliseconds, `_s` seconds.
"""

import argparse
import json
import math
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

Report = dict[str, Any]
Rounds = Sequence[Sequence[float]]
"""Times of each round."""


def options(description: str | None, *, rounds: int) -> argparse.ArgumentParser:
    """The options that every benchmark has; `description` is the docstring of the script."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a smaller world, well under a minute")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"rounds to measure (default {rounds})")
    # For the tests of the scripts: everything is done, on a world too small for the figures to mean anything.
    parser.add_argument("--smoke", action="store_true", help=argparse.SUPPRESS)
    return parser


def databases(stack: ExitStack, wanted: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """(name, what gives the URL of an empty database for a while) of each backend."""
    if wanted in ("both", "sqlite"):
        yield "sqlite", sqlite_file
    if wanted in ("both", "postgresql"):
        from tests.servers import ServerUnavailable, fresh_database, run_postgres

        try:
            server = stack.enter_context(run_postgres())
        except ServerUnavailable as error:
            print(f"without PostgreSQL: {error}", file=sys.stderr)
        else:
            yield "postgresql", lambda: fresh_database(server)


@contextmanager
def sqlite_file() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{folder}/import.db"


def machine() -> Report:
    """Where the figures were taken."""
    names = ("numpy", "sqlalchemy")
    return {
        "cpu": _cpu_model(),
        "cpus": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in names},
    }


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the smallest value that at least `share` (0..1) of all do not exceed."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def median_of(rounds: Sequence[Sequence[float]], share: float) -> float:
    """That percentile of each round, and of these the median."""
    return statistics.median(percentile(values, share) for values in rounds)


def figures(times: Mapping[str, Rounds], names: Sequence[str]) -> Report:
    found: Report = {}
    for name in names:
        found[f"{name}_p50_us"] = median_of(times[name], 0.5)
        found[f"{name}_p99_us"] = median_of(times[name], 0.99)
    return found


def ratio(slower: Rounds, quicker: Rounds) -> float:
    """How many times longer the median of the one takes, round by round, and of these the median."""
    pairs = zip(slower, quicker, strict=True)
    return statistics.median(percentile(a, 0.5) / percentile(b, 0.5) for a, b in pairs)


@contextmanager
def stopwatch(into: list[float]) -> Iterator[None]:
    """Append the seconds that the block took."""
    started = time.perf_counter()
    yield
    into.append(time.perf_counter() - started)


def timed(into: list[float], work: Callable[[], Any]) -> Any:
    """The result of `work`; the microseconds it took go into the list."""
    started = time.perf_counter_ns()
    result = work()
    into.append((time.perf_counter_ns() - started) / 1000)
    return result


def emit(report: Report, rows: Mapping[str, str], *, as_json: bool) -> None:
    """Print the rows as a table, then, if asked for, the whole report as the last line."""
    width = max(len(name) for name in rows)
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")
    taken_on = report["machine"]
    print(
        f"\n{taken_on['cpu']} x {taken_on['cpus']}, Python {taken_on['python']}, SQLite {taken_on['sqlite']}"
    )
    if as_json:
        print(json.dumps(report))


def rounded(report: Report) -> Report:
    """Floats with no more digits than they deserve."""
    return {name: _rounded(value) for name, value in report.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 1 if abs(value) >= 10 else 3)
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return value


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
