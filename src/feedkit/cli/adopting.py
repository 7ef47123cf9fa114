"""`feedkit import` and `feedkit reconcile`: adopting what a host already has, from files."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from feedkit import Feed, ImportReport, ReconcileReport
from feedkit.cli.options import Db, FeedPath, Json, KeyType, Namespace, key_of, opened, target
from feedkit.cli.output import Output, plain
from feedkit.cli.tables import count_rows, follow_of, moment, post_of, read_rows, user_of


class Kind(StrEnum):
    """What the rows of a file are."""

    USERS = "users"
    FOLLOWS = "follows"
    POSTS = "posts"


_COLUMNS = {
    Kind.USERS: ("key",),
    Kind.FOLLOWS: ("follower", "followee"),
    Kind.POSTS: ("author", "ref", "at"),
}
_READ = {Kind.USERS: user_of, Kind.FOLLOWS: follow_of, Kind.POSTS: post_of}
_FILE: Any = typer.Argument(exists=True, dir_okay=False, metavar="FILE", help="CSV with a header, or .jsonl.")
Chunk = Annotated[
    int | None, typer.Option(min=1, help="Rows per transaction.", show_default="the setting import_chunk")
]
PairsAtOnce = Annotated[
    int | None,
    typer.Option(min=1, help="Pairs per transaction.", show_default="the setting reconcile_chunk"),
]


def import_(
    context: typer.Context,
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="What the rows are.")],
    path: Annotated[Path, _FILE],
    *,
    chunk: Chunk = None,
    start: Annotated[int, typer.Option(min=0, help="Go on from this row.")] = 0,
    db: Db = None,
    feed: FeedPath = None,
    namespace: Namespace = None,
    key: KeyType = None,
    as_json: Json = False,
) -> None:
    """Import users, follows or posts, each at its own time. To import the same again changes nothing.

    Columns of users: key, handle, display_name, time_zone, private, created_at.

    Columns of follows: follower, followee, at.

    Columns of posts: author, ref, at, text, audience, reply_to_ref, and whatever else publish takes.
    """
    out = Output(as_json=as_json)
    with opened(target(context, db, feed, namespace, key), create=True) as found:
        rows = _rows(found, kind, path)
        with out.progress("rows") as bar:
            task = bar.add_task(f"Importing {kind}", total=count_rows(path))

            def settled(report: ImportReport) -> None:
                bar.update(task, completed=report.rows)

            report = getattr(found.imports, kind)(rows, chunk=chunk, start=start, progress=settled)
    table = Table("rows", "added", "unchanged", "refused", "seconds", title=f"Imported {kind}")
    counts = (report.rows, report.added, report.unchanged, report.refused)
    table.add_row(*(f"{count:,}" for count in counts), f"{report.seconds:.1f}")
    out.console.print(table)
    out.result(report.to_dict())


def reconcile(
    context: typer.Context,
    path: Annotated[Path, _FILE],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When the file was written, such as 2026-01-31T12:00:00Z."),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="TOKEN", help="Go on after a run that broke off; it said this token."),
    ] = None,
    max_removals: Annotated[int, typer.Option(min=0, help="Do nothing rather than remove more.")] = 10_000,
    chunk: PairsAtOnce = None,
    db: Db = None,
    feed: FeedPath = None,
    namespace: Namespace = None,
    key: KeyType = None,
    as_json: Json = False,
) -> None:
    """Make the follows those of a file of follower and followee, in ascending order of follower."""
    out = Output(as_json=as_json)
    with opened(target(context, db, feed, namespace, key)) as found:
        pairs = (row[:2] for row in _rows(found, Kind.FOLLOWS, path))
        with out.progress("follows") as bar, _telling_token(out) as tokens:
            task = bar.add_task("Reconciling", total=count_rows(path))

            def settled(report: ReconcileReport[Any]) -> None:
                bar.update(task, completed=report.pairs)
                tokens[:] = [report.resume] if report.resume else []

            report = found.graph.reconcile(
                pairs,
                dry_run=dry_run,
                as_of=None if as_of is None else moment("as_of", as_of),
                resume=resume,
                max_removals=max_removals,
                chunk=chunk,
                progress=settled,
            )
            bar.update(task, completed=report.pairs)
    _show(out, report)
    out.result(report.to_dict())


@contextmanager
def _telling_token(out: Output) -> Iterator[list[str]]:
    """Say how to go on, if what is inside breaks off."""
    tokens: list[str] = []
    try:
        yield tokens
    except BaseException:
        if tokens:
            out.notes.print(Text(f"To go on from here: --resume '{tokens[0]}'"), soft_wrap=True)
        raise


def _rows(feed: Feed[Any], kind: Kind, path: Path) -> Iterator[Any]:
    """The rows of a file as the import takes them."""
    return (_READ[kind](row, lambda text: key_of(feed, text)) for row in read_rows(path, _COLUMNS[kind]))


def _show(out: Output, report: ReconcileReport[Any]) -> None:
    title = "What reconciling would do" if report.dry_run else "Reconciled"
    table = Table("", "follows", "such as", title=title)
    for name in ("added", "removed", "refused", "in_flight", "unchanged"):
        pairs = getattr(report, f"sample_{name}", ())[:3]
        shown = ", ".join(f"{plain(str(one))} → {plain(str(other))}" for one, other in pairs)
        table.add_row(name.replace("_", " "), f"{getattr(report, name):,}", Text(shown))
    out.console.print(table)
