"""Home pages over PostgreSQL and Redis, for `home.py --backend redis`.

The world is that of the embedded benchmark, in a PostgreSQL, with inboxes in a Redis that other processes could
share. In every round each read is followed by a PING over redis-py's own connection to the same server, so that
whatever slows the machine down slows both.

    ratio_to_ping  home_p50_us / ping_p50_us of the same round, median
    home_*         the first page of viewers with full inboxes, all that they follow pushed
    pull20_*, pull200_*, pull2000_*   the same with so many authors pulled besides, each with ten posts or more
    pull*_ratio    their median over that of `home` in the same round, median
    page_10_*      the tenth page
    fresh_home_*   the first page after a followee has posted: the read that delivers it to all who follow
    cold_home_*    the first page in a process that has just begun, inboxes in Redis
    usual_*        the usual way: ZREVRANGE of 20 and two MGETs of JSON by redis-py, nothing filtered or counted
"""

import gc
import itertools
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import Any

import redis

from benchmarks._common import Report, figures, ratio, timed
from benchmarks._home_world import (
    PAGE,
    Sizes,
    Stage,
    Written,
    check_inboxes,
    populate,
    text,
    user_id,
    verify_items,
)
from benchmarks._planting import Planted, connected, planting
from benchmarks._servers import database_and_redis
from feedkit import Audience, Feed, Hybrid, Settings, connect
from feedkit.model import Count

PULLED = (20, 200, 2000)
READERS = 3  # for each of these
HISTORY = 10
PULL_ABOVE = 1000
SLOW_SHARE = 10

Read = Callable[[list[float]], None]


