"""What a host hands in to be published, checked against every bound before anything is written."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

import attrs

from feedkit.errors import InvalidArgument, LimitExceeded, shown
from feedkit.ids import MAX_ID
from feedkit.model import Audience, Media, MediaStatus
from feedkit.settings import Settings

E = TypeVar("E", bound=StrEnum)
_KIND = re.compile(r"[a-z][a-z0-9_.:-]{0,31}")
_NESTING_MAX = 32
_NO_EXTRA = "{}"
_PIXELS_MAX = 1_000_000
_BYTES_MAX = 1 << 50
_YEAR_S = 365 * 86_400


@attrs.frozen(slots=True, kw_only=True)
class Draft:
    """A post's content, checked."""

    text: str
    kind: str
    schema_version: int
    audience: Audience
    media: tuple[Media, ...]
    extra_json: str
    ref: str | None
    reply_to: int | None


class Drafting:
    """Makes drafts under the bounds of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def draft(
        self,
        *,
        text: object,
        kind: object,
        schema_version: object,
        audience: object,
        media: object,
        extra: object,
        ref: object,
        reply_to: object,
    ) -> Draft:
        """A draft of these parts. Raises InvalidArgument or LimitExceeded, naming the part, bound and way out."""
        settings = self._settings
        return Draft(
            text=checked_text("text", text, settings.text_max_chars),
            kind=_kind(kind),
            schema_version=checked_int("schema_version", schema_version, 1, 2**31 - 1),
            audience=checked_choice("audience", audience, Audience),
            media=self._media(media),
            extra_json=self._extra(extra),
            ref=None if ref is None else checked_text("ref", ref, settings.ref_max_chars, at_least=1),
            reply_to=None if reply_to is None else checked_id("reply_to", reply_to),
        )

    def _media(self, media: object) -> tuple[Media, ...]:
        if isinstance(media, tuple) and not media:
            return ()
        if not isinstance(media, Sequence) or isinstance(media, (str, bytes)):
            raise InvalidArgument(
                "media must be a list of feedkit.Media or dicts with a url", argument="media"
            )
        check_length("media", len(media), self._settings.media_max, "items", "media_max")
        return tuple(self._one_media(f"media[{index}]", one) for index, one in enumerate(media))

    def _one_media(self, name: str, one: object) -> Media:
        if isinstance(one, Mapping):
            try:
                one = Media(**one)
            except TypeError as error:
                fields = ", ".join(field.name for field in attrs.fields(Media))
                raise InvalidArgument(
                    f"{name} must have a url, and may have {fields}", argument=name
                ) from error
        if not isinstance(one, Media):
            message = f"{name} must be a feedkit.Media or a dict with a url, got {type(one).__name__}"
            raise InvalidArgument(message, argument=name)
        limit = self._settings.url_max_chars
        checked_text(f"{name}.url", one.url, limit, at_least=1)
        for field in ("media_type", "content_hash"):
            optional_text(f"{name}.{field}", getattr(one, field), limit)
        optional_text(f"{name}.alt_text", one.alt_text, self._settings.text_max_chars)
        for field, most in (("width", _PIXELS_MAX), ("height", _PIXELS_MAX), ("size_bytes", _BYTES_MAX)):
            if getattr(one, field) is not None:
                checked_int(f"{name}.{field}", getattr(one, field), 0, most)
        return attrs.evolve(one, status=checked_choice(f"{name}.status", one.status, MediaStatus))

    def _extra(self, extra: object) -> str:
        if extra is None:
            return _NO_EXTRA
        if not isinstance(extra, Mapping):
            raise InvalidArgument(f"extra must be a dict, got {type(extra).__name__}", argument="extra")
        _check_nesting(extra, self._settings.extra_max_bytes)
        try:
            stored = json.dumps(extra, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            size = len(stored.encode())
        except (TypeError, ValueError, UnicodeEncodeError) as error:
            message = f"extra must be plain JSON (strings, numbers, booleans, None, lists, dicts): {error}"
            raise InvalidArgument(message, argument="extra") from error
        check_length("extra", size, self._settings.extra_max_bytes, "bytes of JSON", "extra_max_bytes")
        return stored


def checked_text(name: str, text: object, at_most: int, *, at_least: int = 0) -> str:
    """A string of `at_least` to `at_most` characters that every backend can store."""
    if not isinstance(text, str):
        raise InvalidArgument(f"{name} must be a str, got {type(text).__name__}", argument=name)
    if not at_least <= len(text) <= at_most:
        raise LimitExceeded(
            f"{name} must be {at_least}..{at_most} characters, got {len(text)}; {_way_out(len(text))}",
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


def _way_out(length: int) -> str:
    return "shorten it, or raise the setting" if length else "leave it out, or write something"


def optional_text(name: str, text: object, at_most: int) -> str | None:
    """As `checked_text`, or None."""
    return None if text is None else checked_text(name, text, at_most)


def checked_int(name: str, value: object, low: int, high: int) -> int:
    """An int within bounds; a bool is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgument(f"{name} must be an int, got {type(value).__name__}", argument=name)
    if not low <= value <= high:
        raise InvalidArgument(f"{name} must be {low}..{high}, got {shown(value)}", argument=name)
    return int(value)


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
    try:
        return choices(str(value))
    except ValueError as error:
        message = (
            f"{name} must be one of {', '.join(choices)}; got {type(value).__name__} that is none of them"
        )
        raise InvalidArgument(message, argument=name) from error


def check_length(name: str, actual: int, limit: int, unit: str, setting: str) -> None:
    """Refuse what is over a limit. Raises LimitExceeded."""
    if actual > limit:
        raise LimitExceeded(
            f"{name} must be at most {limit} {unit}, got {actual}; shorten it, or raise the setting {setting}",
            argument=name,
            limit=limit,
            actual=actual,
        )


def _kind(kind: object) -> str:
    if kind == "post":
        return "post"
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        message = (
            "kind must be 1..32 characters of a-z, 0-9 and _.:- that start with a letter, such as 'post'"
        )
        raise InvalidArgument(message, argument="kind")
    return kind


def _check_nesting(value: object, size_max: int) -> None:
    """Depth and number of parts, each counted as often as it would be written out."""
    level = [value]
    for _ in range(_NESTING_MAX):
        level = [inner for outer in level for inner in _inner(outer)]
        if not level:
            return
        check_length("extra", len(level), size_max, "bytes of JSON", "extra_max_bytes")
    raise LimitExceeded(
        f"extra must be nested at most {_NESTING_MAX} deep; flatten it", argument="extra", limit=_NESTING_MAX
    )


def _inner(value: object) -> list[object]:
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise InvalidArgument("extra must have str keys only, at every depth", argument="extra")
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else []
