"""The commands, their names and what an error looks like."""

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import feedkit
from feedkit.cli import adopting, browsing, letters, running, simulating, upkeep, working
from feedkit.cli.options import Db, FeedPath, KeyType, Namespace, Target
from feedkit.cli.output import error_line
from feedkit.errors import FeedkitError, Unavailable


class Guarded(TyperGroup):
    """Turns an error of feedkit into one line and the exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except FeedkitError as exc:
            error_line(f"{exc.message}{_reason(exc)}")
            raise typer.Exit(1) from None


def _reason(error: FeedkitError) -> str:
    """What the database said, where it is out of reach: a wrong host, a wrong password, a file that is busy."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    known = isinstance(error, Unavailable) and cause is not error
    return f" ({str(cause).partition(chr(10))[0]})" if known else ""


app = typer.Typer(
    cls=Guarded,
    name="feedkit",
    help="Social feeds inside your application: its tables, a demonstration, and a look at any feed.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
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
app.command("simulate")(simulating.simulating)
app.command()(working.worker)
app.command("dead-letters")(letters.dead_letters)
app.command()(upkeep.backlog)
app.command()(upkeep.drain)
app.command()(upkeep.check)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"feedkit {feedkit.__version__}")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001 - its callback has answered by then
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which feedkit this is.")
    ] = False,
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
