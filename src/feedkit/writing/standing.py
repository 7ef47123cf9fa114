"""Whether somebody may take part at all."""

from typing import Any

from feedkit.clock import Clock
from feedkit.errors import Forbidden
from feedkit.model import UserStatus
from feedkit.storage.base import Truth, Tx
from feedkit.storage.directory import Directory
from feedkit.visibility import takes_part

_ACTIVE = UserStatus.ACTIVE.value


class Standing:
    """Suspended users may take back what they did, and add nothing."""

    def __init__(self, truth: Truth, directory: Directory[Any], clock: Clock) -> None:
        self._truth, self._directory, self._clock = truth, directory, clock

    def check(self, tx: Tx, user_id: int, argument: str = "author") -> None:
        """Raises Forbidden for a user who is suspended now."""
        row = self._truth.users.get(tx, user_id)
        if row is None or row.status == _ACTIVE:  # nearly all; this is asked before every single write
            return
        if not takes_part(self._directory.user(row), self._clock.now_ms()):
            raise Forbidden(
                f"{argument} is suspended and can add nothing until reinstated", argument=argument
            )
