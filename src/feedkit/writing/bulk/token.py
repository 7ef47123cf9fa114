"""Where a reconciliation stands, as a string that a host can keep."""

import json

import attrs

from feedkit.errors import InvalidArgument
from feedkit.writing.bulk.people import Stored


@attrs.frozen(slots=True)
class Token:
    """Followers up to `after` are settled, but for the removals; `since` numbers the event that the run began at."""

    after: Stored
    since: int
    removals: tuple[tuple[int, int], ...] = ()

    def encode(self) -> str:
        """JSON."""
        after = self.after if isinstance(self.after, int) else self.after.hex()
        return json.dumps([after, self.since, self.removals], separators=(",", ":"))


def decode(text: object, key_type: type) -> Token:
    """A token that `encode` has made for a feed whose keys are stored as `key_type`. Raises InvalidArgument."""
    try:
        after, since, removals = json.loads(str(text))
        stored: Stored = int(after) if key_type is int else bytes.fromhex(after)
        if type(since) is not int:
            raise TypeError("since is no number")
        return Token(stored, since, tuple((int(one), int(other)) for one, other in removals))
    except (ValueError, TypeError) as error:
        message = "resume must be the `resume` of a report of this feed; leave it out to start anew"
        raise InvalidArgument(message, argument="resume") from error
