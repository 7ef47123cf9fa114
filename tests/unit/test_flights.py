"""One at a time per key, whatever happens to the one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedkit.storage.flights import Flights

TIMEOUT_S = 10


def test_others_wait_for_the_first() -> None:
    # given
    flights, entered, leave = Flights(), threading.Event(), threading.Event()
    order: list[str] = []

    def first() -> None:
        with flights.one(1):
            entered.set()
            assert leave.wait(TIMEOUT_S)
            order.append("first")

    def second() -> None:
        with flights.one(1):
            order.append("second")

    with ThreadPoolExecutor() as pool:
        flying = pool.submit(first)
        assert entered.wait(TIMEOUT_S)

        # when
        waiting = pool.submit(second)
        while flights._held[1][1] < 2:  # until it is in the queue
            pass

        # then
        assert not waiting.done()
        leave.set()
        flying.result(TIMEOUT_S)
        waiting.result(TIMEOUT_S)
    assert order == ["first", "second"]
    assert flights._held == {}


def test_different_keys_do_not_wait_for_each_other() -> None:
    flights, met = Flights(), threading.Barrier(3)

    def fly(key: int) -> None:
        with flights.one(key):
            met.wait(TIMEOUT_S)

    with ThreadPoolExecutor() as pool:
        for flight in [pool.submit(fly, key) for key in (1, 2, 3)]:
            flight.result(TIMEOUT_S)
    assert flights._held == {}


def test_one_thread_may_hold_several_keys() -> None:
    flights = Flights()
    with flights.one(1), flights.one(2):
        assert sorted(flights._held) == [1, 2]
    assert flights._held == {}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_passes_on_and_frees_the_key(error: type[BaseException]) -> None:
    # given
    flights = Flights()

    # when
    with pytest.raises(error), flights.one(1):
        raise error

    # then
    assert flights._held == {}
    with flights.one(1):
        pass


@settings(max_examples=20)
@given(st.lists(st.lists(st.tuples(st.integers(1, 3), st.booleans()), max_size=10), min_size=2, max_size=6))
def test_many_threads_are_never_two_on_one_key(plans: list[list[tuple[int, bool]]]) -> None:
    flights, inside = Flights(), dict.fromkeys((1, 2, 3), 0)
    together = threading.Barrier(len(plans))

    def fly(plan: list[tuple[int, bool]]) -> None:
        together.wait(TIMEOUT_S)
        for key, fails in plan:
            try:
                with flights.one(key):
                    inside[key] += 1
                    assert inside[key] == 1
                    threading.Event().wait(0.0002)
                    assert inside[key] == 1
                    inside[key] -= 1
                    if fails:
                        raise LookupError
            except LookupError:
                pass

    with ThreadPoolExecutor(len(plans)) as pool:
        for flight in [pool.submit(fly, plan) for plan in plans]:
            flight.result(TIMEOUT_S)
    assert flights._held == {}
