"""Who may see what: every combination, against a table written by hand."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedkit.idset import EMPTY
from feedkit.model import Audience, Post, PostStatus, User, UserStatus
from feedkit.visibility import (
    LOGGED_OUT,
    Relations,
    Surface,
    Tie,
    delivered_to_followers,
    no_relations,
    relations_of,
    visible,
)

NOW = 1_767_225_600_000
ME, AUTHOR, OTHER = 10, 20, 30

# Where somebody sees a published post of an active author: h(ome), p(rofile), (by its) i(d).
TABLE = """
                      public  followers  only_me
    logged out        hpi     -          -
    author            hpi     hpi        hpi
    stranger          hpi     -          -
    follower          hpi     hpi        -
    blocked           -       -          -
    blocked follower  -       -          -
    muter             pi      -          -
    muting follower   pi      pi         -
    blocked muter     -       -          -
"""
LETTER = {Surface.HOME: "h", Surface.PROFILE: "p", Surface.POST: "i"}
# Only what is published, not deleted, and by an active author stands at all.
STANDING = (PostStatus.PUBLISHED, False, UserStatus.ACTIVE)


def parsed_table() -> dict[tuple[str, Audience], str]:
    _, header, *lines, _ = TABLE.split("\n")
    audiences = [Audience(name) for name in header.split()]
    rows = [(line[4:22].strip(), line[22:].split()) for line in lines]
    return {
        (who, audience): cell for who, cells in rows for audience, cell in zip(audiences, cells, strict=True)
    }


SEEN = parsed_table()
WHO = sorted({who for who, _ in SEEN})


def relations(who: str) -> Relations:
    """Somebody who stands to AUTHOR as the table says, and in every way to OTHER, which must not matter."""
    if who == "logged out":
        return no_relations(LOGGED_OUT)
    return relations_of(
        AUTHOR if who == "author" else ME,
        {
            Tie.FOLLOWS: [AUTHOR, OTHER] if "follower" in who else [OTHER],
            Tie.BLOCKED: [AUTHOR, OTHER + 1] if "blocked" in who else [OTHER + 1],
            Tie.MUTES: [AUTHOR, OTHER + 2] if "mut" in who else [OTHER + 2],
        },
    )


def a_post(number: int, author_id: int = AUTHOR, **fields: Any) -> Post:
    return Post(id=number, position=number, author_id=author_id, created_ms=NOW, **fields)


def a_user(user_id: int, status: UserStatus = UserStatus.ACTIVE) -> User[str]:
    return User(user_id, str(user_id), status=status)


def test_the_table_is_whole() -> None:
    assert len(SEEN) == 9 * len(Audience)
    assert set("".join(SEEN.values())) == {*LETTER.values(), "-"}


@pytest.mark.parametrize("surface", Surface)
@pytest.mark.parametrize("who", WHO)
def test_every_combination(who: str, surface: Surface) -> None:
    # given
    user_states = (UserStatus.ACTIVE, UserStatus.SUSPENDED, None)
    cases = list(product(Audience, PostStatus, (False, True), user_states))
    posts = [
        a_post(n, audience=audience, status=status, deleted_ms=NOW if deleted else None)
        for n, (audience, status, deleted, _) in enumerate(cases, 1)
    ]
    authors = [None if state is None else a_user(AUTHOR, state) for *_, state in cases]

    # when
    shown = visible(posts, authors, relations(who), surface, NOW)

    # then
    for (audience, *state), seen in zip(cases, shown, strict=True):
        expected = tuple(state) == STANDING and LETTER[surface] in SEEN[who, audience]
        assert seen is expected, (who, surface, audience, *state)


@given(st.data())
def test_in_a_batch_every_post_is_decided_by_itself(data: st.DataObject) -> None:
    # given
    people = st.integers(1, 8)
    some = st.sets(people)
    viewer = data.draw(people | st.just(LOGGED_OUT))
    sets = [data.draw(some) if viewer else set[int]() for _ in range(3)]
    followees, blocked, muted = (one - {viewer} for one in sets)
    surface = data.draw(st.sampled_from(Surface))
    drawn = data.draw(
        st.lists(st.tuples(people, st.sampled_from(Audience), st.sampled_from(PostStatus), st.booleans()))
    )
    posts = [
        a_post(n, who, audience=audience, status=status)
        for n, (who, audience, status, _) in enumerate(drawn, 1)
    ]
    authors = [a_user(who, UserStatus.SUSPENDED if bad else UserStatus.ACTIVE) for who, _, _, bad in drawn]

    # when
    held = relations_of(viewer, {Tie.FOLLOWS: followees, Tie.BLOCKED: blocked, Tie.MUTES: muted})
    shown = visible(posts, authors, held, surface, NOW)

    # then
    assert shown == [
        status == "published"
        and not bad
        and who not in blocked
        and (surface != "home" or who not in muted)
        and (who == viewer or audience == "public" or (audience == "followers" and who in followees))
        for who, audience, status, bad in drawn
    ]


def test_nothing_to_decide() -> None:
    assert visible([], [], no_relations(ME), Surface.HOME, NOW) == []


def test_posts_and_authors_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="argument"):
        visible([a_post(1), a_post(2)], [a_user(AUTHOR)], no_relations(ME), Surface.HOME, NOW)


@given(*[st.sets(st.integers(1, 9)) for _ in range(3)])
def test_home_shows_followees_and_oneself_without_the_hidden(
    followees: set[int], blocked: set[int], muted: set[int]
) -> None:
    held = relations_of(ME, {Tie.FOLLOWS: followees, Tie.BLOCKED: blocked, Tie.MUTES: muted})
    authors = held.home_authors()
    assert authors.tolist() == sorted((followees - blocked - muted) | {ME})
    assert authors.dtype == EMPTY.dtype


def test_only_what_followers_may_see_is_delivered_to_them() -> None:
    for audience in Audience:
        assert delivered_to_followers(audience) == (SEEN["follower", audience] != "-")
