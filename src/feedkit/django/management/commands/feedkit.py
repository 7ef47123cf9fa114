"""`manage.py feedkit check | drain | worker | reconcile_follows`: upkeep of the feed of these settings."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from feedkit.django import feed
from feedkit.django.follow_table import follows_of
from feedkit.django.wiring import made_feed
from feedkit.errors import FeedkitError
from feedkit.working import until_told


class Command(BaseCommand):
    """See `manage.py feedkit --help`."""

    help = "Upkeep of the feed: compare what is served with the tables, apply what is pending, adopt follows."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One command each."""
        commands = parser.add_subparsers(dest="what", required=True, metavar="COMMAND")
        check = commands.add_parser("check", help="Compare home feeds with a recomputation from the tables.")
        check.add_argument("--sample", type=int, default=1000, help="How many feeds to compare, at most.")
        check.add_argument("--repair", action="store_true", help="Rebuild inboxes that are wrong.")
        drain = commands.add_parser("drain", help="Apply what is pending in the log.")
        drain.add_argument("--max-seconds", type=float, default=None, help="Stop after about so long.")
        worker = commands.add_parser("worker", help="Apply the log and deliver it, until SIGTERM or Ctrl-C.")
        worker.add_argument("--concurrency", type=int, default=1, help="Threads that deliver chunks.")
        worker.add_argument("--max-seconds", type=float, default=None, help="Stop after about so long.")
        worker.add_argument("--adopt", action="store_true", help="Have others agree with this process.")
        reconcile = commands.add_parser(
            "reconcile_follows", help="Make the follows those of a table of your own, in the same database."
        )
        reconcile.add_argument(
            "source", metavar="TABLE:FOLLOWER:FOLLOWEE", help="The table, and its columns."
        )
        reconcile.add_argument("--dry-run", action="store_true", help="Say what would be done; do nothing.")
        reconcile.add_argument(
            "--max-removals", type=int, default=10_000, help="Do nothing rather than remove more."
        )
        reconcile.add_argument("--resume", help="Go on after a run that broke off; it said this.")

    def handle(self, *, what: str, **options: Any) -> None:
        """Print what came of it as one line of JSON."""
        try:
            report = getattr(self, f"_{what}")(**options)
        except FeedkitError as error:
            raise CommandError(error.message) from error
        self.stdout.write(json.dumps(report))
        if report.get("ok") is False:
            raise CommandError("a reader would miss something, or see it twice", returncode=1)

    def _check(self, *, sample: int, repair: bool, **_: Any) -> dict[str, Any]:
        return feed.check(sample, repair=repair).to_dict()

    def _drain(self, *, max_seconds: float | None, **_: Any) -> dict[str, Any]:
        return feed.drain(max_seconds).to_dict()

    def _worker(
        self, *, concurrency: int, max_seconds: float | None, adopt: bool, **_: Any
    ) -> dict[str, Any]:
        around: dict[str, Any] = {"concurrency": concurrency, "max_seconds": max_seconds, "adopt": adopt}
        with until_told() as stop:
            return feed.work(stop=stop, **around).to_dict()

    def _reconcile_follows(self, *, source: str, **given: Any) -> dict[str, Any]:
        options = {name: given[name] for name in ("dry_run", "max_removals", "resume")}
        tokens: list[str | None] = [None]
        try:
            pairs = follows_of(connections[made_feed().alias], source, feed.wiring.key)
            report = feed.graph.reconcile(pairs, progress=lambda done: tokens.append(done.resume), **options)
        except BaseException:
            if tokens[-1]:
                self.stderr.write(f"To go on from here: --resume '{tokens[-1]}'")
            raise
        return report.to_dict()
