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

    python benchmarks/home.py --backend embedded --quick --json
"""

import gc
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import cycle, islice
from pathlib import Path

import attrs

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from anywhere

from benchmarks._common import Report, emit, machine, median_of, options, percentile, rounded, timed
from benchmarks._engagement import Doings, engage
from benchmarks._planting import Planted, copied, plan_of, planting
from feedkit import Audience, Counts, Feed, Hybrid, Own, Page, Settings, User, connect

PAGE = 20
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


@attrs.frozen
class Sizes:
    """How large the world is, and how much is read in a round."""

    viewers: int
    followees: int
    pulled: int
    authors: int
    planted: int
    published: int
    engaged: int
    inbox_entries: int
    reads: int
    slow_reads: int


INBOX = Settings().inbox_entries
FULL = Sizes(10, 500, 200, 20_000, 300_000, 2000, 30_000, INBOX, 5000, 200)
QUICK = Sizes(10, 500, 200, 5000, 40_000, 800, 10_000, INBOX, 2000, 60)
SMOKE = Sizes(3, 60, 20, 1500, 9000, 60, 2000, 100, 30, 4)


@attrs.define
class Written:
    """A post as the world remembers it."""

    id: int
    author: str
    audience: Audience
    deleted: bool = False


class World:
    """What was done, in dictionaries and lists: knows every page without feedkit."""

    def __init__(self, viewers: Sequence[str]) -> None:
        self.viewers = viewers
        self.follows: dict[str, set[str]] = defaultdict(set)
        self.hidden: dict[str, set[str]] = defaultdict(set)
        self.in_blocks: dict[str, set[str]] = defaultdict(set)
        self.doings = Doings()
        self.posts: list[Written] = []
        self._shown: dict[tuple[str, int], tuple[Counts, Own]] = {}

    def copy(self) -> "World":
        other = World(self.viewers)
        other.follows, other.hidden, other.posts = self.follows, self.hidden, list(self.posts)
        other.in_blocks, other.doings = self.in_blocks, self.doings
        return other

    def feed_of(self, viewer: str) -> Iterator[int]:
        """The ids of a home feed, newest first."""
        return (post.id for post in reversed(self.posts) if self._shows(viewer, post))

    def first_pages(self) -> dict[str, list[int]]:
        return {viewer: list(islice(self.feed_of(viewer), PAGE)) for viewer in self.viewers}

    def doings_of(self, viewer: str, post_id: int) -> tuple[Counts, Own]:
        """What a page has to say of a post beside its content."""
        key = (viewer, post_id)
        if key not in self._shown:
            self._shown[key] = self.doings.shown(viewer, post_id, self.in_blocks[viewer])
        return self._shown[key]

    def _shows(self, viewer: str, post: Written) -> bool:
        if post.deleted:
            return False
        if post.author == viewer:
            return True
        return (
            post.audience is not Audience.ONLY_ME
            and post.author in self.follows[viewer]
            and post.author not in self.hidden[viewer]
        )


@attrs.frozen
class Stage:
    """A feed over a file, and the world that it holds."""

    world: World
    path: Path
    feed: Feed[str]


def main() -> None:
    parser = options(__doc__, rounds=5)
    parser.add_argument("--backend", choices=["embedded"], default="embedded", help="SQLite file and memory")
    args = parser.parse_args()
    sizes = SMOKE if args.smoke else QUICK if args.quick else FULL
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        report = {"benchmark": "home", "backend": args.backend, "quick": args.quick, "rounds": args.rounds}
        report |= rounded(measure(stack, folder, sizes, args.rounds))
    report["machine"] = machine()
    emit(report, table(report), as_json=args.json)


def measure(stack: ExitStack, folder: Path, sizes: Sizes, rounds: int) -> Report:
    started = time.perf_counter()
    rng = random.Random(7)
    pushed = build(stack, folder / "pushed.db", sizes, rng)
    sql = stack.enter_context(closing(sqlite3.connect(copied(pushed.path, folder / "sql.db"))))
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


# The world


def build(stack: ExitStack, path: Path, sizes: Sizes, rng: random.Random) -> Stage:
    """A file with its history, its trouble, and full inboxes in memory."""
    feed: Feed[str] = stack.enter_context(
        connect(f"sqlite:///{path}", settings=Settings(inbox_entries=sizes.inbox_entries))
    )
    feed.migrate()
    viewers = [f"viewer{nth}" for nth in range(sizes.viewers)]
    authors = [f"author{nth}" for nth in range(sizes.authors)]
    world = World(viewers)
    known = authors[: sizes.pulled]  # every viewer follows these, and nobody else has so many followers
    for viewer in viewers:
        others = rng.sample(authors[sizes.pulled :], sizes.followees - sizes.pulled)
        world.follows[viewer] = {*known, *others}
    plant(path, world, authors, sizes, rng)
    feed.drain()
    for viewer in viewers:
        feed.home(viewer)  # everybody has an inbox before the rest happens, so all of it is delivered
    stage = Stage(world, path, feed)
    publish(stage, authors, sizes.published, rng)
    make_trouble(stage, authors, sizes, rng)
    first = dict.fromkeys([*viewers, *sorted(set.union(*world.in_blocks.values())), *authors])
    known_ids = {name: user.id for name, user in everybody(feed, list(first)).items()}
    newest = [post.id for post in world.posts[-sizes.engaged :]]
    engage(path, world.doings, newest, {name: known_ids[name] for name in first}, rng)
    feed.drain()
    return stage


def plant(path: Path, world: World, authors: Sequence[str], sizes: Sizes, rng: random.Random) -> None:
    now_ms = int(time.time() * 1000) - 60_000
    with planting(path) as planter:
        ids = planter.users([*world.viewers, *authors], now_ms - 10**10)
        pairs = [(ids[viewer], ids[author]) for viewer in world.viewers for author in world.follows[viewer]]
        planter.follows(pairs, now_ms - 10**9)
        names = drawn(authors, sizes.planted, rng)
        posts = [
            Planted(ids[name], text(rng), audience(rng), now_ms - 1000 * (sizes.planted - nth))
            for nth, name in enumerate(names)
        ]
        planter.posts(posts)
    world.posts += [Written(post.id, name, post.audience) for post, name in zip(posts, names, strict=True)]


def drawn(authors: Sequence[str], count: int, rng: random.Random) -> list[str]:
    """So many authors, with a tenth of them (drawn from all) behind half of the draws."""
    busy = rng.sample(authors, len(authors) // 10)
    return [rng.choice(busy) if rng.random() < 0.5 else rng.choice(authors) for _ in range(count)]


def publish(stage: Stage, authors: Sequence[str], count: int, rng: random.Random) -> None:
    """Posts through the verb, of authors and now and then of a viewer; some with media, some that answer."""
    world = stage.world
    for name in drawn([*authors, *list(world.viewers) * 20], count, rng):
        extra = {"mood": "fine"} if rng.random() < 0.2 else None
        media = [{"url": "https://media.example/1.jpg", "width": 800}] if rng.random() < 0.1 else []
        last = world.posts[-1]
        reply_to = last.id if last.audience is Audience.PUBLIC and rng.random() < 0.2 else None
        chosen = audience(rng)
        post = stage.feed.publish(
            name, text=text(rng), audience=chosen, extra=extra, media=media, reply_to=reply_to
        )
        world.posts.append(Written(post.id, name, chosen))


def make_trouble(stage: Stage, authors: Sequence[str], sizes: Sizes, rng: random.Random) -> None:
    """Mutes, blocks both ways, and deletions, of what has been delivered already."""
    feed, world, strangers = stage.feed, stage.world, set(authors[sizes.pulled :])
    for viewer in world.viewers:
        followees = sorted(world.follows[viewer])
        for muted in rng.sample(followees, sizes.followees // 25):
            feed.mute(viewer, muted)
            world.hidden[viewer].add(muted)
        # Not of those whom everybody follows: they keep their followers, by whom they are told to be pulled.
        blocked, blocking = rng.sample([one for one in followees if one in strangers], 2)
        feed.block(viewer, blocked)
        feed.block(blocking, viewer)
        # A block ends the follow: others take their places, so that the viewers still follow as many.
        world.follows[viewer] -= {blocked, blocking}
        world.hidden[viewer] |= {blocked, blocking}
        world.in_blocks[viewer] |= {blocked, blocking}
        for name in rng.sample(sorted(strangers.difference(followees)), 2):
            feed.follow(viewer, name)
            world.follows[viewer].add(name)
    published = world.posts[-sizes.published :]
    for post in rng.sample(published, len(published) // 20):
        feed.delete(post.author, post.id)
        post.deleted = True


def with_pulled_authors(
    stack: ExitStack, stage: Stage, path: Path, sizes: Sizes, rng: random.Random
) -> Stage:
    """The same world in a second file, where the authors whom all viewers follow are pulled."""
    feed: Feed[str] = stack.enter_context(
        connect(
            f"sqlite:///{copied(stage.path, path)}",
            policy=Hybrid(pull_above=sizes.viewers - 1),
            settings=Settings(inbox_entries=sizes.inbox_entries),
        )
    )
    other = Stage(stage.world.copy(), path, feed)
    known = [f"author{nth}" for nth in range(sizes.pulled)]
    others = sorted(set.union(*stage.world.follows.values()) - set(known))
    mixed = known + rng.sample(others, min(len(others), sizes.pulled))
    rng.shuffle(mixed)
    # Their first posts have authors listed; from the second on they are pulled.
    for names in (known, mixed):
        for name in names:
            post = feed.publish(name, text=text(rng))
            other.world.posts.append(Written(post.id, name, Audience.PUBLIC))
        feed.drain()
    listed = len(feed.runtime().readthrough.pulled())
    assert listed == sizes.pulled, f"{listed} authors are pulled, not {sizes.pulled}"
    return other


def text(rng: random.Random) -> str:
    return "what a day it has been so far, and what a long story it makes " * rng.randint(1, 4)


def audience(rng: random.Random) -> Audience:
    chance = rng.random()
    return Audience.ONLY_ME if chance < 0.01 else Audience.FOLLOWERS if chance < 0.1 else Audience.PUBLIC


# What is true of it


def check_inboxes(stage: Stage) -> int:
    """The length of the shortest inbox, which must be full; and no inbox may lack anything."""
    runtime = stage.feed.runtime()
    held = [runtime.inboxes.read(user_id(stage.feed, viewer)) for viewer in stage.world.viewers]
    shortest = min(0 if inbox is None else len(inbox.entries) for inbox in held)
    assert shortest >= runtime.settings.inbox_entries, f"an inbox holds {shortest} entries only"
    report = stage.feed.check()
    assert report.ok, report
    return shortest


def followed_share(world: World) -> float:
    """The share of all posts that a viewer follows, on average."""
    followed = [sum(post.author in world.follows[viewer] for post in world.posts) for viewer in world.viewers]
    return statistics.mean(followed) / len(world.posts)


def everybody(feed: Feed[str], names: Sequence[str]) -> dict[str, User[str]]:
    found: dict[str, User[str]] = {}
    for start in range(0, len(names), 500):
        found |= feed.users.get(names[start : start + 500])
    return found


def user_id(feed: Feed[str], name: str) -> int:
    return feed.users.get([name])[name].id


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


def verify_items(world: World, viewer: str, page: Page[str], expected: list[int]) -> None:
    verify(viewer, [item.post.id for item in page], expected)
    for item in page:
        counts, own = world.doings_of(viewer, item.post.id)
        # Answers are counted as well, and are published until the end.
        if attrs.evolve(item.counts, replies=0) != counts or item.viewer != own:
            sys.exit(
                f"{viewer} was told {item.counts}, {item.viewer}\nand should have been told {counts}, {own}"
            )


def verify(viewer: str, served: list[int], expected: list[int]) -> None:
    if served != expected:
        sys.exit(f"{viewer} was served {served}\nand should have been served {expected}")


# The figures


def figures(times: dict[str, list[list[float]]], names: Sequence[str]) -> Report:
    found: Report = {}
    for name in names:
        found[f"{name}_p50_us"] = median_of(times[name], 0.5)
        found[f"{name}_p99_us"] = median_of(times[name], 0.99)
    return found


def ratio(slower: list[list[float]], quicker: list[list[float]]) -> float:
    """How many times longer the median of the one takes, round by round, and of these the median."""
    pairs = zip(slower, quicker, strict=True)
    return statistics.median(percentile(a, 0.5) / percentile(b, 0.5) for a, b in pairs)


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
