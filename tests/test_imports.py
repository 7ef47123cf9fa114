"""Importing users, follows and posts: as if the verbs had been called at the time, and once however often."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import feedkit
from feedkit import (
    Conflict,
    Feed,
    Hybrid,
    InvalidArgument,
    KeyTypeMismatch,
    LimitExceeded,
    ManualClock,
    Settings,
)
from feedkit.ids import BACKDATED_NODE, ms_of, node_of
from feedkit.model import ImportReport
from feedkit.storage.sql.bulk import SqlBulk

NOW = datetime(2025, 6, 1, tzinfo=UTC)
THEN = datetime(2020, 1, 1, tzinfo=UTC)
BEFORE_1970 = datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
KEYS: dict[type, Callable[[str], Any]] = {
    str: str,
    int: lambda name: int.from_bytes(name.encode()),
    UUID: lambda name: uuid5(UUID(int=0), name),
}


def connected(url: str, key: Any = str, **options: Any) -> Feed[Any]:
    feed = feedkit.connect(url, key=key, clock=ManualClock(NOW), **options)
    feed.migrate()
    return feed


@pytest.fixture
def feed(backend_url: str) -> Iterator[Feed[str]]:
    with connected(backend_url) as made:
        yield made


def post(author: str, ref: str, *, days: float = 0, **content: Any) -> dict[str, Any]:
    return {"author": author, "ref": ref, "at": THEN + timedelta(days=days), "text": ref, **content}


def counts(feed: Feed[Any], key: Any) -> tuple[int, int, int, int]:
    feed.drain()
    told = feed.profile(key, key).counts
    return told.followers, told.following, told.friends, told.posts


def texts(page: Any) -> list[str]:
    return [item.post.text for item in page]


# all of it


@pytest.mark.parametrize("key_type", KEYS, ids=lambda key_type: key_type.__name__)
def test_what_is_imported_is_there_as_if_it_had_happened_here(backend_url: str, key_type: type) -> None:
    ada, bob, eve = map(KEYS[key_type], ("ada", "bob", "eve"))
    with connected(backend_url, key_type) as feed:
        # given a reader with an inbox
        feed.follow(eve, ada)
        assert not feed.home(eve)

        # when
        rows: list[Any] = [{"key": ada, "handle": "ada", "created_at": THEN}, bob]
        users = feed.imports.users(rows)
        follows = feed.imports.follows([(bob, ada, THEN), (ada, bob), (eve, ada)])
        posts = feed.imports.posts([post(ada, "one"), post(bob, "two", days=1), post(ada, "three", days=2)])

        # then
        assert (users.rows, users.added) == (2, 2), "eve's follow created ada, who is given a handle"
        assert (follows.added, follows.unchanged) == (2, 1)
        assert posts.added == 3
        assert texts(feed.home(bob)) == ["three", "two", "one"]
        assert texts(feed.home(eve)) == ["three", "one"]
        assert feed.users.get([ada])[ada].handle == "ada"
        assert counts(feed, ada) == (2, 1, 1, 2)
        assert counts(feed, bob) == (1, 1, 1, 1)
        assert feed.check().ok


def test_importing_the_same_again_changes_nothing(feed: Feed[str]) -> None:
    users: list[Any] = [{"key": "ada", "handle": "ada"}, "bob"]
    follows = [("bob", "ada", THEN), ("ada", "bob", THEN)]
    posts = [post("ada", "one"), post("bob", "two", reply_to_ref="one")]

    def everything() -> list[ImportReport]:
        imports = feed.imports
        return [imports.users(users), imports.follows(follows), imports.posts(posts)]

    assert [report.added for report in everything()] == [2, 2, 2]
    before = (feed.home("bob").to_dict()["items"], counts(feed, "ada"), counts(feed, "bob"))

    again = everything()

    assert [(report.added, report.unchanged) for report in again] == [(0, 2)] * 3
    assert (feed.home("bob").to_dict()["items"], counts(feed, "ada"), counts(feed, "bob")) == before


def test_rows_stream_in_chunks_and_can_be_gone_on_with(feed: Feed[str]) -> None:
    asked = 0

    def rows() -> Iterator[tuple[str, str]]:
        nonlocal asked
        for nth in range(25):
            asked += 1
            yield f"reader {nth}", "ada"

    seen: list[tuple[int, int]] = []

    # when it breaks off in the third chunk
    def stop(report: ImportReport) -> None:
        seen.append((report.rows, asked))
        if report.rows == 20:
            raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError):
        feed.imports.follows(rows(), chunk=10, progress=stop)

    # then
    in_step, one_ahead = [(10, 10), (20, 20)], [(10, 20), (20, 25)]
    assert seen in (in_step, one_ahead), "no more rows are held than one chunk, and one that is being written"
    assert counts(feed, "ada")[0] == 20
    done = feed.imports.follows(rows(), chunk=10, start=20)
    assert (done.rows, done.added, done.unchanged) == (25, 5, 0)
    assert counts(feed, "ada")[0] == 25


@pytest.mark.parametrize("broken", [OSError("the host's cursor is gone"), "bob"], ids=["source", "row"])
def test_what_broke_off_is_told_up_to_the_last_chunk_that_stays(feed: Feed[str], broken: Any) -> None:
    def rows() -> Iterator[Any]:
        yield from (("bob", f"author {nth}") for nth in range(24))
        if isinstance(broken, Exception):
            raise broken
        yield broken

    told: list[int] = []
    with pytest.raises((OSError, InvalidArgument), match=r"cursor|rows\[24\]"):
        feed.imports.follows(rows(), chunk=10, progress=lambda report: told.append(report.rows))
    assert told == [10, 20]
    assert counts(feed, "bob")[1] == 20, "nothing of the last chunk"


def test_every_string_is_data(feed: Feed[str]) -> None:
    odd = [
        "\\N",
        "\\",
        "a\tb",
        "a\nb\r",
        "NULL",
        '{"a","b"}',
        "'",
        '"',
        ",",
        "\\x00",
        "\x01\x1f",
        "\u2028",
        "\U0001f600",
    ]
    rows = [
        {**post(f"who {one}", one, days=nth), "media": [{"url": "https://x.example", "alt_text": one}]}
        for nth, one in enumerate(odd)
    ]
    feed.imports.posts([{**row, "extra": {"of": row["ref"]}, "fallback": row["ref"]} for row in rows])
    feed.imports.users([{"key": f"who {one}", "display_name": one} for one in odd])

    found = {ref: item.post for ref, item in feed.posts.by_ref(None, odd).items()}
    assert {ref: (one.text, one.extra["of"], one.fallback) for ref, one in found.items()} == {
        one: (one, one, one) for one in odd
    }
    assert {ref: one.media[0].alt_text for ref, one in found.items()} == {one: one for one in odd}
    names = {user.display_name for user in feed.users.get([f"who {one}" for one in odd]).values()}
    assert names == set(odd)
    assert feed.imports.posts(rows).unchanged == len(odd)


# users


def test_users_who_are_there_are_given_what_the_rows_say(feed: Feed[str]) -> None:
    feed.users.put("ada", handle="old", display_name="Ada")

    report = feed.imports.users(
        [{"key": "ada", "handle": "new"}, {"key": "bob", "time_zone": "Europe/Vienna"}]
    )

    assert report.added == 2
    found = feed.users.get(["ada", "bob"])
    assert (found["ada"].handle, found["ada"].display_name) == ("new", "Ada")
    assert found["bob"].time_zone == "Europe/Vienna"


@pytest.mark.parametrize(
    ("row", "error", "says"),
    [
        (7, KeyTypeMismatch, r"rows\[1\].*key must be str"),
        ({"handle": "x"}, InvalidArgument, r"rows\[1\].*a dict with a key"),
        ({"key": "b", "name": "x"}, InvalidArgument, r"rows\[1\].*name is no field"),
        ({"key": "b", "time_zone": "Mars"}, InvalidArgument, r"rows\[1\].*time_zone"),
        ({"key": "b", "created_at": NOW + timedelta(days=1)}, InvalidArgument, r"rows\[1\].*lie ahead"),
        ({"key": "b", "created_at": BEFORE_1970}, InvalidArgument, r"rows\[1\].*year 1970.*pass None"),
    ],
)
def test_a_bad_user_is_named_and_nothing_of_its_chunk_is_written(
    feed: Feed[str], row: Any, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        feed.imports.users(["ada", row])
    assert feed.users.get(["ada"]) == {}


# follows


def test_follows_keep_their_times_and_both_rows(feed: Feed[str]) -> None:
    feed.imports.follows([("bob", "ada", THEN), ("ada", "bob", THEN + timedelta(days=1))])
    truth = feed.runtime().truth
    rows = truth.read(links)
    a, b = (feed.runtime().directory.find(name, "key") for name in ("ada", "bob"))
    first, second = (int((THEN + timedelta(days=days)).timestamp() * 1000) for days in (0, 1))
    assert rows == {
        (b, "follows", a): first,
        (a, "followed_by", b): first,
        (a, "follows", b): second,
        (b, "followed_by", a): second,
        (a, "friends", b): second,
        (b, "friends", a): second,
    }


def links(tx: Any) -> dict[tuple[int, str, int], int]:
    cursor = tx.raw.cursor()
    cursor.execute("SELECT id1, kind, id2, time FROM feedkit_associations")
    return {(id1, kind, id2): time for id1, kind, id2, time in cursor.fetchall()}


def test_blocks_win_over_imported_follows_and_nobody_follows_themselves(feed: Feed[str]) -> None:
    feed.block("ada", "mallory")
    rows = [("mallory", "ada"), ("ada", "mallory"), ("bob", "bob"), ("bob", "ada"), ("bob", "ada")]

    report = feed.imports.follows(rows)

    assert (report.added, report.refused, report.unchanged) == (1, 3, 1)
    assert counts(feed, "ada")[:2] == (1, 0)


class Span(timedelta):
    """Is divided by its own kind only, like pendulum's."""

    def __floordiv__(self, other: Any) -> Any:
        return other.never()


