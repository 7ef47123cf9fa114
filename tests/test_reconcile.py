"""Reconciling: the host's own follow table is adopted, and drift is found and repaired, while people go on."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import feedkit
from feedkit import Feed, InvalidArgument, KeyTypeMismatch, LimitExceeded, ManualClock, Settings
from feedkit.model import Assoc, ReconcileReport
from tests.test_imports import NOW, connected, counts, links, texts

Pair = tuple[Any, Any]


@pytest.fixture
def feed(backend_url: str) -> Iterator[Feed[str]]:
    with connected(backend_url) as made:
        yield made


def follows(feed: Feed[Any]) -> set[Pair]:
    """Every follow by keys, and beside it what must go with it."""
    truth, directory = feed.runtime().truth, feed.runtime().directory
    rows = set(truth.read(links))
    follow = {(a, b) for a, kind, b in rows if kind == "follows"}
    assert {(b, a) for a, kind, b in rows if kind == "followed_by"} == follow
    assert {(a, b) for a, kind, b in rows if kind == "friends"} == {
        (a, b) for a, b in follow if (b, a) in follow
    }
    ids = [one for pair in follow for one in pair]
    users = {row.id: directory.user(row).key for row in truth.read(lambda tx: truth.users.get_many(tx, ids))}
    return {(users[a], users[b]) for a, b in follow}


def right_counts(feed: Feed[Any]) -> bool:
    """Whether counters are what the follows come to."""
    pairs = follows(feed)
    for key in {one for pair in pairs for one in pair}:
        followers = {a for a, b in pairs if b == key}
        following = {b for a, b in pairs if a == key}
        if counts(feed, key)[:3] != (len(followers), len(following), len(followers & following)):
            return False
    return True


def told(report: ReconcileReport[Any]) -> tuple[int, int, int, int, int]:
    return report.added, report.removed, report.unchanged, report.refused, report.in_flight


def plant(feed: Feed[Any], *, without: Iterable[Pair] = (), besides: Iterable[Pair] = ()) -> None:
    """Drift: rows of truth that go and come behind feedkit's back, counters with them."""
    runtime = feed.runtime()
    now_ms = 1_700_000_000_000

    def work(tx: Any) -> None:
        for pairs, sign in ((without, -1), (besides, 1)):
            for a, b in pairs:
                one, other = (runtime.directory.find(key, "key", tx) for key in (a, b))
                assert one
                assert other
                graph = runtime.truth.graph
                back = other in graph.range(tx, one, Assoc.FOLLOWED_BY, 0, 10**6)
                for kind in (Assoc.FOLLOWS, *([Assoc.FRIENDS] if back else [])):
                    if sign < 0:
                        assert graph.remove(tx, one, kind, other)
                    else:
                        assert graph.add(tx, one, kind, other, now_ms)
                deltas = {(one, "following"): sign, (other, "followers"): sign}
                if back:
                    deltas |= {(one, "friends"): sign, (other, "friends"): sign}
                runtime.truth.counts.add(tx, deltas)

    runtime.truth.write(work)
    feed.wipe()


# what it does


@pytest.mark.parametrize("key_type", [str, int, UUID], ids=lambda one: one.__name__)
def test_a_follow_table_is_adopted_and_what_it_lacks_is_removed(backend_url: str, key_type: type) -> None:
    ann, ben, cat, dan = (key_type(int=n) if key_type is UUID else key_type(n) for n in range(1, 5))
    with connected(backend_url, key_type) as feed:
        # given
        feed.follow(cat, ann)
        feed.follow(dan, ann)
        feed.publish(ann, text="hi")
        assert texts(feed.home(ben)) == []
        feed.drain()

        # when
        host = [(ann, ben), (ann, cat), (ben, ann), (cat, ann)]
        dry = feed.graph.reconcile(host, dry_run=True)
        assert follows(feed) == {(cat, ann), (dan, ann)}, "a dry run does nothing"
        report = feed.graph.reconcile(host)

        # then
        assert told(dry) == told(report) == (3, 1, 1, 0, 0)
        assert set(report.sample_added) == {(ann, ben), (ann, cat), (ben, ann)}
        assert report.sample_removed == dry.sample_removed == ((dan, ann),)
        assert follows(feed) == set(host)
        assert texts(feed.home(ben)) == ["hi"], "at once, without an import of anything"
        assert texts(feed.home(dan)) == []
        assert right_counts(feed)
        assert feed.check().ok
        assert told(feed.graph.reconcile(host)) == (0, 0, 4, 0, 0)


