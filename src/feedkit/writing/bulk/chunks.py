"""What every import has in common: rows in, chunk after chunk, and how far it has come."""

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

import attrs

from feedkit.clock import Clock
from feedkit.errors import FeedkitError, InvalidArgument
from feedkit.model import ImportReport
from feedkit.writing.checks import checked_moment

R = TypeVar("R")
Progress = Callable[[ImportReport], object]


@attrs.frozen(slots=True)
class Settled:
    """What came of one chunk."""

    added: int
    refused: int = 0


class Past:
    """Tells the instants of rows, which are over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._now_ms = clock.now_ms()

    def ms(self, name: str, at: object) -> int:
        """Unix milliseconds of an aware datetime, now for None. Raises InvalidArgument where it lies ahead."""
        if at is None:
            return self._now_ms
        at_ms = checked_moment(name, at)
        self.check(name, at_ms)
        return at_ms

    def check(self, name: str, at_ms: int) -> None:
        """Raises InvalidArgument where an instant lies ahead."""
        if at_ms > self._now_ms:
            self._now_ms = self._clock.now_ms()
            if at_ms > self._now_ms:
                raise InvalidArgument(f"{name} must not lie ahead", argument=name)


def in_chunks(
    rows: Iterable[Any],
    check: Callable[[Any], R],
    write: Callable[[list[R], int], Settled],
    *,
    size: int,
    start: int,
    progress: Progress | None,
) -> ImportReport:
    """Check each row, then write a chunk of them, from row number `start` on.

    A row that is refused names itself in the error, and nothing of its chunk is written.
    """
    began = time.monotonic()
    remaining = islice(rows, start, None)
    report = ImportReport(rows=start)
    while True:
        with _no_collector():
            chunk = _checked(remaining, check, size, report.rows)
            if not chunk:
                return report
            settled = write(chunk, report.rows)
        report = ImportReport(
            rows=report.rows + len(chunk),
            added=report.added + settled.added,
            unchanged=report.unchanged + len(chunk) - settled.added - settled.refused,
            refused=report.refused + settled.refused,
            seconds=time.monotonic() - began,
        )
        if progress is not None:
            progress(report)


@contextmanager
def _no_collector() -> Iterator[None]:
    """Leave Python's collector of cycles out of it, for one chunk.

    A chunk makes hundreds of thousands of values, none in a cycle; to look through them takes a quarter of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def row_error(number: int, error: FeedkitError) -> FeedkitError:
    """The same error, which names the row as well."""
    error.message = f"rows[{number}]: {error.message}"
    error.argument = f"rows[{number}]" + (f".{error.argument}" if error.argument else "")
    error.args = (error.message,)
    return error


def unlike(row: Any, wanted: str) -> InvalidArgument:
    """A row has not the form that it must have."""
    return InvalidArgument(f"a row must be {wanted}, got {type(row).__name__}")


def _checked(rows: Iterator[Any], check: Callable[[Any], R], size: int, first: int) -> list[R]:
    checked: list[R] = []
    try:
        for row in islice(rows, size):
            checked.append(check(row))
    except FeedkitError as error:
        raise row_error(first + len(checked), error) from None
    return checked
