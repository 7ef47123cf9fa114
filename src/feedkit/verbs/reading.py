"""Pages and single posts."""

from feedkit.model import Item, Key, Page, ProfilePage
from feedkit.verbs.base import Verbs
from feedkit.writing.checks import checked_id


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

    def profile(
        self, viewer: Key | None, author: Key, *, limit: int | None = None, cursor: str | None = None
    ) -> ProfilePage[Key]:
        """A page of what an author published, as the viewer may see it. Raises like `home`."""
        runtime, size = self.runtime(), self._page_limit(limit)
        directory = runtime.directory
        return runtime.profile.page(
            runtime.viewer_id(viewer),
            directory.viewer_tag(viewer),
            directory.find(author, "author"),
            author,
            directory.viewer_tag(author),
            cursor=cursor,
            limit=size,
        )

    def post(self, viewer: Key | None, post_id: int | str) -> Item[Key]:
        """One post. Raises NotFound where there is none that the viewer may see."""
        runtime, wanted = self.runtime(), checked_id("post_id", post_id)
        viewer_id = runtime.viewer_id(viewer)
        runtime.catch_up()
        return runtime.posts.one(viewer_id, wanted)
