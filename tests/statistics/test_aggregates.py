import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pilothouse.statistics import interquartile_mean, mean, median_of_task_means, optimality_gap

SCORES = arrays(np.float64, array_shapes(min_dims=1, max_dims=3, max_side=7), elements=st.floats(-1e3, 1e3, width=32))


def test_by_hand():
    # Eight values, floor(8 / 4) = 2 cut off at each end: (3 + 4 + 5 + 6) / 4 = 4.5.
    assert interquartile_mean([1, 100, 3, 4, 5, 6, -50, 7]) == 4.5
    # Six values: floor(1.5) = 1 cut off: (2 + 3 + 4 + 5) / 4 = 3.5. Three values: nothing is cut.
    assert interquartile_mean([9, 2, 3, 4, 5, -9]) == 3.5
    assert interquartile_mean([0, 0, 9]) == 3
    # 1 - (min(2, 1) + min(0.5, 1) + min(-1, 1)) / 3 = 1 - 0.5 / 3.
    np.testing.assert_allclose(optimality_gap([2, 0.5, -1]), 1 - 0.5 / 3)
    np.testing.assert_allclose(optimality_gap([2, 0.5, -1], target=2.0), 2 - 1.5 / 3)
    # Task means 2, 3 and 10: their median is 3.
    assert median_of_task_means([[1, 3, 0], [3, 3, 20]]) == 3


@given(scores=SCORES)
def test_interquartile_mean_is_scipys_trimmed_mean(scores):
    np.testing.assert_allclose(interquartile_mean(scores), scipy.stats.trim_mean(scores, 0.25, axis=None), atol=1e-9)
    np.testing.assert_allclose(interquartile_mean(scores, axis=0), scipy.stats.trim_mean(scores, 0.25), atol=1e-9)


@given(scores=SCORES, shift=st.floats(-10, 10), scale=st.floats(0.1, 10))
def test_aggregates_move_with_the_scores_and_forget_their_order(scores, shift, scale):
    for statistic in (interquartile_mean, mean):
        np.testing.assert_allclose(statistic(scores * scale + shift), statistic(scores) * scale + shift, atol=1e-6)
        np.testing.assert_allclose(statistic(scores[::-1]), statistic(scores), atol=1e-9)
        assert scores.min() - 1e-9 <= statistic(scores) <= scores.max() + 1e-9
    assert optimality_gap(scores + 1.0) <= optimality_gap(scores)  # better scores, smaller gap


@pytest.mark.parametrize("statistic", [interquartile_mean, mean, optimality_gap, median_of_task_means])
def test_a_stack_of_resamples_is_reduced_as_each_alone(statistic):
    stack = np.random.default_rng(0).normal(size=(5, 7, 3))
    np.testing.assert_allclose(statistic(stack, axis=(-2, -1)), [statistic(scores) for scores in stack], rtol=1e-12)


@given(scores=SCORES.filter(lambda s: s.size >= 4))
def test_one_wild_run_cannot_move_the_interquartile_mean_out_of_the_rest(scores):
    flat = scores.ravel().copy()
    flat[0] = 1e30
    rest = flat[1:]
    assert rest.min() - 1e-9 <= interquartile_mean(flat) <= rest.max() + 1e-9
