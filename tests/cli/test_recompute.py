"""The judge is judged by hand-written rows, so that it owes nothing to the feed that it judges."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from feedkit.cli.recompute import Recompute
from feedkit.storage.sql.tables import Tables

ADA, BOB, EVE, ZOE = 1, 2, 3, 4


class World:
    """A few rows, written directly."""

    def __init__(self, path: str, namespace: str) -> None:
        self.path, self.namespace = path, namespace
        self._tables = Tables(namespace)
        self._engine = sa.create_engine(f"sqlite:///{path}")
        self._tables.metadata.create_all(self._engine)
        for user in (ADA, BOB, EVE, ZOE):
            self._insert("users", id=user, key=b"%d" % user, status="active", created_at=0)

    def post(self, id: int, author: int, *, position: int = 0, **values: Any) -> None:
        row = {
            "kind": "post", "schema_version": 1, "text": "", "extra": "{}", "status": "published",
            "audience": "public", "media_count": 0, "created_at": id, "published_at": id,
        }  # fmt: skip
        self._insert("posts", id=id, position=position or id, author_id=author, **(row | values))

    def relate(self, one: int, kind: str, other: int) -> None:
        self._insert("associations", id1=one, kind=kind, id2=other, time=0)

    def suspend(self, user: int) -> None:
        with self._engine.begin() as connection:
            users = self._tables.users
            connection.execute(sa.update(users).where(users.c.id == user).values(status="suspended"))

    def _insert(self, table: str, **values: object) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.insert(getattr(self._tables, table)).values(**values))


@pytest.fixture(params=["feedkit", 'odd "name" 100%:viewer'])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(str(tmp_path / "truth.db"), request.param)


@pytest.fixture
def judge(world: World) -> Iterator[Recompute]:
    with Recompute(f"sqlite:///{world.path}", world.namespace) as judge:
        yield judge


def test_home_holds_followees_and_oneself_newest_position_first(world: World, judge: Recompute) -> None:
    world.relate(BOB, "follows", ADA)
    world.post(10, ADA)
    world.post(11, BOB)
    world.post(12, EVE)
    world.post(13, ADA, position=5)

    assert judge.home(BOB) == [11, 10, 13]
    assert judge.home(ADA) == [10, 13]


@pytest.mark.parametrize(("one", "other"), [(ADA, BOB), (BOB, ADA)])
def test_a_block_hides_both_ways(world: World, judge: Recompute, one: int, other: int) -> None:
    world.relate(BOB, "follows", ADA)
    world.relate(one, "blocks", other)
    world.post(10, ADA)

    assert judge.home(BOB) == []
    assert judge.profile(BOB, ADA) == judge.profile(ADA, BOB) == []
    assert judge.profile(EVE, ADA) == [10]


def test_a_mute_hides_at_home_alone(world: World, judge: Recompute) -> None:
    world.relate(BOB, "follows", ADA)
    world.relate(BOB, "mutes", ADA)
    world.post(10, ADA)

    assert judge.home(BOB) == []
    assert judge.profile(BOB, ADA) == [10]


def test_audiences_are_kept(world: World, judge: Recompute) -> None:
    world.relate(BOB, "follows", ADA)
    world.post(10, ADA)
    world.post(11, ADA, audience="followers")
    world.post(12, ADA, audience="only_me")

    assert judge.home(BOB) == judge.profile(BOB, ADA) == [11, 10]
    assert judge.home(ADA) == judge.profile(ADA, ADA) == [12, 11, 10]
    assert judge.profile(EVE, ADA) == judge.profile(None, ADA) == [10]


@pytest.mark.parametrize("gone", [{"deleted_at": 1}, {"status": "draft"}, {"published_at": 501}])
def test_what_does_not_stand_is_not_shown(world: World, judge: Recompute, gone: dict[str, Any]) -> None:
    world.relate(BOB, "follows", ADA)
    world.post(10, ADA, **gone)

    assert judge.home(BOB, 500) == judge.home(ADA, 500) == judge.profile(ADA, ADA, 500) == []


def test_a_suspended_author_is_not_shown(world: World, judge: Recompute) -> None:
    world.relate(BOB, "follows", ADA)
    world.post(10, ADA)
    world.suspend(ADA)

    assert judge.home(BOB) == judge.profile(EVE, ADA) == []


def test_a_function_that_executes_serves_as_well(world: World) -> None:
    world.post(10, ADA)
    connection = sqlite3.connect(world.path)
    judge = Recompute(lambda text, values: connection.execute(text, values).fetchall(), world.namespace)

    assert judge.home(ADA) == [10]


def test_the_judge_cannot_write(judge: Recompute) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        judge.rows("DELETE FROM {posts}")


def test_a_thread_is_what_is_above_the_post_itself_and_the_replies(world: World, judge: Recompute) -> None:
    world.post(10, ADA)
    world.post(11, BOB, reply_to=10)
    world.post(12, EVE, reply_to=11)
    world.post(13, ADA, reply_to=12)
    world.post(14, BOB, reply_to=12, position=5)
    world.post(15, BOB, reply_to=12, audience="only_me")
    world.post(16, BOB, reply_to=13)

    assert judge.thread(ZOE, 12, depth=9) == judge.thread(None, 12, depth=9) == [10, 11, 12, 14, 13]
    assert judge.thread(ZOE, 12, depth=1) == [11, 12, 14, 13]
    assert judge.thread(ZOE, 15, depth=9) is None
    assert judge.thread(BOB, 15, depth=9) == [10, 11, 12, 15]
    world.relate(ZOE, "mutes", BOB)
    assert judge.thread(ZOE, 12, depth=9) == [12, 13], "what is hidden hides what is above it"
    assert judge.thread(ZOE, 11, depth=9) == [10, 11, 12], "but not where it was asked for"
    world.relate(BOB, "blocks", ZOE)
    assert judge.thread(ZOE, 11, depth=9) is None
