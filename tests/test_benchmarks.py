"""The benchmarks run and report what they promise. Their figures are taken elsewhere, on a quiet machine."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
NAMES = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
SHARED = {"benchmark", "quick", "rounds", "machine"}

KEYS = {
    "home": {
        "backend",
        "home_p50_us",
        "home_p99_us",
        "page_10_p50_us",
        "deep_home_p50_us",
        "cold_home_p50_us",
        "fresh_home_p50_us",
        "pull_home_p50_us",
        "pull_ratio",
        "sql_home_p50_us",
        "sql_scan_p50_us",
        "ratio",
        "inbox_entries",
        "pages_verified",
    },
    "publish": {
        "publish_p50_us",
        "publish_p99_us",
        "p99_growth",
        "as_it_comes_p99_us",
        "deliver_per_s",
        "deliver_batch_per_s",
        "drain_ms",
        "resident_inboxes",
    },
    "import": {
        "backends",
        *(
            f"{prefix}{what}_per_s"
            for prefix in ("", "cold_", "sqlite_", "sqlite_cold_")
            for what in ("users", "follows", "posts")
        ),
    },
    "reconcile": {
        "backends",
        "adopted_per_s",
        "compared_per_s",
        "sqlite_repaired",
        "sqlite_longest_turn_ms",
    },
    "bus": {"fill_per_s", "consume_per_s", "redis_py_per_s", "ratio", "one_p50_us", "bytes_per_event"},
    "policies": {"prices", "graphs", "celebrity"},
    "fanout": {
        *(f"{way}_per_s" for way in ("feedkit", "zset", "list", "end_to_end")),
        "inboxes",
        "audience",
        "entries",
        "ratio",
        "list_ratio",
        "bytes_per_entry",
        "cost_growth",
    },
    "under_fire": {
        "crowd",
        "fire_per_s",
        "p99_ratio",
        "p50_ratio",
        "ping_p99_ratio",
        *(f"{when}_{p}_us" for when in ("peace", "fire", "peace_ping", "fire_ping") for p in ("p50", "p99")),
    },
    "cluster": {"per_s", "usual_per_s", "ratio", "speedup", "server_us", "share", "ceiling", "cores"},
    "recovery": {
        "first_page_ms",
        "all_pages_s",
        "rebuilt_per_s",
        "page_p50_us",
        "page_p99_us",
        "warm_p50_us",
        "second_p50_us",
        "usual_s",
        "ratio",
    },
    "inboxes": {
        f"{way}_{what}" for way in ("packed", "sorted", "heap", "dict") for what in ("deliver_per_s", "bytes")
    },
}
HOME_OVER_REDIS = {
    "backend",
    "ratio_to_ping",
    "usual_ratio_to_ping",
    "inbox_entries",
    "pages_verified",
    *(f"pull{count}_ratio" for count in (20, 200, 2000)),
    *(
        f"{what}_{p}_us"
        for what in (
            "home",
            "ping",
            "pull20",
            "pull200",
            "pull2000",
            "page_10",
            "fresh_home",
            "cold_home",
            "usual",
        )
        for p in ("p50", "p99")
    ),
}
MORE = {"home": ["--backend", "embedded"]}


@pytest.mark.parametrize("name", NAMES)
def test_the_last_line_is_one_json_object_with_the_promised_keys(name: str, tmp_path: Path) -> None:
    # --smoke goes through everything on a world too small for the figures to mean anything
    lines = run(name, "--quick", "--json", "--smoke", "--rounds", "2", *MORE.get(name, []), cwd=tmp_path)

    report = json.loads(lines[-1])
    assert report["benchmark"] == name
    assert report.keys() >= SHARED | KEYS.get(name, set())
    assert report["machine"].keys() >= {"cpu", "cpus", "python", "sqlite", "numpy", "sqlalchemy"}
    assert all(is_figure(value) for key, value in report.items() if key.endswith(("_us", "_per_s", "ratio")))
    assert not any(line.startswith("{") for line in lines[:-1])


@pytest.mark.redis
@pytest.mark.postgres
def test_pages_over_redis_are_measured_beside_pings(tmp_path: Path) -> None:
    asked = ("--quick", "--json", "--smoke", "--rounds", "1", "--backend", "redis")
    report = json.loads(run("home", *asked, cwd=tmp_path)[-1])

    assert report["backend"] == "redis"
    assert report.keys() >= SHARED | HOME_OVER_REDIS
    assert all(is_figure(value) for key, value in report.items() if key.endswith(("_us", "ratio", "_ping")))


def test_graphs_may_lie_elsewhere_and_need_not_be_there(tmp_path: Path) -> None:
    # given
    folder = tmp_path / "twitter_careers"
    folder.mkdir()
    edges = [f"star\tfan{n}\n" for n in range(200)] + [f"fan{n}\tfan{n + 1}\n" for n in range(100)]
    with gzip.open(folder / "bofa_careers.edges.tsv.gz", "wt") as file:
        file.writelines(edges)
    asked = ("--quick", "--json", "--smoke", "--rounds", "1", "--data")

    # when
    found = json.loads(run("policies", *asked, str(tmp_path), cwd=tmp_path)[-1])
    nothing = json.loads(run("policies", *asked, str(tmp_path / "nowhere"), cwd=tmp_path)[-1])

    # then
    graph = found["graphs"]["bofa"]
    assert (graph["accounts"], graph["follows"], graph["largest_audience"]) == (201, 300, 200)
    assert graph["policies"].keys() == {"push", "pull", "hybrid", "cost_based"}
    assert graph["hybrid_vs_best"] > 0
    assert graph["simulate_vs_cheapest"] > 0
    assert nothing["graphs"] == {}
    assert nothing["celebrity"]["lag_ratio"] > 0


def test_the_report_is_a_page_with_plots_of_whatever_was_run(tmp_path: Path) -> None:
    # given
    asked = ("--smoke", "--to", str(tmp_path), "--only")
    report(*asked, "recovery", "inboxes")

    # when
    report(*asked, "publish", "--remark", "The machine was busy.")

    # then
    page = (tmp_path / "benchmarks.md").read_text()
    assert "The machine was busy." in page
    assert "![A Redis that was emptied](benchmarks/recovery.png)" in page
    assert "| p99 of publish, most followers over fewest |" in page
    assert [path.name for path in (tmp_path / "benchmarks").glob("*.png")] == ["recovery.png"]
    assert json.loads((tmp_path / "benchmarks" / "figures.json").read_text()).keys() == {
        "recovery",
        "inboxes",
        "publish",
    }
    assert (tmp_path / "benchmarks" / "recovery.png").read_bytes().startswith(b"\x89PNG")


def report(*arguments: str) -> None:
    program = [sys.executable, "-m", "benchmarks.report", *arguments]
    done = subprocess.run(program, cwd=FOLDER.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_json_it_is_a_table(tmp_path: Path) -> None:
    lines = run("inboxes", "--quick", "--smoke", "--rounds", "1", cwd=tmp_path)

    assert lines[0].startswith("packed")
    assert not any(line.startswith("{") for line in lines)


def run(name: str, *arguments: str, cwd: Path) -> list[str]:
    """The lines of its output. It runs as a script does, from anywhere and without PYTHONPATH."""
    script = [sys.executable, "-W", "error", str(FOLDER / f"{name}.py"), *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(script, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def is_figure(value: Any) -> bool:
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return all(isinstance(one, (int, float)) and one > 0 for one in values)
