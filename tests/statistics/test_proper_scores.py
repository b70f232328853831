"""Brier scores and CRPS: by hand, against slow twins, and honest forecasts come out best."""

import numpy as np
import pytest

from pilothouse.core.errors import DataError
from pilothouse.statistics.proper_scores import brier_scores, sample_crps


def test_brier_by_hand_and_a_half_scores_a_quarter() -> None:
    np.testing.assert_allclose(brier_scores([0.9, 0.2, 1.0], [1, 1, 0]), [0.01, 0.64, 1.0])
    np.testing.assert_allclose(brier_scores([0.5, 0.5], [0, 1]), 0.25)


def test_brier_is_least_for_the_true_probability() -> None:
    said = np.linspace(0, 1, 101)
    expected = 0.3 * brier_scores(said, np.ones(101)) + 0.7 * brier_scores(said, np.zeros(101))
    assert said[expected.argmin()] == pytest.approx(0.3)


def test_crps_by_hand() -> None:
    # |1-2| and |4-2| have mean 3/2; the pair is 3 apart: 3/2 - 3/2. Outcome 0: mean 5/2, less 3/2.
    np.testing.assert_allclose(sample_crps([[1.0, 1.0], [4.0, 4.0]], [2.0, 0.0]), [0.0, 1.0])
    np.testing.assert_allclose(sample_crps([[1.0]], [3.0]), [2.0])


def test_crps_is_the_slow_double_mean_and_that_of_a_normal() -> None:
    draw = np.random.default_rng(0)
    samples, outcome = draw.normal(size=(7, 3)), draw.normal(size=3)
    pairs = [np.abs(samples[i] - samples[j]) for i in range(7) for j in range(7) if i != j]
    np.testing.assert_allclose(
        sample_crps(samples, outcome), np.abs(samples - outcome).mean(axis=0) - np.mean(pairs, axis=0) / 2
    )
    # Of a standard normal at 0: 2 φ(0) - 1/√π = 0.2337.
    many = sample_crps(draw.normal(size=(200_000, 1)), [0.0])[0]
    assert many == pytest.approx(2 / np.sqrt(2 * np.pi) - 1 / np.sqrt(np.pi), abs=5e-3)


def test_crps_of_few_samples_has_no_bias() -> None:
    draw = np.random.default_rng(1)
    few = np.concatenate([sample_crps(draw.normal(size=(3, 20_000)), np.zeros(20_000))])
    assert few.mean() == pytest.approx(0.2337, abs=4 * few.std() / np.sqrt(20_000))


def test_what_is_no_forecast_is_refused() -> None:
    for said, happened, words in (
        ([0.5], [1, 0], "1 forecasts of 2"),
        ([1.5], [1], r"in \[0, 1\]"),
        ([0.5], [2], "outcomes of 0"),
    ):
        with pytest.raises(DataError, match=words):
            brier_scores(said, happened)
    with pytest.raises(DataError, match="one outcome a step"):
        sample_crps([[1.0, 2.0]], [1.0])
