"""What a process knows of the last events, and merges into timelines that are behind."""

from __future__ import annotations

import pytest

from feedkit.fanout.recent import Recent
from feedkit.model import Audience, Event, EventKind, Route
from feedkit.storage.entries import of_rows
from feedkit.storage.timelines import Timeline

HELD = Timeline(of_rows([(50, 8)]), floor=40, complete_to=10)


def post(number: int, author: int = 7, **fields: object) -> Event:
    told = {"position": 100 + number, "number": number, "audience": Audience.PUBLIC, **fields}
    return Event(EventKind.POST_PUBLISHED, author, 100 + number, 0, **told)  # type: ignore[arg-type]


def other(number: int, kind: EventKind, actor: int = 1) -> Event:
    return Event(kind, actor, 9, 0, number=number)


def known(*steps: list[Event]) -> Recent:
    recent = Recent()
    for step in steps:
        recent.apply(step)
    return recent


def test_what_came_since_is_merged_in_and_nothing_else() -> None:
    recent = known([post(9), post(10), post(11)], [post(12, author=8), post(13)])
    inbox = recent.inbox(1, HELD, 12)
    assert inbox is not None
    assert inbox.entries.positions.tolist() == [112, 111, 50]
    assert (inbox.floor, inbox.complete_to) == (40, 12)
    outbox = recent.outbox(8, HELD, 13)
    assert outbox is not None
    assert outbox.entries.positions.tolist() == [112, 50]


def test_what_goes_into_no_inbox_goes_into_the_outbox() -> None:
    recent = known([post(11, route=Route.PULL), post(12, audience=Audience.ONLY_ME)])
    inbox, outbox = recent.inbox(1, HELD, 12), recent.outbox(7, HELD, 12)
    assert inbox is not None
    assert outbox is not None
    assert inbox.entries.positions.tolist() == [50]
    assert outbox.entries.positions.tolist() == [112, 111, 50]


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [[post(12)]],
        [[post(11)]],
        [[post(11)], [post(13)]],
        [[post(11), other(12, EventKind.IMPORTED)]],
        [[post(11), other(12, EventKind.PULL_ENDED)]],
        [[post(11), other(12, EventKind.UNKNOWN)]],
        [[post(11), other(12, EventKind.FOLLOW_ADDED, actor=1)]],
        [[post(11), post(12)], [post(0)]],
    ],
    ids=["nothing", "later", "earlier", "gap", "import", "pull-ended", "unknown", "own-follow", "no-number"],
)
def test_where_more_than_entries_may_be_missing_nothing_is_said(steps: list[list[Event]]) -> None:
    assert known(*steps).inbox(1, HELD, 12) is None


def test_follows_of_others_do_not_matter() -> None:
    recent = known([post(11), other(12, EventKind.FOLLOW_ADDED, actor=2)])
    assert recent.inbox(1, HELD, 12) is not None


def test_it_forgets_what_is_long_ago_and_what_is_dropped() -> None:
    recent = known(*([post(number)] for number in range(1, 20_012)))
    assert recent.inbox(1, HELD, 20_011) is None
    assert recent.inbox(1, Timeline(HELD.entries, 0, 15_000), 20_011) is not None
    recent.clear()
    assert recent.inbox(1, Timeline(HELD.entries, 0, 15_000), 20_011) is None
