"""How fast users, follows and posts that a host already has are imported, into SQLite and into PostgreSQL.

Users are named by UUIDs. Follows come as a table gives them that is read `ORDER BY follower`: some twenty of
each, most of them of few people, each with its own time. Posts come oldest first, about 100 characters each,
one in ten an answer by the ref of another, one in twenty with a picture, several in one second.

Each round (three; with --quick one) fills an empty database of each kind: a SQLite file as feedkit makes it (WAL,
`synchronous` NORMAL), and a PostgreSQL of its own on this machine, which does not wait for the disk. The figure of
a backend is the median of its rounds; those without a backend are the lower of both. One round before them, into
a database of its own, is told apart: a server that is seconds old, on a machine that hands it its memory page by
page, is none that hosts have.

    users_per_s, follows_per_s, posts_per_s     rows per second, from the first row handed in to the last commit
    cold_follows_per_s, ...                     the same in the round before

Afterwards, in each database but that first one, plain SQL compares what is there with what was handed in: every
follow with its inverse and its time, friends, counters, every post with its author, time, position and what it answers.

    python benchmarks/import.py --quick --json
"""

import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from anywhere

from benchmarks._common import Report, databases, emit, machine, options, rounded
from feedkit import Feed, connect
from feedkit.ids import ms_of

WHAT = ("users", "follows", "posts")
START = datetime(2020, 1, 1, tzinfo=UTC)


@attrs.frozen
class Sizes:
    """How much is imported."""

    users: int
    follows: int
    posts: int


FULL = Sizes(100_000, 1_000_000, 500_000)
QUICK = Sizes(20_000, 200_000, 100_000)
SMOKE = Sizes(200, 2000, 1000)


@attrs.frozen
class World:
    """What a host has."""

    users: list[UUID]
    follows: list[tuple[UUID, UUID, datetime]]
    posts: list[dict[str, Any]]


def main() -> None:
    parser = options(__doc__, rounds=3)
    parser.add_argument("--backend", choices=("both", "sqlite", "postgresql"), default="both")
    parser.set_defaults(rounds=None)
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 3)
    world = make(SMOKE if args.smoke else QUICK if args.quick else FULL)
    report: Report = {"benchmark": "import", "quick": args.quick, "rounds": args.rounds}
    report |= {name: len(getattr(world, name)) for name in WHAT} | {"backends": []}
    with ExitStack() as stack:
        for backend, fresh in databases(stack, args.backend):
            cold = one_round(fresh, world, verified=False)
            rounds = [one_round(fresh, world) for _ in range(args.rounds)]
            report["backends"].append(backend)
            for what in WHAT:
                rows, taken = len(getattr(world, what)), statistics.median(one[what] for one in rounds)
                report[f"{backend}_{what}_per_s"] = rows / taken
                report[f"{backend}_cold_{what}_per_s"] = rows / cold[what]
    for what in (*WHAT, *(f"cold_{what}" for what in WHAT)):
        report[f"{what}_per_s"] = min(report[f"{one}_{what}_per_s"] for one in report["backends"])
    report = rounded(report) | {"verified": True, "machine": machine()}
    emit(report, table(report), as_json=args.json)


def one_round(fresh: Callable[[], Any], world: World, *, verified: bool = True) -> dict[str, float]:
    """Seconds by what was imported."""
    taken = {}
    with fresh() as url:
        with connect(url, key=UUID) as feed:
            feed.migrate()
            for what in WHAT:
                rows = getattr(world, what)
                started = time.perf_counter()
                done = getattr(feed.imports, what)(iter(rows))
                taken[what] = time.perf_counter() - started
                assert (done.rows, done.added) == (len(rows), len(rows)), done
            if verified:
                verify_again(feed, world)
        if verified:
            verify(url, world)
    return taken


