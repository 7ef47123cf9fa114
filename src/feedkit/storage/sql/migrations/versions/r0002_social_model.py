"""Friends, lists, private and suspended users; drafts, edits, reposts, quotes, tags; comments; journals.

What stands already is carried over: those who follow each other become friends, and answers are counted.

On PostgreSQL nobody who publishes waits for long: columns without a default, or with a constant one, and longer
strings only change the catalogue, within `lock_timeout`, and indexes of tables with rows are built beside writers.
On SQLite three tables are copied, in the one transaction.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0002"
down_revision = "0001"

_LOCK_TIMEOUT = "3s"
_Ms = sa.BigInteger
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_UNIQUE = {"uq": "%(table_name)s_%(column_0_name)s_key"}  # as PostgreSQL names them itself
_OTHERS = ("reply_to", "repost_of", "quote_of")
_STANDS = "status = 'published' AND deleted_at IS NULL"
_DRAFTS = "status = 'draft' AND deleted_at IS NULL"
_WITHDRAWN = "status != 'published' AND status != 'draft' OR deleted_at IS NOT NULL"
_OF_AUTHOR = ["author_id", "position", "audience"]
_PARTS = {"posts": "reply_to IS NULL", "replies": "reply_to IS NOT NULL", "media": "media_count > 0"}
_UNFINISHED = sa.text("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid")


class _Index(NamedTuple):
    name: str
    table: str
    columns: list[str]
    where: str | None = None
    unique: bool = False


def upgrade(op: Operations, namespace: str) -> None:
    """From the first tables to those of the social model."""
    if _is_postgres(op):
        op.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
    _widen_kinds(op, namespace)
    _extend_people(op, namespace)
    _extend_posts(op, namespace)
    _add_beside_posts(op, namespace)
    _add_journals(op, namespace)
    _change_indexes(op, namespace)
    _make_friends(op, namespace)
    _count_answers(op, namespace)


def _widen_kinds(op: Operations, namespace: str) -> None:
    for name in ("associations", "counts"):
        with op.batch_alter_table(f"{namespace}_{name}", table_kwargs={"sqlite_with_rowid": False}) as table:
            table.alter_column(
                "kind", existing_type=sa.String(16), type_=sa.String(64), existing_nullable=False
            )


def _extend_people(op: Operations, namespace: str) -> None:
    users = f"{namespace}_users"
    _add_column(op, users, sa.Column("private", sa.SmallInteger, nullable=False, server_default="0"))
    _add_column(op, users, sa.Column("suspended_until", _Ms))
    lists = f"{namespace}_lists"
    op.create_table(
        lists,
        sa.Column("id", _ID, primary_key=True, autoincrement=False),
        sa.Column("owner_id", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", _Ms, nullable=False),
        if_not_exists=True,
    )
    _index(op, lists, "owner_id", "name", unique=True)


def _extend_posts(op: Operations, namespace: str) -> None:
    posts = f"{namespace}_posts"
    with op.batch_alter_table(posts, naming_convention=_UNIQUE) as table:
        table.alter_column("position", existing_type=sa.BigInteger(), nullable=True)
        if not _is_postgres(op):  # where it goes when its successor is there
            table.drop_constraint(f"{posts}_position_key", type_="unique")
    for column in (
        sa.Column("edited_at", _Ms),
        sa.Column("expires_at", _Ms),
        sa.Column("scheduled_at", _Ms),
        sa.Column("revision", sa.Integer, nullable=False, server_default="0"),
        sa.Column("list_id", sa.BigInteger),
        sa.Column("repost_of", sa.BigInteger),
        sa.Column("quote_of", sa.BigInteger),
        sa.Column("fallback", sa.Text),
        sa.Column("entities", sa.Text),
    ):
        _add_column(op, posts, column)
    _add_column(op, f"{namespace}_post_media", sa.Column("size_bytes", sa.BigInteger))


def _add_beside_posts(op: Operations, namespace: str) -> None:
    op.create_table(
        f"{namespace}_post_revisions",
        sa.Column("post_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("media", sa.Text, nullable=False),
        sa.Column("extra", sa.Text, nullable=False),
        sa.Column("until", _Ms, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        f"{namespace}_post_tags",
        sa.Column("tag", sa.String(128), primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("post_id", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    comments = f"{namespace}_comments"
    op.create_table(
        comments,
        sa.Column("id", _ID, primary_key=True, autoincrement=False),
        sa.Column("post_id", sa.BigInteger, nullable=False),
        sa.Column("parent_id", sa.BigInteger, nullable=False),
        sa.Column("path", sa.LargeBinary, nullable=False),
        sa.Column("author_id", sa.BigInteger, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("created_at", _Ms, nullable=False),
        sa.Column("edited_at", _Ms),
        sa.Column("deleted_at", _Ms),
        if_not_exists=True,
    )
    _index(op, comments, "post_id", "parent_id", "id")
    _index(op, comments, "post_id", "path")
    _index(op, comments, "author_id", "id")


def _add_journals(op: Operations, namespace: str) -> None:
    idempotency, audit = f"{namespace}_idempotency", f"{namespace}_audit"
    op.create_table(
        idempotency,
        sa.Column("actor_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("result_id", sa.BigInteger, nullable=False),
        sa.Column("at", _Ms, nullable=False),
        if_not_exists=True,
    )
    _index(op, idempotency, "at")
    op.create_table(
        audit,
        sa.Column("id", _ID, primary_key=True, autoincrement=False),
        sa.Column("staff", sa.Text, nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("object_id", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", _Ms, nullable=False),
        if_not_exists=True,
    )
    _index(op, audit, "object_id", "id")


def _change_indexes(op: Operations, namespace: str) -> None:
    """Those of tables that hold rows already. On PostgreSQL beside whoever writes, which no transaction can do."""
    posts, media, links, users = (
        f"{namespace}_{name}" for name in ("posts", "post_media", "associations", "users")
    )
    new: list[_Index] = [
        *(_named(posts, [other, "position"], f"{other} IS NOT NULL") for other in _OTHERS),
        *(
            _Index(f"{posts}_{part}_by_author_id", posts, _OF_AUTHOR, f"{_STANDS} AND {belongs}")
            for part, belongs in _PARTS.items()
        ),
        _named(posts, ["repost_of", "author_id"], f"{_STANDS} AND repost_of IS NOT NULL"),
        _Index(f"{posts}_by_position", posts, ["position"], "position != id", unique=True),
        _named(posts, ["scheduled_at"], "scheduled_at IS NOT NULL"),
        _named(posts, ["author_id", "id"], _DRAFTS, of="drafts"),
        _named(posts, ["author_id", "id"], _WITHDRAWN, of="withdrawn"),
        _named(media, ["url", "post_id"], None),
        _named(media, ["content_hash", "post_id"], "content_hash IS NOT NULL"),
        _named(links, ["id1", "kind", "time", "id2"], None),
        _named(users, ["handle"], "handle IS NOT NULL"),
    ]
    old = (
        (f"{posts}_by_author_id_position_audience", posts),
        (f"{links}_by_id1_kind_time", links),
        (f"{media}_by_url", media),
        (f"{media}_by_content_hash", media),
    )
    if not _is_postgres(op):
        for index in new:
            where = index.where and sa.text(index.where)
            op.create_index(*index[:3], unique=index.unique, sqlite_where=where)
        for one in old:
            op.drop_index(*one)
        return
    with op.get_context().autocommit_block():
        for index in new:
            _build_beside_writers(op, index)
        for one in old:
            op.drop_index(*one, if_exists=True, postgresql_concurrently=True)
        op.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
        op.execute(f"ALTER TABLE {posts} DROP CONSTRAINT IF EXISTS {posts}_position_key")
        op.execute("RESET lock_timeout")


def _build_beside_writers(op: Operations, index: _Index) -> None:
    if op.get_bind().scalar(_UNFINISHED, {"name": index.name}):
        op.drop_index(index.name, index.table, postgresql_concurrently=True)
    op.create_index(
        *index[:3],
        unique=index.unique,
        postgresql_where=index.where and sa.text(index.where),
        postgresql_concurrently=True,
        if_not_exists=True,
    )


def _make_friends(op: Operations, namespace: str) -> None:
    """Whoever follow each other are friends, since the later of the two follows."""
    links, counts = f"{namespace}_associations", f"{namespace}_counts"
    later = "CASE WHEN there.time > back.time THEN there.time ELSE back.time END"
    op.execute(
        f"INSERT INTO {links} (id1, kind, id2, time) "  # noqa: S608 - names that were checked
        f"SELECT there.id1, 'friends', there.id2, {later} FROM {links} AS there JOIN {links} AS back "
        "ON back.id1 = there.id2 AND back.kind = 'follows' AND back.id2 = there.id1 "
        "WHERE there.kind = 'follows' ON CONFLICT DO NOTHING"
    )
    op.execute(
        f"INSERT INTO {counts} (object_id, kind, value) "  # noqa: S608 - as above
        f"SELECT id1, 'friends', count(*) FROM {links} WHERE kind = 'friends' GROUP BY id1 "
        "ON CONFLICT (object_id, kind) DO UPDATE SET value = excluded.value"
    )


def _count_answers(op: Operations, namespace: str) -> None:
    """Answers that everybody may see, each marked as counted."""
    posts, counts = f"{namespace}_posts", f"{namespace}_counts"
    answers = (
        f"FROM {posts} WHERE reply_to IS NOT NULL AND audience = 'public' "
        "AND status = 'published' AND deleted_at IS NULL"
    )
    for counted in (
        f"SELECT reply_to, 'replies', count(*) {answers} GROUP BY reply_to",
        f"SELECT id, 'counted', 1 {answers}",
    ):
        op.execute(
            f"INSERT INTO {counts} (object_id, kind, value) {counted} "
            "ON CONFLICT (object_id, kind) DO UPDATE SET value = excluded.value"
        )


def _add_column(op: Operations, table: str, column: sa.Column[Any]) -> None:
    op.add_column(table, column, if_not_exists=True if _is_postgres(op) else None)


def _index(op: Operations, table: str, *columns: str, unique: bool = False) -> None:
    op.create_index(_name(table, columns), table, list(columns), unique=unique, if_not_exists=True)


def _named(table: str, columns: list[str], where: str | None, *, of: str = "") -> _Index:
    return _Index(_name(f"{table}_{of}" if of else table, columns), table, columns, where)


def _name(table: str, columns: Sequence[str]) -> str:
    return f"{table}_by_{'_'.join(columns)}"


def _is_postgres(op: Operations) -> bool:
    return op.get_bind().dialect.name == "postgresql"