def test_big_changes_are_told_in_one_event_and_small_ones_each(backend_url: str) -> None:
    with connected(backend_url) as feed:
        feed.publish("star", text="hi")
        assert texts(feed.home("r0000")) == []
        start = feed.runtime().truth.read(feed.runtime().truth.events.last_number)
        host = [(f"r{nth:04}", "star") for nth in range(1500)]
        feed.graph.reconcile(host, chunk=1500)
        feed.drain()
        assert feed.runtime().truth.read(feed.runtime().truth.events.last_number) <= start + 2
        assert texts(feed.home("r0000")) == ["hi"]
        assert counts(feed, "star")[0] == 1500
        feed.graph.reconcile([*host[1:], ("r9999", "star")])
        assert texts(feed.home("r0000")) == []
        assert texts(feed.home("r9999")) == ["hi"]
        assert counts(feed, "star")[0] == 1500


def test_blocks_win_private_accounts_are_followed_and_requests_are_granted(feed: Feed[str]) -> None:
    feed.block("ann", "mallory")
    feed.users.put("secret", private=True)
    assert feed.follow("ben", "secret").status == "requested"

    host = [("ann", "mallory"), ("ben", "ben"), ("ben", "secret"), ("mallory", "ann")]
    assert told(feed.graph.reconcile(host, dry_run=True)) == (1, 0, 0, 3, 0)
    report = feed.graph.reconcile(host)

    assert told(report) == (1, 0, 0, 3, 0)
    assert set(report.sample_refused) == {("ann", "mallory"), ("ben", "ben"), ("mallory", "ann")}
    assert follows(feed) == {("ben", "secret")}
    assert not feed.requests("secret").items
    assert right_counts(feed)


def test_pairs_that_come_twice_count_once_and_nobody_at_all_is_a_table_too(feed: Feed[str]) -> None:
    assert told(feed.graph.reconcile([("a", "b"), ("a", "c"), ("a", "b")])) == (2, 0, 0, 0, 0)
    assert told(feed.graph.reconcile([("a", "b"), ("a", "b"), ("a", "c")])) == (0, 0, 2, 0, 0)
    assert told(feed.graph.reconcile([], dry_run=True)) == (0, 2, 0, 0, 0)
    assert told(feed.graph.reconcile([])) == (0, 2, 0, 0, 0)


# what it refuses


def test_followers_out_of_order_are_refused_and_nothing_is_taken_away(feed: Feed[str]) -> None:
    feed.follow("a", "y")
    feed.follow("b", "z")
    feed.follow("d", "z")
    with pytest.raises(InvalidArgument, match=r"pairs\[2\].*ORDER BY follower"):
        feed.graph.reconcile([("a", "x"), ("b", "x"), ("a", "y")], chunk=1)
    assert follows(feed) >= {("a", "y"), ("b", "z"), ("d", "z")}
    assert right_counts(feed)


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_a_stream_that_breaks_off_takes_nothing_away(feed: Feed[str], chunk: int) -> None:
    feed.follow("a", "y")
    feed.follow("c", "z")

    def broken() -> Iterator[Pair]:
        yield from [("a", "x"), ("b", "x"), ("c", "x")]
        raise ConnectionError("the host's database is gone")

    with pytest.raises(ConnectionError):
        feed.graph.reconcile(broken(), chunk=chunk)
    assert follows(feed) >= {("a", "y"), ("c", "z")}


def test_more_removals_than_allowed_are_refused_and_none_is_done(feed: Feed[str]) -> None:
    for nth in range(6):
        feed.follow("a", f"w{nth}")
    with pytest.raises(LimitExceeded, match="max_removals") as raised:
        feed.graph.reconcile([], max_removals=5)
    assert raised.value.limit == 5
    assert len(follows(feed)) == 6
    assert told(feed.graph.reconcile([], max_removals=6)) == (0, 6, 0, 0, 0)


