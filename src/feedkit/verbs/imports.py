"""`feed.imports` and `feed.graph`: adopting what a host already has."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from feedkit.model import ImportReport, Key, ReconcileReport
from feedkit.verbs.base import Noun


class Imports(Noun[Key]):
    """`feed.imports`: users, follows and posts as the host has them, by the million.

    Rows may come from a generator: a chunk of them at a time is held, checked, and written as one transaction. On
    PostgreSQL the next chunk is read meanwhile, by the thread that called, and threads of this process take turns of
    0.2 ms (`sys.setswitchinterval`) until the import ends.
    To import the same again changes nothing, so whatever broke off is run again; `start` then spares the rows
    that are settled. `progress` is called after each chunk with the report so far. A row that cannot be imported
    is named in the error, as `rows[17]`; chunks before it stay, and nothing of its own is written.
    """

    def users(
        self,
        rows: Iterable[Key | Mapping[str, Any]],
        *,
        chunk: int | None = None,
        start: int = 0,
        progress: Callable[[ImportReport], object] | None = None,
    ) -> ImportReport:
        """Import users: keys, or dicts with a `key` and fields.

        The fields are `handle`, `display_name`, `time_zone`, `private` and `created_at`. One who is there already
        is given those of the row.

        Args:
            rows: the users, in any order.
            chunk: rows per transaction; the setting `import_chunk` unless given.
            start: the number of the first row to import; those before it are skipped.
            progress: called after each chunk.

        Raises:
            InvalidArgument, LimitExceeded, KeyTypeMismatch: a row is not as it must be.
        """
        return self._runtime().adopting.users(rows, chunk=chunk, start=start, progress=progress)

    def follows(
        self,
        rows: Iterable[Sequence[Any]],
        *,
        chunk: int | None = None,
        start: int = 0,
        progress: Callable[[ImportReport], object] | None = None,
    ) -> ImportReport:
        """Import follows: (follower, followee), or (follower, followee, at) with an aware datetime.

        People are created where feedkit has not met them. A follow of a private account stands at once. Blocks
        win: a follow between two of whom one blocks the other, or of oneself, is counted as `refused`.

        Raises:
            InvalidArgument, KeyTypeMismatch: a row is not as it must be.
            LimitExceeded: somebody would follow more than `following_max` others.
        """
        return self._runtime().adopting.follows(rows, chunk=chunk, start=start, progress=progress)

    def posts(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        chunk: int | None = None,
        start: int = 0,
        progress: Callable[[ImportReport], object] | None = None,
    ) -> ImportReport:
        """Import posts: dicts with `author`, `ref` and `at`, and what `publish` takes for content.

        `ref` is the host's own unique name for the post, by which it is imported once; `at` the aware datetime
        when it was published, which it keeps, and by which it stands in every feed. `reply_to` is the id of the
        post that it answers; `reply_to_ref` its ref, of the same chunk, of an earlier one, or from before.

        Raises:
            InvalidArgument, LimitExceeded, KeyTypeMismatch: a row is not as it must be.
            Conflict: a ref is that of somebody else's post.
        """
        return self._runtime().adopting.posts(rows, chunk=chunk, start=start, progress=progress)


class Graph(Noun[Key]):
    """`feed.graph`: who follows whom, as a whole."""

    def reconcile(
        self,
        pairs: Iterable[tuple[Key, Key]],
        *,
        dry_run: bool = False,
        as_of: datetime | None = None,
        resume: str | None = None,
        max_removals: int = 10_000,
        chunk: int | None = None,
        progress: Callable[[ReconcileReport[Key]], object] | None = None,
    ) -> ReconcileReport[Key]:
        """Make the follows of the feed those of the host's own table, while both are in use.

        Follows that are missing are added as the pairs come; those that the host no longer has are removed after
        the last pair, also those of followers who do not appear at all. What people did in the feed since
        the run began is left alone. Where one of two blocks the other, the follow is not added but told.

        Args:
            pairs: (follower, followee) keys, in ascending order of follower: numbers by value, UUIDs by their
                bytes, strings by their UTF-8 bytes. Memory holds some of them only.
            dry_run: count what would be done, with samples, and do nothing.
            as_of: when the pairs were read from the host's table, if that was before this call.
            resume: the `resume` of the last report that `progress` was given, to go on after a run that broke
                off. `pairs` come from the beginning again; those of followers who are settled are skipped.
            max_removals: how many follows may be removed at most; where more would be, nothing is removed.
            chunk: pairs that are compared, and written in one transaction; the setting `reconcile_chunk`
                unless given.
            progress: called with the report so far after each chunk.

        Raises:
            InvalidArgument: followers do not ascend, a pair is none, or `as_of` is too long ago.
            LimitExceeded: more than `max_removals` follows would be removed, or somebody follows more than
                `following_max` others.
        """
        return self._runtime().adopting.reconcile(
            pairs,
            dry_run=dry_run,
            as_of=as_of,
            resume=resume,
            max_removals=max_removals,
            chunk=chunk,
            progress=progress,
        )
