from datetime import UTC, datetime, timedelta

import pytest

from feedkit.cli.output import plain
from feedkit.cli.pages import ago

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\ufffd[31mred\ufffd[0m"),
        ("\x9b31m", "\ufffd31m"),
        ("a\rb\tc", "a b c"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("bell\x07 nul\x00", "bell\ufffd nul\ufffd"),
        ("\ud800 alone", "\ufffd alone"),
        ("two\nlines", "two\nlines"),
        ("\U0001f469\u200d\U0001f680 \u0628\u064e", "\U0001f469\u200d\U0001f680 \u0628\u064e"),
    ],
)
def test_a_text_from_outside_cannot_drive_the_terminal(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_name_stays_on_its_line() -> None:
    assert plain("Ada\nroot", lines=False) == "Ada root"


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(seconds=-20), "just now"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=23), "23 h ago"),
        (timedelta(days=29), "29 d ago"),
        (timedelta(days=31), "29 Jan 2026, 12:00"),
        (timedelta(days=-2), "03 Mar 2026, 12:00"),
    ],
)
def test_times_are_told_as_people_tell_them(passed: timedelta, said: str) -> None:
    assert ago(NOW - passed, NOW) == said
