"""Imported by a worker of a test: it ends itself, as kill -9 does, or falls asleep at the point that CRASH_AT names.

`CRASH_AT=<class>.<method>:<before|after>:<nth call>[:<stop>]`
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from feedkit.fanout.delivery import Delivery
from feedkit.fanout.shared import SharedDelivery
from feedkit.fanout.sharing import ChunkWork
from feedkit.log.worker import Worker
from feedkit.runtime import Runtime
from feedkit.storage.redis.marks import RedisMarks
from feedkit.storage.redis.timelines import RedisTimelines
from feedkit.storage.sql.chunks import SqlChunks

CLASSES = {
    kind.__name__: kind
    for kind in (
        *(ChunkWork, Delivery, RedisMarks, RedisTimelines, Runtime, SharedDelivery, SqlChunks, Worker),
    )
}


def _end(how: str) -> None:
    os.kill(os.getpid(), signal.SIGSTOP if how == "stop" else signal.SIGKILL)


def _install(point: str) -> None:
    name, when, nth, *how = point.split(":")
    owner, _, method = name.partition(".")
    original: Callable[..., Any] = getattr(CLASSES[owner], method)
    calls = itertools.count(1)

    def crashing(*args: Any, **kwargs: Any) -> Any:
        ours = next(calls) == int(nth)
        if ours and when == "before":
            _end(*how or ("",))
        result = original(*args, **kwargs)
        if ours and when == "after":
            if isinstance(result, AbstractContextManager):
                return _entered(result, *how)
            _end(*how or ("",))
        return result

    setattr(CLASSES[owner], method, crashing)


@contextmanager
def _entered(manager: Any, how: str = "") -> Any:
    with manager as inside:
        _end(how)
        yield inside


if os.environ.get("CRASH_AT"):
    _install(os.environ["CRASH_AT"])
