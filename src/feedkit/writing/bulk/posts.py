"""Importing posts."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from feedkit.clock import Clock
from feedkit.errors import Conflict, InvalidArgument
from feedkit.idset import Ids, idset
from feedkit.log.counters import of_new_posts
from feedkit.model import Event, EventKind, ImportReport
from feedkit.storage.base import Truth, Tx
from feedkit.storage.bulk import NewPosts, RefTaken
from feedkit.writing.bulk.chunks import Loading, Progress, Settled, in_chunks, row_error
from feedkit.writing.bulk.people import People
from feedkit.writing.bulk.postchunks import PostChunk, chunk_of
from feedkit.writing.bulk.postrows import PostRowChecks, PostRows
from feedkit.writing.entities import Entities, tags_of

_TRIES = 10  # more than two are only needed where somebody publishes under a ref of ours at that very moment

_BOTH = "reply_to_ref cannot be given together with reply_to; pass one"
_NO_POST_OF_REF = "reply_to_ref names no post of this or an earlier chunk, nor one that is there"
_YOUNGER = "reply_to_ref names a younger post; only what is there can be answered"
_NO_POST = "reply_to names no post"


class PostImport:
    """Posts as the host has them, each at its own time and under the host's own name for it."""

    def __init__(
        self, truth: Truth, people: People, checks: PostRowChecks, entities: Entities[Any], clock: Clock
    ) -> None:
        self._truth, self._people, self._clock = truth, people, clock
        self._check, self._entities = checks, entities
        self._all_new = True

    def run(self, rows: Iterable[Any], *, size: int, start: int, progress: Progress | None) -> ImportReport:
        """Import dicts with `author`, `ref`, `at` and whatever `publish` takes for content."""
        ahead = not self._truth.one_writer
        steps = self._check, self._prepare, self._write
        return in_chunks(rows, *steps, size=size, start=start, progress=progress, ahead=ahead)

    def _prepare(self, pieces: Sequence[PostRows]) -> PostChunk:
        rows = PostRows.joined(pieces)
        named, (authors,) = self._people.named(rows.authors)
        return chunk_of(rows, named, authors, self._entities.of_many(rows.texts))

    def _write(self, chunk: PostChunk, first: int, loading: Loading) -> Settled:
        """Writes a chunk as if all of it were new, as long as that goes well; then looks up what is there before.

        Again where others publish under a ref of ours, after we have looked.
        """
        look_up = not self._all_new
        for _ in range(_TRIES):
            add = partial(self._add, chunk=chunk, first=first, look_up=look_up, loading=loading)
            try:
                return self._truth.write(add)
            except RefTaken:
                pass
            except InvalidArgument:  # of what a row answers: of no account where its post is there
                if look_up:
                    raise
            self._all_new, look_up = False, True
        message = "ref is published by others at this moment, again and again; import these rows once more"
        raise Conflict(message, argument="ref")

    def _add(self, tx: Tx, *, chunk: PostChunk, first: int, look_up: bool, loading: Loading) -> Settled:
        self._truth.bulk.hold_positions(tx)
        ids = self._people.ids(tx, chunk.named)
        if look_up:
            loading()
        fresh = self._fresh(tx, chunk, ids, first) if look_up else chunk
        return self._store(tx, fresh, ids, first, loading) if fresh.numbers else Settled(0)

    def _fresh(self, tx: Tx, chunk: PostChunk, ids: Ids, first: int) -> PostChunk:
        """Those rows whose posts are not there. Raises Conflict."""
        there = self._truth.bulk.by_refs(tx, [*dict.fromkeys(chunk.refs)])
        author_ids = ids[chunk.authors].tolist()
        authors = {ref: author_id for ref, (_, author_id) in there.items()}
        fresh = []
        for place in sorted(range(len(author_ids)), key=chunk.numbers.__getitem__):
            ref, author_id = chunk.refs[place], author_ids[place]
            if ref not in authors:
                fresh.append(place)
                authors[ref] = author_id
            elif authors[ref] != author_id:
                error = Conflict("ref is taken by a post of another author", argument="ref")
                raise row_error(first + chunk.numbers[place], error)
        return chunk if len(fresh) == len(chunk.refs) else chunk.at(sorted(fresh))

    def _store(self, tx: Tx, chunk: PostChunk, ids: Ids, first: int, loading: Loading) -> Settled:
        positions = self._truth.lives.free_positions(tx, chunk.times)
        author_ids = ids[chunk.authors].tolist()
        parents = self._parents(tx, chunk, positions, first)
        posts = NewPosts(positions, author_ids, chunk.times, chunk.refs, chunk.texts, parents, chunk.further)
        loading()
        self._truth.bulk.insert_posts(tx, posts)
        self._truth.bulk.insert_tags(tx, _tags(posts))
        self._truth.events.append(tx, Event(EventKind.IMPORTED, 0, 0, self._clock.now_ms()))
        self._count(tx, posts)
        return Settled(len(positions))

    def _parents(self, tx: Tx, chunk: PostChunk, positions: Sequence[int], first: int) -> Mapping[int, int]:
        """By the place of a row, the id of the post that it answers."""
        by_id, by_ref = chunk.parent_ids, chunk.parents
        existing = set(self._truth.bulk.existing_posts(tx, sorted({*by_id.values()}))) if by_id else set()
        answered = {*by_ref.values()}
        rows = zip(chunk.refs, positions, strict=True) if by_ref else ()
        new = {ref: position for ref, position in rows if ref in answered}
        others = sorted(answered - new.keys())
        stored = self._truth.bulk.by_refs(tx, others) if others else {}
        named = {place: new[ref] if ref in new else stored.get(ref, (0,))[0] for place, ref in by_ref.items()}
        faults = {
            **{place: _NO_POST for place, parent in by_id.items() if parent not in existing},
            **{place: _YOUNGER for place, ref in by_ref.items() if new.get(ref, 0) >= positions[place]},
            **{place: _NO_POST_OF_REF for place, parent in named.items() if not parent},
            **dict.fromkeys(by_id.keys() & by_ref.keys(), _BOTH),
        }
        if faults:
            place = min(faults)
            error = InvalidArgument(faults[place], argument=faults[place].split()[0])
            raise row_error(first + chunk.numbers[place], error)
        return {**by_id, **named}

    def _count(self, tx: Tx, posts: NewPosts) -> None:
        """What the counters would have made of these posts."""
        self._truth.events.claim(tx, wait=True)  # or whoever applies the log would wait for our rows
        bulk = self._truth.bulk
        private = bulk.private_among(tx, idset(posts.author_ids[nth] for nth in posts.reply_to))
        for kind, ids, deltas in of_new_posts(posts, private):
            of_each, places = np.unique(ids, return_inverse=True)
            bulk.add_counts(tx, kind, of_each, np.bincount(places, weights=deltas).astype(np.int64))


def _tags(posts: NewPosts) -> list[tuple[str, int, int]]:
    return [
        (tag, posts.positions[nth], posts.positions[nth])
        for nth, further in posts.further.items()
        for tag in tags_of(further.get("entities", ()))
    ]
