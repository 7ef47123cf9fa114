"""Every change of a post, with the event that it comes to."""

import attrs

from feedkit.errors import NotFound
from feedkit.fanout.routing import Router
from feedkit.model import ENDS, OF_PRIVATE, Event, EventKind, Post, PostStatus, Route
from feedkit.storage.base import Truth, Tx
from feedkit.writing.entities import tags_of


class PostWriting:
    """Stores posts and their changes. What others are told follows from how the post stood before and after."""

    def __init__(self, truth: Truth, router: Router) -> None:
        self._truth, self._router = truth, router

    def store(self, tx: Tx, before: Post | None, after: Post, now_ms: int) -> Post:
        """Store a new post, or what has changed of one that is locked. Raises Conflict where its `ref` is taken."""
        event = self._event(tx, before, after, now_ms)
        if before is None:
            self._truth.posts.insert(tx, after)
        else:
            self._truth.lives.change(tx, before, after)
        self._tag(tx, before, after)
        if event is not None:
            self._truth.events.append(tx, event)
        return after

    def own(self, tx: Tx, author_id: int, post_id: int) -> Post:
        """A post of this author, locked; deleted ones too. Raises NotFound."""
        post = self._truth.lives.lock(tx, post_id)
        if post is None or post.author_id != author_id:
            raise no_such_post()
        return post

    def check_list(self, tx: Tx, author_id: int, list_id: int | None) -> None:
        """Refuse a list that is not the author's. Raises NotFound."""
        if list_id is not None and not self._truth.lives.owns_list(tx, author_id, list_id):
            raise NotFound("list names no list of this author", argument="list")

    def _tag(self, tx: Tx, before: Post | None, after: Post) -> None:
        """A post stands under the tags of its text from the moment that it has a position."""
        was = tags_of(before.entities) if before is not None and before.position else set()
        tags = tags_of(after.entities) if after.position else set()
        if tags != was:
            self._truth.tags.change(tx, after, was - tags, tags - was)

    def _event(self, tx: Tx, before: Post | None, after: Post, now_ms: int) -> Event | None:
        """None where others could see the post neither before nor after."""
        was_seen = before is not None and is_seen(before)
        if is_seen(after):
            kind = EventKind.POST_EDITED if was_seen else EventKind.POST_PUBLISHED
            route = self._router.route(tx, after.author_id)
            event = post_event(kind, after, now_ms, route, before if was_seen else None)
            return self._counted_or_not(tx, event)
        if was_seen:
            return post_event(EventKind.POST_DELETED, after, now_ms)
        if after.scheduled_ms is not None and (before is None or before.scheduled_ms != after.scheduled_ms):
            return Event(EventKind.POST_SCHEDULED, after.author_id, after.id, now_ms)
        return None

    def _counted_or_not(self, tx: Tx, event: Event) -> Event:
        """What names another post is counted there unless its author is private now, whenever the log is applied."""
        author = self._truth.users.get(tx, event.actor_id) if event.about else None
        if author is None or not author.private:
            return event
        return attrs.evolve(event, about=(*event.about, (OF_PRIVATE, event.actor_id)))


def post_event(
    kind: EventKind, post: Post, now_ms: int, route: Route = Route.PUSH, before: Post | None = None
) -> Event:
    """What the log says of a post: an edit tells its audience of before as well."""
    ends = None if post.expires_ms is None else post.author_id
    roles = (("reply", post.reply_to), ("repost", post.repost_of), ("quote", post.quote_of), (ENDS, ends))
    return Event(
        kind,
        post.author_id,
        post.id,
        now_ms,
        post.position,
        route,
        post.audience,
        detail="" if before is None else before.audience.value,
        about=tuple((role, one) for role, one in roles if one is not None),
    )


def no_such_post() -> NotFound:
    """One error for a post that does not exist and for one of somebody else's."""
    return NotFound("post_id names no post of this author", argument="post_id")


def is_seen(post: Post) -> bool:
    """Whether a post is published and not deleted."""
    return post.status is PostStatus.PUBLISHED and post.deleted_ms is None
