"""What every group of verbs stands on."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic

from feedkit.model import Key
from feedkit.runtime import Runtime
from feedkit.settings import Settings
from feedkit.writing.checks import checked_int


class _Unset:
    def __repr__(self) -> str:
        return "UNSET"  # in the signatures that help() shows


UNSET: Any = _Unset()
"""The default of an argument that was left out, where None means something."""


def given(**arguments: object) -> dict[str, object]:
    """Those arguments that were not left out."""
    return {name: value for name, value in arguments.items() if value is not UNSET}


NOT_MET = 0
"""An id that nobody has, for whom feedkit has not met."""


class Verbs(ABC, Generic[Key]):
    """A group of verbs over one feed."""

    @abstractmethod
    def runtime(self) -> Runtime[Key]:
        """What this process holds open for the feed; opened now if need be. Not part of the public face."""

    @property
    @abstractmethod
    def _settings(self) -> Settings:
        """The bounds, which are known before anything is open."""

    def _page_limit(self, limit: int | None) -> int:
        return page_limit(self._settings, limit)


class Noun(Generic[Key]):
    """A group of verbs that is reached through a noun, such as `feed.drafts`."""

    def __init__(self, runtime: Callable[[], Runtime[Key]]) -> None:
        self._runtime = runtime

    def _page_limit(self, limit: int | None) -> int:
        return page_limit(self._runtime().settings, limit)


def page_limit(settings: Settings, limit: int | None) -> int:
    """How many items a page is to have. Raises InvalidArgument."""
    if limit is None:
        return min(settings.page_limit_default, settings.page_limit_max)
    return checked_int("limit", limit, 1, settings.page_limit_max)