class Moment(datetime):
    """Differs from others by a span of its own kind."""

    def __sub__(self, other: Any) -> Any:
        span = super().__sub__(other)
        return Span(span.days, span.seconds, span.microseconds)


def test_instants_may_be_of_a_kind_of_the_hosts_own(feed: Feed[str]) -> None:
    at = Moment(2020, 1, 1, 12, tzinfo=UTC)
    feed.imports.follows([("bob", "ada", at)])
    feed.imports.posts([{**post("ada", "x"), "at": at}])
    feed.publish("ada", text="story", expires_in=Span(hours=1))
    assert set(feed.runtime().truth.read(links).values()) == {int(at.timestamp() * 1000)}
    assert texts(feed.home("bob")) == ["story", "x"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("bob", r"rows\[1\].*a row must be \(follower, followee\)"),
        (("bob",), r"rows\[1\].*a row must be \(follower, followee\)"),
        (("bob", "ada", THEN, 1), r"rows\[1\].*a row must be \(follower, followee\)"),
        (("bob", "ada", NOW + timedelta(seconds=1)), r"rows\[1\].*lie ahead"),
        (("bob", "ada", BEFORE_1970), r"rows\[1\].*year 1970.*pass None"),
    ],
)
def test_a_bad_follow_is_named_and_nothing_of_its_chunk_is_written(
    feed: Feed[str], row: Any, says: str
) -> None:
    with pytest.raises(InvalidArgument, match=says):
        feed.imports.follows([("eve", "ada", THEN), row])
    assert counts(feed, "ada")[0] == 0


