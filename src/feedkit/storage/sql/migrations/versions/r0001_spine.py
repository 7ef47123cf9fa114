"""Users, posts with media, follows, blocks and mutes, counters and the log.

Databases of this form were made before there were revisions.
"""

from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0001"
down_revision = None

_Ms = sa.BigInteger
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade(op: Operations, namespace: str) -> None:
    """Make the first tables."""
    _install(op, namespace)
    _people(op, namespace)
    _posts(op, namespace)
    _log(op, namespace)


def _install(op: Operations, namespace: str) -> None:
    op.create_table(
        f"{namespace}_meta",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        f"{namespace}_secrets",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("created_at", _Ms, nullable=False),
    )
    op.create_table(
        f"{namespace}_nodes",
        sa.Column("node", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("until_ms", _Ms, nullable=False),
    )


def _people(op: Operations, namespace: str) -> None:
    op.create_table(
        f"{namespace}_users",
        sa.Column("id", _ID, primary_key=True, autoincrement=False),
        sa.Column("key", sa.LargeBinary, unique=True),
        sa.Column("handle", sa.Text),
        sa.Column("display_name", sa.Text),
        sa.Column("time_zone", sa.Text),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", _Ms, nullable=False),
    )
    associations = op.create_table(
        f"{namespace}_associations",
        sa.Column("id1", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("id2", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time", _Ms, nullable=False),
        sa.Column("data", sa.LargeBinary),
        sqlite_with_rowid=False,
    )
    _index(op, associations, "id1", "kind", "time")


def _posts(op: Operations, namespace: str) -> None:
    posts = op.create_table(
        f"{namespace}_posts",
        sa.Column("id", _ID, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False, unique=True),
        sa.Column("ref", sa.Text),
        sa.Column("author_id", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("schema_version", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("extra", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("audience", sa.String(16), nullable=False),
        sa.Column("reply_to", sa.BigInteger),
        sa.Column("media_count", sa.SmallInteger, nullable=False),
        sa.Column("created_at", _Ms, nullable=False),
        sa.Column("published_at", _Ms),
        sa.Column("deleted_at", _Ms),
    )
    stands = sa.text("status = 'published' AND deleted_at IS NULL")
    _index(op, posts, "author_id", "position", "audience", where=stands)
    _index(op, posts, "ref", unique=True, where=sa.text("ref IS NOT NULL"))
    media = op.create_table(
        f"{namespace}_post_media",
        sa.Column("post_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("ordinal", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("alt_text", sa.Text),
        sa.Column("content_hash", sa.Text),
        sa.Column("status", sa.String(16), nullable=False),
    )
    _index(op, media, "url")
    _index(op, media, "content_hash")


def _log(op: Operations, namespace: str) -> None:
    op.create_table(
        f"{namespace}_counts",
        sa.Column("object_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    events = op.create_table(
        f"{namespace}_events",
        sa.Column("id", _ID, sa.Identity(), primary_key=True),
        sa.Column("number", sa.BigInteger),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("actor_id", sa.BigInteger, nullable=False),
        sa.Column("object_id", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary),
        sa.Column("at", _Ms, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        _index(op, events, "number", unique=True)
        fresh = sa.text("number IS NULL")
        op.create_index(f"{events.name}_unnumbered", events.name, ["id"], postgresql_where=fresh)
    op.create_table(
        f"{namespace}_consumers",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("offset", sa.BigInteger, nullable=False),
    )
    op.create_table(
        f"{namespace}_pulled",
        sa.Column("author_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("listed_at", _Ms, nullable=False),
        sa.Column("resumed_at", _Ms),
    )


def _index(op: Operations, table: sa.Table, *columns: str, where: Any = None, unique: bool = False) -> None:
    name = f"{table.name}_by_{'_'.join(columns)}"
    op.create_index(
        name, table.name, list(columns), unique=unique, sqlite_where=where, postgresql_where=where
    )
