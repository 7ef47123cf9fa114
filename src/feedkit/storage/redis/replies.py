"""Reads the replies of a pipeline off a connection: numbers by the thousand, and packed timelines, at once.

The protocol is RESP, 2 or 3 (https://redis.io/docs/latest/develop/reference/protocol-spec/).
"""

import re
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from feedkit.idset import Ids
from feedkit.storage.entries import ENTRY_BYTES

_AT_ONCE = 1 << 18
_NUMBERS = b":0123456789\r\n"
_BEFORE, _AFTER = b"$%d\r\n" % ENTRY_BYTES, b"\r\n"
_STRIDE = len(_BEFORE) + ENTRY_BYTES + len(_AFTER)
_AROUND = [
    *((at, _BEFORE[at : at + 1]) for at in range(len(_BEFORE))),
    *((len(_BEFORE) + ENTRY_BYTES + at, _AFTER[at : at + 1]) for at in range(len(_AFTER))),
]
_DEEPEST = 8
_INSIDE_A_SCRIPT = re.compile(r"@user_script: ?\d+: -([A-Z]+) ")


@attrs.frozen
class Refusal:
    """An error that the server gave as a reply."""

    message: str

    @property
    def code(self) -> str:
        """Its first word, such as MOVED, also where it comes from within a script."""
        inside = _INSIDE_A_SCRIPT.search(self.message)
        return inside[1] if inside else self.message.partition(" ")[0]


@attrs.frozen
class Listed:
    """A list whose elements are 16 bytes each, all but the first: that one, and the others one behind the other."""

    head: bytes
    tail: bytes
    length: int


class Garbled(Exception):
    """What came is no reply."""


class Replies:
    """The replies on one connection, in the order of the commands.

    Args:
        receive: gives some bytes, at most so many, and none once the connection is closed.
    """

    def __init__(self, receive: Callable[[int], bytes]) -> None:
        self._receive = receive
        self._data = bytearray()
        self._at = 0

    def numbers(self, count: int) -> tuple[Ids, dict[int, Refusal]]:
        """As many integers, shape (count,), and the refusals among them by their place, where the number is 0."""
        end = self._after_lines(count)
        text = self._data[self._at : end]
        if text.count(b":") == count and b":\r" not in text and not text.translate(None, _NUMBERS):
            found = np.fromstring(text.replace(b":", b"").decode("ascii"), dtype=np.int64, sep=" ")
            if len(found) != count:
                raise Garbled
            self._at = end
            return found, {}
        numbers, refused = np.zeros(count, dtype=np.int64), {}
        for nth in range(count):
            value = self.value()
            if isinstance(value, int):
                numbers[nth] = value
            elif isinstance(value, Refusal):
                refused[nth] = value
            else:
                raise Garbled
        return numbers, refused

    def value(self, depth: int = 0) -> Any:
        """One reply: an int, bytes, None, a list of these, a `Refusal` or, for a list of bytes, a `Listed`."""
        if depth > _DEEPEST:
            raise Garbled
        line = self._line()
        kind, rest = line[:1], line[1:]
        match kind:
            case b":":
                return _int(rest)
            case b"+" | b"," | b"#" | b"(":
                return rest
            case b"-":
                return Refusal(rest.decode(errors="replace"))
            case b"$" | b"=" | b"!":
                data = self._bulk(_int(rest))
                return Refusal((data or b"").decode(errors="replace")) if kind == b"!" else data
            case b"_":
                return None
            case b"*" | b"~":
                return self._several(_int(rest), depth)
            case b"%":
                return self._several(2 * _int(rest), depth)
            case b">" | b"|":  # news between two replies
                self._several(_int(rest) * (2 if kind == b"|" else 1), depth)
                return self.value(depth)
            case _:
                raise Garbled

    def _several(self, count: int, depth: int) -> Any:
        if count <= 0:
            return None if count < 0 else []
        first = self.value(depth + 1)
        if depth == 0 and isinstance(first, bytes) and (tail := self._packed(count - 1)) is not None:
            return Listed(first, tail, count)
        return [first, *(self.value(depth + 1) for _ in range(count - 1))]

    def _packed(self, count: int) -> bytes | None:
        """So many elements as they are in a timeline, without a look at each; None where they are not of that size."""
        while True:
            there = min((len(self._data) - self._at) // _STRIDE, count)
            end = self._at + there * _STRIDE
            part = bytes(self._data[self._at : end])
            begun = self._data[end : end + len(_BEFORE)] if there < count else b""
            if not _is_packed(part, there) or not _BEFORE.startswith(begun):
                return None
            if there == count:
                self._at = end
                rows = np.frombuffer(part, dtype=np.uint8).reshape(count, _STRIDE)
                return rows[:, len(_BEFORE) : -len(_AFTER)].tobytes()
            self._more()

    def _bulk(self, length: int) -> bytes | None:
        if length < 0:
            return None
        end = self._at + length + 2
        while len(self._data) < end:
            self._more()
            end = self._at + length + 2
        data = bytes(self._data[self._at : end - 2])
        self._at = end
        return data

    def _line(self) -> bytes:
        while (end := self._data.find(b"\r\n", self._at)) < 0:
            self._more()
        line = bytes(self._data[self._at : end])
        self._at = end + 2
        return line

    def _after_lines(self, count: int) -> int:
        """Where so many lines end; as many may yet have to come."""
        seen, looked_at = 0, self._at
        while True:
            fresh = self._data.count(b"\n", looked_at)
            if seen + fresh >= count:
                break
            seen, behind = seen + fresh, len(self._data) - self._at
            self._more()
            looked_at = self._at + behind
        if seen + fresh == count and self._data[-1] == 10:
            return len(self._data)
        where = np.flatnonzero(np.frombuffer(self._data, dtype=np.uint8)[looked_at:] == 10)
        return looked_at + int(where[count - seen - 1]) + 1

    def _more(self) -> None:
        if self._at:
            del self._data[: self._at]
            self._at = 0
        data = self._receive(_AT_ONCE)
        if not data:
            raise ConnectionError("the connection was closed by the server")
        self._data += data


def _int(text: bytes) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise Garbled from error


def _is_packed(part: bytes, count: int) -> bool:
    """Whether it is so many elements of the size of an entry: a look at each byte around them, column by column."""
    return all(part[at::_STRIDE] == column * count for at, column in _AROUND)
