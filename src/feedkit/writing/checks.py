"""Checks of single arguments. Each names the argument, the bound and the way out."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar, cast

from feedkit.errors import InvalidArgument, LimitExceeded, shown
from feedkit.ids import MAX_ID

E = TypeVar("E", bound=StrEnum)
_YEAR_S = 365 * 86_400
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS = 86_400_000


def checked_text(
    name: str, text: object, at_most: int, setting: str | None = None, *, at_least: int = 0
) -> str:
    """A string of `at_least` to `at_most` characters (a `setting`, or fixed) that every backend can store."""
    if not isinstance(text, str):
        raise InvalidArgument(f"{name} must be a str, got {type(text).__name__}", argument=name)
    if not at_least <= len(text) <= at_most:
        raise LimitExceeded(
            f"{name} must be {at_least}..{at_most} characters, got {len(text)}; {_way_out(len(text), setting)}",
            argument=name,
            limit=at_most,
            actual=len(text),
        )
    if "\0" in text:
        raise InvalidArgument(
            f"{name} holds a NUL character, which PostgreSQL cannot store; remove it", argument=name
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        message = f"{name} holds a lone surrogate, which no encoding can store; remove it"
        raise InvalidArgument(message, argument=name) from error
    return str.__str__(text)


def checked_texts(
    name: str, texts: Sequence[object], at_most: int, setting: str | None = None, *, at_least: int = 0
) -> list[str]:
    """As `checked_text`, for each of many at once; which of them an error is about it does not tell."""
    if {*map(type, texts)} == {str}:
        plain = cast(list[str], list(texts))
        lengths, everything = {*map(len, plain)}, "".join(plain)
        if at_least <= min(lengths) and max(lengths) <= at_most and "\0" not in everything:
            with suppress(UnicodeEncodeError):
                everything.encode()
                return plain
    return [checked_text(name, text, at_most, setting, at_least=at_least) for text in texts]


def _way_out(length: int, setting: str | None) -> str:
    if not length:
        return "write something"
    return f"shorten it, or raise the setting {setting}" if setting else "shorten it"


def optional_text(name: str, text: object, at_most: int, setting: str | None = None) -> str | None:
    """As `checked_text`, or None."""
    return None if text is None else checked_text(name, text, at_most, setting)


def checked_int(name: str, value: object, low: int, high: int) -> int:
    """An int within bounds; a bool is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgument(f"{name} must be an int, got {type(value).__name__}", argument=name)
    if not low <= value <= high:
        raise InvalidArgument(f"{name} must be {low}..{high}, got {shown(value)}", argument=name)
    return int(value)


def checked_flag(name: str, value: object) -> bool:
    """True or False, and nothing that only counts as one of them."""
    if not isinstance(value, bool):
        raise InvalidArgument(f"{name} must be True or False, got {type(value).__name__}", argument=name)
    return value


def checked_seconds(name: str, value: object) -> None:
    """A number of seconds up to a year, or None for no bound."""
    if value is None or (isinstance(value, (int, float)) and 0 <= value <= _YEAR_S):
        return
    message = f"{name} must be 0..{_YEAR_S} seconds, or None for no bound; got {shown(value)}"
    raise InvalidArgument(message, argument=name)


def checked_many(name: str, values: object, at_most: int) -> list[Any]:
    """A list, tuple or other collection of at most `batch_max` values; a string is not one."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Collection):
        message = f"{name} must be a list, got {type(values).__name__}; for one, pass a list of one"
        raise InvalidArgument(message, argument=name)
    check_length(name, len(values), at_most, "of them", "batch_max")
    return list(values)


def checked_id(name: str, value: object, where: str = "") -> int:
    """A feedkit id: the int, or its decimal string as `to_dict()` gives it. `where` tells which of several."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 19:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_ID:
        message = f"{name}{where} must be a feedkit id: an int of 1..{MAX_ID} or its decimal string"
        raise InvalidArgument(message, argument=name)
    return int(value)


def checked_choice(name: str, value: object, choices: type[E]) -> E:
    """A member of an enumeration, or its string."""
    if isinstance(value, str):
        with suppress(ValueError):
            return choices(value)
    raise InvalidArgument(f"{name} must be one of {', '.join(choices)}; got {shown(value)}", argument=name)


def check_length(name: str, actual: int, limit: int, unit: str, setting: str) -> None:
    """Refuse what is over a limit. Raises LimitExceeded."""
    if actual > limit:
        raise LimitExceeded(
            f"{name} must be at most {limit} {unit}, got {actual}; shorten it, or raise the setting {setting}",
            argument=name,
            limit=limit,
            actual=actual,
        )


def checked_moment(name: str, value: object) -> int:
    """Unix milliseconds of an aware datetime."""
    return checked_moments(name, (value,))[0]


def checked_moments(name: str, values: Sequence[object]) -> list[int]:
    """As `checked_moment`, for each of many at once."""
    if all(issubclass(kind, datetime) for kind in {*map(type, values)}):
        with suppress(TypeError):  # a naive one
            return [_milliseconds(value - _UNIX_EPOCH) for value in cast(Sequence[datetime], values)]
    message = f"{name} must be an aware datetime, such as datetime(2026, 1, 31, 12, tzinfo=UTC)"
    raise InvalidArgument(message, argument=name)


def checked_duration(name: str, value: object, at_most_s: int, setting: str) -> int:
    """Milliseconds of a timedelta from one second to `at_most_s` seconds."""
    if not isinstance(value, timedelta):
        message = f"{name} must be a timedelta, got {type(value).__name__}; such as timedelta(hours=24)"
        raise InvalidArgument(message, argument=name)
    if not timedelta(seconds=1) <= value <= timedelta(seconds=at_most_s):
        raise LimitExceeded(
            f"{name} must be from one second to {at_most_s} seconds, got {value}; the bound is the setting {setting}",
            argument=name,
            limit=at_most_s,
        )
    return _milliseconds(value)


def _milliseconds(span: timedelta) -> int:
    """Of a host's own kind of timedelta, too, which may divide by its own kind only."""
    return span.days * _DAY_MS + span.seconds * 1000 + span.microseconds // 1000
