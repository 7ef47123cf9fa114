"""Reads from a real feed and holds every answer against the model: the half of `machine` that looks.

Any difference is an AssertionError that says who saw what, and what they should have seen.
"""

import base64
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from feedkit import Feed, Item, NotFound, Page
from feedkit.testing.known import (
    HOME,
    REPLIES,
    TOP,
    Known,
    Line,
    Surface,
    home,
    lines,
    newest_first,
    profile,
    replies,
    texts,
)
from feedkit.testing.model import Model
from feedkit.testing.walks import Walk

_CURSOR_HEAD = struct.Struct(">BHQ")  # version, key, and from where the page goes on down


class Judge:
    """Compares what feeds serve with `model`, and counts in `tally` the interesting cases it met.

    `inbox_entries` is the size of the largest inbox: who scrolls further reads from truth.
    """

    def __init__(self, model: Model, tally: Counter[str], inbox_entries: int) -> None:
        self.model, self.tally = model, tally
        self._inbox_entries = inbox_entries

    # pages

    def page(self, feed: Feed[str], walk: Walk, limit: int) -> Page[str]:
        """Reads the next page of a walk. Where that was the last, the whole of it is judged too."""
        where = str(walk.surface) + ("" if walk.below == TOP else f" below {walk.below}")
        page = read(feed, walk.surface, limit, walk.cursor)
        self.tally["pages"] += 1
        assert (page.degraded, page.unreadable) == (False, 0), f"{where}: {page}"
        shown = self.model.shown(walk.surface)
        got = [self._line(walk.surface, item, shown, where) for item in page]
        until = 0 if page.next_cursor is None else _goes_on_below(page.next_cursor)
        expected = walk.expected(self.model, shown, until)
        if expected is not None:
            wanted = lines(expected)
            assert got == wanted, f"{where}: got {self._said(got)}, expected {self._said(wanted)}"
            self._count_gaps(walk.surface, got, shown)
        self._judge_cursor(walk, page, until, limit, where)
        walk.take(self.model, got, until)
        walk.cursor = page.next_cursor
        if page.next_cursor is None:
            self._judge_whole(walk, where)
        return page

    def walk(self, feed: Feed[str], walk: Walk, limit: int) -> None:
        """Goes on to the end of a walk."""
        while self.page(feed, walk, limit).next_cursor is not None:
            pass

    def known(self, viewer: str | None, item: Item[str]) -> Known:
        """The post of the model that an item shows, unchanged."""
        post = self.model.posts.get(item.post.id)
        assert post is not None, f"served, though never committed: {item.post}"
        assert item.author.key == post.author, f"{post.text} is by {post.author}, not by {item.author.key}"
        served = (item.post.text, item.post.position, str(item.post.audience))
        assert served == (post.text, post.position, post.audience), f"{post} was served as {item.post}"
        own = (item.viewer.reacted, item.viewer.saved)
        assert own == self.model.own(viewer, post.id), (
            f"{viewer} did {self.model.own(viewer, post.id)}: {item}"
        )
        return post

    def _line(self, surface: Surface, item: Item[str], shown: Sequence[Known], where: str) -> Line:
        """A line as it was served, all of which may be seen there."""
        post = self.known(surface.viewer, item)
        inside = None if item.quoted is None else item.quoted.post.id
        assert inside == self.model.quoted(surface, post), f"{where}: {post.text} quotes {inside}"
        line = Line(post.id, item.position, tuple(user.key for user in item.reposted_by))
        entries = [entry for entry in shown if entry.content == post.id]
        assert entries, f"{where}: served, though not visible: {post.text}"
        stands = any(entry.position == line.position for entry in entries)
        assert stands, f"{where}: {post.text} was served at {line.position}, where it is not"
        reposters = [entry.author for entry in entries if entry.repost_of is not None]
        assert set(line.reposted_by) <= set(reposters), f"{where}: {post.text} by {line.reposted_by}"
        return line

    def _judge_cursor(self, walk: Walk, page: Page[str], until: int, limit: int, where: str) -> None:
        self.tally["truncated"] += page.truncated
        if page.next_cursor is not None:
            assert until < walk.below, f"{where}: the cursor stands still"
            assert len(page) == limit or page.truncated, f"{where}: a short page that is not the last"
        assert len(page) <= limit, f"{where}: {len(page)} lines, {limit} were asked for"

    def _judge_whole(self, walk: Walk, where: str) -> None:
        fault = walk.fault()
        assert fault is None, f"{where}, as a whole: {fault}"
        self.tally["polls ended" if walk.is_poll else "walks ended"] += 1
        if walk.surface.kind == HOME:
            self.tally["walks past the inbox"] += len(walk.positions) > self._inbox_entries
        if walk.is_poll:
            self.tally["polls with news"] += bool(walk.served)
            self.tally["polls with late news"] += any(position < walk.top for position in walk.positions)

    def _count_gaps(self, surface: Surface, got: list[Line], shown: Sequence[Known]) -> None:
        """A full page that had to leave out posts by people whom the viewer follows."""
        if surface.kind == HOME and len(got) > 1:
            span = range(got[-1].position, got[0].position)
            there = {entry.id for entry in shown}
            self.tally["pages with gaps closed"] += any(
                post.position in span and post.id not in there
                for post in self.model.posts.values()
                if self.model.following(surface.viewer, post.author)
            )

    def _said(self, found: Sequence[Line]) -> str:
        return " ".join(
            self.model.posts[line.content].text + "".join(f"<{name}" for name in line.reposted_by)
            for line in found
        )

    # single posts

    def look_up(self, feed: Feed[str], viewer: str | None, posts: Sequence[Known]) -> None:
        """A batch by id, and the first of it alone."""
        found = feed.posts.get(viewer, [post.id for post in posts])
        got = [None if item is None else self.known(viewer, item) for item in found]
        wanted = [self.model.seen_by_id(viewer, post) for post in posts]
        assert got == wanted, f"{viewer} looks up {texts(posts)}: got {got}, expected {wanted}"
        if wanted[0] is None:
            refused(NotFound, lambda: feed.post(viewer, posts[0].id))
        else:
            assert self.known(viewer, feed.post(viewer, posts[0].id)) == wanted[0]

    # everything

    def everything(self, feed: Feed[str]) -> None:
        """Every surface of every viewer and every post, from what is resident and from what is wiped."""
        self._every_surface(feed, limit=7)
        feed.wipe()
        self._every_surface(feed, limit=20)
        self.tally["full comparisons"] += 1

    def counts(self, feed: Feed[str]) -> None:
        """The counters, which are exact once the log is drained."""
        feed.drain()
        self._count_engagement(feed)
        for name in self.model.users:
            counts = feed.profile(name, name, limit=1).counts
            got = (counts.followers, counts.following, counts.friends, counts.posts)
            wanted = (*self.model.user_counts(name), self.model.post_count(name))
            assert got == wanted, f"followers, followees, friends and posts of {name}: {got}, not {wanted}"

    def _count_engagement(self, feed: Feed[str]) -> None:
        posts = self.model.posts.values()
        for viewer in (*self.model.users, None):
            for item in feed.posts.get(viewer, [post.id for post in posts]):
                if item is not None:
                    counts = item.counts
                    got = (
                        counts.reactions,
                        counts.comments,
                        counts.replies,
                        counts.reposts,
                        counts.quotes,
                    )
                    wanted = self.model.counted(viewer, item.post.id)
                    assert got == wanted, f"counts of {item.post.text} for {viewer}: {got}, not {wanted}"

    def engagement(self, feed: Feed[str], viewer: str) -> None:
        """All that one viewer saved, and what was said about all that they see."""
        saved = {item.post.id for item in feed.saved(viewer, limit=50)}
        assert saved == self.model.shelf(viewer), f"{viewer} saved {self.model.shelf(viewer)}, got {saved}"
        for post in self.model.posts.values():
            shared = self.model.seen_by_id(viewer, post)
            if shared is None:
                refused(NotFound, partial(feed.comments, viewer, post.id))
            elif shared == post:
                self._conversation(feed, viewer, post, None)

    def _conversation(self, feed: Feed[str], viewer: str | None, post: Known, parent: int | None) -> None:
        page = feed.comments(viewer, post.id, sort="oldest", parent=parent, limit=50)
        got = [(item.comment.id, item.comment.text if item.author else None) for item in page]
        wanted = self.model.conversation(viewer, post.id, parent)
        assert got == wanted, f"{viewer} reads on {post.text} below {parent}: {got}, not {wanted}"
        for id, _ in wanted:
            self._conversation(feed, viewer, post, id)

    def _every_surface(self, feed: Feed[str], limit: int) -> None:
        posts = newest_first(self.model.posts.values())
        for surface in self._surfaces():
            self.walk(feed, Walk.begin(self.model, surface), limit)
        for viewer in (*self.model.users, None):
            if posts:
                self.look_up(feed, viewer, posts)

    def _surfaces(self) -> Iterator[Surface]:
        yield from (home(viewer) for viewer in self.model.users)
        for author in self.model.users:
            for viewer in (*self.model.users, None):
                yield profile(viewer, author)
                yield replies(viewer, author)


def read(feed: Feed[str], surface: Surface, limit: int, cursor: str | None) -> Page[str]:
    """A page of any surface."""
    if surface.kind != HOME:
        tab = "replies" if surface.kind == REPLIES else "posts"
        return feed.profile(surface.viewer, surface.of, tab=tab, limit=limit, cursor=cursor)
    assert surface.viewer is not None, "nobody has no home"
    return feed.home(surface.viewer, limit=limit, cursor=cursor)


def _goes_on_below(cursor: str) -> int:
    """What a cursor says about how far the page before it went. Nobody but a test may look into one."""
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    _, _, before = _CURSOR_HEAD.unpack_from(raw)
    return int(before)


def refused(error: type[Exception], call: Callable[[], object]) -> None:
    """The call has to fail in this way."""
    try:
        done = call()
    except error:
        return
    raise AssertionError(f"{error.__name__} expected, got {done!r}")
