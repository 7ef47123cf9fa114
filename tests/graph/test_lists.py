"""Lists of people belong to who made them, and posts may go to one."""

from __future__ import annotations

import pytest

from feedkit import Conflict, InvalidArgument, NotFound
from tests.cases.case_tools import both_paths
from tests.graph.words import Feed, links_of_lists, users_of


def test_a_list_is_made_named_filled_and_removed(feed: Feed) -> None:
    # when
    close, work = feed.lists.create("ada", "close"), feed.lists.create("ada", "Work")
    assert feed.lists.add("ada", close.id, ["bob", "cem", "bob"]) == 2
    assert feed.lists.add("ada", str(close.id), ["cem", "dot"]) == 1
    assert feed.lists.remove("ada", close.id, ["bob", "nobody"]) == 1
    assert feed.lists.remove("ada", close.id, ["bob"]) == 0

    # then
    assert sorted(users_of(feed.lists.members("ada", close.id))) == ["cem", "dot"]
    assert users_of(feed.lists.members("ada", work.id)) == []
    assert feed.lists.of("ada") == [work, close]
    assert feed.lists.of("bob") == feed.lists.of("nobody") == []

    # when
    renamed = feed.lists.rename("ada", close.id, "Äußerst nah")

    # then
    assert (renamed.id, renamed.name, renamed.created_at) == (close.id, "Äußerst nah", close.created_at)
    assert feed.lists.rename("ada", close.id, "Äußerst nah") == renamed
    with pytest.raises(Conflict) as refused:
        feed.lists.create("ada", "Work")
    assert refused.value.argument == "name"
    with pytest.raises(Conflict):
        feed.lists.rename("ada", close.id, "Work")
    assert feed.lists.create("bob", "Work").id != work.id

    # when
    feed.lists.delete("ada", close.id)

    # then
    assert feed.lists.of("ada") == [work]
    with pytest.raises(NotFound):
        feed.lists.delete("ada", close.id)
    assert links_of_lists(feed) == 0


def test_what_is_posted_to_a_list_follows_who_is_on_it(feed: Feed) -> None:
    # given
    close = feed.lists.create("ada", "close")
    for reader in ("bob", "cem"):
        feed.follow(reader, "ada")
    feed.lists.add("ada", close.id, ["bob"])
    post = feed.publish("ada", text="hi", audience="list", list=close.id)

    def seen_by() -> list[str]:
        return [who for who in ("ada", "bob", "cem") if both_paths(feed, who) == [post.id]]

    # then
    assert seen_by() == ["ada", "bob"]
    feed.lists.add("ada", close.id, ["cem"])
    assert seen_by() == ["ada", "bob", "cem"]
    feed.lists.remove("ada", close.id, ["bob"])
    assert seen_by() == ["ada", "cem"]
    feed.lists.delete("ada", close.id)
    assert seen_by() == ["ada"]
    assert feed.posts.get("cem", [post.id]) == [None]


def test_l12_the_lists_of_others_are_as_if_they_were_not_there(feed: Feed) -> None:
    # given
    close = feed.lists.create("ada", "close")
    feed.lists.add("ada", close.id, ["bob"])
    feed.lists.create("bob", "own")

    def refusals(owner: str, list_id: int) -> list[object]:
        found: list[object] = []
        for verb, args in (
            ("members", ()),
            ("rename", ("mine",)),
            ("delete", ()),
            ("add", (["cem"],)),
            ("remove", (["bob"],)),
        ):
            with pytest.raises(NotFound) as refused:
                getattr(feed.lists, verb)(owner, list_id, *args)
            found.append(refused.value.to_dict())
        return found

    # then
    missing = refusals("bob", 1)
    assert refusals("bob", close.id) == refusals("nobody", close.id) == missing
    assert refusals("nobody", 1) == missing
    with pytest.raises(NotFound):
        feed.publish("bob", audience="list", list=close.id)
    assert feed.lists.of("ada") == [close]
    assert users_of(feed.lists.members("ada", close.id)) == ["bob"]


def test_nobody_stands_on_a_list_of_their_own(feed: Feed) -> None:
    close = feed.lists.create("ada", "close")
    with pytest.raises(InvalidArgument) as refused:
        feed.lists.add("ada", close.id, ["bob", "ada"])
    assert refused.value.argument == "keys"
    assert users_of(feed.lists.members("ada", close.id)) == []
