"""What a host hands in to be published, checked against every bound before anything is written."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import attrs

from feedkit.errors import InvalidArgument, LimitExceeded
from feedkit.model import Audience, Media, MediaStatus
from feedkit.settings import Settings
from feedkit.writing.checks import (
    check_length,
    checked_choice,
    checked_id,
    checked_int,
    checked_text,
    optional_text,
)
from feedkit.writing.timing import AT_ONCE, Timing

_KIND = re.compile(r"[a-z][a-z0-9_.:-]{0,31}")
_NESTING_MAX = 32
_NO_EXTRA = "{}"
_PIXELS_MAX = 1_000_000
_BYTES_MAX = 1 << 50


@attrs.frozen(slots=True, kw_only=True)
class Draft:
    """A post's content, checked, and when it is to be seen. The fields are named as those of a Post."""

    text: str = ""
    kind: str = "post"
    schema_version: int = 1
    audience: Audience = Audience.PUBLIC
    list_id: int | None = None
    media: tuple[Media, ...] = ()
    extra_json: str = _NO_EXTRA
    ref: str | None = None
    reply_to: int | None = None
    quote_of: int | None = None
    fallback: str | None = None
    timing: Timing = AT_ONCE

    def content(self) -> dict[str, Any]:
        """The fields of the post that it makes, but for its place and time."""
        return dict(zip(_CONTENT, _content_of(self), strict=True))

    def digest(self) -> bytes:
        """The same for the same content, whenever and wherever it is handed in."""
        extra = json.dumps(json.loads(self.extra_json), sort_keys=True)
        # What was left out leaves no trace, so that newer code, with more fields, knows the key of a retry.
        told = attrs.asdict(attrs.evolve(self, extra_json=extra), filter=_was_given)
        return hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16).digest()


def _was_given(field: "attrs.Attribute[Any]", value: object) -> bool:
    return value != field.default


_CONTENT = tuple(field.name for field in attrs.fields(Draft) if field.name != "timing")
_content_of = attrgetter(*_CONTENT)
_MEDIUM = tuple(field.name for field in attrs.fields(Media))
_ALWAYS = ("url", "status")  # what no medium is without


class Drafting:
    """Makes drafts under the bounds of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def draft(self, timing: Timing = AT_ONCE, **given: object) -> Draft:
        """A draft of what is given, named as `publish` names it; None is no value, but for the text.

        Raises InvalidArgument or LimitExceeded, naming the part, bound and way out.
        """
        told = {name: value for name, value in given.items() if value is not None or name == "text"}
        return Draft(**self.changes(told, Audience.PUBLIC), timing=timing)

    def changes(self, given: Mapping[str, object], audience: Audience) -> dict[str, Any]:
        """The fields of a post that are given, checked; `audience` is what it had before. Raises like `draft`."""
        checked: dict[str, Any] = {}
        for name, value in given.items():
            if name not in ("audience", "list"):
                field, check = self._parts[name]
                checked[field] = check(self, value)
        if "audience" in given or given.get("list") is not None:
            checked |= _audience(given.get("audience", audience), given.get("list"))
        return checked

    def _text(self, text: object) -> str:
        return checked_text("text", text, self._settings.text_max_chars, "text_max_chars")

    def _ref(self, ref: object) -> str | None:
        longest = self._settings.ref_max_chars
        return None if ref is None else checked_text("ref", ref, longest, "ref_max_chars", at_least=1)

    def _fallback(self, fallback: object) -> str | None:
        return optional_text("fallback", fallback, self._settings.fallback_max_chars, "fallback_max_chars")

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
        given = {
            part: value for part in _MEDIUM if (value := getattr(one, part)) is not None or part in _ALWAYS
        }
        checked = self.media_fields(given, f"{name}.")
        return one if type(one) is Media and checked["status"] is one.status else Media(**checked)

    def media_fields(self, given: Mapping[str, object], where: str = "") -> dict[str, Any]:
        """Fields of a medium, within their bounds. Raises like `draft`."""
        url_limit = self._settings.url_max_chars, "url_max_chars"
        text_limit = self._settings.text_max_chars, "text_max_chars"
        checked = dict(given)
        for field, value in given.items():
            name = where + field
            if field == "url":
                checked_text(name, value, *url_limit, at_least=1)
            elif field == "status":
                checked[field] = checked_choice(name, value, MediaStatus)
            elif field in ("width", "height", "size_bytes"):
                if value is not None:
                    checked_int(name, value, 0, _BYTES_MAX if field == "size_bytes" else _PIXELS_MAX)
            else:
                optional_text(name, value, *(text_limit if field == "alt_text" else url_limit))
        return checked

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

    # How each argument is checked, and which field of a post it becomes.
    _parts: Mapping[str, Any] = {
        "text": ("text", _text),
        "kind": ("kind", lambda _, kind: _kind(kind)),
        "schema_version": (
            "schema_version",
            lambda _, version: checked_int("schema_version", version, 1, 2**31 - 1),
        ),
        "media": ("media", _media),
        "extra": ("extra_json", _extra),
        "ref": ("ref", _ref),
        "reply_to": ("reply_to", lambda _, one: None if one is None else checked_id("reply_to", one)),
        "quote_of": ("quote_of", lambda _, one: None if one is None else checked_id("quote_of", one)),
        "fallback": ("fallback", _fallback),
    }


def _audience(audience: object, list_id: object) -> dict[str, Any]:
    """Both fields that name an audience: a list is named where, and only where, the audience is one."""
    chosen = checked_choice("audience", audience, Audience)
    if (chosen is Audience.LIST) is not (list_id is not None):
        message = 'list must be the id of one of your lists, together with audience="list" and with no other'
        raise InvalidArgument(message, argument="list")
    return {"audience": chosen, "list_id": None if list_id is None else checked_id("list", list_id)}


def _kind(kind: object) -> str:
    if kind == "post":
        return "post"
    if kind == "repost":
        raise InvalidArgument('kind must not be "repost", which feed.repost makes', argument="kind")
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
