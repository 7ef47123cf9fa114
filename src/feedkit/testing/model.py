"""What a feed should serve, said with dictionaries and sets: the other side of `machine`.

It shares no code with feedkit and is slow and obvious on purpose: nothing is stored twice, every
question is answered by going through all posts.
"""

from collections.abc import Iterable
from dataclasses import replace

from feedkit.testing.engagement import Engagement, Said
from feedkit.testing.known import (
    FRIENDS,
    HOME,
    LIST,
    LIST_FEED,
    MEDIA,
    ONLY_ME,
    PROFILE,
    PUBLIC,
    REPLIES,
    TAG,
    THREAD,
    UNLISTED,
    Known,
    Surface,
    in_order,
)
from feedkit.testing.people import People

_ASKED_FOR = (PROFILE, REPLIES, MEDIA)


class Model(People, Engagement):
    """Who published what and who stands how to whom, and therefore who sees what.

    The order of commits is known to a feed from its log, which may have forgotten what was written before
    `log_begins_ms`.
    """

    def __init__(self, users: Iterable[str], instants: list[int]) -> None:
        People.__init__(self, users, instants)
        Engagement.__init__(self)
        self.posts: dict[int, Known] = {}
        self.deleted: set[int] = set()
        self.removed: set[int] = set()
        self.pins: dict[int, int] = {}
        self.commits = 0
        self.log_begins_ms = 0

    # what happens

    def publish(self, post: Known) -> None:
        """A post has been committed."""
        self.commits += 1
        self.posts[post.id] = replace(post, order=self.commits)

    def edit(self, id: int, text: str, audience: str, list_id: int | None) -> None:
        """What a post says, and for whom it is."""
        post = self.posts[id]
        discreet = post.by_private if audience == post.audience else post.author in self.private
        self.posts[id] = replace(post, text=text, audience=audience, list_id=list_id, by_private=discreet)

    def delete(self, id: int) -> bool:
        """Whether it was there to be deleted."""
        fresh = id not in self.deleted
        self.deleted.add(id)
        self.pins.pop(id, None)
        return fresh

    def restore(self, id: int) -> bool:
        """Whether it came back into view, which is told of as something new."""
        if id not in self.removed:
            return False
        self.removed.discard(id)
        back = id not in self.deleted
        if back:
            post = self.posts[id]
            self.publish(replace(post, at_ms=self.now_ms, by_private=post.author in self.private))
        return back

    # what follows from it

    def stands(self, post: Known) -> bool:
        """Whether the post is there for anybody at all."""
        gone = post.id in self.deleted or post.id in self.removed
        return not gone and not self.has_ended(post) and not self.is_suspended(post.author)

    def has_ended(self, post: Known) -> bool:
        """Whether a story is over."""
        return post.expires_ms is not None and post.expires_ms <= self.now_ms

    def may_see(self, viewer: str | None, post: Known) -> bool:
        """Whether the post exists for this viewer, wherever they meet it."""
        if not self.stands(post):
            return False
        if viewer == post.author:
            return True
        if self.apart(viewer, post.author):
            return False
        if post.audience == FRIENDS:
            return self.friends(viewer, post.author)
        if post.audience == LIST:
            return viewer in self.members.get(post.list_id or 0, ())
        if post.audience == ONLY_ME:
            return False
        for_all = post.audience in (PUBLIC, UNLISTED) and post.author not in self.private
        return for_all or self.following(viewer, post.author)

    def seen_by_id(self, viewer: str | None, post: Known) -> Known | None:
        """What somebody finds who asks for a post: what it shares, if they may see both."""
        shared = self.posts[post.content]
        return shared if self.may_see(viewer, post) and self.may_see(viewer, shared) else None

    def may_share(self, actor: str, post: Known) -> bool:
        """Whether somebody who sees a post may pass it on."""
        for_all = post.audience in (PUBLIC, UNLISTED) and post.author not in self.private
        return post.author == actor or for_all

    def repost_by(self, actor: str, content: int) -> Known | None:
        """Somebody's own repost of a post, of which there is one."""
        gone = self.deleted | self.removed
        mine = (post for post in self.posts.values() if (post.author, post.repost_of) == (actor, content))
        return next((post for post in mine if post.id not in gone), None)

    def quoted(self, surface: Surface, post: Known) -> int | None:
        """What a post shows inside itself on this surface."""
        inside = None if post.quote_of is None else self.posts[post.quote_of]
        return inside.id if inside is not None and self.shows(surface, inside) else None

    def opens(self, surface: Surface) -> bool:
        """Whether there is such a surface for its viewer at all."""
        if surface.kind == THREAD:
            return self.seen_by_id(surface.viewer, self.posts[int(surface.of)]) is not None
        return surface.kind != LIST_FEED or self.owners.get(int(surface.of)) == surface.viewer

    def shows(self, surface: Surface, post: Known) -> bool:
        """Whether a post is shown on such a surface, if it stands there at all."""
        viewer = surface.viewer
        if not self.may_see(viewer, post):
            return False
        if surface.kind == HOME and post.repost_of is not None and viewer is not None:
            return not self.follows.get((viewer, post.author), False) and not self.muting(viewer, post.author)
        if surface.kind == TAG and post.audience != PUBLIC:
            return False
        return surface.kind in _ASKED_FOR or not self.muting(viewer, post.author)

    def belongs(self, surface: Surface, entry: Known) -> bool:
        """Whether an entry shows on this surface now: it, and what it shares."""
        if not self.stands_on(surface, entry) or not self.shows(surface, entry):
            return False
        return entry.repost_of is None or self.shows(surface, self.posts[entry.repost_of])

    def stands_on(self, surface: Surface, entry: Known) -> bool:
        """Whether this surface is made of such entries."""
        if surface.kind == HOME:
            return surface.viewer == entry.author or self.following(surface.viewer, entry.author)
        if surface.kind == TAG:
            return surface.of in entry.tags
        if surface.kind == THREAD:
            return entry.reply_to == int(surface.of)
        if surface.kind == LIST_FEED:
            return entry.author in self.members.get(int(surface.of), ())
        return entry.author == surface.of and self._is_of_tab(surface.kind, entry)

    def _is_of_tab(self, tab: str, entry: Known) -> bool:
        return entry.has_media if tab == MEDIA else (entry.reply_to is not None) == (tab == REPLIES)

    def shown(self, surface: Surface) -> list[Known]:
        """All entries of a surface, in order."""
        if not self.opens(surface):
            return []
        return in_order(surface, (post for post in self.posts.values() if self.belongs(surface, post)))

    def shown_at_all_times(self, surface: Surface) -> list[set[int]]:
        """The ids of what the surface shows by the clock of each process."""
        instants = self.instants if self.edges() else self.instants[:1]
        return [{post.id for post in self._shown_at(surface, now_ms)} for now_ms in instants]

    def _shown_at(self, surface: Surface, now_ms: int) -> list[Known]:
        asked, self.now_ms = self.now_ms, now_ms
        shown = self.shown(surface)
        self.now_ms = asked
        return shown

    def edges(self) -> set[int]:
        """The instants at which something lapses by itself."""
        ends = {post.expires_ms for post in self.posts.values() if post.expires_ms is not None}
        return super().edges() | ends

    def post_count(self, user: str) -> int:
        """How many posts a profile says there are: public ones that nobody took away, and no stories."""
        gone = self.deleted | self.removed
        mine = (post for post in self.posts.values() if post.author == user and post.id not in gone)
        return sum(post.audience == PUBLIC and post.expires_ms is None for post in mine)

    # engagement

    def own(self, viewer: str | None, post: int) -> tuple[tuple[str, ...], bool]:
        """What a viewer did to a post: their reactions, and whether they saved it."""
        if viewer is None:
            return (), False
        kind = self.reactions.get((viewer, post))
        return (() if kind is None else (kind,)), (viewer, post) in self.saves

    def counted(self, viewer: str | None, post: int) -> tuple[int, int, int, int, int]:
        """Reactions, comments, replies, reposts and quotes of a post, without those of people apart from the viewer."""
        reactions = sum(target == post and not self.apart(viewer, actor) for actor, target in self.reactions)
        comments = sum(
            said.post == post and said.id not in self.withdrawn and not self.apart(viewer, said.author)
            for said in self.comments.values()
        )
        named = [one for one in self.posts.values() if self._counts(viewer, one)]
        return (
            reactions,
            comments,
            sum(one.reply_to == post for one in named),
            sum(one.repost_of == post for one in named),
            sum(one.quote_of == post for one in named),
        )

    def _counts(self, viewer: str | None, post: Known) -> bool:
        """Whether everybody could see a post, and for good, so that it is counted in what it names."""
        gone = post.id in self.deleted or post.id in self.removed
        for_all = post.audience in (PUBLIC, UNLISTED) and not post.by_private
        stays = post.expires_ms is None or post.repost_of is not None
        return not gone and for_all and stays and not self.apart(viewer, post.author)

    def may_read(self, viewer: str | None, said: Said) -> bool:
        """Whether a comment shows to somebody who sees its post."""
        hidden = self.apart(viewer, said.author) or self.muting(viewer, said.author)
        return said.id not in self.withdrawn and not hidden and not self.is_suspended(said.author)

    def conversation(self, viewer: str | None, post: int, parent: int | None) -> list[tuple[int, str | None]]:
        """The answers to a post or a comment, the oldest first: id and text, None for a gap."""
        answers = [said for said in self.comments.values() if (said.post, said.parent) == (post, parent)]
        found: list[tuple[int, str | None]] = []
        for said in sorted(answers, key=lambda said: said.id):
            if self.may_read(viewer, said):
                found.append((said.id, said.text))
            elif self.conversation(viewer, post, said.id):
                found.append((said.id, None))
        return found

    def above(self, surface: Surface) -> list[Known]:
        """What the post of a thread answers, the first of all first; one that is hidden hides those above it."""
        found: list[Known] = []
        at = self.posts[int(surface.of)].reply_to
        while at is not None and self.shows(surface, self.posts[at]):
            found.append(self.posts[at])
            at = self.posts[at].reply_to
        return found[::-1]

    def pinned(self, viewer: str | None, author: str) -> list[int]:
        """What an author has pinned, the last pin first, as far as a viewer may see it."""
        mine = [(at_ms, id) for id, at_ms in self.pins.items() if self.posts[id].author == author]
        return [id for _, id in sorted(mine, reverse=True) if self.may_see(viewer, self.posts[id])]

    def reacted_to(self, viewer: str | None, person: str) -> list[int]:
        """What somebody reacted to, the last first: for themselves alone, as far as they still may see it."""
        if viewer != person:
            return []
        mine = [(self.reacted_ms[who, post], post) for who, post in self.reactions if who == person]
        return [post for _, post in sorted(mine, reverse=True) if self.may_see(viewer, self.posts[post])]

    def shelf(self, viewer: str) -> set[int]:
        """What somebody saved and still may see."""
        return {post for who, post in self.saves if who == viewer and self.may_see(viewer, self.posts[post])}
