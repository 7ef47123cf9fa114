"""Truth of every driver, migrated and empty."""

from collections.abc import Iterator

import pytest

from feedkit import Settings
from feedkit.storage.sql.truth import SqlTruth

NOW_MS = 1_767_225_600_000  # 2026-01-01T00:00Z


def opened(target: str) -> SqlTruth:
    truth = SqlTruth(target, "feedkit", Settings(busy_timeout_ms=2000, retry_backoff_ms=1))
    truth.migrate("str", NOW_MS)
    return truth


@pytest.fixture
def truth(backend_url: str) -> Iterator[SqlTruth]:
    """A SQLite file, SQLite in memory, or PostgreSQL."""
    made = opened(backend_url)
    yield made
    made.close()
