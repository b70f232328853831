import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from pilothouse.core.errors import DataError, SettingError
from pilothouse.guard.certificates import (
    action_radius,
    certified_mean,
    certified_probability,
    certified_steps,
    probability_kept,
)
from pilothouse.statistics.lower_bounds import clopper_pearson_lower, dkw_margin

RETURNS = st.lists(st.integers(0, 20), min_size=1, max_size=40)


def test_probability_kept_by_hand() -> None:
    # A normal beyond -1 has 0.8413; moved by one deviation, beyond 0: 0.5; by two, beyond 1: 0.1587.
    np.testing.assert_allclose(
        probability_kept(norm.cdf(1), budget=[0.0, 0.3, 0.6], sigma=0.3), [0.841345, 0.5, 0.158655], rtol=1e-5
    )
    assert probability_kept(0.0, budget=0.1, sigma=1.0) == 0.0
    with pytest.raises(SettingError, match="sigma"):
        probability_kept(0.5, budget=1.0, sigma=0.0)
    with pytest.raises(SettingError, match="budget"):
        probability_kept(0.5, budget=-1.0, sigma=1.0)


def test_certified_mean_by_hand() -> None:
    # 20,000 returns, half 10 and half 30. ln(1000) / 40000 has the root 0.01314: P(R >= 10) is at least 0.98686, P(R >= 30) 0.48686.
    # Without an adversary 10 * 0.98686 + 20 * 0.48686 = 19.606.
    returns = np.repeat([10.0, 30.0], 10_000)
    margin = dkw_margin(20_000)
    assert margin == pytest.approx(0.013141, abs=1e-5)
    assert certified_mean(returns, budget=0.0, sigma=1.0) == pytest.approx(20 - 30 * margin)
    # One deviation: Phi(2.2217 - 1) = 0.8891, Phi(-0.0329 - 1) = 0.1508, so 8.891 + 3.016 = 11.907.
    assert certified_mean(returns, budget=1.0, sigma=1.0) == pytest.approx(11.907, abs=5e-3)
    # What no return is below is kept for certain: 5 + 5 * 0.98686 + 20 * 0.48686.
    assert certified_mean(returns, budget=0.0, sigma=1.0, lowest=5.0) == pytest.approx(20 - 25 * margin)
    with pytest.raises(DataError, match="below lowest"):
        certified_mean([-1.0, 2.0], budget=0.0, sigma=1.0)


@given(returns=RETURNS, budgets=st.tuples(st.floats(0, 5), st.floats(0, 5)))
def test_a_larger_budget_never_certifies_more(returns: list[int], budgets: tuple[float, float]) -> None:
    low, high = sorted(budgets)
    kept = certified_mean(returns, budget=[0.0, low, high], sigma=0.7)
    assert kept[0] >= kept[1] >= kept[2] >= 0
    assert kept[0] <= np.mean(returns)  # a lower confidence bound


@given(returns=RETURNS, sigmas=st.tuples(st.floats(0.1, 5), st.floats(0.1, 5)))
def test_more_noise_certifies_further(returns: list[int], sigmas: tuple[float, float]) -> None:
    low, high = sorted(sigmas)
    assert certified_mean(returns, budget=1.0, sigma=low) <= certified_mean(returns, budget=1.0, sigma=high)


def test_no_adversary_of_a_small_world_takes_more_than_the_bound_allows() -> None:
    """Two steps, in each of which the smoothed policy errs when its noisy look is below a threshold: all is exact.

    The return is 2 unless an error; an error at the first step ends it at 0, one at the second at 1. Adversaries
    that split their budget in every way, and adapt by spending nothing once it is over, take the most by moving
    looks down.
    """
    sigma, thresholds = 0.5, (-0.6, -0.8)
    pass_first, pass_second = (norm.sf(t / sigma) for t in thresholds)
    reach = np.array([pass_first, pass_first * pass_second])  # P(R >= 1), P(R >= 2)
    for budget in (0.1, 0.4, 0.9):
        bound = probability_kept(reach, budget=budget, sigma=sigma).sum()
        attacked = []
        for angle, sign in itertools.product(np.linspace(0, np.pi / 2, 50), (1, -1)):
            first, second = sign * budget * np.cos(angle), sign * budget * np.sin(angle)
            keep = norm.sf((thresholds[0] + first) / sigma)
            attacked.append(keep + keep * norm.sf((thresholds[1] + second) / sigma))
        assert bound <= min(attacked) + 1e-12
        # And the bound is not idle: it is attained for one threshold by an adversary that spends all at one step.
        assert probability_kept(pass_first, budget=budget, sigma=sigma) == pytest.approx(
            norm.sf((thresholds[0] + budget) / sigma)
        )


def test_certified_probability_joins_both_bounds() -> None:
    # All of 10 succeed: 0.05 ** (1 / 10) = 0.7411 at 95%; moved by one deviation, Phi(0.6467 - 1) = 0.3620.
    assert clopper_pearson_lower(10, 10, level=0.95) == pytest.approx(0.7411, abs=1e-4)
    assert certified_probability(10, 10, budget=1.0, sigma=1.0, confidence=0.95) == pytest.approx(0.3620, abs=1e-3)


def test_steps_by_hand() -> None:
    # 1000 of 1000 votes: 0.001 ** 0.001 = 0.99312, 2.463 deviations; 500 of 1000 certify nothing.
    radius = lambda votes: action_radius(votes, 1000, sigma=0.2)  # noqa: E731
    assert radius(1000) == pytest.approx(0.2 * norm.ppf(0.001**0.001)) and radius(500) == 0.0
    votes = np.array([[1000, 500], [1000, 1000], [500, 1000], [1000, 1000]])
    valid = np.ones((4, 2), bool)
    assert certified_steps(votes, valid, radius, budget=0.1).tolist() == [2, 0]
    valid[1, 0] = False  # the episode was over after one step
    assert certified_steps(votes, valid, radius, budget=0.1).tolist() == [1, 0]
    assert certified_steps(votes, valid, radius, budget=1.0).tolist() == [0, 0]
