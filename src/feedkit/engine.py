"""`Feed`: the verbs that a host calls. They check, resolve names and delegate."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

from feedkit.clock import Clock
from feedkit.errors import Closed, InvalidArgument
from feedkit.fanout.policy import FanoutPolicy
from feedkit.model import (
    Assoc,
    Audience,
    CheckReport,
    DrainResult,
    Item,
    Key,
    Media,
    Page,
    Post,
    ProfilePage,
    Relation,
)
from feedkit.nouns import Posts, Users
from feedkit.runtime import Runtime
from feedkit.settings import Settings
from feedkit.storage.base import Tx
from feedkit.wiring import Wiring, wire
from feedkit.writing.drafts import checked_id, checked_int, checked_seconds
from feedkit.writing.publish import no_such_post

T = TypeVar("T")

_open_feeds: weakref.WeakSet[Feed[Any]] = weakref.WeakSet()
_abandoned: list[
    Any
] = []  # what a fork left in this process belongs to the parent: never closed, never freed


class Feed(Generic[Key]):
    """A social feed over one database, safe to share between threads and to carry across a fork.

    Made by `feedkit.connect`. Nothing is opened before the first verb. The actor or viewer always comes
    first; None is a viewer who is not logged in. Verbs that write take `connection=`, a SQLAlchemy
    Connection whose transaction they join: feedkit never commits, rolls back or closes it.
    """

    def __init__(self, wiring: Wiring[Key]) -> None:
        self.wiring = wiring
        """What was asked for in `connect`: target, key type, clock and so on."""
        self._runtime: Runtime[Key] | None = None
        self._lock = threading.Lock()
        self._closed = False
        self.users: Users[Key] = Users(self.runtime)
        self.posts: Posts[Key] = Posts(self.runtime)
        _open_feeds.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Posts

    def publish(
        self,
        author: Key,
        *,
        text: str = "",
        kind: str = "post",
        schema_version: int = 1,
        audience: Audience | str = Audience.PUBLIC,
        media: Sequence[Media | Mapping[str, Any]] = (),
        extra: Mapping[str, Any] | None = None,
        ref: str | None = None,
        reply_to: int | str | None = None,
        connection: Any = None,
    ) -> Post:
        """Publish a post. When this returns it is durable, and every follower who may see it will.

        Args:
            author: the host's key of the author.
            text: at most `text_max_chars` characters.
            kind: what the content is, for the host's own rendering.
            schema_version: version of that content's form.
            audience: `public`, `followers` or `only_me`.
            media: pictures, films or sounds, in order; at most `media_max`.
            extra: plain JSON of the host's own; at most `extra_max_bytes`. It never touches rights.
            ref: the host's own unique name for the post.
            reply_to: the id of the post that this one answers.
            connection: joins this transaction.

        Raises:
            InvalidArgument: an argument has the wrong type or is out of bounds; nothing was written.
            Conflict: `ref` is taken.
            Unavailable: the database could not be reached.
        """
        runtime = self.runtime()
        draft = runtime.drafting.draft(
            text=text,
            kind=kind,
            schema_version=schema_version,
            audience=audience,
            media=media,
            extra=extra,
            ref=ref,
            reply_to=reply_to,
        )

        def change(tx: Tx | None) -> Post:
            (author_id,) = runtime.directory.ensure({"author": author}, tx)
            return runtime.publishing.publish(author_id, draft, tx)

        return runtime.change(change, connection)

    def delete(self, author: Key, post_id: int | str, *, connection: Any = None) -> bool:
        """Delete one's own post; False where that has happened already.

        Raises:
            NotFound: the author has no such post.
        """
        runtime, wanted = self.runtime(), checked_id("post_id", post_id)

        def change(tx: Tx | None) -> bool:
            author_id = runtime.directory.find(author, "author", tx)
            if author_id is None:
                raise no_such_post()
            return runtime.publishing.delete(author_id, wanted, tx)

        return runtime.change(change, connection)

    # Relations

    def follow(self, actor: Key, target: Key, *, connection: Any = None) -> Relation:
        """Follow somebody: their posts, past and future, stand in the actor's home feed.

        Raises:
            Forbidden: one of the two blocks the other.
            LimitExceeded: the actor follows `following_max` others.
        """
        return self._relate(Assoc.FOLLOWS, actor, target, connection)

    def unfollow(self, actor: Key, target: Key, *, connection: Any = None) -> Relation:
        """Stop following."""
        return self._unrelate(Assoc.FOLLOWS, actor, target, connection)

    def block(self, actor: Key, target: Key, *, connection: Any = None) -> Relation:
        """Hide each from the other on every surface, and end the follows between them."""
        return self._relate(Assoc.BLOCKS, actor, target, connection)

    def unblock(self, actor: Key, target: Key, *, connection: Any = None) -> Relation:
        """Undo a block. Follows that it ended stay ended."""
        return self._unrelate(Assoc.BLOCKS, actor, target, connection)

    def mute(self, actor: Key, target: Key, *, connection: Any = None) -> Relation:
        """Hide somebody's posts from the actor's home feed; they are not told."""
        return self._relate(Assoc.MUTES, actor, target, connection)

    def unmute(self, actor: Key, target: Key, *, connection: Any = None) -> Relation:
        """Undo a mute."""
        return self._unrelate(Assoc.MUTES, actor, target, connection)

    # Reading

    def home(self, viewer: Key, *, limit: int | None = None, cursor: str | None = None) -> Page[Key]:
        """A page of the posts of those whom the viewer follows, and of their own, newest first.

        `cursor` is a `next_cursor`, which goes on below a page, or a `newer_cursor`, which reads what has
        come since.

        Raises:
            InvalidArgument: `limit` is not 1..`page_limit_max`.
            InvalidCursor: the cursor was not made for this viewer and feed.
        """
        runtime, size = self.runtime(), self._page_limit(limit)
        viewer_id = runtime.directory.find(viewer, "viewer")
        tag = runtime.directory.viewer_tag(viewer)
        return runtime.home.page(viewer_id, tag, cursor=cursor, limit=size)

    def profile(
        self, viewer: Key | None, author: Key, *, limit: int | None = None, cursor: str | None = None
    ) -> ProfilePage[Key]:
        """A page of what an author published, as the viewer may see it. Raises like `home`."""
        runtime, size = self.runtime(), self._page_limit(limit)
        directory = runtime.directory
        return runtime.profile.page(
            runtime.viewer_id(viewer),
            directory.viewer_tag(viewer),
            directory.find(author, "author"),
            author,
            directory.viewer_tag(author),
            cursor=cursor,
            limit=size,
        )

    def post(self, viewer: Key | None, post_id: int | str) -> Item[Key]:
        """One post. Raises NotFound where there is none that the viewer may see."""
        runtime, wanted = self.runtime(), checked_id("post_id", post_id)
        viewer_id = runtime.viewer_id(viewer)
        runtime.catch_up()
        return runtime.posts.one(viewer_id, wanted)

    # Upkeep

    def migrate(self) -> None:
        """Make or complete the tables. SQLite does so by itself at first use; other databases wait to be told."""
        with self._lock:
            self._check_open()
            if self._runtime is not None:
                self._runtime.migrate()
            else:
                self._runtime = self._opened(migrate=True)

    def drain(self, max_seconds: float | None = None) -> DrainResult:
        """Apply what is pending in the log, here and now, for at most about `max_seconds` seconds."""
        checked_seconds("max_seconds", max_seconds)
        return self.runtime().drain(max_seconds)

    def check(self, sample: int = 1000, *, repair: bool = False) -> CheckReport:
        """Compare up to `sample` home feeds with a recomputation from truth; `repair` rebuilds wrong ones."""
        runtime, size = self.runtime(), checked_int("sample", sample, 1, 1_000_000_000)
        runtime.catch_up()
        return runtime.check.run(size, repair)

    def wipe(self) -> None:
        """Drop everything that this process has materialised. It comes back by itself when it is read."""
        self.runtime().tail.restart()

    def rotate_cursor_key(self) -> None:
        """Sign cursors with a new key; those signed with the `cursor_keys_kept` newest keys stay valid."""
        self.runtime().rotate_cursor_key()

    def close(self) -> None:
        """Close what the feed opened. Closing twice does nothing."""
        with self._lock:
            self._closed = True
            runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()

    def runtime(self) -> Runtime[Key]:
        """What this process holds open for the feed; opened now if need be. Not part of the public face."""
        runtime = self._runtime
        if runtime is None:
            with self._lock:
                self._check_open()
                if self._runtime is None:
                    self._runtime = self._opened()
                runtime = self._runtime
        return runtime

    def _opened(self, *, migrate: bool = False) -> Runtime[Key]:
        runtime = Runtime(self.wiring)
        try:
            if migrate:
                runtime.migrate()
            runtime.open()
        except BaseException:
            runtime.truth.close()
            raise
        return runtime

    def _check_open(self) -> None:
        if self._closed:
            raise Closed()

    def _before_fork(self) -> None:
        if self._runtime is not None:
            self._runtime.truth.before_fork()

    def _after_fork_in_parent(self) -> None:
        if self._runtime is not None:
            self._runtime.truth.after_fork()

    def _after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        if self._runtime is not None:
            _abandoned.append(self._runtime)
            self._runtime.truth.forget()
            self._runtime = None

    def _relate(self, kind: Assoc, actor: Key, target: Key, connection: Any) -> Relation:
        runtime = self.runtime()
        if len(set(runtime.directory.checked({"actor": actor, "target": target}))) == 1:
            raise InvalidArgument("target must be somebody other than the actor", argument="target")

        def change(tx: Tx | None) -> Relation:
            actor_id, target_id = runtime.directory.ensure({"actor": actor, "target": target}, tx)
            return runtime.graph.add(kind, actor_id, target_id, tx)

        return runtime.change(change, connection)

    def _unrelate(self, kind: Assoc, actor: Key, target: Key, connection: Any) -> Relation:
        runtime = self.runtime()

        def change(tx: Tx | None) -> Relation:
            actor_id = runtime.directory.find(actor, "actor", tx)
            target_id = runtime.directory.find(target, "target", tx)
            if actor_id is None or target_id is None:
                return Relation(active=False, changed=False)
            return runtime.graph.remove(kind, actor_id, target_id, tx)

        return runtime.change(change, connection)

    def _page_limit(self, limit: int | None) -> int:
        settings = self.wiring.settings
        if limit is None:
            return min(settings.page_limit_default, settings.page_limit_max)
        return checked_int("limit", limit, 1, settings.page_limit_max)


@overload
def connect(
    target: Any,
    *,
    namespace: str = ...,
    policy: FanoutPolicy | None = ...,
    settings: Settings | None = ...,
    clock: Clock | None = ...,
    deliver: str = ...,
) -> Feed[str]: ...


@overload
def connect(
    target: Any,
    *,
    key: type[Key],
    namespace: str = ...,
    policy: FanoutPolicy | None = ...,
    settings: Settings | None = ...,
    clock: Clock | None = ...,
    deliver: str = ...,
) -> Feed[Key]: ...


def connect(
    target: Any,
    *,
    key: type[Any] = str,
    namespace: str = "feedkit",
    policy: FanoutPolicy | None = None,
    settings: Settings | None = None,
    clock: Clock | None = None,
    deliver: str = "inline",
) -> Feed[Any]:
    """A feed over a database. Nothing is opened before its first verb, so this is safe before a fork.

    Args:
        target: `"sqlite:///file.db"`, `"memory://"`, `"postgresql+psycopg://..."`, or a SQLAlchemy Engine.
        key: the type of the host's user keys, `str`, `int` or `UUID`; the same for the life of a database.
        namespace: prefix of every table, so that several feeds share a database.
        policy: how posts reach their readers; `Hybrid()` by default.
        settings: every bound and size; `Settings.from_env()` reads them from the environment.
        clock: tells the time; tests pass a `ManualClock`.
        deliver: `"inline"`, the log is applied by whoever reads or drains; `"thread"`, by a thread as well.

    Raises:
        ConfigurationError: an argument is not one of those.
    """
    return Feed(
        wire(
            target,
            key=key,
            namespace=namespace,
            policy=policy,
            settings=settings,
            clock=clock,
            deliver=deliver,
        )
    )


def _each_open_feed(step: Callable[[Feed[Any]], None]) -> Callable[[], None]:
    def run() -> None:
        for feed in list(_open_feeds):
            step(feed)

    return run


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_each_open_feed(Feed._before_fork),
        after_in_parent=_each_open_feed(Feed._after_fork_in_parent),
        after_in_child=_each_open_feed(Feed._after_fork_in_child),
    )
