"""Every knob of a feed in one place: its default, its bounds, its unit and what it does.

A `Settings` is validated when it is made and never changes. Hosts pass one to `connect`, written
out (`Settings(page_limit_max=200)`) or read from the environment (`Settings.from_env()`).
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from typing import Any

import attrs

from feedkit.errors import InvalidArgument
from feedkit.settings.content import ContentKnobs
from feedkit.settings.knobs import Knob, knob_of
from feedkit.settings.log import LogKnobs
from feedkit.settings.materialised import MaterialisedKnobs
from feedkit.settings.reading import ReadingKnobs
from feedkit.settings.truth import TruthKnobs


# The fields of the last one come first.
@attrs.frozen(kw_only=True)
class Settings(TruthKnobs, LogKnobs, MaterialisedKnobs, ContentKnobs, ReadingKnobs):
    """The knobs. Names that end in `_s` are seconds, in `_ms` milliseconds, in `_bytes` bytes."""

    def __attrs_post_init__(self) -> None:
        self._at_most("page_limit_default", "page_limit_max")
        self._at_most("page_limit_max", "max_scan")

    def _at_most(self, smaller: str, larger: str) -> None:
        low, high = getattr(self, smaller), getattr(self, larger)
        if low > high:
            raise InvalidArgument(
                f"{smaller} must be at most {larger} ({high}), got {low}; lower {smaller} or raise {larger}",
                argument=smaller,
            )

    @classmethod
    def from_env(cls, prefix: str = "FEEDKIT_", environ: Mapping[str, str] | None = None) -> Settings:
        """Settings from variables such as `FEEDKIT_PAGE_LIMIT_MAX=200`; what is not set keeps its default.

        `environ` defaults to `os.environ`. Raises InvalidArgument for a value that is no whole number
        or out of bounds, and for a variable with the prefix that names no knob, listing close names.
        """
        if not prefix:
            raise InvalidArgument(
                "prefix must not be empty, or every variable would name a knob; use FEEDKIT_",
                argument="prefix",
            )
        environ = os.environ if environ is None else environ
        given = {name: text for name, text in environ.items() if name.startswith(prefix)}
        given.pop(prefix + "DB", None)  # the command line's own: which database
        knobs = {prefix + knob.name.upper(): knob for knob in cls.describe()}
        if unknown := sorted(given.keys() - knobs.keys()):
            raise _unknown(unknown, list(knobs))
        return cls(**{knobs[name].name: _parsed(knobs[name], text) for name, text in given.items()})

    @classmethod
    def describe(cls) -> list[Knob]:
        """Every knob, in order, for documentation."""
        return [knob_of(field) for field in attrs.fields(cls)]


def _parsed(knob: Knob, text: str) -> Any:
    if isinstance(knob.allowed, tuple):
        return next((name for name in knob.allowed if name.lower() == text.strip().lower()), text)
    if isinstance(knob.default, str):
        return text.strip()
    try:
        return int(text)
    except ValueError:
        raise knob.refusal(text) from None


def _unknown(names: list[str], known: list[str]) -> InvalidArgument:
    hints = []
    for name in names:
        close = difflib.get_close_matches(name.upper(), known, n=3)
        hints.append(f"{name} (did you mean {' or '.join(close)}?)" if close else name)
    return InvalidArgument(
        f"no setting is named {', '.join(hints)}; unset it, or see Settings.describe() for all names",
        argument=names[0],
    )
