"""Reposting, and taking it back."""

from typing import Any

from feedkit.model import Key, Post
from feedkit.storage.base import Tx
from feedkit.verbs.base import Verbs
from feedkit.writing.checks import checked_id


class RepostVerbs(Verbs[Key]):
    """What people do to show posts of others to their followers."""

    def repost(self, actor: Key, post_id: int | str, *, connection: Any = None) -> Post:
        """Show somebody's post to one's own followers. A second time gives the repost that stands already.

        A repost of a repost shares the post itself. Whoever may not see that sees no repost either.

        Raises:
            NotFound: there is no such post that the actor may see.
            Forbidden: the post is not for everybody, or the actor is suspended.
        """
        runtime, wanted = self.runtime(), checked_id("post_id", post_id)

        def change(tx: Tx | None) -> Post:
            (actor_id,) = runtime.directory.ensure({"actor": actor}, tx)
            return runtime.reposting.repost(actor_id, wanted, tx)

        return runtime.change(change, connection)

    def unrepost(self, actor: Key, post_id: int | str, *, connection: Any = None) -> bool:
        """Take back a repost; `post_id` names it or what it shares. False where there is none."""
        runtime, wanted = self.runtime(), checked_id("post_id", post_id)

        def change(tx: Tx | None) -> bool:
            actor_id = runtime.directory.find(actor, "actor", tx)
            return actor_id is not None and runtime.reposting.unrepost(actor_id, wanted, tx)

        return runtime.change(change, connection)
