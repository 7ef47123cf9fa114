"""Runs every benchmark and writes `docs/benchmarks.md` with tables, plots and the conditions they were taken under.

    python -m benchmarks.report --quick                      all of them, in some minutes
    python -m benchmarks.report --quick --only home cluster  anew for these, the others as they were
    python -m benchmarks.report --only                       none of them: the page and the plots alone
    python -m benchmarks.report --remark "a sentence on what else the machine was doing"

What the scripts reported is kept beside the plots, as `figures.json`. Plots need matplotlib (the extra `bench`).
"""

import argparse
import json
from pathlib import Path

from benchmarks.report.pages import page
from benchmarks.report.plots import plot_all
from benchmarks.report.running import RUNS, run

DOCS = Path(__file__).resolve().parents[2] / "docs"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="smaller worlds, some minutes in all")
    parser.add_argument("--only", nargs="*", choices=list(RUNS), default=list(RUNS), metavar="NAME")
    parser.add_argument("--remark", default="", help="what whoever reads the figures should know")
    parser.add_argument("--to", type=Path, default=DOCS, help=f"the folder to write to (default {DOCS})")
    parser.add_argument(
        "--smoke", action="store_true", help=argparse.SUPPRESS
    )  # for the tests of this program
    args = parser.parse_args()
    folder = args.to / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "figures.json"
    reports = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    for name in args.only:
        reports[name] = run(name, quick=args.quick, smoke=args.smoke)
        kept.write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")
    plot_all(reports, folder)
    (args.to / "benchmarks.md").write_text(page(reports, args.remark), encoding="utf-8")


if __name__ == "__main__":
    main()
