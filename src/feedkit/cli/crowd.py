"""Who has been seen in a stream so far, held in bounded memory, to pick people from at random."""

from collections import Counter, deque
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")


class Sample(Generic[T]):
    """A uniform sample of at most `size` of everything that was added (reservoir sampling)."""

    def __init__(self, size: int, rng: Random) -> None:
        self._size, self._rng = size, rng
        self._seen = 0
        self._kept: list[T] = []

    def add(self, value: T) -> None:
        """Count one more, and perhaps keep it."""
        self._seen += 1
        if len(self._kept) < self._size:
            self._kept.append(value)
        elif (place := self._rng.randrange(self._seen)) < self._size:
            self._kept[place] = value

    def pick(self) -> T | None:
        """One of those kept, or None where there are none."""
        return self._rng.choice(self._kept) if self._kept else None

    def take(self) -> T | None:
        """One of those kept, which is kept no longer."""
        return self._kept.pop(self._rng.randrange(len(self._kept))) if self._kept else None


class Crowd:
    """The people of a stream. Only their names and how many they follow are held for all of them."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._following: Counter[str] = Counter()
        self._known: set[str] = set()
        self._posted: set[str] = set()
        self._silent: list[str] = []
        self._recent: deque[str] = deque(maxlen=300)
        self._recent_posts: deque[tuple[str, int]] = deque(maxlen=500)
        self._answers: deque[tuple[int, int]] = deque(maxlen=500)
        self._posts: Sample[tuple[str, int]] = Sample(500, rng)
        self.follows: Sample[tuple[str, str]] = Sample(2000, rng)
        self.at_odds: Sample[str] = Sample(300, rng)

    def saw_follow(self, follower: str, followee: str) -> None:
        """A follow was made."""
        for person in (follower, followee):
            if person not in self._known:
                self._known.add(person)
                self._silent.append(person)
        self._following[follower] += 1
        self.follows.add((follower, followee))

    def saw_post(self, author: str, post_id: int, reply_to: int | None = None) -> None:
        """A post was published."""
        if reply_to is not None:
            self._answers.append((post_id, reply_to))
        self._known.add(author)
        self._posted.add(author)
        self._recent.append(author)
        self._recent_posts.append((author, post_id))
        self._posts.add((author, post_id))

    def viewer(self) -> str | None:
        """Somebody who reads: an active one, a busy one, one at odds with others, or a silent one."""
        pick = self._rng.choice((self.active, self.active, self.busy, self._at_odds, self.silent))
        return pick() or self.active()

    def active(self) -> str | None:
        """Somebody who has posted lately."""
        return self._rng.choice(self._recent) if self._recent else None

    def busy(self) -> str | None:
        """Somebody who follows many: the busiest of a random handful."""
        some = [pair[0] for _ in range(24) if (pair := self.follows.pick())]
        return max(some, key=self._following.__getitem__, default=None)

    def silent(self) -> str | None:
        """Somebody who has never posted."""
        while self._silent:
            place = self._rng.randrange(len(self._silent))
            if self._silent[place] not in self._posted:
                return self._silent[place]
            self._silent[place] = self._silent[-1]
            self._silent.pop()
        return None

    def post(self) -> tuple[str, int] | None:
        """The author and id of a post, more often a new one than an old one."""
        if self._recent_posts and self._rng.random() < 0.7:
            return self._rng.choice(self._recent_posts)
        return self._posts.pick()

    def talked_about(self) -> tuple[int, ...]:
        """A reply of late and the post that it answers, or nothing where there are no replies."""
        return self._rng.choice(self._answers) if self._answers else ()

    def _at_odds(self) -> str | None:
        return self.at_odds.pick()
