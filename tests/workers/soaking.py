"""Minutes of load while workers are killed, Redis is emptied and set back, and PostgreSQL restarts.

`make soak ARGS="--minutes 5"`. Afterwards every follower must have every post of whom they follow, once.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa

import feedkit
from feedkit import FeedkitError, Unavailable
from tests.redis_servers import command, run_redis
from tests.servers import fresh_database, run_postgres
from tests.workers.conftest import Place, Worker, is_all_delivered, until

STARS, PEOPLE, WORKERS = 2, 150, 3
RETRY_S = 60


class RedisOfOurs:
    """A Redis that can be stopped, and started again with what it held earlier."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._stack = folder, ExitStack()
        self.url = self._start(None)

    def empty(self) -> None:
        command(self._port, "FLUSHALL")

    def remember(self) -> None:
        """Make a snapshot to be set back to."""
        command(self._port, "SAVE")
        shutil.copy(self._folder / "dump.rdb", self._folder / "old.rdb")

    def set_back(self) -> None:
        port = self._port
        self._stack.close()
        (self._folder / "old.rdb").replace(self._folder / "dump.rdb")
        self._start(port)

    def close(self) -> None:
        self._stack.close()

    def _start(self, port: int | None) -> str:
        self._stack = ExitStack()
        options = ("--dbfilename", "dump.rdb")
        self.url = self._stack.enter_context(run_redis(*options, directory=self._folder, port=port))
        return self.url

    @property
    def _port(self) -> int:
        return int(self.url.rpartition(":")[2].partition("/")[0])


def restart_postgres(url: str) -> None:
    """Stop the server behind a URL as an administrator does who is in a hurry, and start it as it was."""
    process = Path(f"/proc/{_pid_of(url)}")
    words = process.joinpath("cmdline").read_bytes().split(b"\0")[:-1]
    owner = process.stat()
    stop_postgres(url)
    subprocess.run(
        ["sh", "-c", '"$@" </dev/null >/dev/null 2>&1 &', "sh", *(word.decode() for word in words)],
        user=owner.st_uid,
        group=owner.st_gid,
        start_new_session=True,
        env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
        check=True,
    )
    until(lambda: _answers(url))


def stop_postgres(url: str) -> None:
    """Have it end; whoever has started it knows of no other than its own."""
    os.kill(_pid_of(url), signal.SIGINT)
    until(lambda: not _pid_file(url).exists())


def _pid_of(url: str) -> int:
    return int(_pid_file(url).read_text().partition("\n")[0])


def _pid_file(url: str) -> Path:
    return Path(unquote(str(sa.make_url(url).query["host"]))) / "postmaster.pid"


def _answers(url: str) -> bool:
    engine = sa.create_engine(url)
    try:
        with engine.connect():
            return True
    except sa.exc.OperationalError:
        return False
    finally:
        engine.dispose()


