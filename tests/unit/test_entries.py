"""Packed entries: order, merge, cut and filter, against the same said in plain Python."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feedkit.ids import MAX_ID
from feedkit.idset import idset
from feedkit.storage.entries import (
    EMPTY,
    ENTRY_BYTES,
    Entries,
    cut,
    merge,
    newest_positions,
    of_rows,
    pack,
    settle,
    unpack,
)

Row = tuple[int, int]

# Small numbers collide often, large ones show where 32 or 53 bits are not enough. The top is MAX_ID - 1.
numbers = st.integers(1, 30) | st.integers(2**53, 2**53 + 3) | st.integers(MAX_ID - 3, MAX_ID - 1)
bounds = st.integers(0, 31) | st.integers(MAX_ID - 4, MAX_ID)
authors = st.integers(1, 6) | st.integers(MAX_ID - 1, MAX_ID)


@st.composite
def row_lists(draw: st.DrawFn) -> list[Row]:
    """Rows in any order with duplicates; a position always has the same author."""
    author_at = draw(st.dictionaries(numbers, authors, max_size=20))
    positions = draw(st.lists(st.sampled_from(sorted(author_at)), max_size=30)) if author_at else []
    return [(position, author_at[position]) for position in positions]


timelines = row_lists().map(of_rows)


def rows_of(entries: Entries) -> list[Row]:
    assert entries.positions.dtype == np.int64
    assert entries.authors.dtype == np.int64
    return list(zip(entries.positions.tolist(), entries.authors.tolist(), strict=True))


def naive(rows: Sequence[Row]) -> list[Row]:
    return sorted(set(rows), reverse=True)


# order


@given(row_lists())
def test_rows_become_a_timeline(rows: list[Row]) -> None:
    assert rows_of(of_rows(rows)) == naive(rows)


@given(row_lists())
def test_settling_orders_and_removes_duplicates(rows: list[Row]) -> None:
    table = np.array(rows, dtype=np.int64).reshape(len(rows), 2)
    assert rows_of(settle(table[:, 0], table[:, 1])) == naive(rows)


def test_a_position_that_two_authors_claim_comes_once() -> None:
    found = rows_of(of_rows([(5, 1), (7, 3), (5, 2)]))
    assert found in ([(7, 3), (5, 1)], [(7, 3), (5, 2)])


@given(st.lists(row_lists(), max_size=5))
def test_merging_is_settling_all_of_it(parts: list[list[Row]]) -> None:
    author_at = dict(row for part in parts for row in part)
    agreed = [[(position, author_at[position]) for position, _ in part] for part in parts]
    assert rows_of(merge([of_rows(part) for part in agreed])) == naive(
        [row for part in agreed for row in part]
    )


def test_nothing_merged_is_nothing() -> None:
    assert rows_of(merge([])) == rows_of(merge([EMPTY, EMPTY])) == []


# windows


@given(timelines, bounds, bounds, st.integers(0, 40))
def test_a_window_is_the_newest_between_two_positions(
    entries: Entries, before: int, floor: int, limit: int
) -> None:
    wanted = [row for row in rows_of(entries) if floor <= row[0] < before][:limit]
    assert rows_of(entries.window(before, floor, limit)) == wanted


@given(timelines, st.data(), bounds, bounds, st.integers(1, 20))
def test_the_newest_of_many_timelines(
    whole: Entries, data: st.DataObject, before: int, floor: int, limit: int
) -> None:
    # given a timeline dealt out to several, as outboxes of several authors are
    dealt: list[list[Row]] = [[], [], [], []]
    for row in rows_of(whole):
        dealt[data.draw(st.integers(0, 3))].append(row)

    # when
    found = newest_positions([of_rows(part) for part in dealt], before, floor, limit)

    # then
    assert found.tolist() == [row[0] for row in rows_of(whole) if floor <= row[0] < before][:limit]


@given(timelines, st.sets(numbers))
def test_without_leaves_the_others(entries: Entries, gone: set[int]) -> None:
    assert rows_of(entries.without(idset(gone))) == [row for row in rows_of(entries) if row[0] not in gone]


@given(timelines, st.sets(authors))
def test_of_authors_keeps_theirs(entries: Entries, kept: set[int]) -> None:
    assert rows_of(entries.of_authors(idset(kept))) == [row for row in rows_of(entries) if row[1] in kept]


@given(timelines, st.integers(0, 25), bounds)
def test_a_cut_keeps_the_newest_and_says_from_where_they_are_complete(
    entries: Entries, capacity: int, floor: int
) -> None:
    # given
    eligible = [row for row in rows_of(entries) if row[0] >= floor]

    # when
    kept, new_floor = cut(entries, capacity, floor)

    # then
    assert rows_of(kept) == eligible[:capacity]
    assert all(position < new_floor for position, _ in eligible[capacity:])
    assert all(position >= new_floor for position, _ in eligible[:capacity])
    assert (new_floor == floor) == (len(eligible) <= capacity), "the floor rises only where something went"
    assert new_floor >= floor


def test_a_cut_does_not_keep_the_uncut_arrays_alive() -> None:
    kept, _ = cut(of_rows([(position, 1) for position in range(1, 1000)]), 10, 0)
    assert kept.positions.base is None
    assert kept.authors.base is None


# bytes


def test_packed_bytes_never_change_by_accident() -> None:
    entries = of_rows([(1, 2), (2**62 + 1, 2**53 + 1)])
    assert pack(entries).hex() == "4000000000000001002000000000000100000000000000010000000000000002"
    assert rows_of(unpack(pack(entries))) == [(2**62 + 1, 2**53 + 1), (1, 2)]
    assert pack(EMPTY) == b""


@given(timelines)
def test_what_was_packed_comes_back(entries: Entries) -> None:
    packed = pack(entries)
    assert len(packed) == len(entries) * ENTRY_BYTES
    assert rows_of(unpack(packed)) == rows_of(unpack(bytearray(packed))) == rows_of(entries)


@given(st.lists(row_lists(), max_size=4))
def test_any_concatenation_is_a_timeline(parts: list[list[Row]]) -> None:
    packed = b"".join(pack(of_rows(part)) for part in parts)
    assert {p for p, _ in rows_of(unpack(packed))} == {p for part in parts for p, _ in part}


@given(timelines, st.data())
def test_truncated_bytes_give_the_whole_entries_before_the_cut(entries: Entries, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(entries) * ENTRY_BYTES))
    assert rows_of(unpack(pack(entries)[:length])) == rows_of(entries)[: length // ENTRY_BYTES]


def test_what_was_unpacked_does_not_hold_on_to_the_buffer() -> None:
    # given
    buffer = bytearray(pack(of_rows([(1, 2)])))

    # when
    entries = unpack(buffer)
    buffer += pack(of_rows([(3, 4)]))
    buffer[:8] = b"\xff" * 8

    # then
    assert rows_of(entries) == [(1, 2)]


words = (
    st.integers(-(2**63), 2**63 - 1).map(lambda number: number.to_bytes(8, "big", signed=True))
    | st.sampled_from([b"\0" * 8, b"\xff" * 8, b"\x80" + b"\0" * 7])
    | st.binary(min_size=8, max_size=8)
)
hostile = st.binary(max_size=200) | st.builds(
    lambda parts, rest: b"".join(parts) + rest, st.lists(words), st.binary(max_size=15)
)


@given(hostile)
@example(b"\x80\x04cposix\nsystem\n(S'true'\ntR.")
@example(b"\xdf\xff\xff\xff\xff" * 20)
@example(b"\0" * 160)
@example(b"\xff" * 160)
def test_a05_hostile_bytes_are_left_out_and_never_raise(data: bytes) -> None:
    # given
    pairs = [data[at : at + ENTRY_BYTES] for at in range(0, len(data) - ENTRY_BYTES + 1, ENTRY_BYTES)]
    rows = [
        tuple(int.from_bytes(pair[half : half + 8], "big", signed=True) for half in (0, 8)) for pair in pairs
    ]

    # when
    found = rows_of(unpack(data))

    # then
    sane = [row for row in rows if min(row) > 0]
    assert [position for position, _ in found] == sorted({row[0] for row in sane}, reverse=True)
    assert set(found) <= set(sane)
    assert rows_of(unpack(pack(unpack(data)))) == found


@pytest.mark.parametrize("size", [0, 1, 15])
def test_less_than_one_entry_is_none(size: int) -> None:
    assert len(unpack(b"\x01" * size)) == 0
