import numpy as np
import pytest
from scipy.stats import binom

from pilothouse.core.errors import DataError
from pilothouse.statistics.lower_bounds import (
    bootstrap_lower,
    clopper_pearson_lower,
    dkw_margin,
    empirical_bernstein_lower,
    hoeffding_lower,
    student_lower,
)


def test_clopper_pearson_by_hand() -> None:
    # n of n: the rate whose n-th power is alpha. 1 of n: 1 - (1 - p) ** n is alpha, so p = 1 - (1 - alpha) ** (1 / n).
    assert clopper_pearson_lower(20, 20, level=0.99) == pytest.approx(0.01 ** (1 / 20))
    assert clopper_pearson_lower(1, 5, level=0.95) == pytest.approx(1 - 0.95**0.2)
    assert clopper_pearson_lower(0, 5) == 0.0
    with pytest.raises(DataError, match="successes"):
        clopper_pearson_lower(6, 5)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.93])
def test_clopper_pearson_covers_whatever_the_rate(rate: float) -> None:
    bounds = np.array([clopper_pearson_lower(k, 30, level=0.9) for k in range(31)])
    assert binom.pmf(np.arange(31), 30, rate)[bounds <= rate].sum() >= 0.9


def test_dkw_by_hand_and_by_law() -> None:
    # ln(1 / 0.05) = 2.9957, over 2 * 100, has the root 0.12239.
    assert dkw_margin(100, level=0.95) == pytest.approx(0.12239, abs=1e-5)
    draws = np.sort(np.random.default_rng(0).uniform(size=(2000, 50)), axis=1)
    above = (np.arange(1, 51) / 50 - draws).max(axis=1)  # how far the sample's function is above the true one
    assert (above > dkw_margin(50, level=0.9)).mean() <= 0.1
    with pytest.raises(DataError, match="sample"):
        dkw_margin(0)


def test_bounds_of_a_mean_by_hand() -> None:
    values = [0.0, 1.0, 1.0, 0.0]
    # ln(1 / 0.05) = 2.99573 over 8 has the root 0.611937; of a range of 2 twice that.
    assert hoeffding_lower(values, low=0, high=1) == pytest.approx(0.5 - 0.611937, abs=1e-6)
    assert hoeffding_lower(values, low=0, high=2) == pytest.approx(0.5 - 2 * 0.611937, abs=1e-6)
    # ln(2 / 0.05) = 3.68888; s^2 = 1/3: sqrt(2 / 3 * 3.68888 / 4) = 0.784101, and 7 * 3.68888 / 9 = 2.869127.
    assert empirical_bernstein_lower(values, low=0, high=1) == pytest.approx(0.5 - 0.784101 - 2.869127, abs=1e-5)
    # t(0.95, 3) = 2.353363, times sqrt(1 / 3) / 2 = 0.288675.
    assert student_lower(values) == pytest.approx(0.5 - 2.353363 * 0.288675, abs=1e-5)
    # Of four draws of a fair coin, 0 heads have 1/16 and at most 1 head 5/16: the 5% quantile of the mean is 0.
    assert bootstrap_lower(values) == 0.0
    assert bootstrap_lower(values, level=0.8) == 0.25


def test_values_beyond_the_range_are_cut_above_and_refused_below() -> None:
    assert hoeffding_lower([0.0, 50.0], low=0, high=1) == hoeffding_lower([0.0, 1.0], low=0, high=1)
    for bound in (hoeffding_lower, empirical_bernstein_lower):
        with pytest.raises(DataError, match="no value below low"):
            bound([-1.0, 0.0], low=0, high=1)
        with pytest.raises(DataError, match="low < high"):
            bound([1.0], low=1, high=1)
    for alone in (student_lower, bootstrap_lower):
        assert alone([1.0]) == -np.inf
    assert empirical_bernstein_lower([1.0], low=0, high=1) == -np.inf


def test_bounds_of_a_mean_hold_and_stand_in_order() -> None:
    generator = np.random.default_rng(0)
    truth, count = 0.05, 400
    draws = (generator.random((500, count)) < truth) * 1.0
    sure = [[b(row, low=0, high=1) for row in draws] for b in (hoeffding_lower, empirical_bernstein_lower)]
    near = [student_lower(row) for row in draws]
    again = [bootstrap_lower(row, resamples=200) for row in draws[:100]]
    for bounds in sure:
        assert np.mean(np.array(bounds) > truth) <= 0.05
    assert np.mean(np.array(near) > truth) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 500)
    assert np.mean(np.array(again) > truth) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 100)
    assert (
        np.mean(sure[0]) < np.mean(sure[1]) < np.mean(near)
    )  # little spread: Bernstein is the closer of the safe ones
