"""Stored values as bytes: one schema byte, then MessagePack (https://msgpack.org).

Decoding trusts nothing. Caches outlive code and are reached by others, so bytes that are not
exactly a value of the expected schema are a `MISS`, as if nothing had been stored: they never
raise, never run code, and cost memory in proportion to their length only.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]  # it ships no types

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 64

# Below this length, bytes that lie about their lengths cannot claim more than a few megabytes.
_HARMLESS_BYTES: Final = 2048
_CONTAINER_HEADERS: Final = bytes([*range(0x80, 0xA0), *range(0xDC, 0xE0)])
_MALFORMED: Final = (
    ValueError,
    TypeError,
    OverflowError,
    MemoryError,
    RecursionError,
    msgpack.UnpackException,
)


class _Miss(enum.Enum):
    MISS = "MISS"

    def __repr__(self) -> str:
        return self.name


MISS: Final = _Miss.MISS
"""What `decode` gives for bytes that hold no value; compare with `is`."""


def encode(schema: int, value: object) -> bytes:
    """The bytes of a value: `schema` (0..255) in one byte, then the value in MessagePack.

    A value is made of None, bool, int (64 bits), float, str, bytes, lists or tuples (read back as
    lists) and dicts with str or bytes keys, nested at most 64 deep. Raises TypeError, ValueError or
    OverflowError for what has no bytes: values are this library's own, so that would be its defect.
    """
    packed: bytes = msgpack.packb(value)
    return schema.to_bytes(1, "big") + packed


def decode(schema: int, data: object, *, max_bytes: int = MAX_BYTES) -> object:
    """The value in `data`, or `MISS` if these are not exactly the bytes of one value of this schema.

    Misses are: anything but bytes, more than `max_bytes`, another schema byte, truncated or trailing
    bytes, lists and dicts nested over 64 deep, keys other than str and bytes, text that is not UTF-8,
    and extension types.
    """
    if not isinstance(data, bytes) or not 1 < len(data) <= max_bytes or data[0] != schema:
        return MISS
    packed = memoryview(data)[1:]
    try:
        if len(data) > _HARMLESS_BYTES:
            _refuse_hollow(packed)
        value = msgpack.unpackb(packed, ext_hook=_refuse_extension, max_ext_len=0)
    except _MALFORMED:
        return MISS
    return MISS if _too_deep(data, value) else value


def _refuse_hollow(packed: memoryview) -> None:
    """Raise if a declared length is not backed by that many elements.

    Unpacking makes room for a list when it meets its header, so nested headers that each claim a
    million elements would claim gigabytes. Skipping makes no room and fails on the first such lie.
    """
    unpacker = msgpack.Unpacker(max_buffer_size=len(packed))
    unpacker.feed(packed)
    unpacker.skip()


def _refuse_extension(code: int, _data: bytes) -> Any:
    raise ValueError(f"extension type {code}")


def _too_deep(data: bytes, value: object) -> bool:
    """True for a nesting that a reader's recursion might not survive."""
    if len(data) - len(data.translate(None, _CONTAINER_HEADERS)) <= MAX_DEPTH:
        return False  # every level takes a header: the cheap answer for nearly all values
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for container in level for child in _children(container)]
    return any(isinstance(child, dict | list) for child in level)


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
