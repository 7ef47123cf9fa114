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
    parents: Mapping[int, str]
    """By the place of a row, the ref of what it answers."""
    parent_ids: Mapping[int, int]
    """By the place of a row, the id of the post that it answers, where a row names that."""
    further: Mapping[int, Further]
    """By the place of a row, what its post has beside what all have."""

    def at(self, places: Sequence[int]) -> "PostChunk":
        """The rows at these places, in this order."""
        return PostChunk(
            _at(places, self.numbers),
            self.named,
            self.authors[np.array(places, dtype=np.int64)],
            _at(places, self.times),
            _at(places, self.refs),
            _at(places, self.texts),
            _of(places, self.parents),
            _of(places, self.parent_ids),
            _of(places, self.further),
        )


def chunk_of(rows: PostRows, named: Named, authors: Ids, entities: Sequence[tuple[Entity, ...]]) -> PostChunk:
    """Rows in the order of their times; of those at the same one, in the order given."""
    named_in_texts = {nth: those for nth, those in enumerate(entities) if those}
    chunk = PostChunk(
        range(len(rows.times)),
        named,
        authors,
        rows.times,
        rows.refs,
        rows.texts,
        rows.parents,
        {nth: given["reply_to"] for nth, given in rows.more.items() if given.get("reply_to")},
        {
            nth: _further(rows.more.get(nth, {}), named_in_texts.get(nth, ()))
            for nth in sorted(rows.more.keys() | named_in_texts.keys())
        },
    )
    times = np.array(rows.times, dtype=np.int64)
    if np.all(times[1:] >= times[:-1]):
        return chunk
    return chunk.at(np.argsort(times, kind="stable").tolist())


def _at(places: Sequence[int], column: Sequence[T]) -> list[T]:
    return [column[place] for place in places]


def _of(places: Sequence[int], some: Mapping[int, T]) -> dict[int, T]:
    """What some rows have, by the place where each of them comes to stand."""
    return {now: some[place] for now, place in enumerate(places) if place in some} if some else {}


def _further(more: Mapping[str, Any], entities: tuple[Entity, ...]) -> Further:
    fields = {**more, "entities": entities or None}
    stored = {_STORED_AS.get(name, name): value for name, value in fields.items() if value is not None}
    stored.pop("reply_to", None)
    return Further(**stored)  # type: ignore[no-any-return, typeddict-item]
