"""The command `feedkit`. Typer and Rich are needed here, and nowhere else in feedkit."""

import sys

HINT = 'The command feedkit needs Typer and Rich. Install them with: pip install "feedkit[cli]"'


def main() -> None:
    """Run the command line; exit with 2 and a hint where its packages are missing."""
    try:
        import rich  # noqa: F401 - asked for here, so that a missing one is told apart from a bug
        import typer  # noqa: F401 - likewise
    except ModuleNotFoundError as exc:
        if exc.name not in {"rich", "typer"}:
            raise
        print(HINT, file=sys.stderr)
        raise SystemExit(2) from None
    from feedkit.cli.app import run

    run()
