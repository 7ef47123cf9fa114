"""Friendship is asked for and agreed to, or comes of following each other."""

from __future__ import annotations

import pytest

import feedkit
from feedkit.model import Assoc
from tests.cases.case_tools import both_paths, ids
from tests.graph.words import Feed, counts, links, users_of, users_of_requests, waiting


@pytest.mark.parametrize("answer", ["accept", "befriend"])
def test_friendship_is_asked_for_and_agreed_to(feed: Feed, answer: str) -> None:
    # given
    post = feed.publish("ada", text="among friends", audience="friends")
    own = feed.publish("bob", text="too", audience="friends")

    # when
    assert feed.befriend("bob", "ada") == feedkit.Relation("requested", changed=True)
    assert feed.befriend("bob", "ada") == feedkit.Relation("requested", changed=False)

    # then
    assert waiting(feed, "ada") == [("bob", "friendship")]
    assert feed.relation("bob", ["ada"])["ada"].asked
    assert feed.relation("ada", ["bob"])["bob"].asked_by
    assert ids(feed.home("bob")) == [own.id]

    # when
    assert getattr(feed, answer)("ada", "bob") == feedkit.Relation("active", changed=True)
    assert getattr(feed, answer)("ada", "bob") == feedkit.Relation("active", changed=False)

    # then
    assert both_paths(feed, "bob") == both_paths(feed, "ada") == [own.id, post.id]
    assert links(feed, Assoc.FRIENDS) == links(feed, Assoc.FOLLOWS) == {("ada", "bob"), ("bob", "ada")}
    assert links(feed, Assoc.ASKS) == set()
    assert counts(feed, "ada") == counts(feed, "bob") == (1, 1, 1)
    assert users_of(feed.friends(None, "ada")) == ["bob"]
    assert feed.befriend("bob", "ada") == feedkit.Relation("active", changed=False)

    # when
    assert feed.unfriend("ada", "bob") == feedkit.Relation("none", changed=True)
    assert feed.unfriend("ada", "bob") == feedkit.Relation("none", changed=False)

    # then
    assert links(feed, Assoc.FRIENDS) == links(feed, Assoc.FOLLOWS) == set()
    assert counts(feed, "ada") == counts(feed, "bob") == (0, 0, 0)
    assert both_paths(feed, "bob") == [own.id]


def test_who_follow_each_other_are_friends_however_it_came(feed: Feed) -> None:
    # given
    post = feed.publish("ada", text="among friends", audience="friends")
    feed.users.put("ada", private=True)
    feed.befriend("ada", "bob")

    # when
    feed.follow("ada", "bob")
    feed.follow("bob", "ada")
    assert links(feed, Assoc.FRIENDS) == set(), "one of the follows waits"
    feed.accept("ada", "bob")

    # then
    assert links(feed, Assoc.FRIENDS) == {("ada", "bob"), ("bob", "ada")}
    assert waiting(feed, "bob") == waiting(feed, "ada") == [], "what was asked for has come true"
    assert ids(feed.home("bob")) == [post.id]
    assert feed.relation("bob", ["ada"])["ada"].friends

    # when
    feed.unfollow("ada", "bob")

    # then
    assert links(feed, Assoc.FRIENDS) == set()
    assert both_paths(feed, "bob") == [], "a follower is no friend"
    assert counts(feed, "bob") == (0, 1, 0)


def test_unfriend_leaves_follows_alone_that_are_no_friendship(feed: Feed) -> None:
    feed.follow("bob", "ada")
    feed.befriend("bob", "ada")
    assert feed.unfriend("ada", "bob") == feedkit.Relation("none", changed=False)
    assert waiting(feed, "ada") == [("bob", "friendship")], "nobody withdraws what another has asked"
    assert feed.unfriend("bob", "ada") == feedkit.Relation("none", changed=True)
    assert waiting(feed, "ada") == []
    assert links(feed, Assoc.FOLLOWS) == {("bob", "ada")}


def test_to_accept_a_friendship_answers_the_follow_request_too(feed: Feed) -> None:
    feed.users.put("ada", private=True)
    feed.users.put("bob", private=True)
    feed.follow("bob", "ada", reposts=False)
    feed.follow("ada", "bob")
    feed.befriend("bob", "ada")
    assert waiting(feed, "ada") == [("bob", "friendship"), ("bob", "follow")]
    assert users_of_requests(feed, "ada") == ["bob", "bob"]

    feed.accept("ada", "bob")

    assert waiting(feed, "ada") == waiting(feed, "bob") == []
    assert feed.relation("bob", ["ada"])["ada"] == feedkit.Standing(
        following=True, followed_by=True, friends=True, reposts=False
    )


def test_decline_refuses_everything_that_somebody_asked_for(feed: Feed) -> None:
    feed.users.put("ada", private=True)
    feed.follow("bob", "ada")
    feed.befriend("bob", "ada")
    assert feed.decline("ada", "bob") == feedkit.Relation("none", changed=True)
    assert waiting(feed, "ada") == []
    assert links(feed, Assoc.ASKS) == links(feed, Assoc.REQUESTS) == set()
