"""Workers of a replay: processes that deliver what is lived through, on the clock of the stream."""

import multiprocessing
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import feedkit
from feedkit import FanoutPolicy, Feed
from feedkit.clock import ManualClock
from feedkit.errors import ConfigurationError, Unavailable
from feedkit.ids import EPOCH_MS
from feedkit.working import set_from_handler

_PATIENCE_S = 60
_LOOK_S = 0.002
_START_S, _END_S = 60, 60


class StreamClock(ManualClock):
    """A clock that is moved by hand, and that several processes look at."""

    def __init__(self) -> None:
        super().__init__(EPOCH_MS)
        self._shared: Any = multiprocessing.get_context("spawn").Value("q", EPOCH_MS)

    def now_ms(self) -> int:
        """See `ManualClock`."""
        return int(self._shared.value)

    def set(self, instant: datetime | int) -> None:
        """See `ManualClock`."""
        super().set(instant)
        self._shared.value = super().now_ms()

    def __getstate__(self) -> Any:
        return self._shared

    def __setstate__(self, shared: Any) -> None:
        self._shared = shared


class Crew:
    """So many processes that deliver for one feed."""

    def __init__(self, feed: Feed[Any], count: int) -> None:
        context: Any = multiprocessing.get_context("spawn")
        wiring = feed.wiring
        around = (wiring.target, wiring.namespace, wiring.redis, wiring.policy, wiring.clock)
        self._feed, self._deliveries = feed, context.Queue()
        self._workers = [
            context.Process(target=_work, args=(*around, self._deliveries), daemon=True) for _ in range(count)
        ]
        self.delivered = 0

    def start(self) -> None:
        """Start them; they are waited for."""
        for worker in self._workers:
            worker.start()
        for _ in self._workers:
            self._deliveries.get(timeout=_START_S)

    def settle(self) -> None:
        """Wait until everything that has happened is delivered. Raises Unavailable."""
        runtime, until = self._feed.runtime(), time.monotonic() + _PATIENCE_S
        sharing, chunks = runtime.fanout.sharing, runtime.fanout.chunks
        if sharing is None or chunks is None:
            return
        number = runtime.log.catch_up()
        while sharing.delivery.delivered_to() < number or chunks.is_left():
            if time.monotonic() > until:
                raise Unavailable("the workers of the replay have stopped delivering")
            time.sleep(_LOOK_S)

    def end(self) -> int:
        """Tell them to stop; how many entries they have delivered."""
        for worker in self._workers:
            worker.terminate()
        delivered = sum(self._deliveries.get(timeout=_END_S) for _ in self._workers)
        for worker in self._workers:
            worker.join(_END_S)
        self._workers = []
        return int(delivered)


@contextmanager
def crewed(feed: Feed[Any], count: int) -> Iterator[Crew | None]:
    """A crew for as long as a replay needs it; None for nobody."""
    if not count:
        yield None
        return
    if feed.wiring.deliver != "worker":
        raise ConfigurationError(
            '--workers deliver to a feed with redis= and deliver="worker"; add --redis URL'
        )
    crew = Crew(feed, count)
    crew.start()
    try:
        yield crew
    finally:
        for worker in crew._workers:
            worker.kill()


def _work(
    url: str, namespace: str, redis: str, policy: FanoutPolicy, clock: StreamClock, deliveries: Any
) -> None:
    """What a worker process does."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: set_from_handler(stop))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with feedkit.connect(
        url, namespace=namespace, redis=redis, policy=policy, clock=clock, deliver="worker"
    ) as feed:
        feed.runtime()
        deliveries.put(0)
        deliveries.put(feed.work(stop=stop).deliveries)
