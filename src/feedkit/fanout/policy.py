"""Fan-out policies: decide from an author's load whether a post is pushed or pulled. Pure."""

from typing import Any, Protocol

import attrs

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

    pull_above: int = attrs.field(default=10_000, validator=_whole)
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