@pytest.mark.parametrize(
    ("pairs", "options", "error", "says"),
    [
        ([("a", "b"), "x"], {}, InvalidArgument, r"pairs\[1\] must be \(follower, followee\)"),
        ([("a", "b"), ("a", "b", "c")], {}, InvalidArgument, r"pairs\[1\]"),
        ([("a", "b"), (7, "b")], {}, KeyTypeMismatch, r"pairs\[1\].*follower must be str"),
        ([("a", str(n)) for n in range(9)], {}, LimitExceeded, r"pairs\[8\].*following_max"),
        ([], {"resume": "nonsense"}, InvalidArgument, "resume"),
        ([], {"resume": "[1, 2, []]"}, InvalidArgument, "resume"),
        ([], {"as_of": NOW + timedelta(days=1)}, InvalidArgument, "as_of must not lie ahead"),
        ([], {"as_of": NOW - timedelta(days=2)}, InvalidArgument, "event_retention_s"),
        ([], {"max_removals": -1}, InvalidArgument, "max_removals"),
        ([], {"chunk": 0}, InvalidArgument, "chunk"),
    ],
)
def test_what_cannot_be_right_is_refused(
    pairs: list[Any], options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with connected("memory://", settings=Settings(following_max=8)) as feed, pytest.raises(error, match=says):
        feed.graph.reconcile(pairs, **options)


# what happens meanwhile


def test_what_people_do_while_it_runs_is_left_alone(feed: Feed[str]) -> None:
    feed.follow("a", "kept")
    feed.follow("b", "ended")
    feed.follow("c", "again")
    host = [("a", "kept"), ("b", "ended"), ("b", "new"), ("c", "other")]

    def read_slowly() -> Iterator[Pair]:
        """The host read its table; then people go on, before anything is settled."""
        feed.unfollow("b", "ended")
        feed.follow("a", "made")
        feed.follow("z", "made")
        feed.unfollow("c", "again")
        feed.follow("c", "again")
        yield from host

    report = feed.graph.reconcile(read_slowly())

    assert told(report) == (2, 0, 1, 0, 4)
    assert follows(feed) == {
        ("a", "kept"), ("a", "made"), ("z", "made"), ("b", "new"), ("c", "other"), ("c", "again")
    }  # fmt: skip
    assert right_counts(feed)


def test_pairs_that_were_read_a_while_ago_undo_nothing_that_was_done_since(backend_url: str) -> None:
    with connected(backend_url) as feed:
        clock: ManualClock = feed.wiring.clock  # type: ignore[assignment]
        feed.follow("a", "old")
        feed.follow("a", "kept")
        clock.advance(minutes=10)
        read_at = datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
        host = [("a", "kept"), ("b", "kept")]
        clock.advance(minutes=10)
        feed.follow("a", "since")
        feed.follow("b", "kept")
        feed.unfollow("b", "kept")

        report = feed.graph.reconcile(host, as_of=read_at)

        assert told(report) == (0, 1, 1, 0, 2)
        assert follows(feed) == {("a", "kept"), ("a", "since")}


def test_a_run_that_broke_off_is_gone_on_with(feed: Feed[str]) -> None:
    host = sorted((f"r{nth:02}", f"w{other}") for nth in range(30) for other in range(3))
    feed.follow("r01", "surplus")
    feed.follow("r05a", "nobody knows")
    feed.follow("r29", "surplus")
    tokens: list[str] = []

    def stop(report: ReconcileReport[str]) -> None:
        assert report.resume is not None
        tokens.append(report.resume)
        if len(tokens) == 3:
            raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError):
        feed.graph.reconcile(iter(host), chunk=15, progress=stop)
    assert ("r01", "surplus") in follows(feed), "removals come last"
    settled = len(follows(feed)) - 3

    report = feed.graph.reconcile(iter(host), chunk=15, resume=tokens[-1])

    assert report.added == len(host) - settled
    assert report.unchanged == 0, "what is settled is not looked at again"
    assert report.removed == 3
    assert report.resume is None
    assert follows(feed) == set(host)
    assert right_counts(feed)


def test_a_token_that_the_log_no_longer_reaches_back_to_is_refused(backend_url: str) -> None:
    with connected(backend_url, settings=Settings(event_retention_s=0, prune_every=1)) as feed:
        tokens: list[Any] = []
        host = [("a", "x"), ("b", "x"), ("c", "x")]
        feed.graph.reconcile(host, chunk=1, progress=lambda report: tokens.append(report.resume))
        clock: ManualClock = feed.wiring.clock  # type: ignore[assignment]
        for nth in range(4):
            clock.advance(hours=1)
            feed.follow("a", f"y{nth}")
            feed.drain()
        with pytest.raises(InvalidArgument, match="event_retention_s"):
            feed.graph.reconcile([*host, ("d", "x")], resume=tokens[0])


