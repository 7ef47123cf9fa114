"""Why a post is, or is not, in a home feed: the way it takes, gone once more and told step by step.

What it comes to is not worked out anew: the very source, hydrator and pages of the home feed are asked.
"""

from collections.abc import Iterator
from functools import partial
from typing import Generic

import attrs

from feedkit.clock import Clock
from feedkit.cursor import Cursor
from feedkit.errors import NotFound
from feedkit.ids import MAX_ID
from feedkit.model import Assoc, Event, EventKind, Explanation, Key, Post, User, has_lapsed
from feedkit.reading.feeds import Opened
from feedkit.reading.home import Home
from feedkit.reading.hydrate import Hydrator
from feedkit.reading.pages import FIRST_PAGE, fill
from feedkit.reading.telling import Delivered, Facts, Place, told
from feedkit.relations import LOGGED_OUT
from feedkit.settings import Settings
from feedkit.storage.base import Truth
from feedkit.storage.readthrough import ReadThrough
from feedkit.storage.timelines import Timeline, TimelineStores
from feedkit.visibility import Hidden, Surface, home_authors, verdict

_PAGES = 50
_REPOSTS_AT_ONCE = 100
_AROUND_MS = 60_000  # clocks of processes differ by less
_EVENTS_SCANNED = 10_000


