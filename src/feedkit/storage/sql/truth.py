"""The SQL driver of truth: one engine, one transaction at a time, one small store per noun."""

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from feedkit.errors import ConfigurationError, KeyTypeMismatch, SchemaMissing
from feedkit.metrics import Metrics
from feedkit.model import Event, EventKind
from feedkit.settings import Settings
from feedkit.storage import base, bulk, chunks, engaging, events, letters, lives, relating, selections
from feedkit.storage.exporting import ExportStore
from feedkit.storage.sql.asking import asking_of
from feedkit.storage.sql.bulk import SqlBulk
from feedkit.storage.sql.chunks import SqlChunks
from feedkit.storage.sql.comments import SqlComments
from feedkit.storage.sql.counts import SqlCounts
from feedkit.storage.sql.database import Connector, Database
from feedkit.storage.sql.engagement import SqlEngagement
from feedkit.storage.sql.events import SqlEvents
from feedkit.storage.sql.export import SqlExport
from feedkit.storage.sql.graph import SqlGraph
from feedkit.storage.sql.inside import Inside
from feedkit.storage.sql.install import SqlInstall, SqlNodes
from feedkit.storage.sql.joining import Joining
from feedkit.storage.sql.journals import SqlJournals
from feedkit.storage.sql.letters import SqlLetters
from feedkit.storage.sql.lists import SqlLists
from feedkit.storage.sql.lives import SqlLives
from feedkit.storage.sql.media import SqlMedia
from feedkit.storage.sql.posts import SqlPosts
from feedkit.storage.sql.prepared import Tx
from feedkit.storage.sql.pulled import SqlPulled
from feedkit.storage.sql.schema import Schema
from feedkit.storage.sql.selections import SqlSelections, SqlTags
from feedkit.storage.sql.stores import stores_of
from feedkit.storage.sql.tables import SCHEMA_VERSION
from feedkit.storage.sql.users import SqlUsers
from feedkit.storage.sql.waking import Waking
from feedkit.storage.sql.watched import Watched
from feedkit.storage.touching import ChangeGuard

if TYPE_CHECKING:
    from feedkit.storage.sql.replicas import Replicas

T = TypeVar("T")
NO_COPY_HAS = 1 << 63
"""A number that no copy of truth comes to."""


