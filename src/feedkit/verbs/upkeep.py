"""Draining, checking and repairing."""

from feedkit.model import CheckReport, DrainResult, Key
from feedkit.verbs.base import Verbs
from feedkit.writing.checks import checked_int, checked_seconds


class UpkeepVerbs(Verbs[Key]):
    """What operators do."""

    def drain(self, max_seconds: float | None = None) -> DrainResult:
        """Apply what is pending in the log, here and now, for at most about `max_seconds` seconds."""
        checked_seconds("max_seconds", max_seconds)
        return self.runtime().drain(max_seconds)

    def check(self, sample: int = 1000, *, repair: bool = False) -> CheckReport:
        """Compare up to `sample` home feeds with a recomputation from truth; `repair` rebuilds wrong ones."""
        runtime, size = self.runtime(), checked_int("sample", sample, 1, 1_000_000_000)
        runtime.catch_up()
        return runtime.check.run(size, repair)

    def wipe(self) -> None:
        """Drop everything that this process has materialised. It comes back by itself when it is read."""
        self.runtime().tail.restart()

    def rotate_cursor_key(self) -> None:
        """Sign cursors with a new key; those signed with the `cursor_keys_kept` newest keys stay valid."""
        self.runtime().rotate_cursor_key()
