"""Draining, checking and repairing."""

import threading

from feedkit.backlog import measured
from feedkit.errors import NotFound
from feedkit.model import Backlog, CheckReport, DrainResult, Explanation, Key, WorkResult
from feedkit.reading.export import Target
from feedkit.verbs.base import Verbs
from feedkit.wiring import Wiring
from feedkit.working import Working
from feedkit.writing.checks import checked_id, checked_int, checked_seconds


class UpkeepVerbs(Verbs[Key]):
    """What operators do."""

    wiring: Wiring[Key]

    def drain(self, max_seconds: float | None = None) -> DrainResult:
        """Apply what is pending in the log, here and now, for at most about `max_seconds` seconds."""
        checked_seconds("max_seconds", max_seconds)
        return self.runtime().log.drain(max_seconds)

    def work(
        self,
        *,
        concurrency: int = 1,
        max_seconds: float | None = None,
        stop: threading.Event | None = None,
        adopt: bool = False,
    ) -> WorkResult:
        """Be a worker: apply the log and deliver it as it comes, as `feedkit worker` does.

        It ends when `stop` is set or after about `max_seconds` seconds, with what is under way delivered. Any number
        of processes may work at once; large deliveries are shared by `concurrency` threads of each.

        Raises:
            ConfigurationError: the feed has no `redis`, or is wired in another way than the processes before it. With
                `adopt`, this is from now on how all have to be wired.
        """
        checked_int("concurrency", concurrency, 1, 256)
        checked_seconds("max_seconds", max_seconds)
        working = Working(self.runtime(), self.wiring, adopt=adopt)
        return working.run(concurrency=concurrency, max_seconds=max_seconds, stop=stop or threading.Event())

    def backlog(self) -> Backlog:
        """How far deliveries are behind, and who holds what is oldest: for dashboards and alarms."""
        runtime = self.runtime()
        runtime.tail.catch_up()  # gives numbers to what is new
        return measured(runtime, self.wiring.clock.now_ms())

    def check(self, sample: int = 1000, *, repair: bool = False) -> CheckReport:
        """Compare up to `sample` home feeds with a recomputation from truth; `repair` rebuilds wrong ones."""
        runtime, size = self.runtime(), checked_int("sample", sample, 1, 1_000_000_000)
        runtime.log.catch_up()
        return runtime.check.run(size, repair)

    def explain(self, viewer: Key | None, post_id: int | str) -> Explanation:
        """Why a post is, or is not, in a viewer's home feed, step by step.

        For operators, and not to be shown to the viewer: it tells of mutes, drafts and removals.

        Raises:
            NotFound: there is no such post.
        """
        runtime, wanted = self.runtime(), checked_id("post_id", post_id)
        viewer_id = runtime.viewer_id(viewer)
        name = "a logged-out viewer" if viewer is None else str(viewer)
        return runtime.explainer.explain(viewer_id, name, wanted, runtime.log.catch_up())

    def export(self, to: Target) -> dict[str, int]:
        """Write all that people made to a path or a text file, one JSON object a line; how many of each `type`.

        For whoever runs the feed: it holds drafts, deleted posts and what staff did. Memory stays bounded. It is no
        snapshot: what changes meanwhile may be in it or not. Secrets and what can be recomputed are left out.
        """
        runtime = self.runtime()
        runtime.log.catch_up()
        return runtime.exporter.everything(to)

    def export_user(self, key: Key, to: Target) -> dict[str, int]:
        """Write what one person made, for that person, as `export` does.

        Their drafts are in it, and of others only what that person may see at this moment.

        Raises:
            NotFound: feedkit has not met them.
        """
        runtime = self.runtime()
        user_id = runtime.directory.find(key, "key")
        runtime.log.catch_up()
        if user_id is None or user_id not in runtime.readthrough.users([user_id]):
            raise NotFound("key names no user whom feedkit has met", argument="key")
        return runtime.exporter.of_user(user_id, to)

    def wipe(self) -> None:
        """Drop everything that this process has materialised, and what it shares with others in Redis.

        It comes back by itself when it is read.
        """
        self.runtime().wipe()

    def rotate_cursor_key(self) -> None:
        """Sign cursors with a new key; those signed with the `cursor_keys_kept` newest keys stay valid."""
        self.runtime().rotate_cursor_key()
