"""Whom the rows of an import name: their ids, and those who have none yet."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import attrs
import numpy as np

from feedkit.clock import Clock
from feedkit.idset import Ids
from feedkit.storage.base import Truth, Tx
from feedkit.storage.bulk import NewUser
from feedkit.storage.directory import Directory, in_order
from feedkit.storage.minting import Minting

_REMEMBERED = 500_000

Stored = bytes | int
"""A key as truth stores it."""


@attrs.frozen(slots=True)
class Named:
    """Those whom a chunk of rows names, each once."""

    keys: Sequence[Stored]
    found: dict[Stored, int]
    new: dict[Stored, int]


class People:
    """Resolves keys by the thousand. One is made for each import, and remembers whom it has met."""

    def __init__(self, truth: Truth, directory: Directory[Any], minting: Minting, clock: Clock) -> None:
        self._truth, self._directory, self._minting, self._clock = truth, directory, minting, clock
        self._met: dict[Stored, int] = {}

    def stored(self, key: Any, argument: str) -> Stored:
        """A key as truth stores it. Raises KeyTypeMismatch, InvalidArgument or LimitExceeded."""
        return self._directory.stored(key, argument)

    def stored_many(self, keys: Sequence[Any], argument: str) -> Sequence[Stored]:
        """Many keys as truth stores them. Raises like `stored`."""
        return self._directory.stored_many(keys, argument)

    def host_key(self, stored: Stored) -> Any:
        """The host's key of what truth stores."""
        return self._directory.host_key(stored)

    def keys_of(self, user_ids: Iterable[int]) -> dict[int, Any]:
        """The host's keys of users, by id."""
        rows = self._truth.read(lambda tx: self._truth.users.get_many(tx, list(user_ids)))
        return {row.id: self._directory.user(row).key for row in rows}

    def named(self, *columns: Sequence[Stored]) -> tuple[Named, tuple[Ids, ...]]:
        """Those whom these columns name; and for each column, the place in `Named.keys` of each of its keys."""
        places = {key: nth for nth, key in enumerate(dict.fromkeys(chain(*columns)))}
        found = self.find(places)
        named = Named(tuple(places), found, self.new_ids(places, found))
        return named, tuple(np.fromiter(map(places.__getitem__, one), np.int64) for one in columns)

    def ids(self, tx: Tx, named: Named) -> Ids:
        """The ids of `named.keys`. Creates those who are not there."""
        ids = named.found | self.add(tx, named.new)
        return np.fromiter(map(ids.__getitem__, named.keys), np.int64)

    def find(self, keys: Iterable[Stored]) -> dict[Stored, int]:
        """The ids of those who exist."""
        wanted = list(dict.fromkeys(keys))
        missing = [key for key in wanted if key not in self._met]
        if missing:
            found = self._truth.read(lambda tx: self.look_up(tx, missing))
            if len(self._met) + len(found) > _REMEMBERED:
                self._met.clear()
                found = self._truth.read(lambda tx: self.look_up(tx, wanted))
            self._met.update(found)
        return {key: self._met[key] for key in wanted if key in self._met}

    def new_ids(self, keys: Iterable[Stored], found: dict[Stored, int]) -> dict[Stored, int]:
        """Ids for those who are not among `found`; theirs once `add` has committed, if nobody is quicker."""
        new = in_order(key for key in keys if key not in found)
        if self._directory.keys_are_ids:
            return {key: int(key) for key in new}
        return dict(zip(new, self._minting.mint_many(len(new)), strict=True))

    def add(self, tx: Tx, new: dict[Stored, int]) -> dict[Stored, int]:
        """Create users under these ids; their ids as they are then."""
        if not new:
            return {}
        now_ms = self._clock.now_ms()
        rows = [
            NewUser(user_id, key if isinstance(key, bytes) else None, now_ms) for key, user_id in new.items()
        ]
        if self._truth.bulk.insert_users(tx, rows) == len(rows):
            return new
        return self.look_up(tx, list(new))

    def look_up(self, tx: Tx, keys: Sequence[Any]) -> dict[Stored, int]:
        """The ids of those who exist, as of this transaction; they are not remembered."""
        if self._directory.keys_are_ids:
            return {user_id: user_id for user_id in self._truth.bulk.known(tx, keys)}
        return dict(self._truth.users.ids_of(tx, keys).items())
