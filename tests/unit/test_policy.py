"""Fan-out policies: push or pull, and no back and forth."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedkit import ConfigurationError, CostBased, Hybrid, PullAll, PushAll
from feedkit.model import Route
from feedkit.storage.base import AuthorLoad

loads = st.builds(AuthorLoad, st.integers(0, 10**9), st.booleans(), st.booleans())


@given(loads)
def test_push_all_always_pushes(load: AuthorLoad) -> None:
    assert PushAll().route(load) is Route.PUSH


@given(loads)
def test_pull_all_always_pulls(load: AuthorLoad) -> None:
    assert PullAll().route(load) is Route.PULL


@pytest.mark.parametrize(
    ("followers", "listed", "resumed", "route"),
    [
        (0, False, False, Route.PUSH),
        (100, False, False, Route.PUSH),
        (101, False, False, Route.PULL),
        # one who is pulled stays so down to the lower threshold
        (101, True, False, Route.PULL),
        (100, True, False, Route.PULL),
        (80, True, False, Route.PULL),
        (79, True, False, Route.PUSH),
        # one who is about to leave the list is pushed to, up to the upper threshold
        (79, True, True, Route.PUSH),
        (80, True, True, Route.PUSH),
        (100, True, True, Route.PUSH),
        (101, True, True, Route.PULL),
    ],
)
def test_hybrid_has_two_thresholds(followers: int, listed: bool, resumed: bool, route: Route) -> None:
    assert Hybrid(pull_above=100).route(AuthorLoad(followers, listed, resumed)) is route
    assert Hybrid(pull_above=100, resume_below=80).route(AuthorLoad(followers, listed, resumed)) is route


@given(st.integers(1, 50), st.data())
def test_hybrid_changes_its_mind_only_across_the_whole_band(pull_above: int, data: st.DataObject) -> None:
    # given
    resume_below = data.draw(st.integers(1, pull_above))
    policy = Hybrid(pull_above, resume_below)
    load = AuthorLoad(0)

    # when
    for followers in data.draw(st.lists(st.integers(0, 60), max_size=40)):
        route = policy.route(attrs.evolve(load, followers=followers))
        was_pulled = load.listed and not load.resumed

        # then
        if route is Route.PULL and not was_pulled:
            assert followers > pull_above
            load = AuthorLoad(followers, listed=True)
        elif route is Route.PUSH and was_pulled:
            assert followers < resume_below
            gone = data.draw(st.booleans())  # the grace period may or may not have passed
            load = AuthorLoad(followers) if gone else AuthorLoad(followers, listed=True, resumed=True)
        elif followers > pull_above:
            assert route is Route.PULL
        elif followers < resume_below:
            assert route is Route.PUSH


def test_hybrid_resumes_at_four_fifths_unless_told() -> None:
    assert Hybrid() == Hybrid(1_000_000, 800_000)
    assert Hybrid(pull_above=7).resume_below == 5
    assert Hybrid(pull_above=7, resume_below=7).resume_below == 7
    assert Hybrid(pull_above=0).resume_below == 0


@pytest.mark.parametrize(("pull_above", "resume_below"), [(10, 11), (0, 1)])
def test_thresholds_that_make_no_sense_are_refused(pull_above: int, resume_below: int) -> None:
    with pytest.raises(ConfigurationError, match=r"resume_below must be 0\.\.pull_above") as refused:
        Hybrid(pull_above, resume_below)
    assert refused.value.argument == "resume_below"
    assert str(resume_below) in str(refused.value)


@pytest.mark.parametrize("wrong", [-1, 1.5, "10", True, None])
def test_a_threshold_that_is_no_number_of_followers_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="pull_above must be a whole number"):
        Hybrid(wrong)
    with pytest.raises(ConfigurationError, match="resume_below must be a whole number"):
        Hybrid(10, wrong)


# pairs


def pulls(policy: CostBased, reads: list[float], posts: float, pulled_now: bool = False) -> list[bool]:
    now = np.full(len(reads), pulled_now)
    return policy.pulls(np.array(reads, dtype=np.float64), posts, now).tolist()  # type: ignore[no-any-return]


def test_a_pair_is_pushed_from_push_cost_over_pull_cost_on() -> None:
    policy = CostBased(push_cost=1, pull_cost=4)
    assert pulls(policy, [0, 9.9, 10, 1000], posts=40) == [True, True, False, False]
    assert pulls(policy, [0, 5], posts=0) == [False, False], "who never posts costs nothing to push"


def test_a_pair_that_is_pulled_is_pushed_again_at_twice_the_bound() -> None:
    policy = CostBased(push_cost=1, pull_cost=4)
    assert pulls(policy, [10, 19.9, 20], posts=40, pulled_now=True) == [True, True, False]


@given(loads)
def test_cost_based_leaves_whole_authors_to_another_policy(load: AuthorLoad) -> None:
    assert CostBased().route(load) is Hybrid().route(load)
    assert CostBased(authors=PushAll()).route(load) is Route.PUSH


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), "1", None, True])
@pytest.mark.parametrize("name", ["push_cost", "pull_cost", "half_life_s"])
def test_a_cost_that_is_no_number_above_zero_is_refused(name: str, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be a number above 0") as refused:
        CostBased(**{name: wrong})
    assert refused.value.argument == name


@pytest.mark.parametrize("wrong", [None, Hybrid, "hybrid"])
def test_whole_authors_need_a_policy(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="authors must be a policy for whole authors"):
        CostBased(authors=wrong)
    with pytest.raises(ConfigurationError, match="authors must be"):
        CostBased(authors=CostBased())
