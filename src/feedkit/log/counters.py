"""Keeps the counters of users, posts and comments, by deltas from the log."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from feedkit.idset import Ids, contains
from feedkit.model import ENDS, FRIENDS, OF_POSTS, OF_PRIVATE, Audience, Count, Event, EventKind
from feedkit.storage.base import COUNTED, REACTED, Truth, Tx
from feedkit.storage.bulk import NewPosts
from feedkit.storage.events import COUNTERS

Deltas = Counter[tuple[int, str]]
_SEEN_BY_ALL = (Audience.PUBLIC, Audience.UNLISTED)
_NAMED = {"reply": Count.REPLIES, "repost": Count.REPOSTS, "quote": Count.QUOTES}


class Counters:
    """A shared consumer: deltas and its place in the log commit together, so nothing counts twice."""

    name = COUNTERS

    def __init__(self, truth: Truth) -> None:
        self._truth = truth

    def apply(self, tx: Tx, events: Sequence[Event]) -> None:
        """Add up the deltas of these events, and apply them."""
        self._truth.counts.add(tx, self.deltas(tx, events))

    def deltas(self, tx: Tx, events: Sequence[Event]) -> Deltas:
        """What these events change, given counters that contain every event before them."""
        deltas: Deltas = Counter()
        naming = [
            event for event in events if event.kind in OF_POSTS and not _NAMED.keys().isdisjoint(event.roles)
        ]
        if naming:
            self._add_named(tx, naming, deltas)
        for event in events:
            for key, delta in _deltas(event):
                deltas[key] += delta
        return deltas

    def _add_named(self, tx: Tx, events: Sequence[Event], deltas: Deltas) -> None:
        """Answers, reposts and quotes, in what they name.

        Each is counted as long as everybody may see it: for a public or unlisted audience, not by an author
        who was private when it was published, and no answer or quote that expires, since nothing happens then.
        Whether it is counted stands beside it, so that it does not matter how often the log says so, nor in which
        words.
        """
        stored = self._truth.counts.get_many(tx, list({event.object_id for event in events}))
        counted = {post_id: kinds.get(COUNTED, 0) for post_id, kinds in stored.items()}
        for event in events:
            before = counted.get(event.object_id, 0)
            after = _is_counted(event, before)
            counted[event.object_id] = after
            # Also where it is not counted: a row of 0 tells a recount that the log has come to this post.
            if event.audience in _SEEN_BY_ALL or after != before:
                deltas[event.object_id, COUNTED] += after - before
                for role, other in event.about:
                    if role in _NAMED:
                        deltas[other, _NAMED[role]] += after - before


def of_new_posts(posts: NewPosts, private: Ids) -> Iterator[tuple[str, Ids, Ids]]:
    """What the events of these posts would change: by kind of counter, whose, and by how much.

    An id may come more than once. `private` are those authors of answers who are.
    """
    public, seen = np.ones((2, len(posts.positions)), dtype=np.bool_)
    for nth, further in posts.further.items():
        audience = further.get("audience", Audience.PUBLIC)
        public[nth], seen[nth] = audience is Audience.PUBLIC, audience in _SEEN_BY_ALL
    ids, authors = (np.array(column, dtype=np.int64) for column in (posts.positions, posts.author_ids))
    answers = np.fromiter(posts.reply_to, dtype=np.int64)
    answers, parents = answers[seen[answers]], np.fromiter(posts.reply_to.values(), np.int64)[seen[answers]]
    told = ~contains(private, authors[answers])
    yield COUNTED, ids[answers], told.astype(np.int64)
    for kind, whose in ((Count.POSTS, authors[public]), (Count.REPLIES, parents[told])):
        yield kind, whose, np.ones_like(whose)


def _is_counted(event: Event, before: int) -> int:
    if event.kind is EventKind.POST_DELETED or event.audience not in _SEEN_BY_ALL:
        return 0
    if event.kind is EventKind.POST_EDITED and event.detail == event.audience:
        return before
    stays = ENDS not in event.roles or "repost" in event.roles  # which ends with what it shares
    return int(stays and OF_PRIVATE not in event.roles)


def _deltas(event: Event) -> Iterator[tuple[tuple[int, str], int]]:
    match event.kind:
        case EventKind.FOLLOW_ADDED | EventKind.FOLLOW_REMOVED:
            sign = 1 if event.kind is EventKind.FOLLOW_ADDED else -1
            yield (event.actor_id, Count.FOLLOWING), sign
            yield (event.object_id, Count.FOLLOWERS), sign
            if event.detail == FRIENDS:
                yield (event.actor_id, Count.FRIENDS), sign
                yield (event.object_id, Count.FRIENDS), sign
        # Posts for a narrower audience are not counted, since the number is shown to everybody, nor any that expires.
        case EventKind.POST_PUBLISHED | EventKind.POST_DELETED | EventKind.POST_EDITED if ENDS in event.roles:
            pass
        case EventKind.POST_PUBLISHED if event.audience is Audience.PUBLIC:
            yield (event.actor_id, Count.POSTS), 1
        case EventKind.POST_DELETED if event.audience is Audience.PUBLIC:
            yield (event.actor_id, Count.POSTS), -1
        case EventKind.POST_EDITED if event.detail:
            was_public = event.detail == Audience.PUBLIC
            yield (event.actor_id, Count.POSTS), (event.audience is Audience.PUBLIC) - was_public
        case EventKind.REACTION_ADDED | EventKind.REACTION_REMOVED:
            sign = 1 if event.kind is EventKind.REACTION_ADDED else -1
            yield (event.object_id, Count.REACTIONS), sign
            yield (event.object_id, REACTED + event.detail), sign
        case EventKind.COMMENT_ADDED | EventKind.COMMENT_REMOVED:
            sign = 1 if event.kind is EventKind.COMMENT_ADDED else -1
            for role, other in event.about:
                yield (other, Count.COMMENTS if role == "post" else Count.REPLIES), sign
