"""F24: what later code left in Redis is read or counts as missing, and what earlier code does there harms nobody.

A release is rolled out while the one before still runs, so each finds what the other wrote. What later code may
write is made up here, byte by byte: the next version number, and more fields.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships no types
import pytest
import redis

import feedkit
from feedkit import Settings
from feedkit.storage.entries import unpack
from feedkit.storage.redis.layout import HEADER_BYTES
from feedkit.storage.touching import Cached

Feed = feedkit.Feed[str]
SETTINGS = Settings(sqlite_synchronous="OFF", inbox_tail=8, shared_wait_ms=50, redis_timeout_ms=5000)
EPOCH = slice(1, 9)


class Place:
    """One feed, its processes, as far as feedkit can tell, and what stands in Redis."""

    def __init__(self, target: str, url: str, stack: ExitStack) -> None:
        self._target, self._url, self._stack = target, url, stack
        self.client: Any = stack.enter_context(redis.Redis.from_url(url))

    def process(self, **given: Any) -> Feed:
        options = {"redis": self._url, "settings": SETTINGS, **given}
        return self._stack.enter_context(feedkit.connect(self._target, **options))

    def keys(self, feed: Feed, kind: str) -> list[bytes]:
        """The keys of one kind."""
        place = feed.runtime()._place
        assert place is not None
        return sorted(self.client.scan_iter(f"{place().prefix}:{kind}*"))

    def inbox(self, feed: Feed, viewer: str) -> bytes:
        """The key of somebody's inbox."""
        place = feed.runtime()._place
        assert place is not None
        return place().keys("i").of(feed.users.get([viewer])[viewer].id)


@pytest.fixture
def place(tmp_path: Path, redis_url: str) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(f"sqlite:///{tmp_path / 'feed.db'}", redis_url, stack)


def told(feed: Feed, viewer: str = "bob") -> tuple[list[str], bool]:
    page = feed.home(viewer, limit=100)
    return [item.post.text for item in page], page.degraded


def lived(feed: Feed) -> list[str]:
    """Bob follows Ada and holds an inbox; what a page shows."""
    feed.users.put("ada", display_name="Ada")
    feed.follow("bob", "ada")
    feed.mute("bob", "eve")
    feed.home("bob")
    for text in "abc":
        feed.publish("ada", text=text)
    assert told(feed) == (["c", "b", "a"], False)
    return ["c", "b", "a"]


def is_whole(feed: Feed) -> bool:
    return feed.drain().done and feed.check(sample=100).ok


# ---------------------------------------------------------------- inboxes


def later_inbox(place: Place, key: bytes) -> None:
    """Put the next version's block in place of this one's: a longer header, and the same entries."""
    head = place.client.lindex(key, 0)
    assert head[:4] == b"FK\x01S"
    place.client.lset(key, 0, b"FK\x02S" + head[4:HEADER_BYTES] + b"more of it" + head[HEADER_BYTES:])


def entries_of_later_inbox(place: Place, key: bytes) -> set[int]:
    """What later code would find there: the block is its own, and behind it stands what everybody delivers."""
    head, *tail = place.client.lrange(key, 0, -1)
    assert head[:4] == b"FK\x02S"
    assert {len(element) for element in tail} <= {16}
    found = {int(at) for at in unpack(head[HEADER_BYTES + len(b"more of it") :]).positions}
    for element in tail:
        position, author = struct.unpack(">qq", element)
        if author > 0:
            found.add(position)
        elif author == -1:
            found.discard(position)
    return found


def test_f24_an_inbox_of_a_later_version_is_built_anew_in_full(place: Place) -> None:
    feed = place.process()
    wanted = lived(feed)
    key = place.inbox(feed, "bob")
    later_inbox(place, key)
    for reader in (feed, place.process()):
        assert told(reader) == (wanted, False)
    assert place.client.lindex(key, 0)[:4] == b"FK\x01S", "in a form that the next version reads"
    feed.publish("ada", text="d")
    assert told(feed) == (["d", *wanted], False)
    assert is_whole(feed)


def test_f24_an_inbox_of_a_later_version_is_delivered_to_as_any_other(place: Place) -> None:
    """Earlier code delivers, and nobody reads with it: the reader is later code, and must miss nothing."""
    feed = place.process(settings=Settings(sqlite_synchronous="OFF"))
    lived(feed)
    old = feed.publish("cyd", text="from before the follow")
    key = place.inbox(feed, "bob")
    feed.drain()
    later_inbox(place, key)
    before = entries_of_later_inbox(place, key)

    post = feed.publish("ada", text="d")
    gone = feed.publish("ada", text="e")
    feed.follow("bob", "cyd")
    feed.drain()
    feed.delete("ada", gone.id)
    feed.drain()

    assert entries_of_later_inbox(place, key) == before | {post.position, old.position}


