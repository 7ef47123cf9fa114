"""What is counted, kept, said and listed: the part of the judge that is about more than posts on pages."""

from collections.abc import Callable
from functools import partial

from feedkit import Feed, NotFound
from feedkit.testing.known import PROFILE, Known, Surface, lines, newest_first
from feedkit.testing.model import Model


class Records:
    """Compares with `model` what feeds tell of doings and of people."""

    def __init__(self, model: Model) -> None:
        self.model = model

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

    def reacted(self, feed: Feed[str], viewer: str | None, person: str) -> None:
        """What somebody reacted to, page after page, with the eyes of somebody else, too."""
        page = feed.profile(viewer, person, tab="reactions", limit=3)
        got = [item.post.id for item in page]
        while page.next_cursor is not None:
            page = feed.profile(viewer, person, tab="reactions", limit=3, cursor=page.next_cursor)
            got += [item.post.id for item in page]
        wanted = self.model.reacted_to(viewer, person)
        assert got == wanted, f"what {person} reacted to as {viewer} sees it: {got}, not {wanted}"

    def lists(self, feed: Feed[str]) -> None:
        """Everybody's lists, and who is on them."""
        for owner in self.model.users:
            mine = self.model.lists_of(owner)
            assert sorted(one.id for one in feed.lists.of(owner)) == mine, f"the lists of {owner}"
            for list_id in mine:
                got = set(feed.lists.members(owner, list_id).keys)
                wanted = {who for who in self.model.members[list_id] if not self.model.is_suspended(who)}
                assert got == wanted, f"on a list of {owner}: {got}, not {wanted}"

    def staff(self, feed: Feed[str]) -> None:
        """Staff see all that was published, whatever has become of it since."""
        staff = feed.staff("a judge", reason="to compare")
        for post in newest_first(self.model.posts.values())[:3]:
            assert staff.post(post.id).post.text == self.model.posts[post.content].text
        gone = self.model.deleted | self.model.removed
        for author in self.model.users:
            mine = [one for one in self.model.posts.values() if one.author == author and one.id not in gone]
            wanted = [line.content for line in lines(Surface(PROFILE, None, author), mine)][:20]
            got = [item.post.id for item in staff.profile(author, limit=20)]
            assert got == wanted, f"staff see of {author}: {got}, not {wanted}"


def refused(error: type[Exception], call: Callable[[], object]) -> None:
    """The call has to fail in this way."""
    try:
        done = call()
    except error:
        return
    raise AssertionError(f"{error.__name__} expected, got {done!r}")
