"""Rows of posts made ready to be written: all that can be said of them without truth, and so without its locks."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import attrs
import numpy as np

from feedkit.idset import Ids
from feedkit.model import Entity
from feedkit.storage.bulk import Further
from feedkit.writing.bulk.people import Named
from feedkit.writing.bulk.postrows import PostRows

T = TypeVar("T")
_STORED_AS = {"extra_json": "extra"}


@attrs.frozen(slots=True)
class PostChunk:
    """Rows oldest first, as columns."""

    numbers: Sequence[int]
    """Which row of the chunk each was."""
    named: Named
    authors: Ids
    """The place of each row's author among those who are named."""
    times: Sequence[int]
    refs: Sequence[str]
    texts: Sequence[str]
    parents: Sequence[str | None]
    """The ref of what each answers."""
    parent_ids: Mapping[int, int]
    """By the place of a row, the id of the post that it answers, where a row names that."""
    further: Mapping[int, Further]
    """By the place of a row, what its post has beside what all have."""

    def only(self, places: Sequence[int]) -> "PostChunk":
        """The rows at these places, which ascend."""
        if len(places) == len(self.numbers):
            return self
        return PostChunk(
            _at(places, self.numbers),
            self.named,
            self.authors[np.array(places, dtype=np.int64)],
            _at(places, self.times),
            _at(places, self.refs),
            _at(places, self.texts),
            _at(places, self.parents),
            _of(places, self.parent_ids),
            _of(places, self.further),
        )


def chunk_of(rows: PostRows, named: Named, authors: Ids, entities: Sequence[tuple[Entity, ...]]) -> PostChunk:
    """Rows in the order of their times; of those at the same one, in the order given."""
    order = np.argsort(np.array(rows.times, dtype=np.int64), kind="stable")
    numbers = order.tolist()
    more = _of(numbers, rows.more)
    named_in_texts = _of(numbers, {nth: those for nth, those in enumerate(entities) if those})
    return PostChunk(
        numbers,
        named,
        authors[order],
        _at(numbers, rows.times),
        _at(numbers, rows.refs),
        _at(numbers, rows.texts),
        _at(numbers, rows.parents),
        {place: given["reply_to"] for place, given in more.items() if given.get("reply_to")},
        {
            place: _further(more.get(place, {}), named_in_texts.get(place, ()))
            for place in sorted(more.keys() | named_in_texts.keys())
        },
    )


def _at(places: Sequence[int], column: Sequence[T]) -> list[T]:
    return [column[place] for place in places]


def _of(places: Sequence[int], some: Mapping[int, T]) -> dict[int, T]:
    """What some rows have, by the place where each of them comes to stand."""
    return {now: some[place] for now, place in enumerate(places) if place in some} if some else {}


def _further(more: Mapping[str, Any], entities: tuple[Entity, ...]) -> Further:
    fields = {_STORED_AS.get(name, name): value for name, value in more.items() if name != "reply_to"}
    return Further(**{**fields, "entities": entities})  # type: ignore[typeddict-item]
