"""Every knob of a feed in one place: its default, its bounds, its unit and what it does.

A `Settings` is validated when it is made and never changes. Hosts pass one to `connect`, written
out (`Settings(page_limit_max=200)`) or read from the environment (`Settings.from_env()`).
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import attrs

from feedkit.errors import InvalidArgument, shown

_DAY_S: Final = 86_400
_DAY_MS: Final = 86_400_000
_NAME: Final = "[a-z][a-z0-9_-]{0,31}"


class Names:
    """Lists of names, as text: 1 to 32 of them, each once, of a-z, 0-9, _ and -, separated by commas."""

    _TEXT = re.compile(rf"{_NAME}(,{_NAME}){{0,31}}")

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, str) or not self._TEXT.fullmatch(value):
            return False
        names = value.split(",")
        return len(set(names)) == len(names)


@attrs.frozen(kw_only=True)
class Knob:
    """One row of the documentation: a setting, what it may be, in which unit, and what it does."""

    name: str
    default: int | str
    allowed: range | tuple[str, ...] | Names
    unit: str
    doc: str

    @property
    def minimum(self) -> int | None:
        """The smallest value allowed; None for names."""
        return self.allowed[0] if isinstance(self.allowed, range) else None

    @property
    def maximum(self) -> int | None:
        """The largest value allowed; None for names."""
        return self.allowed[-1] if isinstance(self.allowed, range) else None

    def check(self, value: object) -> None:
        """Raise InvalidArgument with knob, bound and way out; True does not pass for 1, nor 1.0."""
        if type(value) is not type(self.default) or value not in self.allowed:
            raise self.refusal(value)

    def refusal(self, value: object) -> InvalidArgument:
        """The error for a value that is not allowed."""
        if isinstance(self.allowed, range):
            bound = f"a whole number from {self.minimum} to {self.maximum} ({self.unit})"
        elif isinstance(self.allowed, Names):
            bound = "up to 32 different names of a-z, 0-9, _ and -, separated by commas alone"
        else:
            bound = "one of " + ", ".join(self.allowed)
        return InvalidArgument(
            f"{self.name} must be {bound}, got {shown(value)}; the default is {self.default}",
            argument=self.name,
        )


def _whole(default: int, minimum: int, maximum: int, unit: str, doc: str) -> Any:
    return _field(default=default, allowed=range(minimum, maximum + 1), unit=unit, doc=doc)


def _choice(default: str, allowed: tuple[str, ...], doc: str) -> Any:
    return _field(default=default, allowed=allowed, unit="name", doc=doc)


def _names(default: str, doc: str) -> Any:
    return _field(_joined, default=default, allowed=Names(), unit="names", doc=doc)


def _joined(value: object) -> object:
    """A list of names as one string."""
    several = isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value)
    return ",".join(cast(list[str], value)) if several else value


def _field(converter: Callable[[object], object] | None = None, /, **metadata: Any) -> Any:
    return attrs.field(default=metadata["default"], converter=converter, validator=_check, metadata=metadata)


def _check(_settings: object, field: attrs.Attribute[Any], value: object) -> None:
    _knob(field).check(value)


def _knob(field: attrs.Attribute[Any]) -> Knob:
    return Knob(name=field.name, **field.metadata)


@attrs.frozen(kw_only=True)
class Settings:
    """The knobs. Names that end in `_s` are seconds, in `_ms` milliseconds, in `_bytes` bytes."""

    # reading
    page_limit_default: int = _whole(20, 1, 500, "items", "Items on a page when the caller names no limit.")
    page_limit_max: int = _whole(100, 1, 1000, "items", "The largest limit a caller may ask for.")
    max_scan: int = _whole(
        2000, 100, 100_000, "entries", "Entries looked at for one page before it ends as `truncated`."
    )
    thread_depth_max: int = _whole(
        100,
        1,
        1000,
        "posts",
        "Posts above the one that a thread is read from; those further up are left out.",
    )
    poll_interval_ms: int = _whole(
        200, 1, 60_000, "ms", 'Pause between two looks at the log by the thread of deliver="thread".'
    )

    # what a caller may pass in
    text_max_chars: int = _whole(
        10_000, 1, 1_000_000, "characters", "The longest text of a post, in code points."
    )
    extra_max_bytes: int = _whole(
        16_384, 2, 1 << 20, "bytes", "The largest `extra` of a post, as JSON in UTF-8."
    )
    fallback_max_chars: int = _whole(
        500,
        0,
        100_000,
        "characters",
        "The longest `fallback`, shown by clients that do not know a kind of post.",
    )
    media_max: int = _whole(10, 0, 100, "media", "Media on one post.")
    url_max_chars: int = _whole(2048, 1, 65_536, "characters", "The longest URL of a medium.")
    ref_max_chars: int = _whole(
        200, 1, 1000, "characters", "The longest `ref`, the host's own name for a post."
    )
    key_max_bytes: int = _whole(200, 1, 255, "bytes", "The longest user key, in UTF-8.")
    handle_max_chars: int = _whole(64, 1, 1000, "characters", "The longest handle of a user.")
    display_name_max_chars: int = _whole(200, 1, 10_000, "characters", "The longest display name of a user.")
    tags_max: int = _whole(50, 0, 1000, "tags", "Tags in one text; further ones stay plain text.")
    mentions_max: int = _whole(50, 0, 1000, "mentions", "Mentions in one text; further ones stay plain text.")
    batch_max: int = _whole(500, 1, 10_000, "ids", "Ids or keys in one call.")
    following_max: int = _whole(
        100_000, 1, 10_000_000, "users", "Users one user may follow; a follow past it is refused."
    )
    requests_max: int = _whole(
        10_000,
        1,
        10_000_000,
        "requests",
        "Requests to follow one user may have waiting, and as many to be friends.",
    )
    blocks_max: int = _whole(100_000, 1, 10_000_000, "users", "Users one user may block.")
    mutes_max: int = _whole(100_000, 1, 10_000_000, "users", "Users one user may mute.")
    mute_max_s: int = _whole(
        3650 * _DAY_S, 1, 36_500 * _DAY_S, "s", "The longest `duration` of a mute; without one it has no end."
    )
    lists_max: int = _whole(100, 1, 10_000, "lists", "Lists of people one user may have.")
    list_members_max: int = _whole(5000, 1, 100_000, "users", "Users on one list.")
    list_name_max_chars: int = _whole(64, 1, 200, "characters", "The longest name of a list.")
    suggestions_followees: int = _whole(
        200,
        1,
        2000,
        "users",
        "Of a viewer's followees, the newest so many are looked at for suggestions.",
    )
    suggestions_each: int = _whole(
        100, 1, 1000, "users", "Of each of these, the newest so many followees are looked at."
    )

    # what authors and staff do to posts
    lifetime_max_s: int = _whole(
        365 * _DAY_S, 1, 3650 * _DAY_S, "s", "How long after it is published a post may expire at the latest."
    )
    schedule_max_s: int = _whole(
        365 * _DAY_S, 1, 3650 * _DAY_S, "s", "How far ahead a post may be scheduled."
    )
    drafts_max: int = _whole(1000, 1, 1_000_000, "posts", "Drafts and scheduled posts one author may keep.")
    revisions_max: int = _whole(100, 0, 32_000, "edits", "How often the content of one post may be edited.")
    pins_max: int = _whole(5, 0, 100, "posts", "Posts one author may pin to their profile.")
    idempotency_ttl_s: int = _whole(
        _DAY_S, 1, 365 * _DAY_S, "s", "How long an `idempotency_key` stands for the post that it has made."
    )
    reason_max_chars: int = _whole(
        2000, 1, 100_000, "characters", "The longest reason that staff give, and the longest name of theirs."
    )

    # reactions and comments
    reaction_kinds: str = _names(
        "like,love,laugh", "The kinds of reaction there are; one that is taken out stays where it was given."
    )
    reactions_per_person: int = _whole(
        1,
        1,
        32,
        "reactions",
        "Reactions one person may leave on a post or comment; a further one takes the place of the oldest.",
    )
    reactions_shown_to: str = _choice(
        "owner",
        ("owner", "everybody"),
        "Who may page through what somebody reacted to: its owner, or everybody who may see whom they follow.",
    )
    comment_max_chars: int = _whole(
        5000, 1, 1_000_000, "characters", "The longest text of a comment, in code points."
    )
    comment_depth_max: int = _whole(
        8, 1, 64, "levels", "How deep comments answer each other; deeper answers stand at this depth."
    )
    comments_ranked_max: int = _whole(
        10_000,
        100,
        1_000_000,
        "comments",
        'Newest answers to one post or comment that sort="top" ranks; older ones follow, newest first.',
    )

    # materialisations of one process
    inbox_entries: int = _whole(
        800, 10, 100_000, "entries", "Entries an inbox keeps; older ones are read from truth."
    )
    inbox_tail: int = _whole(
        256,
        1,
        100_000,
        "entries",
        "Deliveries queued behind an inbox's sealed block before it is sealed anew.",
    )
    inbox_ttl_s: int = _whole(
        7 * _DAY_S, 1, 3650 * _DAY_S, "s", "How long an inbox lives after its last read."
    )
    inboxes_max: int = _whole(
        10_000, 1, 10_000_000, "inboxes", "Inboxes a process keeps; the least recently read go."
    )
    outbox_entries: int = _whole(200, 10, 100_000, "entries", "Newest entries kept of one author's outbox.")
    outboxes_max: int = _whole(
        20_000, 1, 10_000_000, "outboxes", "Outboxes a process keeps; the least recently read go."
    )
    posts_cached: int = _whole(20_000, 0, 10_000_000, "posts", "Posts a process caches; 0 caches none.")
    users_cached: int = _whole(20_000, 0, 10_000_000, "users", "Users a process caches; 0 caches none.")
    own_cached: int = _whole(
        100_000,
        0,
        10_000_000,
        "pairs",
        "Pairs of a viewer and a post of which a process remembers what was done.",
    )
    relations_cached: int = _whole(
        10_000, 0, 10_000_000, "viewers", "Viewers whose relations a process caches; 0 caches none."
    )

    # timelines in Redis
    redis_timeout_ms: int = _whole(
        2000,
        10,
        600_000,
        "ms",
        "How long Redis may take to connect or to answer, where feedkit makes the client.",
    )
    build_lease_ms: int = _whole(
        60_000,
        100,
        _DAY_MS,
        "ms",
        "How long building one timeline in Redis may take before another process may.",
    )

    # what processes share in Redis of posts, users and relations
    shared_cache: str = _choice(
        "on",
        ("on", "off"),
        "Whether posts, users and relations are cached in Redis as well, if there is one.",
    )
    shared_ttl_s: int = _whole(
        600,
        1,
        30 * _DAY_S,
        "s",
        "How long they are kept there, and so how long a change may be missed that Redis could not be told of.",
    )
    shared_absent_ms: int = _whole(
        2000, 1, 3_600_000, "ms", "How long it is kept there that there is no post under an id."
    )
    shared_lease_ms: int = _whole(
        5000, 100, 600_000, "ms", "How long one process may take to load a value before another one may."
    )
    shared_wait_ms: int = _whole(
        100,
        0,
        60_000,
        "ms",
        "How long others wait for whoever loads a value or builds an inbox.",
    )
    host_transaction_max_s: int = _whole(
        300, 1, _DAY_S, "s", "How long a transaction of yours that changes a feed may stay open."
    )

    # delivery and the log
    delivery_chunk: int = _whole(2000, 1, 1_000_000, "followers", "Followers one step of a delivery handles.")
    chunk_followers: int = _whole(
        20_000,
        1,
        10_000_000,
        "followers",
        "Deliveries in Redis to more followers than this are cut into chunks of so many, which workers share.",
    )
    chunk_lease_ms: int = _whole(
        10_000,
        100,
        _DAY_MS,
        "ms",
        "How long a chunk stays claimed by a worker of which nothing is heard.",
    )
    delivery_tries: int = _whole(
        3,
        1,
        100,
        "attempts",
        "How often an event that cannot be handled is tried before it is a dead letter.",
    )
    dead_letters_max: int = _whole(
        10_000,
        1,
        10_000_000,
        "events",
        "Dead letters of one consumer or group; what cannot be handled then waits, and all behind it.",
    )
    log_batch: int = _whole(1000, 1, 100_000, "events", "Events one step of applying the log handles.")
    event_retention_s: int = _whole(
        _DAY_S,
        0,
        3650 * _DAY_S,
        "s",
        "How long an event is kept that every consumer has applied, "
        "and how old a newer_cursor still brings posts that were committed late.",
    )
    prune_every: int = _whole(10_000, 1, 10_000_000, "events", "Events between two prunings of the log.")
    pull_grace_s: int = _whole(
        7 * _DAY_S, 0, 3650 * _DAY_S, "s", "How long an author stays listed as pulled after pushing resumed."
    )
    import_chunk: int = _whole(
        50_000, 1, 1_000_000, "rows", "Rows that one transaction of an import or of reconciling handles."
    )

    # the bus
    bus_partitions: int = _whole(
        16,
        1,
        1024,
        "partitions",
        "Partitions of the bus, each of which one worker of a group has at a time; fixed when it is first filled.",
    )
    bus_events_max: int = _whole(
        100_000,
        1,
        100_000_000,
        "events",
        "Events that one partition of the bus holds; further ones wait in the log.",
    )
    bus_batch: int = _whole(500, 1, 2000, "events", "Events of the bus that a handler is given at once.")
    bus_lease_ms: int = _whole(
        60_000,
        10,
        _DAY_MS,
        "ms",
        "How long a handler may take for a batch before another worker is given it as well.",
    )
    bus_tries: int = _whole(
        5, 1, 1000, "tries", "How often an event is tried before it becomes a dead letter."
    )
    bus_retry_ms: int = _whole(
        500, 0, 60_000, "ms", "Pause before the next try; it doubles each time, up to a minute."
    )

    # truth
    replica_timeout_ms: int = _whole(
        1000,
        10,
        600_000,
        "ms",
        "How long a read replica may take to answer before it is left alone for a while.",
    )
    lease_ms: int = _whole(3_600_000, 1000, _DAY_MS, "ms", "Time a process reserves on its node id at once.")
    busy_timeout_ms: int = _whole(
        5000, 0, 600_000, "ms", "How long a statement waits for a locked SQLite database."
    )
    retries: int = _whole(
        5, 0, 100, "attempts", "Further attempts after a transaction failed for a passing reason."
    )
    retry_backoff_ms: int = _whole(
        20, 0, 60_000, "ms", "Pause before the first further attempt; it doubles each time."
    )
    sqlite_synchronous: str = _choice(
        "NORMAL",
        ("OFF", "NORMAL", "FULL", "EXTRA"),
        "SQLite's `synchronous`: NORMAL survives a crash of the process, FULL also a loss of power.",
    )
    cursor_keys_kept: int = _whole(
        3, 1, 100, "keys", "Signing keys that stay valid after rotations; cursors of older keys are refused."
    )

    def __attrs_post_init__(self) -> None:
        self._at_most("page_limit_default", "page_limit_max")
        self._at_most("page_limit_max", "max_scan")

    def _at_most(self, smaller: str, larger: str) -> None:
        low, high = getattr(self, smaller), getattr(self, larger)
        if low > high:
            raise InvalidArgument(
                f"{smaller} must be at most {larger} ({high}), got {low}; lower {smaller} or raise {larger}",
                argument=smaller,
            )

    @classmethod
    def from_env(cls, prefix: str = "FEEDKIT_", environ: Mapping[str, str] | None = None) -> Settings:
        """Settings from variables such as `FEEDKIT_PAGE_LIMIT_MAX=200`; what is not set keeps its default.

        `environ` defaults to `os.environ`. Raises InvalidArgument for a value that is no whole number
        or out of bounds, and for a variable with the prefix that names no knob, listing close names.
        """
        if not prefix:
            raise InvalidArgument(
                "prefix must not be empty, or every variable would name a knob; use FEEDKIT_",
                argument="prefix",
            )
        environ = os.environ if environ is None else environ
        given = {name: text for name, text in environ.items() if name.startswith(prefix)}
        given.pop(prefix + "DB", None)  # the command line's own: which database
        knobs = {prefix + knob.name.upper(): knob for knob in cls.describe()}
        if unknown := sorted(given.keys() - knobs.keys()):
            raise _unknown(unknown, list(knobs))
        return cls(**{knobs[name].name: _parsed(knobs[name], text) for name, text in given.items()})

    @classmethod
    def describe(cls) -> list[Knob]:
        """Every knob, in the order of this file, for documentation."""
        return [_knob(field) for field in attrs.fields(cls)]


def _parsed(knob: Knob, text: str) -> Any:
    if isinstance(knob.allowed, tuple):
        return next((name for name in knob.allowed if name.lower() == text.strip().lower()), text)
    if isinstance(knob.default, str):
        return text.strip()
    try:
        return int(text)
    except ValueError:
        raise knob.refusal(text) from None


def _unknown(names: list[str], known: list[str]) -> InvalidArgument:
    hints = []
    for name in names:
        close = difflib.get_close_matches(name.upper(), known, n=3)
        hints.append(f"{name} (did you mean {' or '.join(close)}?)" if close else name)
    return InvalidArgument(
        f"no setting is named {', '.join(hints)}; unset it, or see Settings.describe() for all names",
        argument=names[0],
    )
