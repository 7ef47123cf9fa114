"""`feedkit replay` and `feedkit demo`: a stream lived through, and what came of it."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

import feedkit
from feedkit.cli import community
from feedkit.cli.options import FeedPath, Json, Namespace, Redis, target
from feedkit.cli.output import Output
from feedkit.cli.pages import home_page, show
from feedkit.cli.replaying import Replay
from feedkit.cli.stage import Stage, staged
from feedkit.cli.stream import Stream, read_directory
from feedkit.cli.tally import Tally, machine, table
from feedkit.clock import from_ms, to_ms
from feedkit.errors import InvalidArgument

_SHOWN_MISMATCHES = 5
_CANDIDATES = 40


class Policy(StrEnum):
    """How posts reach readers."""

    PUSH = "push"
    PULL = "pull"
    HYBRID = "hybrid"
    COST = "cost"


Limit = Annotated[int | None, typer.Option(min=1, help="Only the first so many posts.")]
PolicyOption = Annotated[
    Policy | None, typer.Option(help="How posts reach their readers.", show_default="hybrid")
]
PullAbove = Annotated[
    int | None,
    typer.Option(min=1, help="With hybrid: authors with more followers are pulled.", show_default="1000000"),
]
Seed = Annotated[int, typer.Option(help="Repeats the same random choices.")]
TemporaryDb = Annotated[
    str | None,
    typer.Option(
        "--db", metavar="URL", help="A database without posts.", show_default="a temporary SQLite file"
    ),
]


def replay(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(metavar="DATA_DIR", help="Holds posts.tsv.gz and follows.tsv.gz.")],
    *,
    limit: Limit = None,
    policy: PolicyOption = None,
    pull_above: PullAbove = None,
    seed: Seed = 7,
    db: TemporaryDb = None,
    redis: Redis = None,
    workers: Annotated[
        int, typer.Option(min=0, max=64, help="With --redis: so many processes that deliver.")
    ] = 0,
    feed: FeedPath = None,
    namespace: Namespace = None,
    as_json: Json = False,
) -> None:
    """Live through recorded posts and follows, and verify pages against the tables all along.

    Exit code 1 where a page was not what the tables say.
    """
    out = Output(as_json=as_json)
    chosen = target(context, db, feed, namespace, None)
    if (redis or workers) and chosen.feed:
        raise InvalidArgument("--feed is wired already: give it without --redis and --workers")
    with staged(chosen, _policy(policy, pull_above), redis, workers) as stage:
        report = _live(out, stage, read_directory(data, limit), seed)[0]
    _finish(out, report)


def demo(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Recorded posts instead of a made-up community."),
    ] = None,
    *,
    limit: Limit = None,
    policy: PolicyOption = None,
    pull_above: PullAbove = None,
    seed: Seed = 7,
    db: TemporaryDb = None,
    feed: FeedPath = None,
    namespace: Namespace = None,
    as_json: Json = False,
) -> None:
    """Two weeks of a small community in a few seconds, and two of its home pages."""
    out = Output(as_json=as_json)
    chosen = target(context, db, feed, namespace, None)
    with staged(chosen, _policy(policy, pull_above)) as stage:
        stream = read_directory(data, limit) if data else _made_up(limit)
        report, run = _live(out, stage, stream, seed)
        for reader in _readers(stage, run):
            _show_home(out, stage, reader)
    _finish(out, report)


def _made_up(limit: int | None) -> Stream:
    start = datetime.now(UTC) - timedelta(days=community.DAYS)
    return community.generate(start_ms=to_ms(start), limit=limit)


def _policy(policy: Policy | None, pull_above: int | None) -> feedkit.FanoutPolicy | None:
    if pull_above is not None and policy not in {None, Policy.HYBRID}:
        raise InvalidArgument("--pull-above belongs to --policy hybrid", argument="pull_above")
    match policy:
        case Policy.PUSH:
            return feedkit.PushAll()
        case Policy.PULL:
            return feedkit.PullAll()
        case Policy.COST:
            return feedkit.CostBased()
        case _ if pull_above is not None:
            return feedkit.Hybrid(pull_above=pull_above)
        case _:
            return feedkit.Hybrid() if policy else None


def _live(out: Output, stage: Stage, stream: Stream, seed: int) -> tuple[dict[str, Any], Replay]:
    with out.progress() as bar:
        task = bar.add_task(f"Replaying {stream.name}", total=stream.posts)
        run = Replay(
            stage.feed,
            stage.clock,
            stage.truth,
            stream,
            seed=seed,
            progress=lambda count: bar.advance(task, count),
            crew=stage.crew,
        )
        tally = run.run()
    _show_mismatches(out, tally)
    report = {
        **tally.to_dict(),
        "policy": stage.policy,
        "pulled_authors": stage.pulled_authors(),
        "db": stage.name,
        "machine": machine(),
    }
    out.console.print(table(stream.name, report))
    return report, run


def _show_mismatches(out: Output, tally: Tally) -> None:
    for mismatch in tally.mismatches[:_SHOWN_MISMATCHES]:
        out.notes.print(Text(str(mismatch), style="red"), soft_wrap=True)


def _readers(stage: Stage, run: Replay) -> list[str]:
    """Two readers whose first pages show the most different things."""
    candidates = {reader for _ in range(_CANDIDATES) if (reader := run.crowd.active() or run.crowd.viewer())}
    ranked = sorted(candidates, key=lambda reader: (_variety(stage, reader), reader), reverse=True)
    return ranked[:2]


def _variety(stage: Stage, reader: str) -> int:
    page = stage.feed.home(reader, limit=10)
    marks = {(bool(item.post.reply_to), item.post.audience) for item in page}
    return len(page.author_keys) + 2 * len(marks)


def _show_home(out: Output, stage: Stage, reader: str) -> None:
    page = stage.feed.home(reader, limit=10)
    show(out.console, home_page(stage.feed, reader, page, from_ms(stage.clock.now_ms())))


def _finish(out: Output, report: dict[str, Any]) -> None:
    out.result(report)
    if report["mismatches"]:
        raise typer.Exit(1)
