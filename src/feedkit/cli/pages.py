"""Pages as a person reads them in a terminal."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from feedkit import Feed
from feedkit.cli.output import TEXT_WIDTH, plain
from feedkit.model import Audience, Item, Page, ProfilePage, ThreadPage, User

_MARKS = {Audience.FOLLOWERS: "followers only", Audience.ONLY_ME: "only me"}
_UNITS = ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min"))


def show(console: Console, parts: RenderableType) -> None:
    """Print at a width that is pleasant to read."""
    console.print(parts, width=min(console.width, TEXT_WIDTH))


def home_page(
    feed: Feed[Any], viewer: Any, page: Page[Any], now: datetime, *, ids: bool = False
) -> RenderableType:
    """A home page under the viewer's name; with `ids`, those of the posts as well."""
    user = feed.users.get([viewer]).get(viewer)
    title = Text.assemble("Home of ", (name(user) if user else plain(str(viewer)), "bold"))
    return Group(_head(title), *_lines(feed, viewer, page, now, ids=ids))


def profile_page(
    feed: Feed[Any], viewer: Any, page: ProfilePage[Any], now: datetime, *, ids: bool = False
) -> RenderableType:
    """A profile page under its owner's name and counts."""
    counts = page.counts
    title = Text.assemble(
        (name(page.user), "bold"),
        (f"  {_many(counts.posts, 'post')}, {_many(counts.followers, 'follower')}, ", "dim"),
        (f"{counts.following:,} following", "dim"),
    )
    return Group(_head(title), *_lines(feed, viewer, page, now, ids=ids))


def thread_page(
    feed: Feed[Any], viewer: Any, page: ThreadPage[Any], now: datetime, *, ids: bool = False
) -> RenderableType:
    """A thread: what the post answers, the post, and the replies to it."""
    title = Text.assemble("Thread of ", (name(page.focus.author), "bold"))
    above = [*page.ancestors, page.focus]
    replies = Rule("Replies", align="left", style="dim")
    top = _items(feed, viewer, above, now, ids=ids)
    return Group(_head(title), *top, replies, *_lines(feed, viewer, page, now, ids=ids))


def name(user: User[Any]) -> str:
    """What to call somebody: their display name, else their key."""
    return plain(user.display_name or str(user.key), lines=False)


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that fits; the date from 30 days on."""
    passed = now - moment
    if passed >= timedelta(days=30) or passed < -timedelta(minutes=1):
        return f"{moment:%d %b %Y, %H:%M}"
    for unit, short in _UNITS:
        if passed >= unit:
            return f"{passed // unit} {short} ago"
    return "just now"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _head(title: Text) -> RenderableType:
    return Rule(title, align="left", style="dim")


def _lines(
    feed: Feed[Any], viewer: Any, page: Page[Any], now: datetime, *, ids: bool
) -> Iterator[RenderableType]:
    if not page.items:
        yield Text("Nothing here yet.", style="dim")
    yield from _items(feed, viewer, page.items, now, ids=ids)
    if page.degraded or page.truncated or page.unreadable:
        yield Text(_caveats(page), style="yellow")


def _items(
    feed: Feed[Any], viewer: Any, items: Sequence[Item[Any]], now: datetime, *, ids: bool
) -> Iterator[RenderableType]:
    answered = _answered(feed, viewer, items)
    for item in items:
        yield _headline(item, answered.get(item.post.reply_to or 0), now)
        if ids:
            yield Text(f"  {item.post.id}", style="dim")
        yield Padding(Text(plain(item.post.text)), (0, 0, 1, 2))


def _answered(feed: Feed[Any], viewer: Any, items: Sequence[Item[Any]]) -> dict[int, Item[Any]]:
    """The posts that these reply to, as far as the viewer may see them."""
    ids = list(dict.fromkeys(item.post.reply_to for item in items if item.post.reply_to))
    return {item.post.id: item for item in feed.posts.get(viewer, ids) if item} if ids else {}


def _headline(item: Item[Any], answered: Item[Any] | None, now: datetime) -> Text:
    post, author = item.post, item.author
    line = Text(name(author), style="bold cyan")
    if author.handle:
        line.append(f" @{plain(author.handle, lines=False)}", style="not bold dim")
    line.append(f" · {ago(post.created_at, now)}", style="not bold dim")
    if post.reply_to:
        line.append(
            f" · ↩ to {name(answered.author)}" if answered else " · ↩ reply", style="not bold magenta"
        )
    if mark := _MARKS.get(post.audience):
        line.append(f" · {mark}", style="not bold yellow")
    if post.media:
        line.append(f" · {len(post.media)} media", style="not bold dim")
    return line


def _caveats(page: Page[Any]) -> str:
    said = {
        "something was out of reach, posts may be missing": page.degraded,
        "the scan bound was hit, go on with the cursor": page.truncated,
        f"{page.unreadable} posts could not be decoded": bool(page.unreadable),
    }
    return "; ".join(text for text, holds in said.items() if holds)
