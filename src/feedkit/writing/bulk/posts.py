"""Importing posts."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from feedkit.clock import Clock
from feedkit.errors import Conflict, FeedkitError, InvalidArgument
from feedkit.ids import EPOCH_MS
from feedkit.log.counters import Counters
from feedkit.model import OF_PRIVATE, Audience, Count, Entity, Event, EventKind, ImportReport
from feedkit.storage.base import Truth, Tx
from feedkit.storage.bulk import NewPost
from feedkit.writing.bulk.chunks import Past, Progress, Settled, in_chunks, row_error, unlike
from feedkit.writing.bulk.people import People, Stored
from feedkit.writing.checks import checked_moment, checked_text
from feedkit.writing.drafts import Drafting
from feedkit.writing.entities import Entities, tags_of

_CONTENT = frozenset(
    ("text", "kind", "schema_version", "audience", "list", "media", "extra", "fallback", "ref", "reply_to")
)
_FIELDS = sorted(_CONTENT.union(("author", "at", "reply_to_ref")))
_PUBLIC = Audience.PUBLIC.value


class _Row(NamedTuple):
    author: Stored
    content: dict[str, Any]
    ref: str
    at_ms: int
    reply_to_ref: str | None


class PostImport:
    """Posts as the host has them, each at its own time and under the host's own name for it."""

    def __init__(
        self, truth: Truth, people: People, drafting: Drafting, entities: Entities[Any], clock: Clock
    ) -> None:
        self._truth, self._people, self._clock = truth, people, clock
        self._drafting, self._entities = drafting, entities
        self._past = Past(clock)

    def run(self, rows: Iterable[Any], *, size: int, start: int, progress: Progress | None) -> ImportReport:
        """Import dicts with `author`, `ref`, `at` and whatever `publish` takes for content."""
        return in_chunks(rows, self._check, self._write, size=size, start=start, progress=progress)

    def _check(self, row: Any) -> _Row:
        if not isinstance(row, (dict, Mapping)):  # to ask for the first is much the quicker
            raise unlike(row, "a dict with author, ref and at")
        content = dict(row)
        author, at, parent = (
            content.pop("author", None),
            content.pop("at", None),
            content.pop("reply_to_ref", None),
        )
        for name in content:
            if name not in _CONTENT:
                raise InvalidArgument(f"{name!s:.40} is no field of a post; there are {', '.join(_FIELDS)}")
        if content.get("ref") is None:
            message = (
                "ref must be given, your own unique name for the post: by it a post is imported only once"
            )
            raise InvalidArgument(message, argument="ref")
        at_ms = checked_moment("at", at)
        self._past.check("at", at_ms)
        if at_ms < EPOCH_MS:
            raise InvalidArgument("at must not lie before the year 2000", argument="at")
        if content.get("list") is not None:
            raise InvalidArgument("list cannot be given to an import; publish to the list", argument="list")
        if parent is not None:
            checked_text("reply_to_ref", parent, 1000, at_least=1)
        fields = self._drafting.changes(content, Audience.PUBLIC)
        return _Row(self._people.stored(author, "author"), fields, fields["ref"], at_ms, parent)

    def _write(self, chunk: list[_Row], first: int) -> Settled:
        entities = self._entities.of_many([row.content.get("text", "") for row in chunk])
        of_ref = {row.ref: those for row, those in zip(chunk, entities, strict=True) if those}
        authors = [row.author for row in chunk]
        found = self._people.find(authors)
        new = self._people.new_ids(authors, found)

        def work(tx: Tx) -> Settled:
            self._truth.bulk.hold_positions(tx)
            ids = found | self._people.add(tx, new)
            rows = self._fresh(tx, chunk, first, ids)
            return self._store(tx, rows, ids, of_ref) if rows else Settled(0)

        return self._truth.write(work)

    def _fresh(self, tx: Tx, chunk: list[_Row], first: int, ids: dict[Stored, int]) -> list[tuple[int, _Row]]:
        """Those rows, with their numbers, whose posts are not there, oldest first. Raises Conflict."""
        there = self._truth.bulk.by_refs(tx, sorted({row.ref for row in chunk}))
        authors = {ref: author_id for ref, (_, author_id) in there.items()}
        fresh = []
        for number, row in enumerate(chunk, first):
            author_id = ids[row.author]
            if row.ref not in authors:
                fresh.append((number, row))
            if authors.setdefault(row.ref, author_id) != author_id:
                raise row_error(number, Conflict("ref is taken by a post of another author", argument="ref"))
        return sorted(fresh, key=lambda numbered: numbered[1].at_ms)

    def _store(
        self,
        tx: Tx,
        rows: list[tuple[int, _Row]],
        ids: dict[Stored, int],
        entities: Mapping[str, tuple[Entity, ...]],
    ) -> Settled:
        positions = self._truth.lives.free_positions(tx, [row.at_ms for _, row in rows])
        parents = self._parents(tx, rows, positions)
        posts, media, tags = [], {}, []
        for (_, row), position, parent in zip(rows, positions, parents, strict=True):
            author_id, found = ids[row.author], entities.get(row.ref, ())
            posts.append(_post(position, author_id, row, parent, found))
            tags += [(tag, position, author_id) for tag in tags_of(found)] if found else []
            if "media" in row.content:
                media[position] = row.content["media"]
        self._truth.bulk.insert_posts(tx, posts, media)
        self._truth.bulk.insert_tags(tx, tags)
        self._truth.events.append(tx, Event(EventKind.IMPORTED, 0, 0, self._clock.now_ms()))
        self._count(tx, posts)
        return Settled(len(posts))

    def _parents(
        self, tx: Tx, rows: Sequence[tuple[int, _Row]], positions: Sequence[int]
    ) -> list[int | None]:
        """The id of the post that each row answers."""
        new = {row.ref: position for (_, row), position in zip(rows, positions, strict=True)}
        refs = {row.reply_to_ref for _, row in rows if row.reply_to_ref} - new.keys()
        stored = self._truth.bulk.by_refs(tx, sorted(refs)) if refs else {}
        by_ref = new | {ref: post_id for ref, (post_id, _) in stored.items()}
        answered = {row.content["reply_to"] for _, row in rows if row.content.get("reply_to")}
        existing = set(self._truth.bulk.existing_posts(tx, sorted(answered))) if answered else set()
        parents = []
        for (number, row), position in zip(rows, positions, strict=True):
            try:
                parent = _parent(row, by_ref, existing)
                if row.reply_to_ref in new and parent is not None and parent >= position:
                    message = "reply_to_ref names a younger post; only what is there can be answered"
                    raise InvalidArgument(message, argument="reply_to_ref")
                parents.append(parent)
            except FeedkitError as error:
                raise row_error(number, error) from None
        return parents

    def _count(self, tx: Tx, posts: Sequence[NewPost]) -> None:
        """What the counters would have made of these posts."""
        self._truth.events.claim(tx, wait=True)  # or whoever applies the log would wait for our rows
        # One that answers nothing counts for its author alone, whatever else is among the posts.
        answers = [post for post in posts if post.reply_to]
        authors = self._truth.users.get_many(tx, sorted({post.author_id for post in answers}))
        private = {author.id for author in authors if author.private}
        deltas = Counters(self._truth).deltas(
            tx, [_published(post, private=post.author_id in private) for post in answers]
        )
        public = Counter(post.author_id for post in posts if not post.reply_to and post.audience == _PUBLIC)
        for author_id, count in public.items():
            deltas[author_id, Count.POSTS] += count
        for kind in sorted({kind for _, kind in deltas}):
            of_kind = sorted((one, delta) for (one, other), delta in deltas.items() if other == kind)
            ids, values = np.array(of_kind, dtype=np.int64).T
            self._truth.bulk.add_counts(tx, kind, ids, values)


