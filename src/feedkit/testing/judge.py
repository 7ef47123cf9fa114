"""Reads from a real feed and holds every answer against the model: the half of `machine` that looks.

Any difference is an AssertionError that says who saw what, and what they should have seen.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from feedkit import Feed, Item, NotFound, Page
from feedkit.testing.model import TOP, Known, Model, Surface, Walk, newest_first, texts


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
        got = [self.known(item) for item in page]
        self.tally["pages"] += 1
        assert (page.degraded, page.unreadable) == (False, 0), f"{where}: {page}"
        hidden = [post for post in got if not self.model.belongs(walk.surface, post)]
        assert not hidden, f"{where}: served, though not visible: {texts(hidden)}"
        expected = walk.expected(self.model) if walk.exact else None
        if expected is not None:
            self._judge_exactly(walk, page, got, expected, limit, where)
        self._judge_cursor(walk, page, got, limit, where)
        walk.take(got)
        walk.cursor = page.next_cursor
        if page.next_cursor is None:
            self._judge_whole(walk, where)
        return page

    def walk(self, feed: Feed[str], walk: Walk, limit: int) -> None:
        """Goes on to the end of a walk."""
        while self.page(feed, walk, limit).next_cursor is not None:
            pass

    def known(self, item: Item[str]) -> Known:
        """The post of the model that an item is, unchanged."""
        post = self.model.posts.get(item.post.id)
        assert post is not None, f"served, though never committed: {item.post}"
        assert item.author.key == post.author, f"{post.text} is by {post.author}, not by {item.author.key}"
        served = (item.post.text, item.post.position, str(item.post.audience))
        assert served == (post.text, post.position, post.audience), f"{post} was served as {item.post}"
        return post

    def _judge_exactly(
        self, walk: Walk, page: Page[str], got: list[Known], expected: list[Known], limit: int, where: str
    ) -> None:
        wanted = expected[: len(got) if page.truncated else limit]
        assert got == wanted, f"{where}: got {texts(got)}, expected {texts(wanted)}"
        ended = page.next_cursor is None
        assert not ended or len(got) == len(expected), f"{where}: ended above {texts(expected[len(got) :])}"
        if page.truncated:
            walk.exact = False
        self._count_gaps(walk.surface, got)

    def _judge_cursor(self, walk: Walk, page: Page[str], got: list[Known], limit: int, where: str) -> None:
        self.tally["truncated"] += page.truncated
        if page.next_cursor is not None:
            assert page.next_cursor != walk.cursor, f"{where}: the cursor stands still"
            assert len(got) == limit or page.truncated, f"{where}: a short page that is not the last"

    def _judge_whole(self, walk: Walk, where: str) -> None:
        fault = walk.fault()
        assert fault is None, f"{where}, as a whole: {fault}"
        self.tally["polls ended" if walk.is_poll else "walks ended"] += 1
        if walk.surface.author is None:
            self.tally["walks past the inbox"] += len(walk.served) > self._inbox_entries
        if walk.is_poll:
            self.tally["polls with news"] += bool(walk.served)
            self.tally["polls with late news"] += any(post.position < walk.top for post in walk.served)

    def _count_gaps(self, surface: Surface, got: list[Known]) -> None:
        """A full page that had to leave out posts by people whom the viewer follows."""
        if surface.author is None and len(got) > 1:
            span = range(got[-1].position, got[0].position)
            passed = [
                post
                for post in self.model.posts.values()
                if post.position in span and (surface.viewer, post.author) in self.model.follows
            ]
            self.tally["pages with gaps closed"] += any(post not in got for post in passed)

    # single posts

    def look_up(self, feed: Feed[str], viewer: str | None, posts: Sequence[Known]) -> None:
        """A batch by id, and the first of it alone."""
        found = feed.posts.get(viewer, [post.id for post in posts])
        got = [None if item is None else self.known(item) for item in found]
        wanted = [post if self.model.may_see(viewer, post) else None for post in posts]
        assert got == wanted, f"{viewer} looks up {texts(posts)}: got {got}, expected {wanted}"
        if wanted[0] is None:
            refused(NotFound, lambda: feed.post(viewer, posts[0].id))
        else:
            assert self.known(feed.post(viewer, posts[0].id)) == wanted[0]

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
        for name in self.model.users:
            counts = feed.profile(name, name, limit=1).counts
            got, wanted = (counts.followers, counts.following, counts.posts), self.model.counts(name)
            assert got == wanted, f"followers, followees and posts of {name}: {got}, expected {wanted}"

    def _every_surface(self, feed: Feed[str], limit: int) -> None:
        posts = newest_first(self.model.posts.values())
        for surface in self._surfaces():
            self.walk(feed, Walk.begin(self.model, surface), limit)
        for viewer in (*self.model.users, None):
            if posts:
                self.look_up(feed, viewer, posts)

    def _surfaces(self) -> Iterator[Surface]:
        yield from (Surface(viewer) for viewer in self.model.users)
        for author in self.model.users:
            yield from (Surface(viewer, author) for viewer in (*self.model.users, None))


def read(feed: Feed[str], surface: Surface, limit: int, cursor: str | None) -> Page[str]:
    """A page of any surface."""
    if surface.author is not None:
        return feed.profile(surface.viewer, surface.author, limit=limit, cursor=cursor)
    assert surface.viewer is not None, "nobody has no home"
    return feed.home(surface.viewer, limit=limit, cursor=cursor)


def refused(error: type[Exception], call: Callable[[], object]) -> None:
    """The call has to fail in this way."""
    try:
        done = call()
    except error:
        return
    raise AssertionError(f"{error.__name__} expected, got {done!r}")
