"""Instants are Unix milliseconds, and a manual clock moves only when told to."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedkit.clock import Clock, ManualClock, SystemClock, from_ms, to_ms
from feedkit.errors import InvalidArgument

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOON_MS = 1_772_366_400_000


def test_the_system_clock_tells_the_time_of_this_machine() -> None:
    before = time.time_ns() // 1_000_000
    now = SystemClock().now_ms()

    assert before <= now <= time.time_ns() // 1_000_000


@pytest.mark.parametrize("start", [NOON, NOON_MS])
def test_a_manual_clock_stands_still_until_it_is_moved(start: datetime | int) -> None:
    # given
    clock: Clock = ManualClock(start)

    # then
    assert [clock.now_ms(), clock.now_ms()] == [NOON_MS, NOON_MS]


def test_a_manual_clock_without_a_start_repeats_exactly() -> None:
    assert ManualClock().now_ms() == ManualClock().now_ms() == to_ms(datetime(2025, 1, 1, tzinfo=UTC))


def test_a_manual_clock_moves_on_and_back() -> None:
    # given
    clock = ManualClock(NOON)

    # when
    clock.advance(minutes=1, seconds=2, milliseconds=3)

    # then
    assert clock.now_ms() == NOON_MS + 62_003

    # when
    clock.set(NOON - timedelta(seconds=10))

    # then
    assert clock.now_ms() == NOON_MS - 10_000

    # when
    clock.set(NOON_MS)

    # then
    assert clock.now_ms() == NOON_MS


def test_parts_of_a_millisecond_add_up() -> None:
    clock = ManualClock(0)

    for _ in range(2000):
        clock.advance(microseconds=1)

    assert clock.now_ms() == 2


def test_threads_that_move_a_manual_clock_lose_nothing() -> None:
    # given
    clock = ManualClock(0)

    def move() -> None:
        for _ in range(1000):
            clock.advance(milliseconds=1)

    # when
    threads = [threading.Thread(target=move) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # then
    assert clock.now_ms() == 4000


def test_an_instant_is_the_same_in_every_zone() -> None:
    assert to_ms(NOON.astimezone(timezone(timedelta(hours=5, minutes=45)))) == to_ms(NOON) == NOON_MS


@given(st.datetimes(timezones=st.timezones() | st.just(UTC)))
def test_milliseconds_and_datetimes_agree(instant: datetime) -> None:
    # when
    there_and_back = from_ms(to_ms(instant)) if 1 < instant.year < 9999 else instant

    # then: rounded down to the millisecond
    assert timedelta(0) <= instant - there_and_back < timedelta(milliseconds=1)
    assert there_and_back.utcoffset() is not None


@given(st.integers(min_value=-62_135_596_800_000, max_value=253_402_300_799_999))
def test_every_millisecond_survives_the_round_trip(ms: int) -> None:
    assert to_ms(from_ms(ms)) == ms
    assert from_ms(ms).tzinfo is UTC


class NoOffset(tzinfo):
    def utcoffset(self, _instant: datetime | None) -> None:
        return None

    dst = tzname = utcoffset


@pytest.mark.parametrize("naive", [datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=NoOffset())])
def test_naive_datetimes_are_refused_with_the_way_out(naive: datetime) -> None:
    for refuse in (to_ms, ManualClock, ManualClock().set):
        with pytest.raises(InvalidArgument, match=r"naive one; add tzinfo=datetime\.UTC") as refused:
            refuse(naive)
        assert refused.value.argument == "instant"


@pytest.mark.parametrize("other", [None, "2026-01-01", NOON.date(), 1.5])
def test_what_is_no_datetime_is_refused(other: object) -> None:
    with pytest.raises(InvalidArgument, match="aware datetime, got"):
        to_ms(other)  # type: ignore[arg-type]


def test_a01_instants_past_the_calendar_are_refused() -> None:
    for ms in (10**15, -(10**15), 10**40, 10**5000):
        with pytest.raises(InvalidArgument, match="Unix milliseconds"):
            from_ms(ms)
