"""`manage.py feedkit check | drain`: upkeep of the feed of these settings."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from feedkit.django import feed
from feedkit.errors import FeedkitError


class Command(BaseCommand):
    """See `manage.py feedkit --help`."""

    help = "Upkeep of the feed: compare what is served with the tables, or apply what is pending."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One command each."""
        commands = parser.add_subparsers(dest="what", required=True, metavar="COMMAND")
        check = commands.add_parser("check", help="Compare home feeds with a recomputation from the tables.")
        check.add_argument("--sample", type=int, default=1000, help="How many feeds to compare, at most.")
        check.add_argument("--repair", action="store_true", help="Rebuild inboxes that are wrong.")
        drain = commands.add_parser("drain", help="Apply what is pending in the log.")
        drain.add_argument("--max-seconds", type=float, default=None, help="Stop after about so long.")

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
