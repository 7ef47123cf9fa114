"""What somebody acts on: looked up, and checked to be there for them, in the transaction of the act."""

from collections.abc import Sequence
from typing import Any, Generic

import attrs

from feedkit.clock import Clock
from feedkit.errors import Forbidden, NotFound
from feedkit.model import Comment, Key, Post, User
from feedkit.relations import Relations, no_relations
from feedkit.storage.base import Truth, Tx
from feedkit.storage.directory import Directory
from feedkit.visibility import Surface, comments_visible, may_share, visible


class Targets(Generic[Key]):
    """Finds posts and comments for somebody who wants to act on them.

    What does not exist, what is deleted and what this person may not see give one and the same NotFound.
    To act on a repost is to act on the post that it shares.
    """

    def __init__(self, truth: Truth, directory: Directory[Key], clock: Clock) -> None:
        self._truth, self._directory, self._clock = truth, directory, clock

    def post(self, tx: Tx, actor_id: int, post_id: int, argument: str) -> Post:
        """A post that the actor sees."""
        post = self._post(tx, actor_id, post_id)
        if post is None:
            raise NotFound(f"{argument} names no post that the actor can see", argument=argument)
        return post

    def shareable(self, tx: Tx, actor_id: int, post_id: int, argument: str) -> Post:
        """A post that the actor sees, and may show to others. Raises Forbidden where that would widen its audience."""
        post = self.post(tx, actor_id, post_id, argument)
        author = self._user(tx, post.author_id)
        if author is None or not may_share(post, author, actor_id):
            raise Forbidden(f"{argument} names a post that is not for everybody to see", argument=argument)
        return post

    def named_by(self, tx: Tx, post: Post) -> Post:
        """A post that is about to be published, once its author may answer and quote what it answers and quotes."""
        reply_to, quote_of = post.reply_to, post.quote_of
        if reply_to is not None:
            reply_to = self.post(tx, post.author_id, reply_to, "reply_to").id
        if quote_of is not None:
            quote_of = self.shareable(tx, post.author_id, quote_of, "quote_of").id
        if (reply_to, quote_of) == (post.reply_to, post.quote_of):
            return post
        return attrs.evolve(post, reply_to=reply_to, quote_of=quote_of)

    def comment(
        self, tx: Tx, actor_id: int, comment_id: int, argument: str, message: str
    ) -> tuple[Comment, Post]:
        """A comment that the actor sees, and its post; the message is that of the error."""
        found = self._comment(tx, actor_id, comment_id)
        if found is None:
            raise NotFound(message, argument=argument)
        return found

    def either(self, tx: Tx, actor_id: int, target_id: int, argument: str) -> int:
        """The id of what is acted on: a post or a comment that the actor sees."""
        post = self._post(tx, actor_id, target_id)
        if post is not None:
            return post.id
        if self._comment(tx, actor_id, target_id) is None:
            message = f"{argument} names no post or comment that the actor can see"
            raise NotFound(message, argument=argument)
        return target_id

    def _post(self, tx: Tx, actor_id: int, post_id: int) -> Post | None:
        get = self._truth.posts.get
        post = get(tx, post_id)
        shared = None if post is None or post.repost_of is None else get(tx, post.repost_of)
        if post is None or (post.repost_of is not None and shared is None):
            return None
        posts = [post] if shared is None else [post, shared]
        authors = [self._user(tx, one.author_id) for one in posts]
        lists = [one.list_id for one in posts if one.list_id is not None]
        relations = self._relations(tx, actor_id, [*(one.author_id for one in posts), *lists])
        seen = visible(posts, authors, relations, Surface.POST, self._clock.now_ms())
        return posts[-1] if all(seen) else None

    def _comment(self, tx: Tx, actor_id: int, comment_id: int) -> tuple[Comment, Post] | None:
        comment = self._truth.comments.get(tx, comment_id)
        post = None if comment is None else self._post(tx, actor_id, comment.post_id)
        if comment is None or post is None:
            return None
        author = self._user(tx, comment.author_id)
        relations = self._relations(tx, actor_id, (comment.author_id,))
        seen = comments_visible((comment,), (author,), relations, self._clock.now_ms())
        return (comment, post) if seen[0] else None

    def _user(self, tx: Tx, user_id: int) -> User[Any] | None:
        row = self._truth.users.get(tx, user_id)
        return None if row is None else self._directory.user(row)

    def _relations(self, tx: Tx, actor_id: int, others: Sequence[int]) -> Relations:
        if all(other == actor_id for other in others):
            return no_relations(actor_id)
        return self._truth.graph.relations_with(tx, actor_id, others, self._clock.now_ms())
