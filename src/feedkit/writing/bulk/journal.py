"""What people do while a reconciliation runs, as the log tells it."""

from feedkit.errors import InvalidArgument
from feedkit.model import EventKind
from feedkit.storage.base import Truth, Tx

Pairs = set[tuple[int, int]]


class Meanwhile:
    """Follows that began and that ended after the event of a number; of each pair the last thing that happened."""

    def __init__(self, truth: Truth, since: int, batch: int) -> None:
        self._truth, self._number, self._batch = truth, since, batch
        self._started: Pairs = set()
        self._ended: Pairs = set()

    def look(self, tx: Tx) -> tuple[Pairs, Pairs]:
        """(begun, ended) up to everything that this transaction sees.

        Raises InvalidArgument where the log no longer reaches back that far.
        """
        while True:
            events = self._truth.events.after(tx, self._number, self._batch)
            numbered = [event.number for event in events if event.number]
            if numbered and numbered[0] != self._number + 1:  # numbers are contiguous, and the newest stays
                raise InvalidArgument(
                    "the log no longer tells what happened since; start anew, with pairs as they are now, or raise "
                    "the setting event_retention_s",
                    argument="resume",
                )
            for event in events:
                pair = (event.actor_id, event.object_id)
                if event.kind is EventKind.FOLLOW_ADDED:
                    self._started.add(pair)
                    self._ended.discard(pair)
                elif event.kind is EventKind.FOLLOW_REMOVED:
                    self._ended.add(pair)
                    self._started.discard(pair)
            self._number = numbered[-1] if numbered else self._number
            if len(numbered) < self._batch:
                return self._started, self._ended
