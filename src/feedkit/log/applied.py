"""The log as one process applies it: to itself before it serves a read, and to what all processes have in common."""

import time
from collections.abc import Callable
from typing import Protocol

from feedkit.log.relay import Relay
from feedkit.log.tail import Tail
from feedkit.log.worker import Worker
from feedkit.model import DrainResult
from feedkit.storage.base import Answer


class Due(Protocol):
    """What is to be done at its time, and adds to the log."""

    def is_due(self) -> bool:
        """Whether there is something to do now."""

    def run(self) -> bool:
        """Do it; whether anything was."""


class Delivering(Protocol):
    """Delivers the log to timelines that processes share."""

    def run(self, *, until: float | None = None, wait: bool = False, share: bool = True) -> bool:
        """Deliver until nothing is left (True), or until that moment of `time.monotonic()`, or as far as can be.

        Where another process is at it, nothing is done, unless to `wait`. Without `share`, large deliveries are begun
        and left to others.
        """


class AppliedLog:
    """What a process does about the log. Safe for threads.

    Args:
        tail: its own place.
        worker: applies the log to truth.
        schedule: publishes posts at their time.
        delivering: None where every process delivers to timelines of its own.
        relay: fills the bus, if there is one.
        delivered: gives how many entries this process has delivered.
        by_readers: whether whoever reads also applies the log to truth, since neither threads nor workers do.
    """

    def __init__(
        self,
        tail: Tail,
        worker: Worker,
        schedule: Due,
        *,
        delivering: Delivering | None,
        relay: Relay | None,
        delivered: Callable[[], int],
        by_readers: bool,
    ) -> None:
        self._tail, self._worker, self._schedule = tail, worker, schedule
        self._delivering, self._relay, self._delivered = delivering, relay, delivered
        self._by_readers = by_readers
        self._worked_up_to = self._delivered_up_to = -1

    def catch_up(self) -> int:
        """Apply what was committed before this moment; the number of the last event.

        Where readers have to, also to truth, if nobody else is at it.
        """
        if not self._by_readers:
            return self._tail.catch_up()
        number = self._caught_up()
        if number != self._worked_up_to:
            done = self._worker.run(wait=False)
            number = self._tail.catch_up()  # what the worker itself has added
            self._worked_up_to = number if done else self._worked_up_to
        return number

    def expected(self) -> int | None:
        """Where the log ends, if it does where it did at the last look; None where there may be something to do."""
        number = self._tail.expected()
        if number is None or not self._by_readers:
            return number
        return number if number == self._worked_up_to and not self._schedule.is_due() else None

    def ask(self, number: int) -> Answer:
        """Ask whether nothing above that number was committed, and go on."""
        return self._tail.ask(number)

    def is_at(self, number: int) -> bool:
        """Whether nothing above that number has been applied here, not even in part."""
        return self._tail.is_at(number)

    def stands_at(self, number: int) -> bool:
        """Whether nothing was committed since the event of that number was applied, or nobody can tell."""
        return self._tail.stands_at(number)

    def step(self, *, share: bool = True) -> bool:
        """Do what is to be done for all processes; whether anything had happened.

        Without `share`, large deliveries are begun and left to others.
        """
        before = (self._worked_up_to, self._delivered_up_to)
        number = self._caught_up()
        if number != self._worked_up_to and self._worker.run():
            self._worked_up_to = number
        if self._delivering is not None and number != self._delivered_up_to:
            done = self._delivering.run(share=share)
            self._delivered_up_to = number if done else self._delivered_up_to
        if self._relay is not None:
            self._relay.run()
        return before != (self._worked_up_to, self._delivered_up_to)

    def drain(self, max_seconds: float | None) -> DrainResult:
        """Apply everything that is pending, to this process and to what all have in common."""
        started = time.monotonic()
        until = None if max_seconds is None else started + max_seconds
        applied, delivered = self._tail.applied, self._delivered()
        done = False
        while not done:
            number = self._caught_up()
            finished = self._worker.run(until=until)
            self._worked_up_to = self._tail.catch_up()
            handed_on = self._delivering is None or self._delivering.run(until=until, wait=True)
            handed_on &= self._relay is None or self._relay.run(until=until)
            done = finished and handed_on and self._worked_up_to == number
            if not handed_on or (until is not None and time.monotonic() >= until):
                break
        return DrainResult(
            events=self._tail.applied - applied,
            deliveries=self._delivered() - delivered,
            seconds=time.monotonic() - started,
            done=done,
        )

    def _caught_up(self) -> int:
        """The number of the last event, when all is applied here and what was due is done."""
        number = self._tail.catch_up()
        if self._schedule.is_due() and self._schedule.run():
            return self._tail.catch_up()
        return number
