"""A Redis and a truth in memory, on which many actors take turns: one command or one query at a time.

Every actor is a greenlet that runs feedkit's own code. Before each command, and before each look at truth, it
lets somebody else go on; who that is, is drawn at random.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]  # it ships no types

from feedkit.ids import MAX_ID
from feedkit.idset import Ids, idset
from feedkit.model import Audience, Event, EventKind, Post, Route
from feedkit.storage.base import AuthorLoad
from feedkit.storage.chunks import Chunk, Large
from feedkit.storage.entries import ENTRY_BYTES, Entries, of_rows
from feedkit.storage.events import TIMELINES
from feedkit.storage.redis import scripts
from feedkit.storage.redis.commands import Commands
from feedkit.storage.redis.layout import EPOCH_BYTES, IDENTITY_BYTES
from feedkit.storage.redis.replies import Listed, Refusal, Replies


def pause() -> None:
    """Let somebody else go on."""
    parent = getcurrent().parent
    assert parent is not None
    parent.switch()


class SimulatedRedis:
    """One server: what feedkit's commands and scripts do to it, and to set it back to what it was."""

    def __init__(self) -> None:
        self.held: dict[bytes, list[bytes] | bytes] = {}
        self.incarnation = 0
        self.ignored: set[str] = set()
        """Parts of the protocol that are left out, to see that they are missed."""

    def execute(self, words: Sequence[bytes]) -> Any:
        name, *rest = words
        if name == b"EVALSHA":
            return self._script(rest[0], rest[2 : 2 + int(rest[1])], rest[2 + int(rest[1]) :])
        method: Callable[..., Any] = getattr(self, name.decode().lower())
        return method(*rest)

    def rpushx(self, key: bytes, *elements: bytes) -> int:
        if key not in self.held:
            return 0
        self._list(key).extend(elements)
        return len(self._list(key))

    def lrange(self, key: bytes, _start: bytes, _stop: bytes) -> Any:
        if key not in self.held:
            return []
        head, *tail = self._list(key)
        assert all(len(element) == ENTRY_BYTES for element in tail)
        return Listed(head, b"".join(tail), 1 + len(tail))

    def get(self, key: bytes) -> Any:
        return self.held.get(key)

    def unlink(self, key: bytes) -> int:
        return int(self.held.pop(key, None) is not None)

    def pttl(self, _key: bytes) -> int:
        return 1 << 40

    def _script(self, sha: bytes, keys: Sequence[bytes], arguments: Sequence[bytes]) -> Any:
        by_sha = {
            scripts.BEGIN.sha: self._begin,
            scripts.SWAP.sha: self._swap,
            scripts.KEEP.sha: self._keep,
            scripts.ADVANCE.sha: self._advance,
            scripts.TURN.sha: self._turn,
            scripts.STEP.sha: self._step,
            scripts.PART.sha: self._part,
            scripts.REMOVE.sha: self._remove,
            scripts.FINISH.sha: self._finish,
        }
        return by_sha[sha](keys, arguments)

    def _begin(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> Any:
        before, token, behind, _lease, fresh = arguments
        mark = self.held.setdefault(keys[1], fresh + b":0")
        epoch = mark[:EPOCH_BYTES]
        assert isinstance(epoch, bytes)
        if keys[0] in self.held:
            head = self._list(keys[0])[0]
            if head[:3] == before and self._epoch_of(head) == epoch:
                return epoch if head[3:IDENTITY_BYTES] == b"B" + token else None
        self.held[keys[0]] = [before + b"B" + token + epoch + behind]
        return epoch

    def _swap(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> int:
        identity, count, before, behind, _ttl = arguments
        if keys[0] not in self.held or keys[1] not in self.held:
            return 0
        elements, mark = self._list(keys[0]), self.held[keys[1]]
        head, replaced = elements[0], int(count)
        epoch = self._epoch_of(head)
        if not self._is_that(head, identity) or mark[:EPOCH_BYTES] != epoch or len(elements) < replaced:
            return 0
        elements[:replaced] = [before + epoch + behind]
        return 1

    def _keep(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> int:
        identity, ttl = arguments
        if keys[0] not in self.held or not self._is_that(self._list(keys[0])[0], identity):
            return 0
        return 1 if int(ttl) else self.unlink(keys[0])

    def _turn(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> int:
        token, ms = arguments
        if self.held.get(keys[0], token) != token:
            return 0
        if int(ms):
            self.held[keys[0]] = token
        else:
            self.unlink(keys[0])
        return 1

    def _step(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> int:
        before, now = arguments
        if before and self.held.get(keys[0]) not in (before, now) and "step" not in self.ignored:
            return 0
        self.held[keys[0]] = now
        return 1

    def _part(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> int:
        name, before, now, _ms = arguments
        key = keys[0] + b" " + name  # a field of a hash
        if before and self.held.get(key) not in (before, now) and "part" not in self.ignored:
            return 0
        self.held[key] = now
        return 1

    def _remove(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> int:
        name, step, *notes = arguments
        standing = self.held.get(keys[1] + b" " + name if name else keys[1])
        if standing != step and "fence" not in self.ignored:
            return 0
        return self.rpushx(keys[0], *notes)

    def _finish(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> int:
        delivery, chunks, entries, theirs = arguments
        mark = self.held.get(keys[0])
        number, under_way = _cut_mark(mark) if isinstance(mark, bytes) else (0, [])
        kept = list(under_way)
        for entry in set(_cut(entries)):
            if under_way.count(entry) > _cut(theirs).count(entry):
                kept.remove(entry)
            if "others" in self.ignored:
                kept = [other for other in kept if other != entry]
        names = [keys[1] + b" " + delivery + b":%d" % nth for nth in range(int(chunks))]
        if len(kept) < len(under_way):
            assert isinstance(mark, bytes)
            if any(self.held.get(name) != b"done" for name in names) and "done" not in self.ignored:
                return 0
            self.held[keys[0]] = _as_mark(mark[:EPOCH_BYTES], number, kept)
        for name in names:
            self.held.pop(name, None)
        return 1

    def _advance(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> int:
        lowest, up_to, fresh, step, begun, known = arguments
        if step and self.held.get(keys[1]) != step and "step" not in self.ignored:
            return -2
        mark = self.held.get(keys[0])
        number, under_way = _cut_mark(mark) if isinstance(mark, bytes) else (-1, [])
        if mark is not None and "epoch" in self.ignored:
            fresh, lowest = mark[:EPOCH_BYTES], b"-1"  # type: ignore[assignment]
        if up_to and number >= int(lowest) and set(under_way) <= set(_cut(known)):
            assert isinstance(mark, bytes)
            if int(up_to) > number:
                listed = [] if "listed" in self.ignored else _cut(begun)
                self.held[keys[0]] = _as_mark(mark[:EPOCH_BYTES], int(up_to), under_way + listed)
            return max(number, int(up_to))
        self.held[keys[0]] = fresh + b":" + (up_to or b"%d" % max(number, 0))
        return -1

    def _is_that(self, head: bytes, identity: bytes) -> bool:
        kind = {b"B": "token", b"S": "generation"}[identity[3:4]]
        length = 4 if kind in self.ignored else IDENTITY_BYTES
        return head[:length] == identity[:length]

    def _epoch_of(self, head: bytes) -> bytes:
        return head[IDENTITY_BYTES : IDENTITY_BYTES + EPOCH_BYTES]

    def _list(self, key: bytes) -> list[bytes]:
        elements = self.held[key]
        assert isinstance(elements, list)
        return elements

    def copy(self) -> Any:
        """What it holds, to be set back to later."""
        return copy.deepcopy(self.held)

    def set_back(self, held: Any) -> None:
        """Hold what was held at an earlier moment. Whoever was in the middle of a pipeline has to begin it again."""
        self.held = copy.deepcopy(held)
        self.incarnation += 1


class SimulatedWire:
    """See `feedkit.storage.redis.wire.Wire`."""

    buckets = 1

    def __init__(self, redis: SimulatedRedis) -> None:
        self._redis = redis

    def numbers(self, buckets: Ids, commands: Commands, *, together: bool = False) -> Ids:
        return np.array(self.values(buckets, commands), dtype=np.int64)

    def values(self, buckets: Ids, commands: Commands, *, together: bool = False) -> list[Any]:
        packed = _words(commands)
        while True:
            incarnation, found = self._redis.incarnation, []
            for words in packed:
                pause()
                if self._redis.incarnation != incarnation:
                    break
                found.append(self._redis.execute(words))
            else:
                return found

    def servers(self) -> int:
        return 1

    def ask(self, nth: int, packed: bytes) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        pass


def _words(commands: Commands) -> list[list[bytes]]:
    packed = commands.packed(np.arange(len(commands)))
    replies = Replies(_once(packed))
    found = []
    for _ in range(len(commands)):
        words = replies.value()
        found.append([words.head, *_cut(words.tail)] if isinstance(words, Listed) else words)
        assert not isinstance(words, Refusal)
    return found


def _cut(data: bytes) -> list[bytes]:
    return [data[at : at + ENTRY_BYTES] for at in range(0, len(data), ENTRY_BYTES)]


def _cut_mark(mark: bytes) -> tuple[int, list[bytes]]:
    number, _, under_way = mark[EPOCH_BYTES + 1 :].partition(b":")
    return int(number), _cut(under_way)


def _as_mark(epoch: bytes, number: int, under_way: list[bytes]) -> bytes:
    return epoch + b":%d" % number + (b":" + b"".join(under_way) if under_way else b"")


def _once(data: bytes) -> Callable[[int], bytes]:
    parts = iter([data])
    return lambda _most: next(parts)


READER, AUTHOR, OTHER = 1, 2, 3
DONE = "done"


@attrs.define
class Log:
    """The events of truth and what they come to."""

    events: list[Event] = attrs.Factory(list)
    posts: dict[int, int] = attrs.Factory(dict)
    """Authors by position, of posts that stand."""
    gone: dict[int, int] = attrs.Factory(dict)
    """The same of those that were taken down."""
    followees: set[int] = attrs.Factory(lambda: {AUTHOR})
    offset: int | None = None
    celebrity: int | None = None

    def commit(self, kind: EventKind, actor_id: int, object_id: int = 0, position: int = 0) -> None:
        self.events.append(
            Event(
                kind,
                actor_id,
                object_id,
                0,
                position,
                Route.PUSH,
                Audience.PUBLIC,
                len(self.events) + 1,
            )
        )


class SimulatedTruth:
    """As much of `Truth` as delivering and rebuilding ask for. A look at it is one moment."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.events = self.posts = self.graph = self.pulled = self
        self.chunks = SimulatedChunks()

    def read(self, work: Callable[[Any], Any]) -> Any:
        pause()
        return work(None)

    def write(self, work: Callable[[Any], Any]) -> Any:
        pause()
        return work(None)

    def offsets(self, _tx: Any) -> dict[str, int]:
        return {} if self.log.offset is None else {TIMELINES: self.log.offset}

    def set_offsets(self, _tx: Any, _names: Sequence[str], number: int) -> None:
        self.log.offset = number

    def after(self, _tx: Any, number: int, limit: int) -> list[Event]:
        return self.log.events[number : number + limit]

    def last_number(self, _tx: Any) -> int:
        return len(self.log.events)

    def recent(
        self, _tx: Any, authors: Ids, *, before: int, floor: int, limit: int, viewer_id: int
    ) -> Entries:
        rows = [row for row in self.log.posts.items() if row[1] in authors and floor <= row[0] < before]
        return of_rows(sorted(rows, reverse=True)[:limit])

    def relations(self, _tx: Any, _viewer_id: int, _now_ms: int) -> Any:
        return self

    def those(self, _tie: Any) -> Ids:
        return idset(self.log.followees)

    def small_audiences(self, _tx: Any, authors: Sequence[int], _limit: int) -> list[tuple[int, int]] | None:
        if self.log.celebrity in authors:
            return None
        return [(author, READER) for author in authors if author in self.log.followees]

    def load_many(self, _tx: Any, authors: Sequence[int]) -> dict[int, AuthorLoad]:
        return {author: AuthorLoad(100 if author == self.log.celebrity else 1) for author in authors}

    def range(self, _tx: Any, author: int, _kind: Any, after: int, _limit: int) -> Ids:
        return idset([READER] if author in self.log.followees and after < READER else [])

    def at_positions(self, _tx: Any, positions: Sequence[int]) -> tuple[list[Post], list[int]]:
        stand = [position for position in positions if position in self.log.posts]
        return [Post(position, position, self.log.posts[position], 0) for position in stand], []


class SimulatedChunks:
    """See `feedkit.storage.chunks.ChunkStore`: two chunks each, and leases that anybody may find lapsed."""

    def __init__(self) -> None:
        self.large: dict[int, Large] = {}
        self.owners: dict[tuple[int, int], str] = {}
        self.lapsed = False

    def begin(self, _tx: Any, large: Large) -> None:
        if large.number not in self.large:
            self.large[large.number] = large._replace(chunks=2)
            self.owners |= {(large.number, nth): "" for nth in range(2)}

    def under_way(self, _tx: Any) -> list[Large]:
        return [large for _, large in sorted(self.large.items())]

    def claim(self, _tx: Any, owner: str, *, lease_ms: int, followers: int) -> Chunk | None:
        for (number, nth), held in sorted(self.owners.items()):
            if held != DONE and (not held or self.lapsed):
                self.owners[number, nth] = owner
                return Chunk(self.large[number], nth, (0, READER)[nth], (READER, MAX_ID)[nth], owner, 1)
        return None

    def renew(self, _tx: Any, chunk: Chunk, lease_ms: int) -> bool:
        return self._is_its(chunk)

    def release(self, _tx: Any, chunk: Chunk) -> None:
        if self._is_its(chunk):
            self.owners[chunk.large.number, chunk.nth] = ""

    def done(self, _tx: Any, chunk: Chunk) -> bool:
        if not self._is_its(chunk):
            return False
        self.owners[chunk.large.number, chunk.nth] = DONE
        return True

    def finished(self, _tx: Any) -> list[Large]:
        return [
            large
            for large in self.under_way(_tx)
            if all(self.owners[large.number, nth] == DONE for nth in range(2))
        ]

    def remove(self, _tx: Any, number: int) -> None:
        if self.large.pop(number, None):
            for nth in range(2):
                del self.owners[number, nth]

    def redo(self, _tx: Any, number: int) -> None:
        if number in self.large:
            self.owners |= {(number, nth): "" for nth in range(2)}

    def _is_its(self, chunk: Chunk) -> bool:
        return self.owners.get((chunk.large.number, chunk.nth)) == chunk.owner


class Actor:
    """Somebody who takes steps; some fall asleep after a few of them, for long."""

    def __init__(self, act: Callable[[], None], rng: random.Random) -> None:
        self._greenlet = greenlet(act)
        self._until_asleep = rng.randint(1, 15) if rng.random() < 0.25 else -1
        self._wakes_after = rng.randint(60, 200)
        self.wakes_at = 0

    def step(self, now: int) -> bool:
        """Go on until the next pause; whether there is more to be done."""
        self._until_asleep -= 1
        if self._until_asleep == 0:
            self.wakes_at = now + self._wakes_after
        self._greenlet.switch()
        return not self._greenlet.dead


class Schedule:
    """Actors, and whose turn it is: in some schedules everybody's, in others one's for a long time."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._actors: list[Actor] = []
        self._stays = rng.choice((0.3, 0.8, 0.95))
        self._now = 0

    def start(self, act: Callable[[], None]) -> None:
        """Have somebody take part."""
        self._actors.insert(0, Actor(act, self._rng))

    def step(self) -> None:
        """One step of somebody who is awake."""
        self._now += 1
        if self._rng.random() > self._stays:
            self._rng.shuffle(self._actors)
        awake = next((actor for actor in self._actors if actor.wakes_at <= self._now), None)
        if awake is not None and not awake.step(self._now):
            self._actors.remove(awake)

    def finish(self) -> None:
        """Everybody to their end."""
        while self._actors:
            self.step()
