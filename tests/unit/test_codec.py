"""Stored bytes: what was encoded comes back, and everything else is a miss."""

from __future__ import annotations

import json
import pickle
import tracemalloc

import msgpack  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feedkit.codec import MAX_BYTES, MAX_DEPTH, MISS, decode, encode

SCHEMA = 3
NIL = b"\xc0"

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.binary(), inner), max_leaves=30
)


def nested(depth: int) -> object:
    value: object = 1
    for level in range(depth):
        value = [value] if level % 2 else {"k": value}
    return value


@given(st.integers(0, 255), values)
def test_what_was_encoded_comes_back(schema: int, value: object) -> None:
    assert decode(schema, encode(schema, value)) == value


def test_tuples_come_back_as_lists() -> None:
    assert decode(SCHEMA, encode(SCHEMA, (1, (2,)))) == [1, [2]]


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, "03c0"),
        (2**62, "03cf4000000000000000"),
        ([1, -1, True, 0.5], "039401ffc3cb3fe0000000000000"),
        ({"text": "höi", "key": b"\x00\xff"}, "0382a474657874a468c3b669a36b6579c40200ff"),
    ],
)
def test_stored_bytes_never_change_by_accident(value: object, stored: str) -> None:
    assert encode(SCHEMA, value).hex() == stored
    assert decode(SCHEMA, bytes.fromhex(stored)) == value


@pytest.mark.parametrize("schema", [-1, 256])
def test_a_schema_is_one_byte(schema: int) -> None:
    with pytest.raises(OverflowError):
        encode(schema, None)


def test_another_schema_is_a_miss() -> None:
    # given
    stored = encode(SCHEMA, {"text": "hello"})

    # then: older and newer code alike
    assert decode(SCHEMA - 1, stored) is MISS
    assert decode(SCHEMA + 1, stored) is MISS
    assert decode(SCHEMA + 256, stored) is MISS


def test_a_stored_none_is_not_a_miss() -> None:
    assert decode(SCHEMA, encode(SCHEMA, None)) is None
    assert repr(MISS) == "MISS"
    assert pickle.loads(pickle.dumps(MISS)) is MISS


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda tail: bytes([SCHEMA]) + tail))
@example(b"")
@example(bytes([SCHEMA]))
def test_a05_random_bytes_never_raise(data: bytes) -> None:
    decode(SCHEMA, data)


@given(values.filter(lambda value: value is not None), st.data())
def test_a05_truncated_bytes_are_a_miss(value: object, data: st.DataObject) -> None:
    stored = encode(SCHEMA, value)

    cut = data.draw(st.integers(0, len(stored) - 1))

    assert decode(SCHEMA, stored[:cut]) is MISS


@given(values, st.binary(min_size=1, max_size=10))
def test_a05_trailing_bytes_are_a_miss(value: object, rest: bytes) -> None:
    assert decode(SCHEMA, encode(SCHEMA, value) + rest) is MISS
    assert decode(SCHEMA, encode(SCHEMA, [value] * 1000) + rest) is MISS


