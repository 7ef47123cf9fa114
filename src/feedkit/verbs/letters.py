"""`feed.dead_letters`: events that could not be handled."""

from collections.abc import Iterable, Sequence

from feedkit.errors import InvalidArgument, shown
from feedkit.model import DeadLetter, EventKind, Key
from feedkit.runtime import Runtime
from feedkit.storage.base import TIMELINES, Tx
from feedkit.verbs.base import Noun
from feedkit.writing.checks import checked_int

_HIGHEST = (1 << 63) - 1
_AT_ONCE = 100


class Letters(Noun[Key]):
    """`feed.dead_letters`: what a consumer of the log could not handle in `delivery_tries` tries, with the reason."""

    def consumers(self) -> list[str]:
        """Who may have some: whoever delivers to shared timelines, and those who keep counters and lists in truth."""
        return [TIMELINES, *(consumer.name for consumer in self._runtime().shared_consumers)]

    def page(self, consumer: str, *, after: int = 0, limit: int | None = None) -> list[DeadLetter]:
        """Letters of a consumer in the order of the log, those with a `number` above `after`."""
        name, above = self._checked(consumer), checked_int("after", after, 0, _HIGHEST)
        return self._runtime().letters.after(name, above, self._page_limit(limit))

    def retry(self, consumer: str, numbers: Sequence[int] | None = None) -> int:
        """Have letters handled once more, all or those with these numbers; how many were.

        One that still cannot be handled raises what it raised, and stays, as do those behind it.
        """
        runtime, name = self._runtime(), self._checked(consumer)
        done = 0
        for letter in self._chosen(runtime, name, numbers):
            self._retry(runtime, letter)
            done += 1
        return done

    def discard(self, consumer: str, numbers: Sequence[int]) -> int:
        """Forget letters by `number`; how many there were."""
        runtime, name = self._runtime(), self._checked(consumer)
        chosen = [checked_int("numbers", number, 0, _HIGHEST) for number in numbers]
        return runtime.truth.write(lambda tx: runtime.letters.discard(tx, name, chosen))

    def _chosen(
        self, runtime: Runtime[Key], consumer: str, numbers: Sequence[int] | None
    ) -> Iterable[DeadLetter]:
        above = 0
        while letters := runtime.letters.after(consumer, above, _AT_ONCE):
            above = letters[-1].number
            yield from (letter for letter in letters if numbers is None or letter.number in numbers)

    def _retry(self, runtime: Runtime[Key], letter: DeadLetter) -> None:
        def handle(tx: Tx) -> None:
            event = runtime.letters.as_logged(tx, letter)
            if event.kind is EventKind.UNKNOWN:
                raise InvalidArgument(
                    f"event {letter.number} is none that this version of feedkit knows; upgrade, or discard it"
                )
            for consumer in runtime.shared_consumers:
                if consumer.name == letter.consumer:
                    consumer.apply(tx, [event])
            if letter.consumer == TIMELINES:
                runtime.delivery.apply([event])
            runtime.letters.discard(tx, letter.consumer, [letter.number])

        runtime.truth.write(handle)

    def _checked(self, consumer: object) -> str:
        if consumer not in self.consumers():
            names = ", ".join(self.consumers())
            raise InvalidArgument(
                f"consumer must be one of {names}; got {shown(consumer)}", argument="consumer"
            )
        return str(consumer)
