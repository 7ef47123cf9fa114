"""What is kept in a shared cache comes back as it was, and anything else in its place is a miss (A05)."""

from __future__ import annotations

from typing import Any

import attrs
import msgpack  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedkit import ManualClock
from feedkit.codec import MISS, decode, encode
from feedkit.ids import MAX_ID
from feedkit.model import Audience, Entity, Media, MediaStatus, Post, PostStatus
from feedkit.relations import Relations, Tie, no_relations, relations_of
from feedkit.storage.base import UserRow
from feedkit.storage.shapes import PostShape, RelationsShape, UserShape
from feedkit.storage.touching import Cached

CLOCK = ManualClock()
NOW_MS = CLOCK.now_ms()
POST = Post(
    id=7,
    position=9,
    author_id=3,
    created_ms=NOW_MS,
    kind="note",
    schema_version=2,
    text="Grüße \U0001f9e1 {}\r\n",
    extra_json='{"a": [1]}',
    audience=Audience.LIST,
    ref="doc:1",
    reply_to=5,
    media=(Media("https://x/1", "image/png", 3, 4, "alt", "hash", 9, MediaStatus.PROCESSING),),
    published_ms=NOW_MS,
    edited_ms=NOW_MS + 1,
    expires_ms=NOW_MS + 2,
    revision=1,
    list_id=4,
    quote_of=6,
    fallback="a note",
    entities=(Entity("mention", 0, 4, "ada", 12), Entity("tag", 5, 8, "x")),
)
BY_POSITION, BY_ID = PostShape(Cached.POST_AT), PostShape(Cached.POST)
USERS, RELATIONS = UserShape(), RelationsShape(CLOCK)
USER = UserRow(4, b"\x00key", "ada", "Ada", "Europe/Vienna", "suspended", 1, NOW_MS)
WHOLE = relations_of(
    8, {Tie.FOLLOWS: [1, 2, 3], Tie.BLOCKED: [5], Tie.MUTES: [2]}, lists=[11, 10], until_ms=NOW_MS + 1
)


def told(relations: Relations) -> list[Any]:
    columns: list[Any] = [relations.others, relations.ties, relations.lists, relations.blocked]
    return [relations.viewer_id, relations.until_ms, *(column.tolist() for column in columns)]


@pytest.mark.parametrize(
    ("shape", "wanted", "value"),
    [
        (BY_POSITION, 9, POST),
        (BY_ID, 7, POST),
        (BY_ID, 1, Post(id=1, position=1, author_id=2, created_ms=0)),
        (USERS, 4, USER),
        (USERS, 5, UserRow(5, None, None, None, None, "active")),
    ],
)
def test_what_is_packed_is_unpacked(shape: Any, wanted: int, value: Any) -> None:
    assert shape.unpack(wanted, shape.pack(value)) == value


@pytest.mark.parametrize("relations", [WHOLE, no_relations(8)])
def test_relations_come_back_whole(relations: Relations) -> None:
    packed = RELATIONS.pack(relations)
    assert packed is not None
    found = RELATIONS.unpack(8, packed)
    assert isinstance(found, Relations)
    assert told(found) == told(relations)


def test_what_others_may_not_see_is_not_kept() -> None:
    hidden: list[dict[str, Any]] = [
        {"status": status} for status in PostStatus if status is not PostStatus.PUBLISHED
    ]
    for fields in (*hidden, {"deleted_ms": NOW_MS}):
        assert BY_ID.pack(attrs.evolve(POST, **fields)) is None
    assert BY_ID.pack(None) is None, "one that cannot be decoded"


def test_what_is_larger_than_a_cached_value_may_be_is_not_kept() -> None:
    assert BY_ID.pack(attrs.evolve(POST, text="x" * (1 << 20))) is None