@given(values, st.data())
def test_a05_flipped_bits_never_raise(value: object, data: st.DataObject) -> None:
    # given
    stored = bytearray(encode(SCHEMA, value))

    # when
    for position in data.draw(st.lists(st.integers(0, len(stored) * 8 - 1), min_size=1, max_size=4)):
        stored[position // 8] ^= 1 << position % 8

    # then
    decode(SCHEMA, bytes(stored))


@pytest.mark.parametrize(
    "data", [None, 7, "text", bytearray(b"\x03\xc0"), memoryview(b"\x03\xc0"), [3, 192], object(), MISS]
)
def test_a05_what_is_not_bytes_is_a_miss(data: object) -> None:
    assert decode(SCHEMA, data) is MISS


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a05_pickle_opcodes_are_never_executed(protocol: int) -> None:
    # given
    payload = pickle.dumps(Bomb(), protocol)
    schema = payload[0]

    # then: read as a schema byte, and behind one
    assert decode(schema, payload) is MISS
    assert decode(SCHEMA, bytes([SCHEMA]) + payload) is MISS


@pytest.mark.parametrize(
    "extension",
    [
        *(msgpack.ExtType(code, data) for code in (0, 5, 127) for data in (b"", b"a", b"12345")),
        msgpack.Timestamp(1),
        msgpack.Timestamp(1, 5),
        msgpack.Timestamp(-1, 5),
    ],
    ids=repr,
)
def test_a05_extension_types_are_a_miss(extension: object) -> None:
    for value in (extension, [1, extension], {"at": extension}, ["x" * 5000, extension]):
        assert decode(SCHEMA, encode(SCHEMA, value)) is MISS


@pytest.mark.parametrize(
    "raw", ["c70005", "c700ff", "d480ff", "d4ff00", "c1", "c7ffff", "81c0c0", "8101c0", "81c0", "a1ff"]
)
def test_a05_what_this_library_never_writes_is_a_miss(raw: str) -> None:
    assert decode(SCHEMA, bytes([SCHEMA]) + bytes.fromhex(raw)) is MISS


def test_a05_nesting_is_bounded_where_readers_recurse() -> None:
    # given
    deepest = nested(MAX_DEPTH)

    # then
    assert decode(SCHEMA, encode(SCHEMA, deepest)) == deepest
    assert decode(SCHEMA, encode(SCHEMA, [nested(MAX_DEPTH - 1), []])) == [nested(MAX_DEPTH - 1), []]
    json.dumps(deepest)
    for depth in (MAX_DEPTH + 1, 500, 1000):
        assert decode(SCHEMA, encode(SCHEMA, nested(depth))) is MISS
        assert decode(SCHEMA, encode(SCHEMA, [nested(depth), "x" * 5000])) is MISS
    for opener in (b"\x91", b"\x81\xa1k", b"\xdc\x00\x01", b"\xdd\x00\x00\x00\x01"):
        for depth in (MAX_DEPTH + 1, 1025, 100_000):
            assert decode(SCHEMA, bytes([SCHEMA]) + opener * depth + NIL) is MISS


def test_wide_values_are_not_deep() -> None:
    # given: more containers, and more text that looks like them, than the depth allowed
    wide = [["\u2026" * 200] * 3, *({"k": []} for _ in range(200))]

    # then
    assert decode(SCHEMA, encode(SCHEMA, wide)) == wide


def test_large_values_come_back_and_larger_ones_are_a_miss() -> None:
    # given
    fits, longer = "x" * (MAX_BYTES - 6), "x" * (MAX_BYTES - 5)

    # then
    assert decode(SCHEMA, encode(SCHEMA, fits)) == fits
    assert decode(SCHEMA, encode(SCHEMA, longer)) is MISS
    assert decode(SCHEMA, encode(SCHEMA, longer), max_bytes=2 * MAX_BYTES) == longer
    assert decode(SCHEMA, encode(SCHEMA, [1, 2]), max_bytes=4) == [1, 2]
    assert decode(SCHEMA, encode(SCHEMA, [1, 2]), max_bytes=3) is MISS
    assert decode(SCHEMA, encode(SCHEMA, list(range(100_000)))) == list(range(100_000))


ARRAY32, MAP32, STR32, BIN32 = b"\xdd", b"\xdf", b"\xdb", b"\xc6"
MILLION, HUGE = b"\x00\x0f\xff\xf0", b"\xff\xff\xff\xff"


@pytest.mark.parametrize(
    ("bomb", "megabytes"),
    [
        *((header + HUGE + b"a" * 100, 1) for header in (ARRAY32, MAP32, STR32, BIN32, b"\xc9")),
        ((ARRAY32 + MILLION) * 1000 + NIL * (MAX_BYTES - 5001), 4),
        ((ARRAY32 + MILLION) * 200_000, 4),
        (b"\xdc\x26\x00" * 1000 + NIL * 7000, 4),
        ((MAP32 + MILLION + b"\xa1k") * 1000 + NIL * (MAX_BYTES - 7001), 4),
        ((ARRAY32 + b"\x00\x00\x07\xf0") * 400, 10),
        (b"\xdc\x07\xf0" * 680, 15),
        ((b"\xde\x03\xf0\xa1k") * 400, 10),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else f"{value}MB",
)
def test_a05_bombs_are_a_miss_in_bounded_memory(bomb: bytes, megabytes: int) -> None:
    # given
    tracemalloc.start()
    try:
        # when
        found = decode(SCHEMA, bytes([SCHEMA]) + bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # then
    assert found is MISS
    assert peak < megabytes * 1_000_000
