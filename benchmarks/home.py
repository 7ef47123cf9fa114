"""How long a home page takes: 20 posts, hydrated, filtered and checked, for viewers with full inboxes.

Every post comes with its counts and with what the viewer did: most have reactions, many have comments, by
people in blocks with the viewer too, which that viewer's counts leave out.

The world is one SQLite file. Each of ten viewers follows 500 of some thousands of authors, a tenth of whom
post half of what is posted; all inboxes are full (the setting `inbox_entries`, 800 unless changed). Some
followees are muted or blocked after their posts were delivered, some posts are for followers or for nobody
else, some are deleted: what a reader has to leave out stands in the inboxes. Most of the history is planted
by SQL (`_planting.py`), the newest posts and all trouble come from the verbs.

Every page that is timed is compared with a list worked out beforehand from dictionaries alone, outside the
measured time; a wrong one ends the benchmark. The viewers take turns. Figures are medians over the rounds
of each round's percentile; within a round the kinds of read follow one another, so that noise hits all.

    home_*         the first page, inboxes in memory
    page_10_*      the tenth page, still within the inbox
    deep_home_*    a page below the inbox, from truth
    cold_home_*    the first page after everything materialised was dropped: inbox, posts, users, relations
    fresh_home_*   the first page after a followee has posted: the read that delivers it to all who follow
    pull_home_*    the first page where 200 of the 500 followees are pulled (Hybrid) and merged in
    sql_home_*     the usual way: one query over the same tables, indexes and filters through sqlite3, as
                   SQLite plans it after ANALYZE; rows are not made into objects, media are left out, and
                   so is what blocks change in counts
    sql_scan_*     the same, told to walk all posts from the newest on: quicker than its own plan while the
                   viewer follows much of what is posted (`followed_share`), slower and slower below that
    ratio          sql_home_p50_us / home_p50_us of the same round, median

With `--backend redis` the same pages come over PostgreSQL and Redis (`_home_redis.py`), both started for it.

    python benchmarks/home.py --backend embedded --quick --json
    python benchmarks/home.py --backend redis --quick --json
"""

import gc
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from itertools import cycle, islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from anywhere

from benchmarks import _home_redis
from benchmarks._common import (
    Report,
    emit,
    figures,
    machine,
    median_of,
    options,
    percentile,
    ratio,
    rounded,
    timed,
)
from benchmarks._home_world import (
    FULL,
    PAGE,
    QUICK,
    SMOKE,
    Sizes,
    Stage,
    Written,
    build,
    check_inboxes,
    followed_share,
    text,
    user_id,
    verify,
    verify_items,
    with_pulled_authors,
)
from benchmarks._planting import copied, plan_of
from feedkit import Audience, Page

DEEP_PAGES = 3  # so many pages below the inbox

SQL = """
SELECT page.*,
       (SELECT json_group_object(kind, value) FROM feedkit_counts WHERE object_id = page.id) AS counts,
       (SELECT group_concat(kind) FROM feedkit_associations
        WHERE id1 = :viewer AND id2 = page.id
          AND kind IN ('reacted:like', 'reacted:love', 'reacted:laugh', 'saves')) AS own
FROM (
SELECT post.id, post.position, post.kind, post.text, post.extra, post.audience, post.reply_to, post.created_at,
       author.id, author.key, author.handle, author.display_name
FROM feedkit_posts post JOIN feedkit_users author ON author.id = {plus}post.author_id
WHERE {plus}post.author_id IN (
        SELECT id2 FROM feedkit_associations WHERE id1 = :viewer AND kind = 'follows' UNION ALL SELECT :viewer)
  AND post.author_id NOT IN (
        SELECT id2 FROM feedkit_associations
        WHERE id1 = :viewer AND kind IN ('blocks', 'blocked_by', 'mutes'))
  AND post.status = 'published' AND post.deleted_at IS NULL AND author.status = 'active'
  AND (post.audience IN ('public', 'followers') OR post.author_id = :viewer)
ORDER BY post.position DESC LIMIT 20) page
"""


