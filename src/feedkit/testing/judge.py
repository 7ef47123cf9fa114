"""Reads from a real feed and holds every answer against the model: the half of `machine` that looks.

Any difference is an AssertionError that says who saw what, and what they should have seen.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from feedkit import Feed, Item, NotFound, Page, ProfilePage, ThreadPage
from feedkit.testing.known import (
    HOME,
    LIST_FEED,
    MEDIA,
    PROFILE,
    REPLIES,
    TAG,
    TAGS,
    THREAD,
    TOP,
    Known,
    Line,
    Surface,
    home,
    lines,
    list_feed,
    media,
    newest_first,
    profile,
    replies,
    tag,
    texts,
    thread,
)
from feedkit.testing.model import Model
from feedkit.testing.records import Records, refused
from feedkit.testing.walks import Walk

_TABS = {PROFILE: "posts", REPLIES: "replies", MEDIA: "media"}
_THREADS = 3


class Judge(Records):
    """Compares what feeds serve with `model`, and counts in `tally` the interesting cases it met.

    `inbox_entries` is the size of the largest inbox: who scrolls further reads from truth.
    """

    def __init__(self, model: Model, tally: Counter[str], inbox_entries: int) -> None:
        super().__init__(model)
        self.tally = tally
        self._inbox_entries = inbox_entries

    # pages

    def page(self, feed: Feed[str], walk: Walk, limit: int) -> Page[str] | None:
        """Reads the next page of a walk. Where that was the last, the whole of it is judged too.

        None where the viewer has to find that there is no such surface.
        """
        where = str(walk.surface) + ("" if walk.below == TOP else f" below {walk.below}")
        if not self.model.opens(walk.surface):
            refused(NotFound, lambda: read(feed, walk.surface, limit, walk.cursor))
            walk.cursor = None
            self.tally["closed"] += 1
            return None
        page = read(feed, walk.surface, limit, walk.cursor)
        self.tally["pages"] += 1
        if walk.cursor is None:
            self._judge_head(walk.surface, page, where)
        assert (page.degraded, page.unreadable) == (False, 0), f"{where}: {page}"
        shown = self.model.shown(walk.surface)
        got = [self._line(walk.surface, item, shown, where) for item in page]
        until = 0 if page.next_cursor is None else _goes_on_below(feed, page.next_cursor)
        expected = walk.expected(self.model, shown, until)
        if expected is not None:
            wanted = lines(walk.surface, expected)
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
        self.page(feed, walk, limit)
        while walk.cursor is not None:
            self.page(feed, walk, limit)

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

    def _judge_head(self, surface: Surface, page: Page[str], where: str) -> None:
        """What stands only where a surface begins."""
        viewer = surface.viewer
        if surface.kind == PROFILE:
            pinned = [item.post.id for item in page.pinned] if isinstance(page, ProfilePage) else None
            wanted = self.model.pinned(viewer, surface.of)
            assert pinned == wanted, f"{where}: {pinned} are pinned, not {wanted}"
            self.tally["pins seen"] += bool(wanted)
        if surface.kind == THREAD:
            assert isinstance(page, ThreadPage)
            above = [self.known(viewer, item).id for item in page.ancestors]
            chain = [post.id for post in self.model.above(surface)]
            assert above == chain, f"{where}: below {above}, not {chain}"
            assert self.known(viewer, page.focus).id == int(surface.of), where
            self.tally["ancestors seen"] += bool(chain)

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
        self.tally[f"walks: {walk.surface.kind}"] += bool(walk.places)
        if walk.surface.kind == HOME:
            self.tally["walks past the inbox"] += len(walk.places) > self._inbox_entries
        if walk.is_poll:
            self.tally["polls with news"] += bool(walk.served)
            self.tally["polls with late news"] += any(
                walk.surface.kind != THREAD and place < walk.top for place in walk.places
            )

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
        """Every surface of every viewer and every post, from what is resident; then what stands in inboxes, anew."""
        self._walk_all(feed, (*self._materialised(), *self._from_truth()), limit=7)
        self._look_around(feed)
        feed.wipe()
        self._walk_all(feed, self._materialised(), limit=20)
        self._look_around(feed)
        self.tally["full comparisons"] += 1

    def _walk_all(self, feed: Feed[str], surfaces: Iterable[Surface], limit: int) -> None:
        for surface in surfaces:
            self.walk(feed, Walk.begin(self.model, surface), limit)

    def _look_around(self, feed: Feed[str]) -> None:
        """All that is no feed."""
        posts = newest_first(self.model.posts.values())
        for viewer in (*self.model.users, None):
            if posts:
                self.look_up(feed, viewer, posts)
            for person in self.model.users[:2]:
                self.reacted(feed, viewer, person)
        self.lists(feed)
        self.staff(feed)

    def _materialised(self) -> Iterator[Surface]:
        yield from (home(viewer) for viewer in self.model.users)
        yield from (list_feed(owner, list_id) for list_id, owner in self.model.owners.items())

    def _from_truth(self) -> Iterator[Surface]:
        posts = self.model.posts
        answered = {post.reply_to for post in posts.values() if post.reply_to is not None}
        for viewer in (*self.model.users, None):
            for author in self.model.users:
                yield from (profile(viewer, author), replies(viewer, author))
            yield from (media(viewer, author) for author in self.model.users[:2])
            yield from (tag(viewer, one) for one in TAGS)
            yield from (thread(viewer, one) for one in sorted(answered)[-_THREADS:])


def read(feed: Feed[str], surface: Surface, limit: int, cursor: str | None) -> Page[str]:
    """A page of any surface."""
    if surface.kind in _TABS:
        return feed.profile(surface.viewer, surface.of, tab=_TABS[surface.kind], limit=limit, cursor=cursor)
    if surface.kind == TAG:
        return feed.tag(surface.viewer, surface.of, limit=limit, cursor=cursor)
    if surface.kind == THREAD:
        return feed.thread(surface.viewer, surface.of, limit=limit, cursor=cursor)
    assert surface.viewer is not None, "nobody has neither a home nor lists"
    if surface.kind == LIST_FEED:
        return feed.list_feed(surface.viewer, surface.of, limit=limit, cursor=cursor)
    return feed.home(surface.viewer, limit=limit, cursor=cursor)


def _goes_on_below(feed: Feed[str], cursor: str) -> int:
    """What a cursor says about how far the page before it went. Nobody but a test may look into one."""
    return feed.runtime().cursors.peek(cursor).before