@attrs.frozen(slots=True)
class Explainer(Generic[Key]):
    """Explains one post to one viewer's operator."""

    truth: Truth
    readthrough: ReadThrough[Key]
    home: Home[Key]
    hydrator: Hydrator[Key]
    stores: TimelineStores
    settings: Settings
    clock: Clock

    def explain(self, viewer_id: int | None, viewer_name: str, post_id: int, applied: int) -> Explanation:
        """`applied`: the number of the last event that this process has applied. Raises NotFound."""
        post = self._post(post_id)
        if post is None:
            return told(Facts(post_id=post_id, viewer=viewer_name))
        delivered = self._delivered(viewer_id, post)
        opened = self.home.open(viewer_id)
        shown_id = post.repost_of or post.id
        standing = next(self._standing(opened, post), None)
        asked_for = attrs.evolve(opened, surface=Surface.POST)
        users = self.readthrough.users([post.author_id])
        original = self.readthrough.posts([shown_id]).get(shown_id) if post.repost_of else None
        facts = Facts(
            post_id=post_id,
            viewer=viewer_name,
            post=post,
            author=users.get(post.author_id),
            is_author=post.author_id == viewer_id,
            known=viewer_id is not None,
            since=self._since(viewer_id, post.author_id),
            event=self._event(post),
            applied=applied,
            delivered=delivered,
            verdict=self._verdict(post, users.get(post.author_id), opened),
            original_verdict=None if original is None else self._verdict_alone(original, opened),
            original_missing=post.repost_of is not None and original is None,
            visible=self.hydrator.items([post], asked_for.relations, asked_for.surface)[0] is not None,
            in_source=self._in_source(opened, post.position),
            standing=standing,
            place=None if standing is None else self._place(opened, standing, shown_id),
        )
        return told(facts)

    def _post(self, post_id: int) -> Post | None:
        """The post, None where it cannot be decoded."""
        posts, unreadable = self.truth.read(lambda tx: self.truth.posts.get_many(tx, [post_id]))
        if not posts and not unreadable:
            raise NotFound("post_id names no post", argument="post_id")
        return posts[0] if posts else None

    def _since(self, viewer_id: int | None, author_id: int) -> dict[str, tuple[int, int | None]]:
        if viewer_id is None:
            return {}
        found = self.truth.read(lambda tx: self.truth.graph.between(tx, viewer_id, author_id))
        _, until_ms = found.get(Assoc.MUTES, (0, None))
        if has_lapsed(until_ms or 0, self.clock.now_ms()):
            del found[Assoc.MUTES]
        return {kind.value: row for kind, row in found.items()}

    def _delivered(self, viewer_id: int | None, post: Post) -> Delivered:
        """What is held for the viewer at this moment, before the feed is opened, which builds what is missing."""
        inbox = None if viewer_id is None else self.stores.inboxes.read(viewer_id)
        outbox = self.stores.outboxes.read(post.author_id)
        pulled = self.readthrough.pulled() if viewer_id is None else self.home.pulled(viewer_id)
        return Delivered(
            inbox_floor=None if inbox is None else inbox.floor,
            in_inbox=_holds(inbox, post.position),
            pulled=bool((pulled == post.author_id).any()),
            outbox_floor=None if outbox is None else outbox.floor,
            in_outbox=_holds(outbox, post.position),
        )

    def _verdict(self, post: Post, author: User[Key] | None, opened: Opened) -> Hidden | None:
        return verdict(post, author, opened.relations, opened.surface, self.clock.now_ms())

    def _verdict_alone(self, post: Post, opened: Opened) -> Hidden | None:
        return self._verdict(post, self.readthrough.users([post.author_id]).get(post.author_id), opened)

    def _standing(self, opened: Opened, post: Post) -> Iterator[int]:
        """The positions at which the home feed shows the post: its own, then those of its reposts, newest first."""
        if self._is_shown(opened, post.position, post.repost_of or post.id):
            yield post.position
        if post.repost_of is not None or opened.relations.viewer_id == LOGGED_OUT:
            return
        authors, before = home_authors(opened.relations), MAX_ID
        while True:
            positions = self.truth.read(
                lambda tx, before=before: self.truth.posts.reposts(  # type: ignore[misc]
                    tx, post.id, authors, before=before, limit=_REPOSTS_AT_ONCE
                )
            )
            yield from (position for position in positions if self._is_shown(opened, position, post.id))
            if len(positions) < _REPOSTS_AT_ONCE:
                return
            before = positions[-1]

    def _is_shown(self, opened: Opened, position: int, shown_id: int) -> bool:
        if not self._in_source(opened, position):
            return False
        (item,), _ = self.hydrator.at_positions([position], opened.relations, opened.surface)
        return item is not None and item.post.id == shown_id

    def _in_source(self, opened: Opened, position: int) -> bool:
        return bool(position and opened.source.window(position + 1, position - 1, 1))

    def _place(self, opened: Opened, position: int, shown_id: int) -> Place | None:
        """On which page and line it stands, for a reader who begins now; None where that is far down."""
        hydrate = partial(self.hydrator.at_positions, relations=opened.relations, surface=opened.surface)
        limit = min(self.settings.page_limit_default, self.settings.page_limit_max)
        at: Cursor | None = FIRST_PAGE
        for number in range(1, _PAGES + 1):
            if at is None:
                break
            filled = fill(opened.source, hydrate, at, limit, self.settings.max_scan, frozenset())
            if position in filled.positions:
                shown = [item.post.id for item in filled.items]
                line = filled.items[shown.index(shown_id)]
                return Place(number, shown.index(shown_id) + 1, limit, line.position == position)
            at = filled.next_cursor(at)
        return None

    def _event(self, post: Post) -> Event | None:
        """The event that published the post, where the log still holds it, near the moment when it happened."""
        if post.published_ms is None:
            return None
        number = self._number_before(post.published_ms - _AROUND_MS)
        for _ in range(_EVENTS_SCANNED // self.settings.log_batch + 1):
            events = self._events_after(number, self.settings.log_batch)
            for event in events:
                if event.kind is EventKind.POST_PUBLISHED and event.object_id == post.id:
                    return event
            numbered = [event.number for event in events if event.number]
            if not numbered or events[0].at_ms > post.published_ms + _AROUND_MS:
                return None
            number = numbered[-1]
        return None

    def _number_before(self, at_ms: int) -> int:
        """A number that events from that moment on lie above: found by halves, as numbers follow the clock."""
        low, high = 0, self.truth.read(self.truth.events.last_number)
        while low < high:
            middle = (low + high) // 2
            found = self._events_after(middle, 1)
            if found and found[0].number and found[0].at_ms < at_ms:
                low = max(middle + 1, found[0].number)
            else:
                high = middle
        return max(low - 1, 0)

    def _events_after(self, number: int, limit: int) -> list[Event]:
        return self.truth.read(lambda tx: self.truth.events.after(tx, number, limit))


def _holds(timeline: Timeline | None, position: int) -> bool:
    return timeline is not None and bool((timeline.entries.positions == position).any())
