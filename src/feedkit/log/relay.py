"""Moves committed events from the log to a bus, and keeps in truth what every group has handled.

There is no dual write: an event is on the bus because it is in the log, where it was committed with its change.
Truth remembers of each group the number up to which it has handled everything. The log is not pruned above the
slowest of these, and the bus says itself how far it is filled; so whoever stops in between, relay or bus, is made
good by the next step of any relay. Two at once do the same work twice and no harm.
"""

import logging
import time
from collections.abc import Mapping, Sequence

import attrs

from feedkit.errors import OutOfReach
from feedkit.model import Event, EventKind
from feedkit.storage.base import Truth, Tx
from feedkit.storage.bus import GROUP, Bus, Span, State

logger = logging.getLogger(__name__)


@attrs.frozen(slots=True)
class Step:
    """What a relay found and did, in events: what the bus still lacks, and by how much it came nearer.

    `behind`: how far from the end of the log each group was before.
    """

    left: int
    moved: int
    behind: Mapping[str, int]


class Relay:
    """Fills a bus from the log, from whichever process comes by.

    Args:
        truth: where the log is, and the groups.
        bus: what is filled.
        batch: events per step.
    """

    def __init__(self, truth: Truth, bus: Bus, batch: int) -> None:
        self._truth, self._bus, self._batch = truth, bus, batch

    def subscribe(self, group: str) -> int:
        """Have a group, which is handed what is committed from now on; the number it has come to, new or not."""
        known = self.groups().get(group)
        return self._truth.write(lambda tx: self._subscribe(tx, group)) if known is None else known

    def unsubscribe(self, group: str) -> bool:
        """Forget a group, and what it has not handled; False where there is none."""
        was_there = self._truth.write(lambda tx: self._unsubscribe(tx, group))
        self._bus.forget(group)
        return was_there

    def groups(self) -> dict[str, int]:
        """The number up to which each group has handled everything, as truth remembers."""
        offsets = self._truth.read(self._truth.events.offsets)
        return {
            name.removeprefix(GROUP): number for name, number in offsets.items() if name.startswith(GROUP)
        }

    def run(self, *, until: float | None = None) -> bool:
        """Fill the bus until nothing is left in the log (True), or that moment of `time.monotonic()` has come.

        Where it is full or out of reach, what is left stays in the log (False).
        """
        try:
            while (step := self.step()).left:
                if not step.moved or (until is not None and time.monotonic() >= until):
                    return False
            return True
        except OutOfReach as error:
            logger.warning("the bus is out of reach, and events stay in the log: %s", error.code)
            return False

    def step(self) -> Step:
        """Settle what the groups have handled, and fill the bus with a batch of events."""
        groups = self.groups()
        if not groups:
            return Step(0, 0, {})
        if not self._truth.events.numbers_at_insert:
            self._truth.try_write(self._truth.events.number_new)
        state = self._bus.state(groups)
        last = self._truth.read(self._truth.events.last_number)  # afterwards: other relays fill the bus, too
        if max(state.highest, *groups.values()) > last:
            state, groups = self._begin_anew(last)
        behind = {name: last - max(number, state.groups[name].handled) for name, number in groups.items()}
        settled = self._settle(groups, state)
        before = max(state.lowest, settled)
        events = self._after(before)
        if not events:
            return Step(0, 0, behind)
        up_to = events[-1].number
        reached = max(self._bus.publish(events, Span(before, up_to, settled)), settled)
        return Step(max(last, up_to) - reached, reached - before, behind)

    def _after(self, before: int) -> Sequence[Event]:
        found = self._truth.read(lambda tx: self._truth.events.after(tx, before, self._batch))
        events = sorted((event for event in found if event.number), key=lambda event: event.number)
        if events and events[0].number != before + 1:
            logger.warning("log events are out of reach; groups are told by an event of kind unknown")
            first = events[0]
            events.insert(0, Event(EventKind.UNKNOWN, 0, 0, first.at_ms, number=first.number - 1))
        return events

    def _settle(self, groups: Mapping[str, int], state: State) -> int:
        """Remember what the groups have handled, and drop it from the bus; how far that is for all of them."""
        moved = {
            name: state.groups[name].handled
            for name, number in groups.items()
            if state.groups[name].handled > number
        }
        if not moved or not self._truth.try_write(lambda tx: self._remember(tx, moved)):
            return min(groups.values())
        settled = min({**groups, **moved}.values())
        self._bus.trim(settled)
        return settled

    def _remember(self, tx: Tx, moved: Mapping[str, int]) -> bool:
        """Only forwards, and only for groups that nobody has unsubscribed meanwhile."""
        if not self._truth.events.claim(tx, wait=False):
            return False
        stored = self._truth.events.offsets(tx)
        for name, number in moved.items():
            if stored.get(GROUP + name, number) < number:
                self._truth.events.set_offsets(tx, [GROUP + name], number)
        return True

    def _begin_anew(self, last: int) -> tuple[State, dict[str, int]]:
        """The bus, or a group, has come further than the log: truth is not what it was."""
        logger.warning("the log ends below what the bus holds, so truth was set back; the bus is filled anew")
        self._bus.clear()
        self._truth.write(lambda tx: self._set_back(tx, last))
        groups = self.groups()
        return self._bus.state(groups), groups

    def _set_back(self, tx: Tx, last: int) -> None:
        self._truth.events.claim(tx, wait=True)
        for name, number in self._truth.events.offsets(tx).items():
            if name.startswith(GROUP) and number > last:
                self._truth.events.set_offsets(tx, [name], last)

    def _subscribe(self, tx: Tx, group: str) -> int:
        self._truth.events.claim(tx, wait=True)
        name = GROUP + group
        known = self._truth.events.offsets(tx).get(name)
        if known is not None:
            return known
        number = self._truth.events.last_number(tx)
        self._truth.events.set_offsets(tx, [name], number)
        return number

    def _unsubscribe(self, tx: Tx, group: str) -> bool:
        self._truth.events.claim(tx, wait=True)
        return self._truth.events.forget(tx, GROUP + group)
