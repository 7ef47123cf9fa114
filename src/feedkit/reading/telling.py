"""What was found out about a post and a viewer, put into words. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from feedkit.clock import from_ms
from feedkit.model import Assoc, Event, Explanation, Post, Route, Step, User, rfc3339
from feedkit.visibility import Hidden, delivered_to_followers

_WHY: Mapping[Hidden, str] = {
    Hidden.DELETED: "it was deleted",
    Hidden.DRAFT: "it is a draft",
    Hidden.HELD: "it is held for review",
    Hidden.REMOVED: "staff removed it",
    Hidden.EXPIRED: "it has expired",
    Hidden.SUSPENDED: "its author is suspended",
    Hidden.BLOCKED: "one of the two blocks the other",
    Hidden.MUTED: "the viewer mutes its author",
    Hidden.PRIVATE: "its author is private, and the viewer does not follow them",
    Hidden.FOLLOWERS_ONLY: "it is for followers, and the viewer does not follow its author",
    Hidden.FRIENDS_ONLY: "it is for friends, and the viewer and its author do not follow each other",
    Hidden.LIST_ONLY: "it is for a list that the viewer is not on",
    Hidden.AUTHOR_ONLY: "it is for its author alone",
    Hidden.NO_REPOSTS: "the viewer wants no reposts of whoever reposted it",
    Hidden.NOT_UNDER_TAGS: "it is not shown under tags",
}


@attrs.frozen(slots=True)
class Delivered:
    """What this process held for a viewer: floors are None where there is no such timeline."""

    inbox_floor: int | None = None
    in_inbox: bool = False
    pulled: bool = False
    outbox_floor: int | None = None
    in_outbox: bool = False


@attrs.frozen(slots=True)
class Place:
    """Where a reader finds it. `alone`: the line stands because of this very post, and not of a newer repost."""

    page: int
    line: int
    page_limit: int
    alone: bool


@attrs.frozen(slots=True, kw_only=True)
class Facts:
    """Everything that an explanation tells of.

    `post` is None where it cannot be decoded; `since` tells by kind of association from the viewer to the author
    since when it stands, and the number beside it; `standing` is a position at which the home feed shows the post.
    """

    post_id: int
    viewer: str
    post: Post | None = None
    author: User[Any] | None = None
    is_author: bool = False
    known: bool = False
    since: Mapping[str, tuple[int, int | None]] = {}
    event: Event | None = None
    applied: int = 0
    delivered: Delivered = Delivered()
    verdict: Hidden | None = None
    original_verdict: Hidden | None = None
    original_missing: bool = False
    visible: bool = False
    in_source: bool = False
    standing: int | None = None
    place: Place | None = None


def told(facts: Facts) -> Explanation:
    """The explanation that these facts come to."""
    post = facts.post
    if post is None:
        unreadable = Step(
            "post", "unreadable", "What is stored of it cannot be decoded, so nobody is shown it."
        )
        return Explanation(facts.post_id, visible=False, in_home=False, steps=(unreadable,))
    steps = (
        *_graph(facts),
        *_post(post),
        *_routing(facts, post),
        *_delivery(facts, post),
        *_visibility(facts),
        _home(facts, post),
    )
    return Explanation(post.id, facts.visible, facts.standing is not None, steps)


def _graph(facts: Facts) -> Iterator[Step]:
    viewer, author = facts.viewer, _author(facts)
    if not facts.known:
        yield Step("graph", "unknown_viewer", f"feedkit does not know {viewer}: they follow nobody.")
        return
    if facts.is_author:
        yield Step("graph", "own", f"{viewer} wrote it.")
        return
    follows = facts.since.get(Assoc.FOLLOWS)
    if follows is None:
        asked = facts.since.get(Assoc.REQUESTS)
        yield Step("graph", "not_followed", f"{viewer} does not follow {author}{_asked(asked)}.")
    else:
        yield Step("graph", "follows", f"{viewer} follows {author} since {_moment(follows[0])}.")
    if facts.verdict is Hidden.BLOCKED:
        yield Step("graph", "blocked", "One of the two blocks the other.")
    muted = facts.since.get(Assoc.MUTES)
    if muted is not None:
        until = "" if muted[1] is None else f", until {_moment(muted[1])}"
        yield Step("graph", "muted", f"{viewer} mutes {author} since {_moment(muted[0])}{until}.")


def _post(post: Post) -> Iterator[Step]:
    when = "never published" if post.published_ms is None else f"published {_moment(post.published_ms)}"
    kind = "" if post.repost_of is None else f", reposts {post.repost_of}"
    yield Step("post", str(post.status), f"Status {post.status}, {when}, for {post.audience}{kind}.")
    if post.scheduled_ms is not None and post.published_ms is None:
        yield Step("post", "scheduled", f"To be published {_moment(post.scheduled_ms)}.")
    if post.expires_ms is not None:
        yield Step("post", "expires", f"Shown until {_moment(post.expires_ms)}.")
    if post.deleted_ms is not None:
        yield Step("post", "deleted", f"Deleted {_moment(post.deleted_ms)}.")


def _routing(facts: Facts, post: Post) -> Iterator[Step]:
    event = facts.event
    if event is None:
        if post.published_ms is not None:
            yield Step("routing", "no_event", "The log does not hold the event of its publication any more.")
        return
    number = f"event {event.number}" if event.number else "an event without a number yet"
    applied = "applied" if event.number and event.number <= facts.applied else "not yet applied"
    if not delivered_to_followers(event.audience):
        yield Step("routing", "author_only", f"Published by {number}, which goes to nobody else.")
    elif event.route is Route.PULL:
        yield Step(
            "routing", "pull", f"Published by {number}: to be merged in by whoever reads; {applied} here."
        )
    else:
        yield Step("routing", "push", f"Published by {number}: to the inboxes of followers; {applied} here.")


def _delivery(facts: Facts, post: Post) -> Iterator[Step]:
    held = facts.delivered
    if held.pulled or facts.is_author:
        why = "its author is pulled" if held.pulled else "it is their own"
        where = "is in" if held.in_outbox else "is not in"
        outbox = "no outbox is held here" if held.outbox_floor is None else f"it {where} the outbox held here"
        yield Step("delivery", "outbox", f"The outbox is merged in, since {why}; {outbox}.")
    if held.inbox_floor is None:
        yield Step(
            "delivery", "no_inbox", "This process held no inbox for the viewer; it is built when read."
        )
    elif held.in_inbox:
        yield Step("delivery", "in_inbox", "It is in the inbox that this process holds for the viewer.")
    elif 0 < post.position < held.inbox_floor:
        yield Step("delivery", "below_floor", "It is older than the inbox; so far down, truth is read.")
    else:
        yield Step(
            "delivery", "not_in_inbox", "It is not in the inbox that this process holds for the viewer."
        )


def _visibility(facts: Facts) -> Iterator[Step]:
    if facts.verdict is not None:
        why = _WHY[facts.verdict]
        also = "; asked for, it is shown" if facts.visible else ""
        yield Step("visibility", str(facts.verdict), f"Hidden on home: {why}{also}.")
    else:
        yield Step("visibility", "visible", "Nothing hides it from the viewer.")
    if facts.original_missing:
        yield Step("visibility", "original_missing", "What it reposts is not there.")
    elif facts.original_verdict is not None:
        why = f"Hidden on home, of what it reposts: {_WHY[facts.original_verdict]}."
        yield Step("visibility", f"original_{facts.original_verdict}", why)


def _home(facts: Facts, post: Post) -> Step:
    if facts.standing is None:
        return Step("home", *_absence(facts))
    where = _where(facts.place)
    if facts.standing != post.position:
        return Step(
            "home", "reposted", f"Brought in by a repost of somebody whom the viewer follows, {where}."
        )
    if facts.place is not None and not facts.place.alone:
        return Step("home", "collapsed", f"In the line of a newer repost of the same post, {where}.")
    return Step("home", "shown", f"It stands {where}.")


def _absence(facts: Facts) -> tuple[str, str]:
    if facts.verdict is not None or facts.original_verdict is not None or facts.original_missing:
        return "hidden", "It is left out, since it is hidden."
    if not facts.in_source:
        return "not_there", "The feed holds posts of those whom the viewer follows, and this is none of them."
    return "left_out", "The feed holds it, and shows nothing for it."


def _where(place: Place | None) -> str:
    if place is None:
        return "far down"
    return f"on page {place.page}, line {place.line} (of {place.page_limit} to a page)"


def _asked(request: tuple[int, int | None] | None) -> str:
    return "" if request is None else f", and asked to {_moment(request[0])}"


def _author(facts: Facts) -> str:
    return "its author" if facts.author is None else str(facts.author.key)


def _moment(ms: int) -> str:
    return str(rfc3339(from_ms(ms)))
