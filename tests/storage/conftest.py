"""Truth of either database, migrated and empty."""

from collections.abc import Iterator

import pytest

from feedkit import Settings
from feedkit.storage.sql.truth import SqlTruth

NOW_MS = 1_767_225_600_000  # 2026-01-01T00:00Z


def opened(target: str) -> SqlTruth:
    truth = SqlTruth(target, "feedkit", Settings(busy_timeout_ms=2000, retry_backoff_ms=1))
    truth.migrate("str", NOW_MS)
    return truth


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def truth(request: pytest.FixtureRequest) -> Iterator[SqlTruth]:
    """SQLite in memory, or PostgreSQL."""
    url = "memory://" if request.param == "sqlite" else request.getfixturevalue("postgres_database")
    made = opened(url)
    yield made
    made.close()


@pytest.fixture
def pg_truth(postgres_database: str) -> Iterator[SqlTruth]:
    """PostgreSQL, where several transactions can be open at once."""
    made = opened(postgres_database)
    yield made
    made.close()
