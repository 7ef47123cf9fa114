"""A truth beside a store of timelines, and words for both."""

from collections.abc import Callable, Iterable, Sequence

from feedkit.idset import idset
from feedkit.storage.entries import Entries, of_rows
from feedkit.storage.timelines import Timeline, TimelineStore

TTL_MS = 60_000
ANN, BEN, CAT = 11, 12, 13
WRITER = 77


class World:
    """A truth beside the store: what each owner's timeline ought to hold, and builds that are under way."""

    OWNERS = (ANN, BEN, CAT, 14)
    STEPS = (
        "post",
        "post",
        "post",
        "post_to_all",
        "begin",
        "begin",
        "finish",
        "finish",
        "remove",
        "drop",
        "wait",
    )

    def __init__(self, store: TimelineStore, later: Callable[[int], None], maximum: int | None) -> None:
        self.store, self.later, self.maximum = store, later, maximum
        self.wanted: dict[int, set[int]] = {owner: set() for owner in self.OWNERS}
        self.ever: set[int] = set()
        self.building: list[tuple[int, int, list[int], int]] = []

    def post(self, owner: int, number: int) -> None:
        self._post((owner,), number)

    def post_to_all(self, _: int, number: int) -> None:
        self._post(self.OWNERS, number)

    def _post(self, owners: Sequence[int], position: int) -> None:
        self.ever.add(position)
        for owner in owners:
            self.wanted[owner].add(position)
        self.store.deliver(idset(owners), entries([position]))

    def begin(self, owner: int, number: int) -> None:
        token = self.store.begin(owner)
        if token is not None:
            newest = sorted(self.wanted[owner], reverse=True)[:number]
            floor = newest[-1] if len(newest) == number else 0
            self.building.append((owner, token, newest, floor))

    def finish(self, _: int, number: int) -> None:
        if self.building:
            owner, token, found, floor = self.building.pop(number % len(self.building))
            self.store.install(owner, token, entries(found), floor)

    def remove(self, owner: int, number: int) -> None:
        self.wanted[owner].discard(number)
        self.store.remove(idset([owner]), idset([number]))

    def drop(self, owner: int, _: int) -> None:
        self.store.drop([owner])

    def wait(self, _: int, number: int) -> None:
        self.later(number * TTL_MS // 40)

    def check(self) -> None:
        assert self.maximum is None or len(self.store.owners()) <= self.maximum
        for owner, timeline in zip(self.OWNERS, self.store.read_many(self.OWNERS), strict=True):
            if timeline is not None:
                held = positions(timeline)
                assert held == sorted(set(held), reverse=True)
                missing = {p for p in self.wanted[owner] if p >= timeline.floor} - set(held)
                assert not missing, f"{owner} lacks {missing} above its floor {timeline.floor}"
                assert set(held) <= self.ever
                assert len(held) <= 10 + 3


def entries(at: Iterable[int], author: int = WRITER) -> Entries:
    """Entries of one author at these positions."""
    return of_rows([(position, author) for position in at])


def positions(timeline: Timeline | None) -> list[int]:
    """The positions of a timeline that is there."""
    assert timeline is not None, "the timeline is missing"
    return [int(position) for position in timeline.entries.positions]


def begin(store: TimelineStore, owner: int) -> int:
    """Start to build what is missing."""
    token = store.begin(owner)
    assert token is not None, "nothing stands in the way of a build"
    return token


def build(store: TimelineStore, owner: int, at: Iterable[int], floor: int = 0) -> bool:
    """Build a whole timeline of these positions."""
    return store.install(owner, begin(store, owner), entries(at), floor)
