"""Where output goes: what was asked for to stdout, what is said on the way to stderr."""

import json
import sys
import unicodedata
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

TEXT_WIDTH = 88
"""Columns that a text is wrapped at, at most."""


class Output:
    """The two streams of one command. With `as_json`, stdout is kept for the one JSON line."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.notes = Console(stderr=True, highlight=False)
        self.console = self.notes if as_json else Console(highlight=False)

    def result(self, value: Mapping[str, Any]) -> None:
        """The command's answer, as the last line of stdout, if JSON was asked for."""
        if self.as_json:
            sys.stdout.write(json.dumps(value) + "\n")
            sys.stdout.flush()

    def progress(self, unit: str = "posts") -> Progress:
        """A bar on stderr with so many per second."""
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            PerSecond(),
            TimeRemainingColumn(),
            console=self.notes,
        )


class PerSecond(ProgressColumn):
    """How many steps a second, over all of the time so far."""

    def render(self, task: Any) -> Text:
        """The column's text."""
        rate = task.completed / task.elapsed if task.elapsed else 0
        return Text(f"{rate:,.0f}/s", style="progress.data.speed")


def error_line(message: str) -> None:
    """One red line on stderr."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        Text(plain(message, lines=False), style="bold red")
    )


def plain(text: str, *, lines: bool = True) -> str:
    """A text from outside, made harmless for a terminal: no control, no direction marks.

    Newlines stay if `lines`. Everything taken out leaves a space or the replacement character.
    """
    return "".join(_plain(char, lines) for char in text)


def _plain(char: str, lines: bool) -> str:
    if char.isspace():
        return "\n" if char == "\n" and lines else " "
    if char in "\u200d\ufe0e\ufe0f":  # emoji are joined with these
        return char
    return "\ufffd" if unicodedata.category(char) in {"Cc", "Cf", "Cs"} else char
