"""Every driver of truth keeps the laws of its contracts."""

from typing import get_type_hints

from feedkit.storage.base import Truth
from feedkit.testing import contracts


class TestTruth(contracts.TruthContract):
    pass


class TestUsers(contracts.UserStoreContract):
    pass


class TestPosts(contracts.PostStoreContract):
    pass


class TestGraph(contracts.GraphStoreContract):
    pass


class TestLists(contracts.ListStoreContract):
    pass


class TestCounts(contracts.CountStoreContract):
    pass


class TestEvents(contracts.EventStoreContract):
    pass


class TestPulled(contracts.PulledStoreContract):
    pass


class TestNodes(contracts.NodeStoreContract):
    pass


class TestInstall(contracts.InstallStoreContract):
    pass


class TestLives(contracts.LifeStoreContract):
    pass


class TestMedia(contracts.MediaStoreContract):
    pass


class TestLetters(contracts.LetterStoreContract):
    pass


class TestChunks(contracts.ChunkStoreContract):
    pass


class TestJournals(contracts.JournalStoreContract):
    pass


class TestSelections(contracts.SelectionStoreContract):
    pass


class TestEngagement(contracts.EngagementStoreContract):
    pass


class TestComments(contracts.CommentStoreContract):
    pass


class TestBulk(contracts.BulkStoreContract):
    pass


class TestExport(contracts.ExportStoreContract):
    pass


def test_every_store_of_truth_has_a_suite_and_every_suite_is_run() -> None:
    stores = {hint.__name__ for hint in get_type_hints(Truth).values() if hint is not bool}
    stores -= {"TagStore"}  # is checked with what is selected by tags
    suites = {
        name
        for name in contracts.__all__
        if not name.endswith(("TimelineStoreContract", "CacheContract", "BusContract"))
    }
    assert {f"{store}Contract" for store in stores} | {"TruthContract"} == suites
    run = {base.__name__ for one in globals().values() if isinstance(one, type) for base in one.__bases__}
    assert suites <= run
