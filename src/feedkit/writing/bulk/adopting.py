"""Every way of adopting what a host already has, wired for one process."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from feedkit.clock import Clock
from feedkit.errors import InvalidArgument
from feedkit.model import ImportReport, ReconcileReport
from feedkit.settings import Settings
from feedkit.storage.base import Truth
from feedkit.storage.directory import Directory
from feedkit.storage.minting import Minting
from feedkit.writing.bulk.chunks import Past, Progress, check_source
from feedkit.writing.bulk.follows import FollowImport
from feedkit.writing.bulk.links import FollowWriting
from feedkit.writing.bulk.people import People
from feedkit.writing.bulk.postrows import PostRowChecks
from feedkit.writing.bulk.posts import PostImport
from feedkit.writing.bulk.reconcile import Options, Reconciling
from feedkit.writing.bulk.token import Token, decode
from feedkit.writing.bulk.users import UserImport
from feedkit.writing.checks import checked_int
from feedkit.writing.drafts import Drafting
from feedkit.writing.entities import Entities
from feedkit.writing.users import UserWriting

_CHUNK_MAX = 1_000_000
_CLOCKS_APART_MS = 60_000


class Adopting:
    """Imports of users, follows and posts, and reconciling."""

    def __init__(
        self,
        truth: Truth,
        directory: Directory[Any],
        minting: Minting,
        drafting: Drafting,
        user_writing: UserWriting,
        entities: Entities[Any],
        *,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._truth, self._directory, self._minting = truth, directory, minting
        self._drafting, self._user_writing, self._entities = drafting, user_writing, entities
        self._clock, self._settings = clock, settings
        self._follow_writing = FollowWriting(truth, clock, settings)

    def users(
        self, rows: Iterable[Any], *, chunk: int | None, start: int, progress: Progress | None
    ) -> ImportReport:
        """Import users."""
        check_source("rows", rows, progress)
        users = UserImport(self._truth, self._people(), self._user_writing, self._clock)
        return users.run(rows, size=self._rows(chunk), start=_start(start), progress=progress)

    def follows(
        self, rows: Iterable[Any], *, chunk: int | None, start: int, progress: Progress | None
    ) -> ImportReport:
        """Import follows."""
        check_source("rows", rows, progress)
        follows = FollowImport(self._truth, self._people(), self._follow_writing, self._clock)
        return follows.run(rows, size=self._rows(chunk), start=_start(start), progress=progress)

    def posts(
        self, rows: Iterable[Any], *, chunk: int | None, start: int, progress: Progress | None
    ) -> ImportReport:
        """Import posts."""
        check_source("rows", rows, progress)
        people = self._people()
        checks = PostRowChecks(people, self._drafting, self._clock, self._settings)
        posts = PostImport(self._truth, people, checks, self._entities, self._clock)
        return posts.run(rows, size=self._rows(chunk), start=_start(start), progress=progress)

    def reconcile(
        self,
        pairs: Iterable[Any],
        *,
        dry_run: bool,
        as_of: datetime | None,
        resume: str | None,
        max_removals: int,
        chunk: int | None,
        progress: Callable[[ReconcileReport[Any]], object] | None,
    ) -> ReconcileReport[Any]:
        """Bring the follows of truth in line with these pairs."""
        check_source("pairs", pairs, progress)
        if as_of is not None and resume is not None:
            message = "as_of cannot be given together with resume, which knows when its run began"
            raise InvalidArgument(message, argument="as_of")
        key_type = int if self._directory.keys_are_ids else bytes
        token = Token(key_type(), self._since(as_of)) if resume is None else decode(resume, key_type)
        options = Options(
            dry_run=dry_run,
            size=_size(chunk, self._settings.reconcile_chunk),
            max_removals=checked_int("max_removals", max_removals, 0, 1_000_000_000),
            progress=progress,
            token=token,
        )
        run = Reconciling(
            self._truth, self._people(), self._follow_writing, self._clock, self._settings, options
        )
        return run.run(pairs)

    def _since(self, as_of: datetime | None) -> int:
        """The number of the last event that was in the log when the host's pairs were read."""
        events = self._truth.events
        while self._truth.try_write(events.number_new):
            pass  # what has no number yet would seem to have happened since
        if as_of is None:
            return self._truth.read(events.last_number)
        now_ms, kept_ms = self._clock.now_ms(), self._settings.event_retention_s * 1000
        as_of_ms = Past(self._clock).ms("as_of", as_of)
        if as_of_ms < now_ms - kept_ms:
            message = (
                f"as_of must be within the last {kept_ms // 1000} seconds, for which the log is kept; read the pairs "
                "anew, or raise the setting event_retention_s"
            )
            raise InvalidArgument(message, argument="as_of")
        return self._truth.read(lambda tx: events.last_before(tx, as_of_ms - _CLOCKS_APART_MS))

    def _people(self) -> People:
        return People(self._truth, self._directory, self._minting, self._clock)

    def _rows(self, chunk: int | None) -> int:
        return _size(chunk, self._settings.import_chunk)


def _start(start: int) -> int:
    return checked_int("start", start, 0, 1 << 62)


def _size(chunk: int | None, otherwise: int) -> int:
    return otherwise if chunk is None else checked_int("chunk", chunk, 1, _CHUNK_MAX)
