"""F24: what later code wrote to the database is read, or passed over; nothing breaks, and nothing of it is lost.

A release is rolled out while the one before still runs. What later code may write is made up here: kinds and states
that this code does not know, the next version of what is packed, and more fields.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
import redis
import sqlalchemy as sa

import feedkit
from feedkit import ConfigurationError, FeedkitError, Settings
from feedkit.model import Event, EventKind
from feedkit.storage import event_codec
from feedkit.storage.entries import of_rows, pack
from feedkit.storage.sql.tables import SCHEMA_VERSION
from tests.cases.case_tools import TABLES, opened

Feed = feedkit.Feed[str]
NOTHING_CACHED = Settings(
    sqlite_synchronous="OFF", posts_cached=0, users_cached=0, relations_cached=0, own_cached=0
)
LATER = b"\x7f\x92\x01\x02"
"""Bytes of a schema that there is not yet."""


@pytest.fixture
def url(sqlite_url: str) -> str:
    """One kind of database will do: what is decoded is the same on both."""
    return sqlite_url


@pytest.fixture
def write(host: sa.Engine) -> Callable[[sa.Executable], None]:
    """Writes as somebody else."""

    def run(change: sa.Executable) -> None:
        with host.begin() as connection:
            result: Any = connection.execute(change)
            assert result.rowcount, "there was something to change"

    return run


class World(NamedTuple):
    """A post of Ada's with all that can stand beside one, a plain one of Ben's, and a removed one."""

    rich: int
    plain: int
    removed: int
    list_id: int


def lived(feed: Feed) -> World:
    for author in ("ada", "ben"):
        feed.follow("bob", author)
    feed.follow("ada", "bob")
    feed.mute("bob", "cyd")
    rich = feed.publish("ada", text="a #tag @bob", media=[feedkit.Media("https://x/1")])
    plain = feed.publish("ben", text="b")
    removed = feed.publish("ada", text="c", reply_to=plain.id)
    feed.edit("ada", rich.id, text="aa #tag")
    feed.repost("bob", plain.id)
    feed.react("bob", rich.id, "like")
    feed.comment("bob", rich.id, text="d")
    feed.save("bob", rich.id)
    feed.pin("ada", rich.id)
    feed.drafts.save("ada", text="e")
    made = feed.lists.create("bob", "people")
    feed.lists.add("bob", made.id, ["ada"])
    feed.staff("me", reason="x").remove(removed.id)
    feed.drain()
    return World(rich.id, plain.id, removed.id, made.id)


def looks(feed: Feed, world: World) -> dict[str, Callable[[], Any]]:
    """Every way to look at it."""
    staff, (rich, plain, removed, list_id) = feed.staff("me", reason="x"), world
    return {
        "home": lambda: feed.home("bob"),
        "news": lambda: feed.count_newer("bob", feed.home("bob").newer_cursor),
        "profile": lambda: feed.profile("bob", "ada"),
        "own profile": lambda: feed.profile("ada", "ada"),
        "replies": lambda: feed.profile("bob", "ada", tab="replies"),
        "thread": lambda: feed.thread("bob", plain),
        "thread of the other": lambda: feed.thread("bob", rich),
        "tag": lambda: feed.tag("bob", "tag"),
        "list": lambda: feed.list_feed("bob", list_id),
        "posts": lambda: feed.posts.get("bob", [rich, plain, removed]),
        "post": lambda: feed.post("bob", rich),
        "revisions": lambda: feed.posts.revisions("ada", rich),
        "comments": lambda: feed.comments("bob", rich),
        "reactions": lambda: feed.reactions("bob", rich),
        "saved": lambda: feed.saved("bob"),
        "drafts": lambda: feed.drafts.page("ada"),
        "followers": lambda: feed.followers("bob", "ada"),
        "following": lambda: feed.following("bob", "bob"),
        "relations": lambda: feed.relation("bob", ["ada", "ben", "cyd"]),
        "suggestions": lambda: feed.suggestions("bob"),
        "members": lambda: feed.lists.members("bob", list_id),
        "users": lambda: feed.users.get(["ada", "ben"]),
        "export": lambda: feed.export(io.StringIO()),
        "own export": lambda: feed.export_user("ada", io.StringIO()),
        "explain": lambda: feed.explain("bob", rich),
        "check": feed.check,
        "backlog": feed.backlog,
        "audit": staff.audit,
        "staff's post": lambda: staff.post(rich),
        "staff's profile": lambda: staff.profile("ada"),
        "staff's revisions": lambda: staff.revisions(rich),
        "dead letters": lambda: [feed.dead_letters.page(name) for name in feed.dead_letters.consumers()],
        "drain": lambda: feed.drain(max_seconds=5),
    }


def changes(feed: Feed, world: World) -> list[Callable[[], Any]]:
    """Many ways to change it."""
    staff, rich = feed.staff("me", reason="x"), world.rich
    return [
        lambda: feed.publish("ada", text="new", reply_to=rich),
        lambda: feed.edit("ada", rich, text="new"),
        lambda: feed.react("cyd", rich, "like"),
        lambda: feed.comment("cyd", rich, text="x"),
        lambda: feed.repost("cyd", rich),
        lambda: feed.unpin("ada", rich),
        lambda: feed.media.update(url="https://x/1", status="failed"),
        lambda: feed.unfollow("bob", "ben"),
        lambda: feed.follow("bob", "ben"),
        lambda: feed.unmute("bob", "cyd"),
        lambda: feed.lists.remove("bob", world.list_id, ["ada"]),
        lambda: feed.users.put("ada", display_name="A"),
        lambda: staff.restore(world.removed),
        lambda: staff.remove(rich),
        lambda: staff.suspend("ada"),
        lambda: staff.reinstate("ada"),
        lambda: feed.delete("ada", rich),
        lambda: feed.block("bob", "ada"),
        lambda: feed.drain(max_seconds=5),
    ]


T = TABLES
EVENT = {"actor_id": 1, "object_id": 1, "position": 0, "at": 0}
BY_LATER_CODE: dict[str, Callable[[], sa.Executable]] = {
    "status of posts": lambda: T.posts.update().values(status="archived"),
    "audience of posts": lambda: T.posts.update().values(audience="circle"),
    "entities": lambda: _where(
        T.posts, T.posts.c.entities.is_not(None), entities='[["poll", 0, 1, "x", null, 2]]'
    ),
    "entities in another form": lambda: _where(T.posts, T.posts.c.entities.is_not(None), entities='{"v": 2}'),
    "status of media": lambda: T.post_media.update().values(status="scanning"),
    "status of users": lambda: T.users.update().values(status="dormant"),
    "relations": lambda: _where(
        T.associations, T.associations.c.kind.in_(["saves", "lists", "mutes"]), kind="subscribes"
    ),
    "what is beside relations": lambda: T.associations.update().values(data=LATER),
    "media of revisions": lambda: T.post_revisions.update().values(
        media='[{"url": "x", "status": "scanning"}]'
    ),
    "revisions in another form": lambda: T.post_revisions.update().values(media='{"v": 2}'),
    "counts": lambda: _where(T.counts, T.counts.c.kind == "reactions", kind="views"),
    "acts of staff": lambda: T.audit.update().values(action="shadow"),
    "kind of an event": lambda: T.events.insert().values(kind="post.unlisted", **EVENT),
    "form of an event": lambda: T.events.insert().values(kind="post.published", data=LATER, **EVENT),
    "consumers": lambda: T.consumers.insert().values(name="search", offset=0),
    "dead letters": lambda: T.dead_letters.insert().values(
        consumer="counters", number=1, event=LATER, tries=3, reason="x", at=0
    ),
    "facts": lambda: T.meta.insert().values(name="shards", value="2"),
    "what all agree about": lambda: T.meta.insert().values(name="wiring", value="v2:sha256:00"),
}


def _where(table: sa.Table, condition: sa.ColumnElement[bool], **values: Any) -> sa.Executable:
    return table.update().where(condition).values(**values)


def contents(host: sa.Engine) -> dict[str, list[Any]]:
    """Every row that people or later code have made."""
    ours = {T.events, T.consumers, T.nodes, T.audit, T.dead_letters, T.secrets}
    with host.connect() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(sa.select(table))))
            for table in T.metadata.sorted_tables
            if table not in ours
        }


@pytest.mark.parametrize("what", BY_LATER_CODE)
def test_f24_what_later_code_wrote_breaks_nothing_and_stays(
    url: str, host: sa.Engine, write: Callable[[sa.Executable], None], what: str
) -> None:
    # given
    with opened(url, settings=NOTHING_CACHED) as feed:
        world = lived(feed)
        for look in looks(feed, world).values():
            look()
        write(BY_LATER_CODE[what]())
        stored = contents(host)

        # when
        for process in (feed, feedkit.connect(url)):
            for look in looks(process, world).values():
                with suppress(FeedkitError):  # what cannot be read is as if it were not there
                    look()

        # then
        assert contents(host) == stored
        for change in changes(process, world):
            with suppress(FeedkitError):
                change()
        process.close()


def test_f24_what_is_not_touched_by_it_is_shown(url: str, write: Callable[[sa.Executable], None]) -> None:
    with opened(url, settings=NOTHING_CACHED) as feed:
        world = lived(feed)
        write(T.post_media.update().values(status="scanning"))
        page = feed.home("bob")
        assert world.plain in [item.post.id for item in page]
        assert (world.rich in [item.post.id for item in page], page.unreadable) == (False, 1)
        write(T.post_media.update().values(status="ready"))
        feed.edit("ada", world.rich, text="aaa")
        write(_where(T.post_revisions, T.post_revisions.c.number == 0, media='{"v": 2}'))
        assert [one.text for one in feed.posts.revisions("ada", world.rich)] == ["aa #tag"]


# ---------------------------------------------------------------- deliveries, with Redis


@pytest.fixture
def sharing(url: str, redis_url: str) -> Iterator[Callable[..., Feed]]:
    """Makes processes, as far as feedkit can tell, where each delivery to more than one is large."""
    made: list[Feed] = []
    settings = Settings(sqlite_synchronous="OFF", chunk_followers=1, delivery_chunk=1, redis_timeout_ms=5000)

    def make(**given: Any) -> Feed:
        made.append(feedkit.connect(url, **{"redis": redis_url, "settings": settings, **given}))
        return made[-1]

    yield make
    for feed in made:
        feed.close()


def told(feed: Feed, viewer: str = "bob") -> tuple[list[str], bool]:
    page = feed.home(viewer, limit=100)
    return [item.post.text for item in page], page.degraded


def mark_of(feed: Feed, client: Any) -> tuple[bytes, bytes]:
    """The key of the mark, and what it says."""
    place = feed.runtime()._place
    assert place is not None
    key = place().keys("").mark(0)
    return key, client.get(key)


@pytest.mark.parametrize("is_cut", [False, True], ids=["not begun", "a chunk was left behind"])
def test_f24_a_large_delivery_of_a_kind_that_is_not_known_is_left_to_others(
    sharing: Callable[..., Feed], redis_url: str, write: Callable[[sa.Executable], None], is_cut: bool
) -> None:
    # given: later code has begun one, and listed its entries
    feed = sharing()
    for reader in ("bob", "eve"):
        feed.follow(reader, "ada")
        feed.home(reader)
    first = feed.publish("ada", text="a")
    assert feed.drain().done
    entries = pack(of_rows([(first.position, first.author_id)]))
    fields = {"author_id": first.author_id, "kind": "mend", "entries": entries, "at": 0}
    write(
        T.deliveries.insert().values(number=1, chunks=int(is_cut), cut_to=1 << 62 if is_cut else 0, **fields)
    )
    if is_cut:
        chunk = {"after_id": 0, "up_to_id": 1 << 62, "owner": "", "until_ms": 0, "tries": 1, "done": 0}
        write(T.chunks.insert().values(number=1, nth=0, **chunk))
    with redis.Redis.from_url(redis_url) as client:
        key, mark = mark_of(feed, client)
        client.set(key, mark + b":" + entries)

        # when
        feed.publish("ada", text="b")
        for process in (feed, sharing()):
            assert told(process) == told(process, "eve") == (["b", "a"], False)
        assert not feed.drain(max_seconds=0.3).done

        # then: it is there still, all others were delivered, and nothing was built anew
        _, after = mark_of(feed, client)
        assert (after[:8], after[-16:]) == (mark[:8], entries)
        runtime = feed.runtime()
        assert runtime.fanout.chunks is not None
        assert [large.number for large in runtime.truth.read(runtime.truth.chunks.under_way)] == [1]
        assert feed.backlog().large == 1
        write(T.deliveries.delete())
    assert told(sharing()) == (["b", "a"], False)
    assert feed.drain().done
    assert feed.check(sample=10).ok


@pytest.mark.parametrize("change", [{"kind": "post.unlisted"}, {"data": LATER}], ids=["kind", "form"])
def test_f24_an_event_of_later_code_has_inboxes_built_anew(
    sharing: Callable[..., Feed], write: Callable[[sa.Executable], None], change: dict[str, Any]
) -> None:
    feed, twin = sharing(), sharing()
    feed.follow("bob", "ada")
    assert told(feed) == told(twin) == ([], False)
    feed.publish("ada", text="a")
    newest = sa.select(sa.func.max(T.events.c.id)).scalar_subquery()
    write(T.events.update().where(T.events.c.id == newest).values(**change))
    feed.publish("ada", text="b")
    for process in (feed, twin, sharing()):
        assert told(process) == (["b", "a"], False)
    assert feed.drain().done
    assert feed.check(sample=10).ok


@pytest.mark.parametrize("stored", ["as unknown", "in another form"])
def test_f24_what_the_bus_does_not_tell_the_log_does(
    sharing: Callable[..., Feed], redis_url: str, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier code fills the bus with what it cannot read; and the other way round."""
    feed = sharing(bus=redis_url)
    feed.bus.subscribe("search")
    feed.follow("bob", "ada")

    def unreadable(event: Event) -> bytes:
        if stored == "in another form":
            return LATER
        return event_codec.pack(
            Event(EventKind.UNKNOWN, event.actor_id, event.object_id, 0, number=event.number)
        )

    monkeypatch.setattr("feedkit.storage.redis.streams.pack", unreadable)
    feed.drain()
    monkeypatch.undo()
    seen: list[Event] = []
    done = feed.bus.consume("search", seen.extend)
    assert done.done
    assert [event.kind for event in seen] == [EventKind.FOLLOW_ADDED]


