"""The time, as an argument: whoever needs to know it is handed a `Clock`.

All instants inside feedkit are Unix milliseconds in UTC, as `int`. Datetimes exist at the public
face only, and must be aware: a naive one means something else on every machine.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from feedkit.errors import InvalidArgument

YEAR_1_MS: Final = -62_135_596_800_000  # what a datetime can hold
YEAR_9999_MS: Final = 253_402_300_799_999
_UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Clock(Protocol):
    """Tells the time. It may jump and it may step back: nothing in feedkit relies on it to grow."""

    def now_ms(self) -> int:
        """The present instant in Unix milliseconds (UTC)."""
        ...


class SystemClock:
    """The wall clock of this machine."""

    def now_ms(self) -> int:
        """The present instant in Unix milliseconds (UTC)."""
        return time.time_ns() // 1_000_000


class ManualClock:
    """A clock that moves only when told to, for tests and demonstrations; safe to share by threads.

    `start` is an aware datetime or Unix milliseconds. Without it the clock starts at
    2025-01-01T00:00Z, so that a run repeats exactly.
    """

    def __init__(self, start: datetime | int | None = None) -> None:
        self._lock = threading.Lock()
        self._us = _to_us(datetime(2025, 1, 1, tzinfo=UTC) if start is None else start)

    def now_ms(self) -> int:
        """The instant this clock stands at, in Unix milliseconds (UTC)."""
        return self._us // 1000

    def advance(self, **amounts: float) -> None:
        """Move on by a `timedelta` given as keywords: `clock.advance(minutes=5, seconds=1)`."""
        with self._lock:
            self._us += timedelta(**amounts) // _MICROSECOND

    def set(self, instant: datetime | int) -> None:
        """Jump to an aware datetime or to Unix milliseconds; earlier than now is allowed."""
        with self._lock:
            self._us = _to_us(instant)


def to_ms(instant: datetime) -> int:
    """Unix milliseconds (UTC) of an aware datetime, rounded down.

    Raises InvalidArgument for a naive datetime and for anything that is not a datetime.
    """
    return _to_us(_aware(instant)) // 1000


def from_ms(ms: int) -> datetime:
    """The aware UTC datetime of Unix milliseconds.

    Raises InvalidArgument for an instant outside the years 1 to 9999.
    """
    try:
        return _UNIX_EPOCH + timedelta(milliseconds=ms)
    except OverflowError as exc:
        raise InvalidArgument(
            "ms must be Unix milliseconds within the years 1 to 9999; were microseconds passed?",
            argument="ms",
        ) from exc


def _to_us(instant: datetime | int) -> int:
    if isinstance(instant, int):
        return instant * 1000
    return (_aware(instant) - _UNIX_EPOCH) // _MICROSECOND


def _aware(instant: datetime) -> datetime:
    if not isinstance(instant, datetime):
        raise InvalidArgument(
            f"instant must be an aware datetime, got {type(instant).__name__}", argument="instant"
        )
    if instant.utcoffset() is None:
        raise InvalidArgument(
            "instant must be an aware datetime, got a naive one; add tzinfo=datetime.UTC or its zone",
            argument="instant",
        )
    return instant
