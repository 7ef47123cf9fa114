"""Who may see what: every combination, against a table written by hand."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedkit.idset import EMPTY
from feedkit.model import Audience, Post, PostStatus, User, UserStatus
from feedkit.relations import LOGGED_OUT, Relations, Tie, no_relations, relations_of, staff_relations
from feedkit.visibility import (
    Hidden,
    Surface,
    delivered_to_followers,
    home_authors,
    may_share,
    takes_part,
    verdict,
    visible,
)

NOW = 1_767_225_600_000
ME, AUTHOR, OTHER = 10, 20, 30
LIST_OF_AUTHOR, LIST_OF_OTHER = 70, 80

# What one way of standing to the author opens, and where: (h)ome, a (l)ist of people, under a (t)ag, by a (m)edium,
# in a th(r)ead, on a (p)rofile, by its (i)d. Whoever stands to the author in several ways sees what each of them opens.
OPENS = """
                         public   unlisted  followers  friends  list     only_me
    anybody              hltmrpi  hlmrpi    -          -        -        -
    follower             hltmrpi  hlmrpi    hlmrpi     -        -        -
    friend               hltmrpi  hlmrpi    hlmrpi     hlmrpi   -        -
    member               hltmrpi  hlmrpi    -          -        hlmrpi   -
    author               hltmrpi  hlmrpi    hlmrpi     hlmrpi   hlmrpi   hlmrpi
"""
# The same where the author is private: nothing is for anybody.
OPENS_PRIVATE = """
                         public   unlisted  followers  friends  list     only_me
    anybody              -        -         -          -        -        -
    follower             hltmrpi  hlmrpi    hlmrpi     -        -        -
    friend               hltmrpi  hlmrpi    hlmrpi     hlmrpi   -        -
    member               -        -         -          -        hlmrpi   -
    author               hltmrpi  hlmrpi    hlmrpi     hlmrpi   hlmrpi   hlmrpi
"""
# What a viewer's other ties then take away again, whatever the audience: of posts, and of reposts.
TAKES = """
                         posts    reposts
    blocked              hltmrpi  hltmrpi
    muter                hltmr    hltmr
    without reposts      -        h