def test_a_follow_past_the_bound_is_refused_with_its_chunk(backend_url: str) -> None:
    with connected(backend_url, settings=Settings(following_max=3)) as feed:
        feed.imports.follows([("bob", name) for name in "abc"])
        with pytest.raises(LimitExceeded, match="following_max"):
            feed.imports.follows([("eve", "a"), ("bob", "d")])
        assert counts(feed, "bob")[1] == 3
        assert counts(feed, "eve")[1] == 0


def test_a_heavy_author_who_was_imported_is_pulled_and_nobody_misses_a_post(backend_url: str) -> None:
    with connected(backend_url, policy=Hybrid(pull_above=5)) as feed:
        readers = [f"reader {nth}" for nth in range(10)]
        for reader in readers[:3]:
            feed.home(reader)
        feed.imports.follows([(reader, "star") for reader in readers])
        feed.imports.posts([post("star", "before")])
        for text in ("first", "second", "third"):
            feed.publish("star", text=text)
            feed.drain()
            feed.runtime()._wiring.clock.advance(seconds=1)  # type: ignore[attr-defined]
        assert len(feed.runtime().truth.read(feed.runtime().truth.pulled.all)) == 1
        for reader in readers:
            assert texts(feed.home(reader)) == ["third", "second", "first", "before"]
        assert feed.check().ok


