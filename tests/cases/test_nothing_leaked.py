"""Cases L13 and L16: cursors are opaque and bound, and what looks like authority in a payload is data."""

import base64
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import feedkit
from feedkit import FeedkitError, InvalidCursor
from tests.cases.case_tools import TABLES, ids, opened


def ready(feed: "feedkit.Feed[str]") -> None:
    for name in ("bob", "cyd"):
        feed.follow(name, "ada")
    for n in range(10):
        feed.publish("ada", text=str(n))


def refused(read: Any, *args: Any, **kwargs: Any) -> str:
    """The message with which a read is refused because of its cursor."""
    with pytest.raises(InvalidCursor) as raised:
        read(*args, **kwargs)
    assert raised.value.argument == "cursor"
    assert raised.value.http_status == 400
    return raised.value.message


# L13


def test_l13_a_cursor_is_good_for_one_viewer_and_one_feed(url: str) -> None:
    with opened(url) as feed:
        ready(feed)
        home = feed.home("bob", limit=3)
        profile = feed.profile("bob", "ada", limit=3)
        out = feed.profile(None, "ada", limit=3)
        assert home.next_cursor
        assert profile.next_cursor
        assert out.next_cursor
        messages = set()
        for cursor in (home.next_cursor, home.newer_cursor):
            messages |= {
                refused(feed.home, "cyd", cursor=cursor),
                refused(feed.home, "nobody yet", cursor=cursor),
                refused(feed.profile, "bob", "ada", cursor=cursor),
                refused(feed.profile, None, "ada", cursor=cursor),
            }
        for cursor in (profile.next_cursor, profile.newer_cursor):
            messages |= {
                refused(feed.profile, "cyd", "ada", cursor=cursor),
                refused(feed.profile, None, "ada", cursor=cursor),
                refused(feed.profile, "bob", "cyd", cursor=cursor),
                refused(feed.home, "bob", cursor=cursor),
            }
        messages |= {
            refused(feed.profile, "bob", "ada", cursor=out.next_cursor),
            refused(feed.home, "bob", cursor=out.next_cursor),
        }
        assert len(messages) == 1, "one message for every cause"
        assert len(ids(feed.home("bob", cursor=home.next_cursor))) == 7
        assert len(ids(feed.profile(None, "ada", cursor=out.next_cursor))) == 7


def test_l13_a_cursor_of_another_database_is_refused(url: str, tmp_path: Any) -> None:
    with opened(url) as feed, opened(f"sqlite:///{tmp_path / 'other.db'}") as other:
        ready(feed)
        ready(other)
        cursor = other.home("bob", limit=3).next_cursor
        refused(feed.home, "bob", cursor=cursor)


def test_l13_a_cursor_of_another_namespace_is_refused(url: str) -> None:
    with opened(url) as feed, opened(url, namespace="other") as other:
        ready(feed)
        ready(other)
        cursor = other.home("bob", limit=3).next_cursor
        refused(feed.home, "bob", cursor=cursor)


def test_l13_every_changed_character_is_noticed(url: str) -> None:
    with opened(url) as feed:
        ready(feed)
        cursor = feed.home("bob", limit=3).next_cursor
        assert cursor is not None
        for at in range(len(cursor)):
            for other in "A_-z0":
                if cursor[at] != other:
                    changed = cursor[:at] + other + cursor[at + 1 :]
                    refused(feed.home, "bob", cursor=changed)


def test_l13_truncated_padded_and_repeated_cursors_are_refused(url: str) -> None:
    with opened(url) as feed:
        ready(feed)
        cursor = feed.home("bob", limit=3).next_cursor
        assert cursor is not None
        for n in range(len(cursor)):
            refused(feed.home, "bob", cursor=cursor[:n])
        for changed in (cursor + "=", cursor + "A", " " + cursor, cursor + "\n", cursor * 2, cursor.upper()):
            refused(feed.home, "bob", cursor=changed)


def test_l13_an_older_or_newer_version_is_refused(url: str) -> None:
    with opened(url) as feed:
        ready(feed)
        cursor = feed.home("bob", limit=3).next_cursor
        assert cursor is not None
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        for version in (0, 1, 2, 3, 255):
            if version != raw[0]:
                changed = base64.urlsafe_b64encode(bytes([version]) + raw[1:]).decode().rstrip("=")
                refused(feed.home, "bob", cursor=changed)


def test_l13_a_megabyte_is_refused_at_once(url: str) -> None:
    with opened(url) as feed:
        ready(feed)
        for big in ("A" * 1_000_000, "é" * 1_000_000, "gASVIQAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOU" * 25_000):
            refused(feed.home, "bob", cursor=big)


