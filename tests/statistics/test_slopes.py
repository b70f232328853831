import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core.errors import DataError
from pilothouse.statistics import slope, slope_interval, slope_interval_over_seeds


def test_by_hand():
    # x - mean = -1, 0, 1; y = 1, 2, 6: slope (6 - 1) / 2 = 2.5. Residuals 0.5, -1, 0.5, squares 1.5, one degree of
    # freedom, error sqrt(1.5 / 2) = 0.866025, t(0.975, 1) = 12.706205: half width 11.003896.
    assert slope([1, 2, 3], [1, 2, 6]) == 2.5
    interval = slope_interval([1, 2, 3], [1, 2, 6])
    np.testing.assert_allclose([interval.low, interval.high], [2.5 - 11.003896, 2.5 + 11.003896], atol=1e-5)
    # Two seeds with slopes 1 and 3: mean 2, s = sqrt(2), t(0.975, 1) * sqrt(2) / sqrt(2) = 12.706205.
    seeds = slope_interval_over_seeds([0, 1], [[5, 6], [0, 3]])
    np.testing.assert_allclose([seeds.low, seeds.high], [2 - 12.706205, 2 + 12.706205], atol=1e-5)


@given(seed=st.integers(0, 99), count=st.integers(3, 12))
def test_it_is_scipys_regression_and_mirrors(seed, count):
    x, y = np.random.default_rng(seed).normal(size=(2, count))
    ours, theirs = slope_interval(x, y), scipy.stats.linregress(x, y)
    half = scipy.stats.t.ppf(0.975, count - 2) * theirs.stderr
    np.testing.assert_allclose([ours.low, ours.high], [theirs.slope - half, theirs.slope + half], rtol=1e-6, atol=1e-9)
    assert slope_interval(x, -y).low == pytest.approx(-ours.high)


def test_what_has_no_slope_is_refused_or_unknown():
    with pytest.raises(DataError, match="two different"):
        slope([1, 1], [0, 2])
    with pytest.raises(DataError, match="one y for each x"):
        slope([1, 2, 3], [0, 2])
    assert not slope_interval([0, 1], [0, 1]).known