def _parent(row: _Row, by_ref: Mapping[str, int], existing: set[int]) -> int | None:
    """The id of the post that this one answers."""
    by_id, ref = row.content.get("reply_to"), row.reply_to_ref
    if by_id is not None and ref is not None:
        message = "reply_to_ref cannot be given together with reply_to; pass one"
        raise InvalidArgument(message, argument="reply_to_ref")
    if ref is not None and ref not in by_ref:
        message = "reply_to_ref names no post of this or an earlier chunk, nor one that is there"
        raise InvalidArgument(message, argument="reply_to_ref")
    if by_id is not None and by_id not in existing:
        raise InvalidArgument("reply_to names no post", argument="reply_to")
    return by_id if ref is None else by_ref[ref]


def _post(
    position: int, author_id: int, row: _Row, parent: int | None, entities: tuple[Entity, ...]
) -> NewPost:
    content, at_ms = row.content, row.at_ms
    given = content.get
    return NewPost(
        position,
        position,
        author_id,
        at_ms,
        at_ms,
        row.ref,
        given("text", ""),
        given("extra_json", "{}"),
        given("kind", "post"),
        given("schema_version", 1),
        content["audience"].value if "audience" in content else _PUBLIC,
        parent,
        given("fallback"),
        entities or None,
        len(given("media", ())),
    )


def _published(post: NewPost, *, private: bool) -> Event:
    """What the log would say of an answer."""
    return Event(
        EventKind.POST_PUBLISHED,
        post.author_id,
        post.id,
        post.published_at,
        post.position,
        audience=Audience(post.audience),
        about=(("reply", post.reply_to or 0), *(((OF_PRIVATE, post.author_id),) if private else ())),
    )
