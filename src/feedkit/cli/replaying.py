"""A stream, lived through by a feed: posts and follows in time order, with readers, trouble and checks."""

from collections.abc import Callable
from random import Random
from time import perf_counter
from typing import Any

from feedkit import Feed
from feedkit.cli.crew import Crew
from feedkit.cli.crowd import Crowd
from feedkit.cli.planting import Planter
from feedkit.cli.recompute import Recompute
from feedkit.cli.stream import Followed, Happening, Joined, Posted, Stream
from feedkit.cli.tally import Tally
from feedkit.cli.verify import Verifier
from feedkit.clock import ManualClock
from feedkit.errors import Forbidden, NotFound
from feedkit.model import Post

HOUR_MS = 3_600_000
_PAGES, _PAGES_OF_DEEP = 25, 500
_DEEP_EVERY = 6
_NEVER = -HOUR_MS


class Replay:
    """Lives a stream through, once.

    Whoever is about to post and has not looked for an hour opens their home page first. At random
    moments relations are planted and pages compared with `truth`. A `crew` delivers, if there is one.
    `progress` is told how many posts were published since it was told last.
    """

    def __init__(
        self,
        feed: Feed[Any],
        clock: ManualClock,
        truth: Recompute,
        stream: Stream,
        *,
        seed: int,
        progress: Callable[[int], None],
        crew: Crew | None = None,
    ) -> None:
        self._feed, self._clock, self._stream, self._progress = feed, clock, stream, progress
        self._crew = crew
        self.tally = Tally()
        # One source of chances for each, so that no policy changes what the others do.
        chances = [Random(seed + number) for number in range(4)]  # noqa: S311 - nothing to protect
        self.crowd = Crowd(chances[0])
        self._planter = Planter(feed, self.crowd, self.tally, chances[1], stream.posts)
        self._verifier = Verifier(feed, truth, clock, self.crowd, self.tally, chances[2])
        self._rng = chances[3]
        self._checks = _schedule(stream.posts, self._rng)
        self._pages_wanted = min(1500, max(50, stream.posts // 100))
        self._ids: dict[str, int] = {}
        self._looked: dict[str, int] = {}

    def run(self) -> Tally:
        """Everything, from the first happening to the last check."""
        started = perf_counter()
        for happening in self._stream.happenings:
            self._clock.set(happening.at_ms)
            self._live(happening)
        self._drain()
        self._check_enough()
        if self._crew is not None:
            self.tally.deliveries += self._crew.end()
        self._progress(self.tally.posts % _STEP)
        self.tally.seconds = perf_counter() - started
        return self.tally

    def _live(self, happening: Happening) -> None:
        match happening:
            case Posted():
                self._post(happening)
            case Followed():
                self._follow(happening)
            case Joined():
                self._feed.users.put(
                    happening.key, handle=happening.handle, display_name=happening.display_name
                )

    def _follow(self, follow: Followed) -> None:
        with self.tally.writing():
            try:
                self._feed.follow(follow.follower, follow.followee)
            except Forbidden:  # a block was planted between them
                self.tally.refused += 1
                return
        self.tally.follows += 1
        self.crowd.saw_follow(follow.follower, follow.followee)

    def _post(self, post: Posted) -> None:
        self._look(post.author)
        published = self._publish(post, self._planter.audience(post.audience))
        if post.source in self._stream.answered:
            self._ids[post.source] = published.id
        self.crowd.saw_post(post.author, published.id, published.reply_to)
        self.tally.posts += 1
        if not self.tally.posts % _STEP:
            self._progress(_STEP)
        self._disturb()

    def _look(self, reader: str) -> None:
        if self._clock.now_ms() - self._looked.get(reader, _NEVER) < HOUR_MS:
            return
        self._looked[reader] = self._clock.now_ms()
        if self._crew is None:
            self._drain()
        with self.tally.reading():
            self._feed.home(reader, limit=20)

    def _publish(self, post: Posted, audience: str) -> Post:
        reply_to = self._ids.get(post.reply_to) if post.reply_to else None
        with self.tally.writing():
            try:
                return self._feed.publish(post.author, text=post.text, audience=audience, reply_to=reply_to)
            except (NotFound, Forbidden):  # the post that it answers is gone by now, or hidden by a block
                self.tally.detached += 1
                return self._feed.publish(post.author, text=post.text, audience=audience)

    def _drain(self) -> None:
        with self.tally.writing():
            if self._crew is not None:
                self._crew.settle()
            else:
                self.tally.deliveries += self._feed.drain().deliveries

    def _disturb(self) -> None:
        if self.tally.posts in self._checks and self._rng.random() < 0.5:
            self._drain()  # the other half is checked with the newest posts and follows undelivered
        with self.tally.verifying():
            self._planter.perhaps()
            if self.tally.posts in self._checks:
                deep = not self._rng.randrange(_DEEP_EVERY)
                self._verifier.somebody(_PAGES_OF_DEEP if deep else _PAGES)

    def _check_enough(self) -> None:
        """A short stream has few moments: go on at its end."""
        with self.tally.verifying():
            while self.tally.posts and self.tally.pages_checked < self._pages_wanted:
                self._verifier.somebody(_PAGES)


_STEP = 50


def _schedule(posts: int, rng: Random) -> frozenset[int]:
    """After which posts to check pages."""
    checks = min(posts, max(40, min(420, posts // 400)))
    return frozenset(rng.sample(range(1, posts + 1), checks))
