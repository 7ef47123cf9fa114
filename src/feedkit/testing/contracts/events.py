"""What every log keeps."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedkit.ids import MAX_ID
from feedkit.idset import idset
from feedkit.model import Audience, Event, EventKind, Route
from feedkit.storage.base import Truth, Tx
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, few, read, room, write


class EventStoreContract(TruthSuite):
    """The laws of `EventStore`."""

    def test_an_event_comes_back_as_it_was(self, truth: Truth) -> None:
        # given
        about_posts = [EventKind.POST_PUBLISHED, EventKind.POST_DELETED]
        told = [event(MAX_ID, kind) for kind in EventKind]
        for kind, route, audience in product(about_posts, Route, Audience):
            told.append(event(MAX_ID, kind, position=2**62, route=route, audience=audience))

        # when
        append(truth, *told)
        number(truth)

        # then
        assert log(truth) == [attrs.evolve(one, number=n) for n, one in enumerate(told, 1)]

    def test_events_come_back_in_order_with_contiguous_numbers(self, truth: Truth) -> None:
        for actor in range(1, 8):
            append(truth, event(actor))
        number(truth)
        assert [(one.number, one.actor_id) for one in log(truth)] == [(n, n) for n in range(1, 8)]
        assert actors(log(truth, after=3)) == [4, 5, 6, 7]
        assert actors(log(truth, after=3, limit=2)) == [4, 5]
        assert log(truth, after=7) == []
        assert truth.read(truth.events.last_number) == 7
        assert truth.write(truth.events.number_new) is False

    def test_an_empty_log_ends_at_nothing(self, truth: Truth) -> None:
        assert truth.read(truth.events.last_number) == 0
        assert log(truth) == []

    def test_what_is_rolled_back_leaves_no_event_and_no_hole(self, truth: Truth) -> None:
        append(truth, event(1))

        def change_of_mind(tx: Tx) -> None:
            truth.events.append(tx, event(2))
            raise LookupError

        with pytest.raises(LookupError):
            truth.write(change_of_mind)
        append(truth, event(3))
        number(truth)
        assert [(one.number, one.actor_id) for one in log(truth)] == [(1, 1), (2, 3)]

    def test_events_that_commit_late_get_later_numbers(self, shared: Truth) -> None:
        def late(tx: Tx) -> None:
            shared.events.append(tx, event(1))
            append(shared, event(2))  # drawn later, committed before
            assert [(one.actor_id, one.number) for one in log(shared)] == [(2, 0)], (
                "shown before it is numbered"
            )
            number(shared)
            assert [(one.actor_id, one.number) for one in log(shared)] == [(2, 1)]

        shared.write(late)
        number(shared)
        assert [(one.actor_id, one.number) for one in log(shared)] == [(2, 1), (1, 2)]
        assert actors(log(shared, after=1)) == [1], "whoever had read up to 1 misses nothing"

    def test_a_reader_of_the_log_skips_nothing_while_many_write(self, truth: Truth) -> None:
        """Writers commit in any order, some roll back; a reader remembers only the last number it saw."""
        # given
        committed: list[int] = []
        done = threading.Event()

        def write(seed: int) -> None:
            dice = random.Random(seed)
            for n in range(12):
                mine = [seed * 1000 + n * 10 + part for part in range(dice.randint(1, 3))]

                def work(tx: Tx, mine: list[int] = mine) -> None:
                    for actor in mine:
                        truth.events.append(tx, event(actor))
                    time.sleep(dice.random() * 0.004)
                    if dice.random() < 0.3:
                        raise LookupError

                try:
                    truth.write(work)
                    committed.extend(mine)
                except LookupError:
                    pass

        def follow() -> list[Event]:
            seen: list[Event] = []
            while True:
                last_round = done.is_set()
                truth.try_write(truth.events.number_new)
                news = [one for one in log(truth, after=len(seen), limit=5) if one.number]
                seen += news
                if last_round and not news:
                    return seen

        # when
        with ThreadPoolExecutor() as pool:
            reader = pool.submit(follow)
            for writer in [pool.submit(write, seed) for seed in range(1, 5)]:
                writer.result(60)
            done.set()
            seen = reader.result(60)

        # then
        assert [one.number for one in seen] == list(range(1, len(seen) + 1))
        assert Counter(actors(seen)) == Counter(committed)

    def test_two_sequencers_give_no_number_twice(self, shared: Truth) -> None:
        append(shared, *(event(actor) for actor in range(1, 200)))
        together = threading.Barrier(4)

        def sequence(_: int) -> None:
            together.wait(10)
            number(shared)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(sequence, range(4)))
        assert [one.number for one in log(shared)] == list(range(1, 200))

    def test_a_stuck_sequencer_is_not_waited_for_for_ever(self, shared: Truth) -> None:
        append(shared, event(1))

        def hold(tx: Tx) -> None:
            shared.events.number_new(tx)
            started = time.monotonic()
            assert shared.try_write(shared.events.number_new) is None
            assert time.monotonic() - started < 5

        shared.write(hold)

    def test_offsets_are_remembered_by_name(self, truth: Truth) -> None:
        assert truth.read(truth.events.offsets) == {}
        write(truth, truth.events.set_offsets, ["a", "b"], 5)
        write(truth, truth.events.set_offsets, ["b", "c"], 2**40)
        assert truth.read(truth.events.offsets) == {"a": 5, "b": 2**40, "c": 2**40}

    def test_a_consumer_that_is_forgotten_holds_nothing_back(self, truth: Truth) -> None:
        append(truth, *(event(n) for n in range(1, 6)))
        number(truth)
        write(truth, truth.events.set_offsets, ["fast"], 5)
        write(truth, truth.events.set_offsets, ["gone"], 1)
        assert write(truth, truth.events.forget, "gone") is True
        assert write(truth, truth.events.forget, "gone") is False
        assert read(truth, truth.events.offsets) == {"fast": 5}
        assert write(truth, truth.events.prune, NOW_MS + 1000) == 4

    def test_one_process_runs_the_shared_consumers(self, shared: Truth) -> None:
        def run(tx: Tx) -> None:
            assert shared.events.claim(tx, wait=False)
            assert shared.events.claim(tx, wait=True), "it is ours already"
            assert not write(shared, shared.events.claim, wait=False)

        shared.write(run)
        assert write(shared, shared.events.claim, wait=False), "it is free again"

    def test_pruning_stops_at_the_slowest_consumer_the_retention_and_the_newest(self, truth: Truth) -> None:
        # given
        append(truth, *(event(n, at_ms=NOW_MS + n) for n in range(1, 11)))
        number(truth)

        def prune(older_than_ms: int) -> int:
            return write(truth, truth.events.prune, older_than_ms)

        # then
        assert prune(NOW_MS + 1000) == 0, "no consumer has applied anything yet"
        write(truth, truth.events.set_offsets, ["fast"], 10)
        write(truth, truth.events.set_offsets, ["slow"], 6)
        assert prune(NOW_MS + 4) == 3
        assert actors(log(truth)) == [4, 5, 6, 7, 8, 9, 10]
        assert prune(NOW_MS + 1000) == 3
        assert actors(log(truth)) == [7, 8, 9, 10]
        write(truth, truth.events.set_offsets, ["slow"], 10)
        assert prune(NOW_MS + 1000) == 3
        assert actors(log(truth)) == [10], "the newest is never pruned"
        assert prune(NOW_MS + 1000) == 0
        append(truth, event(11))
        number(truth)
        assert [one.number for one in log(truth)] == [10, 11], "numbers go on"

    def test_pruning_takes_the_beginning_of_the_log_alone(self, truth: Truth) -> None:
        """An old event behind a young one stays: numbers are contiguous."""
        ages = [0, 0, 50, 0, 0, 0]
        append(truth, *(event(n, at_ms=NOW_MS + age) for n, age in enumerate(ages, 1)))
        number(truth)
        write(truth, truth.events.set_offsets, ["all"], 6)
        assert write(truth, truth.events.prune, NOW_MS + 50) == 2
        assert actors(log(truth)) == [3, 4, 5, 6]
        assert write(truth, truth.events.prune, NOW_MS + 51) == 3
        assert actors(log(truth)) == [6]

    def test_what_was_published_late(self, truth: Truth) -> None:
        published = st.tuples(
            st.integers(1, 40),
            st.integers(1, 4),
            st.sampled_from([EventKind.POST_PUBLISHED, EventKind.POST_PUBLISHED, EventKind.POST_DELETED]),
        )

        @few
        @given(st.lists(published, max_size=15, unique_by=lambda one: one[0]), st.data())
        def check(drawn: list[tuple[int, int, EventKind]], data: st.DataObject) -> None:
            # given
            base, start = room(), truth.read(truth.events.last_number)
            events = [event(base + actor, kind, position=base + at) for at, actor, kind in drawn]
            append(truth, *events)
            number(truth)
            above = data.draw(st.integers(0, len(events)), "above")
            up_to = data.draw(st.integers(above, len(events)), "up to")
            top = base + data.draw(st.integers(0, 41), "top")
            limit = data.draw(st.integers(1, 10), "limit")
            authors = {base + actor for actor in data.draw(st.sets(st.integers(1, 4)), "authors")}

            # when
            ids = idset(authors)
            late = truth.read(
                lambda tx: truth.events.late(
                    tx, (start + above, start + up_to), at_or_below=top, authors=ids, limit=limit
                )
            )
            after = read(truth, truth.events.published_after, start + above, top, limit)

            # then
            told = [
                one for one in events[above:] if one.kind is EventKind.POST_PUBLISHED and one.position <= top
            ]
            mine = [one for one in told if one.actor_id in authors and one in events[:up_to]]
            assert late.positions.tolist() == sorted((one.position for one in mine), reverse=True)[:limit]
            assert after == sorted((one.position for one in told), reverse=True)[:limit]

        check()

    def test_events_without_a_number_count_as_published_after(self, shared: Truth) -> None:
        append(shared, event(1, EventKind.POST_PUBLISHED, position=5))
        assert read(shared, shared.events.published_after, 99, 5, 10) == [5]
        assert read(shared, shared.events.published_after, 99, 4, 10) == []

    def test_the_log_is_entered_at_a_moment(self, truth: Truth) -> None:
        assert read(truth, truth.events.last_before, NOW_MS) == 0
        append(truth, *(event(n, at_ms=NOW_MS + 10 * n) for n in range(1, 5)))
        number(truth)
        found = [read(truth, truth.events.last_before, NOW_MS + ms) for ms in (0, 10, 11, 20, 40, 41)]
        assert found == [0, 0, 1, 1, 3, 4]


def event(actor: int, kind: EventKind = EventKind.FOLLOW_ADDED, **fields: Any) -> Event:
    """An event of this actor."""
    return attrs.evolve(Event(kind, actor, 2, NOW_MS), **fields)


def append(truth: Truth, *events: Event) -> None:
    """Add events in one transaction."""

    def work(tx: Tx) -> None:
        for one in events:
            truth.events.append(tx, one)

    truth.write(work)


def number(truth: Truth) -> None:
    """Give numbers to what has none."""
    truth.write(truth.events.number_new)


def log(truth: Truth, after: int = 0, limit: int = 10_000) -> list[Event]:
    """What the log tells above a number."""
    return read(truth, truth.events.after, after, limit)


def actors(events: list[Event]) -> list[int]:
    """Who did what events tell of."""
    return [one.actor_id for one in events]
