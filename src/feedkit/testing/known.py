"""What the model knows of posts and of the places where they are shown. Users are named by their keys."""

from collections.abc import Iterable
from dataclasses import dataclass

PUBLIC, UNLISTED, FOLLOWERS, FRIENDS, LIST, ONLY_ME = (
    "public",
    "unlisted",
    "followers",
    "friends",
    "list",
    "only_me",
)
HOME, PROFILE, REPLIES, MEDIA = "home", "profile", "replies of", "media of"
TAG, LIST_FEED, THREAD = "tag", "list", "thread below"
TOP = 2**63
"""Above every position."""
TAGS = ("tea",)
"""What texts may hold, behind a #."""


@dataclass(frozen=True)
class Known:
    """A post as it was acknowledged, or as it was last changed.

    `order` counts commits: it is not the order of positions. `at_ms` is what the writer's clock said. Both are
    of the commit that brought it into view, which is a later one for what was taken back and restored.
    `by_private`: its author was private when it came into view, or came to be for these people.
    """

    id: int
    position: int
    author: str
    audience: str
    text: str
    at_ms: int
    order: int = 0
    list_id: int | None = None
    reply_to: int | None = None
    repost_of: int | None = None
    quote_of: int | None = None
    expires_ms: int | None = None
    by_private: bool = False
    has_media: bool = False

    @property
    def content(self) -> int:
        """The id of the post whose text it shows."""
        return self.repost_of or self.id

    @property
    def tags(self) -> set[str]:
        """What its text puts it under."""
        return {word[1:].rstrip("'") for word in self.text.split() if word.startswith("#")}


@dataclass(frozen=True)
class Surface:
    """A feed that someone pages through. None is logged out; `of` says whose profile, or what."""

    kind: str
    viewer: str | None
    of: str = ""

    def place(self, position: int) -> int:
        """Where an entry stands; a page begins with the highest place. Of a thread that is the oldest entry."""
        return TOP - 1 - position if self.kind == THREAD else position

    def __str__(self) -> str:
        return f"{self.kind} {self.of} as {self.viewer} sees it".replace("  ", " ")


def home(viewer: str) -> Surface:
    """Somebody's home feed."""
    return Surface(HOME, viewer)


def profile(viewer: str | None, author: str) -> Surface:
    """What an author published, but for answers."""
    return Surface(PROFILE, viewer, author)


def replies(viewer: str | None, author: str) -> Surface:
    """What an author answered to others."""
    return Surface(REPLIES, viewer, author)


def media(viewer: str | None, author: str) -> Surface:
    """What an author published with pictures."""
    return Surface(MEDIA, viewer, author)


def tag(viewer: str | None, tag: str) -> Surface:
    """What everybody published under a tag."""
    return Surface(TAG, viewer, tag)


def list_feed(owner: str, list_id: int) -> Surface:
    """What the members of somebody's list published."""
    return Surface(LIST_FEED, owner, str(list_id))


def thread(viewer: str | None, post_id: int) -> Surface:
    """The answers to a post, the oldest first."""
    return Surface(THREAD, viewer, str(post_id))


@dataclass(frozen=True)
class Line:
    """One line of a page: whose post it shows and who brought it in, the latest first."""

    content: int
    position: int
    reposted_by: tuple[str, ...] = ()


def lines(surface: Surface, entries: Iterable[Known]) -> list[Line]:
    """The lines that entries come to: a post stands once, where its first entry does."""
    found: dict[int, Line] = {}
    for entry in in_order(surface, entries):
        line = found.get(entry.content, Line(entry.content, entry.position))
        is_new = entry.repost_of is not None and entry.author not in line.reposted_by
        by = (*line.reposted_by, entry.author) if is_new else line.reposted_by
        found[entry.content] = Line(line.content, line.position, by)
    return list(found.values())


def in_order(surface: Surface, entries: Iterable[Known]) -> list[Known]:
    """As a surface shows them."""
    return sorted(entries, key=lambda entry: surface.place(entry.position), reverse=True)


def newest_first(posts: Iterable[Known]) -> list[Known]:
    """By position, the highest first."""
    return sorted(posts, key=lambda post: post.position, reverse=True)


def texts(posts: Iterable[Known]) -> str:
    """For messages: what the posts say, in order."""
    return " ".join(post.text for post in posts) or "nothing"
