import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.core.errors import DataError
from pilothouse.statistics import mean_interval, paired_bootstrap_interval, paired_difference_interval


def test_by_hand():
    # Differences 1, 2, 3: mean 2, s = 1, t(0.975, 2) = 4.302653; half width 4.302653 / sqrt(3) = 2.484138.
    interval = paired_difference_interval([2, 4, 6], [1, 2, 3])
    np.testing.assert_allclose([interval.low, interval.high], [2 - 2.484138, 2 + 2.484138], atol=1e-6)


def test_equal_differences_leave_no_doubt():
    assert paired_difference_interval([3, 4, 5], [1, 2, 3]).to_json() == [2.0, 2.0]


@given(values=st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=9), level=st.floats(0.5, 0.99))
def test_it_is_scipys_t_interval_and_swapping_mirrors_it(values, level):
    a, b = np.array(values), np.arange(len(values))
    ours = paired_difference_interval(a, b, level=level)
    theirs = scipy.stats.ttest_rel(a, b).confidence_interval(level) if np.ptp(a - b) else (np.mean(a - b),) * 2
    np.testing.assert_allclose([ours.low, ours.high], theirs, rtol=1e-7, atol=1e-7)
    mirrored = paired_difference_interval(b, a, level=level)
    np.testing.assert_allclose([mirrored.low, mirrored.high], [-ours.high, -ours.low], atol=1e-9)


@pytest.mark.parametrize("seeds", [5, 8])
def test_students_interval_covers_as_often_as_it_says_and_the_bootstrap_does_not(seeds):
    # 3000 repetitions: standard error of a coverage near 0.95 is 0.004; of one near 0.87 over 600 it is 0.014.
    generator = np.random.default_rng(seeds)
    arms = generator.normal(0.3, 1.0, (3000, seeds)), generator.normal(0.0, 2.0, (3000, seeds))
    covered = [paired_difference_interval(a, b).contains(0.3) for a, b in zip(*arms, strict=True)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)
    few = zip(arms[0][:600], arms[1][:600], strict=True)
    by_bootstrap = [paired_bootstrap_interval(a, b, resamples=300).contains(0.3) for a, b in few]
    assert np.mean(by_bootstrap) < 0.92


def test_students_interval_on_skewed_scores():
    # Exponential scores in both arms: differences are symmetric, tails heavier than normal.
    generator = np.random.default_rng(3)
    covered = [paired_difference_interval(*generator.exponential(size=(2, 8))).contains(0.0) for _ in range(3000)]
    assert 0.94 < np.mean(covered) < 0.98


def test_pairing_removes_what_seeds_share():
    generator = np.random.default_rng(0)
    shared = generator.normal(0, 100, 8)
    a, b = shared + 1 + 0.1 * generator.normal(size=8), shared
    assert paired_difference_interval(a, b).above(0)
    assert not mean_interval(a).above(b.mean())


def test_unpaired_arms_are_refused():
    with pytest.raises(DataError, match="pair the arms"):
        paired_difference_interval([1, 2, 3], [1, 2])
