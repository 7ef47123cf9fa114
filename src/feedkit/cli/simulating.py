"""`feedkit simulate`: what each fan-out policy would cost."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

import feedkit
from feedkit import Feed
from feedkit.cli.options import Db, FeedPath, Json, KeyType, Namespace, opened, target
from feedkit.cli.output import Output
from feedkit.cli.tables import moment, read_rows
from feedkit.clock import to_ms
from feedkit.errors import InvalidArgument
from feedkit.fanout.simulate import Priced, Prices, Report, Trace, simulate
from feedkit.model import Assoc

_ROWS = 10_000


def simulating(
    context: typer.Context,
    *,
    follows: Annotated[
        Path | None,
        typer.Option(
            "--follows",
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help="CSV or .jsonl with follower and followee.",
            show_default="the follows of the feed",
        ),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(
            "--events",
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help='CSV or .jsonl with at, who, and what, "post" or "read".',
            show_default="made up",
        ),
    ] = None,
    posts: Annotated[int, typer.Option(min=1, help="Without --events: how many posts to make up.")] = 1000,
    reads_per_post: Annotated[float, typer.Option(min=0, help="And pages read for each.")] = 100.0,
    days: Annotated[float, typer.Option(min=0, help="And over how many days.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Another one makes up other events.")] = 0,
    prices: Annotated[
        Path | None,
        typer.Option(
            "--prices",
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help="JSON with unit prices.",
            show_default="measured here",
        ),
    ] = None,
    max_lag_ms: Annotated[
        float | None, typer.Option(min=0, help="Only policies that show 99 of 100 posts so soon.")
    ] = None,
    db: Db = None,
    feed: FeedPath = None,
    namespace: Namespace = None,
    key: KeyType = None,
    as_json: Json = False,
) -> None:
    """Replay posts and reads against push, pull and what lies between, and price each. Nothing is changed.

    Without --follows they are those of your own feed; without --events, posts and reads are made up over them.
    """
    out = Output(as_json=as_json)
    paid = None if prices is None else Prices.from_dict(_json(prices))
    if follows is None:
        with opened(target(context, db, feed, namespace, key)) as found:
            pairs, settings = [*_follows_of(found)], found.wiring.settings
    else:
        pairs, settings = [_follow(row) for row in read_rows(follows, ("follower", "followee"))], None
    if events is None:
        trace = Trace.made_up(pairs, posts=posts, reads_per_post=reads_per_post, days=days, seed=seed)
    else:
        trace = _recorded(pairs, events)
    with out.notes.status("Measuring unit prices and replaying the trace"):
        report = simulate(trace, prices=paid or feedkit.calibrate(), settings=settings)
    chosen = report.cheapest(max_lag_ms=max_lag_ms)
    out.console.print(_table(report, chosen, f"{trace.posts:,} posts, {trace.reads:,} pages read"))
    out.console.print(Text.assemble("Cheapest: ", (repr(chosen.policy), "bold green")))
    out.result(report.to_dict() | {"chosen": chosen.name})


def _follows_of(feed: Feed[Any]) -> Iterator[tuple[Any, Any]]:
    """(follower, followee) of everybody, by their ids."""
    runtime = feed.runtime()
    truth, last = runtime.truth, 0
    while users := truth.read(lambda tx, last=last: truth.users.ids_after(tx, last, _ROWS)):  # type: ignore[misc]
        last = users[-1]
        for user in users:
            for followee in _followees(truth, user):
                yield user, followee


def _followees(truth: Any, user: int) -> Iterator[int]:
    after = 0
    while True:
        found = truth.read(lambda tx, after=after: truth.graph.range(tx, user, Assoc.FOLLOWS, after, _ROWS))
        yield from found.tolist()
        if len(found) < _ROWS:
            return
        after = int(found[-1])


def _follow(row: Any) -> tuple[str, str]:
    return str(row.get("follower", "")), str(row.get("followee", ""))


def _recorded(follows: list[tuple[Any, Any]], path: Path) -> Trace:
    happened: dict[str, list[tuple[int, str]]] = {"post": [], "read": []}
    for nth, row in enumerate(read_rows(path, ("at", "who", "what")), 1):
        what = str(row.get("what", ""))
        if what not in happened:
            raise InvalidArgument(f"{path}, row {nth}: what must be post or read", argument="what")
        happened[what].append((to_ms(moment("at", str(row.get("at", "")))), str(row.get("who", ""))))
    return Trace.of(follows, happened["post"], happened["read"])


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidArgument(f"{path} must be JSON: {error}", argument="prices") from error


def _table(report: Report, chosen: Priced, title: str) -> Table:
    table = Table(title=f"What each policy costs: {title}", title_justify="left", title_style="bold")
    table.add_column("policy")
    for name in ("CPU s", "writing", "reading", "inbox writes", "merges", "pulled", "page p99", "lag p99"):
        table.add_column(name, justify="right")
    for one in sorted(report, key=lambda one: one.cpu_s):
        pulled = f"{one.pulled_pairs:,} pairs" if one.pulled_pairs else f"{one.pulled_authors:,}"
        table.add_row(
            one.name,
            f"{one.cpu_s:,.2f}",
            f"{one.write_cpu_s:,.2f}",
            f"{one.read_cpu_s:,.2f}",
            f"{one.writes:,}",
            f"{one.merges:,}",
            pulled,
            f"{one.read_p99_us / 1000:,.2f} ms",
            f"{one.lag_p99_ms:,.1f} ms",
            style="bold green" if one is chosen else "",
        )
    return table
