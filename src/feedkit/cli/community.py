"""A small community that is made up: people, who follows whom, and two weeks of conversation.

The same seed gives the same people, posts and times, on any machine. What they are called and what
they say is written in `community.toml`.
"""

import heapq
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from random import Random
from typing import Any

import attrs

from feedkit.cli.stream import Followed, Happening, Joined, Posted, Stream

PEOPLE, POSTS, DAYS = 300, 2500, 14
DAY_MS = 86_400_000
MINUTE_MS = 60_000
_SILENT_SHARE = 0.12  # people who only read
_FOLLOWERS_ONLY_SHARE = 0.04
_QUESTION_SHARE = 0.02
_TRIES = 12


@attrs.define(eq=False)
class Person:
    """Someone with interests. `charm` draws followers, `zeal` says how often they write."""

    key: str
    name: str
    interests: tuple[str, ...]
    charm: float
    zeal: float
    wakes_ms: int
    followers: list["Person"] = attrs.field(factory=list)

    @property
    def first_name(self) -> str:
        """How others address them."""
        return self.name.split()[0]

    def sleeps(self, at_ms: int) -> bool:
        """Whether this is in the eight hours before they wake."""
        return (at_ms - self.wakes_ms) % DAY_MS > 16 * 60 * MINUTE_MS


class Deck:
    """Deals cards in random order, all of them before any comes again, and none again very soon."""

    def __init__(self, cards: Sequence[str], rng: Random) -> None:
        self._rng = rng
        self._dealt: list[str] = []
        self._left = rng.sample(cards, len(cards))

    def deal(self) -> str:
        """The next card."""
        if not self._left:
            half = len(self._dealt) // 2
            late, early = self._dealt[half:], self._dealt[:half]
            self._left = self._rng.sample(late, len(late)) + self._rng.sample(early, len(early))
            self._dealt = []
        self._dealt.append(self._left.pop())
        return self._dealt[-1]


class Talk:
    """What people say about one interest."""

    def __init__(self, phrases: Mapping[str, Any], rng: Random) -> None:
        self._things, self._openers, self._closers, self._replies = (
            Deck(phrases[part], rng) for part in ("things", "openers", "closers", "replies")
        )
        self._said: set[str] = set()
        self._answers = {question["ask"]: Deck(question["answers"], rng) for question in phrases["questions"]}
        self._questions = rng.sample(list(self._answers), len(self._answers))

    def remark(self) -> str:
        """A post that asks nothing, and that has not been said before."""
        opener = self._openers.deal().replace("{thing}", self._things.deal())
        said = (f"{opener} {self._closers.deal()}" for _ in range(_TRIES))
        text = next((text for text in said if text not in self._said), opener)
        self._said.add(text)
        return text

    def question(self) -> str | None:
        """A question that has not been asked before, while there are any."""
        return self._questions.pop() if self._questions else None

    def answer(self, question: str) -> str | None:
        """What a reader replies; None to a post that asks nothing."""
        deck = self._answers.get(question)
        return deck.deal() if deck else None

    def comment(self) -> str:
        """What a reader who shares the interest replies to a remark."""
        return self._replies.deal()


@attrs.frozen(order=False)
class Turn:
    """Someone is about to post: at the root of a conversation, or in it, `to` another.

    `text` may still hold a `{name}`.
    """

    author: Person
    interest: str
    root: "Turn | None" = None
    to: "Turn | None" = None
    source: str = ""
    text: str = ""


def generate(*, start_ms: int, seed: int = 7, limit: int | None = None) -> Stream:
    """The community's stream from `start_ms` (Unix milliseconds) on, or up to its first `limit` posts."""
    rng = Random(seed)  # noqa: S311 - repeatable, nothing to protect
    happenings = list(_Generator(rng, start_ms).run())
    posts = [happening for happening in happenings if isinstance(happening, Posted)][:limit]
    if posts:
        happenings = happenings[: happenings.index(posts[-1]) + 1]
    answered = frozenset(post.reply_to for post in posts if post.reply_to)
    return Stream("a made-up community", len(posts), answered, happenings)


