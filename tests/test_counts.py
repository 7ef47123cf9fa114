"""Counts of what was done to posts and comments, and what the viewer did, the same on every database."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import feedkit
from feedkit import Counts, ManualClock, Settings
from feedkit.model import Count, Event, EventKind
from tests.cases.case_tools import START, opened

IDLE = {"deliver": "thread", "settings": Settings(poll_interval_ms=60_000)}
"""Nobody applies the log to truth but who drains."""


@pytest.fixture
def feed(backend_url: str) -> Iterator[feedkit.Feed[str]]:
    with opened(backend_url) as made:
        yield made


@pytest.fixture
def idle(backend_url: str) -> Iterator[feedkit.Feed[str]]:
    with opened(backend_url, **IDLE) as made:
        yield made


@pytest.fixture
def post(feed: feedkit.Feed[str]) -> feedkit.Post:
    return feed.publish("ada", text="hello")


def counts(feed: feedkit.Feed[str], viewer: str | None, post_id: int) -> Counts:
    return feed.post(viewer, post_id).counts


def stored(feed: feedkit.Feed[str], object_id: int) -> dict[str, int]:
    """The counters as truth has them."""
    truth = feed.runtime().truth
    found = truth.read(lambda tx: truth.counts.get_many(tx, (object_id,))).get(object_id, {})
    return {kind: value for kind, value in found.items() if value}


# what counts


def test_everything_that_is_done_to_a_post_is_counted(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    feed.follow("bob", "ada")
    feed.react("bob", post.id)
    feed.react("cat", post.id, "love")
    comment = feed.comment("bob", post.id, text="x")
    feed.comment("cat", post.id, text="y", parent=comment.id)
    feed.publish("bob", text="an answer", reply_to=post.id)
    for served in (feed.post("dan", post.id), feed.home("bob").items[1], feed.posts.get(None, [post.id])[0]):
        assert served is not None
        assert served.counts == Counts(reactions=2, comments=2, replies=1, reacted={"like": 1, "love": 1})
    feed.drain()
    assert stored(feed, comment.id) == {Count.REPLIES: 1}


def append(feed: feedkit.Feed[str], *events: Event) -> None:
    truth = feed.runtime().truth

    def work(tx: Any) -> None:
        for event in events:
            truth.events.append(tx, event)

    truth.write(work)


ROLES = {"reply": "replies", "repost": "reposts", "quote": "quotes"}


def test_answers_reposts_and_quotes_are_counted_by_what_the_log_says(
    feed: feedkit.Feed[str], post: feedkit.Post
) -> None:
    other = feed.publish("cat", text="other")
    bob = feed.users.put("bob").id

    def say(kind: EventKind, audience: str, before: str = "") -> None:
        about = tuple((role, post.id) for role in ROLES)
        append(
            feed,
            Event(
                kind,
                bob,
                other.id,
                0,
                other.position,
                audience=feedkit.Audience(audience),
                detail=before,
                about=about,
            ),
        )

    def shown() -> set[int]:
        of = counts(feed, "dan", post.id)
        return {of.replies, of.reposts, of.quotes}

    published, edited, deleted = EventKind.POST_PUBLISHED, EventKind.POST_EDITED, EventKind.POST_DELETED
    story: list[tuple[int, tuple[Any, ...]]] = [
        (0, (published, "followers")),
        (1, (edited, "public", "followers")),
        (1, (edited, "public", "public")),
        (1, (edited, "unlisted", "public")),
        (0, (edited, "friends", "unlisted")),
        (0, (edited, "only_me", "friends")),
        (1, (published, "unlisted")),
        (1, (published, "unlisted")),
        (0, (deleted, "unlisted")),
        (0, (deleted, "unlisted")),
        (0, (published, "list")),
        (0, (deleted, "list")),
        (1, (published, "public")),
    ]
    for expected, told in story:
        say(*told)
        assert shown() == {expected}, told
        feed.drain()
        feed.wipe()
        assert shown() == {expected}, told


def test_an_edit_of_the_audience_moves_the_count(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    answer = feed.publish("bob", text="x", reply_to=post.id)
    for audience, expected in (
        ("followers", 0),
        ("unlisted", 1),
        ("public", 1),
        ("only_me", 0),
        ("public", 1),
    ):
        feed.edit("bob", answer.id, audience=audience)
        assert counts(feed, "dan", post.id).replies == expected
    assert feed.profile(None, "bob").counts.posts == 1
    feed.delete("bob", answer.id)
    assert counts(feed, "dan", post.id).replies == 0
    assert feed.profile(None, "bob").counts.posts == 0


def test_answers_of_private_authors_are_not_counted(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    # given
    truth = feed.runtime().truth
    private = feed.users.put("eve").id
    truth.write(lambda tx: truth.users.patch(tx, private, {"private": 1}))

    # when
    hidden = feed.publish("eve", text="x", reply_to=post.id)
    shown = feed.publish("bob", text="x", reply_to=post.id)

    # then
    assert counts(feed, "dan", post.id).replies == 1
    truth.write(lambda tx: truth.users.patch(tx, private, {"private": 0}))
    feed.delete("eve", hidden.id)
    assert counts(feed, "dan", post.id).replies == 1, "what was never counted is not taken out"
    feed.delete("bob", shown.id)
    assert counts(feed, "dan", post.id).replies == 0


@pytest.mark.parametrize("private", [False, True])
def test_what_counts_is_whether_the_author_was_private_when_they_published(
    idle: feedkit.Feed[str], private: bool
) -> None:
    # given
    post = idle.publish("ada", text="hello")
    idle.users.put("eve", private=private)
    idle.publish("eve", text="x", reply_to=post.id)

    # when
    idle.users.put("eve", private=not private)
    idle.drain()

    # then
    assert counts(idle, "ada", post.id).replies == (not private)


def test_what_was_never_counted_is_not_taken_out_for_who_is_blocked(feed: feedkit.Feed[str]) -> None:
    # given
    post = feed.publish("ada", text="hello")
    feed.users.put("eve", private=True)
    feed.publish("eve", text="x", reply_to=post.id)
    feed.publish("bob", text="y", reply_to=post.id)
    feed.drain()

    # when
    feed.users.put("eve", private=False)
    feed.block("eve", "dan")

    # then
    assert counts(feed, "dan", post.id).replies == counts(feed, "ada", post.id).replies == 1


# at once


def test_ones_own_actions_are_seen_at_once_though_the_log_is_not_applied(idle: feedkit.Feed[str]) -> None:
    # given
    post = idle.publish("ada", text="hello")

    # then
    for kind in ("like", "love"):
        idle.react("bob", post.id, kind)
        item = idle.post("bob", post.id)
        assert (item.viewer.reacted, dict(item.counts.reacted)) == ((kind,), {kind: 1})
    idle.unreact("bob", post.id)
    item = idle.post("bob", post.id)
    assert (item.viewer.reacted, item.counts) == ((), Counts())
    comment = idle.comment("bob", post.id, text="x")
    idle.comment("bob", post.id, text="y", parent=comment.id)
    assert counts(idle, "bob", post.id).comments == 2
    assert idle.comments("bob", post.id).items[0].counts.replies == 1
    idle.publish("bob", text="z", reply_to=post.id)
    assert counts(idle, "bob", post.id).replies == 1
    assert stored(idle, post.id) == {}, "nobody has applied the log"
    idle.drain()
    assert counts(idle, "bob", post.id) == Counts(comments=2, replies=1)


def test_far_behind_counts_lag_and_do_not_contradict(idle: feedkit.Feed[str]) -> None:
    post = idle.publish("ada", text="hello")
    idle.react("cat", post.id)
    for nth in range(220):
        idle.publish("ada", text=str(nth))
    idle.react("bob", post.id, "love")
    mine, theirs = idle.post("bob", post.id), idle.post("dan", post.id)
    assert mine.viewer.reacted == ("love",)
    assert mine.counts == Counts(reactions=1, reacted={"love": 1})
    assert theirs.counts == Counts()
    idle.drain()
    for viewer in ("bob", "dan"):
        assert counts(idle, viewer, post.id) == Counts(reactions=2, reacted={"like": 1, "love": 1})


def test_counts_that_lag_are_cached_whole(idle: feedkit.Feed[str]) -> None:
    post = idle.publish("ada", text="hello")
    idle.react("cat", post.id)
    runtime = idle.runtime()
    relations = runtime.readthrough.viewer(0).relations
    runtime.log.catch_up()
    (first,) = runtime.readthrough.doings.of(relations, [post.id])
    before = runtime.truth.times_read()
    (again,) = runtime.readthrough.doings.of(relations, [post.id])
    assert again.counts == first.counts
    assert runtime.truth.times_read() == before
    idle.drain()
    assert counts(idle, None, post.id).reactions == 1


# what counts would tell (L09)


def test_l09_counts_do_not_tell_of_who_is_blocked(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    # given
    comment = feed.comment("cat", post.id, text="of somebody else")
    for nth, name in enumerate(("blocks", "blocked", "other")):
        feed.react(name, post.id, ("like", "love", "like")[nth])
        feed.comment(name, post.id, text="x")
        feed.comment(name, post.id, text="y", parent=comment.id)
        feed.react(name, comment.id)
        feed.publish(name, text="z", reply_to=post.id)
    whole = Counts(reactions=3, comments=7, replies=3, reacted={"like": 2, "love": 1})
    assert counts(feed, "viewer", post.id) == whole

    # when
    feed.block("blocks", "viewer")
    feed.block("viewer", "blocked")

    # then
    for _ in "both paths":
        assert counts(feed, "viewer", post.id) == Counts(
            reactions=1, comments=3, replies=1, reacted={"like": 1}
        )
        (item,) = [one for one in feed.comments("viewer", post.id) if one.comment.id == comment.id]
        assert item.counts == Counts(reactions=1, replies=1, reacted={"like": 1})
        assert len(feed.comments("viewer", post.id, parent=comment.id)) == 1
        assert len(feed.reactions("viewer", post.id)) == 1
        assert counts(feed, "ada", post.id) == counts(feed, None, post.id) == whole
        feed.wipe()

    # when: they go on, and take back
    feed.react("blocks", post.id, "laugh")
    feed.unreact("blocked", post.id)
    feed.comment("blocked", post.id, text="more")
    assert counts(feed, "viewer", post.id) == Counts(reactions=1, comments=3, replies=1, reacted={"like": 1})
    feed.react("viewer", post.id, "laugh")
    assert counts(feed, "viewer", post.id).reacted == {"like": 1, "laugh": 1}
    assert counts(feed, "ada", post.id).reacted == {"like": 1, "laugh": 2}

    # when
    feed.unblock("blocks", "viewer")
    feed.unblock("viewer", "blocked")
    assert counts(feed, "viewer", post.id) == counts(feed, "ada", post.id)


def test_l09_ten_viewers_of_one_cache_get_their_own_counts(
    feed: feedkit.Feed[str], post: feedkit.Post
) -> None:
    names = [f"reader{nth}" for nth in range(10)]
    for name in names:
        feed.react(name, post.id)
    for nth, name in enumerate(names):
        for other in names[:nth]:
            feed.block(name, other)
    for _ in "both paths":
        # Everybody is in a block with everybody else: each sees their own reaction alone.
        assert {counts(feed, name, post.id).reactions for name in names} == {1}
        assert counts(feed, None, post.id).reactions == 10
        feed.wipe()


def test_l09_what_is_deleted_or_narrowed_is_taken_out_once(
    feed: feedkit.Feed[str], post: feedkit.Post
) -> None:
    feed.publish("other", text="x", reply_to=post.id)
    answers = [feed.publish("eve", text=str(nth), reply_to=post.id) for nth in range(3)]
    comments = [feed.comment("eve", post.id, text=str(nth)) for nth in range(3)]
    feed.comment("other", post.id, text="x")
    feed.block("eve", "viewer")
    feed.delete("eve", answers[0].id)
    feed.edit("eve", answers[1].id, audience="followers")
    feed.delete_comment("eve", comments[0].id)
    for _ in "both paths":
        assert counts(feed, "viewer", post.id) == Counts(comments=1, replies=1)
        assert counts(feed, "ada", post.id) == Counts(comments=3, replies=2)
        feed.wipe()


# many at once


def test_a_reader_between_two_steps_leaves_nothing_stale(feed: feedkit.Feed[str], post: feedkit.Post) -> None:
    """One thread reads counts after another has applied an event here, and before it says so."""
    # given
    runtime = feed.runtime()
    relations = runtime.readthrough.viewer(0).relations
    meanwhile: list[Counts] = []

    class Between:
        def apply(self, events: Sequence[Event]) -> None:
            with ThreadPoolExecutor(1) as other:
                (shown,) = other.submit(runtime.readthrough.doings.of, relations, [post.id]).result()
            meanwhile.append(shown.counts)

        def clear(self) -> None: ...

    feed.home("bob")
    runtime.tail._consumers = [*runtime.tail._consumers, Between()]

    # when
    feed.react("cat", post.id)
    shown = counts(feed, None, post.id)

    # then
    assert meanwhile, "nobody looked"
    assert shown.reactions == 1
    assert counts(feed, None, post.id).reactions == 1


FLAPPING = """
import sys
import feedkit
url, name, post_id, times = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with feedkit.connect(url) as feed:
    for nth in range(times):
        kind = ("like", "love", "laugh")[nth % 3]
        feed.react(name, post_id, kind)
        item = feed.post(name, post_id)
        assert item.viewer.reacted == (kind,), item
        assert item.counts.reacted.get(kind, 0) >= 1, item
        if nth % 4 == 3:
            feed.unreact(name, post_id)
            assert feed.post(name, post_id).viewer.reacted == ()
            feed.delete_comment(name, feed.comment(name, post_id, text="x").id)
    feed.comment(name, post_id, text="last")
