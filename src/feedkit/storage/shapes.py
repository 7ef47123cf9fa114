"""How posts, users and relations are kept in a cache that processes share. Bytes that hold none of them are a `MISS`.

A cache outlives code and is reached by others, so every field is checked, and what it says it is has to be what was
asked for.
"""

import json
from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any, TypeVar

import attrs
import numpy as np

from feedkit.clock import YEAR_1_MS, YEAR_9999_MS, Clock
from feedkit.codec import MAX_BYTES, MISS, _Miss, decode, encode
from feedkit.ids import MAX_ID
from feedkit.idset import Ids
from feedkit.model import Audience, Entity, Media, MediaStatus, Post, PostStatus
from feedkit.relations import Relations
from feedkit.storage.base import UserRow
from feedkit.storage.touching import Cached

V = TypeVar("V")
_POST_SCHEMA, _USER_SCHEMA, _RELATIONS_SCHEMA = 16, 17, 18

_POST_FIELDS = [field.name for field in attrs.fields(Post) if field.name != "guarded"]
_TEXT, _NUMBER = (str,), (int,)
_MAYBE_TEXT, _MAYBE_NUMBER = (str, NoneType), (int, NoneType)
_POST_TYPES = (
    *(_NUMBER,) * 4,  # id, position, author_id, created_ms
    *(_TEXT, _NUMBER, _TEXT, _TEXT),  # kind, schema_version, text, extra_json
    *(_TEXT, _TEXT, _MAYBE_TEXT, _MAYBE_NUMBER),  # status, audience, ref, reply_to
    (list,),  # media
    *(_MAYBE_NUMBER,) * 5,  # published_ms, deleted_ms, edited_ms, expires_ms, scheduled_ms
    *(_NUMBER, _MAYBE_NUMBER, _MAYBE_NUMBER, _MAYBE_NUMBER, _MAYBE_TEXT),  # revision ... fallback
    (list,),  # entities
)
_INSTANTS = (3, 13, 14, 15, 16, 17)
_STATUS, _AUDIENCE, _MEDIA, _ENTITIES, _EXTRA = 8, 9, 12, 23, 7
_MEDIA_TYPES = (_TEXT, _MAYBE_TEXT, *(_MAYBE_NUMBER,) * 2, *(_MAYBE_TEXT,) * 2, _MAYBE_NUMBER, _TEXT)
_ENTITY_TYPES = (_TEXT, _NUMBER, _NUMBER, _TEXT, _MAYBE_NUMBER)
_USER_TYPES = (
    *(_NUMBER, (bytes, NoneType), _MAYBE_TEXT, _MAYBE_TEXT, _MAYBE_TEXT),
    *(_TEXT, _NUMBER, _MAYBE_NUMBER),
)
_RELATIONS_TYPES = (_NUMBER, (bytes,), (bytes,), (bytes,), (bytes,), _NUMBER, _NUMBER)


class PostShape:
    """Posts that others may see. Drafts, and what was held, removed or deleted, are left to truth.

    Args:
        kind: whether posts are asked for by position or by id.
    """

    name = "shared_posts"
    keeps_absence = True

    def __init__(self, kind: Cached) -> None:
        self.kind = kind

    def pack(self, value: Post | None) -> bytes | None:
        """See `Shape`."""
        if value is None or value.status is not PostStatus.PUBLISHED or value.deleted_ms is not None:
            return None
        fields = [getattr(value, name) for name in _POST_FIELDS]
        for nth in (_MEDIA, _ENTITIES):
            fields[nth] = [attrs.astuple(one) for one in fields[nth]]
        return _fitting(encode(_POST_SCHEMA, fields))

    def unpack(self, wanted: int, data: bytes) -> Post | _Miss:
        """See `Shape`."""
        return _read(_POST_SCHEMA, _POST_TYPES, data, lambda fields: self._post(wanted, fields))

    def _post(self, wanted: int, fields: list[Any]) -> Post | _Miss:
        for nth in _INSTANTS:
            if fields[nth] is not None and not YEAR_1_MS <= fields[nth] <= YEAR_9999_MS:
                return MISS
        if fields[_EXTRA] != "{}" and not isinstance(json.loads(fields[_EXTRA]), dict):
            return MISS
        fields[_STATUS], fields[_AUDIENCE] = PostStatus(fields[_STATUS]), Audience(fields[_AUDIENCE])
        fields[_MEDIA] = tuple(_media(one) for one in fields[_MEDIA])
        fields[_ENTITIES] = tuple(Entity(*_checked(_ENTITY_TYPES, one)) for one in fields[_ENTITIES])
        post = Post(*fields)
        return post if wanted == (post.position if self.kind is Cached.POST_AT else post.id) else MISS


