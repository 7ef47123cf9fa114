"""`feed.users` and `feed.posts`: verbs that are about many of one noun."""

from collections.abc import Sequence
from typing import Any

from feedkit.model import Item, Key, Revision, User
from feedkit.storage.base import Tx
from feedkit.verbs.base import UNSET, Noun, given
from feedkit.writing.checks import checked_id, checked_many, checked_text


class Users(Noun[Key]):
    """`feed.users`: what feedkit knows about users beyond their key."""

    def put(
        self,
        key: Key,
        *,
        handle: str | None = UNSET,
        display_name: str | None = UNSET,
        time_zone: str | None = UNSET,
        private: bool = UNSET,
        connection: Any = None,
    ) -> User[Key]:
        """Add a user, or change the fields that are given.

        Who is `private` lets people follow them one by one, with `accept`; what they post is seen by followers
        alone. Those who follow already stay. Who is public again has the requests that are waiting still to be
        accepted or declined, or made anew by those who asked.
        """
        runtime = self._runtime()
        fields = runtime.user_writing.checked(
            given(handle=handle, display_name=display_name, time_zone=time_zone, private=private)
        )

        def change(tx: Tx | None) -> User[Key]:
            (user_id,) = runtime.directory.ensure({"key": key}, tx)
            return runtime.directory.user(runtime.user_writing.patch(user_id, fields, tx))

        return runtime.change(change, connection)

    def get(self, keys: Sequence[Key]) -> dict[Key, User[Key]]:
        """The users among `keys` whom feedkit has met, by key; at most `batch_max` keys."""
        runtime = self._runtime()
        wanted = checked_many("keys", keys, runtime.settings.batch_max)
        runtime.log.catch_up()
        ids = runtime.directory.find_many(wanted, "keys")
        users = runtime.readthrough.users([user_id for user_id in ids if user_id is not None])
        return {user.key: user for user in users.values()}


class Posts(Noun[Key]):
    """`feed.posts`: batches of posts."""

    def get(self, viewer: Key | None, ids: Sequence[int | str]) -> list[Item[Key] | None]:
        """Posts in the order of `ids`, None where the viewer may see none; at most `batch_max` ids."""
        runtime = self._runtime()
        several = checked_many("ids", ids, runtime.settings.batch_max)
        wanted = [checked_id("ids", one, f"[{index}]") for index, one in enumerate(several)]
        viewer_id = runtime.viewer_id(viewer)
        runtime.log.catch_up()
        return runtime.posts.many(viewer_id, wanted)

    def by_ref(self, viewer: Key | None, refs: Sequence[str]) -> dict[str, Item[Key]]:
        """The posts that the host named so, by `ref`, as far as the viewer may see them; at most `batch_max`."""
        runtime = self._runtime()
        several = checked_many("refs", refs, runtime.settings.batch_max)
        wanted = [
            checked_text("refs", ref, runtime.settings.ref_max_chars, "ref_max_chars") for ref in several
        ]
        viewer_id = runtime.viewer_id(viewer)
        runtime.log.catch_up()
        return runtime.posts.by_ref(viewer_id, wanted)

    def revisions(self, author: Key, post_id: int | str) -> list[Revision]:
        """What one's own post said before each edit, the first first. Raises NotFound for anybody else's."""
        runtime, wanted = self._runtime(), checked_id("post_id", post_id)
        return runtime.own_posts.revisions(runtime.directory.find(author, "author"), wanted)
