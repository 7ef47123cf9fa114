"""A feed of either database, and a file for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import feedkit
from tests.cases.case_tools import opened


@pytest.fixture
def feed(backend_url: str) -> Iterator[feedkit.Feed[str]]:
    with opened(backend_url) as made:
        yield made


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'feed.db'}"
