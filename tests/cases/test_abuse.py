"""Cases A01, A04 and A06: what is huge, hostile or broken."""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import feedkit
from feedkit import FeedkitError, Hybrid, InvalidArgument, PullAll, PushAll, Settings
from tests.cases.case_tools import TABLES, all_rows, both_paths, everything, ids, opened

# A01


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


MEDIUM = {"url": "https://a.example/1"}

HUGE: dict[str, tuple[Callable[[Any], object], str, str]] = {
    "limit": (lambda f: f.home("bob", limit=10**9), "limit", "100"),
    "limit of a profile": (lambda f: f.profile("bob", "ada", limit=101), "limit", "100"),
    "limit below one": (lambda f: f.home("bob", limit=0), "limit", "1"),
    "limit far below one": (lambda f: f.home("bob", limit=-(2**70)), "limit", "1"),
    "limit of the wrong type": (lambda f: f.home("bob", limit=True), "limit", ""),
    "limit as text": (lambda f: f.home("bob", limit="20"), "limit", ""),
    "text": (lambda f: f.publish("ada", text="x" * 10_001), "text", "10000"),
    "text of megabytes": (lambda f: f.publish("ada", text="💥" * 5_000_000), "text", "10000"),
    "text of the wrong type": (lambda f: f.publish("ada", text=b"x"), "text", ""),
    "media": (lambda f: f.publish("ada", text="x", media=[MEDIUM] * 11), "media", "10"),
    "a million media": (lambda f: f.publish("ada", text="x", media=[MEDIUM] * 10**6), "media", "10"),
    "the url of a medium": (
        lambda f: f.publish("ada", text="x", media=[MEDIUM, {"url": "https://a.example/" + "x" * 3000}]),
        "url",
        "2048",
    ),
    "extra": (lambda f: f.publish("ada", text="x", extra={"k": "x" * 16_384}), "extra", "16384"),
    "extra that nests": (lambda f: f.publish("ada", text="x", extra={"k": nested(5_000)}), "extra", ""),
    "extra that nests deeper": (
        lambda f: f.publish("ada", text="x", extra={"k": nested(200_000)}),
        "extra",
        "",
    ),
    "extra that holds itself": (lambda f: f.publish("ada", text="x", extra=itself()), "extra", ""),
    "extra that is no JSON": (lambda f: f.publish("ada", text="x", extra={"k": object()}), "extra", ""),
    "extra that is not a number": (
        lambda f: f.publish("ada", text="x", extra={"k": float("nan")}),
        "extra",
        "",
    ),
    "extra that is a list": (lambda f: f.publish("ada", text="x", extra=[1]), "extra", ""),
    "ref": (lambda f: f.publish("ada", text="x", ref="r" * 201), "ref", "200"),
    "kind": (lambda f: f.publish("ada", text="x", kind="k" * 10_000), "kind", "32"),
    "kind of nothing": (lambda f: f.publish("ada", text="x", kind=""), "kind", ""),
    "audience": (lambda f: f.publish("ada", text="x", audience="everyone" * 1000), "audience", "public"),
    "schema version": (lambda f: f.publish("ada", text="x", schema_version=2**40), "schema_version", ""),
    "reply_to": (lambda f: f.publish("ada", text="x", reply_to=2**80), "reply_to", ""),
    "reply_to of the wrong type": (lambda f: f.publish("ada", text="x", reply_to=1.5), "reply_to", ""),
    "author": (lambda f: f.publish("a" * 201, text="x"), "author", "200"),
    "author in bytes": (lambda f: f.publish("é" * 101, text="x"), "author", "200"),
    "nobody": (lambda f: f.publish("", text="x"), "author", "1"),
    "actor": (lambda f: f.follow("a" * 10_000, "ada"), "actor", "200"),
    "target": (lambda f: f.follow("bob", "a" * 10_000), "target", "200"),
    "blocked": (lambda f: f.block("bob", "a" * 10_000), "target", "200"),
    "viewer": (lambda f: f.home("v" * 10**6), "viewer", "200"),
    "ids": (lambda f: f.posts.get("bob", list(range(1, 502))), "ids", "500"),
    "a million ids": (lambda f: f.posts.get("bob", [1] * 10**6), "ids", "500"),
    "an id": (lambda f: f.posts.get("bob", [2**63]), "ids", ""),
    "an id below one": (lambda f: f.posts.get("bob", [-1]), "ids", ""),
    "an id that is long": (lambda f: f.post("bob", "9" * 10**6), "post_id", ""),
    "an id that is no number": (lambda f: f.post("bob", "1; drop table"), "post_id", ""),
    "an id of the wrong type": (lambda f: f.post("bob", 1.0), "post_id", ""),
    "keys": (lambda f: f.users.get([f"u{n}" for n in range(501)]), "keys", "500"),
    "handle": (lambda f: f.users.put("ada", handle="h" * 65), "handle", "64"),
    "display name": (lambda f: f.users.put("ada", display_name="d" * 201), "display_name", "200"),
    "delete": (lambda f: f.delete("ada", 2**90), "post_id", ""),
}


