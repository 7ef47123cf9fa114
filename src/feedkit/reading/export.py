"""Exports as JSON lines: of everything, for whoever runs the feed, and of what one person made, for them."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol

import attrs

from feedkit.clock import Clock, from_ms
from feedkit.errors import InvalidArgument
from feedkit.ids import MAX_ID
from feedkit.idset import single
from feedkit.model import Assoc, Key, rfc3339
from feedkit.reading.hydrate import Hydrator
from feedkit.relations import Relations
from feedkit.storage.base import REACTED, Truth
from feedkit.storage.exporting import Row
from feedkit.storage.readthrough import ReadThrough
from feedkit.storage.selections import WHOLE
from feedkit.visibility import Surface, people_visible

_FORMAT = 1
_AT_ONCE = 500
_AT = ("created_at", "published_at", "deleted_at", "edited_at", "expires_at", "scheduled_at")
_TIMES = frozenset((*_AT, "suspended_until", "until", "at", "time"))
_JSON = frozenset(("extra", "entities", "media"))
_PLAIN = frozenset(
    ("number", "ordinal", "schema_version", "revision", "media_count", "width", "height", "size_bytes")
)
_PATH = "path"  # of a comment; its parents tell the same
_DONE = frozenset(
    (
        Assoc.FOLLOWS,
        Assoc.REQUESTS,
        Assoc.ASKS,
        Assoc.BLOCKS,
        Assoc.MUTES,
        Assoc.LISTS,
        Assoc.PINS,
        Assoc.SAVES,
    )
)
_BY_OTHERS = frozenset((Assoc.FOLLOWED_BY, Assoc.REQUESTED_BY, Assoc.ASKED_BY))
_OF_POSTS = frozenset((Assoc.SAVES, Assoc.PINS))


class Writable(Protocol):
    """What lines can be written to: a file that was opened for text, for instance."""

    def write(self, text: str, /) -> object:
        """Take a text."""


Target = str | os.PathLike[str] | Writable


@attrs.frozen(slots=True)
class Exporter(Generic[Key]):
    """Writes exports, a chunk at a time."""

    truth: Truth
    readthrough: ReadThrough[Key]
    hydrator: Hydrator[Key]
    clock: Clock

    def everything(self, to: Target) -> dict[str, int]:
        """All that people made; how many lines of each type were written."""
        return self._write(to, self._lines_of_all(), {})

    def of_user(self, user_id: int, to: Target) -> dict[str, int]:
        """What one person made, drafts as well, and of others only what that person may see."""
        return self._write(to, self._lines_of(user_id), {"user_id": str(user_id)})

    def _lines_of_all(self) -> Iterator[dict[str, Any]]:
        for noun in self.truth.export.nouns:
            for rows in self._chunks(partial(self.truth.export.after, noun=noun)):
                if noun == "relation":
                    yield from (_relation(row) for row in rows if _is_done(row["kind"]))
                else:
                    yield from self._content(noun, rows)

    def _lines_of(self, user_id: int) -> Iterator[dict[str, Any]]:
        before = self._behind_all(user_id)
        for rows in self._part("user", user_id, before):
            yield from self._content("user", rows)
        lists: list[int] = []
        for rows in self._part("list", user_id, before):
            lists += [row["id"] for row in rows]
            yield from self._content("list", rows)
        for one in (user_id, *lists):
            for rows in self._part("relation", one, before):
                yield from self._relations_of(user_id, rows)
        for rows in self._posts_of(user_id, before):
            yield from self._content("post", rows)
        for noun in ("media", "revision"):
            for posts in self._posts_of(user_id, before):
                for rows in self._part(noun, [post["id"] for post in posts], before):
                    yield from self._content(noun, rows)
        for rows in self._part("comment", user_id, before):
            yield from self._content("comment", rows)

    def _behind_all(self, user_id: int) -> int:
        """A position that everything is below that they have published by now."""
        recent, author = self.truth.posts.recent, single(user_id)
        newest = self.truth.read(
            lambda tx: recent(tx, author, before=MAX_ID, floor=0, limit=1, viewer_id=user_id)
        )
        return int(newest.positions[0]) + 1 if len(newest) else 0

    def _posts_of(self, user_id: int, before: int) -> Iterator[list[Row]]:
        """All that somebody wrote. What they publish meanwhile was met as a draft, and lies above `before`."""
        for part in ("draft", "withdrawn", *WHOLE):
            yield from self._part(part, user_id, before)

    def _content(self, noun: str, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
        people = self.readthrough.users([row["id"] for row in rows]) if noun == "user" else {}
        for row in rows:
            known = people.get(row["id"]) if noun == "user" else None
            said = {} if known is None else {"key": str(known.key)}
            yield {"type": noun, **_safe(row), **said}

    def _relations_of(self, user_id: int, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
        """What they did to others, with what they may see of it; and who stands to them, as far as they meet them."""
        viewer = self.readthrough.viewer(user_id).relations
        people = self.readthrough.users([row["id2"] for row in rows if row["kind"] not in _OF_POSTS])
        shown = people_visible(list(people.values()), viewer, self.clock.now_ms())
        meets = {user.id for user, is_met in zip(people.values(), shown, strict=True) if is_met}
        items = self._items(viewer, [row["id2"] for row in rows if _is_of_content(row["kind"])])
        for row in rows:
            kind, other = row["kind"], row["id2"]
            if kind in _BY_OTHERS and other in meets:
                # What is beside it is that other person's own choice: whether they want reposts, for one.
                yield {**_relation(row), "data": None, "key": str(people[other].key)}
            elif _is_of_content(kind):
                yield {**_relation(row), "item": items.get(other)}
            elif _is_done(kind):
                user = people.get(other)
                yield {**_relation(row), "key": None if user is None else str(user.key)}

    def _items(self, viewer: Relations, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        if not ids:
            return {}
        posts, _ = self.truth.read(lambda tx: self.truth.posts.get_many(tx, ids))
        items = self.hydrator.items(posts, viewer, Surface.POST)
        return {post.id: item.to_dict() for post, item in zip(posts, items, strict=True) if item is not None}

    def _part(self, part: str, whose: int | Sequence[int], before: int) -> Iterator[list[Row]]:
        return self._chunks(partial(self.truth.export.part_after, part=part, whose=whose, before=before))

    def _chunks(self, after: Callable[..., list[Row]]) -> Iterator[list[Row]]:
        last: Row | None = None
        while True:
            rows = self.truth.read(partial(after, last=last, limit=_AT_ONCE))
            yield rows
            if len(rows) < _AT_ONCE:
                return
            last = rows[-1]

    def _write(self, to: Target, lines: Iterator[dict[str, Any]], about: Mapping[str, Any]) -> dict[str, int]:
        facts = self.truth.read(self.truth.install.facts)
        head = {
            "type": "feedkit",
            "format": _FORMAT,
            "schema_version": int(facts["schema_version"]),
            "key_type": facts["key_type"],
            "exported_at": _moment(self.clock.now_ms()),
            **about,
        }
        written: Counter[str] = Counter()
        with _opened(to) as file:
            file.write(_as_text(head))
            for line in lines:
                file.write(_as_text(line))
                written[line["type"]] += 1
        return dict(written)


def _opened(to: Target) -> AbstractContextManager[Writable]:
    return _at_path(Path(to)) if isinstance(to, (str, os.PathLike)) else nullcontext(to)


@contextmanager
def _at_path(path: Path) -> Iterator[Writable]:
    """A file that appears under its name once it is whole."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _is_done(kind: str) -> bool:
    """Whether somebody did it; the others are the same from the other end, or follow from these."""
    return kind in _DONE or kind.startswith(REACTED)


