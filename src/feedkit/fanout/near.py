"""Outboxes kept in this process beside those that processes share: a page of many pulled authors reads them all."""

from collections.abc import Callable, Mapping, Sequence

from feedkit.fanout.delivery import brings_a_post, of_each_author
from feedkit.idset import single
from feedkit.metrics import Metrics, of_cache
from feedkit.model import Event, EventKind
from feedkit.storage.timelines import Timeline, TimelineStore

Fetch = Callable[[Sequence[int]], Mapping[int, Timeline]]
"""Gives the outboxes of authors, with all that this process has applied, or begun to apply."""


class NearOutboxes:
    """A log consumer of this process: what it holds contains every event that was applied here."""

    def __init__(self, store: TimelineStore, metrics: Metrics | None = None) -> None:
        self._store, self._looked_up = store, of_cache(metrics, "outboxes")

    def get(self, author_ids: Sequence[int], fetch: Fetch) -> list[Timeline]:
        """The outboxes of authors, in any order; what is not held is fetched, and held from then on."""
        held = self._store.read_many(author_ids)
        missing = [one for one, timeline in zip(author_ids, held, strict=True) if timeline is None]
        near = [timeline for timeline in held if timeline is not None]
        if self._looked_up is not None:
            self._looked_up(len(near), len(missing))
        return near + list(self._fetched(missing, fetch).values()) if missing else near

    def apply(self, events: Sequence[Event]) -> None:
        """Add what was published. Who has deleted is fetched anew: a post may have come back since."""
        if any(event.kind is EventKind.IMPORTED for event in events):
            self.clear()
            return
        for author_id, entries in of_each_author(event for event in events if brings_a_post(event)).items():
            self._store.deliver(single(author_id), entries)
        gone = {event.actor_id for event in events if event.kind is EventKind.POST_DELETED}
        if gone:
            self._store.drop(list(gone))

    def clear(self) -> None:
        """Forget everything."""
        self._store.clear()

    def _fetched(self, author_ids: Sequence[int], fetch: Fetch) -> Mapping[int, Timeline]:
        """Told to the store before they are fetched: what is applied meanwhile comes on top."""
        tokens = {one: token for one in author_ids if (token := self._store.begin(one)) is not None}
        try:
            found = fetch(author_ids)
        except BaseException:
            self._store.drop(list(tokens))
            raise
        for one, token in tokens.items():
            self._store.install(one, token, found[one].entries, found[one].floor)
        return found
