"""Processes of one feed that share a Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import feedkit
from tests.shared.tools import SETTINGS, Feed


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'feedkit.db'}"


@pytest.fixture
def another(target: str, redis_url: str) -> Iterator[Callable[..., Feed]]:
    """Makes processes, as far as feedkit can tell, which have applied nothing yet."""
    made: list[Feed] = []

    def make(**given: Any) -> Feed:
        made.append(feedkit.connect(target, **{"redis": redis_url, "settings": SETTINGS, **given}))
        return made[-1]

    yield make
    for feed in made:
        feed.close()


@pytest.fixture
def feed(another: Callable[..., Feed]) -> Feed:
    return another()
