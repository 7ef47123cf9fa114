"""What people did to posts and comments: reactions and saves, as associations."""

from collections.abc import Mapping, Sequence
from heapq import merge
from itertools import islice
from typing import Any

import sqlalchemy as sa

from feedkit.idset import Ids
from feedkit.model import Assoc, Audience, Count, Own
from feedkit.storage.base import COUNTED, REACTED, REACTED_BY
from feedkit.storage.engaging import Mark
from feedkit.storage.sql.dialects import Dialect
from feedkit.storage.sql.prepared import Tx
from feedkit.storage.sql.tables import Tables, posts_that_stand

_NAMING = {Count.REPLIES: "reply_to", Count.REPOSTS: "repost_of", Count.QUOTES: "quote_of"}
_ANSWERS = "answers"
_LISTS = [_ANSWERS, *(kind.value for kind in (Count.REACTIONS, Count.COMMENTS, *_NAMING))]


class SqlEngagement:
    """See `feedkit.storage.engaging.EngagementStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        links = tables.associations
        self._dialect, self._bind = dialect, dialect.bind_ids
        prepare = dialect.prepare
        of_one = links.c.id1 == sa.bindparam("from_id")
        mine = of_one & dialect.is_in(links.c.id2, "ids")
        reacted, reacted_by = (
            links.c.kind.in_(_kinds_of_one(links, prefix)) for prefix in (REACTED, REACTED_BY)
        )
        did = sa.select(links.c.id2, links.c.kind).where(mine)
        saved = did.where(links.c.kind == Assoc.SAVES.value)
        self._own = prepare(sa.union_all(did.where(reacted), saved).order_by("kind"))
        here = of_one & (links.c.id2 == sa.bindparam("to_id")) & reacted
        self._held = prepare(sa.select(links.c.kind).where(here).order_by(links.c.time, links.c.kind))

        there = ["id1=from_id", "kind=of_kind", "id2=to_id", "time=now_ms"]
        back = ["id1=to_id", "kind=inverse", "id2=from_id", "time=now_ms"]
        self._add = prepare(dialect.insert(links, there, back).on_conflict_do_nothing())
        self._remove = prepare(links.delete().where(_is_row(links, there) | _is_row(links, back)))

        time: Any = sa.bindparam("time")
        earlier = (links.c.time <= time) & ((links.c.time < time) | (links.c.id2 < sa.bindparam("other")))
        self._newest = prepare(
            sa.select(links.c.time, links.c.id2)
            .where(of_one & (links.c.kind == sa.bindparam("of_kind")) & earlier)
            .order_by(links.c.time.desc(), links.c.id2.desc())
            .limit(sa.bindparam("at_most"))
        )
        last = sa.select(links.c.id2, sa.func.max(links.c.time)).where(mine).group_by(links.c.id2)
        of_kinds = {REACTED: reacted, REACTED_BY: reacted_by}
        self._last = {prefix: prepare(last.where(those)) for prefix, those in of_kinds.items()}
        self._kinds = {prefix: prepare(_kinds_of_one(links, prefix)) for prefix in of_kinds}
        self._of_people = prepare(_of_people(tables, dialect))

    def own(self, tx: Tx, viewer_id: int, object_ids: Sequence[int]) -> dict[int, Own]:
        reacted: dict[int, tuple[str, ...]] = {}
        saved: set[int] = set()
        for object_id, kind in self._own.rows(tx, {"from_id": viewer_id, "ids": self._bind(object_ids)}):
            if kind == Assoc.SAVES:
                saved.add(object_id)
            else:
                reacted[object_id] = (*reacted.get(object_id, ()), kind.removeprefix(REACTED))
        return {one: Own(reacted.get(one, ()), one in saved) for one in saved | set(reacted)}

    def lock(self, tx: Tx, actor_id: int) -> None:
        self._dialect.lock(tx, f"engaged:{actor_id}")

    def held(self, tx: Tx, actor_id: int, target_id: int) -> list[str]:
        kinds = self._held.column(tx, {"from_id": actor_id, "to_id": target_id})
        return [kind.removeprefix(REACTED) for kind in kinds]

    def add(self, tx: Tx, actor_id: int, kind: str, target_id: int, now_ms: int) -> bool:
        return self._add.run(tx, {**_pair(actor_id, kind, target_id), "now_ms": now_ms}) > 0

    def remove(self, tx: Tx, actor_id: int, kind: str, target_id: int) -> bool:
        return self._remove.run(tx, _pair(actor_id, kind, target_id)) > 0

    def newest(self, tx: Tx, id1: int, kind: str, before: Mark, limit: int) -> list[Mark]:
        time, other = before
        some = {"from_id": id1, "of_kind": kind, "time": time, "other": other, "at_most": limit}
        return [(at, one) for at, one in self._newest.rows(tx, some)]

    def newest_of_kinds(self, tx: Tx, id1: int, prefix: str, before: Mark, limit: int) -> list[Mark]:
        kinds = [kind for kind in self._kinds[prefix].column(tx, {"from_id": id1}) if kind is not None]
        newest = merge(*(self.newest(tx, id1, kind, before, limit) for kind in kinds), reverse=True)
        return list(islice(dict.fromkeys(newest), limit))

    def last(self, tx: Tx, id1: int, prefix: str, others: Sequence[int]) -> dict[int, int]:
        return dict(self._last[prefix].rows(tx, {"from_id": id1, "ids": self._bind(others)}))

    def of_people(
        self, tx: Tx, counted: Mapping[Count, Sequence[int]], people: Ids, *, on_post: int = 0
    ) -> dict[int, dict[str, int]]:
        lists = {_answers(kind, on_post): ids for kind, ids in counted.items()}
        given = {name: self._bind(lists.get(name, ())) for name in _LISTS}
        rows = self._of_people.rows(tx, {**given, "people": self._bind(people), "on_post": on_post})
        found: dict[int, dict[str, int]] = {}
        for object_id, kind, value in rows:
            found.setdefault(object_id, {})[kind] = value
        return found


def _answers(kind: Count, on_post: int) -> str:
    return _ANSWERS if on_post and kind is Count.REPLIES else kind.value


def _of_people(tables: Tables, dialect: Dialect) -> Any:
    """(object, kind of counter, number) of what some people did.

    What was done to an object is gone through, and not all that these people ever did: `+ 0` keeps planners
    from the latter, which has no bound.
    """
    links, comments, posts = tables.associations, tables.comments, tables.posts
    commented = (comments.c.deleted_at.is_(None), dialect.is_in(comments.c.author_id + 0, "people"))
    reacted = sa.literal(REACTED) + sa.func.substr(links.c.kind, len(REACTED_BY) + 1)
    parts = [
        _rows(links.c.id1, reacted).where(
            dialect.is_in(links.c.id1, Count.REACTIONS.value),
            _begins_with(links.c.kind, REACTED_BY),
            dialect.is_in(links.c.id2 + 0, "people"),
        ),
        _rows(comments.c.post_id, sa.literal(Count.COMMENTS.value)).where(
            dialect.is_in(comments.c.post_id, Count.COMMENTS.value), *commented
        ),
        _rows(comments.c.parent_id, sa.literal(Count.REPLIES.value)).where(
            comments.c.post_id == sa.bindparam("on_post"),
            dialect.is_in(comments.c.parent_id, _ANSWERS),
            *commented,
        ),
    ]
    for kind, column in _NAMING.items():
        other = posts.c[column]
        parts.append(
            _rows(other, sa.literal(kind.value)).where(
                dialect.is_in(other, kind.value),
                dialect.is_in(posts.c.author_id + 0, "people"),
                _is_counted(tables),
            )
        )
    all_of_it = sa.union_all(*parts).subquery("all_of_it")
    by = (all_of_it.c.object_id, all_of_it.c.kind)
    return sa.select(*by, sa.func.count()).group_by(*by)


def _is_counted(tables: Tables) -> Any:
    """Of a post, by what it is now: whoever applies the log may not have come to it yet."""
    posts, counts, users = tables.posts, tables.counts, tables.users
    everybody = [posts.c.audience == one for one in (Audience.PUBLIC.value, Audience.UNLISTED.value)]
    mark = (counts.c.object_id == posts.c.id) & (counts.c.kind == COUNTED)
    private = (users.c.id == posts.c.author_id) & (users.c.private != 0)
    already = sa.exists().where(mark & (counts.c.value > 0))
    about_to_be = ~sa.exists().where(mark) & ~sa.exists().where(private)
    stays = posts.c.expires_at.is_(None) | posts.c.repost_of.is_not(None)  # which ends with what it shares
    return posts_that_stand(posts) & stays & sa.or_(*everybody) & (already | about_to_be)


def _rows(of: sa.ColumnElement[int], kind: sa.ColumnElement[str]) -> Any:
    return sa.select(of.label("object_id"), sa.cast(kind, sa.String).label("kind"))


def _kinds_of_one(links: sa.Table, prefix: str) -> Any:
    """The kinds that one id has rows of: one step of the index finds each, however many rows there are."""
    one = links.alias("one")
    of_one = sa.select(one.c.kind).where(one.c.id1 == sa.bindparam("from_id"), one.c.kind < _past(prefix))
    lowest_first = of_one.order_by(one.c.kind).limit(1)
    first = lowest_first.where(one.c.kind >= prefix).scalar_subquery()
    kinds = sa.select(first.label("kind")).cte(f"kinds_{prefix[:-1]}", recursive=True)
    # One bound from below alone: of two, SQLite takes either to search by.
    following = lowest_first.where(one.c.kind > kinds.c.kind).correlate(kinds).scalar_subquery()
    step = sa.select(following).where(kinds.c.kind.is_not(None))
    return sa.select(kinds.union_all(step).c.kind)


def _begins_with(kind: sa.ColumnElement[str], prefix: str) -> Any:
    """As a range of the index."""
    return (kind >= prefix) & (kind < _past(prefix))


def _past(prefix: str) -> str:
    """The first string past everything that begins with this."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def _is_row(links: sa.Table, row: Sequence[str]) -> Any:
    names = dict(one.split("=") for one in row[:3])
    return sa.and_(*(links.c[column] == sa.bindparam(name) for column, name in names.items()))


def _pair(actor_id: int, kind: str, target_id: int) -> dict[str, Any]:
    return {
        "from_id": actor_id,
        "of_kind": REACTED + kind,
        "inverse": REACTED_BY + kind,
        "to_id": target_id,
    }
