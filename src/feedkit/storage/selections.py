"""The contract of feeds that truth is asked for each time: tags, threads, the parts of a profile."""

from collections.abc import Set
from enum import StrEnum
from typing import Any, Protocol

import attrs

from feedkit.model import Post

Tx = Any
"""As in `feedkit.storage.base`."""


class Part(StrEnum):
    """A part of what one author published."""

    POSTS = "posts"
    """Everything but answers: posts, reposts and quotes."""
    REPLIES = "replies"
    MEDIA = "media"


WHOLE = (Part.POSTS, Part.REPLIES)
"""What an author published is either of these."""


@attrs.frozen(slots=True)
class Span:
    """At most `limit` positions p with `floor` <= p < `before`.

    With `late`, two numbers of events, only those that events above the first, up to the second, published.
    """

    before: int
    floor: int
    limit: int
    late: tuple[int, int] | None = None


class SelectionStore(Protocol):
    """Positions of posts that stand, by what they have in common."""

    def tagged(self, tx: Tx, tag: str, span: Span) -> list[int]:
        """The newest public posts under a tag in its canonical form, descending."""

    def part(self, tx: Tx, author_id: int, part: Part, span: Span) -> list[int]:
        """The newest posts of one part of what an author published, descending."""

    def showing(self, tx: Tx, column: str, value: str, span: Span) -> list[int]:
        """The newest posts with a medium whose `column`, "url" or "content_hash", is `value`; descending."""

    def replies(self, tx: Tx, post_id: int, span: Span) -> list[int]:
        """The oldest direct replies to a post, ascending."""

    def repost_by(self, tx: Tx, author_id: int, post_id: int) -> int | None:
        """The id of the repost of a post that stands, by this author."""

    def ancestors(self, tx: Tx, post_id: int, at_most: int) -> list[int]:
        """The ids of what a post answers, what that answers, and so on: the nearest first."""


class TagStore(Protocol):
    """Under which tags posts stand."""

    def change(self, tx: Tx, post: Post, gone: Set[str], new: Set[str]) -> None:
        """Take a post out from under some tags and put it under others, all in their canonical form."""
