"""The knobs of what people put in."""

from __future__ import annotations

import attrs

from feedkit.settings.knobs import DAY_S, choice, names, whole


@attrs.frozen(kw_only=True, slots=False)
class ContentKnobs:
    """How much people may put in, and what may become of it."""

    # what a caller may pass in
    text_max_chars: int = whole(
        10_000, 1, 1_000_000, "characters", "The longest text of a post, in code points."
    )
    extra_max_bytes: int = whole(
        16_384, 2, 1 << 20, "bytes", "The largest `extra` of a post, as JSON in UTF-8."
    )
    fallback_max_chars: int = whole(
        500,
        0,
        100_000,
        "characters",
        "The longest `fallback`, shown by clients that do not know a kind of post.",
    )
    media_max: int = whole(10, 0, 100, "media", "Media on one post.")
    url_max_chars: int = whole(2048, 1, 65_536, "characters", "The longest URL of a medium.")
    ref_max_chars: int = whole(
        200, 1, 1000, "characters", "The longest `ref`, the host's own name for a post."
    )
    key_max_bytes: int = whole(200, 1, 255, "bytes", "The longest user key, in UTF-8.")
    handle_max_chars: int = whole(64, 1, 1000, "characters", "The longest handle of a user.")
    display_name_max_chars: int = whole(200, 1, 10_000, "characters", "The longest display name of a user.")
    tags_max: int = whole(50, 0, 1000, "tags", "Tags in one text; further ones stay plain text.")
    mentions_max: int = whole(50, 0, 1000, "mentions", "Mentions in one text; further ones stay plain text.")
    batch_max: int = whole(500, 1, 10_000, "ids", "Ids or keys in one call.")
    following_max: int = whole(
        100_000, 1, 10_000_000, "users", "Users one user may follow; a follow past it is refused."
    )
    requests_max: int = whole(
        10_000,
        1,
        10_000_000,
        "requests",
        "Requests to follow one user may have waiting, and as many to be friends.",
    )
    blocks_max: int = whole(100_000, 1, 10_000_000, "users", "Users one user may block.")
    mutes_max: int = whole(100_000, 1, 10_000_000, "users", "Users one user may mute.")
    mute_max_s: int = whole(
        3650 * DAY_S, 1, 36_500 * DAY_S, "s", "The longest `duration` of a mute; without one it has no end."
    )
    lists_max: int = whole(100, 1, 10_000, "lists", "Lists of people one user may have.")
    list_members_max: int = whole(5000, 1, 100_000, "users", "Users on one list.")
    list_name_max_chars: int = whole(64, 1, 200, "characters", "The longest name of a list.")
    suggestions_followees: int = whole(
        200,
        1,
        2000,
        "users",
        "Of a viewer's followees, the newest so many are looked at for suggestions.",
    )
    suggestions_each: int = whole(
        100, 1, 1000, "users", "Of each of these, the newest so many followees are looked at."
    )

    # what authors and staff do to posts
    lifetime_max_s: int = whole(
        365 * DAY_S, 1, 3650 * DAY_S, "s", "How long after it is published a post may expire at the latest."
    )
    schedule_max_s: int = whole(365 * DAY_S, 1, 3650 * DAY_S, "s", "How far ahead a post may be scheduled.")
    drafts_max: int = whole(1000, 1, 1_000_000, "posts", "Drafts and scheduled posts one author may keep.")
    revisions_max: int = whole(100, 0, 32_000, "edits", "How often the content of one post may be edited.")
    pins_max: int = whole(5, 0, 100, "posts", "Posts one author may pin to their profile.")
    idempotency_ttl_s: int = whole(
        DAY_S, 1, 365 * DAY_S, "s", "How long an `idempotency_key` stands for the post that it has made."
    )
    reason_max_chars: int = whole(
        2000, 1, 100_000, "characters", "The longest reason that staff give, and the longest name of theirs."
    )

    # reactions and comments
    reaction_kinds: str = names(
        "like,love,laugh", "The kinds of reaction there are; one that is taken out stays where it was given."
    )
    reactions_per_person: int = whole(
        1,
        1,
        32,
        "reactions",
        "Reactions one person may leave on a post or comment; a further one takes the place of the oldest.",
    )
    reactions_shown_to: str = choice(
        "owner",
        ("owner", "everybody"),
        "Who may page through what somebody reacted to: its owner, or everybody who may see whom they follow.",
    )
    comment_max_chars: int = whole(
        5000, 1, 1_000_000, "characters", "The longest text of a comment, in code points."
    )
    comment_depth_max: int = whole(
        8, 1, 64, "levels", "How deep comments answer each other; deeper answers stand at this depth."
    )
    comments_ranked_max: int = whole(
        10_000,
        100,
        1_000_000,
        "comments",
        'Newest answers to one post or comment that sort="top" ranks; older ones follow, newest first.',
    )
