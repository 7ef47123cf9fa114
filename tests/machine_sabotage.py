"""Ways to break the library by hand, each of which the state machine has to notice."""

from collections.abc import Sequence, Set
from typing import Any

import attrs

from feedkit import visibility
from feedkit.fanout.delivery import Delivery
from feedkit.idset import EMPTY
from feedkit.log import counters
from feedkit.model import Audience, Event, EventKind, Post
from feedkit.reading import profile
from feedkit.reading.home import Home
from feedkit.reading.profile import Profile
from feedkit.reading.sources import Timelined
from feedkit.reading.thread import Thread
from feedkit.relations import LOGGED_OUT, Tie, no_relations
from feedkit.storage.readthrough import ReadThrough
from feedkit.storage.sql.engagement import SqlEngagement
from feedkit.storage.sql.graph import SqlGraph
from feedkit.storage.sql.selections import SqlSelections, SqlTags
from feedkit.visibility import Surface


def no_backfill(*_: object) -> None:
    """What a follow brings with it does not arrive."""


def one_too_many(self: Timelined, before: int, until: int, limit: int) -> Any:
    """A page begins with the last entry of the page above."""
    return WINDOW(self, before + 1, until, limit)


def nothing_late(self: Timelined, *_: object) -> Timelined:
    """Who polls is not told of what was committed late."""
    return self


def stale_relations(self: ReadThrough[Any], events: Sequence[Event]) -> None:
    """Blocks and mutes reach readers who happen to know nothing yet."""
    APPLY(
        self, [event for event in events if event.kind not in (EventKind.BLOCK_ADDED, EventKind.MUTE_ADDED)]
    )


def purge_what_is_back(_: Delivery, deleted: Sequence[Event]) -> list[Event]:
    """A removal that was undone takes the post out of inboxes all the same."""
    return list(deleted)


def suspended_or_not(user: Any, _: int) -> bool:
    """Whoever is there takes part."""
    return user is not None


def nobody_is_private(post: Any, author: Any, relations: Any, ties: int) -> Any:
    """What is for everybody is for everybody, whoever wrote it."""
    if author is not None and author.private:
        author = attrs.evolve(author, private=False)
    return WITHHELD(post, author, relations, ties)


def untold_lists(self: ReadThrough[Any], events: Sequence[Event]) -> None:
    """Who comes on a list, or goes, is known to those who happen to know nothing yet."""
    APPLY(self, [event for event in events if event.kind is not EventKind.LIST_CHANGED])


def for_ever_under(self: SqlTags, tx: Any, post: Post, _: Set[str], new: Set[str]) -> None:
    """A post stays under the tags of all its editions."""
    CHANGE_TAGS(self, tx, post, frozenset(), new)


def nothing_above(*_: object) -> tuple[Any, ...]:
    """A thread begins with the post that was asked for."""
    return ()


def newest_answers_first(self: SqlSelections, tx: Any, post_id: int, span: Any) -> list[int]:
    """A thread begins with its end."""
    return REPLIES(self, tx, post_id, span)[::-1]


def one_kind_alone(self: SqlEngagement, tx: Any, id1: int, prefix: str, before: Any, limit: int) -> Any:
    """Nobody reacts but by liking."""
    return self.newest(tx, id1, f"{prefix}like", before, limit)


def first_pin_first(self: Profile[Any], *given: Any) -> Any:
    """What was pinned last goes to the end."""
    return PINNED(self, *given)[::-1]


def everything_is_new(_: object, *__: object, at_most: int, **___: object) -> int:
    """There is always more."""
    return at_most


def nobody_is_staff() -> Any:
    """Staff see what everybody sees."""
    return no_relations(LOGGED_OUT)


def counted_all_the_same(event: Event, _: int) -> int:
    """Whoever is private is counted like others."""
    return int(
        event.kind is not EventKind.POST_DELETED and event.audience in (Audience.PUBLIC, Audience.UNLISTED)
    )


def still_on_it(*_: object, **__: object) -> Any:
    """Whoever is on a list stays."""
    return EMPTY


CHANGE_TAGS, REPLIES = SqlTags.change, SqlSelections.replies
MUTED_ON_LISTS = {**visibility._HIDING, Surface.LIST: int(Tie.BLOCKED)}
PINNED = Profile._pinned
WINDOW, APPLY, WITHHELD = Timelined.window, ReadThrough.apply, visibility._withheld
SABOTAGE: list[tuple[Any, str, Any]] = [
    (Delivery, "_backfill", no_backfill),
    (Timelined, "window", one_too_many),
    (Timelined, "newer_than", nothing_late),
    (ReadThrough, "apply", stale_relations),
    (Delivery, "_gone", purge_what_is_back),
    (visibility, "takes_part", suspended_or_not),
    (visibility, "_withheld", nobody_is_private),
    (ReadThrough, "apply", untold_lists),
    (SqlTags, "change", for_ever_under),
    (Thread, "_ancestors", nothing_above),
    (SqlSelections, "replies", newest_answers_first),
    (visibility, "_HIDING", MUTED_ON_LISTS),
    (SqlEngagement, "newest_of_kinds", one_kind_alone),
    (Profile, "_pinned", first_pin_first),
    (Home, "count_newer", everything_is_new),
    (profile, "staff_relations", nobody_is_staff),
    (counters, "_is_counted", counted_all_the_same),
    (SqlGraph, "remove_many", still_on_it),
]
