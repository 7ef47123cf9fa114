"""Relays and workers over a bus that are killed between any two steps, are late, and lose the bus: nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import feedkit
from feedkit import Event, Settings
from feedkit.log.consuming import Consuming, Tally
from feedkit.log.hub import Hub
from feedkit.storage.bus import Batch
from feedkit.storage.memory_bus import MemoryBus

GROUPS = ("mail", "search")
CALLS = ("publish", "fetch", "acknowledge", "abandon", "state", "trim", "handler")
STEPS = st.tuples(
    st.sampled_from(["publish", "relay", "consume", "consume", "begin", "end", "lapse", "fail", "lose"]),
    st.integers(0, 11),
    st.none() | st.tuples(st.sampled_from(CALLS), st.booleans()),
)
SETTINGS = Settings(
    bus_partitions=2, bus_events_max=4, bus_batch=3, bus_tries=50, bus_retry_ms=1, log_batch=5
)


class Killed(BaseException):
    """The process is no more."""


class Process:
    """A bus as a process sees it that is killed before or after a call."""

    def __init__(self, bus: MemoryBus, dies_at: tuple[str, bool] | None) -> None:
        self._bus, self._dies_at = bus, dies_at
        self._dead = False
        self.partitions = bus.partitions

    def __getattr__(self, name: str) -> Any:
        return self.within(name, getattr(self._bus, name))

    def within(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            self._die(name, before=True)
            done = work(*args, **kwargs)
            self._die(name, before=False)
            return done

        return run

    def _die(self, name: str, *, before: bool) -> None:
        if self._dead or self._dies_at == (name, before):
            self._dead = True
            raise Killed


class World:
    """A feed, its bus, and what each group was handed."""

    def __init__(self, feed: feedkit.Feed[str]) -> None:
        self.feed, self.now = feed, 0.0
        self.bus = MemoryBus(SETTINGS.bus_partitions, SETTINGS.bus_events_max, lambda: self.now)
        self.seen: dict[str, list[Event]] = {group: [] for group in GROUPS}
        self.posts: dict[str, list[int]] = {}
        self.slow: list[Batch] = []
        for group in GROUPS:
            self.hub().relay.subscribe(group)

    def hub(self, dies_at: tuple[str, bool] | None = None) -> Hub:
        """A process that begins."""
        runtime = self.feed.runtime()
        bus: Any = Process(self.bus, dies_at)
        return Hub(runtime.truth, bus, SETTINGS, runtime.letters)

    def take(self, step: str, nth: int, dies_at: tuple[str, bool] | None) -> None:
        try:
            getattr(self, step)(nth, self.hub(dies_at))
        except Killed:
            self.now += nth  # now and then long enough for a lease to lapse

    def publish(self, nth: int, _: Hub) -> None:
        author = f"author {nth % 3}"
        self.posts.setdefault(author, []).append(self.feed.publish(author, text="x").id)

    def relay(self, _: int, hub: Hub) -> None:
        hub.relay.step()

    def consume(self, nth: int, hub: Hub) -> None:
        self._consume(nth, hub, self.seen[GROUPS[nth % 2]].extend)

    def fail(self, nth: int, hub: Hub) -> None:
        def broken(_: Sequence[Event]) -> None:
            raise ValueError

        self._consume(nth, hub, broken)

    def _consume(self, nth: int, hub: Hub, handler: Callable[[Sequence[Event]], None]) -> None:
        group, process = GROUPS[nth % 2], hub.bus
        assert isinstance(process, Process)
        runtime = self.feed.runtime()
        consuming = Consuming(
            runtime.truth,
            hub.bus,
            group,
            process.within("handler", handler),
            letters=runtime.letters,
            settings=SETTINGS,
        )
        consuming.step(hub.relay.groups()[group], Tally())

    def begin(self, nth: int, hub: Hub) -> None:
        """Somebody takes a batch, and takes their time."""
        group = GROUPS[nth % 2]
        batch = hub.bus.fetch(group, hub.relay.groups()[group], 1 + nth % 3, SETTINGS.bus_lease_ms)
        if batch is not None:
            self.slow.append(batch)

    def end(self, nth: int, hub: Hub) -> None:
        """They have handled it, by when it may be another's."""
        if self.slow:
            batch = self.slow.pop(nth % len(self.slow))
            self.seen[batch.group].extend(batch.events)
            hub.bus.acknowledge(batch)

    def lapse(self, _: int, __: Hub) -> None:
        self.now += 1e6

    def lose(self, nth: int, _: Hub) -> None:
        if nth % 4 == 0:
            self.bus.clear()

    def finish(self) -> None:
        """Everybody else is gone: one process does the rest."""
        hub = self.hub()
        for _ in range(2 * sum(map(len, self.posts.values())) + 2):
            self.now += 1e6
            for group in GROUPS:
                hub.consume(group, self.seen[group].extend, None)
        for group in GROUPS:
            assert hub.consume(group, self.seen[group].extend, None).done
            assert hub.lag(group).to_dict() == {"behind": 0, "taken": 0, "held": 0, "dead": 0}


@pytest.mark.parametrize("lossy", [False, True])
def test_every_event_comes_to_every_handler_in_order_by_author(lossy: bool) -> None:
    @settings(max_examples=40)
    @given(st.lists(STEPS, min_size=30, max_size=80))
    def check(steps: list[tuple[str, int, tuple[str, bool] | None]]) -> None:
        with feedkit.connect("memory://") as feed:
            # given
            world = World(feed)

            # when
            for step, nth, dies_at in steps:
                if lossy or step != "lose":
                    world.take(step, nth, dies_at)
            world.finish()

            # then
            for group in GROUPS:
                handled = world.seen[group]
                for posts in world.posts.values():
                    first = list(dict.fromkeys(one.object_id for one in handled if one.object_id in posts))
                    assert first == posts

    check()
