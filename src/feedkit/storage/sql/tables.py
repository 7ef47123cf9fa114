"""The tables of truth. Times are Unix milliseconds; one `namespace` prefixes every name."""

from typing import Any

import sqlalchemy as sa

from feedkit.model import PostStatus

SCHEMA_VERSION = 1

_Ms = sa.BigInteger
_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite: only INTEGER is the rowid itself


def posts_that_stand(posts: sa.FromClause) -> Any:
    """Published and not deleted; spelt with constants, so that planners know the index that is made for it."""
    published = posts.c.status == sa.literal_column(f"'{PostStatus.PUBLISHED.value}'")
    return published & posts.c.deleted_at.is_(None)


class Tables:
    """All tables of one namespace, as attributes."""

    def __init__(self, namespace: str) -> None:
        self.metadata = sa.MetaData()
        self._prefix = f"{namespace}_"
        self.meta = self._table(
            "meta",
            sa.Column("name", sa.String(64), primary_key=True),
            sa.Column("value", sa.Text, nullable=False),
        )
        self.secrets = self._table(
            "secrets",
            sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("secret", sa.LargeBinary, nullable=False),
            sa.Column("created_at", _Ms, nullable=False),
        )
        self.nodes = self._table(
            "nodes",
            sa.Column("node", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("owner", sa.String(32), nullable=False),
            sa.Column("until_ms", _Ms, nullable=False),
        )
        self.users = self._table(
            "users",
            sa.Column("id", _Id, primary_key=True, autoincrement=False),
            sa.Column("key", sa.LargeBinary, unique=True),  # bytes: any key is data, never collated
            sa.Column("handle", sa.Text),
            sa.Column("display_name", sa.Text),
            sa.Column("time_zone", sa.Text),
            sa.Column("status", sa.String(16), nullable=False),
            sa.Column("created_at", _Ms, nullable=False),
        )
        self.posts = self._table(
            "posts",
            sa.Column("id", _Id, primary_key=True, autoincrement=False),
            sa.Column("position", sa.BigInteger, nullable=False, unique=True),
            sa.Column("ref", sa.Text),
            sa.Column("author_id", sa.BigInteger, nullable=False),
            sa.Column("kind", sa.String(32), nullable=False),
            sa.Column("schema_version", sa.Integer, nullable=False),
            sa.Column("text", sa.Text, nullable=False),
            sa.Column("extra", sa.Text, nullable=False),  # JSON; text, so that hosts can query it anywhere
            sa.Column("status", sa.String(16), nullable=False),
            sa.Column("audience", sa.String(16), nullable=False),
            sa.Column("reply_to", sa.BigInteger),
            sa.Column("media_count", sa.SmallInteger, nullable=False),
            sa.Column("created_at", _Ms, nullable=False),
            sa.Column("published_at", _Ms),
            sa.Column("deleted_at", _Ms),
        )
        # What timelines are rebuilt from, without a look at the rows.
        stands = posts_that_stand(self.posts)
        self._index(
            self.posts, "author_id", "position", "audience", sqlite_where=stands, postgresql_where=stands
        )
        has_ref = self.posts.c.ref.is_not(None)
        self._index(self.posts, "ref", unique=True, sqlite_where=has_ref, postgresql_where=has_ref)
        self.post_media = self._table(
            "post_media",
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
        self._index(self.post_media, "url")
        self._index(self.post_media, "content_hash")
        self.associations = self._table(
            "associations",
            sa.Column("id1", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("kind", sa.String(16), primary_key=True),
            sa.Column("id2", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("time", _Ms, nullable=False),
            sa.Column("data", sa.LargeBinary),
            sqlite_with_rowid=False,
        )
        self._index(self.associations, "id1", "kind", "time")
        self.counts = self._table(
            "counts",
            sa.Column("object_id", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("kind", sa.String(16), primary_key=True),
            sa.Column("value", sa.BigInteger, nullable=False),
            sqlite_with_rowid=False,
        )
        self.events = self._table(
            "events",
            sa.Column("id", _Id, sa.Identity(), primary_key=True),
            # PostgreSQL only: given by the sequencer after commit. On SQLite `id` is the number.
            sa.Column("number", sa.BigInteger),
            sa.Column("kind", sa.String(32), nullable=False),
            sa.Column("actor_id", sa.BigInteger, nullable=False),
            sa.Column("object_id", sa.BigInteger, nullable=False),
            sa.Column("position", sa.BigInteger, nullable=False),
            sa.Column("data", sa.LargeBinary),
            sa.Column("at", _Ms, nullable=False),
            # SQLite gives a new row the highest id plus one, and the newest event is never pruned: so numbers
            # are contiguous without AUTOINCREMENT, which writes one more page per event.
        )
        number = self.events.c.number
        self._index(self.events, "number", unique=True).ddl_if(dialect="postgresql")
        unnumbered = sa.Index(
            f"{self.events.name}_unnumbered", self.events.c.id, postgresql_where=number.is_(None)
        )
        unnumbered.ddl_if(dialect="postgresql")
        self.consumers = self._table(
            "consumers",
            sa.Column("name", sa.String(64), primary_key=True),
            sa.Column("offset", sa.BigInteger, nullable=False),
        )
        self.pulled = self._table(
            "pulled",
            sa.Column("author_id", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("listed_at", _Ms, nullable=False),
            sa.Column("resumed_at", _Ms),
        )

    def _table(self, name: str, *args: sa.schema.SchemaItem, **kwargs: Any) -> sa.Table:
        table: sa.Table = sa.Table(self._prefix + name, self.metadata, *args, **kwargs)
        return table

    def _index(self, table: sa.Table, *columns: str, **options: Any) -> sa.Index:
        name = f"{table.name}_by_{'_'.join(columns)}"
        return sa.Index(name, *(table.c[column] for column in columns), **options)
