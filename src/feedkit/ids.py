"""Ids and positions: 63-bit numbers that grow with time and are never given out twice.

The layout is Twitter's Snowflake (2010, https://github.com/twitter-archive/snowflake), with an
epoch of its own: 41 bits of milliseconds since 2000-01-01T00:00Z (enough until 2069), 10 bits of
node, 12 bits of sequence. Snowflake refuses to mint while the clock is behind; here a node holds
a *lease* that reserves a span of time in truth, and values are taken from that span alone. So
nothing depends on clocks being right: two holders of one node have disjoint spans.
"""

from __future__ import annotations

import logging
import threading
from typing import Final, Protocol

import attrs

from feedkit.clock import Clock
from feedkit.errors import ConfigurationError, InvalidArgument, NodesExhausted, Unavailable, shown

EPOCH_MS: Final = 946_684_800_000  # 2000-01-01T00:00Z in Unix milliseconds
MAX_MS: Final = EPOCH_MS + (1 << 41) - 1  # the last millisecond that has ids, in September 2069
MAX_ID: Final = (1 << 63) - 1
BACKDATED_NODE: Final = 1023  # never leased: positions minted for a past instant are on it
LEASABLE_NODES: Final = 1023  # nodes 0 to 1022
MINT_MANY_MAX: Final = 1_000_000

_SEQUENCE_BITS: Final = 12
_MS_SHIFT: Final = 22
_LAST_SEQUENCE: Final = (1 << _SEQUENCE_BITS) - 1

logger = logging.getLogger(__name__)


def position_of(ms: int, node: int = 0, sequence: int = 0) -> int:
    """The position at an instant (Unix milliseconds), on a node (0..1023), with a sequence (0..4095).

    `position_of(ms)` is the lowest position of its millisecond. Raises InvalidArgument when a part
    is out of range.
    """
    if not EPOCH_MS <= ms <= MAX_MS:
        raise InvalidArgument(
            f"ms must be Unix milliseconds from 2000-01-01 to 2069-09-06, got {shown(ms)}", argument="ms"
        )
    _within("node", node, 0, BACKDATED_NODE)
    _within("sequence", sequence, 0, _LAST_SEQUENCE)
    return (ms - EPOCH_MS) << _MS_SHIFT | node << _SEQUENCE_BITS | sequence


def ms_of(position: int) -> int:
    """The instant of an id or position, in Unix milliseconds."""
    return (position >> _MS_SHIFT) + EPOCH_MS


def node_of(position: int) -> int:
    """The node (0..1023) an id or position was minted on."""
    return position >> _SEQUENCE_BITS & BACKDATED_NODE


