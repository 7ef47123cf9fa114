"""The tables of truth. Times are Unix milliseconds; one `namespace` prefixes every name."""

from typing import Any

import sqlalchemy as sa

from feedkit.model import PostStatus
from feedkit.storage.selections import Part

SCHEMA_VERSION = 5

_Ms = sa.BigInteger
_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite: only INTEGER is the rowid itself


def posts_that_stand(posts: sa.FromClause) -> Any:
    """Published and not deleted; spelt with constants, so that planners know the index that is made for it."""
    published = posts.c.status == sa.literal_column(f"'{PostStatus.PUBLISHED.value}'")
    return published & posts.c.deleted_at.is_(None)


def drafts(posts: sa.FromClause) -> Any:
    """Not published yet, and not discarded; as above."""
    drafted = posts.c.status == sa.literal_column(f"'{PostStatus.DRAFT.value}'")
    return drafted & posts.c.deleted_at.is_(None)


def posts_withdrawn(posts: sa.FromClause) -> Any:
    """Held, removed or deleted: what neither stands nor is a draft; as above."""
    kept_back = sa.and_(
        *(
            posts.c.status != sa.literal_column(f"'{status.value}'")
            for status in (PostStatus.PUBLISHED, PostStatus.DRAFT)
        )
    )
    return kept_back | posts.c.deleted_at.is_not(None)


def posts_moved(posts: sa.FromClause) -> Any:
    """Published at another position than that of their id, as what was scheduled."""
    return posts.c.position != posts.c.id


def parts_of_profiles(posts: sa.FromClause) -> dict[Part, Any]:
    """What belongs to each part, spelt with constants, since each has an index of its own."""
    return {
        Part.POSTS: posts.c.reply_to.is_(None),
        Part.REPLIES: posts.c.reply_to.is_not(None),
        Part.MEDIA: posts.c.media_count > sa.literal_column("0"),
    }


def part_index(posts: str, part: Part) -> str:
    """The name of the index of a part; short, since PostgreSQL takes 63 characters with a namespace of any length."""
    return f"{posts}_{part}_by_author_id"


