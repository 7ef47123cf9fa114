"""Trouble between people, planted in a replay: blocks, mutes, unfollows, deletions, and making up."""

from random import Random
from typing import Any

from feedkit import Feed
from feedkit.cli.crowd import Crowd, Sample
from feedkit.cli.tally import Tally
from feedkit.errors import Forbidden

_LURKERS = 25
_KINDS = ("block", "mute", "delete", "unfollow", "unblock", "unmute", "lurk")
_WEIGHTS = (5, 5, 8, 3, 2, 2, 1)


class Planter:
    """Plants what a stream does not hold, so that a replay meets it. Everything follows from `rng`."""

    def __init__(self, feed: Feed[Any], crowd: Crowd, tally: Tally, rng: Random, posts: int) -> None:
        self._feed, self._crowd, self._tally, self._rng = feed, crowd, tally, rng
        self._rate = min(0.05, max(0.01, 60 / max(1, posts)))
        self._blocks: Sample[tuple[str, str]] = Sample(1000, rng)
        self._mutes: Sample[tuple[str, str]] = Sample(1000, rng)
        self._lurkers = 0

    def perhaps(self) -> None:
        """At a few percent of the posts, one thing happens."""
        if self._rng.random() < self._rate:
            kind = self._rng.choices(_KINDS, _WEIGHTS)[0]
            getattr(self, f"_{kind}")()

    def audience(self, wanted: str) -> str:
        """The audience of a post: a few of the public ones are narrowed."""
        if wanted != "public" or (chance := self._rng.random()) >= 0.03:
            return wanted
        return "followers" if chance < 0.02 else "only_me"

    def _block(self) -> None:
        if pair := self._crowd.follows.pick():
            actor, target = pair if self._rng.random() < 0.5 else pair[::-1]
            self._tally.blocks += self._feed.block(actor, target).changed
            self._blocks.add((actor, target))
            self._crowd.at_odds.add(actor)
            self._crowd.at_odds.add(target)

    def _mute(self) -> None:
        if pair := self._crowd.follows.pick():
            self._tally.mutes += self._feed.mute(*pair).changed
            self._mutes.add(pair)
            self._crowd.at_odds.add(pair[0])

    def _delete(self) -> None:
        if post := self._crowd.post():
            self._tally.deletions += self._feed.delete(*post)

    def _unfollow(self) -> None:
        if pair := self._crowd.follows.pick():
            self._tally.undone += self._feed.unfollow(*pair).changed

    def _unblock(self) -> None:
        """Some follow each other again."""
        if pair := self._blocks.take():
            self._tally.undone += self._feed.unblock(*pair).changed
            if self._rng.random() < 0.7:
                self._follow(*pair)

    def _unmute(self) -> None:
        if pair := self._mutes.take():
            self._tally.undone += self._feed.unmute(*pair).changed

    def _lurk(self) -> None:
        """Someone who never posts begins to follow some of those who do."""
        if self._lurkers < _LURKERS:
            self._lurkers += 1
            for _ in range(self._rng.randint(1, 40)):
                if followee := self._crowd.active():
                    self._follow(f"quiet reader {self._lurkers}", followee)

    def _follow(self, follower: str, followee: str) -> None:
        try:
            self._feed.follow(follower, followee)
        except Forbidden:
            return
        self._crowd.saw_follow(follower, followee)
