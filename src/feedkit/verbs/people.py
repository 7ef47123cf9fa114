"""Who follows whom, who waits for an answer, who might be worth following."""

from collections.abc import Sequence

from feedkit.model import Assoc, Key, RequestPage, Standing, Suggestion, UserPage
from feedkit.reading.people import Asked
from feedkit.relations import LOGGED_OUT
from feedkit.verbs.base import NOT_MET, Verbs
from feedkit.writing.checks import checked_many


class PeopleVerbs(Verbs[Key]):
    """Lists of people as a viewer may see them.

    Whoever blocks the viewer or is blocked, and whoever is suspended, is on none of them. The lists of somebody
    private are empty to all but their followers. A page raises InvalidArgument for a `limit` that is not
    1..`page_limit_max`, and InvalidCursor for a cursor of another viewer or list.
    """

    def followers(
        self, viewer: Key | None, user: Key, *, limit: int | None = None, cursor: str | None = None
    ) -> UserPage[Key]:
        """A page of those who follow somebody, the newest first."""
        return self._related("followers", Assoc.FOLLOWED_BY, viewer, user, limit, cursor)

    def following(
        self, viewer: Key | None, user: Key, *, limit: int | None = None, cursor: str | None = None
    ) -> UserPage[Key]:
        """A page of those whom somebody follows, the newest first."""
        return self._related("following", Assoc.FOLLOWS, viewer, user, limit, cursor)

    def friends(
        self, viewer: Key | None, user: Key, *, limit: int | None = None, cursor: str | None = None
    ) -> UserPage[Key]:
        """A page of those whom somebody follows and who follow them, the newest friendship first."""
        return self._related("friends", Assoc.FRIENDS, viewer, user, limit, cursor)

    def mutuals(
        self, viewer: Key, user: Key, *, limit: int | None = None, cursor: str | None = None
    ) -> UserPage[Key]:
        """A page of those whom the viewer follows and who follow somebody, their newest followers first."""
        asked, user_id = self._asked("mutuals", viewer, user, limit, cursor)
        return self.runtime().people.mutuals(asked, user_id)

    def requests(
        self, actor: Key, *, limit: int | None = None, cursor: str | None = None
    ) -> RequestPage[Key]:
        """A page of those who wait for the actor to `accept` or `decline`, the newest request first.

        `kind` of each tells "follow" from "friendship"; somebody may ask for both.
        """
        runtime, size = self.runtime(), self._page_limit(limit)
        actor_id = runtime.directory.find(actor, "actor") or NOT_MET
        asked = Asked("requests", actor_id, runtime.directory.viewer_tag(actor), cursor, size)
        return runtime.people.requests(asked)

    def suggestions(self, viewer: Key, *, limit: int | None = None) -> list[Suggestion[Key]]:
        """People followed by those whom the viewer follows, those with most in common first.

        Nobody whom the viewer follows, has asked, blocks, mutes or is blocked by, and nobody suspended. It looks at
        a sample: the settings `suggestions_followees` and `suggestions_each` bound it.
        """
        runtime, size = self.runtime(), self._page_limit(limit)
        viewer_id = runtime.directory.find(viewer, "viewer")
        return [] if viewer_id is None else runtime.suggestions.of(viewer_id, size)

    def relation(self, viewer: Key | None, keys: Sequence[Key]) -> dict[Key, Standing]:
        """How the viewer stands to each of `keys`, at most `batch_max`. Never whether they block the viewer."""
        runtime = self.runtime()
        wanted = checked_many("keys", keys, runtime.settings.batch_max)
        viewer_id = runtime.viewer_id(viewer) or LOGGED_OUT
        ids = runtime.directory.find_many(wanted, "keys")
        met = [user_id for user_id in ids if user_id is not None] if viewer_id else []
        found = runtime.people.standings(viewer_id, met) if met else {}
        stranger = Standing()
        return {
            key: found.get(user_id or NOT_MET, stranger) for key, user_id in zip(wanted, ids, strict=True)
        }

    def _related(
        self, name: str, kind: Assoc, viewer: Key | None, user: Key, limit: int | None, cursor: str | None
    ) -> UserPage[Key]:
        asked, user_id = self._asked(name, viewer, user, limit, cursor)
        return self.runtime().people.related(asked, kind, user_id)

    def _asked(
        self, name: str, viewer: Key | None, user: Key, limit: int | None, cursor: str | None
    ) -> tuple[Asked, int]:
        """A page of somebody's, and who that is."""
        runtime, size = self.runtime(), self._page_limit(limit)
        viewer_id, user_id = runtime.viewer_id(viewer), runtime.directory.find(user, "user")
        list_name = f"{name}:{runtime.directory.viewer_tag(user)}"
        viewer_tag = runtime.directory.viewer_tag(viewer)
        return Asked(list_name, viewer_id or LOGGED_OUT, viewer_tag, cursor, size), user_id or NOT_MET
