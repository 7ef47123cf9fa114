"""One process beside a bus, which dies where it is told to: python -m ... TARGET BUS WHAT HOW"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import feedkit

SETTINGS: dict[str, Any] = {
    "sqlite_synchronous": "OFF",
    "bus_partitions": 2,
    "bus_lease_ms": 300,
    "bus_retry_ms": 1,
}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(work: Callable[..., Any], *, before: bool, at: int) -> Callable[..., Any]:
    """The same, in which the n-th call ends the process, before or after its effect."""
    calls = 0

    def run(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if before and calls == at:
            die()
        done = work(*args, **kwargs)
        if calls == at:
            die()
        return done

    return run


def publish(feed: feedkit.Feed[str], how: dict[str, Any]) -> None:
    """Publish, say so once it has returned, and be gone before anything is handed over."""
    for text in how["texts"]:
        feed.publish(how["author"], text=text)
    print("published", flush=True)
    die()


def relay(feed: feedkit.Feed[str], how: dict[str, Any]) -> None:
    """Fill the bus, and die at the n-th call of something."""
    hub = feed.runtime().hub
    assert hub is not None
    place: Any = {"bus": hub.bus, "relay": hub.relay, "truth": feed.runtime().truth}[how["of"]]
    setattr(place, how["method"], dying(getattr(place, how["method"]), before=how["before"], at=how["at"]))
    feed.bus.consume(how["group"], lambda _events: None)
    print("ended", flush=True)


def handle(feed: feedkit.Feed[str], how: dict[str, Any]) -> None:
    """Handle events; die in, or sleep through, the one that is told."""

    def handler(events: Sequence[feedkit.Event]) -> None:
        for event in events:
            print(json.dumps(["began", event.number]), flush=True)
            if event.number == how.get("die_at"):
                die()
            if event.number == how.get("sleep_at"):
                time.sleep(how["seconds"])
            print(json.dumps(["handled", event.number]), flush=True)

    print(json.dumps(["ended", feed.bus.consume(how["group"], handler).to_dict()]), flush=True)


if __name__ == "__main__":
    target, bus, what, told = sys.argv[1:]
    with feedkit.connect(target, bus=bus, settings=feedkit.Settings(**SETTINGS)) as feed:
        globals()[what](feed, json.loads(told))