def itself() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["k"] = value
    return value


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple["feedkit.Feed[str]", sa.Engine]]:
    url = f"sqlite:///{tmp_path_factory.mktemp('huge') / 'feed.db'}"
    engine = sa.create_engine(url)
    with opened(url) as feed:
        feed.follow("bob", "ada")
        feed.publish("ada", text="hi")
        yield feed, engine
    engine.dispose()


@pytest.mark.parametrize("name", HUGE)
def test_a01_a_bound_with_a_clear_error(crowd: tuple["feedkit.Feed[str]", sa.Engine], name: str) -> None:
    feed, engine = crowd
    call, argument, bound = HUGE[name]
    before = all_rows(engine)
    began = time.monotonic()
    with pytest.raises(InvalidArgument) as raised:
        call(feed)
    assert time.monotonic() - began < 2
    error = raised.value
    assert (
        error.argument is not None and error.argument.split(".")[0].split("[")[0] == argument.split("[")[0]
    ) or (argument == "url" and "url" in error.message), f"{error.argument}: {error.message}"
    assert bound in error.message, error.message
    assert len(error.message) < 500, "an error does not repeat what it refuses"
    json.dumps(error.to_dict())
    assert all_rows(engine) == before, "something was written by halves"


def test_a01_what_fits_exactly_is_taken(url: str) -> None:
    with opened(url) as feed:
        feed.follow("bob", "ada")
        post = feed.publish(
            "ada",
            text="💥" * 10_000,
            ref="r" * 200,
            kind="k" * 32,
            media=[{"url": "https://a.example/" + "x" * (2048 - 18)}] * 10,
            extra={"k": "x" * (16_384 - len('{"k":""}') - 1)},
        )
        item = feed.home("bob", limit=100).items[0]
        assert item.post == post
        assert len(item.post.text) == 10_000
        assert len(item.post.media) == 10
        feed.follow("b" * 200, "é" * 100)
        assert feed.posts.get("bob", [post.id] * 500)[499] is not None
        feed.wipe()
        assert feed.home("bob").items[0].post.media == post.media


def test_a01_the_number_of_followees_is_bounded(url: str) -> None:
    with opened(url, settings=Settings(following_max=3)) as feed:
        for n in range(3):
            feed.follow("bob", f"author{n}")
        with pytest.raises(FeedkitError, match="3"):
            feed.follow("bob", "one more")
        assert feed.follow("bob", "author0").changed is False, "what stands already is no new one"
        feed.unfollow("bob", "author0")
        assert feed.follow("bob", "one more").changed


def test_a01_deep_nesting_within_the_size_is_either_refused_or_served(url: str) -> None:
    """2,000 levels fit into `extra` by size; the page has to stay readable either way."""
    with opened(url) as feed:
        feed.follow("bob", "ada")
        for depth in (10, 20, 30, 100, 500, 900, 1_000, 2_000, 8_000):
            refused = refusal(partial(feed.publish, "ada", text="deep", extra={"k": nested(depth)}))
            assert refused is None or refused.argument == "extra"
        feed.publish("ada", text="flat")
        feed.wipe()
        page = feed.home("bob")
        assert page.items[0].post.text == "flat"
        assert page.unreadable == 0
        page.to_dict()


def refusal(call: Callable[[], object]) -> InvalidArgument | None:
    """The error with which a call is refused, None where it goes through."""
    try:
        call()
    except InvalidArgument as error:
        return error
    return None


# A02


