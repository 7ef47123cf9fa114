"""Reposts and quotes: whose posts may be shared, with whom, and what hides them again."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

import feedkit
from feedkit import Conflict, Forbidden, InvalidArgument, ManualClock, NotFound, Settings
from tests.cases.case_tools import START, both_paths, everything, ids, news, opened

Feed = feedkit.Feed[str]


@pytest.fixture
def feed(backend_url: str) -> Iterator[Feed]:
    with opened(backend_url, clock=ManualClock(START)) as made:
        made.follow("bob", "ada")
        made.follow("eve", "bob")
        yield made


def lines(page: feedkit.Page[str]) -> list[tuple[str, list[str]]]:
    return [(item.post.text, [user.key for user in item.reposted_by]) for item in page]


# reposts


def test_a_repost_shows_the_post_to_ones_own_followers(feed: Feed) -> None:
    # given
    post = feed.publish("ada", text="hi")

    # when
    repost = feed.repost("bob", str(post.id))

    # then
    assert (repost.kind, repost.repost_of, repost.text) == ("repost", post.id, "")
    assert lines(feed.home("eve")) == [("hi", ["bob"])]
    item = feed.home("eve").items[0]
    assert (item.author.key, item.position) == ("ada", repost.position)
    assert lines(feed.profile(None, "bob")) == [("hi", ["bob"])]
    assert feed.post("eve", repost.id).post == post
    assert feed.post("eve", post.id).counts.reposts == 1
    assert both_paths(feed, "eve") == [post.id]


def test_a_second_repost_is_the_first(feed: Feed) -> None:
    post = feed.publish("ada", text="hi")
    repost = feed.repost("bob", post.id)
    assert feed.repost("bob", post.id) == repost
    assert feed.repost("bob", repost.id) == repost, "of one's own repost"
    other = feed.repost("eve", repost.id)
    assert other.repost_of == post.id, "of a repost: of what it shares"
    assert feed.post(None, post.id).counts.reposts == 2


def test_reposts_at_once_come_to_one(backend_url: str) -> None:
    if backend_url == "memory://":
        pytest.skip("one transaction at a time")
    with opened(backend_url) as feed, ThreadPoolExecutor(8) as pool:
        post = feed.publish("ada", text="hi")
        feed.repost("eve", post.id)
        made = list(pool.map(lambda _: feed.repost("bob", post.id).id, range(24)))
        assert len(set(made)) == 1
        assert feed.post(None, post.id).counts.reposts == 2


def test_taking_back_a_repost_purges_it_and_can_be_repeated(feed: Feed) -> None:
    # given
    post = feed.publish("ada", text="hi")
    repost = feed.repost("bob", post.id)
    assert len(feed.home("eve")) == 1

    # then
    assert feed.unrepost("bob", post.id) is True
    assert both_paths(feed, "eve") == []
    assert feed.post(None, post.id).counts.reposts == 0
    assert [feed.unrepost("bob", one) for one in (post.id, repost.id, 12345)] == [False] * 3
    assert feed.unrepost("nobody", post.id) is False
    again = feed.repost("bob", post.id)
    assert again.id != repost.id
    assert both_paths(feed, "eve") == [post.id]
    assert feed.unrepost("bob", again.id) is True, "by the id of the repost"


def test_taking_back_needs_no_sight_of_the_post(feed: Feed) -> None:
    post = feed.publish("ada", text="hi")
    feed.repost("bob", post.id)
    feed.block("ada", "bob")
    assert feed.unrepost("bob", post.id) is True


@pytest.mark.parametrize("audience", ["followers", "only_me"])
def test_l07_what_is_not_for_everybody_is_shared_by_its_author_alone(feed: Feed, audience: str) -> None:
    # given
    post = feed.publish("ada", text="hi", audience=audience)

    # then
    error = Forbidden if audience == "followers" else NotFound
    with pytest.raises(error):
        feed.repost("bob", post.id)
    with pytest.raises(error):
        feed.publish("bob", text="look", quote_of=post.id)
    with pytest.raises(NotFound):
        feed.repost("eve", post.id)
    own = feed.repost("ada", post.id)
    assert own.audience == audience, "and goes no further than the post itself"
    assert len(feed.home("eve")) == 0


def test_l08_what_may_not_be_seen_and_what_is_not_there_look_alike(feed: Feed) -> None:
    hidden, gone = (feed.publish("ada", text="x", audience="only_me") for _ in range(2))
    feed.delete("ada", gone.id)
    messages = set()
    for one in (hidden.id, gone.id, 12345):
        with pytest.raises(NotFound) as refused:
            feed.repost("eve", one)
        messages.add(str(refused.value))
    assert len(messages) == 1


def test_l07_a_post_that_is_narrowed_later_takes_its_reposts_and_quotes_along(feed: Feed) -> None:
    # given
    post = feed.publish("ada", text="hi")
    feed.repost("bob", post.id)
    quote = feed.publish("bob", text="look", quote_of=post.id)
    assert lines(feed.home("eve")) == [("look", []), ("hi", ["bob"])]

    # when
    feed.edit("ada", post.id, audience="followers")

    # then
    assert lines(feed.home("eve")) == [("look", [])]
    assert feed.home("eve").items[0].quoted is None
    assert feed.post("bob", quote.id).quoted is not None, "bob follows ada"
    feed.edit("ada", post.id, audience="public")
    assert lines(feed.home("eve")) == [("look", []), ("hi", ["bob"])]


def test_l03_a_block_or_mute_hides_what_others_share(feed: Feed) -> None:
    post = feed.publish("ada", text="hi")
    feed.repost("bob", post.id)
    feed.publish("bob", text="look", quote_of=post.id)
    for do, undo in ((feed.block, feed.unblock), (feed.mute, feed.unmute)):
        for actor, target in (("eve", "ada"), ("ada", "eve")):
            do(actor, target)
            if do == feed.block or actor == "eve":
                assert lines(feed.home("eve")) == [("look", [])]
                assert feed.home("eve").items[0].quoted is None
            undo(actor, target)
    assert len(feed.home("eve")) == 2


def test_l05_deleting_removing_or_suspending_hides_reposts_at_the_next_read(feed: Feed) -> None:
    # given
    post = feed.publish("ada", text="hi")
    repost = feed.repost("bob", post.id)
    quote = feed.publish("bob", text="look", quote_of=post.id)
    staff = feed.staff("mod", reason="rules")

    def sees_all() -> bool:
        found = feed.posts.get("eve", [repost.id, quote.id])
        seen = {found[0] is not None, found[1] is not None and found[1].quoted is not None}
        seen.add(lines(feed.home("eve")) == [("look", []), ("hi", ["bob"])])
        seen.add(lines(feed.profile(None, "bob")) == [("look", []), ("hi", ["bob"])])
        assert len(seen) == 1
        return seen.pop()

    # then
    assert sees_all()
    staff.suspend("ada")
    assert not sees_all()
    staff.reinstate("ada")
    assert sees_all()
    staff.remove(post.id)
    assert not sees_all()
    staff.restore(post.id)
    assert sees_all()
    feed.delete("ada", post.id)
    assert not sees_all()
    assert both_paths(feed, "eve") == [quote.id]


def test_a_suspended_person_shares_nothing(feed: Feed) -> None:
    post = feed.publish("ada", text="hi")
    feed.repost("bob", post.id)
    feed.staff("mod", reason="spam").suspend("bob")
    assert len(feed.home("eve")) == 0
    with pytest.raises(Forbidden):
        feed.repost("bob", post.id)
    with pytest.raises(Forbidden):
        feed.publish("bob", text="x", quote_of=post.id)
    assert feed.unrepost("bob", post.id), "taking back is always allowed"


def test_reposts_of_one_post_are_one_line_of_a_page(feed: Feed) -> None:
    # given
    feed.follow("eve", "cyd")
    feed.follow("eve", "ada")
    post = feed.publish("ada", text="hi")
    aside = feed.publish("ada", text="aside")
    feed.repost("bob", post.id)
    feed.repost("cyd", post.id)

    # then
    assert lines(feed.home("eve")) == [("hi", ["cyd", "bob"]), ("aside", [])]
    first = feed.home("eve", limit=1)
    assert lines(first) == [("hi", ["cyd", "bob"])]
    assert first.next_cursor is not None
    assert ids(feed.home("eve", limit=1, cursor=first.next_cursor)) == [aside.id]
    assert everything(feed, "eve", 1) == [post.id, aside.id, post.id]
    assert feed.count_newer("eve", first.newer_cursor) == 0


def test_a_repost_of_a_page_that_was_seen_is_new(feed: Feed) -> None:
    feed.follow("eve", "ada")
    feed.follow("eve", "cyd")
    post = feed.publish("ada", text="hi")
    page = feed.home("eve")
    feed.repost("bob", post.id)
    feed.repost("cyd", post.id)
    assert feed.count_newer("eve", page.newer_cursor) == 1, "a line, whoever brought it"
    assert news(feed, "eve", page.newer_cursor)[0] == [post.id]


def test_a_repost_joins_the_hosts_transaction(backend_url: str) -> None:
    if backend_url == "memory://":
        pytest.skip("no other connection")
    engine = sa.create_engine(backend_url)
    with opened(engine) as feed:
        post = feed.publish("ada", text="hi")
        with engine.connect() as connection:
            repost = feed.repost("bob", post.id, connection=connection)
            assert feed.repost("bob", post.id, connection=connection) == repost
            quote = feed.publish("bob", text="#tag @ada", quote_of=post.id, connection=connection)
            connection.rollback()
        assert feed.posts.get(None, [repost.id, quote.id]) == [None, None]
        assert ids(feed.tag(None, "tag")) == []
        with engine.connect() as connection:
            repost = feed.repost("bob", post.id, connection=connection)
            assert feed.unrepost("bob", post.id, connection=connection)
            feed.publish("bob", text="#tag", quote_of=post.id, connection=connection)
            connection.commit()
        assert lines(feed.profile(None, "bob")) == [("#tag", [])]
        assert len(feed.tag(None, "tag")) == 1
    engine.dispose()


def test_a_repost_has_no_content_of_its_own(feed: Feed) -> None:
    post = feed.publish("ada", text="hi")
    repost = feed.repost("bob", post.id)
    with pytest.raises(Conflict):
        feed.edit("bob", repost.id, text="mine")
    with pytest.raises(InvalidArgument, match=r"feed\.repost"):
        feed.publish("bob", text="x", kind="repost")


# quotes and replies


def test_a_quote_shows_what_it_quotes(feed: Feed) -> None:
    post = feed.publish("ada", text="hi")
    repost = feed.repost("bob", post.id)
    quote = feed.publish("eve", text="look", quote_of=repost.id)
    assert quote.quote_of == post.id, "what the repost shares"
    item = feed.post(None, quote.id)
    assert item.quoted is not None
    assert (item.quoted.post, item.quoted.author.key) == (post, "ada")
    assert feed.post(None, post.id).counts.quotes == 1
    again = feed.repost("bob", quote.id)
    shared = feed.post(None, again.id)
    assert shared.quoted is not None, "a repost of a quote shows it as well"
    assert shared.quoted.post == post


def test_an_answer_is_to_what_its_author_can_see(feed: Feed) -> None:
    secret = feed.publish("ada", text="x", audience="only_me")
    for wrong in (secret.id, 12345):
        with pytest.raises(NotFound, match="reply_to"):
            feed.publish("bob", text="re", reply_to=wrong)
        draft = feed.drafts.save("bob", text="re", reply_to=wrong)
        with pytest.raises(NotFound, match="reply_to"):
            feed.drafts.publish("bob", draft.id)
    shared = feed.repost("bob", feed.publish("ada", text="hi").id)
    assert feed.publish("eve", text="re", reply_to=shared.id).reply_to == shared.repost_of
    followers = feed.publish("ada", text="x", audience="followers")
    assert feed.publish("bob", text="re", reply_to=followers.id).reply_to == followers.id


def test_an_idempotent_quote_is_published_once(feed: Feed) -> None:
    post = feed.publish("ada", text="hi")
    one = feed.publish("bob", text="look", quote_of=post.id, idempotency_key="k")
    assert feed.publish("bob", text="look", quote_of=post.id, idempotency_key="k") == one
    feed.delete("ada", post.id)
    assert feed.publish("bob", text="look", quote_of=post.id, idempotency_key="k") == one


def test_counts_of_the_viewer_leave_out_who_may_not_be_seen(feed: Feed) -> None:
    post = feed.publish("ada", text="hi")
    feed.repost("bob", post.id)
    feed.block("bob", "cyd")
    assert feed.post("cyd", post.id).counts.reposts == 0
    assert feed.post("eve", post.id).counts.reposts == 1


def test_reposts_pull_as_well(backend_url: str) -> None:
    with opened(backend_url, policy=feedkit.PullAll(), settings=Settings(inbox_entries=10)) as feed:
        feed.follow("eve", "bob")
        posts = [feed.publish("ada", text=str(n)) for n in range(30)]
        for post in posts:
            feed.repost("bob", post.id)
        assert both_paths(feed, "eve", 7) == [post.id for post in reversed(posts)]
