"""Rules of time and failure: clocks move, processes start anew, materialisations are lost."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from feedkit.testing.rules.stage import Stage, process

_seconds = st.sampled_from((-10, -1, -0.001, 0.001, 1, 60, 2 * 3_600, 43_200, 2 * 86_400, 8 * 86_400))
_upkeep = st.sampled_from(("wipe", "reopen", "drain", "check"))


class UpkeepRules(Stage):
    """What happens to processes."""

    @rule(seconds=_seconds, process=process)
    def move_clock(self, seconds: float, process: int) -> None:
        """The clock of one process jumps, perhaps back."""
        self.advance(process % len(self.clocks), seconds)

    @rule(what=_upkeep, process=process)
    def upkeep(self, what: str, process: int) -> None:
        """One process loses what it holds, or is put in order."""
        feed = self.feed(process)
        if what == "reopen":
            self._reopen(process % len(self.feeds))
        elif what == "wipe":
            feed.wipe()
        elif what == "drain":
            assert feed.drain().done
        else:
            report = feed.check()
            assert report.ok or (not type(self).orderly and not report.missing), report
        self.tally[what] += 1

    def _reopen(self, number: int) -> None:
        if len(self.feeds) > 1:  # a database in memory lives no longer than its feed
            self.feeds[number].close()
            self.feeds[number] = self.opened(number)
