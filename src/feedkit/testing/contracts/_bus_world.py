"""A log beside a bus, and words for both."""

from collections.abc import Callable

import attrs

from feedkit.model import Event, EventKind
from feedkit.storage.bus import Batch, Bus, Span

LEASE_MS = 60_000
GROUPS = ("mail", "search")
_AT_MS = 1_767_225_600_000


def event(number: int, author: int = 1) -> Event:
    """An event of an author, by its number in the log."""
    return Event(EventKind.POST_PUBLISHED, author, 1000 + number, _AT_MS, position=number, number=number)


def fill(bus: Bus, *events: Event, before: int = 0, settled: int = 0) -> int:
    """Hand events over, all that there are above number `before`."""
    return bus.publish(events, Span(before, events[-1].number, settled))


def fetch(bus: Bus, group: str = "mail", limit: int = 100) -> Batch:
    """A batch, which has to be there."""
    batch = bus.fetch(group, 0, limit, LEASE_MS)
    assert batch is not None, "nothing was handed out"
    return batch


def numbers(batch: Batch | None) -> list[int]:
    """The events of a batch, by number."""
    return [] if batch is None else [one.number for one in batch.events]


def tries(batch: Batch) -> list[int]:
    """The how-manieth time each event of a batch is handed out."""
    return [entry.tries for entry in batch.entries]


def handled_all(bus: Bus, group: str = "mail") -> list[int]:
    """Handle everything that is to be had; the numbers, as they came."""
    found: list[int] = []
    while (batch := bus.fetch(group, 0, 100, LEASE_MS)) is not None:
        found += numbers(batch)
        assert bus.acknowledge(batch)
    return found


@attrs.define
class _Filling:
    """What a publisher has read of the log and not handed over yet."""

    events: list[Event]
    span: Span


class BusWorld:
    """A log beside the bus, publishers and workers that may be asleep, and what each group was handed."""

    STEPS = (
        *("commit", "commit", "read_log", "hand_over", "fill", "fill"),
        *("fetch", "fetch", "fetch", "acknowledge", "acknowledge", "acknowledge"),
        *("abandon", "crash", "lapse", "trim_all", "lose"),
    )

    def __init__(self, bus: Bus, lapse: Callable[[], None]) -> None:
        self.bus, self._lapse = bus, lapse
        self.log: list[Event] = []
        self.settled = dict.fromkeys(GROUPS, 0)
        self.fillings: list[_Filling] = []
        self.working: list[Batch] = []
        self.holding: dict[tuple[str, int], tuple[bytes, bool]] = {}
        """The fence given last, by group and partition, and whether its lease stands."""
        self.known: set[tuple[str, int]] = set()
        self.seen: dict[str, list[Event]] = {group: [] for group in GROUPS}
        self.done: dict[str, set[int]] = {group: set() for group in GROUPS}

    def commit(self, nth: int) -> None:
        for _ in range(1 + nth % 3):
            self.log.append(event(len(self.log) + 1, author=1 + nth % 4))

    def read_log(self, nth: int) -> None:
        """What a relay does before it hands events over."""
        state = self.bus.state(self.settled)
        for group, progress in state.groups.items():
            assert progress.handled <= len(self.log)
            told = {one.number for one in self.log[: progress.handled]}
            assert told <= self.done[group] | set(range(1, self.settled[group] + 1)), "handled, it says"
            self.settled[group] = max(self.settled[group], progress.handled)
        settled = min(self.settled.values())
        self.bus.trim(settled)
        before = max(state.lowest, settled)
        if events := self.log[before : before + 1 + nth % 5]:
            self.fillings.append(_Filling(events, Span(before, events[-1].number, settled)))

    def hand_over(self, nth: int) -> None:
        if self.fillings:
            filling = self.fillings.pop(nth % len(self.fillings))
            self.bus.publish(filling.events, filling.span)

    def fill(self, nth: int) -> None:
        self.read_log(nth)
        self.hand_over(-1)

    def fetch(self, nth: int) -> None:
        group = GROUPS[nth % 2]
        batch = self.bus.fetch(group, self.settled[group], 1 + nth % 4, LEASE_MS)
        if batch is None:
            return
        self.working.append(batch)
        place = (group, batch.partition)
        assert not self.holding.get(place, (b"", False))[1], "somebody else has it"
        self.holding[place] = (batch.fence, True)
        self.known.add(place)
        for one in batch.events:
            assert one == self.log[one.number - 1]
            assert one.number not in self.done[group], "acknowledged, and handed out again"
            earlier = {it.number for it in self.log[: one.number - 1] if it.actor_id == one.actor_id}
            in_hand = {it.number for it in batch.events} | set(range(1, self.settled[group] + 1))
            assert earlier <= self.done[group] | in_hand, "before an earlier one of its author"
            self.seen[group].append(one)

    def acknowledge(self, nth: int) -> None:
        """Of any batch, also one whose lease has lapsed long since."""
        if self.working:
            batch = self.working.pop(nth % len(self.working))
            if self.bus.acknowledge(batch):
                self._ended(batch, len(batch.entries))

    def abandon(self, nth: int) -> None:
        if self.working:
            batch = self.working.pop(nth % len(self.working))
            handled = nth % len(batch.entries)
            if self.bus.abandon(batch, handled, blamed=nth % 2 == 0, pause_ms=0):
                self._ended(batch, handled)

    def _ended(self, batch: Batch, handled: int) -> None:
        place = (batch.group, batch.partition)
        assert self.holding.pop(place)[0] == batch.fence, "it was behind the fence"
        self.done[batch.group].update(numbers(batch)[:handled])

    def crash(self, nth: int) -> None:
        if self.working:
            self.working.pop(nth % len(self.working))

    def lapse(self, _: int) -> None:
        self._lapse()
        self.holding = {place: (fence, False) for place, (fence, _) in self.holding.items()}

    def trim_all(self, _: int) -> None:
        """Where every group is known, it keeps what one has not acknowledged, whatever it is told."""
        if len(self.known) == len(GROUPS) * self.bus.partitions:
            self.bus.trim(len(self.log))

    def lose(self, nth: int) -> None:
        """Now and then the bus loses everything: it comes back, but for what is settled."""
        if nth % 3 == 0:
            self.bus.clear()
            self.holding.clear()
            self.known.clear()
            for group in GROUPS:
                self.done[group] = set(range(1, self.settled[group] + 1))

    def finish(self) -> None:
        """Everybody wakes up, and all is done; then every group has seen everything, in order by author."""
        self.working.clear()
        for _ in range(10 * len(self.log) + 10):
            self.lapse(0)
            self.fill(4)
            for nth in range(len(GROUPS)):
                self.fetch(nth + 2)
                self.acknowledge(-1)
        for group in GROUPS:
            for author in {one.actor_id for one in self.log}:
                its = [one.number for one in self.log if one.actor_id == author]
                first = list(dict.fromkeys(one.number for one in self.seen[group] if one.actor_id == author))
                assert first == its
        state = self.bus.state(self.settled)
        assert (state.held, min(self.settled.values())) == (0, len(self.log))