def test_nothing_passes_for_another() -> None:
    post, user, relations = BY_ID.pack(POST), USERS.pack(USER), RELATIONS.pack(WHOLE)
    assert post is not None
    assert user is not None
    assert relations is not None
    for wanted in (8, 9, 0, -7):
        assert BY_ID.unpack(wanted, post) is MISS
    assert BY_POSITION.unpack(7, post) is MISS
    assert USERS.unpack(3, user) is MISS
    assert RELATIONS.unpack(9, relations) is MISS
    assert BY_ID.unpack(7, user) is USERS.unpack(4, relations) is RELATIONS.unpack(8, post) is MISS


def test_relations_end_with_the_first_mute_that_lapses() -> None:
    clock = ManualClock()
    packed = RelationsShape(clock).pack(WHOLE)
    assert packed is not None
    assert RelationsShape(clock).unpack(8, packed) is not MISS
    clock.advance(seconds=1)
    assert RelationsShape(clock).unpack(8, packed) is MISS


def test_what_lapsed_for_one_clock_stands_for_another() -> None:
    """A process whose clock is ahead has loaded relations without a mute that lasts a little longer for others."""
    behind, ahead = ManualClock(), ManualClock()
    ahead.advance(seconds=300)
    packed = RelationsShape(ahead).pack(no_relations(8))
    assert packed is not None
    assert RelationsShape(behind).unpack(8, packed) is MISS
    behind.advance(seconds=300)
    assert RelationsShape(behind).unpack(8, packed) is not MISS


def _fields(data: bytes | None) -> list[Any]:
    assert data is not None
    fields = decode(data[0], data)
    assert isinstance(fields, list)
    return fields


@pytest.mark.parametrize(
    "fields",
    [
        {2: b"\x00" * 7},
        {1: b""},
        {1: (5).to_bytes(8, "big") * 2},
        {1: (5).to_bytes(8, "big"), 4: b"\x01"},
        {4: b"\x01" * 6},
        {4: b"\x00"},
        {6: 0},
        {5: MAX_ID},
        {6: "soon"},
        {0: 8.0},
    ],
    ids=str,
)
def test_relations_that_are_none_are_a_miss(fields: dict[int, Any]) -> None:
    """What decides who sees what is taken whole or not at all."""
    forged = _fields(RELATIONS.pack(WHOLE))
    for nth, value in fields.items():
        forged[nth] = value
    assert RELATIONS.unpack(8, encode(18, forged)) is MISS


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-(1 << 63), (1 << 64) - 1), st.floats(), st.text(), st.binary()
)


@pytest.mark.parametrize(
    ("shape", "wanted", "value"), [(BY_ID, 7, POST), (USERS, 4, USER), (RELATIONS, 8, WHOLE)]
)
@given(data=st.data())
def test_hostile_bytes_are_a_miss_or_a_value_of_the_right_types(
    shape: Any, wanted: int, value: Any, data: st.DataObject
) -> None:
    packed = shape.pack(value)
    fields = _fields(packed)
    how = data.draw(st.sampled_from(("field", "nested", "cut", "byte", "any")))
    if how == "field":
        fields[data.draw(st.integers(0, len(fields) - 1))] = data.draw(ODD | st.lists(ODD, max_size=3))
        packed = packed[:1] + msgpack.packb(fields)
    elif how == "nested":
        fields = [[data.draw(ODD)] * 8 if isinstance(field, list) else field for field in fields]
        packed = packed[:1] + msgpack.packb(fields)
    elif how == "cut":
        packed = packed[: data.draw(st.integers(0, len(packed)))]
    elif how == "byte":
        at = data.draw(st.integers(0, len(packed) - 1))
        packed = packed[:at] + data.draw(st.binary(min_size=1, max_size=1)) + packed[at + 1 :]
    else:
        packed = packed[:1] + data.draw(st.binary())

    found = shape.unpack(wanted, packed)
    if found is MISS:
        return
    assert type(found) is type(value)
    if isinstance(found, Post):
        assert found.to_dict()["id"] == str(wanted)
        assert found.expires_ms is None or found.expires_at is not None
    elif isinstance(found, Relations):
        assert found.with_each([1, 2, MAX_ID - 1]) is not None
        assert RELATIONS.pack(found) is not None
    else:
        assert found.id == wanted
