"""`calibrate`: what the steps of a feed cost on this machine, for `feedkit.fanout.simulate`."""

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from feedkit.engine import Feed, connect
from feedkit.fanout.pairs import Pairs
from feedkit.fanout.policy import CostBased, Hybrid, PushAll
from feedkit.fanout.simulate import Prices
from feedkit.idset import idset
from feedkit.settings import Settings

_PAGE = 20
_FEW, _MANY = 5, 45  # followees
_READERS = 8  # of each kind
_HOLDING, _ABSENT = 500, 1500
_ROUNDS = 15


def calibrate() -> Prices:
    """Unit prices measured here, in about five seconds: CPU time of a feed over SQLite in a temporary directory.

    It is the real feed that is measured. A machine that is busy with something else gives prices that are too
    high, though mostly by one factor, which changes no choice.
    """
    with tempfile.TemporaryDirectory(prefix="feedkit-") as folder:
        pushing = _Pushing(f"sqlite:///{folder}/push.db")
        pulling = _Pulling(f"sqlite:///{folder}/pull.db")
        try:
            found = pushing.prices() | pulling.prices()
        finally:
            pushing.feed.close()
            pulling.feed.close()
    return Prices(**{name: max(0.0, round(price, 3)) for name, price in found.items()})


class _Pushing:
    """Authors with one follower, with many who hold inboxes, and with many who do not."""

    def __init__(self, url: str) -> None:
        settings = Settings(delivery_chunk=_HOLDING + _ABSENT + 1)
        self.feed: Feed[str] = connect(url, policy=PushAll(), settings=settings)
        readers = [f"reader{nth}" for nth in range(_HOLDING)]
        audiences = {
            "alone": readers[:1],
            "held": readers,
            "absent": [f"absent{nth}" for nth in range(_ABSENT)],
            "crowd": [*readers, *(f"absent{nth}" for nth in range(_ABSENT))],
        }
        self.feed.imports.follows((one, author) for author, those in audiences.items() for one in those)
        self.feed.drain()
        for _ in range(_PAGE):
            self.feed.publish("held", text="what a long day it has been " * 4)
        for one in readers:
            self.feed.home(one, limit=_PAGE)
        self._readers = readers

    def prices(self) -> dict[str, float]:
        publish, alone, held, absent = (_Series() for _ in range(4))
        sealed, fresh, again = _Series(), _Series(), _Series()
        for _ in range(_ROUNDS):
            for author, into in (("alone", alone), ("absent", absent), ("held", held)):
                publish.time(partial(self.feed.publish, author, text="what a day"))
                into.time(self.feed.runtime().tail.catch_up)
                publish.add_to_last(self.feed.drain)
            self.feed.home(self._readers[-1], limit=_PAGE)  # loads what the others find cached
            for one in self._readers[:10]:
                sealed.time(partial(self.feed.runtime().stores.inboxes.read, self._id(one)))
                fresh.time(partial(self.feed.home, one, limit=_PAGE))
                again.time(partial(self.feed.home, one, limit=_PAGE))
        follower_us = (absent.us - alone.us) / (_ABSENT - 1)
        apply_us = alone.us - follower_us
        audience_us = self._audience_us()
        return {
            "publish_us": publish.us,
            "apply_us": apply_us - audience_us,
            "audience_us": audience_us,
            "follower_us": follower_us,
            "delivery_us": (held.us - alone.us) / (_HOLDING - 1) - follower_us,
            "holder_us": self._holder_us(),
            **self._choosing(),
            "read_us": again.us,
            "fresh_us": fresh.us - again.us,
            "seal_us": sealed.us,
        }

    def _audience_us(self) -> float:
        truth, author = self.feed.runtime().truth, self._id("alone")
        asked = _Series()
        for _ in range(_ROUNDS * 4):
            asked.time(lambda: truth.read(lambda tx: truth.graph.small_audiences(tx, [author], 10)))
        return asked.us

    def _holder_us(self) -> float:
        """Beside the asking itself, which is priced once for each step."""
        delivery, author = self.feed.runtime().fanout.delivery, self._id("crowd")
        holders = self.feed.runtime().stores.inboxes.holders()
        asked = _Series()
        for _ in range(_ROUNDS):
            asked.time(lambda: [*delivery.holding(author, idset(() if holders is None else holders))])
        return (asked.us - self._audience_us()) / _HOLDING

    def _choosing(self) -> dict[str, float]:
        """What a policy costs that chooses pair by pair."""
        runtime = self.feed.runtime()
        pairs = Pairs(CostBased(), runtime.stores.inboxes, self.feed.wiring.clock, self.feed.wiring.settings)
        readers = idset(runtime.stores.inboxes.owners())
        pairs.posted(1, self.feed.wiring.clock.now_ms())
        noted, decided = _Series(), _Series()

        def note() -> None:
            for one in readers.tolist():
                pairs.read(one)
                pairs.pulled_by(one)

        for _ in range(_ROUNDS):
            noted.time(note)
            decided.time(partial(pairs.split, 1, readers))
        return {"note_us": noted.us / len(readers), "decide_us": decided.us / len(readers)}

    def _id(self, key: str) -> int:
        return self.feed.runtime().directory.find(key, "author") or 0


