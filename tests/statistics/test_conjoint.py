"""Component effects: a difference of means by hand, effects of factors that go together, and honest intervals."""

import numpy as np
import pytest

from pilothouse.core.errors import DataError
from pilothouse.statistics.conjoint import component_effects

ALL = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), axis=-1).reshape(-1, 3)


def test_in_a_full_factorial_it_is_the_difference_of_means() -> None:
    answers = np.array([0.1, 0.2, 0.3, 0.5, 0.4, 0.9, 0.6, 1.0])
    found = component_effects(ALL, answers)
    by_hand = [answers[ALL[:, k] == 1].mean() - answers[ALL[:, k] == 0].mean() for k in range(3)]
    np.testing.assert_allclose(found.effect, by_hand)
    assert by_hand[0] == pytest.approx(0.725 - 0.275)


def test_exact_answers_have_exact_effects_even_where_factors_go_together() -> None:
    # The second factor follows the first in nine of ten stories, and by itself moves nothing.
    draw = np.random.default_rng(0)
    first = draw.random(400) < 0.5
    factors = np.stack([first, np.where(draw.random(400) < 0.9, first, ~first)], axis=1).astype(int)
    found = component_effects(factors, 0.2 + 0.5 * factors[:, 0])
    np.testing.assert_allclose(found.effect, [0.5, 0], atol=1e-12)
    np.testing.assert_allclose(found.half_width, 0, atol=1e-9)
    noisy = component_effects(factors, 0.2 + 0.5 * factors[:, 0] + draw.normal(size=400) * 0.1)
    assert noisy.interval(0).contains(0.5) and not noisy.interval(0).contains(0) and noisy.interval(1).contains(0)


def test_intervals_cover_where_spread_differs() -> None:
    draw = np.random.default_rng(1)
    factors = (draw.random((60, 2)) < [0.5, 0.2]).astype(int)
    held = 0
    for _ in range(600):
        answers = 0.3 * factors[:, 0] + draw.normal(size=60) * np.where(factors[:, 1] == 1, 1.0, 0.2)
        held += component_effects(factors, answers).interval(1).contains(0.0)
    assert abs(held / 600 - 0.95) < 0.035


def test_factors_that_cannot_be_told_apart_are_refused() -> None:
    for factors, words in (
        (np.c_[ALL[:, 0], ALL[:, 0]], "do not tell 2 factors apart"),
        (np.ones((8, 1)), "do not tell 1 factors apart"),
        (ALL * 2, "0 or 1 each"),
    ):
        with pytest.raises(DataError, match=words):
            component_effects(factors, np.arange(8.0))
