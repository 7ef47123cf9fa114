"""Users and posts are served as they were written, within bounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import feedkit
from feedkit import Conflict, InvalidArgument, LimitExceeded, ManualClock, Media, NotFound, Settings
from tests.cases.case_tools import START, both_paths, ids, opened

# users


def test_users_are_added_and_patched(feed: feedkit.Feed[str]) -> None:
    # added
    ada = feed.users.put("ada", handle="ada", display_name="Ada", time_zone="Europe/London")
    assert (ada.key, ada.handle, ada.display_name, ada.time_zone) == ("ada", "ada", "Ada", "Europe/London")
    assert feed.users.get(["ada"]) == {"ada": ada}

    # patched
    feed.publish("ada", text="x")
    assert feed.profile(None, "ada").user == ada
    patched = feed.users.put("ada", display_name=None, handle="countess")
    assert (patched.id, patched.handle, patched.display_name) == (ada.id, "countess", None)
    assert patched.time_zone == "Europe/London", "what is not given stays"
    assert feed.users.put("ada") == patched
    assert feed.users.get(["ada"]) == {"ada": patched}
    assert feed.profile(None, "ada").user == feed.home("ada").items[0].author == patched

    # unknown
    assert feed.users.get(["nobody", "ada", "ada"]) == {"ada": patched}
    assert feed.users.get([]) == {}
    assert patched.to_dict() == {
        "id": str(ada.id),
        "key": "ada",
        "handle": "countess",
        "display_name": None,
        "private": False,
    }


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("handle", "x" * 65),
        ("handle", 5),
        ("handle", "a\0"),
        ("handle", "\ud800"),
        ("display_name", "x" * 201),
        ("time_zone", "Mars/Olympus"),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", ""),
        ("time_zone", 5),
        ("time_zone", "x" * 5000),
        ("time_zone", Path("Europe/Vienna")),
    ],
)
def test_fields_of_users_are_bounded(field: str, wrong: Any) -> None:
    with opened("memory://") as feed:
        with pytest.raises(InvalidArgument) as refused:
            feed.users.put("ada", **{field: wrong})
        assert refused.value.argument == field
        assert feed.users.get(["ada"]) == {}


# posts


def test_a_post_is_served_as_it_was_published(feed: feedkit.Feed[str]) -> None:
    # given
    parent = feed.publish("bob", text="first")
    media = [Media(f"https://a.example/{n}", width=n, alt_text=f"number {n}") for n in (3, 1, 2)]
    extra = {"tags": ["a", "ü"], "deep": {"x": [1, 2.5, None, True]}, "big": 2**60}

    # when
    post = feed.publish(
        "ada",
        text="Hello 🌍\n",
        kind="recipe",
        schema_version=3,
        media=[media[0], {"url": media[1].url, "width": 1, "alt_text": "number 1"}, media[2]],
        extra=extra,
        ref="doc:7",
        reply_to=str(parent.id),
    )

    # then
    for reader in (feed, feed):
        served = reader.post("bob", post.id).post
        assert served == post
        assert served.media == tuple(media), "in the order they were given"
        assert served.reply_to == parent.id
        assert (served.text, served.kind, served.schema_version) == ("Hello 🌍\n", "recipe", 3)
        assert (served.extra, served.ref) == (extra, "doc:7")
        assert ids(reader.home("ada")) == [post.id]
        assert reader.home("ada").items[0].post == post
        assert [item and item.post for item in reader.posts.get(None, [post.id])] == [post]
        reader.wipe()


def test_to_dict_is_safe_for_json(feed: feedkit.Feed[str]) -> None:
    # given
    feed.follow("bob", "ada")
    parent = feed.publish("ada", text="first")
    post = feed.publish(
        "ada", text="x", media=[{"url": "u", "height": 5}], extra={"k": 1}, reply_to=parent.id
    )
    feed.users.put("ada", handle="ada")

    # when
    page = feed.home("bob", limit=1)
    read = json.loads(json.dumps(page.to_dict()))

    # then
    assert set(read) == {"items", "next_cursor", "newer_cursor", "truncated", "degraded", "unreadable"}
    (item,) = read["items"]
    assert item["post"]["id"] == str(post.id)
    assert item["post"]["reply_to"] == str(parent.id)
    assert item["post"]["author_id"] == item["author"]["id"]
    assert item["post"]["extra"] == {"k": 1}
    assert item["post"]["media"][0]["height"] == 5
    assert item["post"]["created_at"].endswith("Z")
    assert item["author"]["handle"] == "ada"
    assert ids(feed.home("bob", cursor=read["next_cursor"])) == [parent.id]
    assert feed.post("bob", item["post"]["id"]).post == post
    profile = json.loads(json.dumps(feed.profile("bob", "ada").to_dict()))
    assert profile["counts"] == {"followers": 1, "following": 0, "friends": 0, "posts": 2}
    assert profile["user"]["key"] == "ada"
    for other in (feed.follow("bob", "ada"), feed.drain(), feed.check(), feed.post("bob", post.id)):
        json.dumps(other.to_dict())
    with pytest.raises(NotFound) as refused:
        feed.post("bob", 1)
    json.dumps(refused.value.to_dict())


def test_times_are_rfc_3339_in_utc() -> None:
    with opened("memory://", clock=ManualClock(START)) as feed:
        post = feed.publish("ada", text="x").to_dict()
    assert post["created_at"] == post["published_at"] == "2026-01-01T00:00:00.000Z"


def test_what_a_host_does_to_extra_reaches_nobody_else(feed: feedkit.Feed[str]) -> None:
    # given
    given: dict[str, Any] = {"tags": ["a"]}
    published = feed.publish("ada", text="x", extra=given)

    # when
    given["tags"].append("changed before")
    for post in (published, feed.post(None, published.id).post, feed.home("ada").items[0].post):
        post.extra["tags"].append("changed after")
        post.extra["new"] = 1
        post.to_dict()["extra"]["tags"].clear()

    # then
    for post in (published, feed.post(None, published.id).post, feed.home("ada").items[0].post):
        assert post.extra == {"tags": ["a"]}
        assert post.extra is not post.extra


def test_a_ref_names_one_post(feed: feedkit.Feed[str]) -> None:
    first = feed.publish("ada", text="first", ref="doc:7")
    for author in ("ada", "bob"):
        with pytest.raises(Conflict) as refused:
            feed.publish(author, text="second", ref="doc:7")
        assert refused.value.argument == "ref"
        assert refused.value.http_status == 409
    feed.publish("ada", text="other", ref="DOC:7")
    feed.publish("ada", text="none")
    feed.publish("ada", text="none")
    assert len(feed.home("ada")) == 4
    assert ids(feed.home("bob")) == []
    feed.delete("ada", first.id)
    with pytest.raises(Conflict):
        feed.publish("ada", text="again", ref="doc:7")


def test_deleting(feed: feedkit.Feed[str]) -> None:
    feed.follow("bob", "ada")
    post, kept = feed.publish("ada", text="x"), feed.publish("ada", text="y")
    assert ids(feed.home("bob")) == [kept.id, post.id]
    for stranger in ("bob", "nobody"):
        with pytest.raises(NotFound, match="names no post of this author"):
            feed.delete(stranger, post.id)
    with pytest.raises(NotFound, match="names no post of this author"):
        feed.delete("ada", 12345)
    assert feed.delete("ada", str(post.id))
    assert not feed.delete("ada", post.id)
    assert both_paths(feed, "bob") == ids(feed.profile("bob", "ada")) == [kept.id]
    assert feed.posts.get("ada", [post.id, kept.id])[0] is None
    with pytest.raises(NotFound):
        feed.post("ada", post.id)


def test_batches_of_posts_keep_the_order_that_was_asked_for(feed: feedkit.Feed[str]) -> None:
    posts = [feed.publish("ada", text=str(n)).id for n in range(4)]
    private = feed.publish("ada", text="private", audience="followers").id
    wanted: list[int | str] = [posts[2], 999, posts[0], str(posts[3]), private, posts[2]]
    found = feed.posts.get("bob", wanted)
    assert [item and item.post.id for item in found] == [posts[2], None, posts[0], posts[3], None, posts[2]]
    assert feed.posts.get(None, []) == []
    with pytest.raises(InvalidArgument, match=r"ids\[1\]"):
        feed.posts.get(None, [posts[0], "x"])


def test_batches_are_bounded() -> None:
    with opened("memory://", settings=Settings(batch_max=3)) as feed:
        assert feed.posts.get(None, [1, 2, 3]) == [None] * 3
        assert feed.users.get(["a", "b", "c"]) == {}
        with pytest.raises(LimitExceeded):
            feed.posts.get(None, [1, 2, 3, 4])
        with pytest.raises(LimitExceeded):
            feed.users.get(["a", "b", "c", "d"])
