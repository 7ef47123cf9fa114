"""Publishing and deleting posts."""

from feedkit.clock import Clock
from feedkit.errors import NotFound
from feedkit.fanout.routing import Router
from feedkit.model import Event, EventKind, Post
from feedkit.storage.base import Truth, Tx
from feedkit.storage.minting import Minting
from feedkit.writing.drafts import Draft


class Publishing:
    """The verbs for posts. A post, its media, its route and its event are one transaction."""

    def __init__(self, truth: Truth, minting: Minting, router: Router, clock: Clock) -> None:
        self._truth, self._minting, self._router, self._clock = truth, minting, router, clock

    def publish(self, author_id: int, draft: Draft, host_tx: Tx | None = None) -> Post:
        """Store a post and the event that will deliver it. Raises Conflict where its `ref` is taken."""
        post = self._post(self._minting.mint(host_tx), author_id, draft)
        return self._truth.write(
            lambda tx: self._store(tx, post), within=host_tx, landed=lambda tx: self._stored(tx, post.id)
        )

    def delete(self, author_id: int, post_id: int, host_tx: Tx | None = None) -> bool:
        """Delete a post of this author; False where that has happened already.

        Raises NotFound where the author has no such post, whoever else may.
        """
        return self._truth.write(lambda tx: self._delete(tx, author_id, post_id), within=host_tx)

    def _post(self, post_id: int, author_id: int, draft: Draft) -> Post:
        now_ms = self._clock.now_ms()
        return Post(
            id=post_id,
            position=post_id,
            author_id=author_id,
            created_ms=now_ms,
            published_ms=now_ms,
            kind=draft.kind,
            schema_version=draft.schema_version,
            text=draft.text,
            extra_json=draft.extra_json,
            audience=draft.audience,
            ref=draft.ref,
            reply_to=draft.reply_to,
            media=draft.media,
        )

    def _store(self, tx: Tx, post: Post) -> Post:
        route = self._router.route(tx, post.author_id)
        self._truth.posts.insert(tx, post)
        event = Event(
            EventKind.POST_PUBLISHED,
            post.author_id,
            post.id,
            post.created_ms,
            post.position,
            route,
            post.audience,
        )
        self._truth.events.append(tx, event)
        return post

    def _stored(self, tx: Tx, post_id: int) -> Post | None:
        posts, _ = self._truth.posts.get_many(tx, [post_id])
        return posts[0] if posts else None

    def _delete(self, tx: Tx, author_id: int, post_id: int) -> bool:
        now_ms = self._clock.now_ms()
        gone = self._truth.posts.delete(tx, post_id, author_id, now_ms)
        if gone is None:
            stored = self._stored(tx, post_id)
            if stored is None or stored.author_id != author_id:
                raise no_such_post()
            return False
        position, audience = gone
        event = Event(EventKind.POST_DELETED, author_id, post_id, now_ms, position, audience=audience)
        self._truth.events.append(tx, event)
        return True


def no_such_post() -> NotFound:
    """One error for a post that does not exist and for one of somebody else's."""
    return NotFound("post_id names no post of this author", argument="post_id")
