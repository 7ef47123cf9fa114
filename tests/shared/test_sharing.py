"""Processes share what they have loaded of posts, users and relations."""

from __future__ import annotations

from collections.abc import Callable

import redis

from feedkit import Settings
from feedkit.storage.touching import Cached
from tests.redis_servers import run_redis
from tests.shared.tools import Counted, Feed, texts


def test_what_one_process_has_loaded_another_finds(another: Callable[..., Feed]) -> None:
    one, counted = another(), Counted()
    one.users.put("ada", display_name="Ada", private=True)
    one.follow("bob", "ada")
    one.accept("ada", "bob")
    posts = [one.publish("ada", text=text, audience="followers") for text in "abc"]
    assert texts(one.home("bob")) == ["c", "b", "a"]

    other = another(metrics=counted)
    page = other.home("bob")
    assert texts(page) == ["c", "b", "a"]
    assert [item.post for item in page] == posts[::-1]
    assert page.items[0].author == one.users.get(["ada"])["ada"]
    assert counted.hits("shared_posts") == (3, 0)
    assert counted.hits("shared_users") == (1, 0)
    assert counted.hits("shared_relations") == (1, 0)


def test_it_can_be_switched_off(another: Callable[..., Feed], target: str) -> None:
    off = Settings(sqlite_synchronous="OFF", shared_cache="off")
    with run_redis() as url, redis.Redis.from_url(url) as client:
        feed = another(redis=url, settings=off)
        feed.follow("bob", "ada")
        feed.publish("ada", text="x")
        assert texts(feed.home("bob")) == ["x"]
        assert not [key for kind in Cached for key in client.scan_iter(f"*:{kind.value}:*")]
        feed.close()


def test_l01_two_viewers_with_different_rights_get_their_own_answer(another: Callable[..., Feed]) -> None:
    feeds = [another() for _ in range(2)]
    feeds[0].follow("bob", "ada")
    feeds[0].publish("ada", text="open")
    feeds[0].publish("ada", text="closed", audience="followers")
    for feed in feeds:
        assert texts(feed.profile("bob", "ada")) == ["closed", "open"]
        assert texts(feed.profile("eve", "ada")) == texts(feed.profile(None, "ada")) == ["open"]


def test_an_import_is_missed_by_nobody(another: Callable[..., Feed]) -> None:
    """It has no event of its own for each row."""
    feed = another()
    feed.follow("bob", "ada")
    feed.publish("ada", text="a")
    feed.publish("cyd", text="c")
    assert texts(another().home("bob")) == ["a"]
    feed.imports.follows([("bob", "cyd")])
    assert texts(another().home("bob")) == ["c", "a"]
    assert feed.graph.reconcile([("bob", "cyd")], resume=None).removed == 1
    assert texts(another().home("bob")) == ["c"]
