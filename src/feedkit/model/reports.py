"""What upkeep reports."""

from typing import Any, Generic

import attrs

from feedkit.model.people import Key


class Done(int):
    """How many things a verb has done, a whole number like any other: 0 is false, and a `bool` where it is one thing.

    `guarded`: False where a change was committed though Redis was out of reach at that moment. Until then, for
    `shared_ttl_s` seconds at the longest, processes may show what it has taken away.
    """

    guarded: bool

    def __new__(cls, count: int, *, guarded: bool = True) -> "Done":
        """So many."""
        made = super().__new__(cls, count)
        made.guarded = guarded
        return made


@attrs.frozen(slots=True)
class DrainResult:
    """What a drain did: events applied, entries delivered, seconds taken, and whether nothing is left."""

    events: int
    deliveries: int
    seconds: float
    done: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return attrs.asdict(self)


@attrs.frozen(slots=True)
class WorkResult:
    """What a worker did: events applied, entries delivered, seconds, and the authors who cost it most.

    `dearest` are pairs of an author's id and the entries delivered of their posts, the most first.
    """

    events: int
    deliveries: int
    seconds: float
    dearest: tuple[tuple[int, int], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form; ids as strings."""
        dearest = [{"author": str(author), "deliveries": count} for author, count in self.dearest]
        return {**attrs.asdict(self), "dearest": dearest}


@attrs.frozen(slots=True)
class Backlog:
    """How far behind deliveries are.

    `events` of the log are not applied or delivered, the first of which, or of the `large` deliveries under way, is
    `oldest_s` seconds old. `holder` has it in hand, as "host:process:...", or is "" where nobody has.
    `dead_letters` counts what was given up, by consumer.
    """

    events: int
    oldest_s: float
    large: int
    holder: str
    dead_letters: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return attrs.asdict(self)


@attrs.frozen(slots=True)
class CheckReport:
    """How materialised inboxes compare with truth; every count is of entries, but `viewers` and `repaired`.

    `missing`: in truth and not in the inbox; `unexpected`: in the inbox and no longer in truth, which
    readers filter away; `doubled`: stored twice. `repaired`: inboxes dropped, so that they are rebuilt.
    """

    viewers: int
    entries: int
    missing: int
    unexpected: int
    doubled: int
    repaired: int = 0

    @property
    def ok(self) -> bool:
        """True where nothing that a reader should see is missing or shown twice."""
        return not (self.missing or self.doubled)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {"ok": self.ok, **attrs.asdict(self)}


@attrs.frozen(slots=True)
class ImportReport:
    """How far an import has come: how many rows are settled, and what came of them.

    `unchanged` were there before. `refused` are follows between people one of whom blocks the other, and of
    oneself. `rows` is what `start` takes to go on from here.
    """

    rows: int = 0
    added: int = 0
    unchanged: int = 0
    refused: int = 0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return attrs.asdict(self)


@attrs.frozen(slots=True)
class ReconcileReport(Generic[Key]):
    """How the host's follows compare with truth, and what was done about it (in a dry run: would be).

    Counts are of follows. `refused`: not added, since one of the two blocks the other, or they are the same.
    `in_flight`: left alone, since somebody followed or unfollowed while this ran. The samples are pairs of keys,
    a few of each. `resume` goes on from here, and is None once all is done.
    """

    pairs: int = 0
    added: int = 0
    removed: int = 0
    unchanged: int = 0
    refused: int = 0
    in_flight: int = 0
    seconds: float = 0.0
    dry_run: bool = False
    resume: str | None = None
    sample_added: tuple[tuple[Key, Key], ...] = ()
    sample_removed: tuple[tuple[Key, Key], ...] = ()
    sample_refused: tuple[tuple[Key, Key], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form; keys as strings."""
        fields = attrs.asdict(self, recurse=False)
        for name, value in fields.items():
            if name.startswith("sample"):
                fields[name] = [[str(one), str(other)] for one, other in value]
        return fields
