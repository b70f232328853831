import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core.errors import DataError
from pilothouse.statistics import wilson_interval
from pilothouse.statistics.proportions import clustered_interval


def test_by_hand():
    # 8 of 10, z = 1.959964, z^2 = 3.841459: centre (0.8 + 0.192073) / 1.384146 = 0.716740, half
    # 1.959964 / 1.384146 * sqrt(0.016 + 0.009604) = 0.226578.
    interval = wilson_interval(8, 10)
    np.testing.assert_allclose([interval.low, interval.high], [0.490162, 0.943318], atol=2e-6)


@given(trials=st.integers(1, 200), share=st.floats(0, 1), level=st.floats(0.5, 0.999))
def test_it_is_scipys_and_failures_mirror_successes(trials, share, level):
    successes = round(share * trials)
    ours = wilson_interval(successes, trials, level=level)
    theirs = scipy.stats.binomtest(successes, trials).proportion_ci(level, method="wilson")
    np.testing.assert_allclose([ours.low, ours.high], [theirs.low, theirs.high], atol=1e-12)
    mirrored = wilson_interval(trials - successes, trials, level=level)
    np.testing.assert_allclose([1 - mirrored.high, 1 - mirrored.low], [ours.low, ours.high], atol=1e-12)
    assert 0 <= ours.low <= successes / trials <= ours.high <= 1


def test_nothing_seen_is_not_nothing_possible():
    assert wilson_interval(0, 20).low == 0.0 and wilson_interval(0, 20).high > 0.1
    assert wilson_interval(20, 20).high == 1.0


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 5), (6, 5)])
def test_impossible_counts_are_refused(successes, trials):
    with pytest.raises(DataError, match="expected 0 <= successes"):
        wilson_interval(successes, trials)


def test_clusters_of_one_trial_are_wilsons_interval():
    scores = np.array([1.0] * 8 + [0.0] * 2)[:, None]
    ours, wilson = clustered_interval(scores), wilson_interval(8, 10)
    np.testing.assert_allclose([ours.low, ours.high], [wilson.low, wilson.high], atol=1e-12)


def test_trials_that_are_all_alike_within_clusters_count_once():
    once = np.array([1.0] * 8 + [0.0] * 2)[:, None]
    many = clustered_interval(np.repeat(once, 50, axis=1))
    alone = clustered_interval(once)
    np.testing.assert_allclose([many.low, many.high], [alone.low, alone.high], atol=1e-12)


def test_clusters_that_do_not_differ_count_every_trial():
    scores = np.tile([1.0, 0.0, 1.0, 1.0], (10, 1))
    ours, wilson = clustered_interval(scores), wilson_interval(30, 40)
    np.testing.assert_allclose([ours.low, ours.high], [wilson.low, wilson.high], atol=1e-12)
    # All right says nothing of how alike trials are: it counts the clusters.
    sure = clustered_interval(np.ones((10, 4)))
    assert sure == wilson_interval(10, 10)


def test_clustered_intervals_cover_as_often_as_they_say():
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        rates = generator.beta(1.0, 2.0, 40)
        held += clustered_interval((generator.random((40, 6)) < rates[:, None]).astype(float)).contains(1 / 3)
    assert held / 400 > 0.92


@pytest.mark.parametrize("scores", [np.zeros((0, 3)), np.full((2, 2), 1.5), np.full((2, 2), np.nan), np.zeros(3)])
def test_scores_that_are_no_proportions_are_refused(scores):
    with pytest.raises((DataError, TypeError)):
        clustered_interval(scores)
