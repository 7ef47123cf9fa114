"""Traces: who follows whom, and who posted and read when."""

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from feedkit.errors import InvalidArgument, shown
from feedkit.idset import Ids

_DAY_MS = 86_400_000
_POPULARITY_NOISE = 1.0  # standard deviation of the logarithm: who has more followers posts more, mostly


@attrs.frozen(eq=False)
class Trace:
    """Posts and reads in the order of time, over a graph of follows. Made by `of` or `made_up`.

    People are numbers from 0 on; `keys[n]` is what the host calls person n.

    Attributes:
        keys: the people.
        starts: int64 (people + 1,); the followers of person n are `followers[starts[n]:starts[n + 1]]`.
        followers: int64 (follows,), ascending for each person.
        at_ms: int64 (events,), milliseconds, ascending.
        who: int64 (events,), who posts, or reads a page of their home feed.
        is_post: bool (events,).
    """

    keys: Sequence[Hashable]
    starts: Ids
    followers: Ids
    at_ms: Ids
    who: Ids
    is_post: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        follows: Iterable[tuple[Hashable, Hashable]],
        posts: Iterable[tuple[int, Hashable]],
        reads: Iterable[tuple[int, Hashable]],
    ) -> "Trace":
        """A trace from what was recorded.

        Args:
            follows: (follower, followee) as they stand; one that comes twice counts once.
            posts: (milliseconds, author), in any order.
            reads: (milliseconds, reader) of pages of home feeds, in any order.

        Raises:
            InvalidArgument: a row is not such a pair, or there are neither posts nor reads.
        """
        numbers: dict[Hashable, int] = {}
        pairs = _rows(follows, "follows", lambda row: (_number(row[0], numbers), _number(row[1], numbers)))
        written = _rows(posts, "posts", lambda row: (int(row[0]), _number(row[1], numbers)))
        read = _rows(reads, "reads", lambda row: (int(row[0]), _number(row[1], numbers)))
        if not len(written) + len(read):
            raise InvalidArgument(
                "posts and reads are both empty: there is nothing to replay; Trace.made_up makes some up",
                argument="posts",
            )
        starts, followers = _graph(pairs, len(numbers))
        both = np.concatenate([written, read])
        is_post = np.arange(len(both)) < len(written)
        order = np.argsort(both[:, 0], kind="stable")
        return cls(list(numbers), starts, followers, both[order, 0], both[order, 1], is_post[order])

    @classmethod
    def made_up(
        cls,
        follows: Iterable[tuple[Hashable, Hashable]],
        *,
        posts: int,
        reads_per_post: float = 100.0,
        days: float = 1.0,
        skew: float = 1.0,
        seed: int = 0,
    ) -> "Trace":
        """A trace over a real graph, where nobody has recorded reads.

        How much people post and read falls with their rank to the power of `skew` (Zipf's law). Those with many
        followers mostly post more, those who follow many mostly read more. Who follows nobody reads nothing.

        Args:
            follows: (follower, followee).
            posts: how many.
            reads_per_post: pages read for each.
            days: over how long, evenly.
            skew: 0 for people who are all alike, 1 for Zipf's own.
            seed: another one gives another trace of the same kind.

        Raises:
            InvalidArgument: a row is not such a pair, nobody follows anybody, or a number is out of bounds.
        """
        for name, value, least in (
            ("posts", posts, 1),
            ("reads_per_post", reads_per_post, 0),
            ("days", days, 0),
            ("skew", skew, 0),
        ):
            _check_number(name, value, least)
        numbers: dict[Hashable, int] = {}
        pairs = _rows(follows, "follows", lambda row: (_number(row[0], numbers), _number(row[1], numbers)))
        if not len(pairs):
            raise InvalidArgument("follows must not be empty: nobody would read anything", argument="follows")
        starts, followers = _graph(pairs, len(numbers))
        rng = np.random.default_rng(seed)
        audience, followees = np.diff(starts), np.bincount(followers, minlength=len(numbers))
        events = posts + round(posts * reads_per_post)
        is_post = np.zeros(events, dtype=np.bool_)
        is_post[rng.permutation(events)[:posts]] = True
        who = np.empty(events, dtype=np.int64)
        who[is_post] = _zipf(rng, audience, posts, skew)
        who[~is_post] = _zipf(rng, followees, events - posts, skew)
        at_ms = np.sort(rng.integers(0, max(1, int(days * _DAY_MS)), events))
        return cls(list(numbers), starts, followers, at_ms, who, is_post)

    def halves(self) -> tuple["Trace", "Trace"]:
        """The first and the second half of the events: one to choose on, one to try the choice on."""
        middle = len(self.at_ms) // 2
        return self._part(slice(0, middle)), self._part(slice(middle, None))

    @property
    def people(self) -> int:
        """How many people there are."""
        return len(self.keys)

    @property
    def posts(self) -> int:
        """How many posts there are."""
        return int(self.is_post.sum())

    @property
    def reads(self) -> int:
        """How many pages are read."""
        return len(self.is_post) - self.posts

    @property
    def audiences(self) -> Ids:
        """How many followers each person has: int64 (people,)."""
        return np.diff(self.starts)

    def _part(self, part: slice) -> "Trace":
        return attrs.evolve(self, at_ms=self.at_ms[part], who=self.who[part], is_post=self.is_post[part])


def _check_number(name: str, value: object, least: int) -> None:
    if not isinstance(value, int | float) or not least <= value < math.inf:
        raise InvalidArgument(f"{name} must be a number, {least} or more; got {shown(value)}", argument=name)


def _number(key: Hashable, numbers: dict[Hashable, int]) -> int:
    return numbers.setdefault(key, len(numbers))


def _rows(rows: Iterable[tuple[Hashable, ...]], name: str, parse: Callable[[Any], tuple[int, int]]) -> Ids:
    found = []
    for nth, row in enumerate(rows):
        try:
            found.append(parse(row))
        except (TypeError, ValueError, IndexError, KeyError) as exc:
            wanted = "(follower, followee)" if name == "follows" else "(milliseconds, person)"
            message = f"{name}[{nth}] must be {wanted}, got {shown(row)}"
            raise InvalidArgument(message, argument=name) from exc
    return np.array(found, dtype=np.int64).reshape(len(found), 2)


def _graph(pairs: Ids, people: int) -> tuple[Ids, Ids]:
    """(starts, followers) of (follower, followee) pairs."""
    unique = np.unique(pairs[:, ::-1], axis=0)
    counts = np.bincount(unique[:, 0], minlength=people)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), unique[:, 1].copy()


def _zipf(rng: np.random.Generator, size: Ids, count: int, skew: float) -> Ids:
    """So many draws of those whose size is above 0; the larger mostly more often."""
    able = np.flatnonzero(size)
    merit = np.log(size[able]) + rng.normal(0, _POPULARITY_NOISE, len(able))
    weights = np.empty(len(able))
    weights[np.argsort(-merit)] = np.arange(1, len(able) + 1, dtype=np.float64) ** -skew
    return rng.choice(able, count, p=weights / weights.sum()).astype(np.int64)
