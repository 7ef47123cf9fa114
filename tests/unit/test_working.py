"""How a worker is told to stop."""

import os
import signal

from feedkit.working import until_told


def test_a_signal_stops_also_whoever_holds_the_lock_of_the_event() -> None:
    with until_told() as stop:
        with stop._cond:  # type: ignore[attr-defined]  # as in the first and last moments of a wait
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(10)
