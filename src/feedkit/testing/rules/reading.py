"""Rules of readers: walks page by page, polls for news, single posts, and everything at once."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from feedkit.testing.known import home, profile
from feedkit.testing.rules.stage import Stage, limit, pick, process, who
from feedkit.testing.walks import Walk


class ReadingRules(Stage):
    """Who looks at what."""

    @rule(viewer=who, author=st.none() | who, nobody=st.booleans(), limit=limit, process=process)
    def begin_walk(self, viewer: str, author: str | None, nobody: bool, limit: int, process: int) -> None:
        """Somebody opens their home or a profile, and may read on later."""
        feed = self.feed(process)
        surface = home(viewer) if author is None else profile(None if nobody else viewer, author)
        walk = Walk.begin(self.model, surface)
        page = self.judge.page(feed, walk, limit)
        if walk.cursor is not None:
            self.keep(walk)
        self.watch(walk.surface, page.newer_cursor)

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
        page = self.judge.page(feed, walk, limit)
        self.watch(walk.surface, page.newer_cursor)
        while at_once and walk.cursor is not None:
            self.judge.page(self.feed(process), walk, limit)
        if walk.cursor is not None:
            self.keep(walk)

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