class SqlTruth:
    """See `feedkit.storage.base.Truth`.

    Args:
        target: a database URL, `memory://`, a Connector, or the host's own Engine.
        namespace: prefix of every table name.
        settings: retries, time-outs and SQLite's `synchronous`.
        replicas: URLs of servers that follow the target, a PostgreSQL.

    Raises:
        ConfigurationError: one of these cannot be.
    """

    def __init__(
        self,
        target: "str | sa.URL | sa.Engine | Connector",
        namespace: str,
        settings: Settings,
        replicas: Sequence[str] = (),
    ) -> None:
        self._database = Database(target, namespace, settings)
        made_here = not isinstance(target, sa.Engine)  # a host may have changed its own
        stores = stores_of(self._database.engine, namespace, shared=made_here)
        self._tables = stores.tables
        self.users: base.UserStore = stores.of(SqlUsers)
        self.posts: base.PostStore = stores.of(SqlPosts)
        self.lives: lives.LifeStore = stores.of(SqlLives, SqlPosts)
        self.media: lives.MediaStore = stores.of(SqlMedia)
        self.journals: lives.JournalStore = stores.of(SqlJournals)
        self.selections: selections.SelectionStore = stores.of(SqlSelections)
        self.tags: selections.TagStore = stores.of(SqlTags)
        self.graph: relating.GraphStore = stores.of(SqlGraph)
        self.lists: relating.ListStore = stores.of(SqlLists)
        self.counts: base.CountStore = stores.of(SqlCounts)
        self.engagement: engaging.EngagementStore = stores.of(SqlEngagement)
        self.comments: engaging.CommentStore = stores.of(SqlComments)
        self.bulk: bulk.BulkStore = stores.of(SqlBulk)
        self.events: events.EventStore = stores.of(SqlEvents)
        self.letters: letters.LetterStore = stores.of(SqlLetters)
        self.chunks: chunks.ChunkStore = stores.of(SqlChunks)
        self.pulled: base.PulledStore = stores.of(SqlPulled)
        self.nodes: base.NodeStore = stores.of(SqlNodes)
        self._install = stores.of(SqlInstall)
        self.export: ExportStore = stores.of(SqlExport)
        self.install: base.InstallStore = self._install
        self.waking = Waking(self._database, namespace)
        self._joining = Joining(self._database.engine.dialect, self._database.dialect, self._tables.meta)
        self._install_id: str | None = None
        self._asking = asking_of(self._database.engine, self._tables)
        self._watched: Watched | None = None
        self._place: Callable[[], int] = lambda: NO_COPY_HAS
        self._replicas = self._following(replicas, settings) if replicas else None
        self._run_on(self._database)
        self.one_writer = self.embedded

    def _run_on(self, database: Database | Inside) -> None:
        self._reached = database
        self._schema = Schema(self._tables, database)
        self.drop = self._schema.drop
        self.read = database.read
        self.times_read = database.times_read
        self.write = database.write
        self.try_write = database.try_write
        self.version = database.version
        self.before_fork = database.before_fork
        self.after_fork = database.after_fork

    def inside(self, connection: object, *, alone: bool) -> "SqlTruth":
        """The same truth as a transaction of the host's sees it; see `Inside`."""
        truth = copy.copy(self)
        truth._replicas = truth._watched = None
        truth._run_on(Inside(self._database, self._joining, connection, alone=alone))
        truth._asking = None  # nobody else sees what it sees
        truth.one_writer = self.embedded or alone  # then nothing is done on a second connection
        return truth

    @property
    def copies(self) -> bool:
        """See `Truth`."""
        return self._replicas is not None

    def follow(self, place: Callable[[], int], metrics: Metrics | None = None) -> None:
        """Know the number up to which this process may have applied events, and who counts what replicas serve."""
        self._place = place
        if self._replicas is not None:
            self._replicas.metrics = metrics

    def read_copy(self, work: Callable[[Tx], T], number: int | None = None) -> T:
        """See `Truth`."""
        if self._replicas is None:
            return self.read(work)
        self._database.count_read()
        number = self._place() if number is None else number
        return self._replicas.read(work, number, otherwise=lambda: self.read(work))

    @property
    def _own_install_id(self) -> str:
        if self._install_id is None:
            self._install_id = self.read(self.install.facts)["install_id"]
        return self._install_id

    def _following(self, urls: Sequence[str], settings: Settings) -> "Replicas":
        if self.embedded:
            raise ConfigurationError(
                "replicas are those of a PostgreSQL, and target is none; leave them out", argument="replicas"
            )
        from feedkit.storage.sql.replicas import Replicas  # its driver is an extra

        timeout_s = settings.replica_timeout_ms / 1000
        return Replicas(urls, self._database.dialect, self._tables, timeout_s, lambda: self._own_install_id)

    def tell(self, guard: ChangeGuard) -> None:
        """Have somebody hear of every change before it is committed."""
        self._watched = Watched(self._database.write, self._database.try_write, guard)
        self.write, self.try_write = self._watched.write, self._watched.try_write

    @property
    def embedded(self) -> bool:
        """Whether this is SQLite, where the schema is made without being asked for."""
        return self._database.dialect.name == "sqlite"

    @property
    def asks(self) -> bool:
        """See `Truth`."""
        return self._asking is not None

    def ask(self, number: int) -> base.Answer | None:
        """See `Truth`."""
        return None if self._asking is None else self._asking.ask(number)

    def close(self) -> None:
        """Close what was opened here."""
        self.waking.close()
        if self._asking is not None:
            self._asking.close()
        try:
            if self._replicas is not None:
                self._replicas.close()
        finally:
            self._reached.close()

    def forget(self) -> None:
        """After a fork, in the child: leave the parent's connections alone and start with none."""
        if self._asking is not None:
            self._asking.forget()
        if self._replicas is not None:
            self._replicas.forget()
        self._reached.forget()

    def join(self, connection: Any, work: Callable[[Tx], T]) -> T:
        install_id = self._own_install_id
        if self._watched is not None:
            work = self._watched.joined(work)
        with self._database.mapping():
            return self._joining.run(connection, work, install_id)

    def migrate(self, key_type: str, now_ms: int) -> None:
        self._schema.migrate(
            check=lambda facts: check_key_type(facts, key_type),
            found=lambda tx: self._found(tx, key_type, now_ms),
        )

    def empty(self, now_ms: int) -> None:
        """Remove everybody and everything, but not what the install is and which ids were used."""
        self.write(lambda tx: self._empty(tx, now_ms))

    def _empty(self, tx: Tx, now_ms: int) -> None:
        self.events.append(tx, Event(EventKind.IMPORTED, 0, 0, now_ms))  # who holds anything drops it
        self.events.number_new(tx)
        events = self._tables.events
        number = events.c.id if self.events.numbers_at_insert else events.c.number
        older = events.delete().where(number < sa.bindparam("last"))
        self._database.dialect.prepare(older).run(tx, {"last": self.events.last_number(tx)})
        kept = {events, self._tables.meta, self._tables.secrets, self._tables.nodes}
        for table in self._tables.metadata.sorted_tables:
            if table not in kept:
                self._database.dialect.prepare(table.delete()).run(tx)

    def _found(self, tx: Tx, key_type: str, now_ms: int) -> None:
        self._database.dialect.lock(tx, "migrate")
        self._install.found(tx, key_type)
        check_facts(self.install.facts(tx), key_type)
        if not self.install.cursor_keys(tx):
            self.install.add_cursor_key(tx, now_ms, keep=1)


def check_facts(facts: dict[str, str], key_type: str) -> None:
    """Refuse a database that was made for another key type, or by a newer feedkit.

    Raises:
        KeyTypeMismatch: users are named by another type there.
        SchemaMissing: the schema is older than this code needs.
        ConfigurationError: the schema is newer than this code can read.
    """
    check_key_type(facts, key_type)
    version = int(facts["schema_version"])
    if version < SCHEMA_VERSION:
        raise SchemaMissing()
    if version > SCHEMA_VERSION + 1:
        raise ConfigurationError(
            f"the database has schema {version}, this feedkit reads {SCHEMA_VERSION}; upgrade the feedkit package"
        )


def check_key_type(facts: dict[str, str], key_type: str) -> None:
    """Refuse a database that was made for another key type. Raises KeyTypeMismatch."""
    stored = facts.get("key_type", key_type)
    if stored != key_type:
        raise KeyTypeMismatch(
            f"key: this database names users by {stored}, not by {key_type}; pass key={stored} to connect()",
            argument="key",
        )
