"""CVaR of a sample: hand values, its variational form, and coverage of its interval."""

import numpy as np
import pytest

from pilothouse.core.errors import SettingError
from pilothouse.statistics.tails import worst_mean, worst_mean_interval


def test_hand_values():
    scores = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert worst_mean(scores, share=0.4) == pytest.approx(1.5)
    assert worst_mean(scores, share=0.3) == pytest.approx((1.0 + 0.5 * 2.0) / 1.5)  # the second counts by half
    assert worst_mean(scores, share=0.05) == 1.0
    assert worst_mean(scores, share=1.0) == pytest.approx(3.0)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.7])
def test_equals_the_variational_form(share: float):
    x = np.random.default_rng(0).normal(size=(37,))
    lines = [t - np.maximum(t - x, 0.0).mean() / share for t in x]  # concave in t, with its corners at the values
    assert worst_mean(x, share=share) == pytest.approx(max(lines))


def test_reduces_axes_as_other_statistics_do():
    x = np.random.default_rng(1).normal(size=(3, 20, 2))
    np.testing.assert_allclose(worst_mean(x, axis=(-2, -1)), [worst_mean(row) for row in x])


def test_interval_covers_about_as_often_as_it_says():
    rng, truth = np.random.default_rng(2), -np.exp(-0.5 * 1.2815515655**2) / np.sqrt(2 * np.pi) / 0.1
    samples = [rng.normal(size=200) for _ in range(100)]
    covered = [worst_mean_interval(x, resamples=300, seed=i).contains(truth) for i, x in enumerate(samples)]
    assert np.mean(covered) > 0.83


def test_refuses_a_share_of_nothing():
    with pytest.raises(SettingError, match="share=0"):
        worst_mean([1.0], share=0)
