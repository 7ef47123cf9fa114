"""The knobs of the log and of whatever follows it."""

from __future__ import annotations

import attrs

from feedkit.settings.knobs import DAY_MS, DAY_S, whole


@attrs.frozen(kw_only=True, slots=False)
class LogKnobs:
    """How the log is applied, delivered and carried to others."""

    # delivery and the log
    delivery_chunk: int = whole(2000, 1, 1_000_000, "followers", "Followers one step of a delivery handles.")
    chunk_followers: int = whole(
        20_000,
        1,
        10_000_000,
        "followers",
        "Deliveries in Redis to more followers than this are cut into chunks of so many, which workers share.",
    )
    chunk_lease_ms: int = whole(
        10_000,
        100,
        DAY_MS,
        "ms",
        "How long a chunk stays claimed by a worker of which nothing is heard.",
    )
    delivery_tries: int = whole(
        3,
        1,
        100,
        "attempts",
        "How often an event that cannot be handled is tried before it is a dead letter.",
    )
    dead_letters_max: int = whole(
        10_000,
        1,
        10_000_000,
        "events",
        "Dead letters of one consumer or group; what cannot be handled then waits, and all behind it.",
    )
    log_batch: int = whole(1000, 1, 100_000, "events", "Events one step of applying the log handles.")
    event_retention_s: int = whole(
        DAY_S,
        0,
        3650 * DAY_S,
        "s",
        "How long an event is kept that every consumer has applied, "
        "and how old a newer_cursor still brings posts that were committed late.",
    )
    prune_every: int = whole(10_000, 1, 10_000_000, "events", "Events between two prunings of the log.")
    pull_grace_s: int = whole(
        7 * DAY_S, 0, 3650 * DAY_S, "s", "How long an author stays listed as pulled after pushing resumed."
    )
    import_chunk: int = whole(
        100_000, 1, 1_000_000, "rows", "Rows that one transaction of an import handles."
    )
    reconcile_chunk: int = whole(
        50_000,
        1,
        1_000_000,
        "pairs",
        "Pairs that one transaction of reconciling handles; whoever follows somebody meanwhile waits for it.",
    )

    # the bus
    bus_partitions: int = whole(
        16,
        1,
        1024,
        "partitions",
        "Partitions of the bus, each of which one worker of a group has at a time; fixed when it is first filled.",
    )
    bus_events_max: int = whole(
        100_000,
        1,
        100_000_000,
        "events",
        "Events that one partition of the bus holds; further ones wait in the log.",
    )
    bus_batch: int = whole(500, 1, 2000, "events", "Events of the bus that a handler is given at once.")
    bus_lease_ms: int = whole(
        60_000,
        10,
        DAY_MS,
        "ms",
        "How long a handler may take for a batch before another worker is given it as well.",
    )
    bus_tries: int = whole(
        5, 1, 1000, "tries", "How often an event is tried before it becomes a dead letter."
    )
    bus_retry_ms: int = whole(
        500, 0, 60_000, "ms", "Pause before the next try; it doubles each time, up to a minute."
    )