def make(sizes: Sizes) -> World:
    """The same each time."""
    rng = random.Random(7)
    users = sorted(UUID(int=rng.getrandbits(128)) for _ in range(sizes.users))
    known = users[:: max(1, sizes.users // 2000)]
    follows: dict[tuple[UUID, UUID], datetime] = {}
    while len(follows) < sizes.follows:
        follower = rng.choice(users)
        followee = rng.choice(known if rng.random() < 0.5 else users)
        if follower != followee:
            follows[follower, followee] = START + timedelta(seconds=rng.randrange(10**8))
            if rng.random() < 0.1 and len(follows) < sizes.follows:
                follows[followee, follower] = START + timedelta(seconds=rng.randrange(10**8))
    in_order = sorted((follower, followee, at) for (follower, followee), at in follows.items())
    return World(users, in_order, [post(rng, users, nth) for nth in range(sizes.posts)])


def post(rng: random.Random, users: list[UUID], nth: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "author": rng.choice(users),
        "ref": f"post:{nth}",
        "at": START + timedelta(seconds=nth // 3),
        "text": " ".join(rng.choices(("morning", "people", "river", "what", "a", "long", "day"), k=20)),
    }
    if nth and rng.random() < 0.1:
        made["reply_to_ref"] = f"post:{rng.randrange(nth)}"
    if rng.random() < 0.05:
        made["media"] = [{"url": f"https://media.example/{nth}.jpg", "width": 1200, "height": 800}]
    return made


def verify_again(feed: Feed[UUID], world: World) -> None:
    """To import some of it again changes nothing."""
    for what in WHAT:
        again = getattr(feed.imports, what)(getattr(world, what)[:1000])
        assert again.added == 0, again
    assert feed.check(sample=20).ok


def verify(url: str, world: World) -> None:
    """Compare every row with what was handed in, by plain SQL."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        everything = Everything(connection)
        everything.follows(world)
        everything.posts(world)
    engine.dispose()


class Everything:
    """What the tables hold."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        users = self._rows("SELECT id, key FROM feedkit_users")
        self._ids = {UUID(bytes=bytes(key)): user_id for user_id, key in users}

    def follows(self, world: World) -> None:
        ids = self._ids
        wanted = {(ids[one], ids[other]): int(at.timestamp() * 1000) for one, other, at in world.follows}
        assert self._links("follows") == wanted
        assert {(b, a): at for (a, b), at in self._links("followed_by").items()} == wanted
        friends = {pair: max(at, wanted[pair[::-1]]) for pair, at in wanted.items() if pair[::-1] in wanted}
        assert self._links("friends") == friends
        assert self._counts("following") == Counter(one for one, _ in wanted)
        assert self._counts("followers") == Counter(other for _, other in wanted)
        assert self._counts("friends") == Counter(one for one, _ in friends)

    def posts(self, world: World) -> None:
        columns = "ref, id, position, author_id, text, created_at, published_at, reply_to, media_count"
        rows = self._rows(f"SELECT {columns} FROM feedkit_posts ORDER BY position")
        refs = {post_id: ref for ref, post_id, *_ in rows}
        assert len(rows) == len(world.posts)
        assert [ref for ref, *_ in rows] == [one["ref"] for one in world.posts], "in the order of their times"
        for row, one in zip(rows, world.posts, strict=True):
            _, post_id, position, author_id, text, created, published, reply_to, media = row
            at_ms = int(one["at"].timestamp() * 1000)
            assert post_id == position
            assert ms_of(position) == created == published == at_ms
            assert (author_id, text) == (self._ids[one["author"]], one["text"])
            assert media == len(one.get("media", ()))
            assert (None if reply_to is None else refs[reply_to]) == one.get("reply_to_ref")
        assert self._counts("posts") == Counter(self._ids[one["author"]] for one in world.posts)

    def _links(self, kind: str) -> dict[tuple[int, int], int]:
        query = f"SELECT id1, id2, time FROM feedkit_associations WHERE kind = '{kind}'"
        return {(one, other): at for one, other, at in self._rows(query)}

    def _counts(self, kind: str) -> Counter[int]:
        query = f"SELECT object_id, value FROM feedkit_counts WHERE kind = '{kind}'"
        return Counter(dict(self._rows(query)))

    def _rows(self, query: str) -> list[Any]:
        cursor = self._connection.connection.cursor()
        cursor.execute(query)
        return list(cursor.fetchall())


def table(report: Report) -> dict[str, str]:
    return {
        f"{what} per second": ", ".join(
            f"{one} {report[f'{one}_{what}_per_s']:,.0f}" for one in report["backends"]
        )
        for what in WHAT
    }


if __name__ == "__main__":
    main()