def test_a02_following_and_unfollowing_again_and_again_is_one_backfill(sqlite_url: str) -> None:
    with opened(sqlite_url) as feed:
        # given somebody with an inbox
        post = feed.publish("ada", text="x")
        feed.follow("bob", "ada")
        assert ids(feed.home("bob")) == [post.id]
        asked: list[int] = []
        posts = feed.runtime().truth.posts
        recent = posts.recent

        def counted(*given: Any, **named: Any) -> Any:
            asked.append(1)
            return recent(*given, **named)

        # when
        for _ in range(50):
            feed.unfollow("bob", "ada")
            feed.follow("bob", "ada")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(posts, "recent", counted)
            page = feed.home("bob")

    # then
    assert ids(page) == [post.id]
    assert len(asked) <= 1


# A04

NASTY = [
    "{}",
    "{0}{name!r}%s%(x)s",
    "a\nb\r\nc",
    "a\0b",
    "\0",
    "*",
    "a?[b-c]*",
    "'; DROP TABLE feedkit_posts; --",
    '"; DELETE FROM feedkit_users; --',
    "redis.call('FLUSHALL')",
    "\\x00\\",
    ":a:b",
    "💥\U0001d518\U0001d52b",
    "\u202egnirts\u202c",
    "\u200f\u200e\ufeff",
    "e\u0301",
    "é",
    "ADA",
    "ada",
    " ada ",
    "\x7f\x1b[31m",
    "𐏿\U0010ffff",
    "null",
    "NaN",
    "../../etc/passwd",
]

hostile = st.sampled_from(NASTY) | st.text(min_size=1, max_size=40)
lone_surrogate = st.just("\ud800") | st.just("x\udfff")


@pytest.fixture
def strange(url: str) -> Iterator["feedkit.Feed[str]"]:
    """One feed for all examples of a test."""
    with opened(url) as feed:
        yield feed


relaxed = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@relaxed
@given(key=hostile, other=hostile)
@example(key="a\0b", other="a")
@example(key="ada", other="ADA")
@example(key="e\u0301", other="é")
@example(key=" ada ", other="ada")
def test_a04_user_keys_are_data(strange: "feedkit.Feed[str]", key: str, other: str) -> None:
    feed = strange
    user = feed.users.put(key, handle="h")
    assert user.key == key
    assert feed.users.get([key])[key].id == user.id
    post = feed.publish(key, text="x")
    assert feed.post(None, post.id).author.key == key
    assert feed.profile(None, key).user.key == key
    assert post.id in ids(feed.home(key, limit=100))
    if other != key:
        assert feed.users.put(other).id != user.id, "two keys, two users"
        feed.follow(other, key)
        assert post.id in ids(feed.home(other, limit=100))
        feed.block(key, other)
        assert post.id not in ids(feed.home(other, limit=100))
        feed.unblock(key, other)
    feed.delete(key, post.id)


@relaxed
@given(text=hostile, ref=hostile, kind=hostile, name=hostile)
@example(text="a\0b", ref="x", kind="post", name="x")
@example(text="x", ref="a\0b", kind="post", name="x")
@example(text="x", ref="x", kind="po\0st", name="x")
@example(text="x", ref="x", kind="post", name="a\0b")
@example(text="", ref="x", kind="post", name="x")
def test_a04_texts_refs_and_kinds_are_data_or_clearly_refused(
    strange: "feedkit.Feed[str]", text: str, ref: str, kind: str, name: str
) -> None:
    feed = strange
    media = [{"url": f"https://a.example/{ref}", "alt_text": text}]
    extra = {name: text, "k": [name, {text: ref}]}
    arguments = {"text": text, "kind": kind, "media": media, "extra": extra}
    published: list[feedkit.Post] = []
    refused = refusal(
        lambda: published.append(feed.publish("ada", ref=f"{ref}{time.monotonic_ns()}", **arguments))  # type: ignore[arg-type]
    )
    if refused is not None:
        assert refused.argument
        assert refused.argument.split("[")[0] in ("ref", *arguments)
        assert refused.argument == "kind" or any("\0" in one for one in (text, ref, name)), refused.message
        return
    post = published[0]
    feed.wipe()
    served = feed.post(None, post.id).post
    assert (served.text, served.kind, served.extra) == (text, kind, extra)
    assert (served.media[0].url, served.media[0].alt_text) == (media[0]["url"], text)
    assert json.loads(json.dumps(served.to_dict()))["extra"] == extra
    feed.delete("ada", post.id)


