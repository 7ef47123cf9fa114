"""Which cached values events change, and what a process remembers of that."""

from __future__ import annotations

import pytest

from feedkit.model import FRIENDS, Event, EventKind
from feedkit.storage.touching import EVERYTHING, Cached, Touches, touched_by

POSTS = (EventKind.POST_PUBLISHED, EventKind.POST_EDITED, EventKind.POST_DELETED)
OF_NOTHING_CACHED = (
    EventKind.POST_SCHEDULED,
    EventKind.REQUEST_ADDED,
    EventKind.REQUEST_REMOVED,
    EventKind.ASK_ADDED,
    EventKind.ASK_REMOVED,
    EventKind.PINS_CHANGED,
    EventKind.REACTION_ADDED,
    EventKind.REACTION_REMOVED,
    EventKind.SAVE_ADDED,
    EventKind.SAVE_REMOVED,
    EventKind.COMMENT_ADDED,
    EventKind.COMMENT_EDITED,
    EventKind.COMMENT_REMOVED,
    EventKind.PULL_STARTED,
    EventKind.PULL_ENDED,
)
ONE, OTHER = (Cached.USER, 1), (Cached.USER, 2)


def changed(number: int, user_id: int) -> Event:
    return Event(EventKind.USER_CHANGED, user_id, user_id, 0, number=number)


def test_every_kind_of_event_says_what_it_changes() -> None:
    followed = {EventKind.FOLLOW_ADDED, EventKind.FOLLOW_CHANGED, EventKind.FOLLOW_REMOVED}
    for kind in EventKind:
        event = Event(kind, 1, 2, 0, position=3, about=(("member", 4),))
        if kind in POSTS:
            expected = [(Cached.POST_AT, 3), (Cached.POST, 2)]
        elif kind is EventKind.USER_CHANGED:
            expected = [(Cached.USER, 2)]
        elif kind is EventKind.LIST_CHANGED:
            expected = [(Cached.RELATIONS, 4)]
        elif kind in (EventKind.BLOCK_ADDED, EventKind.BLOCK_REMOVED):
            expected = [(Cached.RELATIONS, 1), (Cached.RELATIONS, 2)]
        elif kind in followed | {EventKind.MUTE_ADDED, EventKind.MUTE_REMOVED}:
            expected = [(Cached.RELATIONS, 1)]
        elif kind in (EventKind.IMPORTED, EventKind.UNKNOWN):
            assert touched_by(event) is EVERYTHING
            continue
        else:
            assert kind in OF_NOTHING_CACHED
            expected = []
        assert touched_by(event) == expected, kind


@pytest.mark.parametrize("kind", [EventKind.FOLLOW_ADDED, EventKind.FOLLOW_REMOVED])
def test_a_friendship_is_between_two(kind: EventKind) -> None:
    event = Event(kind, 1, 2, 0, detail=FRIENDS)
    assert touched_by(event) == [(Cached.RELATIONS, 1), (Cached.RELATIONS, 2)]


def test_a_value_is_outdated_that_was_loaded_before_its_last_event() -> None:
    touches = Touches(lambda: 9)
    assert touches.since([ONE, OTHER]) == [0, 0]
    touches.apply([changed(4, 1), changed(5, 2), changed(6, 1)])
    assert touches.since([ONE, OTHER]) == [6, 5]


def test_what_has_no_number_yet_is_outdated_until_it_has_one() -> None:
    touches = Touches(lambda: 9)
    touches.apply([changed(0, 1)])
    assert touches.since([ONE])[0] > 1 << 60
    touches.apply([changed(7, 1)])
    assert touches.since([ONE]) == [7]


def test_everything_is_outdated_after_an_import_or_a_gap() -> None:
    touches = Touches(lambda: 20)
    touches.apply([changed(4, 1), Event(EventKind.IMPORTED, 0, 0, 0, number=5), changed(6, 2)])
    assert touches.since([ONE, OTHER]) == [5, 6]
    touches.clear()
    assert touches.since([ONE, OTHER]) == [20, 20]


def test_what_is_forgotten_is_trusted_in_a_cache_and_not_in_a_copy_of_truth() -> None:
    number = 3
    touches = Touches(lambda: number, maximum=2)
    assert touches.needed([ONE]) == 3, "nobody here knows what was changed before"
    for nth in range(4, 8):
        touches.apply([changed(nth, nth)])
    number = 7
    assert touches.since([(Cached.USER, nth) for nth in range(4, 8)]) == [0, 0, 6, 7]
    assert [touches.needed([(Cached.USER, nth)]) for nth in range(4, 8)] == [5, 5, 6, 7]