class _Pulling:
    """Readers who pull nobody, few and many."""

    def __init__(self, url: str) -> None:
        self.feed: Feed[str] = connect(url, policy=Hybrid(pull_above=_READERS - 1))
        names = [f"author{nth}" for nth in range(_MANY)]
        pushed = [f"pushed{nth}" for nth in range(_FEW)]
        self._readers = {kind: [f"{kind}{nth}" for nth in range(_READERS)] for kind in ("few", "many")}
        self._readers["none"] = [f"none{nth}" for nth in range(_READERS - 1)]
        followed = {"few": names[:_FEW], "many": names, "none": pushed}
        self.feed.imports.follows(
            (one, author)
            for kind, those in self._readers.items()
            for one in those
            for author in followed[kind]
        )
        self.feed.drain()
        for author in pushed + names:
            self.feed.publish(author, text="what a day")
        self.feed.drain()  # which lists those who are to be pulled
        for _ in range(_PAGE):
            for author in pushed + names:
                self.feed.publish(author, text="what a day")
        self.feed.drain()

    def prices(self) -> dict[str, float]:
        page, built = ({kind: _Series() for kind in self._readers} for _ in range(2))
        for _ in range(_ROUNDS):
            for kind, readers in self._readers.items():
                self.feed.runtime().stores.inboxes.clear()
                for into in (built[kind], page[kind], page[kind]):
                    for one in readers:
                        into.time(partial(self.feed.home, one, limit=_PAGE))
        merge_us = (page["many"].us - page["few"].us) / (_MANY - _FEW)
        few, many = (built[kind].us - page[kind].us for kind in ("few", "many"))
        followee_us = (many - few) / (_MANY - _FEW)
        return {
            "merge_us": merge_us,
            "merging_us": page["few"].us - page["none"].us - merge_us * _FEW,
            "build_us": few - followee_us * _FEW,
            "build_followee_us": followee_us,
        }


class _Series:
    """CPU microseconds of one step, taken again and again. The lower quartile counts: others only ever add."""

    def __init__(self) -> None:
        self._taken: list[float] = []

    def time(self, work: Callable[[], Any]) -> None:
        started = time.process_time_ns()
        work()
        self._taken.append((time.process_time_ns() - started) / 1000)

    def add_to_last(self, work: Callable[[], Any]) -> None:
        """What belongs to the step that was timed last."""
        self.time(work)
        further = self._taken.pop()
        self._taken[-1] += further

    @property
    def us(self) -> float:
        return statistics.quantiles(self._taken, n=4)[0]
