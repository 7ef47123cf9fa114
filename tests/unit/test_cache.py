"""The leased cache: bounded, and never left with a value that was loaded before it changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedkit.storage.cache import LeasedCache

TIMEOUT_S = 10
Load = Callable[[list[str]], dict[str, int]]


class Source:
    """Values that change, and a record of what was loaded."""

    def __init__(self, **values: int) -> None:
        self.values = values
        self.loads: list[list[str]] = []

    def load(self, keys: list[str]) -> dict[str, int]:
        self.loads.append(keys)
        return {key: self.values[key] for key in keys if key in self.values}

    def loaded(self) -> list[list[str]]:
        done, self.loads = self.loads, []
        return done


class Slow:
    """A load that has read its values and does not return before it is told to."""

    def __init__(
        self, pool: ThreadPoolExecutor, cache: LeasedCache[str, int], keys: list[str], load: Load
    ) -> None:
        self.reached, self.released = threading.Event(), threading.Event()
        self._load = load
        self.result: Future[dict[str, int]] = pool.submit(cache.get_many, keys, self._slowly)
        while not self.reached.is_set() and not self.result.done():
            self.reached.wait(0.001)

    def _slowly(self, keys: list[str]) -> dict[str, int]:
        values = self._load(keys)
        self.reached.set()
        assert self.released.wait(TIMEOUT_S)
        return values

    def finish(self) -> dict[str, int]:
        self.released.set()
        return self.result.result(TIMEOUT_S)


def nothing(_: list[str]) -> dict[str, int]:
    return {}


# loading


def test_a_value_is_loaded_once() -> None:
    cache, source = LeasedCache[str, int](10), Source(a=1)
    assert cache.get_many(["a"], source.load) == {"a": 1}
    assert cache.get_many(["a"], source.load) == {"a": 1}
    assert source.loaded() == [["a"]]


def test_only_what_is_missing_is_loaded_and_in_one_call() -> None:
    # given
    cache, source = LeasedCache[str, int](10), Source(a=1, b=2, c=3)
    cache.get_many(["b"], source.load)

    # when
    found = cache.get_many(["a", "b", "c", "d"], source.load)

    # then
    assert found == {"a": 1, "b": 2, "c": 3}, "a key that the loader leaves out is absent"
    assert source.loaded() == [["b"], ["a", "c", "d"]]
    cache.get_many(["a", "d"], source.load)
    assert source.loaded() == [["d"]], "absence is not cached"


def test_more_than_was_asked_for_is_handed_out_and_not_kept() -> None:
    cache = LeasedCache[str, int](10)
    assert cache.get_many(["a"], lambda _: {"a": 1, "extra": 2}) == {"a": 1, "extra": 2}
    assert cache.get_many(["extra"], nothing) == {}


def test_a_key_asked_for_twice_is_cached_once() -> None:
    cache, source = LeasedCache[str, int](10), Source(a=1)
    assert cache.get_many(["a", "a"], source.load) == {"a": 1}
    assert cache.get_many(["a"], nothing) == {"a": 1}
    assert cache._leases == {}


def test_values_come_in_the_order_of_their_keys_if_that_is_asked_for() -> None:
    # given
    cache, source = LeasedCache[str, int](10), Source(a=1, b=2)
    cache.get_many(["b"], source.load)

    # then each stands in its place, absent ones and those asked for twice as well
    for _ in range(20):
        assert [*cache.get_each(["b", "x", "a", "b"], source.load)] == [2, None, 1, 2]
        assert [*cache.get_each(["b", "a"], source.load)] == [2, 1]
    first, second, *others = source.loaded()
    assert (first, second) == (["b"], ["x", "a"])
    assert all(keys == ["x"] for keys in others), "absence is not cached"


def test_none_is_a_value() -> None:
    cache = LeasedCache[str, int | None](10)
    assert cache.get("a", lambda: None) is None
    assert cache.get_many(["a"], lambda _: {"a": 1}) == {"a": None}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_is_passed_on_and_never_cached(error: type[BaseException]) -> None:
    # given
    cache, source = LeasedCache[str, int](10), Source(a=1, b=2)
    cache.get_many(["b"], source.load)

    def fail(_: list[str]) -> dict[str, int]:
        raise error

    # when
    with pytest.raises(error):
        cache.get_many(["a", "b"], fail)

    # then
    assert cache.get_many(["a", "b"], source.load) == {"a": 1, "b": 2}
    assert source.loaded() == [["b"], ["a"]]
    assert cache._leases == {}


# bounds


@given(st.integers(0, 4), st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6), max_size=15))
def test_it_holds_the_newest_and_never_more_than_its_maximum(maximum: int, reads: list[list[str]]) -> None:
    # given
    cache, source = LeasedCache[str, int](maximum), Source(**dict.fromkeys("abcdefgh", 0))

    # when
    for keys in reads:
        held = set(cache._values)
        assert cache.get_many(keys, source.load) == dict.fromkeys(keys, 0)

        # then only what was missing was loaded, and the last of that is here
        missing = list(dict.fromkeys(key for key in keys if key not in held))
        loaded = [list(dict.fromkeys(load)) for load in source.loaded()]
        assert loaded == ([missing] if missing else [])
        assert len(cache._values) == min(maximum, len(held | set(missing)))
        assert set(missing[-maximum:] if maximum else []) <= set(cache._values)
        assert cache._leases == {}


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("read", [LeasedCache.get_many, LeasedCache.get_each])
def test_what_is_read_again_and_again_outlives_what_is_read_once(read: Any, batch: int) -> None:
    # given a cache of a hundred, and a few keys that every second read asks for
    cache, source = LeasedCache[str, int](100), Source()
    popular = [f"popular {nth}" for nth in range(batch)]
    source.values = dict.fromkeys(popular, 0) | {f"once {nth}": 0 for nth in range(5000)}

    # when
    for nth in range(5000):
        read(cache, popular, source.load)
        read(cache, [f"once {nth}"], source.load)

    # then
    assert source.loaded().count(popular) == 1


def test_a_single_key_that_is_read_again_and_again_stays_too() -> None:
    # given
    cache, loads = LeasedCache[str, int](100), list[int]()

    def popular() -> int:
        loads.append(1)
        return 0

    # when
    for nth in range(5000):
        cache.get("popular", popular)
        cache.get(f"once {nth}", lambda: 0)

    # then
    assert loads == [1]


def test_a_cache_of_none_keeps_none() -> None:
    cache, source = LeasedCache[str, int](0), Source(a=1)
    for _ in range(3):
        assert cache.get("a", lambda: source.load(["a"])["a"]) == 1
    assert len(source.loaded()) == 3


# invalidation


@pytest.mark.parametrize("invalidate", ["discard", "clear"])
def test_an_invalidated_value_is_loaded_again(invalidate: str) -> None:
    # given
    cache, source = LeasedCache[str, int](10), Source(a=1, b=2)
    cache.get_many(["a", "b"], source.load)
    source.loaded()

    # when
    source.values["a"] = 10
    cache.discard(["a", "unknown"]) if invalidate == "discard" else cache.clear()

    # then
    assert cache.get_many(["a", "b"], source.load) == {"a": 10, "b": 2}
    assert source.loaded() == ([["a"]] if invalidate == "discard" else [["a", "b"]])


@pytest.mark.parametrize("invalidate", ["discard", "clear"])
def test_a_value_loaded_before_an_invalidation_is_not_left_behind(invalidate: str) -> None:
    cache, source = LeasedCache[str, int](10), Source(a=1, b=2)
    with ThreadPoolExecutor() as pool:
        # given
        slow = Slow(pool, cache, ["a", "b"], source.load)

        # when
        source.values["a"] = 10
        cache.discard(["a"]) if invalidate == "discard" else cache.clear()

        # then
        assert slow.finish() == {"a": 1, "b": 2}, "the read that had begun may use it"
        assert cache.get_many(["a"], source.load) == {"a": 10}
        if invalidate == "discard":
            assert cache.get_many(["b"], nothing) == {"b": 2}, "what did not change is kept"
        assert cache._leases == {}


def test_a_late_old_load_does_not_replace_a_newer_one() -> None:
    cache, source = LeasedCache[str, int](10), Source(a=1)
    with ThreadPoolExecutor() as pool:
        # given
        old = Slow(pool, cache, ["a"], source.load)
        source.values["a"] = 2
        cache.discard(["a"])
        new = Slow(pool, cache, ["a"], source.load)

        # when
        assert new.finish() == {"a": 2}
        assert old.finish() == {"a": 1}

        # then
        assert cache.get_many(["a"], nothing) == {"a": 2}


def test_an_old_load_that_ends_first_takes_no_newer_lease_with_it() -> None:
    cache, source = LeasedCache[str, int](10), Source(a=1)
    with ThreadPoolExecutor() as pool:
        old = Slow(pool, cache, ["a"], source.load)
        source.values["a"] = 2
        cache.discard(["a"])
        new = Slow(pool, cache, ["a"], source.load)
        old.finish()
        assert cache.get_many(["a"], source.load) == {"a": 2}
        new.finish()
        assert cache.get_many(["a"], nothing) == {"a": 2}
        assert cache._leases == {}


def test_a_load_that_fails_leaves_the_other_loads_of_the_key_alone() -> None:
    cache, source = LeasedCache[str, int](10), Source(a=1)

    def fail(_: list[str]) -> dict[str, int]:
        raise LookupError

    with ThreadPoolExecutor() as pool:
        good = Slow(pool, cache, ["a"], source.load)
        with pytest.raises(LookupError):
            cache.get_many(["a"], fail)
        good.finish()
    assert cache.get_many(["a"], nothing) == {"a": 1}


@settings(max_examples=40)
@given(st.data())
def test_in_any_interleaving_no_read_meets_a_value_from_before_a_change_it_came_after(
    data: st.DataObject,
) -> None:
    keys = ["a", "b", "c"]
    cache, source = LeasedCache[str, int](data.draw(st.integers(0, 3))), Source(a=0, b=0, c=0)
    flying: list[Slow] = []
    with ThreadPoolExecutor(20) as pool:
        try:
            for _ in range(data.draw(st.integers(1, 15), "steps")):
                step = data.draw(
                    st.sampled_from(["begin", "begin", "finish", "change", "clear", "read"]), "step"
                )
                some = data.draw(st.lists(st.sampled_from(keys), min_size=1, unique=True), "keys")
                if step == "begin":
                    flying.append(Slow(pool, cache, some, source.load))
                elif step == "finish" and flying:
                    flying.pop(data.draw(st.integers(0, len(flying) - 1), "which")).finish()
                elif step == "change":
                    for key in some:
                        source.values[key] += 1
                    cache.discard(some)
                elif step == "clear":
                    source.values = {key: value + 1 for key, value in source.values.items()}
                    cache.clear()
                else:
                    assert cache.get_many(some, source.load) == {key: source.values[key] for key in some}
        finally:
            for slow in flying:
                slow.finish()
        assert cache.get_many(keys, source.load) == source.values
    assert cache._leases == {}


def test_only_the_very_value_that_stands_is_replaced() -> None:
    # given
    cache: LeasedCache[str, list[int]] = LeasedCache(10)
    found = cache.get_many(["a", "b", "c"], lambda keys: {key: [1] for key in keys})

    # when: one was discarded meanwhile, one was loaded anew with an equal value
    cache.discard(["b", "c"])
    cache.get_many(["c"], lambda keys: {key: [1] for key in keys})
    cache.replace(found, {key: [2] for key in found})

    # then
    assert cache.get_many(["a", "b", "c"], lambda keys: {key: [3] for key in keys}) == {
        "a": [2],
        "b": [3],
        "c": [1],
    }
