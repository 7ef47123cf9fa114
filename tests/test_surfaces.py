"""Threads, tags, lists, the tabs of profiles and counts of what is new: whole, in order, each entry once.

What a page must hold is worked out here from a record of what was done, and shares no code with feedkit.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import attrs
import pytest
import sqlalchemy as sa

import feedkit
from feedkit import InvalidArgument, InvalidCursor, ManualClock, NotFound, Page, Settings
from feedkit.ids import MAX_ID
from feedkit.storage.selections import Part, Span
from feedkit.storage.sql.truth import SqlTruth
from tests.cases.case_tools import START, ids, opened

Feed = feedkit.Feed[str]
Read = Callable[[str | None, int], Page[str]]
PEOPLE = ("ada", "bob", "cyd", "dot", "eve")
VIEWERS = (*PEOPLE, None)
TAGS = ("tea", "cake")
AUDIENCES = ("public", "public", "public", "unlisted", "followers", "friends", "only_me")


@pytest.fixture
def feed(backend_url: str) -> Iterator[Feed]:
    with opened(backend_url, clock=ManualClock(START), settings=Settings(outbox_entries=10)) as made:
        yield made


@attrs.define
class Told:
    """A post as the test published it."""

    id: int
    position: int
    author: str
    audience: str
    tags: set[str]
    media: bool
    reply_to: int | None = None
    repost_of: int | None = None
    kept: bool = False


class World:
    """People who publish at random, and the record of what they did."""

    def __init__(self, feed: Feed, seed: int) -> None:
        self.feed, self.rng = feed, random.Random(seed)
        self.posts: dict[int, Told] = {}
        self.follows: set[tuple[str, str]] = set()
        self.blocks: set[tuple[str, str]] = set()
        self.mutes: set[tuple[str, str]] = set()
        self.lists = {name: feed.lists.create(name, "close").id for name in PEOPLE}
        self.members: set[tuple[str, str]] = set()
        self._threads: list[Told] = []
        for actor in PEOPLE:
            for target in PEOPLE:
                if actor != target and self.rng.random() < 0.6:
                    self.follow(actor, target)
                if actor != target and self.rng.random() < 0.5:
                    feed.lists.add(actor, self.lists[actor], [target])
                    self.members.add((actor, target))

    # what is done

    def follow(self, actor: str, target: str) -> None:
        self.feed.follow(actor, target)
        self.follows.add((actor, target))

    def block(self, actor: str, target: str) -> None:
        self.feed.block(actor, target)
        self.blocks.add((actor, target))
        self.follows -= {(actor, target), (target, actor)}
        self.members -= {(actor, target), (target, actor)}

    def mute(self, actor: str, target: str) -> None:
        self.feed.mute(actor, target)
        self.mutes.add((actor, target))

    def publish(self) -> Told:
        author, audience = self.rng.choice(PEOPLE), self.rng.choice(AUDIENCES)
        seen = [post for post in self.posts.values() if self.sees(author, post) and post.repost_of is None]
        chance = self.rng.random()
        parent = self.rng.choice(seen[-6:]) if seen and chance < 0.5 else None
        shared = self.rng.choice(seen) if seen and chance > 0.85 else None
        if shared is not None and (shared.author == author or shared.audience in ("public", "unlisted")):
            made = self.feed.repost(author, shared.id)
            told = Told(made.id, made.position, author, str(made.audience), set(), False, None, shared.id)
            return self.posts.setdefault(made.id, told)
        tags = {tag for tag in TAGS if self.rng.random() < 0.4}
        media = self.rng.random() < 0.3
        made = self.feed.publish(
            author,
            text=" ".join(f"#{self.rng.choice((tag, tag.upper()))}" for tag in sorted(tags)),
            audience=audience,
            media=[{"url": "u"}] if media else [],
            reply_to=None if parent is None else parent.id,
        )
        told = Told(made.id, made.position, author, audience, tags, media, made.reply_to)
        self.posts[made.id] = told
        return told

    def delete(self) -> None:
        post = self.rng.choice([post for post in self.posts.values() if not post.kept])
        self.feed.delete(post.author, post.id)
        del self.posts[post.id]

    def retag(self) -> None:
        mine = [post for post in self.posts.values() if post.repost_of is None]
        post = self.rng.choice(mine)
        post.tags = set(TAGS) - post.tags
        self.feed.edit(post.author, post.id, text=" ".join(f"#{tag}" for tag in post.tags))

    # what must be seen

    def apart(self, one: str | None, other: str) -> bool:
        return (one, other) in self.blocks or (other, one) in self.blocks

    def sees(self, viewer: str | None, post: Told) -> bool:
        if post.id not in self.posts:
            return False
        if viewer == post.author:
            return True
        if self.apart(viewer, post.author):
            return False
        follows, back = (viewer, post.author) in self.follows, (post.author, viewer) in self.follows
        return {
            "public": True,
            "unlisted": True,
            "followers": follows,
            "friends": follows and back,
            "only_me": False,
        }[post.audience]

    def shows(self, viewer: str | None, post: Told, *, muted: bool) -> bool:
        """It, and what it shares; `muted` where those are shown whom the viewer mutes."""
        shared = post if post.repost_of is None else self.posts.get(post.repost_of)
        return shared is not None and all(
            self.sees(viewer, one) and (muted or (viewer, one.author) not in self.mutes)
            for one in (post, shared)
        )

    def newest(self, chosen: Callable[[Told], bool]) -> list[Told]:
        found = [post for post in self.posts.values() if chosen(post)]
        return sorted(found, key=lambda post: post.position, reverse=True)

    def surfaces(self) -> Iterator[tuple[str, Read, list[Told]]]:
        """Every surface of every viewer: its name, how to read it, and all that it must show, in order."""
        for viewer in VIEWERS:
            for tag in TAGS:
                yield f"{viewer}: tag {tag}", self._tag(viewer, tag), self.under(viewer, tag)
            for author in PEOPLE:
                for tab in Part:
                    read = self._profile(viewer, author, tab)
                    yield f"{viewer}: {tab} of {author}", read, self.tab(viewer, author, tab)
            for post in self.threads():
                if self.sees(viewer, post):
                    post.kept = True
                    yield (
                        f"{viewer}: thread {post.id}",
                        self._thread(viewer, post.id),
                        self.replies(viewer, post.id),
                    )
            if viewer is not None:
                yield f"{viewer}: list", self._list(viewer), self.of_list(viewer)

    def threads(self) -> list[Told]:
        """Some posts, which stay the same while things come and go."""
        if not self._threads:
            self._threads = [post for post in self.posts.values() if post.repost_of is None][:40:7]
        return [post for post in self._threads if post.id in self.posts]

    def under(self, viewer: str | None, tag: str) -> list[Told]:
        return self.newest(
            lambda post: (
                post.audience == "public" and tag in post.tags and self.shows(viewer, post, muted=False)
            )
        )

    def tab(self, viewer: str | None, author: str, tab: Part) -> list[Told]:
        def belongs(post: Told) -> bool:
            kinds = {
                Part.POSTS: post.reply_to is None,
                Part.REPLIES: post.reply_to is not None,
                Part.MEDIA: post.media,
            }
            return post.author == author and kinds[tab] and self.shows(viewer, post, muted=True)

        return self.newest(belongs)

    def of_list(self, owner: str) -> list[Told]:
        return self.newest(
            lambda post: (owner, post.author) in self.members and self.shows(owner, post, muted=False)
        )

    def replies(self, viewer: str | None, post_id: int) -> list[Told]:
        found = self.newest(lambda one: one.reply_to == post_id and self.shows(viewer, one, muted=False))
        return found[::-1]

    def _tag(self, viewer: str | None, tag: str) -> Read:
        return lambda cursor, limit: self.feed.tag(viewer, tag, cursor=cursor, limit=limit)

    def _profile(self, viewer: str | None, author: str, tab: Part) -> Read:
        return lambda cursor, limit: self.feed.profile(viewer, author, tab=tab, cursor=cursor, limit=limit)

    def _thread(self, viewer: str | None, post_id: int) -> Read:
        return lambda cursor, limit: self.feed.thread(viewer, post_id, cursor=cursor, limit=limit)

    def _list(self, owner: str) -> Read:
        return lambda cursor, limit: self.feed.list_feed(owner, self.lists[owner], cursor=cursor, limit=limit)


def walked(
    read: Read, limit: int, between: Callable[[], object] = lambda: None
) -> tuple[list[Page[str]], str]:
    """All pages of a surface, and the cursor for what comes after the newest of it."""
    pages = [read(None, limit)]
    while pages[-1].next_cursor is not None:
        assert len(pages[-1]) == limit, "a page is full, or the feed ends"
        between()
        pages.append(read(pages[-1].next_cursor, limit))
    oldest_first = isinstance(pages[0], feedkit.ThreadPage)
    return pages, pages[-1 if oldest_first else 0].newer_cursor


def since(read: Read, newer: str) -> Read:
    """The same surface, as far as it is newer than a page."""
    return lambda cursor, limit: read(cursor or newer, limit)


def entries_of(pages: list[Page[str]], expected: list[Told]) -> list[tuple[int, int]]:
    """(post, place) of each line that these pages must have: what several entries of one page bring stands once."""
    starts = [page.items[0].position for page in pages if page.items]
    made: list[tuple[int, int]] = []
    shown: set[int] = set()
    for entry in expected:
        if entry.position in starts:
            shown = set()
        content = entry.repost_of or entry.id
        if content not in shown:
            made.append((content, entry.position))
        shown.add(content)
    return made


@pytest.mark.parametrize("seed", range(3))
def test_every_surface_is_what_the_record_says(feed: Feed, seed: int) -> None:
    # given
    world = World(feed, seed)
    for _ in range(110):
        world.publish()
    for _ in range(8):
        world.delete()
        world.retag()
    world.block("ada", "dot")
    world.mute("bob", "cyd")

    # then
    for resident in (True, False):
        if not resident:
            feed.wipe()
        met = 0
        for name, read, expected in world.surfaces():
            limit = world.rng.randint(1, 9)
            pages, _ = walked(read, limit)
            got = [(item.post.id, item.position) for page in pages for item in page]
            assert got == entries_of(pages, expected), name
            met += len(expected) > limit
        assert met > 10, "most surfaces have several pages"


@pytest.mark.parametrize("seed", range(2))
def test_a_walk_yields_once_what_is_there_throughout_and_the_next_poll_the_rest(
    feed: Feed, seed: int
) -> None:
    # given
    world = World(feed, seed)
    for _ in range(70):
        world.publish()

    def meddle() -> None:
        for _ in range(3):
            world.publish()
        world.delete()

    for name, read, _ in list(world.surfaces())[seed::9]:
        # when things come and go between the pages
        before = _entries(world, name)
        pages, newer = walked(read, 2, meddle)
        seen = [item.position for page in pages for item in page]

        # then
        assert len(seen) == len(set(seen)), name
        if "thread" in name or "tag" in name or "replies" in name:  # no reposts, which make lines of several
            assert before & _entries(world, name) <= set(seen), name
            late = [item.position for page in walked(since(read, newer), 3)[0] for item in page]
            assert set(seen).isdisjoint(late), name
            assert _entries(world, name) <= {*seen, *late}, name


def _entries(world: World, name: str) -> set[int]:
    return next(
        (({post.position for post in posts}) for other, _, posts in world.surfaces() if other == name), set()
    )


# threads


def test_a_thread_begins_with_what_it_answers(feed: Feed) -> None:
    # given
    chain = [feed.publish("ada", text="0")]
    for number in range(1, 8):
        chain.append(feed.publish(PEOPLE[number % 2], text=str(number), reply_to=chain[-1].id))
    reply = feed.publish("cyd", text="re", reply_to=chain[-1].id)

    # then
    page = feed.thread(None, str(chain[-1].id))
    assert [item.post for item in page.ancestors] == chain[:-1]
    assert (page.focus.post, ids(page)) == (chain[-1], [reply.id])
    assert page.to_dict()["ancestors"][0]["post"]["id"] == str(chain[0].id)
    assert feed.thread(None, reply.id, cursor=feed.thread(None, reply.id).newer_cursor).ancestors == ()


def test_the_ancestors_of_a_thread_are_bounded(backend_url: str) -> None:
    with opened(backend_url, settings=Settings(thread_depth_max=3)) as feed:
        chain = [feed.publish("ada", text="0")]
        for number in range(1, 6):
            chain.append(feed.publish("ada", text=str(number), reply_to=chain[-1].id))
        assert [item.post.id for item in feed.thread(None, chain[5].id).ancestors] == [
            chain[2].id,
            chain[3].id,
            chain[4].id,
        ]
        assert [item.post.id for item in feed.thread(None, chain[2].id).ancestors] == [
            chain[0].id,
            chain[1].id,
        ]


@pytest.mark.parametrize("how", ["block", "mute", "delete", "only_me", "remove"])
def test_a_hidden_ancestor_hides_what_is_above_it(feed: Feed, how: str) -> None:
    # given
    top = feed.publish("ada", text="top")
    middle = feed.publish("bob", text="middle", reply_to=top.id)
    low = feed.publish("cyd", text="low", reply_to=middle.id)
    last = feed.publish("cyd", text="last", reply_to=low.id)
    assert len(feed.thread("eve", last.id).ancestors) == 3

    # when
    hide: dict[str, Callable[[], Any]] = {
        "block": lambda: feed.block("bob", "eve"),
        "mute": lambda: feed.mute("eve", "bob"),
        "delete": lambda: feed.delete("bob", middle.id),
        "only_me": lambda: feed.edit("bob", middle.id, audience="only_me"),
        "remove": lambda: feed.staff("mod", reason="x").remove(middle.id),
    }
    hide[how]()

    # then
    assert [item.post.id for item in feed.thread("eve", last.id).ancestors] == [low.id]
    assert ids(feed.thread("eve", top.id)) == []


def test_l08_a_thread_of_what_may_not_be_seen_is_not_found(feed: Feed) -> None:
    hidden = feed.publish("ada", text="x", audience="only_me")
    gone = feed.publish("ada", text="x")
    page = feed.thread("eve", gone.id)
    feed.delete("ada", gone.id)
    messages = set()
    for one in (hidden.id, gone.id, 12345):
        for cursor in (None, page.newer_cursor if one == gone.id else None):
            with pytest.raises(NotFound) as refused:
                feed.thread("eve", one, cursor=cursor)
            messages.add(str(refused.value))
    assert len(messages) == 1


def test_the_thread_of_a_repost_is_that_of_what_it_shares(feed: Feed) -> None:
    post = feed.publish("ada", text="x")
    reply = feed.publish("cyd", text="re", reply_to=post.id)
    page = feed.thread("eve", feed.repost("bob", post.id).id)
    assert (page.focus.post.id, ids(page)) == (post.id, [reply.id])


def test_who_is_muted_is_shown_where_they_were_asked_for(feed: Feed) -> None:
    post = feed.publish("ada", text="x")
    mine = feed.publish("bob", text="re", reply_to=post.id)
    feed.mute("eve", "bob")
    assert ids(feed.thread("eve", post.id)) == []
    assert feed.thread("eve", mine.id).focus.post.id == mine.id
    assert ids(feed.profile("eve", "bob", tab="replies")) == [mine.id]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_replies_that_come_while_a_thread_is_read_are_brought_by_the_next_poll(
    feed: Feed, limit: int
) -> None:
    # given
    post = feed.publish("ada", text="x")
    replies = [feed.publish(PEOPLE[number % 5], text="re", reply_to=post.id).id for number in range(7)]
    later: list[int] = []

    def reply() -> None:
        later.append(feed.publish("bob", text="new", reply_to=post.id).id)

    # then
    pages, newer = walked(lambda cursor, n: feed.thread("eve", post.id, cursor=cursor, limit=n), limit, reply)
    reply()
    assert [one for page in pages for one in ids(page)] == replies
    pages, newer = walked(
        since(lambda cursor, n: feed.thread("eve", post.id, cursor=cursor, limit=n), newer), limit
    )
    assert [one for page in pages for one in ids(page)] == later
    assert ids(feed.thread("eve", post.id, cursor=newer)) == []
    reply()
    assert ids(feed.thread("eve", post.id, cursor=newer)) == later[-1:]


def test_replies_that_are_committed_late_come_with_the_next_poll(postgres_database: str) -> None:
    engine = sa.create_engine(postgres_database)
    with opened(engine) as feed, engine.connect() as late:
        # given
        post = feed.publish("ada", text="#tea")
        early = feed.publish("bob", text="#tea late", reply_to=post.id, connection=late)
        first = feed.publish("cyd", text="#tea", reply_to=post.id)
        thread, tag = feed.thread(None, post.id), feed.tag(None, "tea")
        assert (ids(thread), ids(tag)) == ([first.id], [first.id, post.id])
        late.commit()
        second = feed.publish("cyd", text="#tea", reply_to=post.id)

        # then
        assert early.position < first.position
        news = feed.thread(None, post.id, cursor=thread.newer_cursor)
        assert ids(news) == [early.id, second.id]
        assert ids(feed.thread(None, post.id, cursor=news.newer_cursor)) == []
        tagged = feed.tag(None, "tea", cursor=tag.newer_cursor)
        assert ids(tagged) == [second.id, early.id]
        assert ids(feed.tag(None, "tea", cursor=tagged.newer_cursor)) == []
    engine.dispose()


# tags


def test_a_tag_shows_what_is_public_however_it_is_spelt(feed: Feed) -> None:
    post = feed.publish("ada", text="#Straße")
    for audience in ("unlisted", "followers", "friends", "only_me"):
        feed.publish("ada", text="#Straße", audience=audience)
    for spelling in ("straße", "#STRASSE", "\uff03Strasse"):
        assert ids(feed.tag("ada", spelling)) == ids(feed.tag(None, spelling)) == [post.id]
    with pytest.raises(InvalidArgument, match="tag must be"):
        feed.tag(None, "two words")


def test_a_tag_follows_the_life_of_a_post(feed: Feed) -> None:
    # given
    clock = feed.wiring.clock
    assert isinstance(clock, ManualClock)
    draft = feed.drafts.save("ada", text="#tea")
    held = feed.publish("ada", text="#tea", hold=True)
    planned = feed.publish("ada", text="#tea", at=START + timedelta(hours=1))
    assert ids(feed.tag("ada", "tea")) == []

    # then
    feed.drafts.publish("ada", draft.id)
    feed.staff("mod", reason="fine").release(held.id)
    assert set(ids(feed.tag(None, "tea"))) == {draft.id, held.id}
    clock.advance(hours=2)
    assert ids(feed.tag(None, "tea"))[0] == planned.id
    feed.edit("ada", planned.id, audience="followers")
    feed.edit("ada", held.id, text="#cake")
    assert ids(feed.tag(None, "tea")) == [draft.id]
    feed.edit("ada", planned.id, audience="public")
    feed.delete("ada", draft.id)
    assert ids(feed.tag(None, "tea")) == [planned.id]
    assert ids(feed.tag(None, "cake")) == [held.id]


# mentions


def test_a_mention_names_whom_the_host_says(backend_url: str) -> None:
    asked: list[list[str]] = []

    def resolve(handles: Any) -> dict[str, str]:
        asked.append(list(handles))
        return {handle: handle.lower() for handle in handles if handle != "Nobody"} | {"unasked": "x"}

    with opened(backend_url, mention_resolver=resolve) as feed:
        post = feed.publish("ada", text="@Bob @Nobody @Bob @Cyd")
        users = feed.users.get(["bob", "cyd", "x"])
        assert [one.user_id for one in post.entities] == [
            users["bob"].id,
            None,
            users["bob"].id,
            users["cyd"].id,
        ]
        assert "x" not in users
        assert asked == [["Bob", "Nobody", "Cyd"]], "in one call, each once"
        assert feed.post(None, post.id).post.entities == post.entities


@pytest.mark.parametrize(
    "answer",
    [None, 5, {"bob": 5}, {"bob": b""}, {"bob": "x" * 1000}, {"bob": None}, ["bob"], LookupError("no")],
)
def test_a_resolver_that_fails_costs_no_post(
    answer: Any, backend_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    def resolve(handles: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with opened(backend_url, mention_resolver=resolve) as feed:
        post = feed.publish("ada", text="hi @bob #tea")
        assert [(one.value, one.user_id) for one in post.entities] == [("bob", None), ("tea", None)]
        assert ids(feed.tag(None, "tea")) == [post.id]
        assert "mention resolver failed" in caplog.text


def test_without_a_resolver_a_mention_is_of_the_one_with_that_handle(feed: Feed) -> None:
    feed.users.put("bob", handle="bobby")
    feed.users.put("cyd", handle="twin")
    feed.users.put("dot", handle="twin")
    post = feed.publish("ada", text="@bobby @twin @Bobby")
    bob = feed.users.get(["bob"])["bob"].id
    assert [one.user_id for one in post.entities] == [bob, None, None]


# lists, tabs, counts


def test_l12_a_list_is_its_owners_alone(feed: Feed) -> None:
    made = feed.lists.create("ada", "close")
    feed.lists.add("ada", made.id, ["bob"])
    post = feed.publish("bob", text="x")
    assert ids(feed.list_feed("ada", str(made.id))) == [post.id]
    messages = set()
    for viewer, one in (("bob", made.id), ("nobody", made.id), ("ada", 12345)):
        with pytest.raises(NotFound) as refused:
            feed.list_feed(viewer, one)
        messages.add(str(refused.value))
    assert len(messages) == 1
    feed.lists.remove("ada", made.id, ["bob"])
    assert ids(feed.list_feed("ada", made.id)) == []


def test_a_long_list_is_read_from_truth(feed: Feed) -> None:
    made = feed.lists.create("ada", "all")
    names = [f"member {number}" for number in range(230)]
    for start in range(0, 230, 100):
        feed.lists.add("ada", made.id, names[start : start + 100])
    posts = [feed.publish(names[number % 3], text=str(number)) for number in range(40)]
    pages, newer = walked(lambda cursor, limit: feed.list_feed("ada", made.id, cursor=cursor, limit=limit), 7)
    assert [one for page in pages for one in ids(page)] == [post.id for post in reversed(posts)]
    fresh = feed.publish(names[200], text="new")
    assert ids(feed.list_feed("ada", made.id, cursor=newer)) == [fresh.id]


def test_a_cursor_belongs_to_its_surface(feed: Feed) -> None:
    made = feed.lists.create("ada", "close")
    feed.lists.add("ada", made.id, ["bob"])
    post = feed.publish("bob", text="#tea #cake")
    surfaces: list[Callable[[str | None], Page[str]]] = [
        lambda cursor: feed.home("ada", cursor=cursor),
        lambda cursor: feed.tag("ada", "tea", cursor=cursor),
        lambda cursor: feed.tag("ada", "cake", cursor=cursor),
        lambda cursor: feed.tag(None, "tea", cursor=cursor),
        lambda cursor: feed.thread("ada", post.id, cursor=cursor),
        lambda cursor: feed.list_feed("ada", made.id, cursor=cursor),
        *(
            (lambda cursor, tab=tab: feed.profile("ada", "bob", tab=tab, cursor=cursor))
            for tab in ("posts", "replies", "media", "reactions")
        ),
    ]
    cursors = [read(None).newer_cursor for read in surfaces]
    for number, read in enumerate(surfaces):
        for other, cursor in enumerate(cursors):
            if number == other:
                assert len(read(cursor)) == 0
                continue
            with pytest.raises(InvalidCursor):
                read(cursor)


def test_an_unknown_tab_is_refused(feed: Feed) -> None:
    with pytest.raises(InvalidArgument, match="tab must be one of"):
        feed.profile(None, "ada", tab="likes")


def test_count_newer_counts_the_lines_of_a_poll(feed: Feed) -> None:
    # given
    for followee in ("bob", "cyd", "dot"):
        feed.follow("ada", followee)
    feed.publish("bob", text="old")
    page = feed.home("ada")
    assert feed.count_newer("ada", page.newer_cursor) == 0

    # when
    posts = [feed.publish("bob", text=str(number)) for number in range(5)]
    feed.publish("bob", text="x", audience="only_me")
    feed.publish("cyd", text="x")
    feed.repost("dot", posts[0].id)
    feed.mute("ada", "cyd")
    feed.delete("bob", posts[1].id)

    # then
    for resident in (True, False):
        if not resident:
            feed.wipe()
        assert (
            feed.count_newer("ada", page.newer_cursor) == len(feed.home("ada", cursor=page.newer_cursor)) == 4
        )
        assert feed.count_newer("ada", page.newer_cursor, at_most=3) == 3
    feed.block("bob", "ada")
    assert feed.count_newer("ada", page.newer_cursor) == 0, "the repost is of bob's"
    assert feed.count_newer("ada", page.newer_cursor) == 0, "counting moves nothing on"


def test_count_newer_takes_a_newer_cursor_of_ones_own_home(feed: Feed) -> None:
    for number in range(3):
        feed.publish("ada", text=str(number))
    page = feed.home("ada", limit=1)
    tag = feed.profile("ada", "ada")
    wrong: list[Any] = [None, "", page.next_cursor, tag.newer_cursor, feed.home("bob").newer_cursor]
    for cursor in wrong:
        with pytest.raises(InvalidCursor):
            feed.count_newer("ada", cursor)
    for at_most in (0, 10**9, True, "5"):
        with pytest.raises(InvalidArgument, match="at_most"):
            feed.count_newer("ada", page.newer_cursor, at_most=at_most)  # type: ignore[arg-type]


# how truth is asked


def test_every_selection_reads_an_index_in_order() -> None:
    """SQLite's planner neither sorts nor scans, so that a page costs what is on it."""
    truth = SqlTruth("memory://", "feedkit", Settings())
    truth.migrate("str", 0)
    span = Span(MAX_ID, 0, 20)
    store = truth.selections
    asked: list[tuple[str, Callable[[Any], object]]] = [
        *(
            (
                f"INDEX feedkit_posts_{part}_by_author_id ",
                partial(store.part, author_id=1, part=part, span=span),
            )
            for part in Part
        ),
        ("feedkit_post_tags USING PRIMARY KEY ", lambda tx: store.tagged(tx, "tea", span)),
        ("INDEX feedkit_posts_by_reply_to_position ", lambda tx: store.replies(tx, 1, span)),
        ("INDEX feedkit_posts_by_repost_of_author_id ", lambda tx: store.repost_by(tx, 1, 2)),
        ("INDEX feedkit_users_by_handle ", lambda tx: truth.users.with_handles(tx, ["ada"])),
    ]
    for used, ask in asked:
        plan = truth.read(partial(_plan, ask=ask))
        assert used in plan, plan
        assert "SCAN" not in plan.replace("SCAN handles_rows", ""), plan
        assert "USE TEMP B-TREE" not in plan or "by_handle" in used, plan
    truth.close()


def _plan(tx: Any, ask: Callable[[Any], object]) -> str:
    """What SQLite's planner says to the one statement that `ask` runs."""
    said: list[str] = []

    class Explaining:
        def cursor(self) -> Any:
            cursor = tx.raw.cursor()

            class Cursor:
                def execute(self, sql: str, bound: Any) -> None:
                    said.extend(
                        row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {sql}", bound).fetchall()
                    )

                def fetchall(self) -> list[Any]:
                    return []

            return Cursor()

    ask(type(tx)(Explaining(), tx.invalidate))
    return "\n".join(said)
