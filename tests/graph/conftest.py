"""A feed on a clock that ticks, or on one that stands still."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from feedkit import ManualClock, Settings
from tests.cases.case_tools import START, opened
from tests.graph.words import Feed


class TickingClock(ManualClock):
    """A millisecond later whenever somebody looks: what comes later is newer."""

    def now_ms(self) -> int:
        self.advance(milliseconds=1)
        return super().now_ms()


@pytest.fixture
def feed(backend_url: str) -> Iterator[Feed]:
    with opened(backend_url, clock=TickingClock(START)) as made:
        yield made


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def timed(backend_url: str, clock: ManualClock) -> Iterator[Feed]:
    """A feed whose clock stands still, with small pages of people."""
    with opened(backend_url, clock=clock, settings=Settings(max_scan=100)) as made:
        yield made
