"""The knobs of truth."""

from __future__ import annotations

import attrs

from feedkit.settings.knobs import DAY_MS, choice, whole


@attrs.frozen(kw_only=True, slots=False)
class TruthKnobs:
    """How truth is reached."""

    replica_timeout_ms: int = whole(
        1000,
        10,
        600_000,
        "ms",
        "How long a read replica may take to answer before it is left alone for a while.",
    )
    lease_ms: int = whole(3_600_000, 1000, DAY_MS, "ms", "Time a process reserves on its node id at once.")
    postgres_timeout_ms: int = whole(
        30_000,
        10,
        DAY_MS,
        "ms",
        "How long PostgreSQL may take to connect, or to answer a statement, where feedkit makes the connections.",
    )
    busy_timeout_ms: int = whole(
        5000, 0, 600_000, "ms", "How long a statement waits for a locked SQLite database."
    )
    retries: int = whole(
        5, 0, 100, "attempts", "Further attempts after a transaction failed for a passing reason."
    )
    retry_backoff_ms: int = whole(
        20, 0, 60_000, "ms", "Pause before the first further attempt; it doubles each time."
    )
    sqlite_synchronous: str = choice(
        "NORMAL",
        ("OFF", "NORMAL", "FULL", "EXTRA"),
        "SQLite's `synchronous`: NORMAL survives a crash of the process, FULL also a loss of power.",
    )
    cursor_keys_kept: int = whole(
        3, 1, 100, "keys", "Signing keys that stay valid after rotations; cursors of older keys are refused."
    )
