"""Users are named by the host's own keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid5

import pytest

import feedkit
from feedkit import InvalidArgument, KeyTypeMismatch, LimitExceeded
from feedkit.ids import MAX_ID
from tests.cases.case_tools import ids

NAMES = ("ada", "bob", "eve", "nobody")
KEYS: dict[type, Callable[[str], Any]] = {
    str: lambda name: name,
    int: lambda name: {"ada": 1, "bob": MAX_ID, "eve": 7, "nobody": 2**53 + 1}[name],
    UUID: lambda name: uuid5(UUID(int=0), name),
}


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
