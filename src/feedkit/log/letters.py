"""Dead letters: events that a consumer could not handle. They are kept with the reason, and the rest flows on."""

import logging
import traceback
from collections.abc import Callable, Iterator, Sequence

from feedkit.clock import Clock
from feedkit.errors import LimitExceeded, Unavailable
from feedkit.log.consumers import Handler
from feedkit.metrics import DEAD_LETTERS, Metrics
from feedkit.model import DeadLetter, Event, EventKind
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx
from feedkit.storage.bus import GROUP
from feedkit.storage.event_codec import pack, unpack
from feedkit.storage.letters import Letter

UNREADABLE = "this version of feedkit cannot read it"
_LONGEST_REASON = 2000
_AT_ONCE = 100

logger = logging.getLogger(__name__)


def _nothing(*_: object) -> None:
    pass


class DeadLetters:
    """Keeps them, gives them back, and has them handled once more.

    Args:
        truth: where they are kept.
        clock: says when.
        settings: how many of them a consumer may have.
        metrics: is told how many there were.
        consumers: whose name is known in this process, beside those that truth knows of.
    """

    def __init__(
        self,
        truth: Truth,
        clock: Clock,
        settings: Settings,
        metrics: Metrics | None,
        consumers: Sequence[str],
    ) -> None:
        self._truth, self._clock, self._metrics, self._consumers = truth, clock, metrics, consumers
        self.tries, self._maximum = settings.delivery_tries, settings.dead_letters_max

    def consumers(self, tx: Tx) -> list[str]:
        """Who may have some, or has some, by name."""
        stored = {*self._truth.events.offsets(tx), *self._truth.letters.consumers(tx)}
        return [*self._consumers, *sorted(stored.difference(self._consumers))]

    def count(self, tx: Tx, consumer: str) -> int:
        """How many a consumer has, counted up to `dead_letters_max`."""
        return self._truth.letters.count(tx, consumer, self._maximum)

    def bury(self, tx: Tx, consumer: str, event: Event, tries: int, reason: BaseException | str) -> None:
        """Keep an event that was given up, in the transaction in which the consumer passes over it.

        Raises:
            LimitExceeded: the consumer has `dead_letters_max` of them.
        """
        most = self._maximum
        if self.count(tx, consumer) >= most:
            raise LimitExceeded(
                f"{consumer} has {most} dead letters (dead_letters_max), so nothing more is given up; see their "
                "reasons (`feedkit dead-letters`), then retry or discard them",
                argument="dead_letters_max",
                limit=most,
                actual=most,
            )
        said, at_ms = _told(reason), self._clock.now_ms()
        self._truth.letters.add(tx, Letter(consumer, event.number, pack(event), tries, said, at_ms))
        logger.error("event %d is a dead letter of %s after %d tries", event.number, consumer, tries)
        if self._metrics is not None:
            self._metrics.count(DEAD_LETTERS, 1, consumer)

    def after(self, consumer: str, number: int, limit: int) -> list[DeadLetter]:
        """The letters of a consumer above that number of the log, in order."""
        found = self._after(consumer, number, limit)
        return [DeadLetter(one.consumer, _event(one), one.tries, one.reason, one.at) for one in found]

    def discard(self, consumer: str, numbers: Sequence[int]) -> int:
        """Forget letters; how many there were."""
        return self._truth.write(lambda tx: self._truth.letters.remove(tx, consumer, numbers))

    def retry(
        self,
        consumer: str,
        numbers: Sequence[int] | None,
        handler: Handler = _nothing,
        *,
        within: Callable[[Tx, Sequence[Event]], object] = _nothing,
    ) -> int:
        """Have letters handled once more, one by one in order, all or those with these numbers.

        How many are none any more. `handler` is called first, `within` in the transaction in which the letter goes.
        What fails again stays, with one more try and the new reason, and the rest goes on.

        Raises:
            Unavailable: nothing can be handled at the moment; what was not yet is left as it was.
        """
        return sum(self._retried(letter, handler, within) for letter in self._chosen(consumer, numbers))

    def _after(self, consumer: str, number: int, limit: int) -> list[Letter]:
        return self._truth.read(lambda tx: self._truth.letters.after(tx, consumer, number, limit))

    def _chosen(self, consumer: str, numbers: Sequence[int] | None) -> Iterator[Letter]:
        if numbers is not None:
            yield from self._truth.read(lambda tx: self._truth.letters.get_many(tx, consumer, numbers))
            return
        above = 0
        while letters := self._after(consumer, above, _AT_ONCE):
            yield from letters
            above = letters[-1].number

    def _retried(
        self, letter: Letter, handler: Handler, within: Callable[[Tx, Sequence[Event]], object]
    ) -> bool:
        event = self._truth.read(lambda tx: as_logged(self._truth, tx, _event(letter)))
        is_told_of_gaps = letter.consumer.startswith(GROUP)
        if event.kind is EventKind.UNKNOWN and not is_told_of_gaps:
            return self._failed(letter, UNREADABLE)

        def settle(tx: Tx) -> None:
            within(tx, (event,))
            self._truth.letters.remove(tx, letter.consumer, (letter.number,))

        try:
            handler((event,))
            self._truth.write(settle)
        except Unavailable:
            raise
        except Exception as error:
            return self._failed(letter, error)
        return True

    def _failed(self, letter: Letter, reason: Exception | str) -> bool:
        said, at_ms = _told(reason), self._clock.now_ms()
        again = letter._replace(tries=letter.tries + 1, reason=said, at=at_ms)
        self._truth.write(lambda tx: self._truth.letters.add(tx, again))
        return False


def as_logged(truth: Truth, tx: Tx, event: Event) -> Event:
    """An event that could not be read, as the log has it: what another version wrote this one may be able to read."""
    if event.kind is not EventKind.UNKNOWN:
        return event
    return logged(truth, tx, event.number) or event


def logged(truth: Truth, tx: Tx, number: int) -> Event | None:
    """The event with that number; None where the log has it no more."""
    found = truth.events.after(tx, number - 1, 1)
    return found[0] if found and found[0].number == number else None


def _event(letter: Letter) -> Event:
    return unpack(letter.event, letter.number)


def _told(reason: BaseException | str) -> str:
    """What an error was, and where: without its text, whose values may be what people wrote."""
    if isinstance(reason, str):
        return reason
    place = traceback.extract_tb(reason.__traceback__)[-1:]
    where = f" in {place[0].name}, line {place[0].lineno}" if place else ""
    return f"{type(reason).__name__}{where}".replace("\0", "")[-_LONGEST_REASON:]
