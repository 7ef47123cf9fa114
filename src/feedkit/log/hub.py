"""A bus at work for one process: its relay, its groups, and the dead letters of each."""

import time

from feedkit.clock import Clock
from feedkit.errors import NotFound, Unavailable
from feedkit.log.consuming import Consuming, Handler, Tally
from feedkit.log.relay import Relay
from feedkit.model import BusLag, ConsumeResult, DeadLetter, Event
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx
from feedkit.storage.bus import Bus
from feedkit.storage.event_codec import unpack
from feedkit.storage.letters import Letter

_AT_ONCE = 100


class Hub:
    """What the verbs of `feed.bus` do."""

    def __init__(self, truth: Truth, bus: Bus, clock: Clock, settings: Settings) -> None:
        self._truth, self._clock, self._settings = truth, clock, settings
        self.bus = bus
        self.relay = Relay(truth, bus, settings.log_batch)

    def consume(self, group: str, handler: Handler, until: float | None) -> ConsumeResult:
        """Fill the bus and handle what is on it for a group, in turns, until nothing moves any more."""
        started, total = time.monotonic(), Tally()
        consuming = Consuming(
            self._truth, self.bus, group, handler, clock=self._clock, settings=self._settings
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
        last, dead = self._truth.read(lambda tx: (self._truth.events.last_number(tx), self._dead(tx, group)))
        return BusLag(max(0, last - handled), state.groups[group].taken, state.held, dead)

    def dead_letters(self, group: str, after: int, limit: int) -> list[DeadLetter]:
        """Events that a group has given up, above that number of the log, in order."""
        return [_shown(letter) for letter in self._letters(group, after, limit)]

    def retry(self, group: str, handler: Handler) -> int:
        """Hand a group's dead letters to a handler, one by one in order; how many are none any more."""
        handled = after = 0
        while letters := self._letters(group, after, _AT_ONCE):
            for letter in letters:
                handled += self._retried(letter, handler)
            after = letters[-1].number
        return handled

    def discard(self, group: str, numbers: list[int]) -> int:
        """Forget dead letters; how many there were."""
        return self._truth.write(lambda tx: self._truth.letters.remove(tx, group, numbers))

    def _retried(self, letter: Letter, handler: Handler) -> bool:
        try:
            handler((_event(letter),))
        except Unavailable:
            raise
        except Exception as error:
            said = f"{type(error).__name__}: {error}".replace("\0", "")
            again = letter._replace(tries=letter.tries + 1, reason=said, at=self._clock.now_ms())
            self._truth.write(lambda tx: self._truth.letters.add(tx, again))
            return False
        return self.discard(letter.consumer, [letter.number]) > 0

    def _dead(self, tx: Tx, group: str) -> int:
        return self._truth.letters.count(tx, group, self._settings.dead_letters_max)

    def _letters(self, group: str, after: int, limit: int) -> list[Letter]:
        return self._truth.read(lambda tx: self._truth.letters.after(tx, group, after, limit))

    def _unsubscribed(self, group: str) -> NotFound:
        """Where somebody has done so, a group at work may have made itself known to the bus once more."""
        self.bus.forget(group)
        return _no_group(group)


def _no_group(group: str) -> NotFound:
    return NotFound(f"no group is named {group!r}; feed.bus.subscribe({group!r}) makes it", argument="group")


def _event(letter: Letter) -> Event:
    return unpack(letter.event, letter.number)


def _shown(letter: Letter) -> DeadLetter:
    return DeadLetter(letter.consumer, _event(letter), letter.tries, letter.reason, letter.at)