def test_a_run_that_the_log_is_pruned_under_ends_before_it_undoes_what_people_did(backend_url: str) -> None:
    with connected(backend_url, settings=Settings(event_retention_s=0, prune_every=1)) as feed:
        clock: ManualClock = feed.wiring.clock  # type: ignore[assignment]

        def read_slowly() -> Iterator[Pair]:
            """After the first chunk somebody follows, and the log forgets it."""
            yield from [("a", "ada"), ("aa", "ada")]
            feed.follow("b", "eve")
            for nth in range(4):
                clock.advance(hours=1)
                feed.publish("ada", text=str(nth))
                feed.drain()
            yield ("c", "ada")

        with pytest.raises(InvalidArgument, match="event_retention_s"):
            feed.graph.reconcile(read_slowly(), chunk=1)
        assert ("b", "eve") in follows(feed)


# adoption at work


class Traffic:
    """Threads that publish, follow, unfollow and read, from when the host's table is first read to its end."""

    def __init__(self, feed: Feed[UUID], people: list[UUID], seed: int) -> None:
        self._feed, self._people, self._seed = feed, people, seed
        self._stop = threading.Event()
        self.left: set[Pair] = set()

    def beside(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """These pairs, while people go on; `left` are the follows that they leave standing."""
        with ThreadPoolExecutor(2) as pool:
            running = [pool.submit(self._go, which) for which in range(2)]
            try:
                for nth, pair in enumerate(pairs):
                    if nth % 100 == 0:
                        time.sleep(0.005)  # as a database would take
                    yield pair
            finally:
                self._stop.set()
                for one in running:
                    self.left |= set(one.result())

    def _go(self, which: int) -> list[Pair]:
        rng, left = random.Random(self._seed + which), []
        for nth in range(1_000_000):
            actor, target = rng.sample(self._people, 2)
            visitor = UUID(int=(self._seed << 64) + (which << 32) + nth)
            self._feed.publish(actor, text=f"{which} {nth}")
            self._feed.home(target)
            self._feed.follow(visitor, target)
            self._feed.home(visitor)
            if nth % 3 == 0:
                self._feed.unfollow(visitor, target)
            else:
                left.append((visitor, target))
            if self._stop.is_set():
                break
        return left


def test_a_table_is_adopted_while_people_go_on_and_exactly_the_drift_is_repaired(backend_url: str) -> None:
    rng = random.Random(3)
    people = [UUID(int=rng.getrandbits(128)) for _ in range(120)]
    host = sorted({(a, b) for a in people for b in rng.sample(people, 20) if a != b})
    with feedkit.connect(backend_url, key=UUID) as feed:
        feed.migrate()

        # adopt
        traffic = Traffic(feed, people, 5)
        report = feed.graph.reconcile(traffic.beside(host), chunk=200)
        assert (report.added, report.removed, report.refused) == (len(host), 0, 0)
        assert follows(feed) == set(host) | traffic.left
        assert traffic.left

        # the host's table has what happened here as well; then truth drifts
        table = sorted(set(host) | traffic.left)
        gone = rng.sample(table, 40)
        absent = sorted({(a, b) for a in people for b in people if a != b} - set(table))
        extra = rng.sample(absent, 30)
        plant(feed, without=gone, besides=extra)

        dry = feed.graph.reconcile(iter(table), dry_run=True)
        more = Traffic(feed, people, 77)
        report = feed.graph.reconcile(more.beside(table), chunk=100)

        assert (dry.added, dry.removed) == (report.added, report.removed) == (40, 30)
        assert report.unchanged == len(table) - 40
        assert follows(feed) == set(table) | more.left
        assert right_counts(feed)
        assert feed.check().ok


NAMES = st.text(st.sampled_from("ab\u00e9\U0001f600Z"), min_size=1, max_size=2)
PAIRS = st.sets(st.tuples(NAMES, NAMES).filter(lambda pair: pair[0] != pair[1]), max_size=15)


@settings(max_examples=40)
@given(PAIRS, PAIRS, st.integers(1, 6))
def test_whatever_stood_before_afterwards_the_follows_are_those_of_the_host(
    before: set[Pair], host: set[Pair], chunk: int
) -> None:
    with connected("memory://") as feed:
        feed.imports.follows(sorted(before))
        in_order = sorted(host, key=lambda pair: pair[0].encode())
        dry = feed.graph.reconcile(in_order, chunk=chunk, dry_run=True)
        report = feed.graph.reconcile(in_order, chunk=chunk)
        expected = (len(host - before), len(before - host), len(host & before), 0, 0)
        assert told(dry) == told(report) == expected
        assert follows(feed) == host
        assert right_counts(feed)
