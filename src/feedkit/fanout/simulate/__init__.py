"""What each fan-out policy would cost you: a trace of posts and reads, replayed against each and priced.

    from feedkit.fanout.simulate import Trace, simulate

    trace = Trace.of(follows=[("bob", "ada")], posts=[(0, "ada")], reads=[(1_000, "bob")])
    report = simulate(trace, prices=feedkit.calibrate())
    print(report.cheapest().policy)

Nothing is stored, delivered or read: inboxes are counted, not filled. So a day of a large feed takes seconds,
and thresholds are chosen before anything is switched.
"""

from feedkit.fanout.simulate.prices import Prices
from feedkit.fanout.simulate.report import Priced, Report
from feedkit.fanout.simulate.running import candidates, simulate
from feedkit.fanout.simulate.trace import Trace

__all__ = ["Priced", "Prices", "Report", "Trace", "candidates", "simulate"]