class UserShape:
    """Users, as truth stores them. One that feedkit has not met may be met without an event: that is not kept."""

    kind, name, keeps_absence = Cached.USER, "shared_users", False

    def pack(self, value: UserRow) -> bytes | None:
        """See `Shape`."""
        key = None if value.key is None else bytes(value.key)
        return encode(_USER_SCHEMA, attrs.astuple(attrs.evolve(value, key=key, private=int(value.private))))

    def unpack(self, wanted: int, data: bytes) -> UserRow | _Miss:
        """See `Shape`."""

        def made(fields: list[Any]) -> UserRow | _Miss:
            return UserRow(*fields) if fields[0] == wanted else MISS

        return _read(_USER_SCHEMA, _USER_TYPES, data, made)


class RelationsShape:
    """Relations of viewers, from the moment when they were loaded until the first mute lapses.

    Clocks differ: what had lapsed for one process when it loaded them may not have lapsed for another.
    """

    kind, name, keeps_absence = Cached.RELATIONS, "shared_relations", False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def pack(self, value: Relations) -> bytes | None:
        """See `Shape`."""
        columns = [value.others, value.lists, value.blocked]
        packed = [column.astype(">i8").tobytes() for column in columns]
        times = [self._clock.now_ms(), value.until_ms]
        return _fitting(encode(_RELATIONS_SCHEMA, [value.viewer_id, *packed, value.ties.tobytes(), *times]))

    def unpack(self, wanted: int, data: bytes) -> Relations | _Miss:
        """See `Shape`."""
        return _read(
            _RELATIONS_SCHEMA, _RELATIONS_TYPES, data, lambda fields: self._relations(wanted, fields)
        )

    def _relations(self, wanted: int, fields: list[Any]) -> Relations | _Miss:
        viewer_id, packed, (held, from_ms, until_ms) = fields[0], fields[1:4], fields[4:]
        others, lists, blocked = map(_ascending, packed)
        ties = np.frombuffer(held, dtype=np.uint8)
        if viewer_id != wanted or not from_ms <= self._clock.now_ms() < until_ms or len(ties) != len(others):
            return MISS
        if not len(others) or others[-1] != MAX_ID or ties[-1]:
            return MISS
        return Relations(viewer_id, others, ties, lists, until_ms, blocked=blocked)


def _read(
    schema: int, types: Sequence[tuple[type, ...]], data: bytes, make: Callable[[list[Any]], V | _Miss]
) -> V | _Miss:
    """What `make` makes of the fields in these bytes, if they are of those types."""
    value = decode(schema, data)
    if value is MISS:
        return MISS
    try:
        return make(_checked(types, value))
    except (ValueError, TypeError, RecursionError, OverflowError):
        return MISS


def _checked(types: Sequence[tuple[type, ...]], value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) != len(types):
        raise ValueError("not the fields of this shape")
    for field, allowed in zip(value, types, strict=True):
        if type(field) not in allowed or (type(field) is int and not -MAX_ID <= field <= MAX_ID):
            raise ValueError("a field is of another type")
    return value


def _media(value: Any) -> Media:
    *fields, status = _checked(_MEDIA_TYPES, value)
    return attrs.evolve(Media(*fields), status=MediaStatus(status))


def _ascending(packed: bytes) -> Ids:
    """Ids in ascending order. Raises ValueError where these bytes are none."""
    ids: Ids = np.frombuffer(packed, dtype=">i8").astype(np.int64)
    if len(ids) > 1 and not bool((ids[1:] > ids[:-1]).all()):
        raise ValueError("not in order")
    return ids


def _fitting(data: bytes) -> bytes | None:
    return data if len(data) <= MAX_BYTES else None
