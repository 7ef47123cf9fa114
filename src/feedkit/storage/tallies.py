"""Counters of posts and comments as they may be shown, cached in this process."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

from feedkit.model import NO_COUNTS, Count, Counts, Event
from feedkit.relations import Relations
from feedkit.settings import Settings
from feedkit.storage.base import REACTED, Truth, Tx
from feedkit.storage.cache import LeasedCache
from feedkit.storage.events import COUNTERS

Tally = Callable[[Tx, Sequence[Event]], Mapping[tuple[int, str], int]]
"""What events change in the counters, by (object id, kind)."""

_OF_CONTENT = (Count.REACTIONS, Count.COMMENTS, Count.REPLIES, Count.REPOSTS, Count.QUOTES)
_PENDING_MAX = 200
_TRIES = 3
_TELLING_MAX = 1000  # one more or less of so many tells nothing


class Tallies:
    """Counters by id. They contain every event that this process has applied, whoever applies the log to truth.

    Args:
        truth: where they are kept, up to some event.
        tally: what the events above that change.
        touched: the number up to which this process may have applied events.
    """

    def __init__(self, truth: Truth, settings: Settings, tally: Tally, touched: Callable[[], int]) -> None:
        self._truth, self._tally, self._touched = truth, tally, touched
        self._counts: LeasedCache[int, Counts] = LeasedCache(settings.posts_cached)

    def of_each(self, object_ids: Sequence[int]) -> Sequence[Counts]:
        """The counters of posts or comments, in their order, the same for everybody."""
        return cast(Sequence[Counts], self._counts.get_each(object_ids, self._load))

    def without_blocked(
        self, relations: Relations, counts: Mapping[int, Counts], on_post: int = 0
    ) -> Mapping[int, Counts]:
        """These counters without those who block the viewer or whom the viewer blocks.

        Counters above 1,000 stay as they are. `on_post` is set where the objects are comments on it.
        """
        if not len(relations.blocked):
            return counts
        telling = {
            kind: ids
            for kind in _OF_CONTENT
            if (ids := [one for one, of in counts.items() if 0 < getattr(of, kind.value) <= _TELLING_MAX])
        }
        if not telling:
            return counts
        of_people = self._truth.engagement.of_people
        less = self._truth.read_copy(lambda tx: of_people(tx, telling, relations.blocked, on_post=on_post))
        return {one: _less(of, less.get(one, {})) for one, of in counts.items()}

    def discard(self, object_ids: Iterable[int]) -> None:
        """Forget the counters of some objects."""
        self._counts.discard(object_ids)

    def clear(self) -> None:
        """Forget everything."""
        self._counts.clear()

    def _load(self, object_ids: Sequence[int]) -> dict[int, Counts]:
        """What cannot be brought up to what was applied here is not kept."""
        touched = self._touched()
        for _ in range(_TRIES):
            whole = self._truth.read_copy(lambda tx: self._whole(tx, object_ids, touched))
            if whole is not None:
                return {one: _counts_of(whole.get(one, {})) for one in object_ids}
        self._counts.discard(object_ids)
        stored = self._truth.read(lambda tx: self._truth.counts.get_many(tx, object_ids))
        return {one: _counts_of(stored.get(one, {})) for one in object_ids}

    def _whole(self, tx: Tx, object_ids: Sequence[int], touched: int) -> dict[int, dict[str, int]] | None:
        """Stored counters with what the events above them change.

        None where those are too many, or where the counters moved on while we looked.
        """
        offset = self._offset(tx)
        stored = self._truth.counts.get_many(tx, object_ids)
        if offset >= touched:
            return stored
        pending = self._truth.events.after(tx, offset, _PENDING_MAX)
        deltas = self._tally(tx, pending)
        if len(pending) == _PENDING_MAX or self._offset(tx) != offset:
            return None
        for (object_id, kind), delta in deltas.items():
            of_one = stored.setdefault(object_id, {})
            of_one[kind] = of_one.get(kind, 0) + delta
        return stored

    def _offset(self, tx: Tx) -> int:
        return self._truth.events.offsets(tx).get(COUNTERS, 0)


def _counts_of(stored: Mapping[str, int]) -> Counts:
    """Stored counters of a post or comment, those of kinds that this code knows."""
    reacted = {
        kind.removeprefix(REACTED): value
        for kind, value in stored.items()
        if kind.startswith(REACTED) and value
    }
    plain = {kind.value: value for kind in _OF_CONTENT if (value := stored.get(kind.value, 0))}
    return Counts(**plain, reacted=reacted) if plain or reacted else NO_COUNTS


def _less(counts: Counts, less: Mapping[str, int]) -> Counts:
    """Counters without a part of them. What is not in the counters yet cannot be taken out of them."""
    if not less:
        return counts
    reacted = {
        kind: left
        for kind, value in counts.reacted.items()
        if (left := value - less.get(REACTED + kind, 0)) > 0
    }
    gone = sum(counts.reacted.values()) - sum(reacted.values())
    plain = {
        kind.value: max(0, getattr(counts, kind.value) - less.get(kind.value, 0)) for kind in _OF_CONTENT
    }
    return Counts(**plain | {"reactions": counts.reactions - gone}, reacted=reacted)
