"""Ids for this process: a minter over node leases that truth gives out."""

from feedkit.clock import Clock
from feedkit.ids import Lease, Minter, mint_within
from feedkit.storage.base import Truth, Tx

_ONE_OFF_MS = 1
_AHEAD_MS = 1000  # so that a node that was used a moment ago can serve again, be the clock slow or standing


class TruthLeases:
    """Node leases from truth, each change committed by itself."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth

    def acquire(self, now_ms: int, duration_ms: int) -> Lease:
        """See `LeaseSource`."""
        return self._truth.write(lambda tx: self._truth.nodes.acquire(tx, now_ms, duration_ms))

    def renew(self, lease: Lease, now_ms: int, duration_ms: int) -> Lease | None:
        """See `LeaseSource`."""
        return self._truth.write(lambda tx: self._truth.nodes.renew(tx, lease, now_ms, duration_ms))


class Minting:
    """Mints ids, also where truth must not be asked over a second connection."""

    def __init__(self, truth: Truth, clock: Clock, lease_ms: int) -> None:
        self._truth, self._clock = truth, clock
        self._minter = Minter(clock, TruthLeases(truth), lease_ms)

    def mint(self, host_tx: Tx | None = None) -> int:
        """The next id.

        Within a host's transaction on a database with one writer, when the process holds no lease for now,
        one is taken in that very transaction and used once: a second connection would wait for the host
        for ever, and a lease kept beyond a rollback would not be one.
        """
        if host_tx is None or not self._truth.one_writer:
            return self._minter.mint()
        held = self._minter.mint_held()
        if held is not None:
            return held
        now_ms = self._clock.now_ms()
        lease = self._truth.nodes.acquire(host_tx, now_ms, _ONE_OFF_MS, ahead_ms=_AHEAD_MS)
        return mint_within(lease, now_ms)

    def mint_many(self, n: int) -> list[int]:
        """The next `n` ids (up to 1,000,000), outside any transaction."""
        return self._minter.mint_many(n)

    def retire(self) -> None:
        """Give the node back, so that a successor need not wait for the lease to lapse."""
        lease = self._minter.retire()
        if lease is not None:
            self._truth.write(lambda tx: self._truth.nodes.release(tx, lease))
