"""How a timeline is laid out in Redis: its bytes, its keys, and what comes off the wire."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedkit.idset import Ids, idset
from feedkit.storage.entries import ENTRY_BYTES, of_rows, pack
from feedkit.storage.redis.commands import Alike, Chain, Each, call, calls, command
from feedkit.storage.redis.keys import CLUSTER_BUCKETS, SLOTS, Keys, slot_of, tags
from feedkit.storage.redis.layout import (
    BUILDING,
    FLOOR_NOTE,
    HEADER_BYTES,
    REMOVAL_NOTE,
    SEALED,
    Header,
    header_of,
    notes,
    sealed,
    sealed_anew,
    stamp_of,
    timeline_of,
)
from feedkit.storage.redis.replies import Garbled, Listed, Refusal, Replies
from feedkit.storage.redis.scripts import HEAD
from feedkit.storage.timelines import Timeline

EPOCH = b"\x01" * 8
positions = st.integers(1, 40)


def block_of(timeline: Timeline, capacity: int = 1000) -> bytes:
    before, after = sealed(timeline, capacity).around_epoch()
    return before + EPOCH + after


def timeline(*at: int, floor: int = 0) -> Timeline:
    return Timeline(of_rows([(one, 7) for one in at]), floor)


def held(block: bytes, tail: bytes) -> tuple[list[int], int]:
    header = header_of(block)
    assert header is not None
    found = timeline_of(block, tail, header.floor)
    return [int(one) for one in found.entries.positions], found.floor


# ---------------------------------------------------------------- blocks


def test_the_stored_bytes_never_change_by_accident() -> None:
    header = Header(SEALED, stamp_of(0x1122334455667788), b"epoch678", 5).pack()
    assert header == (
        b"FK\x01S" + bytes.fromhex("1122334455667788") + b"epoch678" + b"\0\0\0\0\0\0\0\x05" + b"\0" * 4
    )
    assert Header(BUILDING, stamp_of(1), EPOCH).identity == b"FK\x01B" + b"\0" * 7 + b"\x01"
    block = block_of(timeline(3, 9, floor=2))
    assert block[HEADER_BYTES:] == bytes.fromhex(
        "0000000000000009" + "0000000000000007" + "0000000000000003" + "0000000000000007"
    )
    assert notes(idset([6]), REMOVAL_NOTE) == b"\0" * 7 + b"\x06" + b"\xff" * 8
    assert notes(idset([6]), FLOOR_NOTE) == b"\0" * 7 + b"\x06" + b"\0" * 8


@pytest.mark.parametrize("spoilt", [b"", b"FK", b"x" * 32, b"FK\x02S" + b"\0" * 28, b"FK\x01Q" + b"\0" * 28])
def test_what_is_no_header_is_none(spoilt: bytes) -> None:
    assert header_of(spoilt) is None


def test_every_block_has_an_identity_of_its_own() -> None:
    assert block_of(timeline(1))[:12] != block_of(timeline(1))[:12]


def test_the_last_word_on_a_position_counts() -> None:
    block = block_of(timeline(1, 2, 3))
    gone = notes(idset([2, 9]), REMOVAL_NOTE)
    again = pack(of_rows([(2, 7)]))
    assert held(block, gone) == ([3, 1], 0)
    assert held(block, gone + again) == ([3, 2, 1], 0)
    assert held(block, gone + again + gone) == ([3, 1], 0)


def test_a_note_raises_the_floor_and_never_lowers_it() -> None:
    block = block_of(timeline(10, 20, floor=5))
    assert held(block, notes(idset([15]), FLOOR_NOTE)) == ([20, 10], 15)
    assert held(block, notes(idset([3]), FLOOR_NOTE)) == ([20, 10], 5)


element = st.one_of(
    st.tuples(st.just("entry"), positions),
    st.tuples(st.just("entry"), positions),
    st.tuples(st.just("removal"), positions),
    st.tuples(st.just("floor"), positions),
)


@given(st.sets(positions), st.integers(0, 40), st.lists(element), st.integers(1, 12))
def test_sealing_changes_nothing_at_or_above_the_floor_it_leaves(
    first: set[int], floor: int, added: list[tuple[str, int]], capacity: int
) -> None:
    block = block_of(timeline(*first, floor=floor))
    wanted = {one for one in first if one >= floor}
    expected_floor, tail = floor, b""
    for kind, position in added:
        if kind == "entry":
            wanted.add(position)
            tail += pack(of_rows([(position, 7)]))
        elif kind == "removal":
            wanted.discard(position)
            tail += notes(idset([position]), REMOVAL_NOTE)
        else:
            expected_floor = max(expected_floor, position)
            tail += notes(idset([position]), FLOOR_NOTE)
    seen, seen_floor = held(block, tail)
    assert seen_floor == expected_floor
    assert {one for one in seen if one >= seen_floor} == {one for one in wanted if one >= seen_floor}

    before, after = sealed_anew(block, tail, floor, capacity).around_epoch()
    anew, anew_floor = held(before + EPOCH + after, b"")
    assert anew_floor >= seen_floor
    assert anew == [one for one in seen if one >= anew_floor]
    assert len(anew) <= capacity
    assert len(anew) == min(capacity, len([one for one in seen if one >= seen_floor]))


@given(st.lists(positions, unique=True, min_size=1).map(sorted), st.integers(1, 12))
def test_the_quick_way_to_seal_comes_to_the_same(came: list[int], capacity: int) -> None:
    block = block_of(timeline(*range(1, 6)))
    tail = b"".join(pack(of_rows([(5 + position, 7)])) for position in came)
    quick = sealed_anew(block, tail, 0, capacity)
    slow = sealed(timeline_of(block, tail, 0), capacity)
    assert quick == slow


@given(st.binary(), st.binary())
def test_any_bytes_are_a_timeline_or_a_miss(block: bytes, tail: bytes) -> None:
    found = timeline_of(b"\0" * HEADER_BYTES + block, tail, 0)
    assert (found.entries.positions > 0).all()
    assert (np.diff(found.entries.positions) < 0).all()
    header_of(block)


# ---------------------------------------------------------------- keys


def test_tags_spread_evenly_over_the_slots() -> None:
    slots = [slot_of(tag) for tag in tags()]
    width = SLOTS // CLUSTER_BUCKETS
    assert [slot // width for slot in slots] == list(range(CLUSTER_BUCKETS))


def test_owners_spread_evenly_over_the_buckets() -> None:
    keys = Keys("feedkit", "i", CLUSTER_BUCKETS)
    for owners in (np.arange(1, 6401), np.arange(1, 6401) << 22, np.arange(2**62, 2**62 + 6400)):
        counts = np.bincount(keys.buckets_of(owners), minlength=CLUSTER_BUCKETS)
        assert counts.min() > 50
        assert counts.max() < 200


@given(st.lists(st.integers(1, 2**63 - 1), min_size=1), st.sampled_from([1, CLUSTER_BUCKETS]))
def test_many_keys_are_made_as_each_of_them(owners: list[int], buckets: int) -> None:
    keys = Keys("my_app:0123456789ab", "i", buckets)
    ids: Ids = np.array(owners, dtype=np.int64)
    rows = keys.rows(ids, keys.buckets_of(ids))
    assert [row.tobytes() for row in rows] == [keys.of(owner) for owner in owners]
    assert [keys.owner(keys.of(owner)) for owner in owners] == owners


def test_all_of_a_bucket_lies_in_one_slot() -> None:
    keys = Keys("feedkit", "i", CLUSTER_BUCKETS)
    for owner in range(1, 200):
        bucket = int(keys.buckets_of(np.array([owner]))[0])
        names = (keys.of(owner), keys.mark(bucket), keys.step(bucket))
        assert len({name[name.index(b"{") : name.index(b"}")] for name in names}) == 1


@pytest.mark.parametrize("key", [b"", b"feedkit:i:", b"feedkit:i:zz", b"feedkit:o:" + b"0" * 15 + b"1"])
def test_a_key_of_something_else_is_nobodys(key: bytes) -> None:
    assert Keys("feedkit", "i", 1).owner(key) is None


# ---------------------------------------------------------------- commands and replies


def test_commands_that_are_alike_are_packed_as_each_of_them() -> None:
    keys = Keys("feedkit", "i", 1)
    ids: Ids = np.array([5, 6, 7], dtype=np.int64)
    alike = Alike([b"RPUSHX"], keys.rows(ids, keys.buckets_of(ids)), [b"a" * 16, b"b"])
    each = Each([command(b"RPUSHX", keys.of(owner), b"a" * 16, b"b") for owner in (5, 6, 7)])
    chosen = np.array([2, 0])
    assert alike.packed(chosen) == each.packed(chosen)
    assert Chain(alike, each).packed(np.array([1, 3, 4])) == each.packed(np.array([1, 0, 1]))


def test_calls_that_are_alike_are_packed_as_each_of_them() -> None:
    keys = Keys("feedkit", "i", CLUSTER_BUCKETS)
    owners: Ids = np.arange(1, 300, dtype=np.int64)
    buckets = keys.buckets_of(owners)
    order = np.argsort(buckets, kind="stable")
    owners, buckets = owners[order], buckets[order]
    alike = calls(HEAD, keys.rows(owners, buckets), buckets, lambda bucket: [keys.mark(bucket), b"32"])
    both = zip(owners.tolist(), buckets.tolist(), strict=True)
    each = Each([call(HEAD, [keys.of(owner), keys.mark(bucket)], b"32") for owner, bucket in both])
    chosen: Ids = np.array([0, 5, 6, 120, 298])
    assert len(alike) == len(each)
    assert alike.packed(chosen) == each.packed(chosen)


def chopped(data: bytes, sizes: list[int]) -> Replies:
    """These bytes as they may come: in pieces of any size, and then no more."""
    parts = []
    for size in sizes:
        parts.append(data[:size])
        data = data[size:]
    pieces = iter([part for part in [*parts, data] if part] + [b""])
    return Replies(lambda _most: next(pieces))


sizes = st.lists(st.integers(1, 60))


@given(st.lists(st.integers(-(2**62), 2**62).filter(lambda n: n >= 0), min_size=1), sizes)
def test_numbers_come_as_they_were_sent(numbers: list[int], sizes: list[int]) -> None:
    data = b"".join(b":%d\r\n" % number for number in numbers)
    replies = chopped(data + b"+behind\r\n", sizes)
    found, refused = replies.numbers(len(numbers))
    assert (found.tolist(), refused) == (numbers, {})
    assert replies.value() == b"behind"


@given(sizes)
def test_refusals_and_news_among_numbers(sizes: list[int]) -> None:
    data = b":1\r\n-MOVED 7 host:1\r\n>2\r\n+x\r\n:9\r\n:-3\r\n-OOM full\r\n"
    found, refused = chopped(data, sizes).numbers(4)
    assert found.tolist() == [1, 0, -3, 0]
    assert {nth: refusal.code for nth, refusal in refused.items()} == {1: "MOVED", 3: "OOM"}


@given(st.binary(max_size=60), st.lists(st.binary(min_size=16, max_size=16), max_size=30), sizes)
def test_a_list_comes_as_it_was_sent(head: bytes, tail: list[bytes], sizes: list[int]) -> None:
    elements = [head, *tail]
    data = b"*%d\r\n" % len(elements)
    data += b"".join(b"$%d\r\n%b\r\n" % (len(element), element) for element in elements)
    replies = chopped(data + b":5\r\n", sizes)
    assert replies.value() == Listed(head, b"".join(tail), len(elements))
    assert replies.value() == 5


@given(st.lists(st.binary(max_size=20), min_size=2), sizes)
def test_a_list_of_anything_is_never_waited_for_in_vain(elements: list[bytes], sizes: list[int]) -> None:
    data = b"*%d\r\n" % len(elements)
    data += b"".join(b"$%d\r\n%b\r\n" % (len(element), element) for element in elements)
    found = chopped(data, sizes).value()
    if any(len(element) != ENTRY_BYTES for element in elements[1:]):
        assert found == elements
    else:
        assert isinstance(found, Listed)


def test_an_error_within_a_script_is_known_by_its_own_name() -> None:
    old = (
        "ERR Error running script (call to f_ab): @user_script:16: @user_script: 16: -OOM command not allowed"
    )
    assert Refusal(old).code == "OOM"
    assert Refusal("READONLY You can't write").code == "READONLY"


@given(st.binary(max_size=200), sizes)
def test_any_bytes_are_replies_or_an_end(data: bytes, sizes: list[int]) -> None:
    replies = chopped(data, sizes)
    try:
        for _ in range(50):
            replies.value()
    except (Garbled, ConnectionError, MemoryError):
        pass
