"""Pages and single posts."""

from feedkit.model import Item, Key, Page, ProfilePage, ThreadPage
from feedkit.reading.profile import Tab
from feedkit.verbs.base import Verbs
from feedkit.writing.checks import checked_choice, checked_id, checked_int
from feedkit.writing.entities import checked_tag


class ReadingVerbs(Verbs[Key]):
    """What viewers look at."""

    def home(self, viewer: Key, *, limit: int | None = None, cursor: str | None = None) -> Page[Key]:
        """A page of the posts of those whom the viewer follows, and of their own, newest first.

        `cursor` is a `next_cursor`, which goes on below a page, or a `newer_cursor`, which reads what has
        come since.

        Raises:
            InvalidArgument: `limit` is not 1..`page_limit_max`.
            InvalidCursor: the cursor was not made for this viewer and feed.
        """
        runtime, size = self.runtime(), self._page_limit(limit)
        viewer_id = runtime.directory.find(viewer, "viewer")
        tag = runtime.directory.viewer_tag(viewer)
        return runtime.home.page(viewer_id, tag, cursor=cursor, limit=size)

    def count_newer(self, viewer: Key, cursor: str, *, at_most: int = 100) -> int:
        """How many lines of the viewer's home feed are newer than what they have seen, counted up to `at_most`.

        `cursor` is the `newer_cursor` of a home page. What the viewer would not be shown is not counted.

        Raises:
            InvalidArgument: `at_most` is not 1..`max_scan`.
            InvalidCursor: the cursor is no `newer_cursor` of this viewer's home feed.
        """
        runtime = self.runtime()
        highest = checked_int("at_most", at_most, 1, self._settings.max_scan)
        viewer_id = runtime.directory.find(viewer, "viewer")
        tag = runtime.directory.viewer_tag(viewer)
        return runtime.home.count_newer(viewer_id, tag, cursor=cursor, at_most=highest)

    def thread(
        self,
        viewer: Key | None,
        post_id: int | str,
        *,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> ThreadPage[Key]:
        """A post, what it answers, and a page of the direct replies to it, the oldest first.

        Raises like `home`, and NotFound where there is no such post that the viewer may see.
        """
        runtime, size, wanted = self.runtime(), self._page_limit(limit), checked_id("post_id", post_id)
        tag = runtime.directory.viewer_tag(viewer)
        return runtime.thread.page(runtime.viewer_id(viewer), tag, wanted, cursor=cursor, limit=size)

    def tag(
        self, viewer: Key | None, tag: str, *, limit: int | None = None, cursor: str | None = None
    ) -> Page[Key]:
        """A page of what was published for everybody under a tag, newest first.

        `tag` may be spelt in any way that comes to the same: "Python", "#python". Raises like `home`.
        """
        runtime, size, canonical = self.runtime(), self._page_limit(limit), checked_tag(tag)
        viewer_tag = runtime.directory.viewer_tag(viewer)
        return runtime.tag.page(runtime.viewer_id(viewer), viewer_tag, canonical, cursor=cursor, limit=size)

    def list_feed(
        self, viewer: Key, list_id: int | str, *, limit: int | None = None, cursor: str | None = None
    ) -> Page[Key]:
        """A page of what the members of one's own list published, newest first, whether one follows them or not.

        Raises like `home`, and NotFound where the viewer has no such list.
        """
        runtime, size, wanted = self.runtime(), self._page_limit(limit), checked_id("list_id", list_id)
        viewer_id = runtime.directory.find(viewer, "viewer")
        tag = runtime.directory.viewer_tag(viewer)
        return runtime.list_feed.page(viewer_id, tag, wanted, cursor=cursor, limit=size)

    def profile(
        self,
        viewer: Key | None,
        author: Key,
        *,
        tab: str = "posts",
        limit: int | None = None,
        cursor: str | None = None,
    ) -> ProfilePage[Key]:
        """A page of what an author published, or reacted to, as the viewer may see it, newest first.

        `tab` is "posts" (everything but replies: posts, reposts and quotes), "replies", "media" (whatever
        has pictures, films or sounds), or "reactions" (what they reacted to, the last first, for themselves
        alone unless `reactions_shown_to` says otherwise). Raises like `home`.
        """
        runtime, size = self.runtime(), self._page_limit(limit)
        chosen, directory = checked_choice("tab", tab, Tab), runtime.directory
        return runtime.profile.page(
            runtime.viewer_id(viewer),
            directory.viewer_tag(viewer),
            directory.find(author, "author"),
            author,
            directory.viewer_tag(author),
            tab=chosen,
            cursor=cursor,
            limit=size,
        )

    def post(self, viewer: Key | None, post_id: int | str) -> Item[Key]:
        """One post. Raises NotFound where there is none that the viewer may see."""
        runtime, wanted = self.runtime(), checked_id("post_id", post_id)
        viewer_id = runtime.viewer_id(viewer)
        runtime.log.catch_up()
        return runtime.posts.one(viewer_id, wanted)
