"""What a simulation came to."""

from collections.abc import Iterator
from typing import Any

import attrs

from feedkit.errors import NotFound
from feedkit.fanout.policy import CostBased, FanoutPolicy, Hybrid, PullAll, PushAll
from feedkit.fanout.simulate.prices import Prices


@attrs.frozen(kw_only=True)
class Priced:
    """One policy: what it made the feed do, and what that costs.

    Attributes:
        policy: the policy itself.
        name: as a person would call it.
        posts, reads: posts published, pages read.
        writes: entries delivered into inboxes.
        asked: followers, or holders of inboxes, gone through for that.
        merges: outboxes merged into pages.
        builds: inboxes built, since their readers held none.
        pulled_authors, pulled_pairs: how many were pulled in the end.
        bytes_written: of entries delivered into inboxes and outboxes.
        bytes_read: of entries gone through for pages: inboxes as they have grown since the page before, and outboxes.
        write_cpu_s, read_cpu_s: seconds of CPU time for publishing and delivering, and for reading.
        read_p50_us, read_p99_us: what a page takes, the delivery included that it finds undone.
        lag_p50_ms, lag_p99_ms, lag_max_ms: staleness: how long after it was published a post is where its readers
            find it, with one worker that delivers in the order of the log.
    """

    policy: FanoutPolicy
    name: str
    posts: int
    reads: int
    writes: int
    asked: int
    merges: int
    builds: int
    pulled_authors: int
    pulled_pairs: int
    bytes_written: int
    bytes_read: int
    write_cpu_s: float
    read_cpu_s: float
    read_p50_us: float
    read_p99_us: float
    lag_p50_ms: float
    lag_p99_ms: float
    lag_max_ms: float

    @property
    def cpu_s(self) -> float:
        """Seconds of CPU time in all."""
        return self.write_cpu_s + self.read_cpu_s

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe; the policy as Python would write it."""
        fields = attrs.asdict(self, recurse=False) | {"policy": repr(self.policy), "cpu_s": self.cpu_s}
        return {name: _rounded(value) for name, value in fields.items()}


@attrs.frozen
class Report:
    """All policies that were tried, in their order; iterates over them."""

    policies: tuple[Priced, ...]
    prices: Prices

    def __iter__(self) -> Iterator[Priced]:
        return iter(self.policies)

    def cheapest(self, kind: type[FanoutPolicy] | None = None, *, max_lag_ms: float | None = None) -> Priced:
        """What takes the least CPU time; of those that take the same, the first.

        Args:
            kind: only policies of this class.
            max_lag_ms: only those under which 99 of 100 posts are visible within so many milliseconds.

        Raises:
            NotFound: there is none of this kind that is quick enough.
        """
        wanted = [
            one
            for one in self.policies
            if (kind is None or isinstance(one.policy, kind))
            and (max_lag_ms is None or one.lag_p99_ms <= max_lag_ms)
        ]
        if not wanted:
            message = "no policy of this kind was tried that is quick enough; try others, or raise max_lag_ms"
            raise NotFound(message, argument="kind" if max_lag_ms is None else "max_lag_ms")
        return min(wanted, key=lambda one: one.cpu_s)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return {
            "cheapest": self.cheapest().name,
            "policies": [one.to_dict() for one in self.policies],
            "prices": self.prices.to_dict(),
        }


def name_of(policy: FanoutPolicy) -> str:
    """A policy as a person would call it."""
    match policy:
        case PushAll():
            return "push"
        case PullAll():
            return "pull"
        case Hybrid():
            return f"hybrid above {policy.pull_above:,}"
        case CostBased():
            return f"cost-based {policy.push_cost / policy.pull_cost:.2g}"
        case _:
            return repr(policy)


def _rounded(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value
