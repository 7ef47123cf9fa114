"""Suites that a storage driver has to pass: subclass them in a test file and say how to make the driver.

    class TestMyTimelines(TimelineStoreContract):
        def make_store(self, **bounds):
            return MyTimelines(**bounds)

The suites of truth, one for each of its stores, ask for a fixture `truth`: migrated for keys of type str, and empty.

    @pytest.fixture
    def truth():
        made = MyTruth("...")
        made.migrate("str", 0)
        yield made
        made.close()

    class TestMyUsers(UserStoreContract):
        pass

The laws are those in the docstrings of `feedkit.storage`. What needs two transactions that write at the same time is
skipped where a truth says that it has `one_writer`. For assertions that tell what they compared, ask pytest before
the import: `pytest.register_assert_rewrite("feedkit.testing.contracts")`.
"""

from feedkit.testing.contracts.bulk import BulkStoreContract
from feedkit.testing.contracts.buses import BusContract
from feedkit.testing.contracts.chunks import ChunkStoreContract
from feedkit.testing.contracts.comments import CommentStoreContract
from feedkit.testing.contracts.counts import CountStoreContract
from feedkit.testing.contracts.engagement import EngagementStoreContract
from feedkit.testing.contracts.events import EventStoreContract
from feedkit.testing.contracts.exporting import ExportStoreContract
from feedkit.testing.contracts.graph import GraphStoreContract
from feedkit.testing.contracts.install import InstallStoreContract
from feedkit.testing.contracts.journals import JournalStoreContract
from feedkit.testing.contracts.letters import LetterStoreContract
from feedkit.testing.contracts.lists import ListStoreContract
from feedkit.testing.contracts.lives import LifeStoreContract, MediaStoreContract
from feedkit.testing.contracts.nodes import NodeStoreContract
from feedkit.testing.contracts.posts import PostStoreContract
from feedkit.testing.contracts.pulled import PulledStoreContract
from feedkit.testing.contracts.selections import SelectionStoreContract
from feedkit.testing.contracts.shared_cache import SharedCacheContract
from feedkit.testing.contracts.timelines import BoundedTimelineStoreContract, TimelineStoreContract
from feedkit.testing.contracts.truth import TruthContract
from feedkit.testing.contracts.users import UserStoreContract

__all__ = [
    "BoundedTimelineStoreContract",
    "BulkStoreContract",
    "BusContract",
    "ChunkStoreContract",
    "CommentStoreContract",
    "CountStoreContract",
    "EngagementStoreContract",
    "EventStoreContract",
    "ExportStoreContract",
    "GraphStoreContract",
    "InstallStoreContract",
    "JournalStoreContract",
    "LetterStoreContract",
    "LifeStoreContract",
    "ListStoreContract",
    "MediaStoreContract",
    "NodeStoreContract",
    "PostStoreContract",
    "PulledStoreContract",
    "SelectionStoreContract",
    "SharedCacheContract",
    "TimelineStoreContract",
    "TruthContract",
    "UserStoreContract",
]
