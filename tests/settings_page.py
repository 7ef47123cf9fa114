"""Writes docs/settings.md from `Settings.describe()`: python -m tests.settings_page"""

from pathlib import Path

from feedkit.settings import Settings
from feedkit.settings.knobs import Knob, Names

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"

HEAD = """\
# Settings

Every bound and size of a feed, with its default. A `Settings` is checked when it is made and never changes;
what is out of bounds is refused with a message that names the setting, the bound and the way out.

```python
import feedkit

settings = feedkit.Settings(page_limit_max=200, inbox_entries=400)
with feedkit.connect("memory://", settings=settings) as feed:
    feed.home("bob", limit=200)
```

Or from the environment: `FEEDKIT_PAGE_LIMIT_MAX=200` and so on. A variable with the prefix that names no
setting is an error that lists close names.

```python
settings = feedkit.Settings.from_env()  # prefix="FEEDKIT_" unless another is given
```

The names of times end in `_s` (seconds) or `_ms` (milliseconds), those of sizes in `_bytes`.

Some bounds are fixed: an `idempotency_key` has 1 to 255 characters, the `kind` of a post up to 32, a tag up to 100, a
`time_zone` up to 64; `extra` is nested up to 32 deep; a picture has up to 1,000,000 pixels each way.

This page is written from the code by `.venv/bin/python -m tests.settings_page`; a test tells when it is not.

| setting | default | allowed | unit | what it does |
|---|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_row(knob) for knob in Settings.describe())


def _row(knob: Knob) -> str:
    if isinstance(knob.allowed, range):
        allowed = f"{knob.minimum:,} to {knob.maximum:,}"
    elif isinstance(knob.allowed, Names):
        allowed = "1 to 32 names"
    else:
        allowed = ", ".join(f"`{name}`" for name in knob.allowed)
    default = f"{knob.default:,}" if isinstance(knob.default, int) else f"`{knob.default}`"
    return f"| `{knob.name}` | {default} | {allowed} | {knob.unit} | {knob.doc} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
