"""`feed.dead_letters`: events that could not be handled."""

from collections.abc import Sequence

from feedkit.errors import InvalidArgument, shown
from feedkit.ids import MAX_ID
from feedkit.log.consumers import Handler
from feedkit.model import DeadLetter, Key
from feedkit.storage.bus import GROUP
from feedkit.storage.events import TIMELINES
from feedkit.verbs.base import Noun
from feedkit.verbs.bus import checked_handler
from feedkit.writing.checks import checked_int, checked_many


class Letters(Noun[Key]):
    """`feed.dead_letters`: events that were given up, with the reason.

    By consumers of the log after `delivery_tries` tries, and by groups of the bus after `bus_tries`, which are named
    "bus:" and their own name here, such as "bus:search".
    """

    def consumers(self) -> list[str]:
        """Who may have some: "timelines", which are delivered to, "counters", "pulled-list", and groups of the bus."""
        runtime = self._runtime()
        return runtime.truth.read(runtime.letters.consumers)

    def page(self, consumer: str, *, after: int = 0, limit: int | None = None) -> list[DeadLetter]:
        """Letters of a consumer in the order of the log, those with a `number` above `after`."""
        name, above = self._checked(consumer), checked_int("after", after, 0, MAX_ID)
        return self._runtime().letters.after(name, above, self._page_limit(limit))

    def retry(
        self, consumer: str, numbers: Sequence[int] | None = None, *, handler: Handler | None = None
    ) -> int:
        """Have letters handled once more, all or those with these numbers, one by one; how many are none any more.

        One that fails again stays, with one more try and the new reason. A group's go to `handler`, which is as for
        `feed.bus.consume`; all others know themselves what to do.

        Raises:
            InvalidArgument: a group without a `handler`, or a `handler` for somebody else.
            Unavailable: nothing can be handled at the moment.
        """
        runtime, name = self._runtime(), self._checked(consumer)
        letters, chosen = runtime.letters, None if numbers is None else self._checked_numbers(numbers)
        if name.startswith(GROUP):
            if handler is None:
                message = f"letters of {name} need a handler; pass the handler of that group, in Python"
                raise InvalidArgument(message, argument="handler")
            return letters.retry(name, chosen, checked_handler(handler))
        if handler is not None:
            message = f"handler must be left out for {name}, which is feedkit's own"
            raise InvalidArgument(message, argument="handler")
        if name == TIMELINES:
            return letters.retry(name, chosen, runtime.fanout.delivery.apply)
        for known in runtime.shared_consumers:
            if known.name == name:
                return letters.retry(name, chosen, within=known.apply)
        message = (
            f"{name} is of another version of feedkit, which alone can handle its letters; or discard them"
        )
        raise InvalidArgument(message, argument="consumer")

    def discard(self, consumer: str, numbers: Sequence[int]) -> int:
        """Forget letters by `number`; how many there were."""
        name, chosen = self._checked(consumer), self._checked_numbers(numbers)
        return self._runtime().letters.discard(name, chosen)

    def _checked_numbers(self, numbers: Sequence[int]) -> list[int]:
        several = checked_many("numbers", numbers, self._runtime().settings.batch_max)
        return [checked_int("numbers", number, 0, MAX_ID) for number in several]

    def _checked(self, consumer: object) -> str:
        known = self.consumers()
        if consumer not in known:
            message = f"consumer must be one of {', '.join(known)}; got {shown(consumer)}"
            raise InvalidArgument(message, argument="consumer")
        return str(consumer)
