"""For hosts that have job queues (Celery, RQ, Dramatiq) and would rather not run `feedkit worker`.

What goes in and comes out is JSON, and the feed is given by name, so that any queue can carry it. A job that comes
around every few seconds does all that workers do.
"""

import pkgutil
from typing import Any

from feedkit.engine import Feed
from feedkit.errors import ConfigurationError


def tick(feed: str, max_seconds: float = 20.0) -> dict[str, Any]:
    """Apply and deliver what is pending, for at most about `max_seconds` seconds; what came of it, as JSON.

    `feed` is the name of a `Feed`, or of a function without arguments that makes one, as `module:attribute`. Any
    number of jobs may run at once, and one that is killed is made good by the next. `done` is true where nothing is
    left to do.

    Raises:
        ConfigurationError: `feed` names no such thing.
    """
    found = _named(feed)
    if isinstance(found, Feed):
        return found.drain(max_seconds).to_dict()
    with found() as made:
        drained: dict[str, Any] = made.drain(max_seconds).to_dict()
        return drained


def _named(path: str) -> Any:
    try:
        found = pkgutil.resolve_name(path)
    except (ValueError, ImportError, AttributeError) as error:
        raise ConfigurationError(f"feed must look like myapp.feeds:feed, and exist: {error}") from error
    if isinstance(found, Feed) or callable(found):
        return found
    raise ConfigurationError(f"{path} is neither a Feed nor a function that makes one")
