"""What the host tells about media after the posts were written, such as that its transcoder is done."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from feedkit.clock import Clock
from feedkit.model import EventKind
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx
from feedkit.writing.posts import is_seen, post_event


class MediaWriting:
    """The verb for media."""

    def __init__(self, truth: Truth, clock: Clock, settings: Settings) -> None:
        self._truth, self._clock, self._settings = truth, clock, settings

    def update(self, url: str, fields: Mapping[str, Any], host_tx: Tx | None = None) -> int:
        """Change a medium in every post that shows it; how many posts. `batch_max` at a time, in id order."""
        after = changed = 0
        while True:
            step = partial(self._step, url=url, fields=fields, after=after)
            post_ids = self._truth.write(step, within=host_tx)
            changed += len(post_ids)
            if len(post_ids) < self._settings.batch_max:
                return changed
            after = post_ids[-1]

    def _step(self, tx: Tx, url: str, fields: Mapping[str, Any], after: int) -> list[int]:
        post_ids = self._truth.media.update(tx, url, fields, after, self._settings.batch_max)
        now_ms = self._clock.now_ms()
        for post in self._truth.posts.get_many(tx, post_ids)[0] if post_ids else ():
            if is_seen(post):
                event = post_event(EventKind.POST_EDITED, post, now_ms, before=post)
                self._truth.events.append(tx, event)
        return post_ids
