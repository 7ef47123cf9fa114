"""Knobs: how a setting is declared, with its default, its bounds, its unit and what it does, and how it is checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, cast

import attrs

from feedkit.errors import InvalidArgument, shown

DAY_S: Final = 86_400
DAY_MS: Final = 86_400_000
_NAME: Final = "[a-z][a-z0-9_-]{0,31}"


class Names:
    """Lists of names, as text: 1 to 32 of them, each once, of a-z, 0-9, _ and -, separated by commas."""

    _TEXT = re.compile(rf"{_NAME}(,{_NAME}){{0,31}}")

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, str) or not self._TEXT.fullmatch(value):
            return False
        names = value.split(",")
        return len(set(names)) == len(names)


@attrs.frozen(kw_only=True)
class Knob:
    """One row of the documentation: a setting, what it may be, in which unit, and what it does."""

    name: str
    default: int | str
    allowed: range | tuple[str, ...] | Names
    unit: str
    doc: str

    @property
    def minimum(self) -> int | None:
        """The smallest value allowed; None for names."""
        return self.allowed[0] if isinstance(self.allowed, range) else None

    @property
    def maximum(self) -> int | None:
        """The largest value allowed; None for names."""
        return self.allowed[-1] if isinstance(self.allowed, range) else None

    def check(self, value: object) -> None:
        """Raise InvalidArgument with knob, bound and way out; True does not pass for 1, nor 1.0."""
        if type(value) is not type(self.default) or value not in self.allowed:
            raise self.refusal(value)

    def refusal(self, value: object) -> InvalidArgument:
        """The error for a value that is not allowed."""
        if isinstance(self.allowed, range):
            bound = f"a whole number from {self.minimum} to {self.maximum} ({self.unit})"
        elif isinstance(self.allowed, Names):
            bound = "up to 32 different names of a-z, 0-9, _ and -, separated by commas alone"
        else:
            bound = "one of " + ", ".join(self.allowed)
        return InvalidArgument(
            f"{self.name} must be {bound}, got {shown(value)}; the default is {self.default}",
            argument=self.name,
        )


def whole(default: int, minimum: int, maximum: int, unit: str, doc: str) -> Any:
    """Declare a whole number, its bounds included."""
    return _field(default=default, allowed=range(minimum, maximum + 1), unit=unit, doc=doc)


def choice(default: str, allowed: tuple[str, ...], doc: str) -> Any:
    """Declare one of a few words."""
    return _field(default=default, allowed=allowed, unit="name", doc=doc)


def names(default: str, doc: str) -> Any:
    """Declare a list of names, which may also be given as a list."""
    return _field(_joined, default=default, allowed=Names(), unit="names", doc=doc)


def _joined(value: object) -> object:
    """A list of names as one string."""
    several = isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value)
    return ",".join(cast(list[str], value)) if several else value


def _field(converter: Callable[[object], object] | None = None, /, **metadata: Any) -> Any:
    return attrs.field(default=metadata["default"], converter=converter, validator=_check, metadata=metadata)


def _check(_settings: object, field: attrs.Attribute[Any], value: object) -> None:
    knob_of(field).check(value)


def knob_of(field: attrs.Attribute[Any]) -> Knob:
    """The knob that was declared so."""
    return Knob(name=field.name, **field.metadata)
