"""What the processes of one feed have to agree about, so that one does not undo or ignore what another does."""

import json
import logging
from typing import Any

from feedkit.errors import ConfigurationError
from feedkit.storage.base import Truth, Tx
from feedkit.wiring import Wiring

_FACT = "wiring"
_SETTINGS = (
    "inbox_entries",
    "inbox_tail",
    "inbox_ttl_s",
    "outbox_entries",
    "chunk_followers",
    "pull_grace_s",
    "event_retention_s",
    "idempotency_ttl_s",
    "reaction_kinds",
    "reactions_per_person",
)

logger = logging.getLogger(__name__)


def fingerprint(wiring: Wiring[Any]) -> dict[str, str]:
    """What this process says of itself: names, and the values of settings that others are affected by."""
    resolver = wiring.mention_resolver
    parts = {
        "policy": repr(wiring.policy),
        "mention_resolver": "none" if resolver is None else getattr(resolver, "__qualname__", repr(resolver)),
    }
    return parts | {name: str(getattr(wiring.settings, name)) for name in _SETTINGS}


def differences(truth: Truth, wiring: Wiring[Any]) -> list[str]:
    """In what this process differs from the first one, which is remembered; nothing where this is the first."""
    own = fingerprint(wiring)
    stored = truth.read(truth.install.facts).get(_FACT)
    if stored is None:
        stored = truth.write(lambda tx: _stated(truth, tx, own))
    agreed = _read(stored)
    return [
        f"{name} is {own.get(name, 'not known')} here and {agreed.get(name, 'not known')} there"
        for name in sorted(own.keys() | agreed.keys())
        if own.get(name) != agreed.get(name)
    ]


def check_agreement(truth: Truth, wiring: Wiring[Any], *, adopt: bool) -> None:
    """Refuse to work beside processes that are wired differently, or with `adopt` have this be what all agree about.

    Raises:
        ConfigurationError: what differs.
    """
    if adopt:
        text = json.dumps(fingerprint(wiring))
        truth.write(lambda tx: truth.install.state(tx, _FACT, text, anew=True))
    elif found := differences(truth, wiring):
        raise ConfigurationError(
            f"this worker differs from the other processes of the feed: {'; '.join(found)}. Wire all alike, or start "
            "it with --adopt once the others have ended"
        )


def warn_of_differences(truth: Truth, wiring: Wiring[Any]) -> None:
    """Log what differs: a process that only reads and writes still works."""
    if found := differences(truth, wiring):
        logger.warning("this process differs from the others of its feed: %s", "; ".join(found))


def _read(stored: str) -> dict[str, Any]:
    """What was stated; nothing of what this code cannot read, as perhaps of later code."""
    try:
        agreed = json.loads(stored)
    except ValueError:
        return {}
    return agreed if isinstance(agreed, dict) else {}


def _stated(truth: Truth, tx: Tx, own: dict[str, str]) -> str:
    truth.install.state(tx, _FACT, json.dumps(own))
    return truth.install.facts(tx)[_FACT]
