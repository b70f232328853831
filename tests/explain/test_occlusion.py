"""Hidden stretches: what is cut out, what a straight line says, and a motion that can be inferred from its ends."""

import numpy as np
import pytest

from pilothouse.core.errors import DataError
from pilothouse.explain.occlusion import between, learn_occlusion, stretches


def parabolas(count: int, seed: int = 0) -> np.ndarray:
    """Things thrown up: height over 7 steps, from different places at different speeds."""
    draws, time = np.random.default_rng(seed), np.arange(7.0)
    start, speed = draws.uniform(-1, 1, (2, count, 1))
    return (start + speed * time - 0.2 * time**2)[..., None]


def test_stretches_of_an_episode_by_hand() -> None:
    obs = np.arange(7.0)[:, None]
    np.testing.assert_array_equal(stretches(obs, 2)[:, :, 0], [[0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6]])
    assert stretches(obs, 4).shape == (0, 8, 1)


def test_a_straight_line_by_hand() -> None:
    rows = np.array([0.0, 1.0, 9.0, 9.0, 9.0, 5.0, 6.0])[None, :, None]
    np.testing.assert_allclose(between(rows)[0, :, 0], [2, 3, 4])  # from 1 to 5 in four steps


def test_what_is_hidden_is_inferred_and_not_looked_at() -> None:
    model = learn_occlusion(parabolas(300), width=32, updates=100)
    rows = parabolas(50, seed=1)
    truth, found = rows[:, 2:-2], model.infilled(rows)
    assert np.abs(found - truth).mean() < 0.3 * np.abs(between(rows) - truth).mean()
    covered = rows.copy()
    covered[:, 2:-2] = np.nan
    np.testing.assert_array_equal(model.infilled(covered), found)
    plain, broken = model.surprise(covered), covered.copy()
    broken[:, -2:] += 1.0
    assert (model.surprise(broken).explained > plain.explained).mean() > 0.9
    np.testing.assert_array_equal(model.surprise(rows).foreseen, plain.foreseen)


def test_a_few_stretches_teach_nothing() -> None:
    with pytest.raises(DataError, match="at least 10"):
        learn_occlusion(parabolas(9))
