import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pilothouse.core.errors import DataError
from pilothouse.statistics import probability_of_improvement, probability_of_improvement_interval

FEW = st.integers(0, 3).map(float)  # few values: many ties


def test_by_hand():
    # x = {1, 2, 3}, y = {2, 0}: 1>2 no, 1>0 yes, 2=2 half, 2>0 yes, 3>2 yes, 3>0 yes: 4.5 of 6.
    assert probability_of_improvement([1, 2, 3], [2, 0]) == 0.75
    # A second task in which y always wins: (0.75 + 0) / 2.
    assert probability_of_improvement([[1, 0], [2, 0], [3, 0]], [[2, 1], [0, 1]]) == 0.375


@given(x=arrays(np.float64, (5, 2), elements=FEW), y=arrays(np.float64, (4, 2), elements=FEW))
def test_it_is_mann_whitneys_u_and_swapping_mirrors_it(x, y):
    u = scipy.stats.mannwhitneyu(x, y, axis=0, method="asymptotic").statistic
    np.testing.assert_allclose(probability_of_improvement(x, y), (u / 20).mean(), rtol=1e-12)
    np.testing.assert_allclose(probability_of_improvement(x, y) + probability_of_improvement(y, x), 1.0, rtol=1e-12)


def test_interval_by_resampling_runs_one_by_one():
    generator = np.random.default_rng(0)
    x, y = generator.normal(0.5, 1, (9, 2)), generator.normal(0, 1, (7, 2))
    direct = [
        probability_of_improvement(
            np.take_along_axis(x, generator.integers(9, size=(9, 2)), axis=0),
            np.take_along_axis(y, generator.integers(7, size=(7, 2)), axis=0),
        )
        for _ in range(2000)
    ]
    ours = probability_of_improvement_interval(x, y, resamples=4000)
    np.testing.assert_allclose(ours.to_json(), np.quantile(direct, [0.025, 0.975]), atol=0.03)
    assert ours.contains(probability_of_improvement(x, y))


def test_interval_at_the_edges():
    assert probability_of_improvement_interval([2, 3], [0, 1]).to_json() == [1.0, 1.0]
    assert not probability_of_improvement_interval([2], [0, 1]).known
    mirrored = probability_of_improvement_interval([0, 1], [2, 3])
    assert mirrored.to_json() == [0.0, 0.0]


def test_different_tasks_are_refused():
    with pytest.raises(DataError, match="same tasks"):
        probability_of_improvement(np.zeros((3, 2)), np.zeros((3, 1)))
