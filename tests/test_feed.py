"""The public face: what a host sees of `feedkit.connect` and the verbs, the same on every database."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
import sqlalchemy as sa

import feedkit
from feedkit import (
    Closed,
    ConfigurationError,
    Conflict,
    FeedkitError,
    Forbidden,
    InvalidArgument,
    InvalidCursor,
    KeyTypeMismatch,
    LimitExceeded,
    ManualClock,
    Media,
    NotFound,
    PullAll,
    PushAll,
    SchemaMissing,
    Settings,
    UserCounts,
)
from feedkit.ids import MAX_ID
from tests.cases.case_tools import START, both_paths, everything, ids, news, opened

NAMES = ("ada", "bob", "eve", "nobody")
KEYS: dict[type, Callable[[str], Any]] = {
    str: lambda name: name,
    int: lambda name: {"ada": 1, "bob": MAX_ID, "eve": 7, "nobody": 2**53 + 1}[name],
    UUID: lambda name: uuid5(UUID(int=0), name),
}


@pytest.fixture
def feed(backend_url: str) -> Iterator[feedkit.Feed[str]]:
    with opened(backend_url) as made:
        yield made


# keys


@pytest.mark.parametrize("key_type", KEYS, ids=lambda key_type: key_type.__name__)
def test_users_are_named_by_the_hosts_own_keys(backend_url: str, key_type: type) -> None:
    ada, bob, eve, nobody = map(KEYS[key_type], NAMES)
    made: feedkit.Feed[Any] = feedkit.connect(backend_url, key=key_type)
    with made as feed:
        feed.migrate()
        # given
        feed.follow(bob, ada)
        post = feed.publish(ada, text="hi")
        feed.publish(ada, text="private", audience="followers")

        # then
        page = feed.home(bob)
        assert [item.post.text for item in page] == ["private", "hi"]
        assert page.author_keys == [ada]
        assert type(page.author_keys[0]) is key_type
        assert feed.profile(eve, ada).user.key == ada
        assert ids(feed.profile(eve, ada)) == ids(feed.profile(None, ada)) == [post.id]
        assert list(feed.users.get([ada, nobody, bob])) in ([ada, bob], [bob, ada])
        assert ids(feed.home(nobody)) == ids(feed.profile(bob, nobody)) == []
        assert feed.users.get([nobody]) == {}, "reads create nobody"
        json.dumps(page.to_dict())
        assert page.to_dict()["items"][0]["author"]["key"] == str(ada)
        assert page.to_dict()["items"][0]["author"]["id"] == str(feed.users.get([ada])[ada].id)
        if key_type is int:
            assert feed.users.get([bob])[bob].id == bob


WRONG: dict[type, list[Any]] = {
    str: [1, b"ada", None, UUID(int=1), True, 1.5, ["ada"]],
    int: ["1", True, None, 1.0, UUID(int=1)],
    UUID: [str(UUID(int=1)), 1, None, b"0" * 16],
}


def calls_with(feed: feedkit.Feed[Any], good: Any, wrong: Any) -> list[tuple[str, Callable[[], object]]]:
    """Verbs that are given a wrong key, and by which argument."""
    calls: list[tuple[str, Callable[[], object]]] = [
        ("author", lambda: feed.publish(wrong, text="x")),
        ("author", lambda: feed.delete(wrong, 1)),
        ("actor", lambda: feed.follow(wrong, good)),
        ("target", lambda: feed.follow(good, wrong)),
        ("target", lambda: feed.unblock(good, wrong)),
        ("viewer", lambda: feed.home(wrong)),
        ("key", lambda: feed.users.put(wrong)),
        ("keys", lambda: feed.users.get([good, wrong])),
        ("author", lambda: feed.profile(None, wrong)),
    ]
    if wrong is not None:  # None is a viewer who is not logged in
        calls.append(("viewer", lambda: feed.profile(wrong, good)))
        calls.append(("viewer", lambda: feed.post(wrong, 1)))
    return calls


@pytest.mark.parametrize("key_type", KEYS, ids=lambda key_type: key_type.__name__)
def test_a_key_of_another_type_is_refused_by_argument(key_type: type) -> None:
    good = KEYS[key_type]("ada")
    made: feedkit.Feed[Any] = feedkit.connect("memory://", key=key_type)
    with made as feed:
        for wrong in WRONG[key_type]:
            for argument, call in calls_with(feed, good, wrong):
                with pytest.raises(KeyTypeMismatch) as refused:
                    call()
                assert refused.value.argument == argument
                assert f"must be {key_type.__name__}" in str(refused.value)
        assert feed.users.get([good]) == {}, "nothing was written"


@pytest.mark.parametrize("wrong", [0, -1, MAX_ID + 1])
def test_an_int_key_is_a_positive_number_of_63_bits(wrong: int) -> None:
    with feedkit.connect("memory://", key=int) as feed, pytest.raises(InvalidArgument, match="must be 1"):
        feed.home(wrong)


def test_a_key_is_bounded() -> None:
    with feedkit.connect("memory://") as feed:
        feed.follow("x" * 200, "ü" * 100)
        for wrong in ("", "x" * 201, "ü" * 101):
            with pytest.raises(LimitExceeded, match="key_max_bytes"):
                feed.home(wrong)


@pytest.mark.parametrize(("made", "asked"), [(str, int), (int, UUID), (UUID, str)])
def test_a_database_of_another_key_type_is_refused(
    sqlite_url: str, made: type[Any], asked: type[Any]
) -> None:
    with feedkit.connect(sqlite_url, key=made) as feed:
        feed.migrate()
    for verb in ("migrate", "drain"):
        with feedkit.connect(sqlite_url, key=asked) as feed:
            with pytest.raises(KeyTypeMismatch) as refused:
                getattr(feed, verb)()
            assert refused.value.argument == "key"
            assert f"pass key={made.__name__}" in str(refused.value)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'feed.db'}"


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"key": bytes}, "key"),
        ({"key": "str"}, "key"),
        ({"deliver": "never"}, "deliver"),
        ({"namespace": "Bad Name"}, "namespace"),
        ({"namespace": ""}, "namespace"),
        ({"namespace": "x" * 25}, "namespace"),
    ],
)
def test_what_connect_cannot_work_with_is_refused_at_once(arguments: dict[str, Any], argument: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        feedkit.connect("memory://", **arguments)
    assert refused.value.argument == argument


@pytest.mark.parametrize(
    "target",
    [
        None,
        5,
        "",
        "social.db",
        "sqlite:social.db",
        "sqlite:/social.db",
        "sqlite://social.db",
        "memory",
        "mysql://a/b",
    ],
)
def test_a_target_that_is_none_is_refused_and_no_posts_get_lost(target: Any) -> None:
    with (
        feedkit.connect(target) as feed,
        pytest.raises(ConfigurationError, match=r"sqlite:///file\.db") as refused,
    ):
        feed.publish("ada", text="Where am I?")
    assert refused.value.argument == "target"


# opening and closing


def test_connect_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("nothing may be opened yet")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(sqlite3, "connect", refuse)
    monkeypatch.setattr(sqlite3.dbapi2, "connect", refuse)
    monkeypatch.setattr(threading.Thread, "start", refuse)

    # when
    for target in (f"sqlite:///{tmp_path / 'x.db'}", "memory://", "postgresql+psycopg://u@localhost:1/x"):
        for deliver in ("inline", "thread"):
            feed = feedkit.connect(target, deliver=deliver)
            feed.close()

    # then
    assert list(tmp_path.iterdir()) == []


def test_sqlite_makes_its_tables_at_the_first_verb(tmp_path: Path) -> None:
    with feedkit.connect(f"sqlite:///{tmp_path / 'x.db'}") as feed:
        assert list(tmp_path.iterdir()) == []
        assert ids(feed.home("bob")) == []
        assert (tmp_path / "x.db").exists()


def test_postgres_waits_to_be_migrated(postgres_database: str) -> None:
    with feedkit.connect(postgres_database) as feed:
        with pytest.raises(SchemaMissing, match="feedkit migrate"):
            feed.publish("ada", text="x")
        feed.migrate()
        feed.migrate()
        feed.publish("ada", text="x")
    with feedkit.connect(postgres_database) as feed:
        assert len(feed.home("ada")) == 1


def test_what_was_written_is_there_after_reopening(sqlite_url: str) -> None:
    with opened(sqlite_url) as feed:
        feed.follow("bob", "ada")
        post = feed.publish("ada", text="hi")
        page = feed.home("bob")
    with opened(sqlite_url) as feed:
        assert ids(feed.home("bob")) == [post.id]
        assert feed.home("bob").items == page.items
        assert news(feed, "bob", page.newer_cursor)[0] == [], "cursors outlive a restart"


def test_closing_twice_does_nothing_and_a_closed_feed_says_so(backend_url: str) -> None:
    # given
    feed = feedkit.connect(backend_url)
    feed.migrate()
    feed.publish("ada", text="x")

    # when
    feed.close()
    feed.close()

    # then
    verbs: list[Callable[[], object]] = [
        feed.migrate,
        feed.drain,
        feed.check,
        feed.wipe,
        feed.rotate_cursor_key,
        lambda: feed.home("ada"),
        lambda: feed.profile(None, "ada"),
        lambda: feed.post(None, 1),
        lambda: feed.posts.get(None, [1]),
        lambda: feed.users.get(["ada"]),
        lambda: feed.users.put("ada"),
        lambda: feed.publish("ada", text="x"),
        lambda: feed.delete("ada", 1),
        lambda: feed.follow("ada", "bob"),
    ]
    for verb in verbs:
        with pytest.raises(Closed, match=r"feedkit\.connect"):
            verb()


def test_a_feed_that_was_never_used_closes() -> None:
    feed = feedkit.connect("sqlite:////nowhere/at/all.db")
    feed.close()
    with pytest.raises(Closed):
        feed.home("ada")


def test_a_with_block_closes_on_an_error(sqlite_url: str) -> None:
    def fail(feed: feedkit.Feed[str]) -> None:
        with feed:
            feed.home("ada")
            raise LookupError

    feed = feedkit.connect(sqlite_url)
    with pytest.raises(LookupError):
        fail(feed)
    with pytest.raises(Closed):
        feed.home("ada")


def test_a_hosts_engine_is_used_and_left_open(backend_url: str) -> None:
    if backend_url == "memory://":
        pytest.skip("there is no engine to hand in")
    # given
    engine = sa.create_engine(backend_url)
    pool = engine.pool

    # when
    with opened(engine) as feed:
        feed.follow("bob", "ada")
        post = feed.publish("ada", text="hi")
        assert ids(feed.home("bob")) == [post.id]

    # then
    assert engine.pool is pool, "a disposed engine would have a new one"
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT text FROM feedkit_posts")) == "hi"
    with opened(engine) as feed:
        assert ids(feed.home("bob")) == [post.id]
    engine.dispose()


def test_a_hosts_engine_in_memory_is_refused() -> None:
    """Host and feedkit would share its one connection, and with it each other's transactions."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool, connect_args={"check_same_thread": False})
    with feedkit.connect(engine) as feed, pytest.raises(ConfigurationError, match="memory://") as refused:
        feed.home("ada")
    assert refused.value.argument == "target"
    engine.dispose()


