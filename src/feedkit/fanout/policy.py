"""Fan-out policies: decide from an author's load whether a post is pushed or pulled. Pure.

Pushed is: delivered to those followers who hold an inbox. Nobody else is ever delivered to, whatever the
policy: they get a whole inbox when they return. `feedkit.fanout.simulate` tells what each policy would cost.
"""

import math
from typing import Any, Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from feedkit.errors import ConfigurationError, shown
from feedkit.model import Route
from feedkit.storage.base import AuthorLoad


class FanoutPolicy(Protocol):
    """Decides how a post of an author goes to its readers. Must be pure and quick: it runs inside `publish`."""

    def route(self, author: AuthorLoad) -> Route:
        """Push or pull the post that this author is publishing."""


@attrs.frozen
class PushAll:
    """Every post is delivered to its followers when it is posted: cheap reads, dear celebrities."""

    def route(self, author: AuthorLoad) -> Route:  # noqa: ARG002 - the same for everyone
        """Always push."""
        return Route.PUSH


@attrs.frozen
class PullAll:
    """Every post is merged in when somebody reads: cheap posts, reads that grow with the followees."""

    def route(self, author: AuthorLoad) -> Route:  # noqa: ARG002 - the same for everyone
        """Always pull."""
        return Route.PULL


def _default_resume(policy: "Hybrid") -> Any:
    return policy.pull_above * 4 // 5 if type(policy.pull_above) is int else 0


def _whole(_policy: "Hybrid", field: "attrs.Attribute[int]", value: object) -> None:
    if type(value) is not int or value < 0:
        message = f"{field.name} must be a whole number of followers, 0 or more; got {shown(value)}"
        raise ConfigurationError(message, argument=field.name)


@attrs.frozen
class Hybrid:
    """Push, but pull the few authors with very many followers.

    An author with more than `pull_above` followers is pulled until they have fewer than `resume_below`
    (default: four fifths of it), so that one who hovers at the threshold does not go back and forth.
    """

    pull_above: int = attrs.field(default=1_000_000, validator=_whole)
    resume_below: int = attrs.field(default=attrs.Factory(_default_resume, takes_self=True), validator=_whole)

    def __attrs_post_init__(self) -> None:
        if self.resume_below > self.pull_above:
            message = (
                f"resume_below must be 0..pull_above ({self.pull_above}), got {self.resume_below}; "
                "leave it out for four fifths of pull_above"
            )
            raise ConfigurationError(message, argument="resume_below")

    def route(self, author: AuthorLoad) -> Route:
        """Push, unless the author has too many followers."""
        pulled_now = author.listed and not author.resumed
        bound = self.resume_below - 1 if pulled_now else self.pull_above
        return Route.PULL if author.followers > bound else Route.PUSH


_RESUME = 2.0
"""A pair that is pulled is pushed again at so many times the bound: each way back costs a backfill."""


def _above_zero(_policy: "CostBased", field: "attrs.Attribute[float]", value: object) -> None:
    if type(value) not in (int, float) or not 0 < value < math.inf:  # type: ignore[operator]
        message = f"{field.name} must be a number above 0, got {shown(value)}"
        raise ConfigurationError(message, argument=field.name)


def _routes(_policy: "CostBased", field: "attrs.Attribute[FanoutPolicy]", value: object) -> None:
    if isinstance(value, type | CostBased) or not hasattr(value, "route"):
        message = f"{field.name} must be a policy for whole authors, such as Hybrid(); got {shown(value)}"
        raise ConfigurationError(message, argument=field.name)


@attrs.frozen
class CostBased:
    """Push or pull each pair of an author and a follower for itself, by what they do. Opt-in.

    A pair is pushed when the follower's read rate over the author's post rate is at least `push_cost` over
    `pull_cost` (Silberstein et al., "Feeding Frenzy", SIGMOD 2010). The rates are averages of real reads and
    posts that halve every `half_life_s` seconds. A pair that is pulled is pushed again at twice that bound.
    Who has a choice between ways is known to one process alone: the one whose inbox it is.

    This way of choosing has been patented in places (US 8,156,240 and its family): have such patents looked at
    before you turn it on.

    Args:
        push_cost: of one entry into one inbox, in any unit.
        pull_cost: of one outbox merged into one page, in the same unit.
        half_life_s: seconds after which a read or a post counts half.
        authors: which authors are pulled by all their followers, whatever these do.
    """

    push_cost: float = attrs.field(default=1.0, validator=_above_zero)
    pull_cost: float = attrs.field(default=4.0, validator=_above_zero)
    half_life_s: float = attrs.field(default=86_400.0, validator=_above_zero)
    authors: FanoutPolicy = attrs.field(factory=Hybrid, validator=_routes)

    def route(self, author: AuthorLoad) -> Route:
        """As `authors` has it; what is pushed is decided pair by pair when it is delivered."""
        return self.authors.route(author)

    def pulls(
        self, reads: NDArray[np.float64], posts: float, pulled_now: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """For each follower of an author whether they pull: booleans of shape (n,).

        `reads` (n,) and `posts` are rates of the followers and the author in one unit, `pulled_now` (n,) how it is.
        """
        bound = posts * self.push_cost / self.pull_cost
        return (reads < bound) | (pulled_now & (reads < bound * _RESUME))