def measure(stack: ExitStack, sizes: Sizes, rounds: int) -> Report:
    started = time.perf_counter()
    rng = random.Random(7)
    database, url = database_and_redis(stack)
    client = stack.enter_context(redis.Redis.from_url(url))
    stage = build(stack, database, url, sizes, rng)
    pullers = with_pulled(
        stage, [min(one, sizes.authors // 40) if sizes.authors < 5000 else one for one in PULLED], rng
    )
    full = check_inboxes(stage)
    setup_s = time.perf_counter() - started

    kinds = kinds_of_read(stage, pullers, client)
    times: dict[str, list[list[float]]] = {name: [] for name in [*kinds, "ping", "fresh_home", "cold_home"]}
    for read in kinds.values():
        for _ in range(4 * sizes.viewers):
            read([])
    for _ in range(rounds):
        for name, taken in interleaved(kinds, client, sizes).items():
            times[name].append(taken)
    for _ in range(rounds):
        times["cold_home"].append(cold_reads(stage, database, url, sizes))
        times["fresh_home"].append(fresh_reads(stage, sizes.slow_reads, rng))
    return {
        "setup_s": setup_s,
        "viewers": sizes.viewers,
        "followees": sizes.followees,
        "posts": len(stage.world.posts),
        "inbox_entries": full,
        "redis_version": client.info("server")["redis_version"],
        "postgresql_version": _postgresql_version(database),
        "pages_verified": sum(
            len(one) for name, of_kind in times.items() if name not in ("ping", "usual") for one in of_kind
        ),
        **figures(times, list(times)),
        "ratio_to_ping": ratio(times["home"], times["ping"]),
        "usual_ratio_to_ping": ratio(times["usual"], times["ping"]),
        **{f"pull{count}_ratio": ratio(times[f"pull{count}"], times["home"]) for count in PULLED},
    }


def _postgresql_version(database: str) -> str:
    with closing(connected(database)) as connection:
        (version,) = connection.execute("SHOW server_version").fetchone()
    return str(version)


def build(stack: ExitStack, database: str, url: str, sizes: Sizes, rng: random.Random) -> Stage:
    return populate(opened(stack, database, url, sizes), database, sizes, rng)


def opened(stack: ExitStack, database: str, url: str, sizes: Sizes) -> Feed[str]:
    settings = Settings(inbox_entries=sizes.inbox_entries)
    feed: Feed[str] = connect(database, redis=url, policy=Hybrid(pull_above=PULL_ABOVE), settings=settings)
    return stack.enter_context(feed)


def with_pulled(stage: Stage, counts: Sequence[int], rng: random.Random) -> dict[int, list[str]]:
    """Authors with too many followers to push to; for each of `PULLED`, readers who follow so many of them besides."""
    world, feed = stage.world, stage.feed
    stars = [f"star{nth}" for nth in range(max(counts))]
    readers = {of: [f"pull{of}_{nth}" for nth in range(READERS)] for of in PULLED}
    now_ms = int(time.time() * 1000)
    for names, count in zip(readers.values(), counts, strict=True):
        for name in names:
            model = rng.choice(world.viewers)
            world.follows[name] = {*world.follows[model], *stars[:count]}
    known = sorted(
        {one for names in readers.values() for name in names for one in world.follows[name]} - set(stars)
    )
    found = {name: user_id(feed, name) for name in known}
    with planting(stage.target) as planter:
        ids = planter.users([*stars, *itertools.chain(*readers.values())], now_ms - 10**9 - 10**8)
        found |= ids
        for star in stars:
            planter.counts(ids[star], Count.FOLLOWERS.value, 2 * PULL_ABOVE)
        pairs = [
            (found[name], found[one])
            for names in readers.values()
            for name in names
            for one in sorted(world.follows[name])
        ]
        planter.follows(pairs, now_ms - 10**9, told=False)
        posts = [
            (star, Planted(ids[star], text(rng), Audience.PUBLIC, now_ms - 5 * 10**8 + 1000 * nth))
            for nth, star in enumerate(rng.sample(stars * HISTORY, HISTORY * len(stars)))
        ]
        planter.posts([post for _, post in posts], told=False)
    world.posts += [Written(post.id, star, post.audience) for star, post in posts]
    mixed = stars + rng.sample(known, min(len(known), len(stars)))
    rng.shuffle(mixed)
    for name in mixed:
        post = feed.publish(name, text=text(rng))
        world.posts.append(Written(post.id, name, Audience.PUBLIC))
    world.posts.sort(key=lambda post: post.id)
    feed.drain()
    listed = len(feed.runtime().readthrough.pulled())
    assert listed == len(stars), f"{listed} authors are pulled, not {len(stars)}"
    return readers


# The reads


def kinds_of_read(stage: Stage, pullers: Mapping[int, list[str]], client: "redis.Redis") -> dict[str, Read]:
    kinds = {"home": pages(stage, stage.world.viewers)}
    kinds |= {f"pull{count}": pages(stage, readers) for count, readers in pullers.items()}
    kinds["page_10"] = pages(stage, stage.world.viewers, 10)
    kinds["usual"] = usual_pages(stage, client)
    return kinds


def pages(stage: Stage, viewers: Sequence[str], number: int = 1) -> Read:
    """Reads that page, the viewers in turn, and verifies it."""
    turns = itertools.cycle([(viewer, *_page_of(stage, viewer, number)) for viewer in viewers])

    def read(into: list[float]) -> None:
        viewer, cursor, expected = next(turns)
        page = timed(into, lambda: stage.feed.home(viewer, limit=PAGE, cursor=cursor))
        assert not page.degraded
        verify_items(stage.world, viewer, page, expected)

    return read


def _page_of(stage: Stage, viewer: str, number: int) -> tuple[str | None, list[int]]:
    cursor = None
    for _ in range(number - 1):
        cursor = stage.feed.home(viewer, limit=PAGE, cursor=cursor).next_cursor
    ids = itertools.islice(stage.world.feed_of(viewer), (number - 1) * PAGE, number * PAGE)
    return cursor, list(ids)


def usual_pages(stage: Stage, client: Any) -> Read:
    """A sorted set for each viewer, posts and authors as JSON, made for this."""
    for viewer in stage.world.viewers:
        page = stage.feed.home(viewer, limit=PAGE)
        older = {f"u:post:{nth}": nth for nth in range(1, 780)}
        client.zadd(f"u:inbox:{viewer}", older | {f"u:post:{item.post.id}": item.post.id for item in page})
        for item in page:
            client.set(f"u:post:{item.post.id}", json.dumps(item.to_dict()["post"]))
            client.set(f"u:user:{item.post.author_id}", json.dumps(item.to_dict()["author"]))
    turns = itertools.cycle(stage.world.viewers)

    def read(into: list[float]) -> None:
        viewer = next(turns)

        def usual() -> list[object]:
            names = client.zrevrange(f"u:inbox:{viewer}", 0, PAGE - 1)
            posts = [json.loads(post) for post in client.mget(names)]
            authors = client.mget([f"u:user:{post['author_id']}" for post in posts])
            return list(zip(posts, [json.loads(author) for author in authors], strict=True))

        assert len(timed(into, usual)) == PAGE

    return read


def interleaved(kinds: Mapping[str, Read], client: "redis.Redis", sizes: Sizes) -> dict[str, list[float]]:
    """Microseconds of each kind; a PING follows each read of the first, and the costly ones come more seldom."""
    gc.collect()
    times: dict[str, list[float]] = {name: [] for name in [*kinds, "ping"]}
    for nth in range(sizes.reads // 4):
        for name, read in kinds.items():
            if name == "home" or nth % SLOW_SHARE == 0:
                read(times[name])
                timed(times["ping"], client.ping)
    return times


def cold_reads(stage: Stage, database: str, url: str, sizes: Sizes) -> list[float]:
    """First pages of feeds that were opened just now; the schema and keys have been looked at."""
    times: list[float] = []
    stage.feed.drain()
    for viewer in stage.world.viewers[: max(1, sizes.slow_reads // 10)]:
        with ExitStack() as stack:
            feed = opened(stack, database, url, sizes)
            feed.users.get([viewer])
            expected = list(itertools.islice(stage.world.feed_of(viewer), PAGE))
            page = timed(times, lambda: feed.home(viewer, limit=PAGE))  # noqa: B023 - called at once
            verify_items(stage.world, viewer, page, expected)
    return times


def fresh_reads(stage: Stage, count: int, rng: random.Random) -> list[float]:
    times: list[float] = []
    world = stage.world
    for viewer in itertools.islice(itertools.cycle(world.viewers), count):
        name = rng.choice(sorted(world.follows[viewer] - world.hidden[viewer]))
        post = stage.feed.publish(name, text=text(rng))
        world.posts.append(Written(post.id, name, Audience.PUBLIC))
        expected = list(itertools.islice(world.feed_of(viewer), PAGE))
        assert expected[0] == post.id
        page = timed(times, lambda: stage.feed.home(viewer, limit=PAGE))  # noqa: B023 - called at once
        verify_items(world, viewer, page, expected)
    return times


def table(report: Report) -> dict[str, str]:
    def line(name: str, more: str = "") -> str:
        return f"p50 {report[f'{name}_p50_us']:>9,.0f} us   p99 {report[f'{name}_p99_us']:>9,.0f} us   {more}"

    return {
        "world": f"{report['viewers']} viewers x {report['followees']} followees, {report['posts']:,} posts, "
        f"inboxes of {report['inbox_entries']}, Redis {report['redis_version']}",
        "PING": line("ping"),
        "first page": line("home", f"{report['ratio_to_ping']} x PING"),
        **{
            f"{count} pulled besides": line(
                f"pull{count}", f"{report[f'pull{count}_ratio']} x the first page"
            )
            for count in PULLED
        },
        "page 10": line("page_10"),
        "after a new post": line("fresh_home"),
        "process just begun": line("cold_home"),
        "redis-py, ZREVRANGE, MGET": line("usual", f"{report['usual_ratio_to_ping']} x PING"),
        "pages verified": f"{report['pages_verified']:,}",
    }