# posts


def test_posts_stand_at_their_own_times_between_those_that_are_there(feed: Feed[str]) -> None:
    feed.imports.follows([("bob", "ada")])
    feed.imports.posts([post("ada", "b", days=2), post("ada", "d", days=4)])
    assert texts(feed.home("bob")) == ["d", "b"]
    feed.publish("ada", text="now")

    feed.imports.posts([post("ada", "c", days=3), post("ada", "a", days=1)])

    page = feed.home("bob")
    assert texts(page) == ["now", "d", "c", "b", "a"]
    stored = [item.post for item in page][1:]
    assert all(one.id == one.position and node_of(one.position) == BACKDATED_NODE for one in stored)
    assert [one.published_at for one in stored] == [THEN + timedelta(days=days) for days in (4, 3, 2, 1)]
    assert all(ms_of(one.position) == one.created_ms for one in stored)


def test_many_posts_of_one_moment_each_have_a_place_also_past_what_a_millisecond_holds(
    feed: Feed[str],
) -> None:
    feed.imports.posts([post("ada", f"a{nth}") for nth in range(4000)])
    feed.imports.posts([post("ada", f"b{nth}") for nth in range(500)])
    feed.imports.posts([post("ada", f"c{nth}", days=1 / 86_400_000) for nth in range(10)])

    seen: list[str] = []
    page = feed.profile("ada", "ada", limit=100)
    while True:
        seen += texts(page)
        if page.next_cursor is None:
            break
        page = feed.profile("ada", "ada", cursor=page.next_cursor, limit=100)
    assert len(seen) == len(set(seen)) == 4510
    assert seen[-4000:] == [f"a{nth}" for nth in reversed(range(4000))]


def test_posts_that_are_there_may_come_among_new_ones_and_say_what_no_longer_fits(feed: Feed[str]) -> None:
    feed.imports.posts([post("ada", "question"), post("bob", "answer", days=2, reply_to_ref="question")])

    moved = [
        post("bob", "answer", days=2, reply_to_ref="question"),
        post("ada", "question", days=3),
        post("ada", "new", days=4),
        post("bob", "another", days=5, reply_to_ref="question"),
    ]
    reports = [feed.imports.posts(moved, chunk=size) for size in (2, 1)]

    assert [(report.added, report.unchanged) for report in reports] == [(2, 2), (0, 4)]
    assert texts(feed.profile("ada", "ada")) == ["new", "question"]
    (question,) = (item.post for item in feed.profile("ada", "ada") if item.post.text == "question")
    assert texts(feed.thread("ada", question.id)) == ["answer", "another"]


