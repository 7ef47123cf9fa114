"""Rules of readers: walks page by page, polls for news, single posts, and everything at once."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from feedkit import Feed
from feedkit.testing.known import (
    HOME,
    LIST_FEED,
    MEDIA,
    REPLIES,
    TAG,
    TAGS,
    THREAD,
    Surface,
    home,
    list_feed,
    profile,
    tag,
    thread,
)
from feedkit.testing.rules.stage import USERS, Stage, limit, pick, process, who
from feedkit.testing.walks import Walk

_elsewhere = st.sampled_from((THREAD, THREAD, TAG, LIST_FEED, REPLIES, MEDIA))


class ReadingRules(Stage):
    """Who looks at what."""

    @rule(viewer=who, author=st.none() | who, nobody=st.booleans(), limit=limit, process=process)
    def begin_walk(self, viewer: str, author: str | None, nobody: bool, limit: int, process: int) -> None:
        """Somebody opens their home or a profile, and may read on later."""
        surface = home(viewer) if author is None else profile(None if nobody else viewer, author)
        self.begin(surface, limit, process)

    @rule(kind=_elsewhere, viewer=who, nobody=st.booleans(), pick=pick, limit=limit, process=process)
    def begin_elsewhere(
        self, kind: str, viewer: str, nobody: bool, pick: int, limit: int, process: int
    ) -> None:
        """Somebody opens a thread, a tag, a list, or another tab of a profile."""
        surface = self._elsewhere(kind, viewer, None if nobody else viewer, pick)
        if surface is not None:
            self.begin(surface, limit, process)

    def _elsewhere(self, kind: str, member: str, viewer: str | None, pick: int) -> Surface | None:
        """One of those that there are; of lists also other people's, which do not open."""
        if kind == TAG:
            return tag(viewer, TAGS[0])
        if kind == LIST_FEED:
            lists = sorted(self.model.owners)
            return list_feed(member, lists[pick % len(lists)]) if lists else None
        if kind == THREAD:
            posts = [post for post in self.posts() if post.repost_of is None]
            return thread(viewer, posts[pick % len(posts)].id) if posts else None
        return Surface(kind, viewer, USERS[pick % len(USERS)])

    @precondition(lambda self: self.walks)
    @rule(pick=pick, pages=st.integers(1, 5), limit=limit, process=process)
    def continue_walk(self, pick: int, pages: int, limit: int, process: int) -> None:
        """Somebody reads on."""
        walk = self.walks.pop(pick % len(self.walks))
        for _ in range(pages):
            self.page(walk, limit, process)
            if walk.cursor is None:
                return
            self.walks.remove(walk)
        self.keep(walk)

    @precondition(lambda self: self.watches)
    @rule(pick=pick, limit=limit, at_once=st.booleans(), process=process)
    def poll(self, pick: int, limit: int, at_once: bool, process: int) -> None:
        """What has come since some page: read to its end, or left open for `continue_walk`."""
        feed = self.feed(process)
        walk = self.watches.pop(pick % len(self.watches)).poll(self.model)
        count = self._count_newer(feed, walk, limit)
        page = self.judge.page(feed, walk, limit)
        if page is not None:
            assert count in (None, len(page)), f"{walk.surface}: {count} were said to be new, not {len(page)}"
            self.watch(walk.surface, page.newer_cursor)
        while at_once and walk.cursor is not None:
            self.judge.page(self.feed(process), walk, limit)
        if walk.cursor is not None:
            self.keep(walk)

    def _count_newer(self, feed: Feed[str], walk: Walk, at_most: int) -> int | None:
        """What is said to be new on a home page, which the page that follows has to bear out."""
        viewer, cursor = walk.surface.viewer, walk.cursor
        if walk.surface.kind != HOME or viewer is None or cursor is None:
            return None
        self.tally["counted newer"] += 1
        return feed.count_newer(viewer, cursor, at_most=at_most)

    @precondition(lambda self: self.model.posts)
    @rule(viewer=st.none() | who, picks=st.lists(pick, min_size=1, max_size=6), process=process)
    def look_up(self, viewer: str | None, picks: list[int], process: int) -> None:
        """Somebody asks for posts by their ids, whoever may see them."""
        posts = self.posts()
        self.judge.look_up(self.feed(process), viewer, [posts[pick % len(posts)] for pick in picks])

    @precondition(lambda self: not self.compared)
    @rule(process=process)
    def compare_everything(self, process: int) -> None:
        """Everybody looks at everything."""
        self.finish_walks(process)
        self.judge.everything(self.feed(process))
        self.compared = True
