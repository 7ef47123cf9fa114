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