@pytest.mark.parametrize(
    "wrong", [b"bytes", 1, 1.5, True, [], ["x"], {}, object(), ("a",), float("nan"), "", "\0", "💥", "\ud800"]
)
def test_l13_wrong_types_are_refused(sqlite_url: str, wrong: Any) -> None:
    with opened(sqlite_url) as feed:
        ready(feed)
        refused(feed.home, "bob", cursor=wrong)
        refused(feed.profile, None, "ada", cursor=wrong)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    forged=st.text(max_size=700) | st.binary(max_size=200).map(lambda b: base64.urlsafe_b64encode(b).decode())
)
def test_l13_forged_cursors_are_refused(forged_feed: "feedkit.Feed[str]", forged: str) -> None:
    refused(forged_feed.home, "bob", cursor=forged)


@pytest.fixture
def forged_feed(sqlite_url: str) -> Any:
    with opened(sqlite_url) as feed:
        ready(feed)
        yield feed


def test_l13_old_cursors_outlive_a_rotation_until_their_key_is_dropped(url: str) -> None:
    with opened(url, settings=feedkit.Settings(cursor_keys_kept=3)) as feed, opened(url) as other:
        ready(feed)
        old = feed.home("bob", limit=3)
        rest = ids(feed.home("bob", cursor=old.next_cursor))
        for _ in range(2):
            feed.rotate_cursor_key()
            for one in (feed, other):
                assert ids(one.home("bob", cursor=old.next_cursor)) == rest
                assert ids(one.home("bob", cursor=old.newer_cursor)) == []
                fresh = one.home("bob", limit=3).next_cursor
                assert ids(feed.home("bob", cursor=fresh)) == ids(other.home("bob", cursor=fresh)) == rest
        feed.rotate_cursor_key()
        refused(feed.home, "bob", cursor=old.next_cursor)
        with opened(url) as later:
            refused(later.home, "bob", cursor=old.next_cursor)


# L16


ASSUMED: dict[str, Any] = {
    "author": "ada",
    "author_id": 1,
    "status": "published",
    "position": 2**62,
    "counts": {"likes": 10**6},
    "labels": ["verified"],
    "id": 1,
    "audience": "public",
    "deleted_at": None,
    "created_at": "1999-01-01T00:00:00Z",
    "viewer": {"reacted": "like"},
}


@pytest.mark.parametrize("name", [name for name in ASSUMED if name != "audience"])
def test_l16_keyword_arguments_that_are_not_the_callers_to_give_are_refused(
    sqlite_url: str, name: str
) -> None:
    with opened(sqlite_url) as feed:
        for call in (
            lambda: feed.publish("mallory", text="x", **{name: ASSUMED[name]}),
            lambda: feed.users.put("mallory", **{name: ASSUMED[name]}),
            lambda: feed.follow("mallory", "ada", **{name: ASSUMED[name]}),
        ):
            with pytest.raises((TypeError, FeedkitError)):
                call()
        engine = sa.create_engine(sqlite_url)
        with engine.connect() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(TABLES.posts)) == 0
        engine.dispose()


def test_l16_in_extra_they_are_inert_data(url: str) -> None:
    with opened(url) as feed:
        feed.follow("bob", "mallory")
        feed.users.put("ada", handle="ada")
        honest = feed.publish("mallory", text="honest")
        post = feed.publish("mallory", text="x", audience="only_me", extra=ASSUMED)
        later = feed.publish("mallory", text="later")
        for _ in range(2):
            assert ids(feed.home("bob")) == [later.id, honest.id], "the audience in `extra` widens nothing"
            mine = feed.home("mallory")
            assert ids(mine) == [later.id, post.id, honest.id], "nor does a position in it move the post"
            item = mine.items[1]
            assert item.post.extra == ASSUMED
            assert item.author.key == "mallory"
            assert str(item.post.status) == "published"
            assert item.post.created_at.year != 1999
            assert item.to_dict()["post"]["status"] == "published"
            assert not {"counts", "labels"} & item.to_dict()["post"].keys()
            feed.wipe()
        assert feed.profile(None, "ada").items == ()


def test_l16_media_carry_only_what_media_have(sqlite_url: str) -> None:
    with opened(sqlite_url) as feed:
        for extra in ({"status": "approved"}, {"post_id": 1}, {"ordinal": 0}):
            with pytest.raises(FeedkitError):
                feed.publish("ada", text="x", media=[{"url": "https://a.example/1", **extra}])