def test_f24_an_inbox_of_a_later_version_does_not_grow_without_bound(place: Place) -> None:
    """After a rollback nobody is left who could seal it."""
    feed = place.process()
    wanted = lived(feed)
    key = place.inbox(feed, "bob")
    later_inbox(place, key)
    for nth in range(40):
        feed.publish("ada", text=str(nth))
        feed.drain()
        assert place.client.llen(key) <= 1 + SETTINGS.inbox_tail
    assert told(feed) == ([*map(str, reversed(range(40))), *wanted], False)
    assert is_whole(feed)


def test_f24_an_inbox_that_later_code_builds_is_nobody_elses_to_finish(place: Place) -> None:
    feed = place.process()
    wanted = lived(feed)
    key = place.inbox(feed, "bob")
    place.client.lset(key, 0, b"FK\x02B" + place.client.lindex(key, 0)[4:HEADER_BYTES] + b"more")
    assert told(feed) == (wanted, False)
    assert told(place.process()) == (wanted, False)
    assert is_whole(feed)


# ---------------------------------------------------------------- marks


LATER_MARKS: dict[str, Callable[[bytes], bytes]] = {
    "number in another form": lambda mark: mark[:9] + b"v2;" + mark[9:],
    "another field": lambda mark: mark + b":" + b"\x01" * 16 + b":more",
    "longer epoch": lambda mark: mark[:8] + b"12345678" + mark[8:],
    "number of any length": lambda mark: mark[:9] + b"9" * 5000,
    "other bytes": lambda mark: b"\x02" + mark,
}


@pytest.mark.parametrize("form", LATER_MARKS)
def test_f24_a_mark_of_a_later_version_counts_as_lost(place: Place, form: str) -> None:
    feed = place.process()
    wanted = lived(feed)
    (key,) = place.keys(feed, "mark")
    place.client.set(key, LATER_MARKS[form](place.client.get(key)))
    feed.publish("ada", text="d")
    for reader in (feed, place.process()):
        assert told(reader) == (["d", *wanted], False)
    assert is_whole(feed)


# ---------------------------------------------------------------- what is cached


def _more_fields(value: bytes) -> bytes:
    """The same schema byte, and one field more than this code knows."""
    fields = msgpack.unpackb(value[26:])
    longer: bytes = msgpack.packb([*fields, "more"])
    return value[:26] + longer


LATER_VALUES: dict[str, Callable[[bytes], bytes]] = {
    "next schema": lambda value: value[:25] + bytes([value[25] + 32]) + msgpack.packb({"version": 2}),
    "more fields": _more_fields,
    "another kind of slot": lambda value: b"W" + value[1:],
    "another form of number": lambda value: value[:9] + b"%16x" % int(value[9:25]) + value[25:],
    "number in front of the epoch": lambda value: value[:1] + value[9:25] + value[EPOCH] + value[25:],
    "longer tombstone": lambda _: b"T" + b"token678" + b"until when, and more of it",
    "longer lease": lambda value: b"L" + value[EPOCH] + b"token of sixteen",
    "nothing": lambda value: value[:9],
}


@pytest.mark.parametrize("form", LATER_VALUES)
def test_f24_what_later_code_caches_is_read_or_counts_as_missing(place: Place, form: str) -> None:
    # given: posts by both keys, people and relations are cached
    feed = place.process()
    wanted = lived(feed)
    posts = [item.post.id for item in feed.home("bob")]
    assert told(place.process()) == (wanted, False)
    assert None not in place.process().posts.get("bob", posts)
    changed = set()
    for kind in Cached:
        for key in place.keys(feed, f"{kind.value}:"):
            value = place.client.get(key)
            if value[:1] == b"V":
                changed.add(kind)
                place.client.set(key, LATER_VALUES[form](value), keepttl=True)
    assert changed >= {Cached.POST_AT, Cached.USER, Cached.RELATIONS}

    # when, then
    for reader in (place.process(), place.process()):
        assert told(reader) == (wanted, False)
        assert [item and item.post.text for item in reader.posts.get("bob", posts)] == wanted
        assert [item.post.text for item in reader.profile("bob", "ada")] == wanted
        assert reader.users.get(["ada"])["ada"].display_name == "Ada"
    assert feed.block("ada", "bob").guarded
    feed.users.put("cyd", display_name="Cyd")
    for reader in (feed, place.process()):
        assert told(reader) == ([], False)
    assert is_whole(feed)
