"""Whom deliveries are done for, and how often workers are woken."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from feedkit.fanout.costs import Costs
from feedkit.log.waking import Alarm


def test_the_dearest_authors_come_first() -> None:
    costs = Costs()
    for author_id, deliveries in ((1, 5), (2, 7), (1, 5), (3, 0)):
        costs.add(author_id, deliveries)
    assert costs.total == 17
    assert costs.dearest(5) == [(1, 10), (2, 7)]


def test_it_stays_bounded_and_keeps_the_dear_ones() -> None:
    costs = Costs()
    for author_id in range(1, 20_000):
        costs.add(author_id, 1_000_000 if author_id % 1000 == 1 else 1)
    assert {author for author, _ in costs.dearest(20)} == set(range(1, 20_000, 1000))
    assert len(costs.dearest(1_000_000)) <= 10_000


def test_nothing_is_lost_between_threads() -> None:
    costs = Costs()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda nth: costs.add(nth % 7, 1), range(10_000)))
    assert costs.total == 10_000


def test_an_alarm_rings_at_once_and_not_too_often() -> None:
    rung: list[float] = []
    alarm = Alarm(lambda: rung.append(time.monotonic()))
    ends = time.monotonic() + 0.1
    while time.monotonic() < ends:
        alarm.ring()
    assert 2 <= len(rung) <= 6
