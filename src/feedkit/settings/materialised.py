"""The knobs of what is kept beside truth."""

from __future__ import annotations

import attrs

from feedkit.settings.knobs import DAY_MS, DAY_S, choice, whole


@attrs.frozen(kw_only=True, slots=False)
class MaterialisedKnobs:
    """How much is kept beside truth, and for how long."""

    # materialisations of one process
    inbox_entries: int = whole(
        800, 10, 100_000, "entries", "Entries an inbox keeps; older ones are read from truth."
    )
    inbox_tail: int = whole(
        256,
        1,
        100_000,
        "entries",
        "Deliveries queued behind an inbox's sealed block before it is sealed anew.",
    )
    inbox_ttl_s: int = whole(7 * DAY_S, 1, 3650 * DAY_S, "s", "How long an inbox lives after its last read.")
    inboxes_max: int = whole(
        10_000, 1, 10_000_000, "inboxes", "Inboxes a process keeps; the least recently read go."
    )
    outbox_entries: int = whole(200, 10, 100_000, "entries", "Newest entries kept of one author's outbox.")
    outboxes_max: int = whole(
        20_000, 1, 10_000_000, "outboxes", "Outboxes a process keeps; the least recently read go."
    )
    posts_cached: int = whole(
        20_000,
        0,
        10_000_000,
        "posts",
        "Posts a process caches, and lines of pages made of posts; 0 caches none.",
    )
    users_cached: int = whole(20_000, 0, 10_000_000, "users", "Users a process caches; 0 caches none.")
    own_cached: int = whole(
        100_000,
        0,
        10_000_000,
        "pairs",
        "Pairs of a viewer and a post of which a process remembers what was done.",
    )
    relations_cached: int = whole(
        10_000, 0, 10_000_000, "viewers", "Viewers whose relations a process caches; 0 caches none."
    )

    # timelines in Redis
    redis_timeout_ms: int = whole(
        2000,
        10,
        600_000,
        "ms",
        "How long Redis may take to connect or to answer, where feedkit makes the client.",
    )
    build_lease_ms: int = whole(
        60_000,
        100,
        DAY_MS,
        "ms",
        "How long building one timeline in Redis may take before another process may.",
    )

    # what processes share in Redis of posts, users and relations
    shared_cache: str = choice(
        "on",
        ("on", "off"),
        "Whether posts, users and relations are cached in Redis as well, if there is one.",
    )
    shared_ttl_s: int = whole(
        600,
        1,
        30 * DAY_S,
        "s",
        "How long they are kept there, and so how long a change may be missed that Redis could not be told of.",
    )
    shared_absent_ms: int = whole(
        2000, 1, 3_600_000, "ms", "How long it is kept there that there is no post under an id."
    )
    shared_lease_ms: int = whole(
        5000, 100, 600_000, "ms", "How long one process may take to load a value before another one may."
    )
    shared_wait_ms: int = whole(
        100,
        0,
        60_000,
        "ms",
        "How long others wait for whoever loads a value or builds an inbox.",
    )
    host_transaction_max_s: int = whole(
        300, 1, DAY_S, "s", "How long a transaction of yours that changes a feed may stay open."
    )