"""
LETTER = {
    Surface.HOME: "h",
    Surface.LIST: "l",
    Surface.TAG: "t",
    Surface.MEDIA: "m",
    Surface.THREAD: "r",
    Surface.PROFILE: "p",
    Surface.POST: "i",
}
WAYS = ("follower", "friend", "member", "blocked", "muter", "without reposts")
VIEWERS = [frozenset(ways) for size in range(len(WAYS) + 1) for ways in combinations(WAYS, size)]


def parsed(table: str) -> dict[tuple[str, str], set[str]]:
    """What stands in each cell, by row and column."""
    _, header, *lines, _ = table.split("\n")
    cells: dict[tuple[str, str], set[str]] = {}
    for line in lines:
        name, row = line[4:24].strip(), line[24:].split()
        cells |= {(name, column): set(cell) - {"-"} for column, cell in zip(header.split(), row, strict=True)}
    return cells


SEEN, SEEN_PRIVATE, TAKEN = parsed(OPENS), parsed(OPENS_PRIVATE), parsed(TAKES)


def relations(ways: frozenset[str]) -> Relations:
    """Somebody who stands so to AUTHOR, and in every way to others, which must not matter."""
    of_author = {
        Tie.FOLLOWS: ways & {"follower", "friend"},  # friends follow each other
        Tie.BLOCKED: ways & {"blocked"},
        Tie.MUTES: ways & {"muter"},
        Tie.FRIENDS: ways & {"friend"},
        Tie.NO_REPOSTS: ways & {"without reposts"},
    }
    assert set(of_author) == set(Tie)
    held = {
        tie: [OTHER + number, *([AUTHOR] if there else [])]
        for number, (tie, there) in enumerate(of_author.items())
    }
    return relations_of(ME, held, lists=[LIST_OF_OTHER, *([LIST_OF_AUTHOR] if "member" in ways else [])])


def expected(
    ways: frozenset[str], audience: Audience, surface: Surface, *, private: bool, repost: bool
) -> bool:
    """Whether a post of this audience that stands is seen there, as the tables say."""
    opens = SEEN_PRIVATE if private else SEEN
    opened = set[str]().union(
        *(opens[way, audience] for way in ("anybody", *ways) if (way, audience) in opens)
    )
    kind = "reposts" if repost else "posts"
    taken = set[str]().union(*(TAKEN[way, kind] for way in ways if (way, kind) in TAKEN))
    return LETTER[surface] in opened - taken


def a_post(number: int, author_id: int = AUTHOR, **fields: Any) -> Post:
    return Post(id=number, position=number, author_id=author_id, created_ms=NOW, **fields)


def every_post() -> list[Post]:
    """A post of every audience, as a post and as a repost, all of which stand."""
    return [
        a_post(
            n, audience=audience, list_id=LIST_OF_AUTHOR if audience == "list" else None, repost_of=repost_of
        )
        for n, (audience, repost_of) in enumerate(product(Audience, (None, 5)), 1)
    ]


def a_user(user_id: int = AUTHOR, status: UserStatus = UserStatus.ACTIVE, **fields: Any) -> User[str]:
    return User(user_id, str(user_id), status=status, **fields)


def test_the_tables_are_whole() -> None:
    assert set(LETTER) == set(Surface)
    for table in (SEEN, SEEN_PRIVATE):
        assert set(table) == set(product(("anybody", "follower", "friend", "member", "author"), Audience))
        assert set().union(*table.values()) == set(LETTER.values())
    ways = {way for way, _ in (*SEEN, *TAKEN)} - {"anybody", "author"}
    assert ways == set(WAYS)


# who


@pytest.mark.parametrize("ways", VIEWERS, ids=lambda ways: " ".join(sorted(ways)) or "stranger")
def test_every_way_of_standing_to_the_author(ways: frozenset[str]) -> None:
    posts, held = every_post(), relations(ways)
    for surface, private in product(Surface, (False, True)):
        shown = visible(posts, [a_user(private=private)] * len(posts), held, surface, NOW)
        assert shown == [
            expected(ways, post.audience, surface, private=private, repost=post.repost_of is not None)
            for post in posts
        ], (surface, private)


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("surface", Surface)
def test_who_is_logged_out_is_anybody(surface: Surface, private: bool) -> None:
    posts = every_post()
    shown = visible(posts, [a_user(private=private)] * len(posts), no_relations(LOGGED_OUT), surface, NOW)
    opens = SEEN_PRIVATE if private else SEEN
    assert shown == [LETTER[surface] in opens["anybody", post.audience] for post in posts]


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("surface", Surface)
def test_authors_see_their_own(surface: Surface, private: bool) -> None:
    posts = every_post()
    held = relations_of(AUTHOR, {tie: [OTHER] for tie in Tie})
    shown = visible(posts, [a_user(private=private)] * len(posts), held, surface, NOW)
    assert shown == [LETTER[surface] in SEEN["author", post.audience] for post in posts]


def test_a_list_is_for_the_members_of_that_list() -> None:
    posts = [
        a_post(n, audience=Audience.LIST, list_id=list_id)
        for n, list_id in enumerate((LIST_OF_AUTHOR, LIST_OF_OTHER, 1, 99, None), 1)
    ]
    members = relations_of(ME, {}, lists=[LIST_OF_AUTHOR])
    shown = visible(posts, [a_user()] * len(posts), members, Surface.POST, NOW)
    assert shown == [True, False, False, False, False]


# what stands

STATES = [
    (UserStatus.ACTIVE, None, True),
    (UserStatus.SUSPENDED, None, False),
    (UserStatus.SUSPENDED, NOW + 1, False),
    (UserStatus.SUSPENDED, NOW, True),
    (UserStatus.SUSPENDED, NOW - 1, True),
]
EXPIRIES = [(None, True), (NOW - 1, False), (NOW, False), (NOW + 1, True)]


def every_state() -> list[tuple[Post, User[str] | None, bool]]:
    """Public posts in every state of themselves and of their authors, and whether those stand."""
    cases: list[tuple[Post, User[str] | None, bool]] = []
    for status, deleted, (expires_ms, lasts) in product(PostStatus, (False, True), EXPIRIES):
        fields: dict[str, Any] = {
            "status": status,
            "deleted_ms": NOW if deleted else None,
            "expires_ms": expires_ms,
        }
        stands = status == "published" and not deleted and lasts
        cases += [
            (a_post(1, **fields), a_user(status=user, suspended_until_ms=until_ms), stands and active)
            for user, until_ms, active in STATES
        ]
        cases.append((a_post(1, **fields), None, False))
    return cases


@pytest.mark.parametrize("surface", Surface)
@pytest.mark.parametrize("viewer", ["author", "follower", "logged out"])
def test_what_does_not_stand_is_seen_by_nobody(viewer: str, surface: Surface) -> None:
    held = {
        "author": no_relations(AUTHOR),
        "follower": relations(frozenset({"follower"})),
        "logged out": no_relations(LOGGED_OUT),
    }[viewer]
    posts, authors, stands = zip(*every_state(), strict=True)
    assert visible(posts, authors, held, surface, NOW) == list(stands)


@pytest.mark.parametrize("surface", Surface)
def test_staff_see_all_but_drafts(surface: Surface) -> None:
    posts, authors, _ = zip(*every_state(), strict=True)
    shown = visible(posts, authors, staff_relations(), surface, NOW)
    assert shown == [post.status != "draft" for post in posts]
    assert all(visible(every_post(), [a_user(private=True)] * 12, staff_relations(), surface, NOW))


def test_who_is_suspended_takes_no_part_until_then() -> None:
    assert not takes_part(None, NOW)
    for status, until_ms, active in STATES:
        assert takes_part(a_user(status=status, suspended_until_ms=until_ms), NOW) is active


# batches

people = st.integers(1, 8)
some = st.sets(people)


@attrs.frozen
class Drawn:
    """One post of a batch, and its author, whom others may write beside."""

    author_id: int
    audience: Audience
    status: PostStatus
    list_id: int
    repost: bool
    ends: int | None


@given(st.data())
def test_in_a_batch_every_post_is_decided_by_itself(data: st.DataObject) -> None:
    # given
    viewer = data.draw(people | st.just(LOGGED_OUT), "viewer")
    ties = {tie: (data.draw(some, tie.name) if viewer else set()) - {viewer} for tie in Tie}
    ties[Tie.FOLLOWS] |= ties[Tie.FRIENDS]
    if viewer and data.draw(st.booleans(), "mutes a crowd"):
        ties[Tie.MUTES] |= set(range(10_000, 11_001))
    lists = data.draw(st.sets(st.integers(1, 3)), "lists") if viewer else set[int]()
    suspended, private = data.draw(some, "suspended"), data.draw(some, "private")
    surface = data.draw(st.sampled_from(Surface))
    one = st.builds(
        Drawn,
        people,
        st.sampled_from(Audience),
        st.sampled_from(PostStatus),
        st.integers(1, 3),
        st.booleans(),
        st.none() | st.integers(NOW - 1, NOW + 1),
    )
    drawn = data.draw(st.lists(one), "posts")
    posts = [
        a_post(
            n,
            it.author_id,
            audience=it.audience,
            status=it.status,
            list_id=it.list_id,
            repost_of=99 if it.repost else None,
            expires_ms=it.ends,
        )
        for n, it in enumerate(drawn, 1)
    ]
    authors = [
        a_user(
            it.author_id,
            UserStatus.SUSPENDED if it.author_id in suspended else UserStatus.ACTIVE,
            private=it.author_id in private,
        )
        for it in drawn
    ]

    # when
    shown = visible(posts, authors, relations_of(viewer, ties, lists=lists), surface, NOW)

    # then
    def is_for_viewer(it: Drawn) -> bool:
        follows = it.author_id in ties[Tie.FOLLOWS]
        return (
            it.author_id == viewer
            or {
                "public": follows or it.author_id not in private,
                "unlisted": follows or it.author_id not in private,
                "followers": follows,
                "friends": it.author_id in ties[Tie.FRIENDS],
                "list": it.list_id in lists,
                "only_me": False,
            }[it.audience]
        )

    assert shown == [
        it.status == "published"
        and (it.ends is None or it.ends > NOW)
        and it.author_id not in suspended
        and it.author_id not in ties[Tie.BLOCKED]
        and (surface in ("profile", "post") or it.author_id not in ties[Tie.MUTES])
        and (surface != "tag" or it.audience == "public")
        and not (surface == "home" and it.repost and it.author_id in ties[Tie.NO_REPOSTS])
        and is_for_viewer(it)
        for it in drawn
    ]


@given(st.data())
def test_the_reason_why_something_is_hidden_is_that_it_is(data: st.DataObject) -> None:
    post, author, _ = data.draw(st.sampled_from(every_state()))
    ways = frozenset(data.draw(st.sets(st.sampled_from(WAYS))))
    surface = data.draw(st.sampled_from(Surface))
    viewer = data.draw(st.sampled_from([relations(ways), staff_relations(), no_relations(LOGGED_OUT)]))

    why = verdict(post, author, viewer, surface, NOW)

    assert visible([post], [author], viewer, surface, NOW) == [why is None]


@pytest.mark.parametrize(
    ("fields", "ways", "surface", "why"),
    [
        ({"deleted_ms": NOW}, {"follower"}, Surface.HOME, Hidden.DELETED),
        ({"status": PostStatus.REMOVED}, {"follower"}, Surface.HOME, Hidden.REMOVED),
        ({"status": PostStatus.PENDING_REVIEW}, {"follower"}, Surface.HOME, Hidden.HELD),
        ({"expires_ms": NOW}, {"follower"}, Surface.HOME, Hidden.EXPIRED),
        ({"audience": Audience.FOLLOWERS}, set(), Surface.POST, Hidden.FOLLOWERS_ONLY),
        ({"audience": Audience.FRIENDS}, {"follower"}, Surface.POST, Hidden.FRIENDS_ONLY),
        (
            {"audience": Audience.LIST, "list_id": LIST_OF_AUTHOR},
            {"follower"},
            Surface.POST,
            Hidden.LIST_ONLY,
        ),
        ({"audience": Audience.ONLY_ME}, {"friend"}, Surface.POST, Hidden.AUTHOR_ONLY),
        ({"audience": Audience.UNLISTED}, {"follower"}, Surface.TAG, Hidden.NOT_UNDER_TAGS),
    ],
)
def test_the_reason_is_told(fields: dict[str, Any], ways: set[str], surface: Surface, why: Hidden) -> None:
    assert verdict(a_post(1, **fields), a_user(), relations(frozenset(ways)), surface, NOW) is why


def test_nothing_to_decide() -> None:
    assert visible([], [], no_relations(ME), Surface.HOME, NOW) == []
    assert visible([], [], staff_relations(), Surface.HOME, NOW) == []


def test_posts_and_authors_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="argument"):
        visible([a_post(1), a_post(2)], [a_user(AUTHOR)], no_relations(ME), Surface.HOME, NOW)


@given(ties=st.fixed_dictionaries(dict.fromkeys(Tie, some)))
def test_home_shows_followees_and_oneself_without_the_hidden(ties: dict[Tie, set[int]]) -> None:
    authors = home_authors(relations_of(ME, ties))
    hidden = ties[Tie.BLOCKED] | ties[Tie.MUTES]
    assert authors.tolist() == sorted((ties[Tie.FOLLOWS] - hidden) | {ME})
    assert authors.dtype == EMPTY.dtype


@given(ties=st.fixed_dictionaries(dict.fromkeys(Tie, some)), wanted=st.lists(people))
def test_ties_are_told_for_a_batch_and_by_kind(ties: dict[Tie, set[int]], wanted: list[int]) -> None:
    held = relations_of(ME, ties)
    assert [Tie(bits) for bits in held.with_each(wanted)] == [
        Tie(sum(tie for tie in Tie if who in ties[tie])) for who in wanted
    ]
    assert all(held.those(tie).tolist() == sorted(ties[tie]) for tie in Tie)


# what follows from it


def test_only_what_some_follower_may_see_is_delivered_to_followers() -> None:
    for audience in Audience:
        seen = any("h" in SEEN[way, audience] for way in ("follower", "friend", "member"))
        assert delivered_to_followers(audience) == seen


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("audience", Audience)
def test_what_is_not_for_everybody_is_shared_by_its_author_alone(audience: Audience, private: bool) -> None:
    """Whoever may not be shown a post by itself must not meet it through a repost or a quote."""
    author = a_user(private=private)
    opens = SEEN_PRIVATE if private else SEEN
    assert may_share(a_post(1, audience=audience), author, AUTHOR)
    assert may_share(a_post(1, audience=audience), author, ME) is ("i" in opens["anybody", audience])
