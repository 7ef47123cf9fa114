"""What people did to the posts of a benchmark's world: planted by SQL, remembered in dictionaries."""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from benchmarks._planting import NODE, Target, planting
from feedkit import Counts, Own
from feedkit.ids import position_of

KINDS = ("like", "love", "laugh")
REACTED_SHARE, COMMENTED_SHARE, SAVED_SHARE = 0.7, 0.4, 0.2


class Doings:
    """Reactions, comments and saves by name of the person and id of the post."""

    def __init__(self) -> None:
        self.reacted: dict[int, dict[str, str]] = defaultdict(dict)
        self.commented: dict[int, list[str]] = defaultdict(list)
        self.saved: set[tuple[str, int]] = set()

    def shown(self, viewer: str, post_id: int, hidden: set[str]) -> tuple[Counts, Own]:
        """What a page has to show this viewer, to whom some people are hidden by blocks."""
        reacted = self.reacted.get(post_id, {})
        kinds = Counter(kind for name, kind in reacted.items() if name not in hidden)
        comments = sum(name not in hidden for name in self.commented.get(post_id, ()))
        counts = Counts(reactions=kinds.total(), comments=comments, reacted=dict(kinds))
        own = (reacted[viewer],) if viewer in reacted else ()
        return counts, Own(own, (viewer, post_id) in self.saved)


def engage(
    target: Target, doings: Doings, posts: Sequence[int], people: Mapping[str, int], rng: random.Random
) -> None:
    """Let people react to these posts, comment on them and save them; `people` are ids by name.

    Who stands first in `people` does more of it: the viewers, and whoever is in a block with one.
    """
    now_ms = int(time.time() * 1000) - 30_000
    names = list(people)
    busy = names[: max(1, len(names) // 50)]
    comments: list[tuple[int, int, int, int]] = []
    for post_id in posts:
        if rng.random() < REACTED_SHARE:
            some = rng.sample(busy, min(len(busy), rng.randint(1, 6))) + rng.sample(names, rng.randint(1, 6))
            doings.reacted[post_id] = {name: rng.choice(KINDS) for name in some}
        if rng.random() < COMMENTED_SHARE:
            doings.commented[post_id] = [*rng.choices(names, k=rng.randint(1, 4)), rng.choice(busy)]
        for name in doings.commented.get(post_id, ()):
            at_ms = now_ms - len(comments)
            comments.append((position_of(at_ms, NODE - 1), post_id, people[name], at_ms))
        doings.saved |= {(name, post_id) for name in busy if rng.random() < SAVED_SHARE}
    with planting(target) as planter:
        planter.reactions(_reactions(doings, posts, people), now_ms)
        planter.comments(comments)
        planter.saves([(people[name], post_id) for name, post_id in doings.saved], now_ms)


def _reactions(
    doings: Doings, posts: Sequence[int], people: Mapping[str, int]
) -> Iterable[tuple[int, str, int]]:
    for post_id in posts:
        for name, kind in doings.reacted.get(post_id, {}).items():
            yield people[name], kind, post_id
