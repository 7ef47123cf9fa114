"""`feed.bus`: consumers of a host's own that follow what happens, over the bus given to `connect`."""

import re
import time

from feedkit.errors import ConfigurationError, InvalidArgument, shown
from feedkit.log.consumers import Handler
from feedkit.log.hub import Hub
from feedkit.model import BusLag, ConsumeResult, Key
from feedkit.verbs.base import Noun
from feedkit.writing.checks import checked_seconds

_GROUP = re.compile(r"[a-z][a-z0-9_-]{0,31}")


class EventBus(Noun[Key]):
    """`feed.bus`: groups of consumers, each of which is handed every event of the log, at least once.

    Events of one author come in order; who runs how many workers for a group is the host's own affair.
    Every verb raises ConfigurationError where `connect` was given no `bus`.
    """

    def subscribe(self, group: str) -> None:
        """Have a group that is handed what happens from now on. One that exists stays as it is.

        Nothing that it has not handled is pruned from the log from now on.
        """
        self._hub().relay.subscribe(_checked_group(group))

    def unsubscribe(self, group: str) -> bool:
        """Forget a group and what it has not handled; False where there was none. Its workers should have ended.

        Its dead letters stay until they are discarded.
        """
        return self._hub().relay.unsubscribe(_checked_group(group))

    def groups(self) -> list[str]:
        """The groups there are, by name."""
        return sorted(self._hub().relay.groups())

    def consume(self, group: str, handler: Handler, *, max_seconds: float | None = None) -> ConsumeResult:
        """Hand a group's events to a handler until none is to be had, or for about `max_seconds` seconds.

        The handler is given a sequence of `Event`, of one partition, in order. It may be given one twice: after a
        crash, or if it takes longer than `bus_lease_ms`. Where it raises, the events are handed to it one by one; one
        that fails `bus_tries` times becomes a dead letter of "bus:" and the group's name (`feed.dead_letters`), and the
        rest goes on. Where it raises `Unavailable`, nothing counts as a try. Subscribes the group if it is new.

        Raises:
            LimitExceeded: the group has `dead_letters_max` dead letters.
            OutOfReach: the bus could not be reached.
        """
        hub, name = self._hub(), _checked_group(group)
        checked_seconds("max_seconds", max_seconds)
        until = None if max_seconds is None else time.monotonic() + max_seconds
        return hub.consume(name, checked_handler(handler), until)

    def lag(self, group: str) -> BusLag:
        """How far a group is behind. Raises NotFound where there is no such group."""
        return self._hub().lag(_checked_group(group))

    def _hub(self) -> Hub:
        hub = self._runtime().hub
        if hub is None:
            raise ConfigurationError(
                'this feed has no bus; pass connect(bus="redis://..."), or bus="memory://" in tests. Inside a '
                "transaction of yours that has changed something there is none either: call this after its commit",
                argument="bus",
            )
        return hub


def _checked_group(group: object) -> str:
    if not isinstance(group, str) or not _GROUP.fullmatch(group):
        message = "group must be 1..32 characters of a-z, 0-9, _ and - that start with a letter"
        raise InvalidArgument(f"{message}; got {shown(group)}", argument="group")
    return group


def checked_handler(handler: object) -> Handler:
    """What takes events. Raises InvalidArgument."""
    if not callable(handler):
        message = f"handler must be a function that takes a sequence of events, got {shown(handler)}"
        raise InvalidArgument(message, argument="handler")
    return handler
