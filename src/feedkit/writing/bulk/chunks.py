"""What every import has in common: rows in, chunk after chunk, and how far it has come."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from itertools import islice
from typing import Any, Generic, TypeVar

import attrs

from feedkit.clock import Clock
from feedkit.errors import FeedkitError, InvalidArgument
from feedkit.model import ImportReport
from feedkit.writing.bulk.pace import no_collector, short_turns
from feedkit.writing.checks import checked_moments

R = TypeVar("R")
C = TypeVar("C")
Progress = Callable[[ImportReport], object]
_PIECE = 2000  # rows: what is checked column by column is to stay in the processor's cache


@attrs.frozen(slots=True)
class Settled:
    """What came of one chunk."""

    added: int
    refused: int = 0


Loading = Callable[[], object]
"""To be called by whoever writes a chunk once the database is about to take rows, which leaves the interpreter free."""
Write = Callable[[C, int, Loading], Settled]
"""Writes a chunk whose first row has this number."""


@attrs.frozen(slots=True)
class Chunk(Generic[C]):
    """Rows that can be written, `first` being the number of the first of them."""

    first: int
    rows: int
    prepared: C


class Past:
    """Tells the instants of rows: they do not lie ahead, nor before 1970."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._now_ms = clock.now_ms()

    def ms(self, name: str, at: object) -> int:
        """Unix milliseconds of an aware datetime, now for None.

        Raises InvalidArgument where it lies ahead, or before 1970.
        """
        return self.ms_of_many(name, (at,))[0]

    def ms_of_many(self, name: str, ats: Sequence[object]) -> list[int]:
        """As `ms`, for each of many at once."""
        given = checked_moments(name, [at for at in ats if at is not None])
        self.check(name, max(given, default=0))
        if min(given, default=0) < 0:
            message = f"{name} must not lie before the year 1970; for an instant that is not known, pass None"
            raise InvalidArgument(message, argument=name)
        if len(given) == len(ats):
            return given
        those = iter(given)
        return [self._now_ms if at is None else next(those) for at in ats]

    def check(self, name: str, at_ms: int) -> None:
        """Raises InvalidArgument where an instant lies ahead."""
        if at_ms > self._now_ms:
            self._now_ms = self._clock.now_ms()
            if at_ms > self._now_ms:
                raise InvalidArgument(f"{name} must not lie ahead", argument=name)


def in_chunks(
    rows: Iterable[Any],
    check: Callable[[Sequence[Any]], R],
    prepare: Callable[[Sequence[R]], C],
    write: Write[C],
    *,
    size: int,
    start: int,
    progress: Progress | None,
    ahead: bool,
) -> ImportReport:
    """Check rows, some thousands at once, prepare and write them, a chunk at once, from row number `start` on.

    A row that is refused names itself in the error, and nothing of its chunk is written. `ahead`: the next chunk
    is read, checked and prepared while the database writes the one before.
    """
    began = time.monotonic()
    report = ImportReport(rows=start)
    free = threading.Event()
    chunks = _prepared(islice(rows, start, None), check, prepare, size, start, free)
    with short_turns() if ahead else nullcontext():
        for chunk, settled in _written(chunks, write, free, ahead=ahead):
            report = ImportReport(
                rows=report.rows + chunk.rows,
                added=report.added + settled.added,
                unchanged=report.unchanged + chunk.rows - settled.added - settled.refused,
                refused=report.refused + settled.refused,
                seconds=time.monotonic() - began,
            )
            if progress is not None:
                progress(report)
    return report


def _written(
    chunks: Iterator[Chunk[C]], write: Write[C], free: threading.Event, *, ahead: bool
) -> Iterator[tuple[Chunk[C], Settled]]:
    """Each chunk, once it is written. Rows are read by the thread that asks, since they may be bound to it.

    `free` is set while the thread that writes has little to do: both at work would hold each other up, and the
    database would wait.
    """
    free.set()
    if not ahead:
        while True:
            with no_collector():
                chunk = next(chunks, None)
                if chunk is None:
                    return
                settled = write(chunk.prepared, chunk.first, free.set)
            yield chunk, settled

    def run(chunk: Chunk[C]) -> Settled:
        try:
            return write(chunk.prepared, chunk.first, free.set)
        finally:
            free.set()

    def submit(chunk: Chunk[C]) -> "Future[Settled]":
        free.clear()
        return writer.submit(run, chunk)

    with ThreadPoolExecutor(1, "feedkit-import") as writer:
        yield from _overlapping(chunks, submit)


def _overlapping(
    chunks: Iterator[Chunk[C]], submit: Callable[[Chunk[C]], "Future[Settled]"]
) -> Iterator[tuple[Chunk[C], Settled]]:
    """Each chunk, once it is written; by then the next one was checked, and its error comes after that."""
    failed: BaseException | None = None
    chunk: Chunk[C] | None = None
    following: Chunk[C] | None = None
    while True:
        with no_collector():
            if chunk is None and (chunk := next(chunks, None)) is None:
                return
            running, following = submit(chunk), None
            try:
                following = next(chunks, None)
            except BaseException as error:  # of a row, or of whoever gives them
                failed = error
            settled = running.result()
        yield chunk, settled
        if failed is not None:
            raise failed
        chunk = following


def check_source(name: str, rows: object, progress: object) -> None:
    """Refuse what has no rows to give, and a `progress` that cannot be called. Raises InvalidArgument."""
    if isinstance(rows, (str, bytes)) or not isinstance(rows, Iterable):
        message = f"{name} must be a list, a generator or another iterable of rows, got {type(rows).__name__}"
        raise InvalidArgument(message, argument=name)
    if progress is not None and not callable(progress):
        message = f"progress must be a function that takes a report, got {type(progress).__name__}"
        raise InvalidArgument(message, argument="progress")


def row_error(number: int, error: FeedkitError) -> FeedkitError:
    """The same error, which names the row as well."""
    error.message = f"rows[{number}]: {error.message}"
    error.argument = f"rows[{number}]" + (f".{error.argument}" if error.argument else "")
    error.args = (error.message,)
    return error


def unlike(row: Any, wanted: str) -> InvalidArgument:
    """A row has not the form that it must have."""
    return InvalidArgument(f"a row must be {wanted}, got {type(row).__name__}")


def _prepared(
    rows: Iterator[Any],
    check: Callable[[Sequence[Any]], R],
    prepare: Callable[[Sequence[R]], C],
    size: int,
    first: int,
    free: threading.Event,
) -> Iterator[Chunk[C]]:
    while chunk := list(islice(rows, size)):
        free.wait()
        pieces = range(0, len(chunk), _PIECE)
        checked = [_checked(chunk[nth : nth + _PIECE], check, first + nth) for nth in pieces]
        yield Chunk(first, len(chunk), prepare(checked))
        first += len(chunk)


def _checked(rows: Sequence[Any], check: Callable[[Sequence[Any]], R], first: int) -> R:
    """All of them at once, and where that fails one by one, to find the first that is at fault."""
    try:
        return check(rows)
    except FeedkitError as error:
        if len(rows) == 1:
            raise row_error(first, error) from None
    for number, row in enumerate(rows, first):
        _checked([row], check, number)
    return check(rows)  # the instant of one no longer lies ahead
