"""The rows of an import of posts, checked and turned into columns."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, chain
from typing import Any

import attrs

from feedkit.clock import Clock
from feedkit.errors import InvalidArgument
from feedkit.ids import EPOCH_MS
from feedkit.model import Audience
from feedkit.settings import Settings
from feedkit.writing.bulk.chunks import Past, unlike
from feedkit.writing.bulk.people import People, Stored
from feedkit.writing.checks import checked_moments, checked_texts
from feedkit.writing.drafts import Drafting

_OF_ALL = frozenset(("author", "ref", "at", "text", "reply_to_ref"))
_OF_SOME = frozenset(("kind", "schema_version", "audience", "list", "media", "extra", "fallback", "reply_to"))
_FIELDS = sorted(_OF_ALL | _OF_SOME)
_NO_REF = "ref must be given, your own unique name for the post: by it a post is imported only once"


@attrs.frozen(slots=True)
class PostRows:
    """Columns, and beside them what only some posts have."""

    authors: Sequence[Stored]
    refs: Sequence[str]
    times: Sequence[int]
    """Unix milliseconds."""
    texts: Sequence[str]
    parents: Mapping[int, str]
    """By the place of a row, its `reply_to_ref`."""
    more: Mapping[int, Mapping[str, Any]]
    """By the place of a row, further fields of its post, as `Drafting.changes` gives them."""

    @classmethod
    def joined(cls, pieces: Sequence["PostRows"]) -> "PostRows":
        """The rows of all of them, one after another."""
        starts = accumulate((len(piece.refs) for piece in pieces[:-1]), initial=0)
        placed = [*zip(starts, pieces, strict=True)]
        return cls(
            [*chain.from_iterable(piece.authors for piece in pieces)],
            [*chain.from_iterable(piece.refs for piece in pieces)],
            [*chain.from_iterable(piece.times for piece in pieces)],
            [*chain.from_iterable(piece.texts for piece in pieces)],
            {start + nth: ref for start, piece in placed for nth, ref in piece.parents.items()},
            {start + nth: more for start, piece in placed for nth, more in piece.more.items()},
        )


class PostRowChecks:
    """Checks rows: dicts with `author`, `ref`, `at` and whatever `publish` takes for content."""

    def __init__(self, people: People, drafting: Drafting, clock: Clock, settings: Settings) -> None:
        self._people, self._drafting, self._settings = people, drafting, settings
        self._past = Past(clock)

    def __call__(self, rows: Sequence[Any]) -> PostRows:
        """The columns of rows. Raises like `Feed.publish`, without telling which row it is about."""
        if {*map(type, rows)} != {dict}:
            for row in rows:
                if not isinstance(row, Mapping):
                    raise unlike(row, "a dict with author, ref and at")
        names = set().union(*rows)
        _check_names(names)
        limit = self._settings.ref_max_chars
        refs = [row.get("ref") for row in rows]
        if None in refs:
            raise InvalidArgument(_NO_REF, argument="ref")
        parents = {nth: ref for nth, row in enumerate(rows) if (ref := row.get("reply_to_ref")) is not None}
        parent_refs = checked_texts("reply_to_ref", [*parents.values()], limit, "ref_max_chars", at_least=1)
        texts = [row.get("text", "") for row in rows]
        if None in texts:
            texts = ["" if text is None else text for text in texts]
        return PostRows(
            self._people.stored_many([row.get("author") for row in rows], "author"),
            checked_texts("ref", refs, limit, "ref_max_chars", at_least=1),
            self._times([row.get("at") for row in rows]),
            checked_texts("text", texts, self._settings.text_max_chars, "text_max_chars"),
            dict(zip(parents, parent_refs, strict=True)),
            {nth: self._more(rows[nth]) for nth in _places_of(names - _OF_ALL, rows)},
        )

    def _times(self, ats: Sequence[object]) -> Sequence[int]:
        times = checked_moments("at", ats)
        self._past.check("at", max(times))
        if min(times) < EPOCH_MS:
            raise InvalidArgument("at must not lie before the year 2000", argument="at")
        return times

    def _more(self, row: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in row.items() if name in _OF_SOME and value is not None}
        if "list" in given:
            raise InvalidArgument("list cannot be given to an import; publish to the list", argument="list")
        return self._drafting.changes(given, Audience.PUBLIC)


def _places_of(names: "set[str]", rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Where rows stand that have any of these fields."""
    return sorted({nth for name in names for nth, row in enumerate(rows) if name in row})


def _check_names(names: "set[Any]") -> None:
    for name in names - _OF_ALL - _OF_SOME:
        raise InvalidArgument(f"{name!s:.40} is no field of a post; there are {', '.join(_FIELDS)}")
