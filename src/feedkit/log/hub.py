"""A bus at work for one process: its relay and its groups."""

import time

from feedkit.errors import NotFound
from feedkit.log.consumers import Handler
from feedkit.log.consuming import Consuming, Tally
from feedkit.log.letters import DeadLetters
from feedkit.log.relay import Relay
from feedkit.model import BusLag, ConsumeResult
from feedkit.settings import Settings
from feedkit.storage.base import Truth
from feedkit.storage.bus import GROUP, Bus


class Hub:
    """What the verbs of `feed.bus` do."""

    def __init__(self, truth: Truth, bus: Bus, settings: Settings, letters: DeadLetters) -> None:
        self._truth, self._settings, self._letters = truth, settings, letters
        self.bus = bus
        self.relay = Relay(truth, bus, settings.log_batch)

    def consume(self, group: str, handler: Handler, until: float | None) -> ConsumeResult:
        """Fill the bus and handle what is on it for a group, in turns, until nothing moves any more."""
        started, total = time.monotonic(), Tally()
        consuming = Consuming(
            self._truth, self.bus, group, handler, letters=self._letters, settings=self._settings
        )
        start = self.relay.subscribe(group)
        while True:
            step = self.relay.step()
            tally = consuming.run(start, until=until)
            total.handled += tally.handled
            total.dead += tally.dead
            if group not in step.behind:
                raise self._unsubscribed(group)
            is_over = until is not None and time.monotonic() >= until
            if is_over or not (step.moved or tally.handled or tally.dead):
                break
        done = not (step.left or step.moved or step.behind[group])
        return ConsumeResult(total.handled, total.dead, time.monotonic() - started, done)

    def lag(self, group: str) -> BusLag:
        """How far a group is behind. Raises NotFound."""
        start = self.relay.groups().get(group)
        if start is None:
            raise _no_group(group)
        state = self.bus.state({group: start})
        handled = max(start, state.groups[group].handled)
        last, dead = self._truth.read(
            lambda tx: (self._truth.events.last_number(tx), self._letters.count(tx, GROUP + group))
        )
        return BusLag(max(0, last - handled), state.groups[group].taken, state.held, dead)

    def _unsubscribed(self, group: str) -> NotFound:
        """Where somebody has done so, a group at work may have made itself known to the bus once more."""
        self.bus.forget(group)
        return _no_group(group)


def _no_group(group: str) -> NotFound:
    return NotFound(f"no group is named {group!r}; feed.bus.subscribe({group!r}) makes it", argument="group")
