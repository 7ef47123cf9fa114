"""How far deliveries are behind."""

from typing import Any

from feedkit.model import Backlog
from feedkit.runtime import Runtime
from feedkit.storage.base import Tx
from feedkit.storage.events import TIMELINES


def measured(runtime: Runtime[Any], now_ms: int) -> Backlog:
    """The backlog as truth has it at that moment. Raises OutOfReach where Redis cannot say who delivers."""
    truth = runtime.truth
    consumers = [consumer.name for consumer in runtime.shared_consumers]
    if runtime.stores.marks is not None:
        consumers.append(TIMELINES)

    def look(tx: Tx) -> tuple[int, int | None, int, str, dict[str, int]]:
        offsets = truth.events.offsets(tx)
        slowest = min(offsets.get(name, 0) for name in consumers)
        last, waiting = truth.events.last_number(tx), truth.chunks.waiting(tx)
        moments = [event.at_ms for event in truth.events.after(tx, slowest, 1)]
        moments += [large.at for large, _ in waiting[:1]]
        dead = {name: runtime.letters.count(tx, name) for name in runtime.letters.consumers(tx)}
        holder = waiting[0][1] if waiting else ""
        return max(0, last - slowest), min(moments, default=None), len(waiting), holder, dead

    events, oldest_ms, large, holder, dead = truth.read(look)
    if events and not holder and runtime.stores.marks is not None:
        holder = runtime.stores.marks.holder()
    oldest_s = 0.0 if oldest_ms is None else max(0, now_ms - oldest_ms) / 1000
    return Backlog(events, oldest_s, large, holder, dead)