class _Generator:
    def __init__(self, rng: Random, start_ms: int) -> None:
        self._rng, self._start_ms = rng, start_ms
        phrases = tomllib.loads((files("feedkit.cli") / "community.toml").read_text("utf-8"))
        self._talk = {interest["name"]: Talk(interest, rng) for interest in phrases["interests"]}
        self._comebacks: dict[str, str] = dict(phrases["reactions"])
        self._reactions, self._thanks = Deck(list(self._comebacks), rng), Deck(phrases["thanks"], rng)
        self._people = self._meet(phrases["first_names"], phrases["last_names"])

    def run(self) -> Iterator[Happening]:
        """Everything that happens, in time order."""
        joined = [self._join(person) for person in self._people]
        happenings: list[Happening] = [*joined, *self._befriend(), *self._converse()]
        yield from sorted(happenings, key=lambda happening: happening.at_ms)

    def _meet(self, first_names: Sequence[str], last_names: Sequence[str]) -> list[Person]:
        rng = self._rng
        names = [f"{first} {last}" for first in first_names for last in last_names]
        return [
            Person(
                key=name.lower().replace(" ", ".", 1).replace(" ", ""),
                name=name,
                interests=tuple(rng.sample(list(self._talk), rng.choice((1, 2, 2, 3)))),
                charm=rng.paretovariate(1.1),
                zeal=0.0 if rng.random() < _SILENT_SHARE else rng.paretovariate(1.4),
                wakes_ms=int(rng.gauss(6.5, 2.0) * 60) * MINUTE_MS,
            )
            for name in rng.sample(names, PEOPLE)
        ]

    def _join(self, person: Person) -> Joined:
        first, last = person.key.split(".", 1)
        styles = (f"{first}_{last}", f"{first}{last}", f"{first[0]}.{last}", f"{last}.{first}", person.key)
        return Joined(self._start_ms, person.key, self._rng.choice(styles), person.name)

    def _befriend(self) -> Iterator[Followed]:
        """Most people follow on their first day; charm and shared interests decide whom."""
        rng = self._rng
        for person in self._people:
            others = [other for other in self._people if other is not person]
            weights = [_draw(person, other) for other in others]
            wanted = min(120, int(rng.lognormvariate(2.7, 0.7)) + 3)
            for other in dict.fromkeys(rng.choices(others, weights, k=wanted)):
                other.followers.append(person)
                late = rng.random() < 0.25
                yield Followed(
                    self._start_ms + int(rng.random() * (DAYS if late else 0.3) * DAY_MS),
                    person.key,
                    other.key,
                )

    def _converse(self) -> Iterator[Posted]:
        """Roots at random times, then each conversation from reply to reply."""
        pending: list[tuple[int, int, Turn]] = []
        for number in range(POSTS * 11 // 20):
            turn = Turn(author := self._writer(), self._rng.choice(author.interests))
            heapq.heappush(pending, (self._awake(author), number, turn))
        for count in range(POSTS):
            if not pending:
                return
            at_ms, _, turn = heapq.heappop(pending)
            said = attrs.evolve(turn, source=str(count), text=self._say(turn))
            yield self._post(at_ms, said)
            for place, (delay_ms, reply) in enumerate(self._responses(said)):
                heapq.heappush(pending, (at_ms + delay_ms, POSTS * (count + 1) + place, reply))

    def _writer(self) -> Person:
        return self._rng.choices(self._people, [person.zeal for person in self._people])[0]

    def _awake(self, person: Person) -> int:
        while True:
            at_ms = self._start_ms + int(self._rng.random() * DAYS * DAY_MS)
            if not person.sleeps(at_ms):
                return at_ms

    def _responses(self, turn: Turn) -> Iterator[tuple[int, Turn]]:
        """Who answers, after how many milliseconds: readers the post, its author a reader."""
        rng = self._rng
        root = turn.root or turn
        if turn.to and turn.author is not root.author:
            if rng.random() < 0.4:
                yield self._delay(), Turn(root.author, turn.interest, root, turn)
            return
        readers = [
            person for person in turn.author.followers if person.zeal and turn.interest in person.interests
        ]
        readers = readers or [person for person in turn.author.followers if person.zeal]
        eager = 2.2 if "?" in turn.text else 0.6 + len(turn.author.followers) / 80
        count = 0 if turn.to else int(rng.expovariate(1 / eager) + rng.random() / 2)
        for reader in rng.sample(readers, min(len(readers), count)):
            yield self._delay(), Turn(reader, turn.interest, root, turn)

    def _delay(self) -> int:
        return int(math.exp(self._rng.gauss(3.2, 1.1)) * MINUTE_MS)

    def _say(self, turn: Turn) -> str:
        talk, to = self._talk[turn.interest], turn.to
        if to is None:
            asks = self._rng.random() < _QUESTION_SHARE
            return (talk.question() if asks else None) or talk.remark()
        if turn.root is not None and turn.author is turn.root.author:
            return self._comebacks.get(to.text) or self._thanks.deal()
        if answer := talk.answer(to.text):
            return answer
        return talk.comment() if self._rng.random() < 0.3 else self._reactions.deal()

    def _post(self, at_ms: int, turn: Turn) -> Posted:
        close = turn.to is None and self._rng.random() < _FOLLOWERS_ONLY_SHARE
        return Posted(
            at_ms,
            turn.source,
            turn.author.key,
            turn.text.replace("{name}", turn.to.author.first_name) if turn.to else turn.text,
            turn.to.source if turn.to else None,
            "followers" if close else "public",
        )


def _draw(person: Person, other: Person) -> float:
    shared = len(set(person.interests) & set(other.interests))
    return other.charm * (0.25 + shared)
