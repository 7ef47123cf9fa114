"""Importing users."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from feedkit.clock import Clock
from feedkit.errors import InvalidArgument
from feedkit.model import Event, EventKind, ImportReport
from feedkit.storage.base import Truth, Tx
from feedkit.storage.bulk import NewUser
from feedkit.writing.bulk.chunks import Loading, Past, Progress, Settled, in_chunks, unlike
from feedkit.writing.bulk.people import Named, People, Stored
from feedkit.writing.users import UserWriting

_FIELDS = ("handle", "display_name", "time_zone", "private")


_Row = tuple[Stored, dict[str, Any], int]
"""The key, the fields that are given, and when the user was created (Unix milliseconds)."""
_NO_FIELDS: dict[str, Any] = {}


class UserImport:
    """Users as the host has them. One who is there already is given the fields of the row."""

    def __init__(self, truth: Truth, people: People, writing: UserWriting, clock: Clock) -> None:
        self._truth, self._people, self._writing, self._clock = truth, people, writing, clock
        self._past = Past(clock)

    def run(self, rows: Iterable[Any], *, size: int, start: int, progress: Progress | None) -> ImportReport:
        """Import keys, or dicts with a `key` and any fields of a user."""
        ahead = not self._truth.one_writer
        steps = self._check, self._prepare, self._write
        return in_chunks(rows, *steps, size=size, start=start, progress=progress, ahead=ahead)

    def _check(self, rows: Sequence[Any]) -> list[_Row]:
        return [self._checked(row) for row in rows]

    def _checked(self, row: Any) -> _Row:
        if not isinstance(row, Mapping):
            return self._people.stored(row, "key"), _NO_FIELDS, self._past.ms("created_at", None)
        if "key" not in row:
            raise unlike(row, "a key, or a dict with a key")
        fields = dict(row)
        key = self._people.stored(fields.pop("key"), "key")
        created_ms = self._past.ms("created_at", fields.pop("created_at", None))
        if unknown := [name for name in fields if name not in _FIELDS]:
            message = (
                f"{unknown[0]!s:.40} is no field of a user; there are key, created_at, {', '.join(_FIELDS)}"
            )
            raise InvalidArgument(message)
        return key, dict(self._writing.checked(fields)), created_ms

    def _prepare(self, pieces: Sequence[list[_Row]]) -> tuple[dict[Stored, _Row], Named]:
        rows = chain.from_iterable(pieces)
        by_key = {row[0]: row for row in rows}  # the last of those that name the same user
        return by_key, self._people.named(list(by_key))[0]

    def _write(self, chunk: tuple[dict[Stored, _Row], Named], _first: int, loading: Loading) -> Settled:
        rows, named = chunk
        loading()
        return self._truth.write(lambda tx: self._store(tx, rows, named.found, named.new))

    def _store(
        self, tx: Tx, rows: dict[Stored, _Row], found: dict[Stored, int], new: dict[Stored, int]
    ) -> Settled:
        added = 0
        if new:
            users = [
                NewUser(user_id, key if isinstance(key, bytes) else None, rows[key][2], **rows[key][1])
                for key, user_id in new.items()
            ]
            added = self._truth.bulk.insert_users(tx, users)
            if added < len(users):  # others were quicker
                found = found | self._people.look_up(tx, list(new))
        changed = self._patch(tx, {user_id: rows[key][1] for key, user_id in found.items()})
        if added or changed:
            self._truth.events.append(tx, Event(EventKind.IMPORTED, 0, 0, self._clock.now_ms()))
        return Settled(added + changed)

    def _patch(self, tx: Tx, fields_of: dict[int, dict[str, Any]]) -> int:
        """Give those who are there what is new; how many it was new to."""
        wanted = {user_id: fields for user_id, fields in fields_of.items() if fields}
        stored = self._truth.users.get_many(tx, list(wanted)) if wanted else []
        changed = 0
        for user in sorted(stored, key=lambda user: user.id):
            fields = wanted[user.id]
            different = {name: value for name, value in fields.items() if getattr(user, name) != value}
            if different:
                self._truth.users.patch(tx, user.id, different)
                changed += 1
        return changed
