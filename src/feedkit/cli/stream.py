"""What happens in a community, as one stream in time order: read from files, or made by `community`."""

import gzip
import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar

import attrs

from feedkit.clock import to_ms
from feedkit.errors import InvalidArgument

POSTS, FOLLOWS = "posts.tsv.gz", "follows.tsv.gz"
_POST_COLUMNS = ("post", "time", "author", "reply_to", "text")
_FOLLOW_COLUMNS = ("follower", "followee", "time")


@attrs.frozen(slots=True)
class Joined:
    """Someone registers. Times here and below are Unix milliseconds."""

    at_ms: int
    key: str
    handle: str
    display_name: str


@attrs.frozen(slots=True)
class Followed:
    """`follower` begins to follow `followee`."""

    at_ms: int
    follower: str
    followee: str


@attrs.frozen(slots=True)
class Posted:
    """A post. `source` is its name in the stream, and `reply_to` the source of the post it answers."""

    at_ms: int
    source: str
    author: str
    text: str
    reply_to: str | None = None
    audience: str = "public"


Happening = Joined | Followed | Posted
H = TypeVar("H", Posted, Followed)


@attrs.frozen
class Stream:
    """Happenings in time order. `answered` names the posts that a later one replies to."""

    name: str
    posts: int
    answered: frozenset[str]
    happenings: Iterable[Happening]


def read_directory(directory: Path, limit: int | None = None) -> Stream:
    """The stream in `posts.tsv.gz` and `follows.tsv.gz`, or what happens up to its first `limit` posts.

    Only the names of answered posts are held; the files are read twice. Fields are raw: nothing is
    quoted. Raises InvalidArgument where a file is missing or not as described.
    """
    for name in (POSTS, FOLLOWS):
        if not (directory / name).is_file():
            raise InvalidArgument(
                f"{directory} holds no {name}; give the directory that holds {POSTS} and {FOLLOWS}",
                argument="data",
            )
    count, answered = _survey(directory / POSTS, limit)
    both: list[Iterator[Happening]] = [_follows(directory / FOLLOWS), _posts(directory / POSTS)]
    merged = heapq.merge(*both, key=_moment)
    return Stream(directory.name, count, answered, until_posts(merged, count))


def until_posts(happenings: Iterable[Happening], count: int) -> Iterator[Happening]:
    """Everything up to the post number `count`, that post included."""
    for happening in happenings if count else ():
        yield happening
        count -= isinstance(happening, Posted)
        if not count:
            return


def _moment(happening: Happening) -> tuple[int, bool]:
    return happening.at_ms, isinstance(happening, Posted)  # on equal times the follow comes first


def _survey(path: Path, limit: int | None) -> tuple[int, frozenset[str]]:
    count, answered = 0, set()
    for fields in islice(_rows(path, _POST_COLUMNS), limit):
        count += 1
        if fields[3]:
            answered.add(fields[3])
    return count, frozenset(answered)


def _posts(path: Path) -> Iterator[Posted]:
    rows = _rows(path, _POST_COLUMNS)
    posts = (Posted(_ms(time), post, author, text, to or None) for post, time, author, to, text in rows)
    yield from _in_order(posts, path)


def _follows(path: Path) -> Iterator[Followed]:
    rows = _rows(path, _FOLLOW_COLUMNS)
    follows = (Followed(_ms(time), follower, followee) for follower, followee, time in rows)
    yield from _in_order(follows, path)


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[list[str]]:
    """Split by hand: a text may hold quotes, carriage returns and anything else but a newline."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        if tuple(next(lines, "").rstrip("\n").split("\t")) != columns:
            raise InvalidArgument(f"{path}: the first line must name {', '.join(columns)}", argument="data")
        for number, line in enumerate(lines, start=2):
            fields = line.rstrip("\n").split("\t", len(columns) - 1)
            if len(fields) != len(columns):
                raise InvalidArgument(
                    f"{path}, line {number}: {len(fields)} fields instead of {len(columns)}", argument="data"
                )
            yield fields


def _in_order(happenings: Iterable[H], path: Path) -> Iterator[H]:
    last = 0
    for happening in happenings:
        if happening.at_ms < last:
            raise InvalidArgument(f"{path} is not in time order: {happening}", argument="data")
        last = happening.at_ms
        yield happening


def _ms(text: str) -> int:
    try:
        return to_ms(datetime.fromisoformat(text))
    except ValueError as exc:
        raise InvalidArgument(f"{text[:40]!r} is not an ISO 8601 time", argument="data") from exc
