"""Many rows at once: what imports and reconciling read and write."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import attrs
import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from feedkit.idset import Ids, contains, idset
from feedkit.model import Assoc, Audience, Count, PostStatus, UserStatus
from feedkit.storage.bulk import Links, NewPosts, NewUser, RefTaken
from feedkit.storage.sql.dialects import Dialect
from feedkit.storage.sql.graph import GATE
from feedkit.storage.sql.lives import SCHEDULE
from feedkit.storage.sql.loading import loader_of
from feedkit.storage.sql.posts import entities_to_json, media_rows
from feedkit.storage.sql.prepared import Tx
from feedkit.storage.sql.tables import Tables

_GATE_WAIT_MS = 500  # whoever follows somebody meanwhile waits behind us
_USER_TYPES = {"id": "bigint", "key": "bytea", "created_ms": "bigint", "private": "smallint"}
_PLAIN_POST: Mapping[str, Any] = {
    "kind": "post",
    "schema_version": 1,
    "extra": "{}",
    "status": PostStatus.PUBLISHED.value,
    "audience": Audience.PUBLIC.value,
    "media_count": 0,
}
_STORED_AS = {"created_ms": "created_at"}


class SqlBulk:
    """See `feedkit.storage.bulk.BulkStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        self._dialect = dialect
        self._tables = tables
        self._loader = loader_of(dialect, tables.namespace)
        prepare = dialect.prepare
        users, posts = tables.users, tables.posts
        self._known = prepare(sa.select(users.c.id).where(dialect.is_in(users.c.id, "ids")))
        private = dialect.is_in(users.c.id, "ids") & (users.c.private != 0)
        self._private = prepare(sa.select(users.c.id).where(private))
        self._walks = {kind: prepare(_walk(users, users.c[kind])) for kind in ("id", "key")}
        self._prepare_links(tables.associations)
        counts = tables.counts
        of_kind = dialect.is_in(counts.c.object_id, "ids") & (counts.c.kind == sa.bindparam("of_kind"))
        self._counted = prepare(sa.select(counts.c.object_id).where(of_kind))
        above = (counts.c.kind == sa.bindparam("of_kind")) & (counts.c.value > sa.bindparam("above"))
        self._above = prepare(
            sa.select(counts.c.object_id).where(dialect.is_in(counts.c.object_id, "ids") & above)
        )
        by_ref = sa.select(posts.c.ref, posts.c.id, posts.c.author_id)
        self._by_refs = prepare(by_ref.where(dialect.is_in_texts(posts.c.ref, "refs")))
        self._there = prepare(
            sa.select(posts.c.id).where(dialect.is_in(posts.c.id, "ids") & posts.c.repost_of.is_(None))
        )

    def hold_graph(self, tx: Tx) -> None:
        self._dialect.lock(tx, GATE, at_most_ms=_GATE_WAIT_MS)
        self._loader.prepare(tx)

    def hold_positions(self, tx: Tx) -> None:
        self._dialect.lock(tx, SCHEDULE)
        self._loader.prepare(tx)

    # users

    def known(self, tx: Tx, user_ids: Sequence[int]) -> list[int]:
        return self._known.column(tx, {"ids": self._dialect.bind_ids(user_ids)})

    def private_among(self, tx: Tx, user_ids: Ids) -> Ids:
        return idset(self._private.column(tx, {"ids": self._dialect.bind_ids(user_ids)}))

    def insert_users(self, tx: Tx, users: Sequence[NewUser]) -> int:
        ordered = sorted(users, key=attrgetter("id"))
        columns: dict[str, tuple[str, Sequence[Any]]] = {
            _STORED_AS.get(name, name): (
                _USER_TYPES.get(name, "text"),
                [getattr(user, name) for user in ordered],
            )
            for name in (field.name for field in attrs.fields(NewUser))
        }
        columns["status"] = ("text", [UserStatus.ACTIVE.value] * len(ordered))
        return self._loader.insert(tx, self._tables.users.name, columns, "ON CONFLICT DO NOTHING")

    def users_between(
        self, tx: Tx, after: bytes | int, up_to: bytes | int | None, limit: int
    ) -> list[tuple[bytes | int, int]]:
        statement = self._walks["id" if isinstance(after, int) else "key"]
        rows = statement.rows(tx, {"after": after, "up_to": up_to, "no_end": up_to is None, "at_most": limit})
        return [(user_id if key is None else bytes(key), user_id) for key, user_id in rows]

    # follows

    def _prepare_links(self, links: sa.Table) -> None:
        staged, prepare = self._loader.staged, self._dialect.prepare
        of_kind = links.c.kind == sa.bindparam("of_kind")
        same = (links.c.id1 == staged.c.a) & of_kind & (links.c.id2 == staged.c.b)
        self._since = prepare(sa.select(staged.c.n, links.c.time).select_from(staged.join(links, same)))
        asked = self._dialect.id_rows("ids")
        any_of_theirs = sa.exists().where((links.c.id1 == asked.c.value) & of_kind)
        self._with_any = prepare(sa.select(asked.c.value).where(any_of_theirs))
        of_kinds = self._dialect.is_in_texts(links.c.kind, "of_kinds")
        of_some = self._dialect.is_in(links.c.id1, "ids") & of_kinds
        self._of_kinds = prepare(sa.select(links.c.id1, links.c.id2).where(of_some))
        ends = (links.c.id1 == sa.bindparam("from_id")) & (links.c.id2 == sa.bindparam("to_id"))
        self._delete = prepare(links.delete().where(ends & of_kind))

    def standing(self, tx: Tx, links: Links) -> tuple[NDArray[np.bool_], Ids]:
        # Who follows nobody yet, as most do in an import, needs no look at each pair.
        people = np.unique(np.concatenate((links.id1, links.id2)))
        asked = {"ids": self._dialect.bind_ids(people), "of_kind": Assoc.FOLLOWS.value}
        follow_any = idset(self._with_any.column(tx, asked))
        there, back = np.zeros(len(links), dtype=np.bool_), np.full(len(links), -1, dtype=np.int64)
        there[self._looked_up(tx, links, Assoc.FOLLOWS, contains(follow_any, links.id1))[0]] = True
        places, since = self._looked_up(tx, links, Assoc.FOLLOWED_BY, contains(follow_any, links.id2))
        back[places] = since
        return there, back

    def _looked_up(self, tx: Tx, links: Links, kind: Assoc, which: NDArray[np.bool_]) -> tuple[Ids, Ids]:
        """At which places, of `which` only, an association of this kind stands, and since when."""
        places, some = np.flatnonzero(which), links[which]
        if not len(some):
            return places, places
        pairs = self._loader.stage(tx, some.id1, some.id2)
        rows = self._since.rows(tx, {**pairs, "of_kind": kind.value})
        nth, since = np.array(rows, dtype=np.int64).reshape(-1, 2).T
        return places[nth - 1], since

    def from_each(self, tx: Tx, ids: Ids, *kinds: Assoc) -> tuple[Ids, Ids]:
        of_kinds = self._dialect.bind_texts([kind.value for kind in kinds])
        found = self._of_kinds.rows(tx, {"ids": self._dialect.bind_ids(ids), "of_kinds": of_kinds})
        pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def insert_links(self, tx: Tx, kind: Assoc, links: Links) -> None:
        links = links.sorted()
        columns = {"id1": links.id1, "id2": links.id2, "time": links.time}
        self._loader.load_of_kind(tx, self._tables.associations.name, kind.value, columns)

    def delete_links(self, tx: Tx, kind: Assoc, pairs: Sequence[tuple[int, int]]) -> None:
        rows = [{"from_id": id1, "of_kind": kind.value, "to_id": id2} for id1, id2 in sorted(pairs)]
        if rows:
            self._delete.run_many(tx, rows)

    def add_counts(self, tx: Tx, kind: str, ids: Ids, deltas: Ids) -> None:
        there = self._counted.column(tx, {"ids": self._dialect.bind_ids(ids), "of_kind": str(kind)})
        stands, table = contains(idset(there), ids), self._tables.counts.name
        if not stands.all():  # nobody else counts: what is not there by now will not be
            new = {"object_id": ids[~stands], "value": deltas[~stands]}
            self._loader.load_of_kind(tx, table, str(kind), new)
        if stands.any():
            columns: dict[str, tuple[str, Sequence[Any]]] = {
                "object_id": ("bigint", ids[stands].tolist()),
                "kind": ("text", [str(kind)] * int(stands.sum())),
                "value": ("bigint", deltas[stands].tolist()),
            }
            added = f"ON CONFLICT (object_id, kind) DO UPDATE SET value = {table}.value + excluded.value"
            self._loader.insert(tx, table, columns, added)

    def counted_above(self, tx: Tx, kind: Count, ids: Ids, limit: int) -> list[int]:
        return self._above.column(
            tx, {"ids": self._dialect.bind_ids(ids), "of_kind": kind.value, "above": limit}
        )

    # posts

    def by_refs(self, tx: Tx, refs: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        rows = self._by_refs.rows(tx, {"refs": self._dialect.bind_texts(refs)})
        return {ref: (post_id, author_id) for ref, post_id, author_id in rows}

    def existing_posts(self, tx: Tx, post_ids: Sequence[int]) -> list[int]:
        return self._there.column(tx, {"ids": self._dialect.bind_ids(post_ids)})

    def insert_posts(self, tx: Tx, posts: NewPosts) -> None:
        try:
            self._loader.load(tx, self._tables.posts.name, _post_columns(posts))
        except sa.exc.IntegrityError as error:
            raise RefTaken from error
        rows = [
            row
            for nth, further in posts.further.items()
            for row in media_rows(posts.positions[nth], further.get("media", ()))
        ]
        if rows:
            columns = {name: [row[name] for row in rows] for name in rows[0]}
            self._loader.load(tx, self._tables.post_media.name, columns)

    def insert_tags(self, tx: Tx, rows: Sequence[tuple[str, int, int]]) -> None:
        if rows:
            names = ("tag", "position", "post_id")
            columns = dict(zip(names, zip(*sorted(rows), strict=True), strict=True))
            self._loader.load(tx, self._tables.post_tags.name, columns)


def _post_columns(posts: NewPosts) -> dict[str, Sequence[Any]]:
    """As they are stored; a column that is not among them has no value yet."""
    count = len(posts.positions)
    columns: dict[str, list[Any]] = defaultdict(lambda: [None] * count)
    columns |= {name: [value] * count for name, value in _PLAIN_POST.items()}
    for nth, parent in posts.reply_to.items():
        columns["reply_to"][nth] = parent
    for nth, further in posts.further.items():
        for name, value in further.items():
            if name == "media":
                columns["media_count"][nth] = len(further["media"])
            elif name == "entities":
                columns[name][nth] = entities_to_json(further["entities"])
            else:
                columns[name][nth] = value
    return {
        "id": posts.positions,
        "position": posts.positions,
        "author_id": posts.author_ids,
        "created_at": posts.times,
        "published_at": posts.times,
        "ref": posts.refs,
        "text": posts.texts,
        **columns,
    }


def _walk(users: sa.Table, by: sa.Column[Any]) -> Any:
    up_to = (by <= sa.bindparam("up_to")) | sa.bindparam("no_end", type_=sa.Boolean)
    between = (by > sa.bindparam("after")) & up_to
    return sa.select(users.c.key, users.c.id).where(between).order_by(by).limit(sa.bindparam("at_most"))
