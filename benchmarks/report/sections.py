"""The sections of the page: what each benchmark came to, as a table."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

Report = Mapping[str, Any]

_CLUSTER = """\
All servers and the process that delivers share the cores of one machine, so deliveries per second cannot grow with the
primaries beyond them. The CPU time of the busiest server does not depend on that: the ceiling is what the servers would
take if each had a core for itself."""
_HOME_REDIS = """\
One trip to Redis, and one question to PostgreSQL that it answers while the page is made: see
[decision 020](decisions/020-asked-while-the-page-is-made.md)."""


@attrs.frozen
class Section:
    """Title, table, and what is to be said of it."""

    title: str
    rows: Callable[[Report], Iterator[str]]
    said: str = ""


def _us(report: Report, rows: Mapping[str, str]) -> Iterator[str]:
    """A table of kinds of reads, whose figures are in microseconds."""
    yield "| | p50 | p99 |\n|---|---|---|"
    for name, said in rows.items():
        yield f"| {said} | {report[f'{name}_p50_us'] / 1000:,.2f} ms | {report[f'{name}_p99_us'] / 1000:,.2f} ms |"


def listed(head: str, rows: Mapping[str, str]) -> Iterator[str]:
    """A table of two columns."""
    yield f"| | {head} |\n|---|---|"
    yield from (f"| {said} | {value} |" for said, value in rows.items())


def fanout(report: Report) -> Iterator[str]:
    return listed(
        "deliveries per second",
        {
            "feedkit, sealing included": f"{report['feedkit_per_s']:,.0f}",
            "from the committed event to the last inbox": f"{report['end_to_end_per_s']:,.0f}",
            "redis-py's pipeline of LPUSH and LTRIM": f"{report['list_per_s']:,.0f}",
            "redis-py's pipeline of ZADD and ZREMRANGEBYRANK": f"{report['zset_per_s']:,.0f}",
        },
    )


def home(report: Report) -> Iterator[str]:
    rows = {
        "home": "first page",
        "page_10": "tenth page",
        "pull_home": f"first page, {report['pulled_authors']} of {report['followees']} followees pulled",
        "fresh_home": "first page after a followee's post, which it delivers",
        "deep_home": "a page below the inbox, from truth",
        "cold_home": "first page with nothing left in memory",
        "sql_home": "the usual way: one SQL query with the same filters",
    }
    return _us(report, rows)


def home_redis(report: Report) -> Iterator[str]:
    rows = {
        "ping": "PING by redis-py",
        "home": "first page",
        "page_10": "tenth page",
        **{f"pull{count}": f"first page, {count:,} pulled authors besides" for count in (20, 200, 2000)},
        "fresh_home": "first page after a followee's post",
        "cold_home": "first page of a process that has just begun",
        "usual": "redis-py, ZREVRANGE and two MGETs, nothing filtered or counted",
    }
    return _us(report, rows)


def under_fire(report: Report) -> Iterator[str]:
    rows = {
        "peace": "a page in peace",
        "fire": "a page under fire",
        "peace_ping": "a PING in peace",
        "fire_ping": "a PING under fire",
    }
    yield from _us(report, rows)
    delivered, crowd = f"{report['fire_per_s']:,.0f}", f"{report['crowd']:,}"
    yield f"\n{delivered} entries per second were delivered meanwhile, each post to {crowd} inboxes."


def cluster(report: Report) -> Iterator[str]:
    yield "| primaries | deliveries/s | of one primary | the usual way | busiest server, each | ceiling |"
    yield "|---|---|---|---|---|---|"
    for primaries, per_s in report["per_s"].items():
        yield (
            f"| {primaries} | {per_s:,.0f} | {report['speedup'][primaries]:.2f} x | "
            f"{report['usual_per_s'][primaries]:,.0f} | {report['server_us'][primaries]:.2f} us | "
            f"{report['ceiling'][primaries]:,.0f} |"
        )


def recovery(report: Report) -> Iterator[str]:
    return listed(
        f"{report['readers']:,} readers, inboxes of {report['entries']}",
        {
            "first whole page after FLUSHALL": f"{report['first_page_ms']:,.1f} ms",
            "all of them have had a page, one after the other": f"{report['all_pages_s']:,.2f} s",
            "a page that builds its inbox, p50": f"{report['page_p50_us'] / 1000:,.2f} ms",
            "the same page before, p50": f"{report['warm_p50_us'] / 1000:,.2f} ms",
            "the usual way: the same rows by SQL, ZADD by redis-py": f"{report['usual_s']:,.2f} s",
        },
    )


def publish(report: Report) -> Iterator[str]:
    audiences = report["publish_p50_us"]
    yield "| followers | p50 | p99 |\n|---|---|---|"
    for followers in audiences:
        p50, p99 = (report[f"publish_{share}_us"][followers] for share in ("p50", "p99"))
        yield f"| {int(followers):,} | {p50 / 1000:,.2f} ms | {p99 / 1000:,.2f} ms |"


def policies(report: Report) -> Iterator[str]:
    yield "| graph | hybrid over the better of push and pull | `simulate`'s choice over the cheapest |\n|---|---|---|"
    for name, graph in report["graphs"].items():
        yield f"| {name} | {graph['hybrid_vs_best']:.3f} | {graph['simulate_vs_cheapest']:.3f} |"
    yield f"| beside a celebrity, push takes so many times longer | {report['celebrity']['lag_ratio']:.0f} | |"


def imports(report: Report) -> Iterator[str]:
    yield "| | users/s | follows/s | posts/s |\n|---|---|---|---|"
    for backend in report["backends"]:
        prefix = (
            "sqlite_" if backend == "sqlite" else "postgresql_" if "postgresql_users_per_s" in report else ""
        )
        values = " | ".join(
            f"{report[f'{prefix}{what}_per_s']:,.0f}" for what in ("users", "follows", "posts")
        )
        yield f"| {backend} | {values} |"


SECTIONS: dict[str, Section] = {
    "fanout": Section("Fan-out to Redis", fanout, "Full inboxes of 800 entries, one process, one Redis."),
    "home_redis": Section("Home pages over PostgreSQL and Redis", home_redis, _HOME_REDIS),
    "home": Section("Home pages, embedded", home, "A SQLite file, inboxes in memory."),
    "under_fire": Section(
        "Reading under fire",
        under_fire,
        "The process that reads, the one that delivers, PostgreSQL and Redis share the cores of one machine.",
    ),
    "cluster": Section("A cluster of Redis", cluster, _CLUSTER),
    "recovery": Section("A Redis that was emptied", recovery),
    "publish": Section("Publishing", publish),
    "policies": Section("Policies", policies),
    "import": Section("Imports", imports, "Into empty databases, after one round that is not counted."),
}