def test_namespaces_of_one_database_are_apart(backend_url: str) -> None:
    if backend_url == "memory://":
        pytest.skip("every feed in memory is a database of its own")
    with (
        opened(backend_url, namespace="one") as one,
        opened(backend_url, namespace="two", key=int) as other,
    ):
        # given
        numbers: feedkit.Feed[int] = other  # type: ignore[assignment]  # the helper opens feeds of str
        one.follow("bob", "ada")
        post = one.publish("ada", text="hi", ref="same")
        numbers.follow(1, 2)
        theirs = numbers.publish(2, text="hello", ref="same")

        # then
        for feed in (one, numbers):
            feed.drain()
            feed.wipe()
        assert ids(one.home("bob")) == [post.id]
        assert ids(numbers.home(1)) == [theirs.id]
        assert one.check().viewers == numbers.check().viewers == 2
        with pytest.raises(NotFound):
            numbers.post(1, post.id)
        with pytest.raises(InvalidCursor):
            numbers.home(1, cursor=one.home("bob").newer_cursor)
        numbers.delete(2, theirs.id)
        assert ids(one.home("bob")) == [post.id]
        assert one.profile(None, "ada").counts.posts == 1


def test_feeds_in_memory_are_apart() -> None:
    with opened("memory://") as one, opened("memory://") as other:
        one.publish("ada", text="x")
        assert ids(other.profile(None, "ada")) == []