@relaxed
@given(handle=hostile, display_name=hostile)
@example(handle="a\0b", display_name="x")
@example(handle="x", display_name="a\0b")
def test_a04_names_are_data_or_clearly_refused(
    strange: "feedkit.Feed[str]", handle: str, display_name: str
) -> None:
    refused = refusal(lambda: strange.users.put("ada", handle=handle, display_name=display_name))
    if refused is not None:
        assert refused.argument in ("handle", "display_name")
        assert "\0" in handle + display_name, refused.message
        return
    user = strange.users.get(["ada"])["ada"]
    assert (user.handle, user.display_name) == (handle, display_name)


@pytest.mark.parametrize("surrogate", ["\ud800", "x\udfff"])
def test_a04_what_no_encoding_can_store_is_refused(strange: "feedkit.Feed[str]", surrogate: str) -> None:
    feed = strange
    calls: dict[str, Callable[[], object]] = {
        "author": lambda: feed.publish(surrogate, text="x"),
        "text": lambda: feed.publish("ada", text=surrogate),
        "ref": lambda: feed.publish("ada", text="x", ref=surrogate),
        "kind": lambda: feed.publish("ada", text="x", kind=surrogate),
        "extra": lambda: feed.publish("ada", text="x", extra={"k": surrogate}),
        "handle": lambda: feed.users.put("ada", handle=surrogate),
        "viewer": lambda: feed.home(surrogate),
    }
    for argument, call in calls.items():
        with pytest.raises(InvalidArgument) as raised:
            call()
        assert raised.value.argument == argument


@pytest.mark.parametrize(
    "namespace",
    [
        "",
        " ",
        "a b",
        "a-b",
        "a;b",
        'a"b',
        "a'b",
        "a\0b",
        "a\nb",
        "é",
        "💥",
        "1a",
        "a{}",
        "a%s",
        "a.b",
        "x" * 200,
        "*",
    ],
)
def test_a04_a_namespace_is_an_identifier_or_refused(sqlite_url: str, namespace: str) -> None:
    with pytest.raises(FeedkitError) as raised:
        feedkit.connect(sqlite_url, namespace=namespace)
    assert raised.value.argument == "namespace"


def test_a04_ids_as_text_are_the_same_ids(url: str) -> None:
    with opened(url) as feed:
        post = feed.publish("ada", text="x")
        assert feed.post(None, str(post.id)).post.id == post.id
        assert [item and item.post.id for item in feed.posts.get(None, [str(post.id), post.id])] == [
            post.id
        ] * 2
        reply = feed.publish("ada", text="y", reply_to=str(post.id))
        assert reply.reply_to == post.id
        for hostile_id in (
            f" {post.id}",
            f"{post.id}\n",
            f"+{post.id}",
            f"0{post.id}",
            "1_0",
            "٣",
            "0x10",
            "",
            "*",
        ):
            with pytest.raises(InvalidArgument):
                feed.post(None, hostile_id)
        assert feed.delete("ada", str(reply.id))


# A06

BROKEN = {
    "extra that is no JSON": {"extra": "{broken"},
    "extra of another type": {"extra": "[1, 2]"},
    "extra that nests without end": {"extra": "[" * 100_000},
    "extra that is empty": {"extra": ""},
    "an unknown audience": {"audience": "aliens"},
}


