"""`feed.lists`: named lists of people."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from feedkit.model import Done, Key, UserList, UserPage
from feedkit.reading.people import Asked
from feedkit.storage.base import Tx
from feedkit.verbs.base import NOT_MET, Noun
from feedkit.writing.checks import checked_id, checked_many

T = TypeVar("T")


class Lists(Noun[Key]):
    """`feed.lists`: lists of people that one user keeps, to read what they post, or to post to them alone.

    Only the owner sees a list or changes it. Verbs that take a `list_id` raise NotFound for anybody else's, and
    for one that does not exist.
    """

    def create(self, owner: Key, name: str, *, connection: Any = None) -> UserList:
        """Make an empty list.

        Raises:
            Conflict: the owner has a list of that name.
            LimitExceeded: the owner has `lists_max` lists, or the name is over `list_name_max_chars`.
        """
        runtime = self._runtime()
        checked = runtime.list_writing.checked_name(name)

        def change(tx: Tx | None) -> UserList:
            (owner_id,) = runtime.directory.ensure({"owner": owner}, tx)
            return runtime.list_writing.create(owner_id, checked, tx)

        return runtime.change(change, connection)

    def rename(self, owner: Key, list_id: int | str, name: str, *, connection: Any = None) -> UserList:
        """Give a list another name. Raises like `create`."""
        runtime = self._runtime()
        checked = runtime.list_writing.checked_name(name)
        return self._on_one(
            lambda owner_id, wanted, tx: runtime.list_writing.rename(owner_id, wanted, checked, tx),
            owner,
            list_id,
            connection,
        )

    def delete(self, owner: Key, list_id: int | str, *, connection: Any = None) -> Done:
        """Remove a list. What was posted to it is seen by its author alone from now on."""
        runtime = self._runtime()

        def change(owner_id: int, found_id: int, tx: Tx | None) -> Done:
            runtime.list_writing.delete(owner_id, found_id, tx)
            return Done(1)

        return self._on_one(change, owner, list_id, connection)

    def add(self, owner: Key, list_id: int | str, keys: Sequence[Key], *, connection: Any = None) -> int:
        """Put users on a list, at most `batch_max` at once; how many were not on it. They are not told.

        Raises:
            Forbidden: the owner and one of them block each other.
            LimitExceeded: there would be more than `list_members_max` on it.
        """
        runtime = self._runtime()
        wanted = checked_many("keys", keys, runtime.settings.batch_max)
        named = {f"keys[{index}]": key for index, key in enumerate(wanted)}
        runtime.directory.checked(named)

        def change(owner_id: int, found_id: int, tx: Tx | None) -> int:
            return runtime.list_writing.add(owner_id, found_id, runtime.directory.ensure(named, tx), tx)

        return self._on_one(change, owner, list_id, connection)

    def remove(self, owner: Key, list_id: int | str, keys: Sequence[Key], *, connection: Any = None) -> Done:
        """Take users off a list, at most `batch_max` at once; how many were on it."""
        runtime = self._runtime()
        wanted = checked_many("keys", keys, runtime.settings.batch_max)

        def change(owner_id: int, found_id: int, tx: Tx | None) -> Done:
            ids = [runtime.directory.find(key, "keys", tx) for key in wanted]
            members = [user_id for user_id in ids if user_id is not None]
            return Done(runtime.list_writing.remove(owner_id, found_id, members, tx))

        return self._on_one(change, owner, list_id, connection)

    def of(self, owner: Key) -> list[UserList]:
        """All lists of one's own, by name."""
        runtime = self._runtime()
        owner_id = runtime.directory.find(owner, "owner")
        return [] if owner_id is None else runtime.people.lists(owner_id)

    def members(
        self, owner: Key, list_id: int | str, *, limit: int | None = None, cursor: str | None = None
    ) -> UserPage[Key]:
        """A page of those on a list, the newest first, without who is suspended."""
        runtime = self._runtime()
        size = self._page_limit(limit)
        wanted = checked_id("list_id", list_id)
        owner_id = runtime.directory.find(owner, "owner") or NOT_MET
        tag = runtime.directory.viewer_tag(owner)
        asked = Asked(f"list:{wanted}:members", owner_id, tag, cursor, size)
        return runtime.people.members(asked, wanted)

    def _on_one(
        self, work: Callable[[int, int, Tx | None], T], owner: Key, list_id: int | str, connection: Any
    ) -> T:
        runtime = self._runtime()
        wanted = checked_id("list_id", list_id)

        def change(tx: Tx | None) -> T:
            return work(runtime.directory.find(owner, "owner", tx) or NOT_MET, wanted, tx)

        return runtime.change(change, connection)