def _within(argument: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidArgument(f"{argument} must be {low}..{high}, got {shown(value)}", argument=argument)


def _leasable(_lease: Lease, _field: object, node: int) -> None:
    _within("node", node, 0, LEASABLE_NODES - 1)


@attrs.frozen
class Lease:
    """The right to mint on `node` in every millisecond from `floor_ms` to `until_ms`, both inclusive."""

    node: int = attrs.field(validator=_leasable)
    owner: str
    floor_ms: int
    until_ms: int


class LeaseSource(Protocol):
    """Gives out leases, atomically, from truth.

    Laws: the spans of all leases ever given for a node by `acquire` are disjoint (a successor's
    `floor_ms` is greater than the predecessor's last `until_ms`, whatever either's clock says), and a
    lease reaches at least `duration_ms` past both `now_ms` and its `floor_ms`.
    """

    def acquire(self, now_ms: int, duration_ms: int) -> Lease:
        """Lease a node whose last lease ended before `now_ms`. Raises NodesExhausted if none is left."""
        ...

    def renew(self, lease: Lease, now_ms: int, duration_ms: int) -> Lease | None:
        """The lease reaching further, or None if the node has another owner by now."""
        ...


def mint_within(lease: Lease, now_ms: int) -> int:
    """One id from a lease that is used for nothing else, as inside a host's own transaction.

    It is of `now_ms` if the lease covers that, else of the covered millisecond nearest to it. The same
    lease and instant give the same id: take a new lease for the next.
    """
    return position_of(min(max(now_ms, lease.floor_ms), lease.until_ms), lease.node)


class Minter:
    """Mints ids for one process; any thread may call it.

    Ids of one Minter strictly grow. When the clock steps back it goes on just above the highest id it
    gave; when a millisecond's 4096 are used up it borrows the next. Truth is asked for a lease at the
    first mint, and again when less than half of the lease is left, never more often than once per
    half lease while the clock runs evenly. `lease_ms` is the span to ask for, in milliseconds; from 1000
    on it holds the largest batch.

    A Minter belongs to one process: after a fork, make a new one.
    """

    # A tick is an id without its node: milliseconds since EPOCH_MS, then the sequence. Counting ticks
    # carries a sequence that overflows into the next millisecond by itself.

    def __init__(self, clock: Clock, leases: LeaseSource, lease_ms: int) -> None:
        self._clock = clock
        self._leases = leases
        self._lease_ms = lease_ms
        self._renewing = threading.Lock()  # one caller at a time asks truth
        self._lock = threading.Lock()  # guards the fields below; never held while truth is asked
        self._lease: Lease | None = None
        self._node_bits = 0
        self._tick = 0  # the highest tick used; id 0 is never minted, it means nobody
        self._renew_tick = 0  # from this tick on, less than half of the lease is left
        self._end_tick = 0  # the first tick past the lease

    def mint(self) -> int:
        """The next id. Raises NodesExhausted or Unavailable when it needs a lease and gets none."""
        with self._lock:
            tick = self._next_tick()
            if tick < self._renew_tick:
                self._tick = tick
                return tick >> _SEQUENCE_BITS << _MS_SHIFT | self._node_bits | tick & _LAST_SEQUENCE
        return self.mint_many(1)[0]

    def mint_many(self, n: int) -> list[int]:
        """The next `n` ids (0..1,000,000), growing. Raises like `mint`."""
        _within("n", n, 0, MINT_MANY_MAX)
        if n == 0:
            return []
        ids = self._take(n) or self._take_after_renewal(n)
        if self._tick >= self._renew_tick:
            self._renew_early()
        return ids

    def mint_held(self) -> int | None:
        """The next id if the lease at hand covers it, else None: truth is not asked, no one is waited for.

        For use inside a transaction, where asking truth over a second connection could lock up.
        """
        ids = self._take(1)
        return ids[0] if ids else None

    def lease_covers_now(self) -> bool:
        """True if `mint()` now would not ask truth, be it by need or to renew early."""
        with self._lock:
            return self._next_tick() < self._renew_tick

    def retire(self) -> Lease | None:
        """Forget the lease and return it cut to what was used, for truth to free the node early.

        None if there was no lease. The Minter stays usable: its next mint asks for a new lease.
        """
        with self._lock:
            lease, self._lease = self._lease, None
            self._renew_tick = self._end_tick = 0
            return lease and attrs.evolve(lease, until_ms=_ms_of_tick(self._tick))

    def _next_tick(self) -> int:
        now = (self._clock.now_ms() - EPOCH_MS) << _SEQUENCE_BITS
        return now if now > self._tick else self._tick + 1

    def _take(self, n: int) -> list[int]:
        """`n` ids, or none at all if the lease does not cover them all."""
        with self._lock:
            first = self._next_tick()
            end = first + n
            if end > self._end_tick:
                return []
            self._tick = end - 1
            node_bits = self._node_bits
        return [
            tick >> _SEQUENCE_BITS << _MS_SHIFT | node_bits | tick & _LAST_SEQUENCE
            for tick in range(first, end)
        ]

    def _take_after_renewal(self, n: int) -> list[int]:
        with self._renewing:
            ids = self._take(n)  # another thread may have renewed while this one waited
            if not ids:
                self._renew()
                ids = self._take(n)
        if not ids:
            raise Unavailable("the node lease ended as soon as it was given; raise the setting lease_ms")
        return ids

    def _renew_early(self) -> None:
        """Renew while the lease still holds; if that fails, go on and try again in half the time left."""
        if not self._renewing.acquire(blocking=False):
            return
        try:
            if self._tick >= self._renew_tick:
                self._renew()
        except (NodesExhausted, Unavailable) as exc:
            logger.warning("the node lease could not be renewed yet: %s", exc.code)
            with self._lock:
                self._renew_tick = (self._tick + self._end_tick) // 2 + 1
        finally:
            self._renewing.release()

    def _renew(self) -> None:
        """Ask truth for more time, or for another node if this one was taken over."""
        with self._lock:
            lease, needed_ms = self._lease, _ms_of_tick(self._next_tick())
        if needed_ms > MAX_MS:
            raise ConfigurationError("the clock is past September 2069, where ids end; set it right")
        renewed = lease and self._leases.renew(lease, needed_ms, self._lease_ms)
        self._adopt(renewed or self._leases.acquire(needed_ms, self._lease_ms))

    def _adopt(self, lease: Lease) -> None:
        with self._lock:
            self._lease, self._node_bits = lease, lease.node << _SEQUENCE_BITS
            # go on in a fresh millisecond: in the present one, a lower node would give lower ids
            self._tick = max(self._tick | _LAST_SEQUENCE, _first_tick(lease.floor_ms) - 1)
            self._end_tick = _first_tick(min(lease.until_ms, MAX_MS) + 1)
            self._renew_tick = min(self._end_tick, _first_tick(lease.until_ms - self._lease_ms // 2))


def _first_tick(ms: int) -> int:
    return (ms - EPOCH_MS) << _SEQUENCE_BITS


def _ms_of_tick(tick: int) -> int:
    return (tick >> _SEQUENCE_BITS) + EPOCH_MS
