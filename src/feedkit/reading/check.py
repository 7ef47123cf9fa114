"""Compares home feeds as they are served with what truth says, and repairs on request."""

import random
from collections import Counter
from collections.abc import Callable, Sequence, Set
from typing import Generic

from feedkit.clock import Clock
from feedkit.ids import MAX_ID
from feedkit.idset import Ids
from feedkit.model import CheckReport, Key, PostStatus
from feedkit.reading.feeds import Opened
from feedkit.reading.home import Home
from feedkit.reading.hydrate import Hydrator
from feedkit.storage.base import Truth, Tx
from feedkit.storage.timelines import TimelineStore
from feedkit.visibility import home_authors

_WINDOW = 100
_RETRIES = 5
_USERS_AT_ONCE = 10_000


class Check(Generic[Key]):
    """Recomputes the newest `depth` entries of home feeds, straight from truth."""

    def __init__(
        self,
        truth: Truth,
        inboxes: TimelineStore,
        home: Home[Key],
        hydrator: Hydrator[Key],
        *,
        depth: int,
        catch_up: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._truth, self._inboxes, self._home, self._hydrator = truth, inboxes, home, hydrator
        self._depth, self._catch_up, self._clock = depth, catch_up, clock

    def run(self, sample: int, repair: bool) -> CheckReport:
        """Check up to `sample` viewers: those who hold an inbox here, then others drawn at random.

        `repair` drops the inbox of whoever lacks something or has too much, so that it is rebuilt.
        """
        held = self._inboxes.owners(sample)
        viewers = [*held, *self._strangers(sample - len(held), set(held))][:sample]
        total: Counter[str] = Counter(viewers=len(viewers))
        for viewer_id in viewers:
            wrong = self._compare(viewer_id)
            total += wrong
            if repair and (wrong["missing"] or wrong["unexpected"]):
                self._inboxes.drop((viewer_id,))
                total["repaired"] += 1
        return CheckReport(
            total["viewers"],
            total["entries"],
            total["missing"],
            total["unexpected"],
            total["doubled"],
            total["repaired"],
        )

    def _compare(self, viewer_id: int) -> Counter[str]:
        served, expected = self._looked_at(viewer_id)
        for _ in range(_RETRIES):
            if expected == set(served):
                break
            served, expected = self._looked_at(viewer_id)  # somebody may have posted in between
        seen = set(served)
        return Counter(
            entries=len(served),
            missing=len(expected - seen),
            unexpected=len(seen - expected),
            doubled=len(served) - len(seen),
        )

    def _looked_at(self, viewer_id: int) -> tuple[list[int], set[int]]:
        self._catch_up()
        expected = set(self._truth.read(lambda tx: self._recomputed(tx, viewer_id)).tolist())
        return self._served(self._home.open(viewer_id), expected), expected

    def _served(self, opened: Opened, expected: Set[int]) -> list[int]:
        """The newest positions that count, gathered window by window, as a reader who scrolls gets them.

        Down to where the depth is reached, without what should not be there at all.
        """
        positions: list[int] = []
        before, wanted = MAX_ID, self._depth
        while wanted > 0:
            window = opened.source.window(before, 0, _WINDOW)
            if not window:
                break
            for position in self._counting(window, opened, expected):
                if wanted > 0:
                    positions.append(position)
                    wanted -= position in expected
            before = window[-1]
        return positions

    def _counting(self, window: Sequence[int], opened: Opened, expected: Set[int]) -> list[int]:
        """What should be there, and what should not be there at all; not what is rightly there and for others."""
        further = [position for position in window if position not in expected]
        if not further:
            return list(window)
        items, _ = self._hydrator.at_positions(further, opened.relations, opened.surface)
        hidden = [position for position, item in zip(further, items, strict=True) if item is None]
        posts, _ = self._truth.read(lambda tx: self._truth.posts.at_positions(tx, hidden))
        for_others = {
            post.position for post in posts if post.deleted_ms is None and post.status is PostStatus.PUBLISHED
        }
        return [position for position in window if position not in for_others]

    def _recomputed(self, tx: Tx, viewer_id: int) -> Ids:
        authors = home_authors(self._truth.graph.relations(tx, viewer_id, self._clock.now_ms()))
        return self._truth.posts.recent(
            tx, authors, before=MAX_ID, floor=0, limit=self._depth, viewer_id=viewer_id
        ).positions

    def _strangers(self, wanted: int, known: set[int]) -> list[int]:
        """A fair sample of everybody else, in one pass (Vitter's algorithm R, 1985)."""
        sample: list[int] = []
        met, last = 0, 0
        while wanted > 0 and (chunk := self._users_after(last)):
            last = chunk[-1]
            for user_id in chunk:
                if user_id in known:
                    continue
                met += 1
                if len(sample) < wanted:
                    sample.append(user_id)
                elif (place := random.randrange(met)) < wanted:  # noqa: S311 - nothing to protect
                    sample[place] = user_id
        return sample

    def _users_after(self, after: int) -> list[int]:
        return self._truth.read(lambda tx: self._truth.users.ids_after(tx, after, _USERS_AT_ONCE))
