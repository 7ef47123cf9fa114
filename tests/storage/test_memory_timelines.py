"""The driver in memory keeps the laws of its contract."""

from typing import Any

from feedkit.storage.base import TimelineStore
from feedkit.storage.memory import MemoryTimelines
from feedkit.testing.contracts import BoundedTimelineStoreContract


class TestMemoryTimelines(BoundedTimelineStoreContract):
    def make_store(self, **bounds: Any) -> TimelineStore:
        return MemoryTimelines(**bounds)
