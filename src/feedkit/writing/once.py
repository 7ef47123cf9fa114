"""Idempotency keys: what was asked for twice under one key is done once."""

from feedkit.errors import Conflict
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx
from feedkit.writing.checks import checked_text

_KEY_MAX = 255


class Once:
    """Remembers for `idempotency_ttl_s` what a key of an actor stands for."""

    def __init__(self, truth: Truth, settings: Settings) -> None:
        self._truth, self._ttl_ms = truth, settings.idempotency_ttl_s * 1000

    def earlier(
        self, tx: Tx, actor_id: int, key: str | None, *, digest: bytes, result_id: int, now_ms: int
    ) -> int | None:
        """The id that this key stands for already; None where it stands for `result_id` from now on.

        Raises Conflict where what was asked for then had another digest.
        """
        if key is None:
            return None
        claimed = self._truth.journals.claim_key(
            tx, actor_id, key, digest=digest, result_id=result_id, now_ms=now_ms, ttl_ms=self._ttl_ms
        )
        if claimed is None:
            return None
        if claimed[0] != digest:
            raise Conflict(
                "idempotency_key was used for other content; take a new key for something new",
                argument="idempotency_key",
            )
        return claimed[1]


def checked_key(key: object) -> str | None:
    """An idempotency key, or None for none. Raises InvalidArgument or LimitExceeded."""
    return None if key is None else checked_text("idempotency_key", key, _KEY_MAX, at_least=1)
