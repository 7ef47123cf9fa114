"""The plots, each from one report, as PNG."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # no display

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

Report = Mapping[str, Any]
OURS, USUAL, PEACE = "#2a6f97", "#c9a227", "#9db4c0"
PULLED = (20, 200, 2000)


def plot_all(reports: Mapping[str, Report], folder: Path) -> None:
    """A picture for each report that has one; those of reports that are not there are removed."""
    for name, (draw, size) in PLOTS.items():
        path = folder / f"{name}.png"
        if name not in reports:
            path.unlink(missing_ok=True)
            continue
        figure, axes = plt.subplots(figsize=size, layout="constrained")
        draw(axes, reports[name])
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, dpi=110)
        plt.close(figure)


def fanout(axes: Axes, report: Report) -> None:
    names = [
        "feedkit, to Redis",
        "the whole way,\nfrom the event on",
        "LPUSH, LTRIM",
        "ZADD,\nZREMRANGEBYRANK",
    ]
    values = [report[f"{name}_per_s"] for name in ("feedkit", "end_to_end", "list", "zset")]
    _bars(axes, names, values, [OURS, OURS, USUAL, USUAL])
    axes.set_title("Deliveries per second to full inboxes, one process, one Redis")


def home_redis(axes: Axes, report: Report) -> None:
    kinds = ["ping", "home", *(f"pull{count}" for count in PULLED), "usual"]
    names = ["PING", "page", *(f"{count:,}\npulled" for count in PULLED), "ZREVRANGE,\n2 MGET"]
    ping = report["ping_p50_us"]
    values = [report[f"{kind}_p50_us"] / ping for kind in kinds]
    _bars(axes, names, values, [PEACE, OURS, OURS, OURS, OURS, USUAL], "{:.1f}")
    axes.axhline(5, color="grey", linewidth=0.8, linestyle="--")
    axes.set_title("A home page over PostgreSQL and Redis, p50 in PINGs")


def under_fire(axes: Axes, report: Report) -> None:
    names = ["page p50", "page p99", "PING p50", "PING p99"]
    keys = ["{}_p50_us", "{}_p99_us", "{}_ping_p50_us", "{}_ping_p99_us"]
    for shift, (when, colour) in ((-0.2, ("peace", PEACE)), (0.2, ("fire", OURS))):
        values = [report[key.format(when)] / 1000 for key in keys]
        bars = axes.bar([nth + shift for nth in range(4)], values, 0.4, color=colour, label=_SAID[when])
        axes.bar_label(bars, labels=[f"{value:.2g}" for value in values], fontsize=8)
    axes.set_xticks(range(4), names)
    axes.set_yscale("log")
    axes.set_ylabel("ms")
    axes.legend(frameon=False)
    axes.set_title("Reading while another process delivers")


_SAID = {"peace": "in peace", "fire": "under fire"}


def cluster(axes: Axes, report: Report) -> None:
    primaries = list(report["per_s"])
    for key, said, colour, style in (
        ("ceiling", "if each primary had a core for itself", PEACE, "--"),
        ("per_s", "measured, all on one machine", OURS, "-"),
        ("usual_per_s", "redis-py, ZADD and ZREMRANGEBYRANK", USUAL, "-"),
    ):
        axes.plot(primaries, list(report[key].values()), style, color=colour, marker="o", label=said)
    axes.set_yscale("log")
    axes.set_xlabel("primaries")
    axes.set_ylabel("deliveries per second")
    axes.legend(frameon=False)
    axes.set_title("Deliveries to a cluster")


def recovery(axes: Axes, report: Report) -> None:
    names = ["before", "right after FLUSHALL,\nbuilds the inbox", "the page after"]
    values = [report[f"{name}_p50_us"] / 1000 for name in ("warm", "page", "second")]
    _bars(axes, names, values, [PEACE, OURS, PEACE], "{:.2g} ms")
    axes.set_title("A home page around FLUSHALL, p50")


def _bars(
    axes: Axes, names: Sequence[str], values: Sequence[float], colours: Sequence[str], label: str = "{:,.0f}"
) -> None:
    bars = axes.bar(names, values, color=colours)
    axes.bar_label(bars, labels=[label.format(value) for value in values])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


PLOTS: dict[str, tuple[Callable[[Axes, Report], None], tuple[float, float]]] = {
    "fanout": (fanout, (7, 3)),
    "home_redis": (home_redis, (7, 3)),
    "under_fire": (under_fire, (7, 3.4)),
    "cluster": (cluster, (7, 3.4)),
    "recovery": (recovery, (7, 3)),
}