# ---------------------------------------------------------------- the release as a whole


def test_f24_one_release_ahead_is_worked_with_and_two_are_refused(
    sharing: Callable[..., Feed], write: Callable[[sa.Executable], None]
) -> None:
    feed = sharing()
    feed.follow("bob", "ada")
    version = T.meta.update().where(T.meta.c.name == "schema_version")
    write(version.values(value=str(SCHEMA_VERSION + 1)))
    for process in (feed, sharing(), sharing(deliver="worker")):
        process.publish("ada", text="a")
        assert "a" in told(process)[0]
    sharing(deliver="worker").work(max_seconds=0)

    write(version.values(value=str(SCHEMA_VERSION + 2)))
    verbs: tuple[Callable[[Feed], object], ...] = (
        lambda one: one.home("bob"),
        lambda one: one.publish("ada", text="x"),
        lambda one: one.migrate(),
    )
    for verb in verbs:
        with pytest.raises(ConfigurationError, match="upgrade the feedkit package"):
            verb(sharing())
    with pytest.raises(ConfigurationError, match="upgrade the feedkit package"):
        sharing(deliver="worker").work(max_seconds=0)


@pytest.mark.parametrize("more", [{"ranking": "for_you"}, {"policy": "Adaptive()"}, None], ids=repr)
def test_f24_a_worker_of_another_wiring_refuses_and_readers_go_on(
    sharing: Callable[..., Feed], write: Callable[[sa.Executable], None], more: dict[str, str] | None
) -> None:
    first = sharing(deliver="worker")
    first.follow("bob", "ada")
    first.publish("ada", text="a")
    stated = first.runtime().truth.read(first.runtime().truth.install.facts)["wiring"]
    later = "v2:" if more is None else json.dumps({**json.loads(stated), **more})
    write(T.meta.update().where(T.meta.c.name == "wiring").values(value=later))

    other = sharing(deliver="worker")
    assert "a" in told(other)[0]
    with pytest.raises(ConfigurationError, match=r"this worker differs .* --adopt"):
        other.work(max_seconds=0)
    with pytest.raises(ConfigurationError, match=r" is .* here and .* there"):
        sharing(deliver="worker").work(max_seconds=0)