class Tables:
    """All tables of one namespace, as attributes. Whoever changes them writes a revision (see `migrations`)."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.metadata = sa.MetaData()
        self._prefix = f"{namespace}_"
        # As Alembic makes it, which compares all tables but this one: so it is not among the others.
        self.revision = sa.Table(
            f"{namespace}_alembic_version",
            sa.MetaData(),
            sa.Column("version_num", sa.String(32), nullable=False),
            sa.PrimaryKeyConstraint("version_num", name=f"{namespace}_alembic_version_pkc"),
        )
        self._add_install()
        self._add_people()
        self._add_posts()
        self._add_beside_posts()
        self._add_log()
        self._add_deliveries()
        self._add_journals()

    def _add_install(self) -> None:
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

    def _add_people(self) -> None:
        self.users = self._table(
            "users",
            sa.Column("id", _Id, primary_key=True, autoincrement=False),
            sa.Column("key", sa.LargeBinary, unique=True),  # bytes: any key is data, never collated
            sa.Column("handle", sa.Text),
            sa.Column("display_name", sa.Text),
            sa.Column("time_zone", sa.Text),
            sa.Column("status", sa.String(16), nullable=False),
            sa.Column("created_at", _Ms, nullable=False),
            sa.Column("private", sa.SmallInteger, nullable=False, server_default="0"),
            sa.Column("suspended_until", _Ms),
        )
        has_handle = self.users.c.handle.is_not(None)
        self._index(self.users, "handle", sqlite_where=has_handle, postgresql_where=has_handle)
        self.associations = self._table(
            "associations",
            sa.Column("id1", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("kind", sa.String(64), primary_key=True),
            sa.Column("id2", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("time", _Ms, nullable=False),
            sa.Column("data", sa.LargeBinary),
            sqlite_with_rowid=False,
        )
        # Down to `id2`: lists of people are paged by (time, id2), and an import gives very many one time.
        self._index(self.associations, "id1", "kind", "time", "id2")
        self.lists = self._table(
            "lists",
            sa.Column("id", _Id, primary_key=True, autoincrement=False),
            sa.Column("owner_id", sa.BigInteger, nullable=False),
            sa.Column("name", sa.Text, nullable=False),
            sa.Column("created_at", _Ms, nullable=False),
        )
        self._index(self.lists, "owner_id", "name", unique=True)

    def _add_posts(self) -> None:
        self.posts = self._table(
            "posts",
            sa.Column("id", _Id, primary_key=True, autoincrement=False),
            sa.Column("position", sa.BigInteger),  # none as long as it was never published
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
            sa.Column("edited_at", _Ms),
            sa.Column("expires_at", _Ms),
            sa.Column("scheduled_at", _Ms),
            sa.Column("revision", sa.Integer, nullable=False, server_default="0"),
            sa.Column("list_id", sa.BigInteger),
            sa.Column("repost_of", sa.BigInteger),
            sa.Column("quote_of", sa.BigInteger),
            sa.Column("fallback", sa.Text),
            sa.Column("entities", sa.Text),  # JSON
        )
        # Most posts are published as they are written, at the position of their id, and need no index of their own.
        moved = posts_moved(self.posts)
        self._index(self.posts, "position", unique=True, sqlite_where=moved, postgresql_where=moved)
        # What timelines are rebuilt from as well, without a look at the rows: from posts and replies, merged.
        stands = posts_that_stand(self.posts)
        for part, belongs in parts_of_profiles(self.posts).items():
            theirs = stands & belongs
            sa.Index(
                part_index(self.posts.name, part),
                *(self.posts.c[column] for column in ("author_id", "position", "audience")),
                sqlite_where=theirs,
                postgresql_where=theirs,
            )
        reposted = stands & self.posts.c.repost_of.is_not(None)
        self._index(self.posts, "repost_of", "author_id", sqlite_where=reposted, postgresql_where=reposted)
        for other in ("reply_to", "repost_of", "quote_of"):
            names_one = self.posts.c[other].is_not(None)
            self._index(self.posts, other, "position", sqlite_where=names_one, postgresql_where=names_one)
        waits = self.posts.c.scheduled_at.is_not(None)
        self._index(self.posts, "scheduled_at", sqlite_where=waits, postgresql_where=waits)
        for kind, theirs in (("drafts", drafts(self.posts)), ("withdrawn", posts_withdrawn(self.posts))):
            self._index(self.posts, "author_id", "id", of=kind, sqlite_where=theirs, postgresql_where=theirs)
        has_ref = self.posts.c.ref.is_not(None)
        self._index(self.posts, "ref", unique=True, sqlite_where=has_ref, postgresql_where=has_ref)

    def _add_beside_posts(self) -> None:
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
            sa.Column("size_bytes", sa.BigInteger),
        )
        self._index(self.post_media, "url", "post_id")  # a step at a time, as media are updated
        hashed = self.post_media.c.content_hash.is_not(None)
        self._index(self.post_media, "content_hash", "post_id", sqlite_where=hashed, postgresql_where=hashed)
        self.post_revisions = self._table(
            "post_revisions",
            sa.Column("post_id", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("text", sa.Text, nullable=False),
            sa.Column("media", sa.Text, nullable=False),  # JSON
            sa.Column("extra", sa.Text, nullable=False),  # JSON
            sa.Column("until", _Ms, nullable=False),
        )
        self.post_tags = self._table(
            "post_tags",
            sa.Column("tag", sa.String(128), primary_key=True),
            sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("post_id", sa.BigInteger, nullable=False),
            sqlite_with_rowid=False,
        )
        self.comments = self._table(
            "comments",
            sa.Column("id", _Id, primary_key=True, autoincrement=False),
            sa.Column("post_id", sa.BigInteger, nullable=False),
            sa.Column("parent_id", sa.BigInteger, nullable=False),  # 0 where it answers the post itself
            sa.Column("path", sa.LargeBinary, nullable=False),  # ids of its branch, 8 bytes each, big-endian
            sa.Column("author_id", sa.BigInteger, nullable=False),
            sa.Column("text", sa.Text, nullable=False),
            sa.Column("created_at", _Ms, nullable=False),
            sa.Column("edited_at", _Ms),
            sa.Column("deleted_at", _Ms),
        )
        self._index(self.comments, "post_id", "parent_id", "id")
        self._index(self.comments, "post_id", "path")
        self._index(self.comments, "author_id", "id")
        self.counts = self._table(
            "counts",
            sa.Column("object_id", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("kind", sa.String(64), primary_key=True),
            sa.Column("value", sa.BigInteger, nullable=False),
            sqlite_with_rowid=False,
            postgresql_with={"fillfactor": 50},  # a counter changes beside itself, and leaves its index alone
        )

    def _add_log(self) -> None:
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
        self.dead_letters = self._table(
            "dead_letters",
            sa.Column("consumer", sa.String(64), primary_key=True),
            sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("event", sa.LargeBinary, nullable=False),
            sa.Column("tries", sa.Integer, nullable=False),
            sa.Column("reason", sa.Text, nullable=False),
            sa.Column("at", _Ms, nullable=False),
        )
        self.pulled = self._table(
            "pulled",
            sa.Column("author_id", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("listed_at", _Ms, nullable=False),
            sa.Column("resumed_at", _Ms),
        )

    def _add_deliveries(self) -> None:
        self.deliveries = self._table(
            "deliveries",
            sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("author_id", sa.BigInteger, nullable=False),
            sa.Column("kind", sa.String(16), nullable=False),
            sa.Column("entries", sa.LargeBinary, nullable=False),  # packed
            sa.Column("at", _Ms, nullable=False),
            sa.Column("cut_to", sa.BigInteger, nullable=False),  # the follower up to whom there are chunks
            sa.Column("chunks", sa.Integer, nullable=False),
        )
        self.chunks = self._table(
            "chunks",
            sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("nth", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("after_id", sa.BigInteger, nullable=False),
            sa.Column("up_to_id", sa.BigInteger, nullable=False),
            sa.Column("owner", sa.String(32), nullable=False),
            sa.Column("until_ms", _Ms, nullable=False),
            sa.Column("tries", sa.Integer, nullable=False),
            sa.Column("done", sa.SmallInteger, nullable=False),
        )

    def _add_journals(self) -> None:
        self.idempotency = self._table(
            "idempotency",
            sa.Column("actor_id", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("key", sa.String(255), primary_key=True),
            sa.Column("digest", sa.LargeBinary, nullable=False),
            sa.Column("result_id", sa.BigInteger, nullable=False),
            sa.Column("at", _Ms, nullable=False),
        )
        self._index(self.idempotency, "at")
        self.audit = self._table(
            "audit",
            sa.Column("id", _Id, primary_key=True, autoincrement=False),
            sa.Column("staff", sa.Text, nullable=False),  # who it was, in the host's own words
            sa.Column("action", sa.String(32), nullable=False),
            sa.Column("object_id", sa.BigInteger, nullable=False),
            sa.Column("reason", sa.Text, nullable=False),
            sa.Column("at", _Ms, nullable=False),
        )
        self._index(self.audit, "object_id", "id")

    def _table(self, name: str, *args: sa.schema.SchemaItem, **kwargs: Any) -> sa.Table:
        table: sa.Table = sa.Table(self._prefix + name, self.metadata, *args, **kwargs)
        return table

    def _index(self, table: sa.Table, *columns: str, of: str = "", **options: Any) -> sa.Index:
        name = f"{table.name}_{of}_by_{'_'.join(columns)}" if of else f"{table.name}_by_{'_'.join(columns)}"
        return sa.Index(name, *(table.c[column] for column in columns), **options)
