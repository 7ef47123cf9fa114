"""Named lists of people, which their owners make and fill."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from feedkit.clock import Clock
from feedkit.errors import Forbidden, InvalidArgument, LimitExceeded
from feedkit.idset import EMPTY, Ids, idset
from feedkit.model import Assoc, Event, EventKind, UserList
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx
from feedkit.storage.minting import Minting
from feedkit.writing.checks import checked_text

T = TypeVar("T")
_MEMBERS_PER_EVENT = 500


class ListWriting:
    """The verbs for lists. Every change to a list comes with events that name whom it concerns.

    They raise NotFound where the owner has no such list, whoever else may have it.
    """

    def __init__(self, truth: Truth, minting: Minting, clock: Clock, settings: Settings) -> None:
        self._truth, self._minting, self._clock, self._settings = truth, minting, clock, settings

    def checked_name(self, name: object) -> str:
        """A name within its bounds. Raises InvalidArgument or LimitExceeded."""
        return checked_text(
            "name", name, self._settings.list_name_max_chars, "list_name_max_chars", at_least=1
        )

    def create(self, owner_id: int, name: str, host_tx: Tx | None = None) -> UserList:
        """Make an empty list. Raises Conflict where the owner has one of that name."""
        made = UserList(self._minting.mint(host_tx), name, self._clock.now_ms())
        return self._truth.write(
            lambda tx: self._create(tx, owner_id, made),
            within=host_tx,
            landed=lambda tx: made if made in self._truth.lists.of(tx, owner_id) else None,
        )

    def rename(self, owner_id: int, list_id: int, name: str, host_tx: Tx | None = None) -> UserList:
        """Give a list another name. Raises Conflict where the owner has one of that name."""
        return self._on_one(partial(self._rename, name=name), owner_id, list_id, host_tx)

    def delete(self, owner_id: int, list_id: int, host_tx: Tx | None = None) -> None:
        """Remove a list: the author alone sees what was posted to it."""
        self._on_one(self._delete, owner_id, list_id, host_tx)

    def add(self, owner_id: int, list_id: int, member_ids: Iterable[int], host_tx: Tx | None = None) -> int:
        """Put users on a list; how many were not on it."""
        return self._on_one(partial(self._add, members=idset(member_ids)), owner_id, list_id, host_tx)

    def remove(
        self, owner_id: int, list_id: int, member_ids: Iterable[int], host_tx: Tx | None = None
    ) -> int:
        """Take users off a list; how many were on it."""
        return self._on_one(partial(self._remove, members=idset(member_ids)), owner_id, list_id, host_tx)

    def _on_one(
        self, change: Callable[[Tx, int, UserList], T], owner_id: int, list_id: int, host_tx: Tx | None
    ) -> T:
        def work(tx: Tx) -> T:
            self._truth.lists.lock(tx, (owner_id,))
            return change(tx, owner_id, self._truth.lists.get(tx, owner_id, list_id))

        return self._truth.write(work, within=host_tx)

    def _create(self, tx: Tx, owner_id: int, made: UserList) -> UserList:
        lists, limit = self._truth.lists, self._settings.lists_max
        lists.lock(tx, (owner_id,))
        if len(lists.of(tx, owner_id)) >= limit:
            raise LimitExceeded(
                f"owner has {limit} lists, the most there may be; delete one, or raise the setting lists_max",
                argument="owner",
                limit=limit,
            )
        lists.insert(tx, made, owner_id)
        self._log(tx, owner_id, made, EMPTY)
        return made

    def _rename(self, tx: Tx, owner_id: int, found: UserList, *, name: str) -> UserList:
        if name == found.name:
            return found
        self._truth.lists.rename(tx, found.id, name)
        self._log(tx, owner_id, found, EMPTY)
        return UserList(found.id, name, found.created_ms)

    def _delete(self, tx: Tx, owner_id: int, found: UserList) -> None:
        graph = self._truth.graph
        members = graph.range(tx, found.id, Assoc.LISTS, 0, self._settings.list_members_max)
        while len(members):  # a bound may have been lowered since
            self._log(tx, owner_id, found, graph.remove_many(tx, found.id, Assoc.LISTS, members))
            members = graph.range(tx, found.id, Assoc.LISTS, 0, self._settings.list_members_max)
        self._truth.lists.delete(tx, found.id)
        self._log(tx, owner_id, found, EMPTY)

    def _add(self, tx: Tx, owner_id: int, found: UserList, *, members: Ids) -> int:
        graph, limit = self._truth.graph, self._settings.list_members_max
        if owner_id in members:
            raise InvalidArgument("keys must be others than the owner", argument="keys")
        held = graph.between_many(tx, owner_id, members)
        if any(Assoc.BLOCKS in ties or Assoc.BLOCKED_BY in ties for ties in held.values()):
            message = "keys cannot go on a list of owner's: one of them and the owner block each other"
            raise Forbidden(message, argument="keys")
        added = graph.add_many(tx, found.id, Assoc.LISTS, members, self._clock.now_ms())
        if len(added) and graph.count(tx, found.id, Assoc.LISTS, limit + 1) > limit:
            raise LimitExceeded(
                f"keys would make more than {limit} users on one list; remove some, or raise the setting "
                "list_members_max",
                argument="keys",
                limit=limit,
            )
        if len(added):
            self._log(tx, owner_id, found, added)
        return len(added)

    def _remove(self, tx: Tx, owner_id: int, found: UserList, *, members: Ids) -> int:
        removed = self._truth.graph.remove_many(tx, found.id, Assoc.LISTS, members)
        if len(removed):
            self._log(tx, owner_id, found, removed)
        return len(removed)

    def _log(self, tx: Tx, owner_id: int, found: UserList, members: Ids) -> None:
        now_ms = self._clock.now_ms()
        for start in range(0, max(1, len(members)), _MEMBERS_PER_EVENT):
            about = tuple(("member", one) for one in members[start : start + _MEMBERS_PER_EVENT].tolist())
            event = Event(EventKind.LIST_CHANGED, owner_id, found.id, now_ms, about=about)
            self._truth.events.append(tx, event)
