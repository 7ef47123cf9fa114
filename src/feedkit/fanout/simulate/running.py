"""`simulate`: each policy, run over the same trace."""

from collections.abc import Sequence

import numpy as np

from feedkit.errors import InvalidArgument
from feedkit.fanout.policy import CostBased, FanoutPolicy, Hybrid, PullAll, PushAll
from feedkit.fanout.simulate.prices import Prices
from feedkit.fanout.simulate.replay import Replay
from feedkit.fanout.simulate.report import Priced, Report
from feedkit.fanout.simulate.trace import Trace
from feedkit.settings import Settings

_RANKS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
_SHARES_OF_COST = (1.0, 0.25, 0.0625)


def simulate(
    trace: Trace,
    policies: Sequence[FanoutPolicy] | None = None,
    *,
    prices: Prices | None = None,
    settings: Settings | None = None,
    warm_up: float = 0.0,
) -> Report:
    """Replay a trace against each policy, and price what it makes the feed do.

    The feed that is replayed holds its inboxes in memory and delivers what was posted before the next page is
    read; inboxes are bounded as `settings` say. Follows stand as the trace has them throughout.

    Args:
        trace: the posts and reads.
        policies: what to try; `candidates(trace)` unless given.
        prices: unit prices; `feedkit.calibrate()` measures those of this machine.
        settings: bounds of inboxes, and the size of a step of delivery.
        warm_up: the share of the trace, 0 to 1, that is replayed first and not counted.

    Raises:
        InvalidArgument: `policies` is empty, or `warm_up` leaves nothing to count.
    """
    prices, settings = prices or Prices(), settings or Settings()
    tried = candidates(trace, prices) if policies is None else list(policies)
    if not tried:
        raise InvalidArgument(
            "policies must hold at least one; leave it out for a choice", argument="policies"
        )
    if not 0 <= warm_up < 1:
        raise InvalidArgument(f"warm_up must be at least 0 and below 1, got {warm_up}", argument="warm_up")
    counted_from = round(len(trace.at_ms) * warm_up)
    return Report(tuple(_priced(trace, one, prices, settings, counted_from) for one in tried), prices)


def candidates(trace: Trace, prices: Prices | None = None) -> list[FanoutPolicy]:
    """What is worth trying on a trace.

    Push, pull, thresholds that would pull the one, two, three, five, ten ... authors with the most followers of
    those who post, and pairs chosen by what a delivery and a merge cost.
    """
    prices = prices or Prices()
    audiences = np.sort(trace.audiences[np.unique(trace.who[trace.is_post])])[::-1]
    largest = int(audiences[0]) if len(audiences) else 0
    bounds = [largest, *(int(audiences[rank - 1]) - 1 for rank in _RANKS if rank <= len(audiences))]
    thresholds = sorted({bound for bound in bounds if bound >= 0}, reverse=True)
    pushed_us = prices.delivery_us + prices.follower_us
    pairs = [CostBased(push_cost=pushed_us * share, pull_cost=prices.merge_us) for share in _SHARES_OF_COST]
    return [PushAll(), *(Hybrid(bound) for bound in thresholds), *pairs, PullAll()]


def _priced(
    trace: Trace, policy: FanoutPolicy, prices: Prices, settings: Settings, counted_from: int
) -> Priced:
    replay = Replay(trace, policy, prices, settings)
    replay.run(0, counted_from)
    replay.reset()
    replay.run(counted_from, len(trace.at_ms))
    return replay.priced()
