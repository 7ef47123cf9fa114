"""What stands beside a post or comment on a page: its counters as a viewer sees them, and what the viewer did."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import attrs

from feedkit.model import NOTHING_DONE, Counts, Item, Own
from feedkit.relations import LOGGED_OUT, Relations
from feedkit.settings import Settings
from feedkit.storage.base import Truth
from feedkit.storage.cache import LeasedCache
from feedkit.storage.tallies import Tallies


def _no_line() -> None: ...


@attrs.define(slots=True, eq=False)
class Shown:
    """What stands beside one post or comment for one viewer.

    `line`: what they made a line of a page last time, as long as somebody else keeps that.
    """

    counts: Counts
    own: Own
    line: "Callable[[], Item[Any] | None]" = _no_line


_Pair = tuple[int, int]  # a viewer and an object
_Held = tuple[Counts, Relations, Shown]
"""What is shown, and what it was worked out from: it holds as long as these are the very same."""


class Doings:
    """Counters and the viewer's own doings together, cached in this process by viewer and object."""

    def __init__(self, truth: Truth, tallies: Tallies, settings: Settings) -> None:
        self._truth, self._tallies = truth, tallies
        self._held: LeasedCache[_Pair, _Held] = LeasedCache(settings.own_cached)

    def of(self, relations: Relations, object_ids: Sequence[int], on_post: int = 0) -> list[Shown]:
        """For each object, in order. `on_post` is set where they are comments on it."""
        counts = self._tallies.of_each(object_ids)
        viewer_id = relations.viewer_id
        if viewer_id == LOGGED_OUT:
            return [Shown(of_one, NOTHING_DONE) for of_one in counts]

        def worked_out(own: Mapping[_Pair, Own]) -> dict[_Pair, _Held]:
            return self._worked_out(own, dict(zip(object_ids, counts, strict=True)), relations, on_post)

        pairs = [(viewer_id, one) for one in object_ids]
        held = self._held.get_each(pairs, lambda missing: worked_out(self._load_own(viewer_id, missing)))
        found = cast(Sequence[_Held], held)
        outdated = {
            pair: one
            for pair, one, of_one in zip(pairs, found, counts, strict=True)
            if one[0] is not of_one or one[1] is not relations
        }
        if outdated:
            renewed = worked_out({pair: shown.own for pair, (_, _, shown) in outdated.items()})
            self._held.replace(outdated, renewed)
            found = [renewed.get(pair, one) for pair, one in zip(pairs, found, strict=True)]
        return [shown for _, _, shown in found]

    def discard_counts(self, object_ids: Iterable[int]) -> None:
        """Forget the counters of some objects."""
        self._tallies.discard(object_ids)

    def discard_own(self, viewer_id: int, object_id: int) -> None:
        """Forget what a viewer did to an object."""
        self._held.discard(((viewer_id, object_id),))

    def clear(self) -> None:
        """Forget everything."""
        self._tallies.clear()
        self._held.clear()

    def _worked_out(
        self, own: Mapping[_Pair, Own], counts: Mapping[int, Counts], relations: Relations, on_post: int
    ) -> dict[_Pair, _Held]:
        of_these = {one: counts[one] for _, one in own}
        shown = self._tallies.without_blocked(relations, of_these, on_post)
        return {
            pair: (counts[pair[1]], relations, Shown(_with_own(shown[pair[1]], done), done))
            for pair, done in own.items()
        }

    def _load_own(self, viewer_id: int, pairs: Sequence[_Pair]) -> dict[_Pair, Own]:
        ids = [one for _, one in pairs]
        found = self._truth.read_copy(lambda tx: self._truth.engagement.own(tx, viewer_id, ids))
        return {pair: found.get(pair[1], NOTHING_DONE) for pair in pairs}


def _with_own(counts: Counts, own: Own) -> Counts:
    """Counters never contradict the viewer: while they lag far behind, their own reactions count already."""
    lacking = [kind for kind in own.reacted if kind not in counts.reacted]
    if not lacking:
        return counts
    reacted = {**counts.reacted, **dict.fromkeys(lacking, 1)}
    return attrs.evolve(counts, reactions=counts.reactions + len(lacking), reacted=reacted)