def test_a_post_that_is_published_under_a_ref_of_an_import_meanwhile_is_there(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [post("ada", ref) for ref in "xyy"]  # one twice, so that refs are looked up
    with connected(postgres_database) as feed, connected(postgres_database) as other:
        feed.publish("ada", text="so that she is there")

        # when another process publishes one of them after the import has looked
        asked = SqlBulk.by_refs

        def publishing(self: Any, tx: Any, refs: Sequence[str]) -> Any:
            there = asked(self, tx, refs)
            if not other.posts.by_ref(None, ["x"]):
                other.publish("ada", ref="x", text="published")
            return there

        monkeypatch.setattr(SqlBulk, "by_refs", publishing)
        report = feed.imports.posts(rows)

        # then that one stays as it is
        assert (report.added, report.unchanged) == (1, 2)
        assert feed.posts.by_ref(None, ["x"])["x"].post.text == "published"
        feed.drain()
        assert feed.check().ok


def test_posts_bring_what_they_answer_media_audiences_and_counters(feed: Feed[str]) -> None:
    feed.follow("bob", "ada")
    asked = feed.publish("ada", text="asked")
    feed.imports.posts([post("ada", "old", media=[{"url": "https://x.example/1"}], extra={"a": 1})])
    feed.imports.posts(
        [
            post("bob", "answer", days=2, reply_to_ref="question"),
            post("ada", "question", days=1, audience="followers"),
            post("bob", "to old", days=3, reply_to_ref="old"),
            post("bob", "by id", days=4, reply_to=asked.id),
            post("ada", "mine", days=5, audience="only_me"),
        ]
    )
    feed.drain()

    items = {item.post.text: item for item in feed.profile("ada", "ada")}
    assert items["old"].post.media[0].url == "https://x.example/1"
    assert items["old"].post.extra == {"a": 1}
    assert [items[text].counts.replies for text in ("asked", "old", "question")] == [1, 1, 1]
    assert "question" not in texts(feed.profile(None, "ada"))
    assert "mine" not in texts(feed.home("bob"))
    assert counts(feed, "ada")[3] == 2, "posts that not everybody sees are not counted"
    by_ref = {item.post.ref: item.post for item in feed.profile("bob", "bob", tab="replies")}
    assert by_ref["answer"].reply_to == items["question"].post.id
    assert by_ref["by id"].reply_to == asked.id


@pytest.mark.parametrize("private", [False, True])
def test_counters_are_those_of_posts_that_were_published(backend_url: str, private: bool) -> None:
    with connected(backend_url) as feed:
        # given two stories, with answers by people who may be private
        audiences = ("public", "unlisted", "followers", "friends", "only_me")
        for name in ("answers imported", "answers published"):
            feed.users.put(name, private=private)

        # when one of them is imported and the other published
        feed.imports.posts(
            [post("imported", audience, audience=audience) for audience in audiences]
            + [
                post("answers imported", f"re {one}", audience=one, reply_to_ref="public")
                for one in audiences
            ]
        )
        root = feed.publish("published", text="root")
        for audience in audiences[1:]:
            feed.publish("published", audience=audience)
        for audience in audiences:
            feed.publish("answers published", audience=audience, reply_to=root.id)
        feed.drain()

        # then all counters are the same, and so is what is noted of each answer
        mine = feed.posts.by_ref(None, ["public"])["public"]
        assert mine.counts == feed.post(None, root.id).counts
        assert mine.counts.replies == (0 if private else 2)
        for name in ("", "answers "):
            assert counts(feed, f"{name}imported") == counts(feed, f"{name}published")
        noted = [
            [kinds(feed, item.post.id) for item in feed.profile(name, name, tab="replies")]
            for name in ("answers imported", "answers published")
        ]
        assert noted[0] == noted[1] != []


def kinds(feed: Feed[str], post_id: int) -> dict[str, int]:
    truth = feed.runtime().truth
    return truth.read(lambda tx: truth.counts.get_many(tx, [post_id])).get(post_id, {})


def test_tags_and_mentions_are_found_in_imported_texts(feed: Feed[str]) -> None:
    feed.users.put("bob", handle="bobby")
    feed.imports.posts(
        [
            post("ada", "1", text="#Python and #python for @bobby and @nobody"),
            post("ada", "2", days=1, text="nothing"),
            post("ada", "3", days=2, text="#python", audience="followers"),
        ]
    )
    assert [item.post.ref for item in feed.tag(None, "python")] == ["1"]
    imported = feed.posts.by_ref("bob", ["1"])["1"].post
    published = feed.publish("ada", text=imported.text)
    assert imported.entities == published.entities != ()


def test_answers_in_a_circle_are_refused(feed: Feed[str]) -> None:
    for rows in (
        [post("ada", "a", reply_to_ref="a")],
        [post("ada", "a", reply_to_ref="b"), post("ada", "b", reply_to_ref="a")],
        [post("ada", "a", reply_to_ref="b"), post("ada", "b", days=1)],
    ):
        with pytest.raises(InvalidArgument, match=r"rows\[0\].*reply_to_ref"):
            feed.imports.posts(rows)
    with pytest.raises(InvalidArgument, match=r"rows\[0\].*together"):
        feed.imports.posts([post("ada", "a", reply_to_ref="b", reply_to=1)])


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"text": 7}, InvalidArgument, r"rows\[1\].*text must be a str"),
        ({"text": "x" * 100_000}, LimitExceeded, r"rows\[1\].*text must be"),
        ({"text": "\0"}, InvalidArgument, r"rows\[1\].*NUL"),
        ({"ref": None}, InvalidArgument, r"rows\[1\].*ref must be given"),
        ({"at": None}, InvalidArgument, r"rows\[1\].*aware datetime"),
        ({"at": datetime(2020, 1, 1)}, InvalidArgument, r"rows\[1\].*aware datetime"),
        ({"at": datetime(1999, 1, 1, tzinfo=UTC)}, InvalidArgument, r"rows\[1\].*year 2000"),
        ({"at": NOW + timedelta(seconds=1)}, InvalidArgument, r"rows\[1\].*lie ahead"),
        ({"author": 7}, KeyTypeMismatch, r"rows\[1\].*author must be str"),
        ({"audience": "everybody"}, InvalidArgument, r"rows\[1\].*audience"),
        ({"media": [{}]}, InvalidArgument, r"rows\[1\].*media\[0\]"),
        ({"extra": {"a": float("nan")}}, InvalidArgument, r"rows\[1\].*extra"),
        ({"reply_to_ref": "nothing"}, InvalidArgument, r"rows\[1\].*reply_to_ref names no post"),
        ({"reply_to": 12345}, InvalidArgument, r"rows\[1\].*reply_to names no post"),
        ({"reply_to": "x"}, InvalidArgument, r"rows\[1\].*reply_to must be"),
        ({"body": "x"}, InvalidArgument, r"rows\[1\].*body"),
        ({"ref": "good", "author": "mallory"}, Conflict, r"rows\[1\].*ref is taken"),
    ],
)
def test_a_bad_post_is_named_and_nothing_of_its_chunk_is_written(
    feed: Feed[str], change: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as raised:
        feed.imports.posts([post("ada", "good"), {**post("ada", "bad"), **change}])
    assert str(raised.value.argument).startswith("rows[1]")  # type: ignore[attr-defined]
    assert not feed.profile("ada", "ada")
    assert feed.users.get(["ada"]) == {}


def test_a_null_of_the_hosts_table_is_no_value(feed: Feed[str]) -> None:
    nulls = dict.fromkeys(
        ("text", "kind", "schema_version", "audience", "list", "media", "extra", "fallback", "reply_to")
    )
    feed.imports.posts([{**post("ada", "one"), **nulls}])
    (item,) = feed.profile("ada", "ada")
    assert (item.post.kind, item.post.audience, item.post.media) == ("post", "public", ())


def test_a_row_number_counts_from_the_first_row_of_all(feed: Feed[str]) -> None:
    rows = [post("ada", str(nth)) for nth in range(7)]
    rows[5] = {**rows[5], "reply_to_ref": "nothing"}
    with pytest.raises(InvalidArgument, match=r"rows\[5\]"):
        feed.imports.posts(rows, chunk=2)
    assert len(feed.profile("ada", "ada")) == 4
    with pytest.raises(InvalidArgument, match=r"rows\[5\]"):
        feed.imports.posts(rows, chunk=2, start=4)


def test_what_only_some_rows_have_stays_with_them_in_a_large_chunk(feed: Feed[str]) -> None:
    """Rows are checked some thousands at once."""
    # given rows that answer and show something, in each thousand
    rows = [post("ada", str(nth), days=nth / 5000) for nth in range(5000)]
    some = range(7, 5000, 500)
    for nth in some:
        rows[nth] |= {"text": f"look {nth}", "reply_to_ref": str(nth - 7), "extra": {"row": nth}}

    # when
    assert feed.imports.posts(rows).added == 5000

    # then
    refs = [str(nth + off) for nth in some for off in (-7, 0)]
    found = {ref: item.post for ref, item in feed.posts.by_ref(None, refs).items()}
    for nth in some:
        asked, answer = found[str(nth - 7)], found[str(nth)]
        assert (asked.text, asked.reply_to, asked.extra) == (str(nth - 7), None, {})
        assert (answer.text, answer.reply_to, answer.extra) == (f"look {nth}", asked.id, {"row": nth})
    assert counts(feed, "ada")[3] == 5000


@pytest.mark.parametrize("bad", [0, 1999, 2000, 4100])
def test_a_bad_row_of_a_large_chunk_is_named(feed: Feed[str], bad: int) -> None:
    follows: list[Any] = [(f"reader {nth}", "ada") for nth in range(4200)]
    follows[bad] = ("reader", "")
    with pytest.raises(InvalidArgument) as raised:
        feed.imports.follows(follows)
    assert raised.value.argument == f"rows[{bad}].followee"
    assert feed.users.get(["ada"]) == {}


# everybody at once


def test_processes_that_import_the_same_at_once_write_it_once(backend_url: str) -> None:
    follows = [(f"r{nth % 40}", f"w{nth % 7}") for nth in range(400)]
    posts = [post(f"w{nth % 7}", str(nth), days=nth % 5) for nth in range(400)]
    with connected(backend_url) as feed:

        def everything(_: int) -> tuple[int, int]:
            follow = feed.imports.follows(follows, chunk=50)
            return follow.added, feed.imports.posts(posts, chunk=50).added

        with ThreadPoolExecutor(3) as pool:
            added = list(pool.map(everything, range(3)))

        assert [sum(column) for column in zip(*added, strict=True)] == [280, 400]
        assert counts(feed, "w0")[0] == 40
        assert feed.check().ok


def test_people_go_on_following_and_posting_while_an_import_runs(backend_url: str) -> None:
    with connected(backend_url) as feed:

        def traffic(who: int) -> None:
            for nth in range(15):
                feed.follow(f"live {who}", f"w{nth}")
                feed.follow(f"w{nth}", f"live {who}")
                feed.publish(f"w{nth}", text=f"{who} {nth}")
                feed.home(f"live {who}")

        with ThreadPoolExecutor(3) as pool:
            running = [pool.submit(traffic, who) for who in range(2)]
            feed.imports.follows([(f"r{nth % 50}", f"w{nth % 15}") for nth in range(750)], chunk=40)
            feed.imports.posts([post(f"w{nth % 15}", str(nth)) for nth in range(300)], chunk=40)
            for one in running:
                one.result()

        for nth in range(15):
            followers = len(
                {
                    (reader)
                    for reader in range(50)
                    for row in range(750)
                    if row % 50 == reader and row % 15 == nth
                }
            )
            assert counts(feed, f"w{nth}") == (followers + 2, 2, 2, 22)
        assert feed.check().ok


PEOPLE = st.sampled_from("abcde")


@settings(max_examples=30)
@given(
    st.lists(st.tuples(PEOPLE, PEOPLE), max_size=20),
    st.lists(st.tuples(PEOPLE, PEOPLE), max_size=3),
    st.lists(st.tuples(PEOPLE, PEOPLE), max_size=20),
    st.integers(1, 7),
)
def test_imported_follows_are_what_following_one_by_one_gives(
    before: list[tuple[str, str]], blocks: list[tuple[str, str]], rows: list[tuple[str, str]], chunk: int
) -> None:
    with connected("memory://") as one, connected("memory://") as other:
        for feed in (one, other):
            for actor, target in blocks:
                if actor != target:
                    feed.block(actor, target)
            follow_all(feed, before)
        one.imports.follows(rows, chunk=chunk)
        follow_all(other, rows)
        assert told(one) == told(other)


def follow_all(feed: Feed[str], pairs: list[tuple[str, str]]) -> None:
    for actor, target in pairs:
        if actor != target:
            try:
                feed.follow(actor, target)
            except feedkit.Forbidden:
                continue


def told(feed: Feed[str]) -> Any:
    """Relations and counters by key, those of people with none left out."""
    feed.drain()
    truth, directory = feed.runtime().truth, feed.runtime().directory
    keys = {directory.find(name, "key"): name for name in "abcde"}
    rows = {(keys[a], kind, keys[b]) for a, kind, b in truth.read(links)}
    totals = {name: counts(feed, name) for name in "abcde"}
    return rows, totals


@pytest.mark.parametrize("rows", [None, 7, "ada", object()])
def test_what_gives_no_rows_is_refused(feed: Feed[str], rows: Any) -> None:
    for name in ("users", "follows", "posts"):
        with pytest.raises(InvalidArgument, match="rows must be a list") as refused:
            getattr(feed.imports, name)(rows)
        assert refused.value.argument == "rows"
        with pytest.raises(InvalidArgument, match="progress must be a function"):
            getattr(feed.imports, name)([], progress=7)
    with pytest.raises(InvalidArgument, match="pairs must be a list"):
        feed.graph.reconcile(rows)
    with pytest.raises(InvalidArgument, match="progress must be a function"):
        feed.graph.reconcile([], progress=7)  # type: ignore[arg-type]
