"""Dead letters: events that a consumer could not handle. They are kept with the reason, and the rest flows on."""

import logging
import traceback

from feedkit.clock import Clock
from feedkit.errors import LimitExceeded
from feedkit.metrics import DEAD_LETTERS, Metrics
from feedkit.model import DeadLetter, Event
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx
from feedkit.storage.event_codec import pack, unpack
from feedkit.storage.letters import Letter

UNREADABLE = "this version of feedkit cannot read it"
_LONGEST_REASON = 2000

logger = logging.getLogger(__name__)


class DeadLetters:
    """Keeps them, and gives them back."""

    def __init__(self, truth: Truth, clock: Clock, settings: Settings, metrics: Metrics | None) -> None:
        self._truth, self._clock, self._metrics = truth, clock, metrics
        self.tries, self._maximum = settings.delivery_tries, settings.dead_letters_max

    def bury(self, tx: Tx, consumer: str, event: Event, tries: int, reason: BaseException | str) -> None:
        """Keep an event that was given up, in the transaction in which the consumer passes over it.

        Raises:
            LimitExceeded: the consumer has `dead_letters_max` of them.
        """
        letters, most = self._truth.letters, self._maximum
        if letters.count(tx, consumer, most) >= most:
            raise LimitExceeded(
                f"{consumer} has {most} dead letters (dead_letters_max), so nothing more is given up; see their "
                "reasons (`feedkit dead-letters`), then retry or discard them",
                argument="dead_letters_max",
                limit=most,
                actual=most,
            )
        said = _told(reason).replace("\0", "")[-_LONGEST_REASON:]
        at_ms = self._clock.now_ms()
        letters.add(tx, Letter(consumer, event.number, pack(event), tries, said, at_ms))
        logger.error("event %d is a dead letter of %s after %d tries", event.number, consumer, tries)
        if self._metrics is not None:
            self._metrics.count(DEAD_LETTERS, 1, consumer)

    def after(self, consumer: str, number: int, limit: int) -> list[DeadLetter]:
        """The letters of a consumer above that number of the log, in order."""
        found = self._truth.read(lambda tx: self._truth.letters.after(tx, consumer, number, limit))
        return [
            DeadLetter(one.consumer, unpack(one.event, one.number), one.tries, one.reason, one.at)
            for one in found
        ]

    def discard(self, tx: Tx, consumer: str, numbers: list[int]) -> int:
        """Forget letters; how many there were."""
        return self._truth.letters.remove(tx, consumer, numbers)

    def as_logged(self, tx: Tx, letter: DeadLetter) -> Event:
        """The event as the log has it, where that still does: what could not be read then may be readable now."""
        number = letter.event.number
        found = self._truth.events.after(tx, number - 1, 1)
        return found[0] if found and found[0].number == number else letter.event


def _told(reason: BaseException | str) -> str:
    """What an error was, and where: without values, which may be what people wrote."""
    if isinstance(reason, str):
        return reason
    place = traceback.extract_tb(reason.__traceback__)[-1:]
    where = f" in {place[0].name}, line {place[0].lineno}" if place else ""
    return f"{type(reason).__name__}{where}"
