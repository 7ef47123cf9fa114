"""Commands as they go over the wire: packed here, by the thousand where they are alike."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from feedkit.idset import Ids
from feedkit.storage.redis.keys import Bytes2D
from feedkit.storage.redis.scripts import Script

ASKING = b"*1\r\n$6\r\nASKING\r\n"


class Commands(Protocol):
    """Many commands, packed."""

    def __len__(self) -> int: ...

    def packed(self, chosen: Ids) -> bytes:
        """Some of them, by index."""


class Alike:
    """Commands that differ in their keys alone: shape (n, bytes of one)."""

    def __init__(self, words: Sequence[bytes], keys: Bytes2D, after: Sequence[bytes]) -> None:
        width = keys.shape[1]
        before = b"*%d\r\n" % (len(words) + 1 + len(after)) + _words(words) + b"$%d\r\n" % width
        template = before + b" " * width + b"\r\n" + _words(after)
        self._rows = np.empty((len(keys), len(template)), dtype=np.uint8)
        self._rows[:] = np.frombuffer(template, dtype=np.uint8)
        self._rows[:, len(before) : len(before) + width] = keys

    def __len__(self) -> int:
        return len(self._rows)

    def packed(self, chosen: Ids) -> bytes:
        return self._rows[chosen].tobytes()


class Each:
    """Commands packed one by one."""

    def __init__(self, commands: Sequence[bytes]) -> None:
        self._commands = commands

    def __len__(self) -> int:
        return len(self._commands)

    def packed(self, chosen: Ids) -> bytes:
        return b"".join([self._commands[nth] for nth in chosen.tolist()])


class Chain:
    """Some commands, and behind them others."""

    def __init__(self, *links: Commands) -> None:
        self._links = links
        self._starts = np.cumsum([0, *map(len, links)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def packed(self, chosen: Ids) -> bytes:
        found = []
        for link, start, stop in zip(self._links, self._starts, self._starts[1:], strict=False):
            its = chosen[(chosen >= start) & (chosen < stop)]
            found.append(link.packed(its - start) if len(its) else b"")
        return b"".join(found)


def command(*words: bytes) -> bytes:
    """One command."""
    return b"*%d\r\n" % len(words) + _words(words)


def call(script: Script, keys: Sequence[bytes], *arguments: bytes) -> bytes:
    """A call of a script that the server knows."""
    return command(b"EVALSHA", script.sha, b"%d" % len(keys), *keys, *arguments)


def calls(
    script: Script, keys: Bytes2D, buckets: Ids, of_bucket: Callable[[int], Sequence[bytes]]
) -> Commands:
    """A call of a script with each of many keys, in order of their buckets; the rest depends on the bucket."""
    words = [b"EVALSHA", script.sha, b"2"]
    links = [
        Alike(words, keys[buckets == bucket], of_bucket(bucket)) for bucket in np.unique(buckets).tolist()
    ]
    return Chain(*links)


def _words(words: Sequence[bytes]) -> bytes:
    return b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])
