"""Words of the cases about what the social model keeps from others."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import feedkit
from feedkit import ManualClock, NotFound
from feedkit.clock import from_ms
from tests.cases.case_tools import ids

Feed = feedkit.Feed[str]
NO_SUCH_ID = 2**62


def later(clock: ManualClock, **amounts: float) -> datetime:
    """So long from now."""
    return from_ms(clock.now_ms()) + timedelta(**amounts)


def on_both_paths(feed: Feed, check: Callable[[], None]) -> None:
    """From what is resident, after a wipe, and from what that has made resident."""
    for _ in range(2):
        check()
        feed.wipe()
    check()


EVERYWHERE = {
    *("home", "profile", "list", "tag", "thread", "answers", "batch", "id", "quoted", "reposted"),
    *("comments", "reactions", "saved"),
}


class Traces:
    """A public post of ada's that can be met everywhere: answered, quoted, reposted, saved and listed by others.

    `viewer` follows ada and cyd, who shares it, and keeps a list with ada on it.
    """

    def __init__(self, feed: Feed, viewer: str) -> None:
        for name in ("ada", "cyd"):
            feed.follow(viewer, name)
        self.feed, self.viewer = feed, viewer
        self.opening = feed.publish("cyd", text="an opening")
        self.post = feed.publish("ada", text="all of it #here", reply_to=self.opening.id)
        self.below = feed.publish("cyd", text="an answer", reply_to=self.post.id)
        self.quote = feed.publish("cyd", text="a quote", quote_of=self.post.id)
        self.repost = feed.repost("cyd", self.post.id)
        self.list = feed.lists.create(viewer, "few")
        feed.lists.add(viewer, self.list.id, ["ada"])
        feed.react("ada", self.post.id)
        feed.comment("ada", self.post.id, text="more")
        feed.save(viewer, self.post.id)

    def met(self) -> set[str]:
        """Everywhere where the viewer meets the post now."""
        feed, viewer, id = self.feed, self.viewer, self.post.id
        quotes = [item for item in feed.home(viewer) if item.post.id == self.quote.id]
        above = (
            ()
            if is_refused(feed.thread, viewer, self.below.id)
            else feed.thread(viewer, self.below.id).ancestors
        )
        places = {
            "home": id in ids(feed.home(viewer)),
            "profile": id in ids(feed.profile(viewer, "ada", tab="replies")),
            "list": id in ids(feed.list_feed(viewer, self.list.id)),
            "tag": id in ids(feed.tag(viewer, "here")),
            "thread": id in [item.post.id for item in above],
            "answers": id in ids(feed.thread(viewer, self.opening.id)),
            "batch": feed.posts.get(viewer, [id])[0] is not None,
            "id": not is_refused(feed.post, viewer, id),
            "quoted": any(item.quoted is not None for item in quotes),
            "reposted": feed.posts.get(viewer, [self.repost.id])[0] is not None,
            "comments": not is_refused(feed.comments, viewer, id),
            "reactions": not is_refused(feed.reactions, viewer, id),
            "saved": id in ids(feed.saved(viewer)),
        }
        return {place for place, there in places.items() if there}


def is_refused(verb: Callable[..., Any], *args: Any) -> bool:
    """Whether a verb says that there is nothing."""
    try:
        verb(*args)
    except NotFound:
        return True
    return False
