"""A Hypothesis state machine that drives real feeds against `feedkit.testing.model`.

    Machine = make_machine(open_feed, policy=lambda: Hybrid(pull_above=2))
    TestMyDriver = Machine.TestCase

Two feeds over one database stand for two processes: each has its own inboxes, clock, settings and policy
object, and every rule picks the one that acts. Whatever they do, what a reader is served has to be what the
model says at that moment: page by page, over any interleaving, from a resident inbox and from a wiped one.

`Machine.tally` counts the steps taken and the interesting situations met, so that a test can assert that
a run has really been through them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from feedkit import Settings
from feedkit.testing.rules.drafts import DraftRules
from feedkit.testing.rules.stage import SMALL, TINY, OpenFeed
from feedkit.testing.rules.upkeep import UpkeepRules

__all__ = ["SMALL", "TINY", "FeedMachine", "OpenFeed", "make_machine"]


class FeedMachine(DraftRules, UpkeepRules):
    """All rules. Use `make_machine`, which gives a subclass that knows what to open."""

    def teardown(self) -> None:
        """In the end everything is compared once more, from what every process holds."""
        try:
            if self.connection is not None:
                self.end_transaction(keep=True)
            self.finish_walks(process=0)
            for number in range(len(self.feeds)):
                self.judge.everything(self.feed(number))
                self.judge.counts(self.feed(number))
        finally:
            self.close()


def make_machine(
    open_feed: OpenFeed,
    *,
    policy: Callable[[], Any],
    settings: Sequence[Settings] = (TINY, SMALL),
    pull_above: int = 2,
    orderly: bool = True,
    transaction: Callable[[str], AbstractContextManager[Any]] | None = None,
    finished: Callable[[str], None] = lambda _: None,
) -> type[FeedMachine]:
    """A state machine for one kind of database and one policy; its `TestCase` runs it.

    `settings` has one entry per process: give one alone where a database cannot be opened twice.
    `pull_above` only serves the tally: with more followers than that an author is pulled.
    `orderly=False` where consumers are given events out of order: a delivery after the deletion leaves an entry
    that nobody is shown, and that a check finds.
    `transaction(example)` opens a connection of the host's to the database of an example; leave it out where
    an open transaction stops all other writers. `finished(example)` may throw the database away.
    """
    body = {
        "open_feed": staticmethod(open_feed),
        "policy": staticmethod(policy),
        "settings_of": tuple(settings),
        "pull_above": pull_above,
        "orderly": orderly,
        "transaction": None if transaction is None else staticmethod(transaction),
        "finished": staticmethod(finished),
        "tally": Counter(),
    }
    return type("FeedMachineOfPlace", (FeedMachine,), body)