def test_threads_share_one_feed(feed: feedkit.Feed[str]) -> None:
    # given
    feed.follow("bob", "ada")
    together = threading.Barrier(6)

    def write(number: int) -> list[int]:
        together.wait(10)
        mine = []
        for n in range(8):
            mine.append(feed.publish("ada", text=f"{number} {n}").id)
            feed.follow(f"fan {number} {n}", "ada")
        return mine

    def read(_: int) -> list[int]:
        together.wait(10)
        sizes = []
        for _ in range(20):
            found = everything(feed, "bob", limit=30)
            assert found == sorted(set(found), reverse=True)
            sizes.append(len(found))
        return sizes

    # when
    with ThreadPoolExecutor(6) as pool:
        writing = [pool.submit(write, number) for number in range(3)]
        reading = [pool.submit(read, number) for number in range(3)]
        posts = sorted((post for future in writing for post in future.result(60)), reverse=True)
        for future in reading:
            sizes = future.result(60)
            assert sizes == sorted(sizes), "nothing that was there goes away"

    # then
    feed.drain()
    assert len(set(posts)) == 24
    assert both_paths(feed, "bob") == posts
    assert feed.profile(None, "ada").counts == UserCounts(followers=25, posts=24)


def test_the_first_use_by_many_threads_opens_one_runtime(sqlite_url: str) -> None:
    with feedkit.connect(sqlite_url) as feed, ThreadPoolExecutor(8) as pool:
        together = threading.Barrier(8)

        def first(_: int) -> int:
            together.wait(10)
            return id(feed.runtime())

        assert len(set(pool.map(first, range(8)))) == 1


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
    assert feed.delete("ada", str(post.id)) is True
    assert feed.delete("ada", post.id) is False
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


# connections


def test_a_migrate_that_is_refused_leaves_no_connection(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    with feedkit.connect(sqlite_url) as feed:
        feed.migrate()
    engines: list[sa.Engine] = []
    create_engine = sa.create_engine

    def remembered(*args: Any, **kwargs: Any) -> sa.Engine:
        engines.append(create_engine(*args, **kwargs))
        return engines[-1]

    monkeypatch.setattr(sa, "create_engine", remembered)

    # when
    with feedkit.connect(sqlite_url, key=int) as other, pytest.raises(KeyTypeMismatch):
        other.migrate()

    # then
    assert ["Connections in pool: 0" in engine.pool.status() for engine in engines] == [True]
