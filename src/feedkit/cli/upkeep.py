"""`feedkit migrate`, `feedkit drop`, `feedkit export`, `feedkit drain` and `feedkit check`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from feedkit.cli.options import Db, FeedPath, Json, KeyType, Namespace, Redis, key_of, opened, shown, target
from feedkit.cli.output import Output
from feedkit.errors import ConfigurationError
from feedkit.model import CheckReport

_EVERYBODY = 1_000_000_000


def migrate(
    context: typer.Context,
    *,
    db: Db = None,
    feed: FeedPath = None,
    namespace: Namespace = None,
    key: KeyType = None,
    as_json: Json = False,
) -> None:
    """Make the tables, or bring them up to date. Safe to repeat."""
    out = Output(as_json=as_json)
    chosen = target(context, db, feed, namespace, key)
    with opened(chosen, create=True) as found:
        found.migrate()
    where = chosen.feed or shown(chosen.url)
    out.console.print(f"[green]The tables are in place:[/] {where}", soft_wrap=True)
    out.result({"migrated": True, "target": where})


def drop(
    context: typer.Context,
    *,
    confirm: Annotated[
        str | None,
        typer.Option("--confirm", metavar="NAMESPACE", help="Say its name here; else it is asked for."),
    ] = None,
    db: Db = None,
    feed: FeedPath = None,
    namespace: Namespace = None,
    key: KeyType = None,
    as_json: Json = False,
) -> None:
    """Remove all tables of the feed, with everything in them. There is no way back."""
    out = Output(as_json=as_json)
    chosen = target(context, db, feed, namespace, key)
    with opened(chosen) as found:
        name, where = found.wiring.namespace, chosen.feed or shown(chosen.url)
        if confirm is None:
            confirm = typer.prompt(f"Every table of {name!r} in {where} will be removed. Its name", err=True)
        found.drop(confirm=confirm)
    out.console.print(f"[green]The tables are gone:[/] {where}", soft_wrap=True)
    out.result({"dropped": name, "target": where})


def export(
    context: typer.Context,
    to: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; - for stdout.", allow_dash=True)],
    user: Annotated[
        str | None, typer.Option("--user", metavar="KEY", help="Only what this person made and may see.")
    ] = None,
    *,
    db: Db = None,
    feed: FeedPath = None,
    namespace: Namespace = None,
    key: KeyType = None,
) -> None:
    """Write everything, or what one person made, as JSON lines."""
    out = Output(as_json=True)
    where = sys.stdout if str(to) == "-" else to
    with opened(target(context, db, feed, namespace, key)) as found, _told(to):
        written = found.export(where) if user is None else found.export_user(key_of(found, user), where)
    said = ", ".join(f"{count:,} {name}" for name, count in written.items())
    out.console.print(f"[green]Written:[/] {said or 'nothing'}")


def backlog(
    context: typer.Context,
    *,
    redis: Redis = None,
    db: Db = None,
    feed: FeedPath = None,
    namespace: Namespace = None,
    key: KeyType = None,
    as_json: Json = False,
) -> None:
    """How far workers are behind, who holds what is oldest, and what was given up."""
    out = Output(as_json=as_json)
    with opened(target(context, db, feed, namespace, key), redis=redis) as found:
        said = found.backlog()
    table = Table("events", "oldest, s", "large deliveries", "held by", "dead letters", title="Backlog")
    dead = sum(said.dead_letters.values())
    cells = (f"{said.events:,}", f"{said.oldest_s:,.1f}", f"{said.large:,}", said.holder or "-", f"{dead:,}")
    table.add_row(*cells)
    out.console.print(table)
    out.result(said.to_dict())


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What the system says of a file, as an error of one line."""
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error


def drain(
    context: typer.Context,
    *,
    max_seconds: Annotated[
        float | None, typer.Option(min=0, help="Stop after about so many seconds.", show_default="no bound")
    ] = None,
    redis: Redis = None,
    db: Db = None,
    feed: FeedPath = None,
    namespace: Namespace = None,
    key: KeyType = None,
    as_json: Json = False,
) -> None:
    """Apply what is pending in the log, here and now. Any number of processes may do so at once."""
    out = Output(as_json=as_json)
    with opened(target(context, db, feed, namespace, key), redis=redis) as found:
        done = found.drain(max_seconds)
    left = "nothing is left" if done.done else "there is more"
    out.console.print(f"{done.events:,} events applied in {done.seconds:.2f} s; {left}")
    out.result(done.to_dict())


def check(
    context: typer.Context,
    *,
    sample: Annotated[int, typer.Option(min=1, help="How many inboxes to compare, at most.")] = 1000,
    everybody: Annotated[
        bool, typer.Option("--all", help="Compare the inboxes of everybody, however many there are.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Drop inboxes that are wrong; they are rebuilt.")
    ] = False,
    redis: Redis = None,
    db: Db = None,
    feed: FeedPath = None,
    namespace: Namespace = None,
    key: KeyType = None,
    as_json: Json = False,
) -> None:
    """Compare what was delivered with the tables. Exit code 1 where a reader would miss something."""
    out = Output(as_json=as_json)
    with opened(target(context, db, feed, namespace, key), redis=redis) as found:
        report = found.check(sample=_EVERYBODY if everybody else sample, repair=repair)
    out.console.print(_table(report))
    out.result(report.to_dict())
    if not report.ok:
        raise typer.Exit(1)


def _table(report: CheckReport) -> Table:
    verdict = "[green]in order[/]" if report.ok else "[red]not in order[/]"
    table = Table(
        "inboxes", "entries", "missing", "unexpected", "doubled", "repaired", title=f"Inboxes: {verdict}"
    )
    counts = (
        report.viewers,
        report.entries,
        report.missing,
        report.unexpected,
        report.doubled,
        report.repaired,
    )
    table.add_row(*(f"{count:,}" for count in counts))
    return table
