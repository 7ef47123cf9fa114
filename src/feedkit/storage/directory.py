"""The host's keys for users, and the ids inside: one cached table between them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, cast
from uuid import UUID

from feedkit.clock import Clock
from feedkit.errors import InvalidArgument, KeyTypeMismatch, LimitExceeded, shown
from feedkit.ids import MAX_ID
from feedkit.model import Key, User, UserStatus
from feedkit.relations import LOGGED_OUT
from feedkit.storage.base import Truth, Tx, UserRow
from feedkit.storage.cache import LeasedCache
from feedkit.storage.minting import Minting

KEY_TYPES: Mapping[type, str] = {str: "str", int: "int", UUID: "UUID"}


class Directory(Generic[Key]):
    """Resolves keys. `int` keys are the ids themselves; others stand in truth beside an id that was minted.

    Reads create nobody; the first verb that needs a user creates them.
    """

    def __init__(
        self,
        key_type: type[Key],
        truth: Truth,
        minting: Minting,
        clock: Clock,
        *,
        key_max_bytes: int,
        cached: int,
    ) -> None:
        self._type = key_type
        self._truth, self._minting, self._clock = truth, minting, clock
        self._key_max_bytes = key_max_bytes
        self._known: LeasedCache[bytes | int, int] = LeasedCache(cached)

    def find(self, key: Key, argument: str, host_tx: Tx | None = None) -> int | None:
        """The id of a user, None where feedkit has not met them."""
        if host_tx is None:
            return self.find_many([key], argument)[0]
        stored = self.stored(key, argument)
        return self._lookup(host_tx, [stored]).get(stored)

    def find_many(self, keys: Sequence[Key], argument: str) -> list[int | None]:
        """The ids of users in the order of `keys`."""
        stored = [self.stored(key, argument) for key in keys]
        if self._type is int:
            return [cast(int, key) for key in stored]
        found = self._known.get_many(stored, self._load)
        return [found.get(key) for key in stored]

    def checked(self, keys: Mapping[str, Key]) -> list[bytes | int]:
        """The keys as truth stores them, by argument name. Raises KeyTypeMismatch, InvalidArgument or LimitExceeded."""
        return [self.stored(key, argument) for argument, key in keys.items()]

    def stored(self, key: Key, argument: str) -> bytes | int:
        """One key as truth stores it. Raises like `checked`."""
        if isinstance(key, bool) or not isinstance(key, self._type):
            wanted = KEY_TYPES[self._type]
            raise KeyTypeMismatch(
                f"{argument} must be {wanted}, the key type of this feed, got {type(key).__name__}; pass your own "
                f"{wanted} key of the user",
                argument=argument,
            )
        if isinstance(key, UUID):
            return key.bytes
        if isinstance(key, int):
            return self._checked_int(key, argument)
        return self._checked_bytes(str.__str__(key), argument)

    def stored_many(self, keys: Sequence[Any], argument: str) -> list[bytes] | list[int]:
        """As `stored`, for each of many at once; which of them an error is about it does not tell."""
        if self._type is UUID and {*map(type, keys)} <= {UUID}:
            return [key.int.to_bytes(16) for key in keys]  # as `bytes` does, which takes twice as long
        return cast(list[bytes], [self.stored(key, argument) for key in keys])

    def host_key(self, stored: bytes | int) -> Key:
        """The host's key of what truth stores."""
        if isinstance(stored, int):
            return cast(Key, stored)
        return cast(Key, UUID(bytes=stored) if self._type is UUID else stored.decode())

    def ensure(self, keys: Mapping[str, Key], host_tx: Tx | None = None) -> list[int]:
        """The ids of users, by argument name; whoever is not there yet is created.

        In a transaction of the host's nothing is cached: it may still be rolled back.
        """
        stored = self.checked(keys)
        if host_tx is not None:
            return self._ensure_in(host_tx, stored)
        found = self._known.get_many(stored, self._load)
        missing = in_order(key for key in stored if key not in found)
        if missing:
            rows = self._new_rows(missing, None)
            created = self._truth.write(lambda tx: self._add(tx, rows, missing))
            found |= self._known.get_many(missing, lambda _: created)
        return [found[key] for key in stored]

    def viewer_tag(self, key: Key | None) -> int:
        """A number that stands for a viewer whether or not feedkit has met them; 0 for a logged-out one."""
        if key is None:
            return LOGGED_OUT
        stored = self.stored(key, "viewer")
        if isinstance(stored, int):
            return stored
        return int.from_bytes(hashlib.blake2b(stored, digest_size=8).digest()) >> 1 or 1

    @property
    def keys_are_ids(self) -> bool:
        """Whether the host's keys are the ids themselves."""
        return self._type is int

    def user(self, row: UserRow) -> User[Key]:
        """A user as the host knows them."""
        return User(
            row.id,
            self._key(row),
            row.handle,
            row.display_name,
            row.time_zone,
            _status(row.status),
            bool(row.private),
            row.suspended_until,
        )

    def _add(
        self, tx: Tx, rows: Mapping[int, bytes | None], keys: Sequence[bytes | int]
    ) -> dict[bytes | int, int]:
        """Create users; their ids, or those of whoever was quicker."""
        self._truth.users.add(tx, rows, self._clock.now_ms())
        return self._lookup(tx, keys)

    def _ensure_in(self, tx: Tx, stored: Sequence[bytes | int]) -> list[int]:
        found = self._lookup(tx, stored)
        missing = in_order(key for key in stored if key not in found)
        if missing:
            found |= self._add(tx, self._new_rows(missing, tx), missing)
        return [found[key] for key in stored]

    def _new_rows(self, missing: Sequence[bytes | int], host_tx: Tx | None) -> dict[int, bytes | None]:
        """Rows by id: an int key is the id itself, any other stands beside one that is minted for it."""
        return dict(
            (key, None) if isinstance(key, int) else (self._minting.mint(host_tx), key) for key in missing
        )

    def _load(self, stored: list[bytes | int]) -> dict[bytes | int, int]:
        return self._truth.read(lambda tx: self._lookup(tx, stored))

    def _lookup(self, tx: Tx, stored: Sequence[bytes | int]) -> dict[bytes | int, int]:
        found: dict[bytes | int, int] = {}
        if self._type is int:
            rows = self._truth.users.get_many(tx, cast(Sequence[int], stored))
            found.update((row.id, row.id) for row in rows)
        else:
            found.update(self._truth.users.ids_of(tx, cast(Sequence[bytes], stored)).items())
        return found

    def _checked_int(self, key: int, argument: str) -> int:
        if not 0 < key <= MAX_ID:
            raise InvalidArgument(f"{argument} must be 1..{MAX_ID}, got {shown(key)}", argument=argument)
        return int(key)

    def _checked_bytes(self, key: str, argument: str) -> bytes:
        try:
            stored = key.encode()
        except UnicodeEncodeError as error:
            message = f"{argument} holds a lone surrogate, which no encoding can store; remove it"
            raise InvalidArgument(message, argument=argument) from error
        if not 0 < len(stored) <= self._key_max_bytes:
            raise LimitExceeded(
                f"{argument} must be 1..{self._key_max_bytes} bytes of UTF-8, got {len(stored)}; the bound is the "
                "setting key_max_bytes",
                argument=argument,
                limit=self._key_max_bytes,
                actual=len(stored),
            )
        return stored

    def _key(self, row: UserRow) -> Key:
        return self.host_key(row.id if row.key is None else row.key)


def _status(stored: str) -> UserStatus:
    """A status that this code does not know gives no rights."""
    try:
        return UserStatus(stored)
    except ValueError:
        return UserStatus.SUSPENDED


def in_order(stored: Iterable[bytes | int]) -> list[bytes | int]:
    """Keys, each once, as all add users: of two who add the same ones, one waits for the other, and never both."""
    return sorted({*stored})
