"""Relations, profiles, and pages with their cursors."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import ref

import pytest

import feedkit
from feedkit import FeedkitError, Forbidden, InvalidArgument, InvalidCursor, PullAll, PushAll, Settings
from tests.cases.case_tools import ids, news, opened

# relations


def test_every_relation_is_done_and_undone_once(feed: feedkit.Feed[str]) -> None:
    verbs = ((feed.follow, feed.unfollow), (feed.mute, feed.unmute), (feed.block, feed.unblock))
    for do, undo in verbs:
        assert undo("bob", "ada").to_dict() == {"status": "none", "active": False, "changed": False}
        assert do("bob", "ada").to_dict() == {"status": "active", "active": True, "changed": True}
        assert do("bob", "ada").to_dict() == {"status": "active", "active": True, "changed": False}
        assert undo("bob", "ada").to_dict() == {"status": "none", "active": False, "changed": True}
        assert undo("bob", "ada").to_dict() == {"status": "none", "active": False, "changed": False}
        with pytest.raises(InvalidArgument) as refused:
            do("bob", "bob")
        assert refused.value.argument == "target"


def test_who_is_blocked_cannot_follow_either_way(feed: feedkit.Feed[str]) -> None:
    feed.block("ada", "mallory")
    for actor, target in (("mallory", "ada"), ("ada", "mallory")):
        with pytest.raises(Forbidden):
            feed.follow(actor, target)
    feed.unblock("ada", "mallory")
    assert feed.follow("mallory", "ada").changed


# profiles


A_STRANGER = {"id": None, "handle": None, "display_name": None, "private": False}


def test_a_profile_tells_a_blocked_viewer_nothing(feed: feedkit.Feed[str]) -> None:
    # given
    feed.users.put("ada", handle="ada", display_name="Ada")
    feed.follow("bob", "ada")
    for n in range(3):
        feed.publish("ada", text=str(n))
    feed.drain()
    assert len(feed.profile("mallory", "ada")) == 3

    # when
    feed.block("ada", "mallory")
    feed.block("eve", "ada")
    feed.drain()

    # then
    for viewer in ("mallory", "eve"):
        told, unknown = feed.profile(viewer, "ada").to_dict(), feed.profile(viewer, "nobody").to_dict()
        assert told.pop("user") == {**A_STRANGER, "key": "ada"}
        assert unknown.pop("user") == {**A_STRANGER, "key": "nobody"}
        assert len(told.pop("newer_cursor")) == len(unknown.pop("newer_cursor"))
        assert told == unknown
        assert told["counts"] == {"followers": 0, "following": 0, "friends": 0, "posts": 0}
        assert told["items"] == []
    assert len(feed.profile("bob", "ada")) == 3
    assert feed.profile("bob", "ada").counts.followers == 1


def test_a_profile_does_not_tell_a_blocked_viewer_that_there_is_much(backend_url: str) -> None:
    settings = Settings(max_scan=100, page_limit_max=100)
    with opened(backend_url, settings=settings) as feed:
        for n in range(120):
            feed.publish("ada", text=str(n))
        feed.block("ada", "mallory")
        page = feed.profile("mallory", "ada")
        assert (len(page), page.truncated, page.next_cursor) == (0, False, None)


# pages


def test_a_page_is_iterable_and_knows_its_authors(feed: feedkit.Feed[str]) -> None:
    for author in ("ada", "ben"):
        feed.follow("bob", author)
    written = [feed.publish(author, text=author) for author in ("ada", "ben", "ada", "ada")]
    page = feed.home("bob")
    assert len(page) == 4
    assert [item.post for item in page] == [item.post for item in page.items] == written[::-1]
    assert page.author_keys == ["ada", "ben"]
    assert bool(feed.home("nobody").items) is False
    assert feed.home("nobody").author_keys == []
    assert (page.truncated, page.degraded, page.unreadable) == (False, False, 0)


@pytest.mark.parametrize("policy", [PushAll(), PullAll()], ids=repr)
def test_paging_gives_everything_once(backend_url: str, policy: Any) -> None:
    with opened(backend_url, policy=policy, settings=Settings(inbox_entries=10, outbox_entries=10)) as feed:
        feed.follow("bob", "ada")
        posts = [feed.publish(("ada", "bob")[n % 2], text=str(n)).id for n in range(23)][::-1]
        for limit in (1, 5, 22, 23, 24, 100):
            pages = [feed.home("bob", limit=limit)]
            while pages[-1].next_cursor:
                pages.append(feed.home("bob", limit=limit, cursor=pages[-1].next_cursor))
            assert [post for page in pages for post in ids(page)] == posts
            assert all(len(page) == limit for page in pages[:-1])
            assert len(pages) == -(-23 // limit), "the last page is not an empty one"


def test_a_newer_cursor_reads_what_has_come_since(feed: feedkit.Feed[str]) -> None:
    # given
    feed.follow("bob", "ada")
    empty = feed.home("bob").newer_cursor
    old = [feed.publish("ada", text=str(n)).id for n in range(3)]
    page = feed.home("bob", limit=2)
    assert news(feed, "bob", page.newer_cursor)[0] == []

    # when
    new = [feed.publish(author, text="new").id for author in ("ada", "eve", "bob", "ada")]
    del new[1]

    # then
    found, newer = news(feed, "bob", page.newer_cursor, limit=2)
    assert found == new[::-1]
    assert news(feed, "bob", newer)[0] == []
    assert news(feed, "bob", empty)[0] == (old + new)[::-1]
    assert news(feed, "bob", page.newer_cursor)[0] == new[::-1], "a cursor can be used again"
    assert page.next_cursor is not None
    assert ids(feed.home("bob", cursor=page.next_cursor)) == old[:1]


def test_a_profile_has_cursors_as_well(feed: feedkit.Feed[str]) -> None:
    posts = [feed.publish("ada", text=str(n)).id for n in range(5)][::-1]
    first = feed.profile(None, "ada", limit=3)
    assert ids(first) == posts[:3]
    second = feed.profile(None, "ada", cursor=first.next_cursor)
    assert ids(second) == posts[3:]
    assert second.next_cursor is None
    late = feed.publish("ada", text="late").id
    assert ids(feed.profile(None, "ada", cursor=first.newer_cursor)) == [late]
    for viewer, author in (("bob", "ada"), (None, "bob")):
        with pytest.raises(InvalidCursor):
            feed.profile(viewer, author, cursor=first.next_cursor)
    with pytest.raises(InvalidCursor):
        feed.home("bob", cursor=first.next_cursor)


def test_the_limit_of_a_page_is_bounded() -> None:
    settings = Settings(page_limit_default=3, page_limit_max=5)
    with opened("memory://", settings=settings) as feed:
        for n in range(7):
            feed.publish("ada", text=str(n))
        reads: list[Callable[..., feedkit.Page[str]]] = [
            partial(feed.home, "ada"),
            partial(feed.profile, None, "ada"),
        ]
        for read in reads:
            assert len(read()) == 3
            assert [len(read(limit=limit)) for limit in (1, 4, 5)] == [1, 4, 5]
            for wrong in (0, -1, 6, True, 2.0, "3"):
                with pytest.raises(InvalidArgument) as refused:
                    read(limit=wrong)
                assert refused.value.argument == "limit"


HUGE = 10**5000


@pytest.mark.parametrize(
    "call",
    [
        lambda feed: feed.home(1, limit=HUGE),
        lambda feed: feed.profile(None, 1, limit=HUGE),
        lambda feed: feed.home(HUGE),
        lambda feed: feed.publish(1, text="x", schema_version=HUGE),
        lambda feed: feed.check(sample=HUGE),
    ],
)
def test_a_number_of_any_size_is_clearly_refused(call: Callable[[Any], object]) -> None:
    with feedkit.connect("memory://", key=int) as feed, pytest.raises(FeedkitError):
        call(feed)


@pytest.mark.parametrize("posts_cached", [0, 4])
def test_pages_that_were_read_leave_few_posts_in_memory(sqlite_url: str, posts_cached: int) -> None:
    # given
    with opened(sqlite_url, settings=Settings(posts_cached=posts_cached)) as feed:
        for n in range(20):
            feed.publish("ada", text=str(n))
        viewers = [f"viewer {n}" for n in range(10)]
        for viewer in viewers:
            feed.follow(viewer, "ada")

        # when
        seen = [ref(item.post) for viewer in viewers for item in feed.home(viewer, limit=20)]

        # then neither the cache of posts keeps more, nor what is remembered of viewers
        gc.collect()
        assert len(seen) == 200
        assert len({id(post()) for post in seen if post() is not None}) <= 2 * posts_cached


def test_a_line_tells_what_is_so_now_however_often_it_was_read(feed: feedkit.Feed[str]) -> None:
    # given two who have read the same post, again and again
    post = feed.publish("ada", text="hello")
    for viewer in ("bob", "cyd"):
        feed.follow(viewer, "ada")
    for viewer in ("bob", "cyd", "bob", "cyd"):
        (item,) = feed.home(viewer)
        assert (item.post.text, item.author.display_name, item.viewer.reacted) == ("hello", None, ())

    # when
    feed.react("bob", post.id, "love")
    feed.users.put("ada", display_name="Ada")
    feed.edit("ada", post.id, text="hello, world")
    feed.drain()

    # then
    for viewer, reacted in (("bob", ("love",)), ("cyd", ()), ("bob", ("love",)), ("cyd", ())):
        (item,) = feed.home(viewer)
        assert (item.post.text, item.author.display_name) == ("hello, world", "Ada")
        assert (item.viewer.reacted, item.counts.reactions) == (reacted, 1)
    feed.delete("ada", post.id)
    assert not feed.home("bob")