"""


def test_two_processes_race_and_both_end_exact(backend_url: str) -> None:
    if backend_url == "memory://":
        pytest.skip("memory belongs to one process")
    with ExitStack() as stack:
        feed = stack.enter_context(opened(backend_url))
        post = feed.publish("ada", text="hello")
        command = [sys.executable, "-W", "error", "-c", FLAPPING, backend_url]
        others = [
            stack.enter_context(
                subprocess.Popen([*command, name, str(post.id), "30"], stderr=subprocess.PIPE, text=True)
            )
            for name in ("bob", "cat")
        ]
        while any(other.poll() is None for other in others):
            for _ in range(5):
                of = counts(feed, None, post.id)
                assert 0 <= of.reactions == sum(of.reacted.values()) <= 3
            feed.react("eve", post.id)
            assert feed.post("eve", post.id).counts.reactions >= 1
            feed.unreact("eve", post.id)
        for other in others:
            assert other.wait() == 0, other.stderr and other.stderr.read()
        feed.drain()
        for _ in "both paths":
            left = {name: feed.post(name, post.id).viewer.reacted for name in ("bob", "cat")}
            kinds = Counter(kind for reacted in left.values() for kind in reacted)
            assert counts(feed, None, post.id) == Counts(
                reactions=kinds.total(), comments=2, reacted=dict(kinds)
            )
            feed.wipe()


def test_f14_counters_and_their_place_in_the_log_commit_together(idle: feedkit.Feed[str]) -> None:
    """A worker that dies after it has applied a batch, before it commits."""
    post = idle.publish("ada", text="hello")
    for name in ("bob", "cat", "dan"):
        idle.react(name, post.id)
    runtime = idle.runtime()
    set_offsets = runtime.truth.events.set_offsets

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    for _ in range(3):
        runtime.truth.events.set_offsets = die  # type: ignore[method-assign,assignment]
        with pytest.raises(KeyboardInterrupt):
            runtime.worker.run()
    runtime.truth.events.set_offsets = set_offsets  # type: ignore[method-assign]
    idle.drain()
    idle.drain()
    assert stored(idle, post.id)[Count.REACTIONS] == 3
    assert counts(idle, None, post.id).reactions == 3


# any interleaving

NAMES = ("ada", "bob", "cat")
KINDS = ("like", "love")


class Model:
    """What was done, in dictionaries."""

    def __init__(self) -> None:
        self.reacted: dict[tuple[str, int], str] = {}
        self.saved: set[tuple[str, int]] = set()
        self.comments: dict[int, tuple[int, int | None, str]] = {}
        self.gone: set[int] = set()
        self.answers: dict[int, tuple[int, str, str]] = {}
        self.blocks: set[frozenset[str]] = set()

    def counts(self, viewer: str, target: int) -> Counts:
        hidden = {name for name in NAMES if frozenset((viewer, name)) in self.blocks}
        kinds = Counter(
            kind for (name, one), kind in self.reacted.items() if one == target and name not in hidden
        )
        alive = {
            one: told for one, told in self.comments.items() if one not in self.gone and told[2] not in hidden
        }
        answers = [
            one
            for one, audience, name in self.answers.values()
            if one == target and audience in ("public", "unlisted") and name not in hidden
        ]
        return Counts(
            reactions=kinds.total(),
            comments=sum(told[0] == target for told in alive.values()),
            replies=sum(told[1] == target for told in alive.values()) + len(answers),
            reacted=dict(kinds),
        )


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ("react", "unreact", "save", "comment", "delete", "answer", "edit", "drain", "wipe", "block")
        ),
        st.integers(0, 1),
        st.integers(0, 999),
        st.integers(0, 999),
    ),
    max_size=25,
)


def run(feeds: Sequence[feedkit.Feed[str]], steps: Sequence[tuple[str, int, int, int]], host: str) -> None:
    """Do it through either feed, and compare what each shows with the model."""
    model = Model()
    posts = [feeds[0].publish(host, text="x").id for _ in range(2)]
    for verb, which, a, b in steps:
        feed, name, other = feeds[which], NAMES[a % 3], NAMES[b % 3]
        alive = [one for one in model.comments if one not in model.gone and not model.blocks]
        target = [*posts, *alive][b % (2 + len(alive))]
        match verb:
            case "react":
                feed.react(name, target, KINDS[a % 2])
                model.reacted[name, target] = KINDS[a % 2]
            case "unreact":
                assert feed.unreact(name, target).changed == ((name, target) in model.reacted)
                model.reacted.pop((name, target), None)
            case "save":
                feed.save(name, posts[b % 2])
                model.saved.add((name, posts[b % 2]))
            case "comment":
                parent = None if target in posts else target
                post_id = posts[b % 2] if parent is None else model.comments[parent][0]
                made = feed.comment(name, post_id, text="x", parent=parent)
                model.comments[made.id] = (post_id, made.parent_id, name)
            case "delete" if alive:
                feed.delete_comment(host, alive[a % len(alive)])
                model.gone.add(alive[a % len(alive)])
            case "answer":
                made_post = feed.publish(name, text="x", reply_to=posts[b % 2])
                model.answers[made_post.id] = (posts[b % 2], "public", name)
            case "edit" if model.answers:
                answer, (post_id, _, author) = list(model.answers.items())[a % len(model.answers)]
                audience = ("public", "followers", "unlisted")[b % 3]
                feed.edit(author, answer, audience=audience)
                model.answers[answer] = (post_id, audience, author)
            case "drain" | "wipe":
                getattr(feed, verb)()
            case "block" if name != other:
                feed.block(name, other)
                model.blocks.add(frozenset((name, other)))
        compare(feeds, model, posts)
    for feed in feeds:
        feed.drain()
        feed.wipe()
    compare(feeds, model, posts)


def compare(feeds: Sequence[feedkit.Feed[str]], model: Model, posts: Sequence[int]) -> None:
    for feed in feeds:
        for viewer in NAMES:
            for item in feed.posts.get(viewer, posts):
                assert item is not None
                assert item.counts == model.counts(viewer, item.post.id)
                own = model.reacted.get((viewer, item.post.id))
                assert item.viewer.reacted == ((own,) if own else ())
                assert item.viewer.saved == ((viewer, item.post.id) in model.saved)
                for shown in feed.comments(viewer, item.post.id, limit=50):
                    expected = model.counts(viewer, shown.comment.id)
                    if shown.author is not None:
                        assert shown.counts == expected
                    else:
                        assert shown.counts == Counts(replies=expected.replies)


@pytest.mark.parametrize("second", [{}, IDLE], ids=["inline", "idle"])
def test_any_interleaving_over_two_feeds_is_what_the_model_says(
    backend_url: str, tmp_path: Any, second: dict[str, Any]
) -> None:
    """`host` writes the posts, and is in no block: everybody sees them."""
    if backend_url == "memory://":
        pytest.skip("memory belongs to one feed")
    with opened(backend_url, **second) as one, opened(backend_url, **second) as other:

        @settings(max_examples=30, suppress_health_check=list(HealthCheck))
        @given(steps=STEPS, host=st.integers(0, 10**9).map("host{}".format))
        def interleaved(steps: Sequence[tuple[str, int, int, int]], host: str) -> None:
            for name in NAMES:
                for target in NAMES:
                    if name != target:
                        one.unblock(name, target)
            run((one, other), steps, host)

        interleaved()


def test_what_expires_is_in_no_counter(backend_url: str) -> None:
    clock = ManualClock(START)
    with opened(backend_url, clock=clock) as feed:
        # given stories that answer, quote and repost beside posts that stay
        post = feed.publish("ada", text="hello")
        for lifetime in (timedelta(hours=1), None):
            feed.publish("bob", text="re", reply_to=post.id, expires_in=lifetime)
            feed.publish("bob", text="look", quote_of=post.id, expires_in=lifetime)
        story = feed.publish("ada", text="at the lake", expires_in=timedelta(hours=1))
        feed.repost("bob", story.id)

        # then a number tells the same before and after their end, drained or not
        def told() -> tuple[int, ...]:
            seen = counts(feed, None, post.id)
            return (
                seen.replies,
                seen.quotes,
                *(feed.profile(None, who).counts.posts for who in ("ada", "bob")),
            )

        assert told() == (1, 1, 1, 2)
        assert counts(feed, None, story.id).reposts == 1, "which both end at once"
        clock.advance(hours=2)
        assert told() == (1, 1, 1, 2)
        feed.drain()
        assert told() == (1, 1, 1, 2)
        assert len(feed.thread(None, post.id)) == 1
        assert len(feed.profile(None, "bob")) == 1, "the repost ended with what it shares"
        assert len(feed.profile(None, "bob", tab="replies")) == 1

        # and taking one back that never counted changes nothing
        clock.advance(hours=-2)
        feed.delete("ada", story.id)
        feed.block("cat", "bob")
        feed.drain()
        assert told() == (1, 1, 1, 2)
        assert (counts(feed, "cat", post.id).replies, counts(feed, "cat", post.id).quotes) == (0, 0)
