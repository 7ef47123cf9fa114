"""What every store of lists of people keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from feedkit.errors import Conflict, NotFound
from feedkit.idset import idset
from feedkit.model import Assoc, UserList
from feedkit.storage.base import Truth, Tx
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, read, waits


class ListStoreContract(TruthSuite):
    """The laws of `ListStore`."""

    def test_lists_belong_to_their_owner_and_have_names_of_their_own(self, truth: Truth) -> None:
        lists = truth.lists
        made = UserList(70, "close", NOW_MS)
        truth.write(lambda tx: lists.insert(tx, made, 1))
        truth.write(lambda tx: lists.insert(tx, UserList(71, "Work", NOW_MS), 1))
        truth.write(lambda tx: lists.insert(tx, UserList(72, "close", NOW_MS), 2))
        truth.write(lambda tx: truth.graph.add_many(tx, 70, Assoc.LISTS, idset([9]), NOW_MS))
        truth.write(lambda tx: truth.graph.add_many(tx, 72, Assoc.LISTS, idset([9]), NOW_MS))

        assert truth.read(lambda tx: [one.id for one in lists.of(tx, 1)]) == [71, 70]
        assert truth.read(lambda tx: lists.get(tx, 1, 70)) == made
        assert truth.read(lambda tx: lists.with_member(tx, 1, 9)) == [70]
        assert truth.read(lambda tx: lists.with_member(tx, 1, 8)) == []
        for owner_id, list_id in ((2, 70), (1, 72), (1, 99)):
            with pytest.raises(NotFound):
                read(truth, lists.get, owner_id, list_id)
        with pytest.raises(Conflict):
            truth.write(lambda tx: lists.insert(tx, UserList(73, "close", NOW_MS), 1))
        with pytest.raises(Conflict):
            truth.write(lambda tx: lists.rename(tx, 71, "close"))
        truth.write(lambda tx: lists.delete(tx, 70))
        truth.write(lambda tx: lists.rename(tx, 71, "close"))
        assert truth.read(lambda tx: [(one.id, one.name) for one in lists.of(tx, 1)]) == [(71, "close")]

    def test_changes_to_the_lists_of_one_user_wait(self, shared: Truth) -> None:
        def lock(*owner_ids: int) -> Callable[[Tx], None]:
            return lambda tx: shared.lists.lock(tx, owner_ids)

        assert waits(shared, lock(2, 1), lock(1, 3))
        assert not waits(shared, lock(2, 1), lock(3))
