"""Adding and changing users."""

from contextlib import suppress
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from feedkit.clock import Clock
from feedkit.errors import InvalidArgument
from feedkit.model import Event, EventKind
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx, UserRow
from feedkit.writing.checks import checked_flag, optional_text

_ZONE_NAME_MAX = 64


class UserWriting:
    """The verbs for users."""

    def __init__(self, truth: Truth, clock: Clock, settings: Settings) -> None:
        self._truth, self._clock, self._settings = truth, clock, settings

    def patch(self, user_id: int, fields: dict[str, str | int | None], host_tx: Tx | None = None) -> UserRow:
        """Change the given fields of a user, who exists; the user as they are then."""
        return self._truth.write(lambda tx: self._patch(tx, user_id, fields), within=host_tx)

    def checked(self, fields: dict[str, object]) -> dict[str, str | int | None]:
        """Those fields that are given, within their bounds. Raises InvalidArgument or LimitExceeded."""
        texts = {name: value for name, value in fields.items() if name != "private"}
        flags = {name: int(checked_flag(name, value)) for name, value in fields.items() if name not in texts}
        return {**self._texts(texts), **flags}

    def _texts(self, fields: dict[str, object]) -> dict[str, str | None]:
        bounds: dict[str, tuple[int, str | None]] = {
            "handle": (self._settings.handle_max_chars, "handle_max_chars"),
            "display_name": (self._settings.display_name_max_chars, "display_name_max_chars"),
            "time_zone": (_ZONE_NAME_MAX, None),
        }
        if fields.get("time_zone") is not None:
            _check_zone(fields["time_zone"])
        return {name: optional_text(name, value, *bounds[name]) for name, value in fields.items()}

    def _patch(self, tx: Tx, user_id: int, fields: dict[str, str | int | None]) -> UserRow:
        if fields:
            self._truth.users.patch(tx, user_id, fields)
            self._truth.events.append(
                tx, Event(EventKind.USER_CHANGED, user_id, user_id, self._clock.now_ms())
            )
        return self._truth.users.get_many(tx, (user_id,))[0]


def _check_zone(name: object) -> None:
    if isinstance(name, str):
        with suppress(ValueError, OSError, ZoneInfoNotFoundError):
            ZoneInfo(name)
            return
    message = "time_zone must be the name of an IANA time zone, such as 'Europe/Vienna'"
    raise InvalidArgument(message, argument="time_zone")
