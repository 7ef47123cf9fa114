"""The driver in memory keeps the laws of its contract."""

from typing import Any

from feedkit.storage.memory import MemoryTimelines
from feedkit.storage.timelines import TimelineStore
from feedkit.testing.contracts import BoundedTimelineStoreContract


class TestMemoryTimelines(BoundedTimelineStoreContract):
    def make_store(self, **bounds: Any) -> TimelineStore:
        return MemoryTimelines(**bounds)
