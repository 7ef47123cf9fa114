"""Who is private decides who follows them."""

from __future__ import annotations

import pytest

import feedkit
from feedkit import InvalidArgument
from feedkit.model import Assoc
from tests.cases.case_tools import both_paths, ids
from tests.graph.words import Feed, counts, links, users_of, waiting


def test_l04_a_follow_request_that_is_pending_counts_as_no_follow(feed: Feed) -> None:
    # given
    feed.users.put("ada", private=True)
    post = feed.publish("ada", text="for followers")
    feed.publish("ada", text="too", audience="followers")
    feed.users.put("bob")
    feed.home("bob")

    # when
    asked = feed.follow("bob", "ada")

    # then
    assert (asked.status, asked.active, asked.changed) == ("requested", False, True)
    assert both_paths(feed, "bob") == ids(feed.profile("bob", "ada")) == []
    assert feed.posts.get("bob", [post.id]) == [None]
    assert users_of(feed.followers("bob", "ada")) == users_of(feed.following("bob", "ada")) == []
    assert users_of(feed.followers("ada", "ada")) == users_of(feed.following("bob", "bob")) == []
    assert counts(feed, "ada") == counts(feed, "bob") == (0, 0, 0)
    assert links(feed, Assoc.FOLLOWS) == links(feed, Assoc.FRIENDS) == set()
    standing = feed.relation("bob", ["ada"])["ada"]
    assert (standing.requested, standing.following, standing.reposts) == (True, False, False)
    assert feed.relation("ada", ["bob"])["bob"].requested_by


def test_who_is_accepted_follows_and_sees_what_came_before(feed: Feed) -> None:
    # given
    feed.users.put("ada", private=True)
    post = feed.publish("ada", text="hi")
    feed.follow("bob", "ada")
    assert ids(feed.home("bob")) == []

    # when
    accepted = feed.accept("ada", "bob")

    # then
    assert (accepted.status, accepted.changed) == ("active", True)
    assert both_paths(feed, "bob") == ids(feed.profile("bob", "ada")) == [post.id]
    assert waiting(feed, "ada") == []
    assert counts(feed, "ada") == (1, 0, 0)
    assert feed.accept("ada", "bob") == feedkit.Relation("active", changed=False)
    assert feed.decline("ada", "bob") == feedkit.Relation("active", changed=False), "the follow stands"
    assert feed.follow("bob", "ada") == feedkit.Relation("active", changed=False)


def test_requests_are_made_declined_and_withdrawn_once(feed: Feed) -> None:
    feed.users.put("ada", private=True)
    for verb, args in (("decline", ("ada", "bob")), ("unfollow", ("bob", "ada"))):
        assert feed.follow("bob", "ada") == feedkit.Relation("requested", changed=True)
        assert feed.follow("bob", "ada") == feedkit.Relation("requested", changed=False)
        assert waiting(feed, "ada") == [("bob", "follow")]
        assert getattr(feed, verb)(*args) == feedkit.Relation("none", changed=True)
        assert getattr(feed, verb)(*args) == feedkit.Relation("none", changed=False)
        assert waiting(feed, "ada") == []
        assert feed.accept("ada", "bob") == feedkit.Relation("none", changed=False)
    assert links(feed, Assoc.REQUESTS) == links(feed, Assoc.FOLLOWS) == set()


def test_followers_stay_when_somebody_goes_private_and_requests_when_they_are_public_again(
    feed: Feed,
) -> None:
    # given
    feed.follow("bob", "ada")
    feed.users.put("ada", private=True)
    post = feed.publish("ada", text="hi")
    feed.follow("cem", "ada")
    feed.follow("dot", "ada")

    # then
    assert ids(feed.home("bob")) == [post.id]
    assert ids(feed.profile("cem", "ada")) == ids(feed.profile(None, "ada")) == []

    # when
    feed.users.put("ada", private=False)

    # then
    assert ids(feed.profile("cem", "ada")) == ids(feed.profile(None, "ada")) == [post.id]
    assert waiting(feed, "ada") == [("dot", "follow"), ("cem", "follow")]
    assert feed.follow("cem", "ada") == feedkit.Relation("active", changed=True)
    assert feed.accept("ada", "dot") == feedkit.Relation("active", changed=True)
    assert waiting(feed, "ada") == []
    assert links(feed, Assoc.REQUESTS) == set()


def test_private_is_true_or_false_and_stays_as_it_is_when_left_out(feed: Feed) -> None:
    assert feed.users.put("ada", private=True).private
    assert feed.users.put("ada", handle="a").private
    assert feed.users.get(["ada"])["ada"].private
    for wrong in (1, 0, "yes", None):
        with pytest.raises(InvalidArgument) as refused:
            feed.users.put("ada", private=wrong)  # type: ignore[arg-type]
        assert refused.value.argument == "private"
