"""Whom a viewer may want to follow: those whom many of their followees follow."""

from typing import Generic

import numpy as np

from feedkit.clock import Clock
from feedkit.idset import Ids, idset
from feedkit.log.applied import AppliedLog
from feedkit.model import Assoc, Key, Suggestion
from feedkit.reading.walks import TOP
from feedkit.relations import Relations
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx
from feedkit.storage.readthrough import ReadThrough
from feedkit.visibility import people_visible

_ASKED = {Assoc.REQUESTS, Assoc.ASKS}


class Suggestions(Generic[Key]):
    """Friends of friends by the number of common followees (Adamic and Adar, 2003, without their weights).

    From a sample: the newest `suggestions_followees` of the viewer's followees, and the newest
    `suggestions_each` of each of theirs.
    """

    def __init__(
        self,
        truth: Truth,
        readthrough: ReadThrough[Key],
        log: AppliedLog,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._truth, self._readthrough, self._log = truth, readthrough, log
        self._clock, self._settings = clock, settings

    def of(self, viewer_id: int, limit: int) -> list[Suggestion[Key]]:
        """At most `limit` people, those with most in common first."""
        self._log.catch_up()
        relations = self._readthrough.viewer(viewer_id).relations
        sample = self._truth.read(lambda tx: self._sample(tx, viewer_id))
        followees = self._met(sample, relations)
        met_there = self._truth.read(lambda tx: self._followed_by(tx, followees))
        candidates, common = np.unique(met_there, return_counts=True)
        known = np.append(relations.others[relations.ties != 0], viewer_id)  # with any tie they are no news
        new = ~np.isin(candidates, known)
        candidates, common = candidates[new], common[new]
        best_first = np.lexsort((candidates, -common))[: self._settings.max_scan]
        return self._shown(viewer_id, relations, candidates[best_first], common[best_first], limit)

    def _shown(
        self, viewer_id: int, relations: Relations, candidates: Ids, common: Ids, limit: int
    ) -> list[Suggestion[Key]]:
        found: list[Suggestion[Key]] = []
        for start in range(0, len(candidates), 2 * limit):
            chunk = candidates[start : start + 2 * limit]
            met_ids = self._met(chunk, relations)
            users = self._readthrough.users(met_ids.tolist())
            asked = self._asked(viewer_id, met_ids)
            found += [
                Suggestion(users[user_id], count)
                for user_id, count in zip(chunk.tolist(), common[start:].tolist(), strict=False)
                if user_id in users and user_id not in asked
            ]
            if len(found) >= limit:
                break
        return found[:limit]

    def _asked(self, viewer_id: int, others: Ids) -> set[int]:
        """Those whom the viewer has asked already."""
        held = self._truth.read(lambda tx: self._truth.graph.between_many(tx, viewer_id, others))
        return {user_id for user_id, ties in held.items() if _ASKED & ties.keys()}

    def _sample(self, tx: Tx, viewer_id: int) -> Ids:
        size = self._settings.suggestions_followees
        newest = self._truth.graph.newest(tx, viewer_id, Assoc.FOLLOWS, TOP, size)
        return idset(user_id for _, user_id in newest)

    def _followed_by(self, tx: Tx, followees: Ids) -> Ids:
        each = self._settings.suggestions_each
        found = self._truth.graph.newest_of_each(tx, followees, Assoc.FOLLOWS, each)
        return np.array(found, dtype=np.int64)

    def _met(self, user_ids: Ids, relations: Relations) -> Ids:
        """Those whom the viewer meets in lists of people."""
        found = self._readthrough.users(user_ids.tolist())
        users = [found.get(user_id) for user_id in user_ids.tolist()]
        return user_ids[np.array(people_visible(users, relations, self._clock.now_ms()), dtype=np.bool_)]