class Soak:
    """The load, the trouble, and the judgement."""

    def __init__(self, place: Place, redis: RedisOfOurs, postgres: str, seed: int) -> None:
        self._place, self._redis, self._postgres = place, redis, postgres
        self._rng = random.Random(seed)
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.people = [f"p{nth}" for nth in range(PEOPLE)]
        self.authors = [*(f"star{nth}" for nth in range(STARS)), *self.people[:10]]
        self.published: dict[str, list[str]] = {author: [] for author in self.authors}
        self.counts: Counter[str] = Counter()
        self.troubles: list[str] = []

    def run(self, seconds: float) -> dict[str, Any]:
        with self._place.connect() as feed:
            self._follow(feed)
            workers = [self._worker() for _ in range(WORKERS)]
            load = [
                threading.Thread(target=self._tried, args=(act, nth))
                for nth, act in enumerate([self._publish, self._publish, self._read, self._read])
            ]
            for thread in load:
                thread.start()
            try:
                self._trouble(workers, time.monotonic(), seconds)
            finally:
                self._over.set()
                for thread in load:
                    thread.join()
            until(lambda: _all_delivered(feed), within_s=60)
            return self._judged(feed)

    def _follow(self, feed: feedkit.Feed[str]) -> None:
        for person in self.people:
            for nth in range(STARS):
                feed.follow(person, f"star{nth}")
            for author in self._rng.sample(self.people[:10], 3):
                if author != person:
                    feed.follow(person, author)

    # load

    def _publish(self, feed: feedkit.Feed[str], nth: int) -> None:
        author = random.choice(self.authors)
        with self._lock:
            self.counts["publishing"] += 1
            name = f"{author} {nth} {self.counts['publishing']}"
        deadline = time.monotonic() + RETRY_S
        while True:
            try:
                feed.publish(author, text=name, idempotency_key=name)
                break
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        with self._lock:
            self.published[author].append(name)
        time.sleep(0.01)

    def _read(self, feed: feedkit.Feed[str], _nth: int) -> None:
        reader = random.choice(self.people)
        with self._lock:
            star = random.choice([f"star{nth}" for nth in range(STARS)])
            newest = self.published[star][-1:]
        try:
            page = feed.home(reader, limit=100)
        except Unavailable:
            time.sleep(0.1)
            return
        names = [item.post.text for item in page]
        with self._lock:
            self.counts["pages"] += 1
            self.counts["degraded"] += page.degraded
            if newest and not set(newest) <= set(names) and len(names) < 100:
                self.troubles.append(f"{reader} lacks {newest[0]}")
            if len(names) != len(set(names)):
                self.troubles.append(f"{reader} has something twice")
        time.sleep(0.005)

    def _tried(self, act: Callable[[feedkit.Feed[str], int], None], nth: int) -> None:
        with self._place.connect() as feed:
            while not self._over.is_set():
                try:
                    act(feed, nth)
                except FeedkitError as error:
                    self.troubles.append(f"{act.__name__}: {error!r}")
                    return

    # trouble

    def _trouble(self, workers: list[Worker], started: float, seconds: float) -> None:
        plan = iter(
            [
                (0.15, self._redis.empty, "emptied Redis"),
                (0.35, self._redis.remember, "took a snapshot"),
                (0.5, self._redis.set_back, "set Redis back"),
                (0.65, lambda: restart_postgres(self._postgres), "restarted PostgreSQL"),
                (0.8, self._redis.empty, "emptied Redis"),
            ]
        )
        at, what, said = next(plan)
        while (passed := time.monotonic() - started) < seconds:
            if passed > at * seconds:
                what()
                print(f"{passed:6.1f} s: {said}", file=sys.stderr)
                at, what, said = next(plan, (2.0, lambda: None, ""))
            time.sleep(self._rng.uniform(0.5, 2.0))
            unlucky = self._rng.randrange(len(workers))
            if self._rng.random() < 0.6:
                workers[unlucky].kill()
                self.counts["killed"] += 1
            if not workers[unlucky].is_alive:
                workers[unlucky] = self._worker()

    def _worker(self) -> Worker:
        return self._place.worker("--concurrency", "2")

    # judgement

    def _judged(self, feed: feedkit.Feed[str]) -> dict[str, Any]:
        missing = doubled = 0
        for reader in self.people:
            following = {user.key for user in feed.following(reader, reader, limit=100)}
            wanted = [name for author in {*following, reader} for name in self.published.get(author, ())]
            got = list(_whole(feed, reader))
            missing += len(set(wanted) - set(got))
            doubled += len(got) - len(set(got))
        report = feed.check(sample=1_000_000)
        return {
            "posts": sum(map(len, self.published.values())),
            **self.counts,
            "workers": len(self._place.started),
            "missing": missing,
            "doubled": doubled,
            "check": report.to_dict(),
            "troubles": self.troubles,
            "ok": report.ok and not (missing or doubled or self.troubles),
        }


def _all_delivered(feed: feedkit.Feed[str]) -> bool:
    with suppress(Unavailable):
        return is_all_delivered(feed)
    return False


def _whole(feed: feedkit.Feed[str], reader: str) -> Iterator[str]:
    cursor = None
    while True:
        page = feed.home(reader, limit=100, cursor=cursor)
        yield from (item.post.text for item in page)
        cursor = page.next_cursor
        if cursor is None:
            return


@contextmanager
def soaking(seed: int) -> Iterator[Soak]:
    """A soak over servers of its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="feedkit-soak-")))
        (folder / "redis").mkdir()
        redis = RedisOfOurs(folder / "redis")
        stack.callback(redis.close)
        postgres = stack.enter_context(run_postgres())
        stack.callback(stop_postgres, postgres)
        url = stack.enter_context(fresh_database(postgres))
        place = Place(folder, url, redis.url)
        with place.connect() as feed:
            feed.migrate()
        yield Soak(place, redis, postgres, seed)
        for worker in place.started:
            worker.end()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=5.0)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    with soaking(chosen.seed) as soak:
        report = soak.run(chosen.minutes * 60)
    print(json.dumps(report))
    sys.exit(not report["ok"])


if __name__ == "__main__":
    main()