def main() -> None:
    parser = options(__doc__, rounds=5)
    parser.add_argument("--backend", choices=["embedded", "redis"], default="embedded")
    args = parser.parse_args()
    sizes = SMOKE if args.smoke else QUICK if args.quick else FULL
    with ExitStack() as stack:
        report = {"benchmark": "home", "backend": args.backend, "quick": args.quick, "rounds": args.rounds}
        if args.backend == "redis":
            report |= rounded(_home_redis.measure(stack, sizes, args.rounds))
            rows = _home_redis.table(report)
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            report |= rounded(measure(stack, folder, sizes, args.rounds))
            rows = table(report)
    report["machine"] = machine()
    emit(report, rows, as_json=args.json)


def measure(stack: ExitStack, folder: Path, sizes: Sizes, rounds: int) -> Report:
    started = time.perf_counter()
    rng = random.Random(7)
    pushed = build(stack, folder / "pushed.db", sizes, rng)
    sql = stack.enter_context(closing(sqlite3.connect(copied(folder / "pushed.db", folder / "sql.db"))))
    sql.execute("ANALYZE")
    pulled = with_pulled_authors(stack, pushed, folder / "pulled.db", sizes, rng)
    full = check_inboxes(pushed)
    setup_s = time.perf_counter() - started

    kinds = kinds_of_read(pushed, pulled, sql)
    times: dict[str, list[list[float]]] = {name: [] for name in [*kinds, "cold_home", "fresh_home"]}
    for read in kinds.values():
        taken(read, pushed.world.viewers, 2 * sizes.viewers)  # warm
    for _ in range(rounds):
        for name, read in kinds.items():
            count = sizes.reads if name in {"home", "page_10"} else sizes.slow_reads
            times[name].append(taken(read, pushed.world.viewers, count))
        times["cold_home"].append(cold_reads(pushed, sizes.slow_reads // 4))
    for _ in range(rounds):
        times["fresh_home"].append(fresh_reads(pushed, sizes.slow_reads, rng))

    home = median_of(times["home"], 0.5)
    viewer_id = user_id(pushed.feed, pushed.world.viewers[0])
    return {
        "setup_s": setup_s,
        "viewers": sizes.viewers,
        "followees": sizes.followees,
        "authors": sizes.authors,
        "posts": len(pushed.world.posts),
        "followed_share": followed_share(pushed.world),
        "inbox_entries": full,
        "pulled_authors": sizes.pulled,
        "reads_per_round": sizes.reads,
        "pages_verified": sum(len(one) for of_kind in times.values() for one in of_kind),
        "home_p50_us": home,
        "home_p99_us": median_of(times["home"], 0.99),
        "home_p50_us_of_rounds": [percentile(one, 0.5) for one in times["home"]],
        **figures(times, [name for name in times if name != "home"]),
        "pull_ratio": ratio(times["pull_home"], times["home"]),
        "ratio": ratio(times["sql_home"], times["home"]),
        "sql_scan_ratio": ratio(times["sql_scan"], times["home"]),
        "sql_plan": plan_of(sql, SQL.format(plus=""), {"viewer": viewer_id}),
    }


# The reads

Read = Callable[[list[float], str], None]
"""Reads one page for a viewer, adds the microseconds it took, and verifies the page."""


def kinds_of_read(pushed: Stage, pulled: Stage, sql: sqlite3.Connection) -> dict[str, Read]:
    inbox_entries = pushed.feed.runtime().settings.inbox_entries
    deep = inbox_entries // PAGE + DEEP_PAGES
    first = pushed.world.first_pages()
    ids = {viewer: user_id(pushed.feed, viewer) for viewer in pushed.world.viewers}
    return {
        "home": reading(pushed, first),
        "sql_home": joining(sql, SQL.format(plus=""), ids, first),
        "pull_home": reading(pulled, pulled.world.first_pages()),
        "sql_scan": joining(sql, SQL.format(plus="+"), ids, first),
        "page_10": reading(pushed, *page_number(pushed, 10)),
        "deep_home": reading(pushed, *page_number(pushed, deep)),
    }


def reading(
    stage: Stage, expected: dict[str, list[int]], cursors: dict[str, str | None] | None = None
) -> Read:
    def read(into: list[float], viewer: str) -> None:
        cursor = cursors[viewer] if cursors else None
        page: Page[str] = timed(into, lambda: stage.feed.home(viewer, limit=PAGE, cursor=cursor))
        verify_items(stage.world, viewer, page, expected[viewer])

    return read


def joining(sql: sqlite3.Connection, query: str, ids: dict[str, int], expected: dict[str, list[int]]) -> Read:
    def read(into: list[float], viewer: str) -> None:
        values = {"viewer": ids[viewer]}
        rows = timed(into, lambda: sql.execute(query, values).fetchall())
        verify(viewer, [row[0] for row in rows], expected[viewer])

    return read


def page_number(stage: Stage, number: int) -> tuple[dict[str, list[int]], dict[str, str | None]]:
    """What that page must hold, and the cursors that lead there; the pages on the way are verified too."""
    expected, cursors = {}, {}
    for viewer in stage.world.viewers:
        ids = list(islice(stage.world.feed_of(viewer), number * PAGE))
        assert len(ids) == number * PAGE, "the feed is too short"
        cursor = None
        for start in range(0, len(ids) - PAGE, PAGE):
            page = stage.feed.home(viewer, limit=PAGE, cursor=cursor)
            verify_items(stage.world, viewer, page, ids[start : start + PAGE])
            cursor = page.next_cursor
        expected[viewer], cursors[viewer] = ids[-PAGE:], cursor
    return expected, cursors


def taken(read: Read, viewers: Sequence[str], count: int) -> list[float]:
    """The microseconds of so many reads, the viewers in turn."""
    gc.collect()
    times: list[float] = []
    for viewer in islice(cycle(viewers), count):
        read(times, viewer)
    return times


def cold_reads(stage: Stage, count: int) -> list[float]:
    """First pages, each after everything that this process holds was dropped."""
    times: list[float] = []
    read = reading(stage, stage.world.first_pages())
    for viewer in islice(cycle(stage.world.viewers), max(1, count)):
        stage.feed.wipe()
        read(times, viewer)
    for viewer in stage.world.viewers:
        stage.feed.home(viewer)
    return times


def fresh_reads(stage: Stage, count: int, rng: random.Random) -> list[float]:
    """First pages, each right after somebody whom the viewer follows has posted."""
    times: list[float] = []
    world = stage.world
    for viewer in islice(cycle(world.viewers), count):
        name = rng.choice(sorted(world.follows[viewer] - world.hidden[viewer]))
        post = stage.feed.publish(name, text=text(rng))
        world.posts.append(Written(post.id, name, Audience.PUBLIC))
        expected = {viewer: list(islice(world.feed_of(viewer), PAGE))}
        assert expected[viewer][0] == post.id
        reading(stage, expected)(times, viewer)
    return times


# The figures


def table(report: Report) -> dict[str, str]:
    def line(name: str) -> str:
        return f"p50 {report[f'{name}_p50_us']:>9,.0f} us   p99 {report[f'{name}_p99_us']:>9,.0f} us"

    return {
        "world": f"{report['viewers']} viewers x {report['followees']} followees, {report['posts']:,} posts, "
        f"inboxes of {report['inbox_entries']}",
        "first page": line("home"),
        "page 10": line("page_10"),
        "below the inbox": line("deep_home"),
        "after a new post": line("fresh_home"),
        "everything dropped": line("cold_home"),
        f"{report['pulled_authors']} pulled authors": f"{line('pull_home')}   {report['pull_ratio']:.1f} x",
        "SQL join": f"{line('sql_home')}   {report['ratio']:.1f} x",
        "SQL scan": f"{line('sql_scan')}   {report['sql_scan_ratio']:.1f} x",
        "pages verified": f"{report['pages_verified']:,}",
    }


if __name__ == "__main__":
    main()
