"""What the suites of truth share."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import count
from typing import Any, Concatenate, ParamSpec, TypeVar

import attrs
import pytest
from hypothesis import settings

from feedkit.model import Post
from feedkit.storage.base import Truth, Tx

P = ParamSpec("P")
T = TypeVar("T")

NOW_MS = 1_767_225_600_000  # 2026-01-01T00:00Z
_A_WHILE_S = 0.2
_ROOMS = count(1)
few = settings(max_examples=20)


class TruthSuite:
    """A suite whose tests ask for a fixture `truth`: a `Truth` that is migrated for keys of type str, and empty."""

    @pytest.fixture
    def shared(self, truth: Truth) -> Truth:
        """Truth in which a second transaction may write while a first one is open."""
        if truth.one_writer:
            pytest.skip("one transaction writes at a time here")
        return truth


def read(truth: Truth, work: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a store answers."""
    return truth.read(lambda tx: work(tx, *args, **kwargs))


def write(truth: Truth, work: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a store does, in a transaction of its own."""
    return truth.write(lambda tx: work(tx, *args, **kwargs))


def room() -> int:
    """Ids from here on up are those of one example alone."""
    return next(_ROOMS) * 1000


def store(truth: Truth, *posts: Post) -> None:
    """Insert posts in one transaction."""

    def work(tx: Tx) -> None:
        for post in posts:
            truth.posts.insert(tx, post)

    truth.write(work)


def post(number: int, author_id: int = 9, **fields: Any) -> Post:
    """A post whose id is its position."""
    return attrs.evolve(Post(number, number, author_id, NOW_MS), **fields)


def waits(truth: Truth, first: Callable[[Tx], object], second: Callable[[Tx], object]) -> bool:
    """Whether a transaction that does `second` has to wait for the end of one that has done `first`."""
    with ThreadPoolExecutor(1) as pool:

        def hold(tx: Tx) -> tuple[Future[object], bool]:
            first(tx)
            going = pool.submit(truth.write, second)
            return going, not wait([going], timeout=_A_WHILE_S).done

        going, waited = truth.write(hold)
        going.result(10)
        return waited
