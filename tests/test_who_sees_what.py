"""The page on who sees what says what `visibility` does, and what real feeds do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import pytest

import feedkit
from feedkit.model import Audience, Post, User
from feedkit.relations import LOGGED_OUT, Relations, Tie, no_relations, relations_of, staff_relations
from feedkit.visibility import Surface, visible
from tests.cases.case_tools import opened

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "who-sees-what.md"
COLUMNS = {
    "home": Surface.HOME,
    "a list's feed": Surface.LIST,
    "by tag": Surface.TAG,
    "by a picture": Surface.MEDIA,
    "in a thread": Surface.THREAD,
    "profile": Surface.PROFILE,
    "the post itself": Surface.POST,
}
NOW, ME, AUTHOR, LIST = 1_767_225_600_000, 10, 20, 30
FRIEND = {Tie.FOLLOWS: [AUTHOR], Tie.FRIENDS: [AUTHOR]}
VIEWERS: dict[str, Relations] = {
    "logged out": no_relations(LOGGED_OUT),
    "anybody": no_relations(ME),
    "asked to follow": no_relations(ME),
    "follower": relations_of(ME, {Tie.FOLLOWS: [AUTHOR]}),
    "friend": relations_of(ME, FRIEND),
    "on the list": relations_of(ME, {}, lists=[LIST]),
    "friend, mutes them": relations_of(ME, {**FRIEND, Tie.MUTES: [AUTHOR]}),
    "friend, a block between": relations_of(ME, {**FRIEND, Tie.BLOCKED: [AUTHOR]}),
    "the author": no_relations(AUTHOR),
    "staff": staff_relations(),
}
Table = Mapping[str, Mapping[str, str]]
Feed = feedkit.Feed[str]


@pytest.fixture
def feed(backend_url: str) -> Iterator[Feed]:
    with opened(backend_url) as feed:
        yield feed


def table_below(heading: str) -> Table:
    """The first table below a heading of the page, by row and column."""
    _, _, section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    lines = re.findall(r"^\|(.+)\|$", section.split("\n## ")[0], re.MULTILINE)
    rows = [[cell.strip().strip("`") for cell in line.split("|")] for line in lines]
    (_, *header), _, *body = rows
    return {name: dict(zip(header, cells, strict=True)) for name, *cells in body}


@pytest.fixture
def where() -> Mapping[str, set[Surface]]:
    """The surfaces that each word of the tables stands for."""
    table = table_below("Where that is")
    assert all(set(row) == set(COLUMNS) for row in table.values())
    return {
        word: {COLUMNS[name] for name, answer in row.items() if answer == "yes"}
        for word, row in table.items()
    }


@pytest.mark.parametrize(
    ("heading", "private"), [("A post of an ordinary author", False), ("A post of a private author", True)]
)
def test_the_page_says_who_sees_what(heading: str, private: bool, where: Mapping[str, set[Surface]]) -> None:
    table = table_below(heading)
    assert set(table) == set(VIEWERS)
    for viewer, row in table.items():
        assert set(row) == set(Audience)
        for audience, words in row.items():
            assert where[words] == set(seen(viewer, Audience(audience), private)), (viewer, audience)


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("audience", Audience)
def test_the_same_holds_on_real_feeds(
    feed: Feed, audience: Audience, private: bool, where: Mapping[str, set[Surface]]
) -> None:
    """Home only for those who follow; everywhere from what is resident, and after a wipe."""
    # given everybody of the table
    feed.users.put("ada", private=private)
    for name in ("anybody", "asked to follow", "on the list"):
        feed.users.put(name)
    near = ["follower", "friend", "friend, mutes them"]
    for name in near:
        feed.follow(name, "ada")
        feed.accept("ada", name)
        if name != "follower":
            feed.follow("ada", name)
    feed.mute("friend, mutes them", "ada")
    feed.block("friend, a block between", "ada")
    if private:
        feed.follow("asked to follow", "ada")
    members = feed.lists.create("ada", "few")
    feed.lists.add("ada", members.id, ["on the list"])
    opening = feed.publish("cyd", text="an opening")
    post = feed.publish(
        "ada",
        text="a word #here",
        audience=audience,
        list=members.id if audience is Audience.LIST else None,
        reply_to=opening.id,
        media=[{"url": "https://x/1.png"}],
    )

    # then
    heading = "A post of a private author" if private else "A post of an ordinary author"
    table = table_below(heading)
    for _ in range(2):
        for viewer in set(VIEWERS) - {"staff"}:
            expected = set(where[table[viewer][audience]])
            if viewer not in (*near, "the author"):
                expected.discard(Surface.HOME)
            key = {"logged out": None, "the author": "ada"}.get(viewer, viewer)
            assert met(feed, key, post.id, opening.id) == expected - unasked(key), (viewer, audience)
        feed.wipe()


def met(feed: Feed, viewer: str | None, post_id: int, opening_id: int) -> set[Surface]:
    """Where somebody meets a post of ada's."""
    pages = {
        Surface.TAG: feed.tag(viewer, "here"),
        Surface.MEDIA: feed.media.posts(viewer, url="https://x/1.png"),
        Surface.THREAD: feed.thread(viewer, opening_id),
        Surface.PROFILE: feed.profile(viewer, "ada", tab="replies"),
    }
    if viewer is not None:
        pages[Surface.HOME] = feed.home(viewer)
    if viewer is not None and viewer != "ada":
        listed = next(iter(feed.lists.of(viewer)), None) or feed.lists.create(viewer, "mine")
        if viewer != "friend, a block between":
            feed.lists.add(viewer, listed.id, ["ada"])
        pages[Surface.LIST] = feed.list_feed(viewer, listed.id)
    found = {where for where, page in pages.items() if post_id in [item.post.id for item in page]}
    return found | ({Surface.POST} if feed.posts.get(viewer, [post_id])[0] else set())


def unasked(viewer: str | None) -> set[Surface]:
    """Nobody has themselves on a list, and who is logged out has neither lists nor a home."""
    return {Surface.LIST} if viewer in (None, "ada") else set()


def seen(viewer: str, audience: Audience, private: bool) -> Iterator[Surface]:
    """Where this viewer sees a post for this audience."""
    list_id = LIST if audience is Audience.LIST else None
    post = Post(1, 1, AUTHOR, NOW, audience=audience, list_id=list_id)
    author = User(AUTHOR, "ada", private=private)
    for surface in Surface:
        if visible([post], [author], VIEWERS[viewer], surface, NOW)[0]:
            yield surface


def test_the_words_of_the_page_differ(where: Mapping[str, set[Surface]]) -> None:
    assert set(COLUMNS.values()) == set(Surface)
    from_most_to_least = sorted(where.values(), key=len, reverse=True)
    assert all(less < more for more, less in pairwise(from_most_to_least))
