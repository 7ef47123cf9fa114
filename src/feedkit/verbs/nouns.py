"""`feed.users` and `feed.posts`: verbs that are about many of one noun."""

from collections.abc import Callable, Sequence
from typing import Any, Generic

from feedkit.model import Item, Key, User
from feedkit.runtime import Runtime
from feedkit.storage.base import Tx
from feedkit.verbs.base import UNSET, given
from feedkit.writing.checks import checked_id, checked_many


class Users(Generic[Key]):
    """`feed.users`: what feedkit knows about users beyond their key."""

    def __init__(self, runtime: Callable[[], Runtime[Key]]) -> None:
        self._runtime = runtime

    def put(
        self,
        key: Key,
        *,
        handle: str | None = UNSET,
        display_name: str | None = UNSET,
        time_zone: str | None = UNSET,
        connection: Any = None,
    ) -> User[Key]:
        """Add a user, or change the fields that are given."""
        runtime = self._runtime()
        fields = runtime.user_writing.checked(
            given(handle=handle, display_name=display_name, time_zone=time_zone)
        )

        def change(tx: Tx | None) -> User[Key]:
            (user_id,) = runtime.directory.ensure({"key": key}, tx)
            return runtime.directory.user(runtime.user_writing.patch(user_id, fields, tx))

        return runtime.change(change, connection)

    def get(self, keys: Sequence[Key]) -> dict[Key, User[Key]]:
        """The users among `keys` whom feedkit has met, by key; at most `batch_max` keys."""
        runtime = self._runtime()
        wanted = checked_many("keys", keys, runtime.settings.batch_max)
        runtime.catch_up()
        ids = runtime.directory.find_many(wanted, "keys")
        users = runtime.readthrough.users([user_id for user_id in ids if user_id is not None])
        return {user.key: user for user in users.values()}


class Posts(Generic[Key]):
    """`feed.posts`: batches of posts."""

    def __init__(self, runtime: Callable[[], Runtime[Key]]) -> None:
        self._runtime = runtime

    def get(self, viewer: Key | None, ids: Sequence[int | str]) -> list[Item[Key] | None]:
        """Posts in the order of `ids`, None where the viewer may see none; at most `batch_max` ids."""
        runtime = self._runtime()
        several = checked_many("ids", ids, runtime.settings.batch_max)
        wanted = [checked_id("ids", one, f"[{index}]") for index, one in enumerate(several)]
        viewer_id = runtime.viewer_id(viewer)
        runtime.catch_up()
        return runtime.posts.many(viewer_id, wanted)