def _is_of_content(kind: str) -> bool:
    return kind in _OF_POSTS or kind.startswith(REACTED)


def _relation(row: Row) -> dict[str, Any]:
    return {
        "type": "relation",
        "from": str(row["id1"]),
        "kind": row["kind"],
        "to": str(row["id2"]),
        "since": _moment(row["time"]),
        "data": row["data"],
    }


def _safe(row: Row) -> dict[str, Any]:
    """A row for JSON: ids as decimal strings, times as RFC 3339, JSON as itself."""
    return {name: _value(name, value) for name, value in row.items() if name != _PATH}


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _TIMES:
        return _moment(value)
    if name in _JSON:
        return _parsed(value)
    if name == "private":
        return bool(value)
    return str(value) if isinstance(value, int) and name not in _PLAIN else value


def _parsed(stored: str) -> Any:
    """JSON as it was stored; what cannot be read stays the text that it is."""
    try:
        return json.loads(stored)
    except (ValueError, RecursionError):
        return stored


def _moment(ms: int) -> Any:
    """RFC 3339; the number itself where that is no moment that a calendar knows."""
    try:
        return rfc3339(from_ms(ms))
    except InvalidArgument:
        return ms


def _as_text(line: Mapping[str, Any]) -> str:
    """Escaped to ASCII: some readers of lines also break them at U+2028, and then every line is one."""
    return json.dumps(line, separators=(",", ":")) + "\n"
