"""Unit prices: what each thing costs that a policy makes a feed do."""

import math
from typing import Any

import attrs

from feedkit.errors import InvalidArgument, shown


def _price(_prices: "Prices", field: "attrs.Attribute[float]", value: object) -> None:
    if type(value) not in (int, float) or not 0 <= value < math.inf:  # type: ignore[operator]
        message = f"{field.name} must be a number of microseconds, 0 or more; got {shown(value)}"
        raise InvalidArgument(message, argument=field.name)


def _us(default: float) -> Any:
    return attrs.field(default=default, validator=_price)


@attrs.frozen(kw_only=True)
class Prices:
    """Microseconds of CPU time, one by one. The defaults were measured on one machine, over SQLite, in memory.

    `feedkit.calibrate()` measures them where it is called.

    Attributes:
        publish_us: a post, stored and counted, before anybody is delivered to.
        apply_us: one post applied to what a process holds.
        audience_us: asking for some followers.
        follower_us: each follower that is found, whether they hold an inbox or not.
        holder_us: each holder of an inbox who is asked about, where holders are gone through instead.
        delivery_us: one entry into one inbox.
        decide_us: one pair looked at by a policy that chooses pair by pair.
        read_us: a page of a home feed, with nothing new and nobody pulled.
        fresh_us: more, for the first page with a post that its reader has not met, whichever way it came.
        seal_us: more, for the first page after a delivery.
        merging_us: more, where any pulled author is merged in.
        merge_us: and more for each of them.
        note_us: more, under a policy that chooses pair by pair.
        build_us: more, where the reader holds no inbox.
        build_followee_us: and more for each of their followees.
    """

    publish_us: float = _us(400.0)
    apply_us: float = _us(145.0)
    audience_us: float = _us(18.0)
    follower_us: float = _us(0.6)
    holder_us: float = _us(1.3)
    delivery_us: float = _us(0.47)
    decide_us: float = _us(0.2)
    read_us: float = _us(200.0)
    fresh_us: float = _us(92.0)
    seal_us: float = _us(47.0)
    merging_us: float = _us(21.0)
    merge_us: float = _us(2.0)
    note_us: float = _us(1.4)
    build_us: float = _us(225.0)
    build_followee_us: float = _us(33.0)

    def to_dict(self) -> dict[str, float]:
        """The prices by name, JSON-safe."""
        return attrs.asdict(self)

    @classmethod
    def from_dict(cls, given: Any) -> "Prices":
        """Prices as `to_dict` gave them; what is left out keeps its default. Raises InvalidArgument."""
        names = [field.name for field in attrs.fields(cls)]
        if not isinstance(given, dict) or not given.keys() <= set(names):
            message = f"prices must be an object with numbers for some of {', '.join(names)}"
            raise InvalidArgument(message, argument="prices")
        return cls(**given)
