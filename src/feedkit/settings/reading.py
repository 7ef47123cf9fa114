"""The knobs of pages."""

from __future__ import annotations

import attrs

from feedkit.settings.knobs import whole


@attrs.frozen(kw_only=True, slots=False)
class ReadingKnobs:
    """How pages are read."""

    page_limit_default: int = whole(20, 1, 500, "items", "Items on a page when the caller names no limit.")
    page_limit_max: int = whole(100, 1, 1000, "items", "The largest limit a caller may ask for.")
    max_scan: int = whole(
        2000, 100, 100_000, "entries", "Entries looked at for one page before it ends as `truncated`."
    )
    thread_depth_max: int = whole(
        100,
        1,
        1000,
        "posts",
        "Posts above the one that a thread is read from; those further up are left out.",
    )
    poll_interval_ms: int = whole(
        200, 1, 60_000, "ms", 'Pause between two looks at the log by the thread of deliver="thread".'
    )
