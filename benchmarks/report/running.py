"""Runs the scripts, one after the other, each in a process of its own."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1]

RUNS: dict[str, list[str]] = {
    "fanout": ["fanout.py"],
    "home": ["home.py", "--backend", "embedded"],
    "home_redis": ["home.py", "--backend", "redis"],
    "under_fire": ["under_fire.py"],
    "cluster": ["cluster.py"],
    "recovery": ["recovery.py"],
    "publish": ["publish.py"],
    "policies": ["policies.py"],
    "import": ["import.py"],
    "reconcile": ["reconcile.py"],
    "inboxes": ["inboxes.py"],
}
"""The script and its options, by the name of the run."""


def run(name: str, *, quick: bool, smoke: bool) -> dict[str, Any]:
    """What the script reports, with `command`, `seconds`, `at` and the versions of what it talked to."""
    script, *options = RUNS[name]
    options += ["--quick"] * (quick or smoke)
    command = f"python benchmarks/{' '.join([script, *options])}"
    print(command, file=sys.stderr, flush=True)
    hidden = ["--smoke", "--rounds", "1"] if smoke else []
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(FOLDER / script), *options, *hidden, "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{command} failed")
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    report |= {"command": command, "seconds": round(time.monotonic() - started)}
    report["at"] = datetime.now(UTC).isoformat(timespec="minutes")
    report["machine"] |= {name: version(name) for name in ("psycopg", "redis")}
    return report
