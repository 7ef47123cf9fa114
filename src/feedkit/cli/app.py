"""The commands, their names and what an error looks like."""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from feedkit.cli import adopting, browsing, running, upkeep
from feedkit.cli.options import Db, FeedPath, KeyType, Namespace, Target
from feedkit.cli.output import error_line
from feedkit.errors import FeedkitError


class Guarded(TyperGroup):
    """Turns an error of feedkit into one line and the exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except FeedkitError as exc:
            error_line(exc.message)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=Guarded,
    name="feedkit",
    help="Social feeds inside your application: its tables, a demonstration, and a look at any feed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
)
app.command()(upkeep.migrate)
app.command()(upkeep.drop)
app.command("import")(adopting.import_)
app.command()(adopting.reconcile)
app.command()(upkeep.export)
app.command()(running.demo)
app.command()(running.replay)
app.command()(browsing.home)
app.command()(browsing.profile)
app.command()(browsing.explain)
app.command()(browsing.thread)
app.command()(upkeep.drain)
app.command()(upkeep.check)


@app.callback()
def common(
    context: typer.Context,
    db: Db = None,
    feed: FeedPath = None,
    namespace: Namespace = None,
    key: KeyType = None,
) -> None:
    """The options may stand before the command's name or after it."""
    context.obj = Target(db, feed, namespace, key)


def run() -> None:
    """The command line, on a terminal that shows as much of a text as it can."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app(prog_name="feedkit")