@pytest.mark.parametrize("policy", [PushAll(), PullAll(), Hybrid(pull_above=2)], ids=repr)
@pytest.mark.parametrize("broken", BROKEN)
def test_a06_the_page_comes_without_what_cannot_be_decoded_and_says_so(
    url: str, host: sa.Engine, broken: str, policy: Any
) -> None:
    with opened(url, policy=policy) as writer:
        writer.follow("bob", "ada")
        posts = [writer.publish("ada", text=str(n)).id for n in range(7)]
    bad = posts[3]
    good = [id for id in posts[::-1] if id != bad]
    with opened(url, policy=policy, settings=Settings(posts_cached=0)) as feed:
        assert ids(feed.home("bob", limit=2)) == posts[:4:-1], "the inbox is there"
        with host.begin() as connection:
            connection.execute(TABLES.posts.update().where(TABLES.posts.c.id == bad).values(**BROKEN[broken]))
        for _ in range(2):
            page = feed.home("bob", limit=20)
            assert (ids(page), page.unreadable, page.next_cursor) == (good, 1, None)
            assert page.to_dict()["unreadable"] == 1
            feed.wipe()
        profile = feed.profile("bob", "ada", limit=20)
        assert (ids(profile), profile.unreadable) == (good, 1)
        for limit in range(1, 7):
            assert everything(feed, "bob", limit) == good, "paging goes past it"
            assert sum(page.unreadable for page in pages(feed, "bob", limit)) == 1, "it is told of once"
        found = feed.posts.get("bob", posts[::-1])
        assert [item and item.post.id for item in found] == [id if id != bad else None for id in posts[::-1]]
        with pytest.raises(feedkit.NotFound):
            feed.post("bob", bad)
        later = feed.publish("ada", text="life goes on").id
        assert both_paths(feed, "bob") == [later, *good]
        assert feed.drain().done
        assert feed.check().ok


def pages(feed: "feedkit.Feed[str]", viewer: str, limit: int) -> Iterator["feedkit.Page[str]"]:
    """All pages of a home feed."""
    page = feed.home(viewer, limit=limit)
    yield page
    while page.next_cursor is not None:
        page = feed.home(viewer, limit=limit, cursor=page.next_cursor)
        yield page


def test_a06_a_post_of_a_status_that_this_code_does_not_know_is_not_shown(url: str, host: sa.Engine) -> None:
    with opened(url) as writer:
        writer.follow("bob", "ada")
        posts = [writer.publish("ada", text=str(n)).id for n in range(3)]
    with opened(url, settings=Settings(posts_cached=0)) as feed:
        feed.home("bob", limit=1)
        with host.begin() as connection:
            where = TABLES.posts.c.id == posts[1]
            connection.execute(TABLES.posts.update().where(where).values(status="exploded"))
        assert both_paths(feed, "bob") == [posts[2], posts[0]]
        assert feed.posts.get("bob", posts)[1] is None
        assert ids(feed.profile("ada", "ada")) == [posts[2], posts[0]]


def test_a06_a_page_full_of_what_cannot_be_decoded(url: str, host: sa.Engine) -> None:
    with opened(url) as writer:
        writer.follow("bob", "ada")
        posts = [writer.publish("ada", text=str(n)).id for n in range(60)]
    with host.begin() as connection:
        query = TABLES.posts.update().where(TABLES.posts.c.id.in_(posts[10:50]))
        connection.execute(query.values(extra="{broken"))
    with opened(url) as feed:
        good = [*posts[:10], *posts[50:]][::-1]
        page = feed.home("bob", limit=15)
        assert ids(page) == good[:15]
        assert page.unreadable == 40
        assert both_paths(feed, "bob", limit=15) == good


def test_a06_a_user_that_cannot_be_decoded(url: str, host: sa.Engine) -> None:
    with opened(url) as writer:
        for name in ("ada", "ben"):
            writer.follow("bob", name)
        strange = writer.publish("ada", text="strange")
        good = writer.publish("ben", text="good")
    with host.begin() as connection:
        where = TABLES.users.c.id == strange.author_id
        connection.execute(TABLES.users.update().where(where).values(status="exploded"))
    with opened(url) as feed:
        for _ in range(2):
            assert ids(feed.home("bob")) == [good.id], "in doubt, denied"
            feed.wipe()


def test_a06_an_event_that_cannot_be_decoded_does_not_stop_the_log(url: str, host: sa.Engine) -> None:
    with opened(url) as feed:
        feed.follow("bob", "ada")
        feed.home("bob")
        first = feed.publish("ada", text="first")
        with host.begin() as connection:
            row = connection.execute(sa.select(sa.func.max(TABLES.events.c.id))).scalar_one()
            bad = {"data": b"\xc1 not msgpack", "kind": "from.the.future"}
            connection.execute(TABLES.events.update().where(TABLES.events.c.id == row).values(**bad))
        second = feed.publish("ada", text="second")
        assert both_paths(feed, "bob") == [second.id, first.id]
        assert feed.drain().done
        assert both_paths(feed, "bob") == [second.id, first.id]
