import math

import numpy as np
import pytest

from pilothouse.core.errors import DataError, SettingError
from pilothouse.evaluate.selection import (
    error_rates,
    rank_correlation,
    regret_at_k,
    sharpe_ratio_at_k,
    top_k,
    worst_at_k,
)

ESTIMATES, TRUTHS = [3.0, 1.0, 2.0, 0.0], [5.0, 9.0, 7.0, 1.0]


def test_by_hand() -> None:
    assert top_k(ESTIMATES, TRUTHS, 3).tolist() == [5, 7, 9]
    assert [regret_at_k(ESTIMATES, TRUTHS, k) for k in (1, 2, 3)] == [4, 2, 0]
    assert worst_at_k(ESTIMATES, TRUTHS, 4) == 1
    # The best two by estimate are worth 5 and 7: (7 - 4) over a deviation of 1.
    assert sharpe_ratio_at_k(ESTIMATES, TRUTHS, 2, baseline=4.0) == pytest.approx(3)
    assert sharpe_ratio_at_k(ESTIMATES, TRUTHS, 1, baseline=4.0) == math.inf
    assert sharpe_ratio_at_k(ESTIMATES, TRUTHS, 1, baseline=6.0) == -math.inf
    assert sharpe_ratio_at_k(ESTIMATES, TRUTHS, 1, baseline=5.0) == 0
    # Ranks 4 2 3 1 against 2 4 3 1: 1 - 6 * (4 + 4) / (4 * 15) = 0.2.
    assert rank_correlation(ESTIMATES, TRUTHS) == pytest.approx(0.2)
    assert rank_correlation(np.ones(4), TRUTHS) == 0
    # At least 2: truly so are 5, 9, 7, of which the estimate 1 turns one away; 1 is truly below, and is turned away.
    assert error_rates(ESTIMATES, TRUTHS, threshold=2.0) == (pytest.approx(1 / 3), 0)
    assert math.isnan(error_rates(ESTIMATES, TRUTHS, threshold=0.0)[1])


def test_perfect_estimates_regret_nothing_and_wider_choices_regret_less() -> None:
    truths = np.random.default_rng(0).normal(size=8)
    assert [regret_at_k(truths, truths, k) for k in range(1, 9)] == [0] * 8
    assert rank_correlation(truths, truths) == pytest.approx(1)
    assert rank_correlation(-truths, truths) == pytest.approx(-1)
    assert error_rates(truths, truths, threshold=0.0) == (0, 0)
    backwards = [regret_at_k(-truths, truths, k) for k in range(1, 9)]
    assert backwards == sorted(backwards, reverse=True)
    assert backwards[-1] == 0


def test_equal_regret_may_carry_different_risk() -> None:
    truths = [10.0, 9.0, 0.0, -1.0]
    careful, careless = [4.0, 3.0, 2.0, 1.0], [4.0, 1.0, 2.0, 3.0]
    assert regret_at_k(careful, truths, 2) == regret_at_k(careless, truths, 2) == 0
    ratios = [sharpe_ratio_at_k(guess, truths, 2, baseline=5.0) for guess in (careful, careless)]
    assert ratios[0] > 5 * ratios[1]


def test_faults_are_said_in_one_line() -> None:
    with pytest.raises(SettingError, match="k=5 of 4"):
        top_k(ESTIMATES, TRUTHS, 5)
    with pytest.raises(DataError, match="4 estimates and 3 truths"):
        regret_at_k(ESTIMATES, TRUTHS[:3])
