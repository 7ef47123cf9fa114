"""What the last events brought, in the memory of each process: what timelines that it shares may not hold yet.

Every process applies the log before it serves a read. So it knows what is missing from a timeline that others are
a moment behind with, and a page need not wait for them.
"""

from collections.abc import Sequence
from itertools import chain

import attrs

from feedkit.fanout.delivery import brings_a_post
from feedkit.model import Event, EventKind, Route
from feedkit.storage.entries import Entries, merge, of_rows
from feedkit.storage.timelines import Timeline
from feedkit.visibility import delivered_to_followers

_EVENTS = 20_000
_FOR_EVERYBODY = {EventKind.IMPORTED, EventKind.UNKNOWN, EventKind.PULL_ENDED}
"""Kinds of events whose effect on timelines is more than an entry."""


@attrs.frozen(slots=True, eq=False)
class _Step:
    """Events above number `before`, up to `up_to`, that were applied at once."""

    before: int
    up_to: int
    posts: Sequence[Event]
    backfilled: frozenset[int]
    opaque: bool


class Recent:
    """A local consumer that remembers the newest 20,000 events, or a little more."""

    def __init__(self) -> None:
        self._steps: tuple[_Step, ...] = ()  # replaced as a whole: readers do not wait

    def apply(self, events: Sequence[Event]) -> None:
        """See `LocalConsumer`. Events without a number cannot be told apart, so nothing is known any more."""
        if any(not event.number for event in events):
            self.clear()
            return
        before, up_to = events[0].number - 1, events[-1].number
        posts = [event for event in events if brings_a_post(event)]
        followers = frozenset(event.actor_id for event in events if event.kind is EventKind.FOLLOW_ADDED)
        opaque = any(event.kind in _FOR_EVERYBODY for event in events)
        step = _Step(before, up_to, posts, followers, opaque)
        known = self._steps if self._steps and self._steps[-1].up_to == before else ()
        self._steps = tuple(one for one in (*known, step) if one.up_to > up_to - _EVENTS)

    def clear(self) -> None:
        """See `LocalConsumer`."""
        self._steps = ()

    def inbox(self, reader_id: int, held: Timeline, up_to: int) -> Timeline | None:
        """An inbox with what events up to that number brought; None where more than entries may be missing."""
        steps = self._between(held.complete_to, up_to)
        if steps is None or any(step.opaque or reader_id in step.backfilled for step in steps):
            return None
        rows = [
            (event.position, event.actor_id)
            for event in chain.from_iterable(step.posts for step in steps)
            if held.complete_to < event.number <= up_to
            and event.route is Route.PUSH
            and delivered_to_followers(event.audience)
        ]
        return _with(held, of_rows(rows), up_to)

    def outbox(self, author_id: int, held: Timeline, up_to: int) -> Timeline | None:
        """An outbox likewise."""
        steps = self._between(held.complete_to, up_to)
        if steps is None or any(step.opaque for step in steps):
            return None
        rows = [
            (event.position, author_id)
            for event in chain.from_iterable(step.posts for step in steps)
            if held.complete_to < event.number <= up_to and event.actor_id == author_id
        ]
        return _with(held, of_rows(rows), up_to)

    def _between(self, before: int, up_to: int) -> list[_Step] | None:
        """The steps that hold all events above `before`, up to `up_to`; None where some are not known any more."""
        steps = self._steps
        if not steps or steps[0].before > before or steps[-1].up_to < up_to:
            return None
        return [step for step in steps if step.up_to > before and step.before < up_to]


def _with(held: Timeline, entries: Entries, up_to: int) -> Timeline:
    return attrs.evolve(held, entries=merge([entries, held.entries]), complete_to=up_to)
