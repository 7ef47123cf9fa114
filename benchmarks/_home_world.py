"""The world of the home benchmark: a file with its history and its trouble, and what every page of it must hold."""

import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import attrs

from benchmarks._engagement import Doings, engage
from benchmarks._planting import Planted, Target, copied, planting
from feedkit import Audience, Counts, Feed, Hybrid, Own, Page, Settings, User, connect

PAGE = 20


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
    """A feed over a database, and the world that it holds."""

    world: World
    target: Target
    feed: Feed[str]


# The world


def build(stack: ExitStack, path: Path, sizes: Sizes, rng: random.Random) -> Stage:
    """A file with its history, its trouble, and full inboxes in memory."""
    feed: Feed[str] = stack.enter_context(
        connect(f"sqlite:///{path}", settings=Settings(inbox_entries=sizes.inbox_entries))
    )
    return populate(feed, path, sizes, rng)


def populate(feed: Feed[str], target: Target, sizes: Sizes, rng: random.Random) -> Stage:
    """Give a feed its history, its trouble, and its viewers full inboxes."""
    feed.migrate()
    viewers = [f"viewer{nth}" for nth in range(sizes.viewers)]
    authors = [f"author{nth}" for nth in range(sizes.authors)]
    world = World(viewers)
    known = authors[: sizes.pulled]  # every viewer follows these, and nobody else has so many followers
    for viewer in viewers:
        others = rng.sample(authors[sizes.pulled :], sizes.followees - sizes.pulled)
        world.follows[viewer] = {*known, *others}
    plant(target, world, authors, sizes, rng)
    feed.drain()
    for viewer in viewers:
        feed.home(viewer)  # everybody has an inbox before the rest happens, so all of it is delivered
    stage = Stage(world, target, feed)
    publish(stage, authors, sizes.published, rng)
    make_trouble(stage, authors, sizes, rng)
    first = dict.fromkeys([*viewers, *sorted(set.union(*world.in_blocks.values())), *authors])
    known_ids = {name: user.id for name, user in everybody(feed, list(first)).items()}
    newest = [post.id for post in world.posts[-sizes.engaged :]]
    engage(target, world.doings, newest, {name: known_ids[name] for name in first}, rng)
    feed.drain()
    return stage


def plant(target: Target, world: World, authors: Sequence[str], sizes: Sizes, rng: random.Random) -> None:
    now_ms = int(time.time() * 1000) - 60_000
    with planting(target) as planter:
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
    assert isinstance(stage.target, Path)
    feed: Feed[str] = stack.enter_context(
        connect(
            f"sqlite:///{copied(stage.target, path)}",
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
    held = [runtime.stores.inboxes.read(user_id(stage.feed, viewer)) for viewer in stage.world.viewers]
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
