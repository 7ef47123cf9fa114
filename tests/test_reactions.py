"""Reactions and saves, the same on every database."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

import feedkit
from feedkit import InvalidArgument, InvalidCursor, ManualClock, NotFound, Settings
from feedkit.ids import MAX_ID
from feedkit.model import Counts, Event, EventKind
from tests.cases.case_tools import START, TABLES, ids, opened, rows

SEVERAL = Settings(reaction_kinds="like,love,laugh", reactions_per_person=2)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def feed(backend_url: str, clock: ManualClock) -> Iterator[feedkit.Feed[str]]:
    with opened(backend_url, clock=clock) as made:
        yield made


@pytest.fixture
def post(feed: feedkit.Feed[str]) -> feedkit.Post:
    return feed.publish("ada", text="hello")


def keys(page: Any) -> list[str]:
    return [user.key for user in page]


def events_of(feed: feedkit.Feed[str]) -> list[tuple[str, str]]:
    """(kind, detail) of what the log says about reactions and saves."""
    runtime = feed.runtime()
    events = runtime.truth.read(lambda tx: runtime.truth.events.after(tx, 0, 1000))
    return [
        (event.kind.value, event.detail)
        for event in events
        if event.kind.value.startswith(("reaction.", "save."))
    ]


def whole(
    feed: feedkit.Feed[str], viewer: str, target: int, kind: str | None = None, limit: int = 2
) -> list[str]:
    """Everybody who reacted, page after page."""
    page = feed.reactions(viewer, target, kind, limit=limit)
    found = keys(page)
    while page.next_cursor is not None:
        page = feed.reactions(viewer, target, kind, limit=limit, cursor=page.next_cursor)
        found += keys(page)
    return found


# reacting


def test_a_reaction_is_seen_at_once_by_everybody(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    # when
    relation = feed.react("bob", post.id, "love")

    # then
    assert (relation.active, relation.changed) == (True, True)
    mine, theirs = feed.post("bob", post.id), feed.post("ada", post.id)
    assert mine.viewer.reacted == ("love",)
    assert theirs.viewer.reacted == ()
    assert mine.counts == theirs.counts
    assert (mine.counts.reactions, dict(mine.counts.reacted)) == (1, {"love": 1})
    assert feed.post(None, post.id).counts.reactions == 1


def test_a_new_kind_takes_the_place_of_the_old(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    # given
    feed.react("bob", post.id)

    # when
    relation = feed.react("bob", post.id, "love")

    # then
    assert relation.changed
    item = feed.post("bob", post.id)
    assert item.viewer.reacted == ("love",)
    assert (item.counts.reactions, dict(item.counts.reacted)) == (1, {"love": 1})
    assert keys(feed.reactions("ada", post.id, "like")) == []
    assert events_of(feed) == [
        ("reaction.added", "like"),
        ("reaction.removed", "like"),
        ("reaction.added", "love"),
    ]


def test_several_kinds_as_the_host_configures(backend_url: str, clock: ManualClock) -> None:
    with opened(backend_url, clock=clock, settings=SEVERAL) as feed:
        # given
        post = feed.publish("ada", text="hello")
        for kind in ("like", "love"):
            clock.advance(seconds=1)
            assert feed.react("bob", post.id, kind).changed

        # then
        assert set(feed.post("bob", post.id).viewer.reacted) == {"like", "love"}
        assert feed.post("bob", post.id).counts.reactions == 2

        # when
        clock.advance(seconds=1)
        feed.react("bob", post.id, "laugh")

        # then: the oldest has gone
        assert set(feed.post("bob", post.id).viewer.reacted) == {"laugh", "love"}
        relation = feed.unreact("bob", post.id, "love")
        assert (relation.active, relation.changed) == (True, True)
        assert not feed.unreact("bob", post.id).active
        assert feed.post("bob", post.id).counts == Counts()


def test_doing_it_twice_changes_nothing(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    assert feed.react("bob", post.id).changed
    again = feed.react("bob", post.id)
    assert (again.active, again.changed) == (True, False)
    assert feed.post("bob", post.id).counts.reactions == 1

    assert feed.unreact("bob", post.id).changed
    again = feed.unreact("bob", post.id)
    assert (again.active, again.changed) == (False, False)
    assert not feed.unreact("nobody", post.id).changed
    assert feed.post("bob", post.id).counts.reactions == 0
    assert len(events_of(feed)) == 2


def test_only_the_kind_that_is_named_is_taken_back(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    feed.react("bob", post.id, "love")
    other = feed.unreact("bob", post.id, "like")
    assert (other.active, other.changed) == (True, False)
    assert feed.post("bob", post.id).viewer.reacted == ("love",)


@pytest.mark.parametrize(
    "kind", ["LIKE", "", "like,love", "liked", 1, None, b"like", "like\0", "👍", "x" * 10_000]
)
def test_a_kind_that_there_is_not_is_refused_with_those_that_there_are(
    feed: feedkit.Feed[str], post: feedkit.Post, kind: Any
) -> None:
    with pytest.raises(InvalidArgument, match="kind must be one of like, love, laugh; got") as refused:
        feed.react("bob", post.id, kind)
    assert refused.value.argument == "kind"
    assert len(str(refused.value)) < 300
    if kind is not None:  # None is any
        for call in (feed.unreact, feed.reactions):
            with pytest.raises(InvalidArgument):
                call("bob", post.id, kind)
    assert events_of(feed) == []


@pytest.mark.parametrize(
    "text", ["", "Like", "like,", "like,like", "a b", "l\0", ",".join(f"k{n}" for n in range(33))]
)
def test_kinds_are_names(text: str) -> None:
    with pytest.raises(InvalidArgument, match="reaction_kinds must be up to 32 different names"):
        Settings(reaction_kinds=text)
    with pytest.raises(InvalidArgument, match="reaction_kinds"):
        Settings.from_env(environ={"FEEDKIT_REACTION_KINDS": text})


def test_the_environment_names_the_kinds() -> None:
    settings = Settings.from_env(environ={"FEEDKIT_REACTION_KINDS": " like,so-sad "})
    assert settings.reaction_kinds == "like,so-sad"


def test_a_reaction_whose_kind_was_taken_out_stays(backend_url: str, request: pytest.FixtureRequest) -> None:
    if backend_url == "memory://":
        pytest.skip("nothing is left of it when it is closed")
    with opened(backend_url) as feed:
        post = feed.publish("ada", text="hello")
        feed.react("bob", post.id, "laugh")
    with opened(backend_url, settings=Settings(reaction_kinds="like")) as feed:
        assert feed.post("bob", post.id).viewer.reacted == ("laugh",)
        assert keys(feed.reactions("ada", post.id)) == ["bob"]
        assert feed.unreact("bob", post.id).changed
        assert feed.post("bob", post.id).counts.reactions == 0


# what there is to react to


def refusals(feed: feedkit.Feed[str], actor: str, target: int) -> set[str]:
    """The errors of every verb that asks for that post or comment."""
    found = set()
    calls: list[Any] = [
        lambda: feed.react(actor, target),
        lambda: feed.save(actor, target),
        lambda: feed.reactions(actor, target),
        lambda: feed.comment(actor, target, text="x"),
        lambda: feed.comments(actor, target),
    ]
    for number, call in enumerate(calls):
        with pytest.raises(NotFound) as refused:
            call()
        found.add(f"{number} {refused.value} {refused.value.to_dict()}")
    return found


def test_l08_hidden_deleted_and_nonexistent_are_the_same(feed: feedkit.Feed[str]) -> None:
    # given
    deleted = feed.publish("ada", text="deleted")
    feed.delete("ada", deleted.id)
    narrow = feed.publish("ada", text="narrow", audience="followers")
    own = feed.publish("ada", text="own", audience="only_me")
    blocking = feed.publish("eve", text="of somebody who blocks bob")
    feed.block("eve", "bob")
    blocked = feed.publish("cat", text="of somebody whom bob blocks")
    feed.block("bob", "cat")

    # then
    hidden = [deleted.id, narrow.id, own.id, blocking.id, blocked.id]
    told = [refusals(feed, "bob", target) for target in [*hidden, MAX_ID, 1]]
    assert all(one == told[0] for one in told)
    assert len(told[0]) == 5
    for target in hidden:
        assert not feed.unreact("bob", target).changed
        assert not feed.unsave("bob", target).changed
    assert events_of(feed) == []


def test_what_is_ones_own_can_be_taken_back_from_what_is_hidden_since(feed: feedkit.Feed[str]) -> None:
    # given
    post = feed.publish("ada", text="hello")
    feed.react("bob", post.id)
    feed.save("bob", post.id)
    feed.block("ada", "bob")

    # then
    assert feed.unreact("bob", post.id).changed
    assert feed.unsave("bob", post.id).changed
    assert feed.post("ada", post.id).counts.reactions == 0


@pytest.mark.parametrize("target", ["x", 0, -1, True, None, 1.0, MAX_ID + 1])
def test_an_id_is_an_id(feed: feedkit.Feed[str], target: Any) -> None:
    for call in (feed.react, feed.unreact, feed.reactions, feed.save, feed.unsave):
        with pytest.raises(InvalidArgument, match="must be a feedkit id"):
            call("bob", target)


def test_ids_may_be_strings(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    assert feed.react("bob", str(post.id)).changed
    assert keys(feed.reactions("bob", str(post.id))) == ["bob"]


# who reacted


def test_those_who_reacted_last_come_first(
    feed: feedkit.Feed[str], post: feedkit.Post, clock: ManualClock
) -> None:
    # given
    names = ["bob", "cat", "dan", "eve", "fay"]
    for name in names:
        clock.advance(seconds=1)
        feed.react(name, post.id, "love" if name == "cat" else "like")

    # then
    assert whole(feed, "ada", post.id) == names[::-1]
    assert whole(feed, "ada", post.id, "like") == ["fay", "eve", "dan", "bob"]
    assert whole(feed, "ada", post.id, "laugh") == []
    assert keys(feed.reactions(None, post.id, limit=5)) == names[::-1]


def test_at_one_moment_nobody_is_lost_between_pages(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    names = [f"reader{nth}" for nth in range(9)]
    for nth, name in enumerate(names):
        feed.react(name, post.id, ("like", "love", "laugh")[nth % 3])
    for limit in (1, 2, 4, 9):
        found = whole(feed, "ada", post.id, limit=limit)
        assert sorted(found) == names


def test_whoever_reacted_in_several_ways_is_named_once(backend_url: str, clock: ManualClock) -> None:
    with opened(backend_url, clock=clock, settings=SEVERAL) as feed:
        post = feed.publish("ada", text="hello")
        for name, kind in (
            ("bob", "like"),
            ("cat", "like"),
            ("bob", "love"),
            ("dan", "laugh"),
            ("dan", "love"),
        ):
            clock.advance(seconds=1)
            feed.react(name, post.id, kind)
        assert whole(feed, "ada", post.id, limit=1) == ["dan", "bob", "cat"]
        assert whole(feed, "ada", post.id, "like", limit=1) == ["cat", "bob"]


def test_the_blocked_and_the_suspended_are_not_named(
    feed: feedkit.Feed[str], post: feedkit.Post, clock: ManualClock
) -> None:
    # given
    for name in ("bob", "cat", "dan", "eve"):
        clock.advance(seconds=1)
        feed.react(name, post.id)
    feed.block("bob", "viewer")
    feed.block("viewer", "cat")
    suspend(feed, "dan")

    # then
    assert whole(feed, "viewer", post.id, limit=1) == ["eve"]
    assert whole(feed, "ada", post.id, limit=1) == ["eve", "cat", "bob"]
    assert whole(feed, "bob", post.id) == ["eve", "cat", "bob"]


def suspend(feed: feedkit.Feed[str], name: str) -> None:
    """As staff do it, in truth."""
    runtime = feed.runtime()
    user = feed.users.get([name])[name]
    event = Event(EventKind.USER_CHANGED, user.id, user.id, feed.wiring.clock.now_ms())

    def work(tx: Any) -> None:
        runtime.truth.users.patch(tx, user.id, {"status": "suspended"})
        runtime.truth.events.append(tx, event)

    runtime.truth.write(work)


def test_cursors_are_for_one_viewer_and_list(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    # given
    other = feed.publish("ada", text="other")
    for name in ("bob", "cat"):
        feed.react(name, post.id)
        feed.react(name, other.id)
        feed.save(name, post.id)
        feed.save(name, other.id)
    cursor = feed.reactions("ada", post.id, limit=1).next_cursor
    assert cursor is not None

    # then
    wrong: list[Any] = [
        lambda: feed.reactions("bob", post.id, cursor=cursor),
        lambda: feed.reactions("ada", other.id, cursor=cursor),
        lambda: feed.reactions("ada", post.id, "like", cursor=cursor),
        lambda: feed.saved("ada", cursor=cursor),
        lambda: feed.home("ada", cursor=cursor),
        lambda: feed.reactions("ada", post.id, cursor=cursor[:-1]),
        lambda: feed.saved("cat", cursor=feed.saved("bob", limit=1).next_cursor),
    ]
    for call in wrong:
        with pytest.raises(InvalidCursor):
            call()


# comments


def test_comments_are_reacted_to_like_posts(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    # given
    comment = feed.comment("bob", post.id, text="nice")

    # when
    feed.react("cat", comment.id, "love")

    # then
    (item,) = feed.comments("cat", post.id)
    assert (item.counts.reactions, item.viewer.reacted) == (1, ("love",))
    assert keys(feed.reactions("ada", comment.id)) == ["cat"]
    assert feed.post("cat", post.id).counts.reactions == 0
    feed.delete_comment("bob", comment.id)
    for call in (feed.react, feed.reactions):
        with pytest.raises(NotFound):
            call("cat", comment.id)
    assert feed.unreact("cat", comment.id).changed


def test_only_posts_are_saved(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    comment = feed.comment("bob", post.id, text="nice")
    with pytest.raises(NotFound):
        feed.save("bob", comment.id)


# saves


def test_what_was_saved_last_comes_first(feed: feedkit.Feed[str], clock: ManualClock) -> None:
    # given
    posts = [feed.publish("ada", text=str(nth)) for nth in range(5)]
    for post in reversed(posts):
        clock.advance(seconds=1)
        assert feed.save("bob", post.id).changed
    assert not feed.save("bob", posts[0].id).changed

    # when
    page = feed.saved("bob", limit=2)
    following = feed.saved("bob", limit=2, cursor=page.next_cursor)

    # then
    assert ids(page) + ids(following) == [post.id for post in posts[:4]]
    assert all(item.viewer.saved for item in page)
    assert not feed.post("ada", posts[0].id).viewer.saved
    assert ids(feed.saved("ada")) == ids(feed.saved("nobody")) == []

    # when
    clock.advance(seconds=1)
    late = feed.publish("ada", text="late")
    feed.save("bob", late.id)

    # then
    assert ids(feed.saved("bob", cursor=page.newer_cursor)) == [late.id]
    assert ids(feed.saved("bob", cursor=feed.saved("bob").newer_cursor)) == []
    assert feed.unsave("bob", posts[0].id).changed
    assert not feed.unsave("bob", posts[0].id).changed
    assert not feed.post("bob", posts[0].id).viewer.saved
    assert ids(feed.saved("bob")) == [late.id, *(post.id for post in posts[1:])]


def test_an_empty_list_of_saves_tells_what_comes(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    newer = feed.saved("bob").newer_cursor
    feed.save("bob", post.id)
    page = feed.saved("bob", cursor=newer)
    assert ids(page) == [post.id]
    assert ids(feed.saved("bob", cursor=page.newer_cursor)) == []


def test_what_is_hidden_since_is_left_out_and_pages_are_full(
    feed: feedkit.Feed[str], clock: ManualClock
) -> None:
    # given
    posts = [feed.publish("ada" if nth % 2 else "cat", text=str(nth)) for nth in range(40)]
    for post in posts:
        clock.advance(seconds=1)
        feed.save("bob", post.id)

    # when
    feed.block("cat", "bob")
    feed.delete("ada", posts[-1].id)

    # then
    visible = [post.id for post in reversed(posts[:-1]) if post.author_id == posts[1].author_id]
    page = feed.saved("bob", limit=5)
    found = ids(page)
    while page.next_cursor:
        assert len(page) == 5
        page = feed.saved("bob", limit=5, cursor=page.next_cursor)
        found += ids(page)
    assert found == visible
    feed.unblock("cat", "bob")
    assert len(feed.saved("bob", limit=100)) == 39


# transactions


def test_in_a_hosts_transaction_all_or_nothing(backend_url: str) -> None:
    if backend_url == "memory://":
        pytest.skip("a feed in memory has no connection to join")
    engine = sa.create_engine(backend_url)
    try:
        with opened(engine) as feed:
            post = feed.publish("ada", text="hello")
            before = rows(engine, "events")
            # when
            with engine.connect() as connection, connection.begin() as transaction:
                feed.react("bob", post.id, connection=connection)
                feed.react("bob", post.id, "love", connection=connection)
                feed.save("bob", post.id, connection=connection)
                comment = feed.comment("bob", post.id, text="nice", connection=connection)
                feed.edit_comment("bob", comment.id, text="nicer", connection=connection)
                with pytest.raises(NotFound):
                    feed.react("bob", MAX_ID, connection=connection)
                assert feed.delete_comment("bob", comment.id, connection=connection)
                assert feed.unsave("bob", post.id, connection=connection).changed
                transaction.rollback()
            # then
            assert rows(engine, "events") == before
            assert rows(engine, "comments") == 0
            assert feed.post("bob", post.id).viewer.reacted == ()
            # when
            with engine.begin() as connection:
                feed.react("bob", post.id, "love", connection=connection)
                feed.comment("bob", post.id, text="nice", connection=connection)
            # then
            item = feed.post("bob", post.id)
            assert (item.viewer.reacted, item.counts.reactions, item.counts.comments) == (("love",), 1, 1)
    finally:
        engine.dispose()


# many at once


def test_a02_flapping_leaves_one_reaction_and_an_exact_count(backend_url: str) -> None:
    kinds = ("like", "love", "laugh")
    with opened(backend_url) as feed:
        # given
        post = feed.publish("ada", text="hello")
        names = ["bob", "cat"]
        feed.follow("bob", "ada")

        def flap(nth: int) -> None:
            name = names[nth % 2]
            if nth % 5 == 4:
                feed.unreact(name, post.id)
            else:
                feed.react(name, post.id, kinds[nth % 3])

        # when
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(flap, range(120)))

        # then
        feed.drain()
        left = {name: feed.post(name, post.id).viewer.reacted for name in names}
        counts = feed.post(None, post.id).counts
        assert all(len(reacted) <= 1 for reacted in left.values())
        assert counts.reactions == sum(map(len, left.values())) == sum(counts.reacted.values())
        stored = stored_reactions(feed)
        assert stored["reacted:"] == stored["reacted_by:"] == counts.reactions


def stored_reactions(feed: feedkit.Feed[str]) -> dict[str, int]:
    links = TABLES.associations
    runtime = feed.runtime()

    def count(prefix: str) -> int:
        statement = f"SELECT count(*) FROM {links.name} WHERE kind LIKE '{prefix}%'"
        return int(runtime.truth.read(lambda tx: tx.raw.cursor().execute(statement).fetchone()[0]))

    return {prefix: count(prefix) for prefix in ("reacted:", "reacted_by:")}


def test_a03_the_bound_per_person_holds_under_parallel_requests(backend_url: str) -> None:
    with opened(backend_url, settings=SEVERAL) as feed:
        post = feed.publish("ada", text="hello")
        feed.follow("bob", "ada")
        for _ in range(5):
            with ThreadPoolExecutor(6) as pool:
                list(pool.map(lambda kind: feed.react("bob", post.id, kind), ["like", "love", "laugh"] * 4))
            item = feed.post("bob", post.id)
            assert len(item.viewer.reacted) == 2
            assert item.counts.reactions == 2
            feed.unreact("bob", post.id)
