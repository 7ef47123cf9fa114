"""Every driver of truth keeps the laws of its contracts."""

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
